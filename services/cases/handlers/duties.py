"""DutyService: wire to domain, nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from liandong.cases.v1 import duty_service_pb2 as pb

from services.cases import duties
from services.common import page_tokens
from services.common.clock import Clock
from services.common.errors import InvalidField, NotFound
from services.common.permissions import PermissionTable, Rule
from services.exchange.department import Department
from services.exchange.letters import moment
from services.procedures.recurrence import parse_period

SERVICE: Final = pb.DESCRIPTOR.services_by_name["DutyService"]
DUTY_RULES: Final[PermissionTable] = {
    f"/{SERVICE.full_name}/{method}": Rule(
        kinds=frozenset({"gateway", "system"}), same_department=True, actor="required"
    )
    for method in ("ListDuties", "ExplainDuty")
}
"""Everybody of the department reads what it owes."""

_PAGE: Final = 100
_NEAR: Final = timedelta(days=92)
_LONGEST: Final = timedelta(days=3 * 366)
_KEY: Final = ((int,), (str,), (int,))


class DutyHandlers:
    """What a department owes by the calendar.

    Args:
        department: Whose.
        clock: The time.
    """

    def __init__(self, department: Department, clock: Clock) -> None:
        self._department = department
        self._clock = clock

    async def ListDuties(self, request: pb.ListDutiesRequest, _context: Any) -> pb.ListDutiesResponse:
        """Occurrences by due time."""
        now = self._clock.now()
        since, until = _period(request, now)
        after = page_tokens.decode(request.page_token, _KEY)
        law = self._department.directory.law
        found = await self._department.read(
            lambda connection: duties.owed(connection, self._department.name, law, since, until)
        )
        wanted = [each for each in found if request.state in (pb.DUTY_STATE_UNSPECIFIED, each.state(now))]
        rest = [each for each in wanted if after is None or each.key > after]
        size = request.page_size or _PAGE
        calendar = law.calendar(law.registry)
        response = pb.ListDutiesResponse(duties=[duties.view(each, calendar, now) for each in rest[:size]])
        if len(rest) > size:
            response.next_page_token = page_tokens.encode(rest[size - 1].key)
        return response

    async def ExplainDuty(self, request: pb.ExplainDutyRequest, _context: Any) -> pb.ExplainDutyResponse:
        """One occurrence, explained."""
        period = parse_period(request.period)
        if period is None:
            raise InvalidField("This is no month or date.", field="period")
        law, now = self._department.directory.law, self._clock.now()
        found = await self._department.read(
            lambda connection: duties.find(connection, self._department.name, law, request.duty, period)
        )
        if found is None:
            raise NotFound("The department owes no such duty.", field="duty")
        calendar = law.calendar(law.registry)
        explained = found.occurrence.explain(calendar)
        return pb.ExplainDutyResponse(
            duty=duties.view(found, calendar, now),
            lines_zh=explained.lines("zh"),
            lines_en=explained.lines("en"),
        )


def _period(request: pb.ListDutiesRequest, now: datetime) -> tuple[datetime, datetime]:
    since = moment(request.since, "since") if request.HasField("since") else now - _NEAR
    until = moment(request.until, "until") if request.HasField("until") else max(now, since) + _NEAR
    if until - since > _LONGEST:
        raise InvalidField("At most three years are listed at once.", field="until")
    return since, until
