"""SubjectService: wire to domain, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from liandong.cases.v1 import subject_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import elsewhere, imports, queries, subject_file
from services.cases.elsewhere import Ask, Named
from services.cases.handlers.audited import AuditedReads
from services.common import page_tokens
from services.common.errors import NotFound
from services.common.permissions import PermissionTable, Rule
from services.exchange.department import Department
from services.procedures.checker import PERSON_ROLES

Bulletins = Callable[[Connection, Sequence[str]], list[pb.SubjectBulletin]]
"""Bulletins here that hold one of these names or identifiers, newest first."""

_CASES: Final = 20
_REGISTERED: Final = 20
_READERS: Final = PERSON_ROLES | {"auditor", "liaison", "system"}

_DRAFTERS: Final = _READERS - {"auditor", "system"}
"""People: a system would be told of a list of identifiers, not of what it drafts."""

SUBJECT_RULES: Final[PermissionTable] = {
    f"/liandong.cases.v1.SubjectService/{method}": Rule(
        kinds=frozenset({"gateway", "system"}), same_department=True, actor="required", roles=_READERS
    )
    for method in ("GetSubjectFile", "RevealSubjects")
} | {
    "/liandong.cases.v1.SubjectService/FindCasesElsewhere": Rule(
        kinds=frozenset({"gateway", "system"}), same_department=True, actor="required", roles=_DRAFTERS
    )
}


class SubjectHandlers(AuditedReads):
    """Files of subjects.

    Args:
        department: Whose.
        bulletins: What of its bulletins names somebody.
        ask: Asks the registry about open cases elsewhere; None where it cannot be asked.
    """

    def __init__(
        self,
        department: Department,
        bulletins: Bulletins = lambda connection, words: [],
        ask: Ask | None = None,
    ) -> None:
        AuditedReads.__init__(self, department)
        self._bulletins = bulletins
        self._ask = ask

    async def GetSubjectFile(
        self, request: pb.GetSubjectFileRequest, _context: Any
    ) -> pb.GetSubjectFileResponse:
        """The file of one unit or person, or who may be meant; who asked, for whom and what for is noted."""
        asked = f"{request.identifier or request.name} | {request.purpose}"
        return await self._read("GetSubjectFile", lambda found: self._file(found, request), "", asked)

    async def FindCasesElsewhere(
        self, request: pb.FindCasesElsewhereRequest, _context: Any
    ) -> pb.FindCasesElsewhereResponse:
        """Which departments have open cases about those in a draft; who asked, about whom and what for is noted first."""
        asked = " ".join(each.identifier for each in request.subjects)
        subjects = await self._read(
            "FindCasesElsewhere",
            lambda _: [Named(subject_file.checked(each.identifier), each.name) for each in request.subjects],
            "",
            f"{asked} | {request.purpose}",
        )
        return pb.FindCasesElsewhereResponse(
            warnings=await elsewhere.warnings(self._department, subjects, self._ask)
        )

    async def RevealSubjects(
        self, request: pb.RevealSubjectsRequest, _context: Any
    ) -> pb.RevealSubjectsResponse:
        """What is masked of a case's subjects; who looked, at which letter and what for is noted."""

        def work(connection: Connection) -> pb.RevealSubjectsResponse:
            if not queries.rows_of(connection, {request.case_id}):
                raise NotFound("No such case is here.", field="case_id")
            return pb.RevealSubjectsResponse(subjects=queries.subjects_of(connection, request.case_id))

        asked = " | ".join(filter(None, (request.letter_id, request.purpose)))
        return await self._read("RevealSubjects", work, request.case_id, asked)

    def _file(self, connection: Connection, request: pb.GetSubjectFileRequest) -> pb.GetSubjectFileResponse:
        department = self._department
        key = page_tokens.decode(request.page_token, ((str,),))
        size = request.page_size or _CASES
        now = department.clock.now()
        who = subject_file.find(connection, request.identifier, request.name)
        if isinstance(who, list):
            return pb.GetSubjectFileResponse(candidates=who)
        cases = subject_file.about(connection, who)
        rest = [each for each in cases if key is None or each.case_id < key[0]]
        names = subject_file.names(connection, who)
        response = pb.GetSubjectFileResponse(
            subject=subject_file.subject(connection, who, cases),
            names=names,
            cases=subject_file.page(connection, rest[:size], department, now),
        )
        if len(rest) > size:
            response.next_page_token = page_tokens.encode([rest[size - 1].case_id])
        if key is None:
            words = [*([who.identifier] if who.identifier else []), *(each.name for each in names)]
            response.penalties.extend(subject_file.penalties(connection, cases))
            response.recurrences.extend(subject_file.recurrences(connection, cases, now))
            response.registered.extend(
                imports.registered(connection, who.identifier, sorted(who.keys), _REGISTERED)
            )
            response.bulletins.extend(self._bulletins(connection, words))
        return response
