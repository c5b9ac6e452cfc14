"""Due times in words: how long is left, by the region's calendar, and how loudly to say it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb
from rich.text import Text

from services.cli.texts import language, say
from services.procedures.calendar import NEVER, ZONE, Calendar, CalendarYear

if TYPE_CHECKING:
    # a class for type checkers only
    from liandong.directory.v1.directory_service_pb2_grpc import DirectoryServiceAsyncStub

_SHORT: Final = timedelta(hours=48)
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)
_MOST_YEARS: Final = 3
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_SEEN: Final = datetime(2000, 1, 1, tzinfo=ZONE)


class Tone(enum.StrEnum):
    """How loudly a due time is said; the value is a style of rich."""

    OVERDUE = "bold red"
    TODAY = "bold yellow"
    SOON = "yellow"
    LATER = "green"
    STOPPED = "dim"


@dataclass(frozen=True, slots=True)
class Due:
    """A due time in words and in a tone."""

    words: str
    tone: Tone

    def text(self) -> Text:
        """For a table."""
        return Text(self.words, style=self.tone.value)


def due_words(
    due: datetime, now: datetime, calendar: Calendar, *, limit: str = "", provisional: bool = False
) -> Due:
    """A due time in words.

    Args:
        due: When it is due, exclusive: at this instant it is late.
        now: The present.
        calendar: The region's.
        limit: Such as `3 wd` or `24 h`, which says what people count in; working days if not known.
        provisional: A year without a notice was counted through.
    """
    if due >= NEVER - _DAY:
        return Due(say("due.stopped"), Tone.STOPPED)
    written = last_instant(due, now)
    today, last = now.astimezone(ZONE).date(), (due.astimezone(ZONE) - _INSTANT).date()
    unsure = say("due.provisional") if provisional else ""
    if now >= due:
        late = calendar.working_days_between(due.astimezone(ZONE).date(), today)
        key = "due.overdue_days" if late else "due.overdue"
        return Due(_counted(key, late, written) + unsure, Tone.OVERDUE)
    unit = limit.partition(" ")[2]
    if (unit == "h" or limit == "at once") and due - now < _SHORT:
        hours, minutes = divmod(int((due - now).total_seconds()) // 60, 60)
        tone = Tone.TODAY if due - now < _DAY else Tone.SOON
        return Due(say("due.hours", hours=hours, minutes=minutes, due=written), tone)
    if last == today:
        return Due(say("due.today", due=written) + unsure, Tone.TODAY)
    if unit and unit not in ("wd", "h"):
        left = (last - today).days
        return Due(_counted("due.days", left, written) + unsure, Tone.SOON if left <= 1 else Tone.LATER)
    left = calendar.working_days_between(today + _DAY, last)
    return Due(_counted("due.working_days", left, written) + unsure, Tone.SOON if left <= 1 else Tone.LATER)


def last_instant(due: datetime, now: datetime) -> str:
    """A due time as people write it: an end of day is 24:00 of that day."""
    local = due.astimezone(ZONE)
    clock = f"{local:%H:%M}"
    if local.time() == time(0):
        local, clock = local - _DAY, "24:00"
    year = "" if local.year == now.astimezone(ZONE).year else str(local.year)
    if language() == "zh":
        return f"{f'{year}年' if year else ''}{local.month}月{local.day}日 {clock}"
    return f"{local.day} {_MONTHS[local.month - 1]} {f'{year} ' if year else ''}{clock}"


def instant(stamp: Timestamp) -> datetime | None:
    """The moment of a timestamp, None if it is not set."""
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None


async def read_calendar(
    directory: DirectoryServiceAsyncStub, now: datetime, dues: Iterable[datetime | None] = ()
) -> Calendar:
    """The calendar of the years from now to the due times, from a directory."""
    far = [due.astimezone(ZONE).year for due in dues if due is not None]
    years = {now.astimezone(ZONE).year, *far}
    first = min(years)
    found = []
    for year in range(first, min(max(years), first + _MOST_YEARS) + 1):
        answer = await directory.GetCalendar(pb.GetCalendarRequest(year=year))
        if not answer.provisional:
            found.append(calendar_year(answer.calendar, answer.common_version))
    return Calendar("", tuple(found))


def calendar_year(entry: entries.CalendarYear, version: int = 1) -> CalendarYear:
    """A calendar year of the wire as the rules count with it."""
    minutes = entry.close_of_business
    return CalendarYear(
        year=entry.year,
        holidays=frozenset(date.fromisoformat(f"{entry.year:04d}-{day}") for day in entry.holidays),
        makeup=frozenset(date.fromisoformat(f"{entry.year:04d}-{day}") for day in entry.make_up_days),
        published_at=_SEEN,
        version=version,
        close_of_business=time(minutes // 60, minutes % 60) if minutes else None,
        d_rolls=entry.natural_days_roll,
    )


def _counted(key: str, count: int, due: str) -> str:
    return say(f"{key}_one" if count == 1 else key, count=count, due=due)
