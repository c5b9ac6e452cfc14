"""Counting through pauses: from a start, an amount in one unit and the pauses in effect to the last day.

Pauses are kept twice: as instants, for hours, and as ranges of dates, for every other unit, because the
dates of suspension and resumption are lost whole. Both are sorted and disjoint, so that a count visits
each pause once and never each day.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from services.procedures.calendar import NEVER, ZONE, Calendar
from services.procedures.explanation import Day, Pause
from services.procedures.obligation import Unit

_DAY = timedelta(days=1)
_DECEMBER = 12


class DateRange(NamedTuple):
    """The dates from `first` to `last`, both included; `date.max` as the last has no end in sight."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Pauses:
    """The union of the pauses in effect, as instants and as the dates that they cost."""

    instants: tuple[Pause, ...] = ()
    dates: tuple[DateRange, ...] = ()


NO_PAUSES = Pauses()


def union(pauses: Iterable[Pause]) -> Pauses:
    """Joins pauses that overlap; on dates, pauses that touch one date overlap."""
    instants: list[Pause] = []
    dates: list[DateRange] = []
    for pause in sorted(pauses, key=lambda pause: pause.since):
        if instants and pause.since <= instants[-1].end:
            joined = instants[-1]
            last = max(joined.last_date, pause.last_date)
            instants[-1] = Pause(joined.since, max(joined.end, pause.end), last)
        else:
            instants.append(pause)
        first = pause.since.astimezone(ZONE).date()
        if dates and first <= dates[-1].last:
            dates[-1] = DateRange(dates[-1].first, max(dates[-1].last, pause.last_date))
        else:
            dates.append(DateRange(first, pause.last_date))
    return Pauses(tuple(instants), tuple(dates))


def elapsed(start: datetime, budget: timedelta, pauses: Pauses) -> datetime:
    """The instant at which `budget` has run since `start`, pauses not counted; NEVER in an endless one."""
    end = start + budget
    for pause in pauses.instants:
        if pause.since >= end:
            break
        if pause.end >= NEVER:
            return NEVER
        end += max(pause.end - max(pause.since, start), timedelta(0))
    return end


def counted_day(unit: Unit, ordinal: int, start: date, pauses: Pauses, calendar: Calendar) -> date:
    """The date of the `ordinal`-th working or natural day after `start` that no pause costs.

    Returns:
        `date.max` in an endless pause.
    """
    working = unit is Unit.WORKING_DAYS
    last = calendar.add_working_days(start, ordinal) if working else start + ordinal * _DAY
    for paused in _after(start, pauses):
        if paused.first > last:
            break
        if paused.last == date.max:
            return date.max
        if working:
            last = calendar.add_working_days(last, calendar.working_days_between(*paused))
        else:
            last += paused.last - paused.first + _DAY
    return last


def last_day(unit: Unit, amount: int, start: date, pauses: Pauses, calendar: Calendar) -> date:
    """The last day of a limit in working days, days or months (docs/time.md, Units and Suspension).

    Returns:
        `date.max` in an endless pause.
    """
    if unit is Unit.WORKING_DAYS:
        return counted_day(unit, amount, start, pauses, calendar)
    if unit is Unit.DAYS:
        last = counted_day(unit, amount, start, pauses, calendar)
        return _roll(last, pauses, calendar) if calendar.rolls(last) else last
    # The whole dates suspended are added to the calendar date, which is a count in days from there.
    same_number = add_months(start, amount)
    return counted_day(Unit.DAYS, (same_number - start).days, start, pauses, calendar)


def add_months(start: date, months: int) -> date:
    """The day of the same number `months` later, or the last of that month (docs/time.md, Units)."""
    years, month = divmod(start.month - 1 + months, _DECEMBER)
    year = start.year + years
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def list_days(unit: Unit, amount: int, start: date, pauses: Pauses, calendar: Calendar) -> Iterator[Day]:
    """Every date of a count with its reason, one by one; for months only the suspended and the last."""
    last = last_day(unit, amount, start, pauses, calendar)
    endless = next((paused.first for paused in pauses.dates if paused.last == date.max), None)
    counted = 0
    day = start
    while day < (last if last != date.max else max(endless or last, start + _DAY)):
        day += _DAY
        if any(paused.first <= day <= paused.last for paused in pauses.dates):
            yield Day(day, counted=False, why="suspended")
        elif unit not in (Unit.WORKING_DAYS, Unit.DAYS):
            if day == last:
                yield Day(day, counted=True, why=calendar.reason(day), ordinal=amount)
        elif counted == amount:
            yield Day(day, counted=False, why="rolled" if day == last else calendar.reason(day))
        elif unit is Unit.DAYS or calendar.is_working(day):
            counted += 1
            yield Day(day, counted=True, why=calendar.reason(day), ordinal=counted)
        else:
            yield Day(day, counted=False, why=calendar.reason(day))


def _roll(day: date, pauses: Pauses, calendar: Calendar) -> date:
    """The next working day that is not suspended: a last day moved into a pause would lose that day."""
    while day != date.max:
        rolled = calendar.roll_forward(day)
        paused = next((p for p in pauses.dates if p.first <= rolled <= p.last), None)
        if paused is None:
            return rolled
        day = paused.last if paused.last == date.max else paused.last + _DAY
    return day


def _after(start: date, pauses: Pauses) -> Iterator[DateRange]:
    """The paused dates after the start, which itself never counts."""
    for paused in pauses.dates:
        if paused.last > start:
            yield DateRange(max(paused.first, start + _DAY), paused.last)
