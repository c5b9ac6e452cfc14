"""PublicService: wire to domain, nothing else."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import case_service_pb2
from liandong.cases.v1 import public_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import intake, publications, status_codes, tables
from services.cases.acts import SendActs
from services.common import page_tokens
from services.common.errors import LiandongError, NotFound
from services.common.permissions import PermissionTable, Rule
from services.exchange import actors
from services.exchange.department import Department
from services.exchange.session import DepartmentSession
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
    f"{_SERVICE}/TakeComplaint": Rule(
        kinds=_CALLERS, same_department=True, actor="required", roles=frozenset({"system"})
    ),
    f"{_SERVICE}/GetComplaintContact": Rule(
        kinds=_CALLERS, same_department=True, actor="required", roles=PERSON_ROLES | {"liaison"}
    ),
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
        token = page_tokens.decode(request.page_token, ((int,),))
        before = token[0] if token is not None else request.before_position or None
        rows = await self._department.read(
            lambda connection: publications.listed(
                connection, self._department.name, _KINDS.get(request.kind, ""), request.text.strip(),
                before, size + 1, self._department.clock.now(),
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
            lambda connection: publications.one(
                connection, self._department.name, request.letter_id, self._department.clock.now()
            )
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

    async def TakeComplaint(
        self, request: pb.TakeComplaintRequest, _context: Any
    ) -> pb.TakeComplaintResponse:
        """Register a complaint and keep who wrote it, in one transaction."""
        draft = intake.draft_of(request)
        sending = SendActs.of(
            [case_service_pb2.SendActRequest(draft=draft, idempotency_key=request.idempotency_key)],
            actors.current_system(),
        )

        def work(session: DepartmentSession) -> pb.TakeComplaintResponse:
            (recorded,) = sending(session)
            if isinstance(recorded, LiandongError):
                raise recorded
            number, code = intake.receive(
                session.connection, recorded.case_id, request, self._department.clock.now()
            )
            return pb.TakeComplaintResponse(case_id=recorded.case_id, number=number, code=code)

        response: pb.TakeComplaintResponse = await self._department.run(work)
        return response

    async def GetComplaintContact(
        self, request: pb.GetComplaintContactRequest, _context: Any
    ) -> pb.GetComplaintContactResponse:
        """Who wrote a complaint, once it is recorded that somebody reads it."""

        def work(session: DepartmentSession) -> Any:
            row = intake.contact_of(session.connection, request.case_id)
            session.audit("GetComplaintContact", request.case_id)
            return row

        row = await self._department.run(work)
        response = pb.GetComplaintContactResponse(name=row.name, phone=row.phone, passed_on=row.passed_on)
        response.received_at.FromMicroseconds(row.received_at_us)
        return response

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
