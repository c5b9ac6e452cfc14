"""PublicService: wire to domain, nothing else."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import public_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import publications, status_codes, tables
from services.common import page_tokens
from services.common.errors import NotFound
from services.common.permissions import PermissionTable, Rule
from services.exchange.department import Department
from services.procedures import case as cases
from services.procedures.checker import PERSON_ROLES

_SERVICE: Final = "/liandong.cases.v1.PublicService"
_CALLERS: Final = frozenset({"gateway", "system"})
_PAGE: Final = 20

PUBLIC_RULES: Final[PermissionTable] = {
    **{
        f"{_SERVICE}/{method}": Rule(kinds=_CALLERS, same_department=True, actor="required")
        for method in ("ListPublished", "GetPublished", "GetStatusByCode")
    },
    f"{_SERVICE}/IssueStatusCode": Rule(
        kinds=_CALLERS, same_department=True, actor="required", roles=PERSON_ROLES | {"liaison", "system"}
    ),
}
_KINDS: Final = {number: kind for kind, number in publications.KINDS.items()}


class PublicHandlers:
    """What everybody may see of a department.

    Args:
        department: Whose.
    """

    def __init__(self, department: Department) -> None:
        self._department = department

    async def ListPublished(
        self, request: pb.ListPublishedRequest, _context: Any
    ) -> pb.ListPublishedResponse:
        """What was published."""
        size = request.page_size or _PAGE
        before = page_tokens.decode(request.page_token, ((int,),))
        rows = await self._department.read(
            lambda connection: publications.listed(
                connection, self._department.name, _KINDS.get(request.kind, ""), request.text.strip(),
                None if before is None else before[0], size + 1,
            )
        )  # fmt: skip
        page = rows[:size]
        return pb.ListPublishedResponse(
            published=[publications.view(row) for row in page],
            next_page_token=page_tokens.encode([page[-1].position]) if len(rows) > size else "",
        )

    async def GetPublished(self, request: pb.GetPublishedRequest, _context: Any) -> pb.GetPublishedResponse:
        """One of these."""
        return await self._department.read(
            lambda connection: publications.one(connection, self._department.name, request.letter_id)
        )

    async def IssueStatusCode(
        self, request: pb.IssueStatusCodeRequest, _context: Any
    ) -> pb.IssueStatusCodeResponse:
        """A number and a code for a case."""

        def work(session: Any) -> tuple[str, str]:
            found = session.connection.execute(
                sa.select(tables.cases.c.case_id).where(tables.cases.c.case_id == request.case_id)
            ).first()
            if found is None:
                raise NotFound("No such case is here.", field="case_id")
            session.audit("IssueStatusCode", request.case_id)
            return status_codes.issue(session.connection, request.case_id, self._department.clock.now())

        number, code = await self._department.run(work)
        return pb.IssueStatusCodeResponse(number=number, code=code)

    async def GetStatusByCode(
        self, request: pb.GetStatusByCodeRequest, _context: Any
    ) -> pb.GetStatusByCodeResponse:
        """How a case stands."""
        return await self._department.read(lambda connection: self._status(connection, request))

    def _status(
        self, connection: Connection, request: pb.GetStatusByCodeRequest
    ) -> pb.GetStatusByCodeResponse:
        case_id = status_codes.case_of(connection, request.number, request.code)
        row = connection.execute(sa.select(tables.cases).where(tables.cases.c.case_id == case_id)).one()
        if not row.folded:
            # recorded and on its way: nothing of it stands yet
            raise status_codes.CodeNotKnown
        state = cases.loads(row.folded)
        procedure = self._department.directory.law.procedures[state.procedure, state.version]
        title = procedure.states[state.state]
        response = pb.GetStatusByCodeResponse(
            procedure_zh=procedure.title.zh, procedure_en=procedure.title.en, state_zh=title.zh,
            state_en=title.en, closed=row.closed,
        )  # fmt: skip
        response.opened_at.FromDatetime(state.opened_at)
        response.changed_at.FromMicroseconds(row.changed_at_us)
        return response
