"""Standing duties for tests: a bulletin of the office, a report of every member."""

from dataclasses import replace
from datetime import date
from typing import Any

from services.common.title import Title
from services.procedures.duties import DutyRule, Owner, StandingDuties
from services.procedures.model import Mark
from services.procedures.recurrence import Cycle, DayKind, Recurrence, Shift
from tests.unit.procedures.deadline_samples import at

OFFICE = "justice.qinghe"
HEALTH = "health.qinghe"
MARKET = "market.qinghe"
WATER = "water.qinghe"
BEGINNING = at("2026-01-01")

LAST_WORKING = Recurrence(Cycle.MONTHS, date(2026, 2, 1), every=2, day=DayKind.LAST_WORKING)
BULLETIN = DutyRule(
    id="bulletin",
    title=Title("督查通报", "Bulletin"),
    source="M12",
    mechanism="relay",
    owner=Owner.OFFICE,
    recurrence=LAST_WORKING,
    lead_days=20,
    discharged_by=(("relay", "send"),),
    marks=(Mark("10 d before", ("remind",)), Mark("due", ("remind", "warn-leader"))),
)
REPORT = replace(
    BULLETIN,
    id="report",
    title=Title("工作报告", "Report"),
    owner=Owner.EVERY_MEMBER,
    recurrence=Recurrence(Cycle.MONTHS, date(2026, 1, 1), number=10, minute=17 * 60, shift=Shift.PREVIOUS),
    lead_days=14,
    marks=(
        Mark("2 d before", ("remind",)),
        Mark("2 h before", ("remind", "warn-leader")),
        Mark("due", ("tell-office", "propose-supervision")),
    ),
)


def once(day: str, **changes: Any) -> DutyRule:
    """A report that is asked for once, at 17:00."""
    recurrence = Recurrence(Cycle.ONCE, date.fromisoformat(day), minute=17 * 60, shift=Shift.STAYS)
    return replace(REPORT, id="once", recurrence=recurrence, **changes)


def standing(*rules: DutyRule) -> StandingDuties:
    """Published at the beginning of 2026, with three members, one of which holds the office."""
    made = StandingDuties()
    for name in (OFFICE, HEALTH, MARKET):
        made = made.with_department(name, active=True, since=BEGINNING)
    made = made.with_office("relay", OFFICE, BEGINNING)
    for each in rules:
        made = made.with_duty(each, BEGINNING)
    return made
