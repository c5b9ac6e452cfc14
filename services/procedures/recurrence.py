"""When a standing duty comes: the day of each of its occurrences, and the instant at which it is due.

An occurrence has a *nominal* day that no calendar moves. It gives the occurrence its name, opens it, and
says which edition of the duty holds for it, so that none of these ever changes with a notice. The day on
which it is due is found from there by the working calendar.
"""

from __future__ import annotations

import enum
import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from services.procedures.calendar import ZONE, Calendar
from services.procedures.counting import add_months
from services.procedures.explanation import Day

_DAY: Final = timedelta(days=1)
_MONTHS: Final = 12
_PERIOD: Final = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?", re.ASCII)
_FIRST_DATED: Final = 1_00_00_00
"""Periods from here on name a date, those below a month."""


class Cycle(enum.StrEnum):
    """How often a duty comes."""

    ONCE = "once"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


class DayKind(enum.StrEnum):
    """Which day of its month."""

    OF_MONTH = "day"
    LAST = "last day"
    WORKING = "working day"
    LAST_WORKING = "last working day"


class Shift(enum.StrEnum):
    """What happens where the day is no working day; REGION: as the last day of a limit in days does."""

    REGION = "region"
    NEXT = "next"
    PREVIOUS = "previous"
    STAYS = "stays"


def period_text(period: int) -> str:
    """The name of an occurrence: `2026-03` or `2026-03-10`."""
    if period < _FIRST_DATED:
        return f"{period // 100:04d}-{period % 100:02d}"
    return f"{period // 1_00_00:04d}-{period // 100 % 100:02d}-{period % 100:02d}"


def parse_period(text: str) -> int | None:
    """The number of an occurrence, None if the text names none."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        return None
    try:
        date(int(match[1]), int(match[2]), int(match[3] or 1))
    except ValueError:
        return None
    month = int(match[1]) * 100 + int(match[2])
    return month * 100 + int(match[3]) if match[3] else month


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How a duty comes again (see `StandingDuty` in the contract).

    Attributes:
        cycle: How often.
        every: Every so many weeks, months or years.
        starting: The first; of months and years its month counts.
        day: Which day of the month.
        number: The n of OF_MONTH and WORKING; 0 takes the day of `starting`.
        minute: When it is due on that day, in minutes after midnight; 0 is the end of the day.
        shift: What happens where the day is no working day.
    """

    cycle: Cycle
    starting: date
    every: int = 1
    day: DayKind = DayKind.OF_MONTH
    number: int = 0
    minute: int = 0
    shift: Shift = Shift.REGION

    @property
    def may_come_early(self) -> bool:
        """Whether it can be due before its nominal day."""
        return self.shift is Shift.PREVIOUS or self.day is DayKind.LAST_WORKING

    @property
    def _step(self) -> int:
        """Months from one to the next."""
        return self.every * (_MONTHS if self.cycle is Cycle.YEARS else 1)

    def nominal(self, period: int) -> date | None:
        """The nominal day of an occurrence, None if there is no such one."""
        if self.cycle in (Cycle.ONCE, Cycle.WEEKS):
            if period < _FIRST_DATED:
                return None
            day = date(period // 1_00_00, period // 100 % 100, period % 100)
            days = (day - self.starting).days
            fits = days == 0 if self.cycle is Cycle.ONCE else days >= 0 and days % (7 * self.every) == 0
            return day if fits else None
        if period >= _FIRST_DATED:
            return None
        months = period // 100 * _MONTHS + period % 100 - (self.starting.year * _MONTHS + self.starting.month)
        if months < 0 or months % self._step:
            return None
        return self._in_month(period // 100, period % 100)

    def _in_month(self, year: int, month: int) -> date:
        length = monthrange(year, month)[1]
        if self.day in (DayKind.LAST, DayKind.LAST_WORKING):
            return date(year, month, length)
        # of working days the earliest date that the n-th can be
        return date(year, month, min(self.number or self.starting.day, length))

    def periods(self, first: date, last: date) -> Iterator[int]:
        """The occurrences whose nominal day lies from `first` to `last`, both included, in order."""
        if self.cycle is Cycle.ONCE:
            if first <= self.starting <= last:
                yield _dated(self.starting)
            return
        if self.cycle is Cycle.WEEKS:
            step = timedelta(weeks=self.every)
            day = self.starting + step * max(0, -((self.starting - first) // step))
            while day <= last:
                yield _dated(day)
                day += step
            return
        start = self.starting.replace(day=1)
        before = (first.year - start.year) * _MONTHS + first.month - start.month
        month = add_months(start, max(0, before // self._step * self._step))
        while month <= last:
            if first <= self._in_month(month.year, month.month) <= last:
                yield month.year * 100 + month.month
            month = add_months(month, self._step)

    def due(self, period: int, calendar: Calendar) -> datetime:
        """The instant at which an occurrence is due by one calendar, exclusive.

        Raises:
            ValueError: There is no such occurrence.
        """
        day, _ = self.found(period, calendar)
        if self.minute:
            return datetime.combine(day, time(self.minute // 60, self.minute % 60), ZONE)
        return calendar.end_of(day)

    def found(self, period: int, calendar: Calendar) -> tuple[date, tuple[Day, ...]]:
        """The day on which an occurrence is due, and the dates that were looked at to find it.

        Raises:
            ValueError: There is no such occurrence.
        """
        nominal = self.nominal(period)
        if nominal is None:
            raise ValueError(f"no occurrence is called {period_text(period)}")
        if self.day is DayKind.WORKING and self.cycle in (Cycle.MONTHS, Cycle.YEARS):
            return self._counted(nominal, calendar)
        backwards = self.may_come_early
        stays = self.shift is Shift.STAYS or (self.shift is Shift.REGION and not calendar.rolls(nominal))
        if calendar.is_working(nominal) or (stays and not backwards):
            return nominal, ()
        looked: list[Day] = []
        day = nominal
        while not calendar.is_working(day):
            looked.append(Day(day, counted=False, why=calendar.reason(day)))
            day += -_DAY if backwards else _DAY
        return day, (*looked, Day(day, counted=False, why="rolled"))

    def _counted(self, nominal: date, calendar: Calendar) -> tuple[date, tuple[Day, ...]]:
        """The n-th working day of a month, or the last one of a month that has fewer."""
        looked: list[Day] = []
        found = day = nominal.replace(day=1)
        counted = 0
        while counted < (self.number or self.starting.day) and day.month == nominal.month:
            if calendar.is_working(day):
                counted, found = counted + 1, day
                looked.append(Day(day, counted=True, why=calendar.reason(day), ordinal=counted))
            else:
                looked.append(Day(day, counted=False, why=calendar.reason(day)))
            day += _DAY
        return found, tuple(each for each in looked if each.date <= found)


def _dated(day: date) -> int:
    return day.year * 1_00_00 + day.month * 100 + day.day
