"""From a common entry to a standing duty, and back to what is wrong with one."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.errors import InvalidField
from services.common.title import Title
from services.exchange.trust import moment
from services.procedures.checker import ACTIONS
from services.procedures.deadlines import MarkError, parse_mark
from services.procedures.duties import LEAD_WHERE_EARLY, DutyRule, Owner
from services.procedures.law import Law
from services.procedures.model import Mark
from services.procedures.recurrence import Cycle, DayKind, Recurrence, Shift

OWNERS: Final[Mapping[int, Owner]] = {
    pb.DUTY_OWNER_LISTED: Owner.LISTED,
    pb.DUTY_OWNER_EVERY_MEMBER: Owner.EVERY_MEMBER,
    pb.DUTY_OWNER_OFFICE: Owner.OFFICE,
}
CYCLES: Final[Mapping[int, Cycle]] = {
    pb.DUTY_CYCLE_ONCE: Cycle.ONCE,
    pb.DUTY_CYCLE_WEEKS: Cycle.WEEKS,
    pb.DUTY_CYCLE_MONTHS: Cycle.MONTHS,
    pb.DUTY_CYCLE_YEARS: Cycle.YEARS,
}
DAYS: Final[Mapping[int, DayKind]] = {
    pb.DUTY_DAY_UNSPECIFIED: DayKind.OF_MONTH,
    pb.DUTY_DAY_OF_MONTH: DayKind.OF_MONTH,
    pb.DUTY_DAY_LAST: DayKind.LAST,
    pb.DUTY_DAY_WORKING: DayKind.WORKING,
    pb.DUTY_DAY_LAST_WORKING: DayKind.LAST_WORKING,
}
SHIFTS: Final[Mapping[int, Shift]] = {
    pb.DUTY_SHIFT_UNSPECIFIED: Shift.REGION,
    pb.DUTY_SHIFT_NEXT: Shift.NEXT,
    pb.DUTY_SHIFT_PREVIOUS: Shift.PREVIOUS,
    pb.DUTY_SHIFT_STAYS: Shift.STAYS,
}


def read_duty(entry: pb.StandingDuty) -> DutyRule:
    """A standing duty as its entry says it.

    Raises:
        ValueError: The first date is none, or a word is of a newer contract.
    """
    try:
        recurrence = Recurrence(
            cycle=CYCLES[entry.cycle],
            starting=date.fromisoformat(entry.starting),
            every=max(entry.every, 1),
            day=DAYS[entry.day],
            number=entry.number,
            minute=entry.minute,
            shift=SHIFTS[entry.shift],
        )
        owner = OWNERS[entry.owner]
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is not known here") from error
    return DutyRule(
        id=entry.id,
        title=Title(entry.title.zh, entry.title.en),
        source=entry.source,
        mechanism=entry.mechanism,
        owner=owner,
        recurrence=recurrence,
        lead_days=entry.lead_days,
        discharged_by=tuple((each.procedure, act) for each in entry.discharged_by for act in each.acts),
        departments=tuple(entry.departments),
        marks=tuple(Mark(each.name, tuple(each.actions)) for each in entry.marks),
        valid_from=moment(entry, "valid_from"),
        valid_until=moment(entry, "valid_until"),
        withdrawn=entry.withdrawn,
        default=entry.default_figure,
    )


def check_duty(entry: pb.StandingDuty, law: Law) -> None:
    """Refuses a standing duty that nobody could owe, discharge or be told of.

    Args:
        entry: Keeps the rules of its proto, and its departments are known.
        law: The entries before it.

    Raises:
        InvalidField: With the field that is wrong.
    """
    try:
        rule = read_duty(entry)
    except ValueError as error:
        raise InvalidField(f"The duty cannot be read: {error}.", field="standing_duty.starting") from error
    recurrence = rule.recurrence
    if recurrence.cycle is Cycle.ONCE and recurrence.every != 1:
        raise InvalidField("What comes once has no number of units.", field="standing_duty.every")
    if recurrence.cycle in (Cycle.ONCE, Cycle.WEEKS) and entry.day != pb.DUTY_DAY_UNSPECIFIED:
        raise InvalidField("A day of the month is for months and years.", field="standing_duty.day")
    if recurrence.may_come_early and rule.lead_days < LEAD_WHERE_EARLY:
        raise InvalidField(
            f"It may be due before its day: it is opened at least {LEAD_WHERE_EARLY} days before.",
            field="standing_duty.lead_days",
        )
    if (rule.owner is Owner.LISTED) != bool(rule.departments) and rule.owner is not Owner.EVERY_MEMBER:
        raise InvalidField("Departments are listed for LISTED only.", field="standing_duty.departments")
    _check_acts(rule, law)
    _check_marks(entry)


def _check_acts(rule: DutyRule, law: Law) -> None:
    if law.newest(rule.mechanism) is None:
        raise InvalidField(f"No procedure is called {rule.mechanism!r}.", field="standing_duty.mechanism")
    for name, act in rule.discharged_by:
        procedure = law.newest(name)
        if procedure is None or act not in procedure.acts:
            raise InvalidField(f"There is no act {name}/{act}.", field="standing_duty.discharged_by")


def _check_marks(entry: pb.StandingDuty) -> None:
    names = [each.name for each in entry.marks]
    if len(set(names)) != len(names):
        raise InvalidField("A mark stands twice.", field="standing_duty.marks")
    for index, mark in enumerate(entry.marks):
        field = f"standing_duty.marks[{index}]"
        try:
            percent, _ = parse_mark(mark.name)
        except MarkError as error:
            raise InvalidField(str(error), field=field) from error
        if percent:
            raise InvalidField("A date takes leads such as '10 d before'.", field=field)
        unknown = [action for action in mark.actions if action not in ACTIONS]
        if unknown:
            raise InvalidField(f"{unknown[0]!r} is no action of a mark.", field=field)
