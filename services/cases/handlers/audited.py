"""Reads that are noted by person, in the department's own transaction and before they are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Connection

from services.common.errors import LiandongError
from services.exchange.department import Department

T = TypeVar("T")


class AuditedReads:
    """What of a department is read, and that it was.

    Args:
        department: Whose.
    """

    def __init__(self, department: Department) -> None:
        self._department = department

    async def _read(
        self,
        method: str,
        work: Callable[[Connection], T],
        case_id: str = "",
        object_id: str = "",
        case_of: Callable[[T], str] | None = None,
    ) -> T:
        """Read, and note who read what before it is answered; what was refused is noted too."""
        try:
            result = await self._department.read(work)
        except LiandongError as error:
            await self._note(method, case_id, object_id, error.reason)
            raise
        await self._note(method, case_of(result) if case_of else case_id, object_id)
        return result

    def _note(
        self, method: str, case_id: str = "", object_id: str = "", result: str = "ok"
    ) -> Awaitable[None]:
        # words that were searched for are anybody's, and no database keeps a NUL in a text
        what = object_id.replace("\x00", "\ufffd")
        return self._department.run(lambda session: session.audit(method, case_id, what, result))
