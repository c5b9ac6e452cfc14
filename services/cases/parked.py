"""Letters that are stuck: what is shown of them, and how they are tried again."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from liandong.cases.v1 import case_service_pb2 as pb
from sqlalchemy import Connection

from services.common.clock import microseconds
from services.common.errors import LiandongError, NotFound
from services.exchange import tables
from services.exchange.department import Department
from services.exchange.letters import timestamp, timestamp_us
from services.exchange.session import Command, DepartmentSession

_SHOWN: Final = 1_000
_LOOK_EVERY_S: Final = 15.0
_OUTBOX_PAUSE: Final = timedelta(seconds=60)
"""The link sends what was put off again after a minute at the latest."""

_log = structlog.get_logger(__name__)


def listed(connection: Connection, now: datetime) -> list[pb.ParkedLetter]:
    """Stuck letters, oldest first: those that came, then those that the registry puts off."""
    parked, outbox = tables.parked.c, tables.outbox.c
    found = []
    for row in connection.execute(sa.select(tables.parked).order_by(parked.position).limit(_SHOWN)):
        letter = pb.ParkedLetter(
            letter_id=row.letter_id,
            case_id=row.case_id,
            side=pb.PARKED_SIDE_INBOX,
            error=row.error,
            attempts=row.attempts,
            position=row.position,
        )
        if row.next_attempt_us is not None:
            letter.next_attempt_at.CopyFrom(timestamp_us(row.next_attempt_us))
        found.append(letter)
    put_off = sa.select(tables.outbox).where(outbox.attempts > 0).order_by(outbox.sequence).limit(_SHOWN)
    found += [
        pb.ParkedLetter(
            letter_id=row.letter_id,
            case_id=row.case_id or "",
            side=pb.PARKED_SIDE_OUTBOX,
            error=row.error,
            attempts=row.attempts,
            next_attempt_at=timestamp(now + _OUTBOX_PAUSE),
        )
        for row in connection.execute(put_off)
    ]
    return found


def retry_command(letter_id: str) -> Command:
    """A command that tries a stuck letter again and says whether it is resolved, else why not.

    What the registry puts off the link sends again by itself; of that only the reason is told.

    Raises:
        NotFound: No letter of that id is stuck.
    """

    def command(session: DepartmentSession) -> tuple[bool, str]:
        parked, outbox = tables.parked.c, tables.outbox.c
        stuck = sa.select(parked.case_id, parked.error).where(parked.letter_id == letter_id)
        row = session.connection.execute(stuck).first()
        if row is None:
            put_off = session.connection.execute(
                sa.select(outbox.case_id, outbox.error).where(outbox.letter_id == letter_id)
            ).first()
            if put_off is None:
                raise NotFound("No letter of that id is stuck.", field="letter_id")
            session.audit("RetryParked", put_off.case_id or "", letter_id, "on its way")
            return False, put_off.error or "It is on its way."
        session.inbox.retry_parked(row.case_id)
        after = session.connection.execute(stuck).first()
        session.audit("RetryParked", row.case_id, letter_id, "ok" if after is None else "parked")
        return after is None, after.error if after else ""

    return command


class ParkedRetrier:
    """Tries parked letters again when their time has come, each case by itself.

    Args:
        department: Whose.
    """

    def __init__(self, department: Department) -> None:
        self._department = department

    async def run(self) -> None:
        """Look for due letters until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def once(self) -> None:
        """Try everything that is due now."""
        now_us = microseconds(self._department.clock.now())
        try:
            for case_id in await self._department.read(lambda connection: _due(connection, now_us)):
                await self._department.run(_retry(case_id))
        except LiandongError as error:
            # the next look finds the same letters
            _log.warning("parked.retry", department=self._department.name, reason=error.reason)


def _retry(case_id: str) -> Command:
    return lambda session: session.inbox.retry_parked(case_id)


def _due(connection: Connection, now_us: int) -> list[str]:
    """Cases whose first parked letter is due; of letters without a case any."""
    parked = tables.parked.c
    rows = connection.execute(
        sa.select(parked.case_id, parked.next_attempt_us).order_by(parked.position).limit(_SHOWN)
    )
    seen: set[str] = set()
    due: dict[str, None] = {}
    for case_id, at in rows:
        if case_id and case_id in seen:
            continue
        seen.add(case_id)
        if at is not None and at <= now_us:
            due[case_id] = None
    return list(due)
