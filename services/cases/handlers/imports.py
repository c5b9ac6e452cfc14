"""ImportService: wire to domain, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from liandong.cases.v1 import import_service_pb2 as pb
from liandong.cases.v1 import subject_service_pb2
from liandong.exchange.v1 import reason_pb2

from services.cases import imports
from services.cases.desk import DeskSession
from services.cases.imports import Outcome
from services.common.errors import LimitExceeded, RoleNotPermitted
from services.common.permissions import PermissionTable, Rule
from services.exchange import actors
from services.exchange.department import Department
from services.exchange.session import DepartmentSession

_CALLERS: Final = frozenset({"gateway", "system"})
_SERVICE: Final = "/liandong.cases.v1.ImportService"

IMPORT_RULES: Final[PermissionTable] = {
    f"{_SERVICE}/ImportSubjects": Rule(
        kinds=_CALLERS,
        same_department=True,
        actor="required",
        roles=frozenset({"system", "registry-clerk", "liaison", "leader-in-charge"}),
    ),
    f"{_SERVICE}/ImportCases": Rule(
        kinds=_CALLERS, same_department=True, actor="required", roles=frozenset({"system"})
    ),
}


class ImportHandlers:
    """A department's standing stock."""

    def __init__(self, department: Department) -> None:
        self._department = department

    async def ImportSubjects(
        self, requests: AsyncIterator[pb.ImportSubjectsRequest], _context: Any
    ) -> pb.ImportSubjectsResponse:
        """Take subjects onto the register."""
        rows: list[subject_service_pb2.RegisteredSubject] = []
        dry_run = False
        async for request in requests:
            dry_run = dry_run or request.dry_run
            rows += request.subjects
            _bounded(len(rows), imports.SUBJECTS)

        def command(session: DepartmentSession) -> Outcome:
            return imports.import_subjects(session, rows, dry_run=dry_run)

        outcome: Outcome = await self._department.run(command)
        return pb.ImportSubjectsResponse(counts=_counts(outcome), faults=_faults(outcome))

    async def ImportCases(
        self, requests: AsyncIterator[pb.ImportCasesRequest], _context: Any
    ) -> pb.ImportCasesResponse:
        """Record cases of before."""
        actor = actors.current()
        if not actor.assertion.service:
            raise RoleNotPermitted("Cases are imported by a system of the department.")
        rows: list[pb.StandingCase] = []
        dry_run = False
        async for request in requests:
            dry_run = dry_run or request.dry_run
            rows += request.cases
            _bounded(len(rows), imports.CASES)

        def command(session: DepartmentSession) -> Outcome:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            return imports.import_cases(session, desk, rows, actor, dry_run=dry_run)

        outcome: Outcome = await self._department.run(command)
        return pb.ImportCasesResponse(
            counts=_counts(outcome), faults=_faults(outcome), case_ids=outcome.case_ids
        )


def _bounded(count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(f"More than {limit:,} rows in one call.")


def _counts(outcome: Outcome) -> pb.ImportCounts:
    return pb.ImportCounts(
        added=outcome.added,
        changed=outcome.changed,
        unchanged=outcome.unchanged,
        awaiting_approval=outcome.awaiting,
    )


def _faults(outcome: Outcome) -> list[pb.ImportFault]:
    return [
        pb.ImportFault(
            row=row,
            field=error.field,
            reason=reason_pb2.Reason.Value(f"REASON_{error.reason}"),
            message=error.message,
        )
        for row, error in sorted(outcome.faults, key=lambda each: each[0])
    ]
