"""Periods of whole days in the region's zone, and the periods that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Self

from services.common.clock import microseconds
from services.common.errors import InvalidField
from services.procedures.calendar import ZONE

LONGEST_DAYS: Final = 3 * 366
"""The longest period that may be asked for."""
_DAY: Final = timedelta(days=1)
_YEARS: Final = range(2000, 2100)
_LEAP: Final = (2, 29)
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def of(cls, first: str, last: str, field: str = "period") -> Self:
        """The period between two dates as they are typed.

        Raises:
            InvalidField: One is no date, they are in the wrong order, or too far apart.
        """
        try:
            begin, end = date.fromisoformat(first), date.fromisoformat(last)
        except ValueError:
            raise InvalidField("A day is written as 2026-03-31.", field=field) from None
        if begin.year not in _YEARS or end.year not in _YEARS:
            raise InvalidField("A period lies between 2000 and 2100.", field=field)
        if begin > end:
            raise InvalidField("A period begins before it ends.", field=field)
        if (end - begin).days >= LONGEST_DAYS:
            raise InvalidField(f"A period has at most {LONGEST_DAYS} days.", field=field)
        return cls(begin, end)

    @property
    def begin_us(self) -> int:
        """Its first instant: what is admitted at it or later is inside."""
        return microseconds(_midnight(self.first))

    @property
    def end_us(self) -> int:
        """24:00 of its last day: what is admitted before it is inside, and what is due at it."""
        return microseconds(_midnight(self.last + _DAY))

    @property
    def is_months(self) -> bool:
        """Whether it consists of whole calendar months."""
        return self.first.day == 1 and (self.last + _DAY).day == 1

    def year_before(self) -> Period:
        """The same days a year earlier."""
        return self.in_year(self.first.year - 1)

    def in_year(self, year: int) -> Period:
        """The same days with the first of them in another year; whole months stay whole."""
        years = year - self.first.year
        last = _shifted(self.last, years)
        if self.is_months:
            last = _month_end(last.year, last.month)
        return Period(_shifted(self.first, years), last)

    def before(self) -> Period:
        """As many whole months just before it, or as many days."""
        last = self.first - _DAY
        if not self.is_months:
            return Period(last - (self.last - self.first), last)
        months = (self.last.year - self.first.year) * _MONTHS + self.last.month - self.first.month
        start = Month(last.year, last.month).shifted(-months)
        return Period(date(start.year, start.month, 1), last)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month of the region's zone."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str, field: str = "month") -> Self:
        """A month such as `2026-03`.

        Raises:
            InvalidField: It is none.
        """
        try:
            found = date.fromisoformat(f"{text}-01")
        except ValueError:
            raise InvalidField("A month is written as 2026-03.", field=field) from None
        if found.year not in _YEARS:
            raise InvalidField("A month lies between 2000 and 2100.", field=field)
        return cls(found.year, found.month)

    @classmethod
    def at(cls, moment: datetime) -> Self:
        """The month that an instant lies in."""
        local = moment.astimezone(ZONE)
        return cls(local.year, local.month)

    @classmethod
    def numbered(cls, number: int) -> Self:
        """The month of a `number`."""
        return cls(*divmod(number, 100))

    @property
    def number(self) -> int:
        """Such as 202603."""
        return self.year * 100 + self.month

    @property
    def period(self) -> Period:
        """Its days."""
        return Period(date(self.year, self.month, 1), _month_end(self.year, self.month))

    @property
    def end(self) -> datetime:
        """24:00 of its last day."""
        return _midnight(self.period.last + _DAY)

    def shifted(self, months: int) -> Month:
        """So many months later; earlier, if negative."""
        year, month = divmod(self.year * _MONTHS + self.month - 1 + months, _MONTHS)
        return Month(year, month + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def _shifted(day: date, years: int) -> date:
    if (day.month, day.day) == _LEAP:
        return _month_end(day.year + years, 2)
    return day.replace(year=day.year + years)


def _month_end(year: int, month: int) -> date:
    following = Month(year, month).shifted(1)
    return date(following.year, following.month, 1) - _DAY
