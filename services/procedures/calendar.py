"""Working calendars: which dates of a region are working days.

A region publishes one `CalendarYear` per year and may replace it later; each is a common entry of the
ledger. A `Calendar` is the sum of all entries known, the superseded ones included, so that everyone who
holds the same entries computes the same due time, also for what was open when an entry came.

Counting is done on per-year tables that are built once and shared between calendars: the n-th working
day after a date is one look-up, however large n is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final

from services.procedures.obligation import Limit

# Fixed, not from the zone database: every party must compute the same instant whatever its host has
# installed, and Asia/Shanghai has had no other offset since 1991.
ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")
NEVER = datetime(9999, 12, 31, tzinfo=ZONE)
"""The due time of a clock that is stopped with no end in sight."""

_DAY = timedelta(days=1)
_MIDNIGHT = time(0, tzinfo=ZONE)
_SATURDAY = 5
_REMEMBERED: Final = 4096
_SEEDED_AT = datetime(2000, 1, 1, tzinfo=ZONE)
_HEADER = ["date", "kind"]
_HOLIDAY = "holiday"
_MAKEUP = "make-up"


class NoticeError(ValueError):
    """The notice cannot be read; `line` is the line of the CSV text, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class UnannouncedYearError(LookupError):
    """No national notice is known for the year; it stays provisional."""


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """One year as a region published it (docs/time.md, Calendars).

    `holidays` are all dates off, those on weekends included; `makeup` the weekend dates that are worked.
    `published_at` and `version` are the admitted-at and the common version of the entry that brought it.
    `close_of_business` and `d_rolls` hold for the dates of this year, so that a change is a notice like
    any other; None leaves them to the calendar.
    """

    year: int
    holidays: frozenset[date]
    makeup: frozenset[date]
    published_at: datetime
    version: int
    close_of_business: time | None = None
    d_rolls: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _YearTable:
    """`days`: the working days of a year; `until[i]`: how many of them are on or before its i-th date."""

    first: int
    days: tuple[date, ...]
    until: tuple[int, ...]


@lru_cache(maxsize=1024)
def _year_table(year: int, holidays: frozenset[date], makeup: frozenset[date]) -> _YearTable:
    first = date(year, 1, 1).toordinal()
    days: list[date] = []
    until: list[int] = []
    for ordinal in range(first, date(year, 12, 31).toordinal() + 1):
        day = date.fromordinal(ordinal)
        if day in makeup or (day.weekday() < _SATURDAY and day not in holidays):
            days.append(day)
        until.append(len(days))
    return _YearTable(first, tuple(days), tuple(until))


class Dues(dict[tuple[Limit, date], datetime]):
    """Due times by limit and date that were counted before: thousands of obligations start on one date."""

    __slots__ = ()

    def __setitem__(self, key: tuple[Limit, date], due: datetime) -> None:
        if len(self) >= _REMEMBERED:
            self.clear()
        super().__setitem__(key, due)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of one region.

    `entries` are all published years, superseded ones too, in the order of the ledger.
    `dues` is a memory of `deadlines.due_time`, nothing else.
    `close_of_business` is the hour at which the last day of a limit ends, None for 24:00.
    `d_rolls`: a limit in natural days that ends on no working day moves to the next (docs/time.md, Units).
    Both hold where the year's own entry does not say otherwise.
    """

    region: str
    entries: tuple[CalendarYear, ...] = ()
    close_of_business: time | None = None
    d_rolls: bool = True
    _years: Mapping[int, CalendarYear] = field(init=False, repr=False, compare=False)
    _tables: dict[int, _YearTable] = field(init=False, repr=False, compare=False)
    _closes: dict[int, timedelta] = field(init=False, repr=False, compare=False)
    _close: timedelta = field(init=False, repr=False, compare=False)
    _last_notice_at: datetime = field(init=False, repr=False, compare=False)
    dues: Dues = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Orders the entries as the ledger does and builds the tables.

        Raises:
            ValueError: two different entries for one year carry the same version.
        """
        entries = tuple(sorted(set(self.entries), key=lambda entry: (entry.version, entry.year)))
        if len({(entry.version, entry.year) for entry in entries}) != len(entries):
            raise ValueError("two different entries for one year carry the same version")
        years = {entry.year: entry for entry in entries}
        closes = {year: e.close_of_business for year, e in years.items() if e.close_of_business is not None}
        tables = {year: _year_table(year, entry.holidays, entry.makeup) for year, entry in years.items()}
        derive = object.__setattr__
        derive(self, "entries", entries)
        derive(self, "_years", years)
        derive(self, "_tables", tables)
        derive(self, "_closes", {year: _length(close) for year, close in closes.items()})
        derive(self, "_close", _length(self.close_of_business))
        derive(self, "dues", Dues())
        derive(self, "_last_notice_at", max((e.published_at for e in entries), default=_SEEDED_AT))

    @property
    def version(self) -> int:
        """The common version of the newest entry, 0 without any."""
        return self.entries[-1].version if self.entries else 0

    @property
    def last_notice_at(self) -> datetime:
        """When the latest entry was published; what was opened after it has known no other calendar."""
        return self._last_notice_at

    def with_year(self, year: CalendarYear) -> Calendar:
        """This calendar and one entry more; an entry for the same year is superseded, not forgotten."""
        return self if year in self.entries else replace(self, entries=(*self.entries, year))

    def as_of(self, instant: datetime) -> Calendar:
        """The calendar as it stood at an instant: only the entries published by then."""
        if instant >= self._last_notice_at:
            return self
        return replace(self, entries=tuple(e for e in self.entries if e.published_at <= instant))

    def at_version(self, version: int) -> Calendar:
        """The calendar as it stood at a common version: a discharged obligation froze one."""
        if version >= self.version:
            return self
        return replace(self, entries=tuple(e for e in self.entries if e.version <= version))

    def provisional(self, year: int) -> bool:
        """Whether no notice is known for the year: Monday to Friday are worked, no holidays."""
        return year not in self._years

    def version_of(self, year: int) -> int | None:
        """The common version of the entry in force for the year, None while it is provisional."""
        entry = self._years.get(year)
        return None if entry is None else entry.version

    def is_working(self, day: date) -> bool:
        """Whether the date is a working day of the region."""
        entry = self._years.get(day.year)
        if entry is None:
            return day.weekday() < _SATURDAY
        return day in entry.makeup or (day.weekday() < _SATURDAY and day not in entry.holidays)

    def reason(self, day: date) -> str:
        """Why the date is a working day or not.

        Returns:
            `working`, `make-up` or `provisional` (a weekday of a year without a notice) for a working
            day, `weekend` or `holiday` for another.
        """
        entry = self._years.get(day.year)
        if entry is None:
            return "provisional" if day.weekday() < _SATURDAY else "weekend"
        if day in entry.makeup:
            return "make-up"
        if day in entry.holidays:
            return "holiday"
        return "working" if day.weekday() < _SATURDAY else "weekend"

    def add_working_days(self, start: date, count: int) -> date:
        """The `count`-th working day, counted from the day after `start` (docs/time.md, Units: wd).

        Raises:
            ValueError: `count` is negative.
        """
        if count <= 0:
            if count < 0:
                raise ValueError("working days are counted forward only")
            return start
        table = self._table(start.year)
        rank = table.until[start.toordinal() - table.first] + count
        year = start.year
        while rank > len(table.days):
            rank -= len(table.days)
            year += 1
            table = self._table(year)
        return table.days[rank - 1]

    def working_days_between(self, first: date, last: date) -> int:
        """How many working days lie in the dates from `first` to `last`, both included."""
        if first > last:
            return 0
        table, end = self._table(first.year), self._table(last.year)
        offset = first.toordinal() - table.first
        before = table.until[offset - 1] if offset else 0
        whole = sum(len(self._table(year).days) for year in range(first.year, last.year))
        return whole - before + end.until[last.toordinal() - end.first]

    def roll_forward(self, day: date) -> date:
        """The date itself if it is a working day, else the next working day."""
        return day if self.is_working(day) else self.add_working_days(day, 1)

    def end_of(self, day: date) -> datetime:
        """The instant at which a limit whose last day this is ends; admitted at it is late."""
        if day == date.max:
            return NEVER
        return datetime.combine(day, _MIDNIGHT) + self._closes.get(day.year, self._close)

    def rolls(self, day: date) -> bool:
        """Whether a limit in natural days that ends on this date moves on if it is no working day."""
        entry = self._years.get(day.year)
        return self.d_rolls if entry is None or entry.d_rolls is None else entry.d_rolls

    def _table(self, year: int) -> _YearTable:
        table = self._tables.get(year)
        return _year_table(year, frozenset(), frozenset()) if table is None else table


def _length(close: time | None) -> timedelta:
    return _DAY if close is None else timedelta(hours=close.hour, minutes=close.minute)


def parse_notice(text: str, *, published_at: datetime, version: int) -> CalendarYear:
    """Reads a notice: CSV with the header `date,kind`, kind `holiday` or `make-up`, one year a file.

    Raises:
        NoticeError: a line cannot be read, names a date twice or a date of another year, or makes up for
            nothing because the date is worked anyway.
    """
    # Spreadsheets write a byte order mark that would otherwise be part of the first column's name.
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    days: dict[date, str] = {}
    header_seen = False
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not header_seen:
                if cells != _HEADER:
                    raise NoticeError(rows.line_num, "the first line must be date,kind")
                header_seen = True
                continue
            day, kind = _notice_row(cells, rows.line_num)
            if day in days:
                raise NoticeError(rows.line_num, f"{day} is named twice")
            if days and day.year != next(iter(days)).year:
                raise NoticeError(rows.line_num, f"{day} is in another year than the lines before")
            days[day] = kind
    except csv.Error as error:
        raise NoticeError(rows.line_num, str(error)) from error
    if not days:
        raise NoticeError(max(rows.line_num, 1), "the notice names no date")
    return CalendarYear(
        year=next(iter(days)).year,
        holidays=frozenset(day for day, kind in days.items() if kind == _HOLIDAY),
        makeup=frozenset(day for day, kind in days.items() if kind == _MAKEUP),
        published_at=published_at,
        version=version,
    )


def _notice_row(cells: list[str], line: int) -> tuple[date, str]:
    if len(cells) != len(_HEADER):
        raise NoticeError(line, "a line must have two columns, date and kind")
    try:
        day = date.fromisoformat(cells[0])
    except ValueError as error:
        raise NoticeError(line, f"{cells[0]!r} is no date such as 2026-10-01") from error
    if cells[1] not in (_HOLIDAY, _MAKEUP):
        raise NoticeError(line, f"{cells[1]!r} is no kind; it must be holiday or make-up")
    if cells[1] == _MAKEUP and day.weekday() < _SATURDAY:
        raise NoticeError(line, f"{day} is no weekend, so it cannot be a make-up working day")
    return day, cells[1]


def print_notice(year: CalendarYear) -> str:
    """The notice as the CSV that `parse_notice` reads, in the order of the dates."""
    kinds = dict.fromkeys(year.holidays, _HOLIDAY) | dict.fromkeys(year.makeup, _MAKEUP)
    return "".join(["date,kind\n", *(f"{day},{kinds[day]}\n" for day in sorted(kinds))])


def seed_years(
    years: Iterable[int] | None = None, *, published_at: datetime = _SEEDED_AT, version: int = 0
) -> tuple[CalendarYear, ...]:
    """The years of the national notices, from the chinesecalendar package; all it knows by default.

    Raises:
        UnannouncedYearError: a year asked for has no notice.
    """
    # Imported here: only a registry seeds calendars, nodes take them from the ledger.
    from chinese_calendar import constants  # noqa: PLC0415

    announced = {day.year for day in constants.holidays}
    wanted = sorted(announced if years is None else set(years))
    for year in wanted:
        if year not in announced:
            raise UnannouncedYearError(f"no national notice is known for {year}; it stays provisional")
    return tuple(
        CalendarYear(
            year=year,
            holidays=frozenset(day for day in constants.holidays if day.year == year),
            makeup=frozenset(day for day in constants.workdays if day.year == year),
            published_at=published_at,
            version=version,
        )
        for year in wanted
    )
