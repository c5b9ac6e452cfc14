"""Standing duties: what departments owe by the calendar, though no letter opens it (M12, M13, M18, M26).

An occurrence is a function of the ledger: which editions of the duty were published when, which
departments were active and held the office when it opened, and the calendars. Nothing of it is stored as
truth. What is in the ledger beside the duty is the act that discharges it, which names it in `serves`.

An edition holds for the occurrences whose nominal day ends while it is the newest, so that publishing a
duty asks for nothing that is past, and changing it changes what is still to come.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

from services.common.title import Title
from services.procedures.calendar import NEVER, ZONE, Calendar
from services.procedures.deadlines import through_notices
from services.procedures.explanation import Explanation, StartedBy
from services.procedures.model import Mark, ObligationRule
from services.procedures.obligation import Limit, Obligation, Unit
from services.procedures.recurrence import Recurrence, period_text

T = TypeVar("T")

LEAD_WHERE_EARLY: Final = 14
"""Days: what may be due before its nominal day is opened so long before it, more than any holiday lasts."""
CASE_PREFIX: Final = "duty/"
"""How the key of an occurrence begins where an obligation of a case has the case's id."""

_NO_LIMIT: Final = Limit(0, Unit.FIXED)
_DAY: Final = timedelta(days=1)
_AHEAD: Final = timedelta(days=366)


class Owner(enum.StrEnum):
    """Who owes a duty."""

    LISTED = "listed"
    EVERY_MEMBER = "every member"
    OFFICE = "office"


@dataclass(frozen=True, slots=True)
class Timeline(Generic[T]):
    """What held from when on, in the order of the ledger."""

    entries: tuple[tuple[datetime, T], ...] = ()

    def then(self, since: datetime, value: T) -> Timeline[T]:
        """This, and another value from an instant on; nothing new if it is the same value."""
        if self.entries and self.entries[-1][1] == value:
            return self
        return Timeline((*self.entries, (since, value)))

    def at(self, instant: datetime) -> T | None:
        """The value at an instant, None before the first."""
        return next((value for since, value in reversed(self.entries) if since <= instant), None)

    def reigns(self) -> Iterator[tuple[datetime, datetime, T]]:
        """Each value with the instants from which and until which it held."""
        ends = [since for since, _ in self.entries[1:]]
        for (since, value), until in zip(self.entries, [*ends, NEVER], strict=False):
            yield since, until, value


@dataclass(frozen=True, slots=True)
class DutyRule:
    """One edition of a standing duty.

    `departments` owe it, or for EVERY_MEMBER are excepted. `discharged_by` are (procedure, act) pairs.
    `valid_until` is exclusive. One that is `withdrawn` has no occurrences.
    """

    id: str
    title: Title
    source: str
    mechanism: str
    owner: Owner
    recurrence: Recurrence
    lead_days: int
    discharged_by: tuple[tuple[str, str], ...]
    departments: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    withdrawn: bool = False
    default: bool = False

    @property
    def as_obligation(self) -> ObligationRule:
        """The duty as the rule of an obligation: its title, its acts, its marks."""
        return ObligationRule(
            name=self.id,
            title=self.title,
            owed_by="",
            opens_on=(),
            discharged_by=tuple(act for _, act in self.discharged_by),
            within={},
            marks=self.marks,
            default=self.default,
        )

    def holds_for(self, nominal: date) -> bool:
        """Whether a nominal day lies in its validity."""
        start = _start_of(nominal)
        return (
            not self.withdrawn
            and (self.valid_from is None or start >= self.valid_from)
            and (self.valid_until is None or start < self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a duty is owed, by each of its owners for itself."""

    rule: DutyRule
    period: int
    nominal: date
    opens_at: datetime
    owners: tuple[str, ...]

    @property
    def name(self) -> str:
        """Which occurrence it is, such as `2026-03`."""
        return period_text(self.period)

    def key(self, owner: str) -> str:
        """What stands for the case of one owner's occurrences of this duty."""
        return f"{CASE_PREFIX}{self.rule.id}/{owner}"

    def due_time(self, calendar: Calendar) -> datetime:
        """When it is due, exclusive: moved by notices as any open obligation is (docs/time.md, Calendars)."""
        return through_notices(partial(self.rule.recurrence.due, self.period), self.opens_at, calendar)

    def explain(self, calendar: Calendar) -> Explanation:
        """The due time with the dates that were looked at."""
        _, days = self.rule.recurrence.found(self.period, calendar)
        due = self.due_time(calendar)
        years = sorted({self.nominal.year, *(each.date.year for each in days)})
        return Explanation(
            limit=_NO_LIMIT,
            started_by=StartedBy.FIXED,
            start=due,
            start_date=self.nominal,
            days=days,
            pauses=(),
            ineffective=(),
            extensions=(),
            computed=self.rule.recurrence.due(self.period, calendar),
            due=due,
            versions=tuple((year, calendar.version_of(year)) for year in years),
            frozen=False,
        )

    def provisional(self, calendar: Calendar) -> bool:
        """Whether the due time reads a year that has no notice yet."""
        return self.explain(calendar).provisional

    def as_obligation(self, owner: str, calendar: Calendar, position: int) -> Obligation:
        """What one owner owes, as an obligation with a fixed due time; `position` is the ledger's end then."""
        return Obligation(
            case_id=self.key(owner),
            rule=self.rule.id,
            ordinal=self.period,
            owed_by=owner,
            owed_by_role="",
            opened_position=position,
            opened_act="",
            limit=_NO_LIMIT,
            occurred_at=self.opens_at,
            admitted_at=self.opens_at,
            fixed_due=self.due_time(calendar),
        )


@dataclass(frozen=True, slots=True)
class StandingDuties:
    """All standing duties of a region, and who was there to owe them when.

    Attributes:
        duties: By id, each with its editions.
        active: Department to whether it was active.
        offices: Mechanism to the department that held its office.
    """

    duties: Mapping[str, Timeline[DutyRule]] = field(default_factory=dict)
    active: Mapping[str, Timeline[bool]] = field(default_factory=dict)
    offices: Mapping[str, Timeline[str]] = field(default_factory=dict)

    def with_duty(self, rule: DutyRule, since: datetime) -> StandingDuties:
        """With an edition that was published then."""
        timeline = self.duties.get(rule.id, _never()).then(since, rule)
        return replace(self, duties={**self.duties, rule.id: timeline})

    def with_department(self, name: str, *, active: bool, since: datetime) -> StandingDuties:
        """With what became of a department then."""
        known = self.active.get(name, _never())
        after = known.then(since, active)
        return self if after is known else replace(self, active={**self.active, name: after})

    def with_office(self, mechanism: str, department: str, since: datetime) -> StandingDuties:
        """With who holds a mechanism's office from then on."""
        timeline = self.offices.get(mechanism, _never()).then(since, department)
        return replace(self, offices={**self.offices, mechanism: timeline})

    def newest(self, duty: str) -> DutyRule | None:
        """The newest edition of a duty."""
        timeline = self.duties.get(duty)
        return timeline.entries[-1][1] if timeline else None

    def occurrence(self, duty: str, period: int) -> Occurrence | None:
        """An occurrence by its name, None if there is none."""
        for since, until, rule in self.duties.get(duty, _never()).reigns():
            nominal = rule.recurrence.nominal(period)
            # of a month that two editions give a day the first stands: it is not owed twice
            if nominal is not None and rule.holds_for(nominal) and since < _start_of(nominal) + _DAY <= until:
                opens_at = max(_start_of(nominal) - rule.lead_days * _DAY, since.astimezone(ZONE))
                return Occurrence(rule, period, nominal, opens_at, self._owners(rule, opens_at))
        return None

    def opening(self, after: datetime, until: datetime) -> list[Occurrence]:
        """Occurrences that open after one instant and not after another, in the order in which they do."""
        found: list[Occurrence] = []
        for duty, timeline in self.duties.items():
            for since, _, rule in timeline.reigns():
                lead = rule.lead_days * _DAY
                begin = since if since > after else after + lead - _DAY
                found += self._between(duty, rule, begin, until + lead + _DAY, (after, until))
        return sorted(found, key=lambda each: (each.opens_at, each.rule.id, each.period))

    def falling(self, since: datetime, until: datetime) -> list[Occurrence]:
        """Occurrences whose nominal day begins at or after one instant and before another, by that day."""
        found: list[Occurrence] = []
        for duty, timeline in self.duties.items():
            for _, _, rule in timeline.reigns():
                found += [
                    each
                    for each in self._between(duty, rule, since, until)
                    if since <= _start_of(each.nominal) < until
                ]
        return sorted(found, key=lambda each: (each.nominal, each.rule.id, each.period))

    def _between(
        self,
        duty: str,
        rule: DutyRule,
        begin: datetime,
        end: datetime,
        opening: tuple[datetime, datetime] | None = None,
    ) -> Iterator[Occurrence]:
        first, last = begin.astimezone(ZONE).date(), min(end, NEVER - _AHEAD).astimezone(ZONE).date()
        for period in rule.recurrence.periods(first, last):
            occurrence = self.occurrence(duty, period)
            if occurrence is None or occurrence.rule is not rule:
                continue
            if opening is None or opening[0] < occurrence.opens_at <= opening[1]:
                yield occurrence

    def refusal(self, duty: str, period: int, author: str, act: tuple[str, str], now: datetime) -> str:
        """Why an act of an author discharges no such occurrence; empty if it does.

        Args:
            duty: The duty's id.
            period: Which occurrence.
            author: Who acts.
            act: Procedure and act.
            now: When it is admitted.
        """
        occurrence = self.occurrence(duty, period)
        name = f"{duty}/{period_text(period)}"
        if occurrence is None or occurrence.opens_at > now + _AHEAD:
            return f"There is no standing duty {name}."
        if author not in occurrence.owners:
            return f"{author} does not owe {name}."
        if act not in occurrence.rule.discharged_by:
            return f"{act[0]}/{act[1]} does not discharge {duty}."
        return ""

    def _owners(self, rule: DutyRule, at: datetime) -> tuple[str, ...]:
        match rule.owner:
            case Owner.OFFICE:
                holder = self.offices.get(rule.mechanism, _never()).at(at)
                return (holder,) if holder else ()
            case Owner.LISTED:
                # where no directory is known nobody is questioned
                return tuple(
                    each for each in rule.departments if not self.active or self._is_active(each, at)
                )
            case _:
                excepted = set(rule.departments)
                return tuple(
                    each for each in sorted(self.active) if each not in excepted and self._is_active(each, at)
                )

    def _is_active(self, department: str, at: datetime) -> bool:
        return bool(self.active.get(department, _never()).at(at))


def _never() -> Timeline[Any]:
    """The timeline of what never held."""
    return Timeline()


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)
