"""How a due time is said: in working days or hours that are left, with a tone, a mark and a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.gateway.languages import Language
from services.gateway.web.filters import ZONE
from services.gateway.web.texts import text

SOON: Final = 1
"""Working days left at which a due time is soon."""
_HOURS: Final = timedelta(hours=24)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Due:
    """A due time in words.

    Attributes:
        tone: `good`, `wait`, `bad` or `plain`, for the colour.
        mark: A sign that says the same without colour.
        words: What is left.
        until: The moment, such as `2月25日 24:00`; empty while nobody can say.
    """

    tone: str
    mark: str
    words: str
    until: str


def say(
    due_at: datetime | None,
    now: datetime,
    is_working_day: Callable[[date], bool],
    language: Language,
    *,
    suspended: bool = False,
) -> Due:
    """What is left until a due time.

    Args:
        due_at: The moment, exclusive: the end of a day is the next day's 00:00. None of a clock that stands still
            without an end in sight.
        now: The time.
        is_working_day: By the region's calendar.
        language: Of the words.
        suspended: The clock stands still.
    """
    if due_at is None:
        return Due("plain", "‖", text("due.suspended", language), "")
    until = _until(due_at, now, language)
    if suspended:
        return Due("plain", "‖", text("due.suspended", language), until)
    if now >= due_at:
        days = _days(due_at, now, is_working_day)
        if days < 1:
            return Due("bad", "✕", text("due.overdue_today", language), until)
        return Due(
            "bad", "✕", text("due.overdue_one" if days == 1 else "due.overdue", language, days=days), until
        )
    left = due_at - now
    days = _days(now, due_at - timedelta(microseconds=1), is_working_day)
    if left < _HOURS or days < 1:
        # no working day lies between: a week-end or a holiday is counted in hours
        hours = int(left.total_seconds() // 3600)
        if hours < 1:
            minutes = max(1, int(left.total_seconds() // 60))
            return Due("wait", "!", text("due.minutes", language, minutes=minutes), until)
        return Due("wait", "!", text("due.hour" if hours == 1 else "due.hours", language, hours=hours), until)
    tone, mark = ("wait", "!") if days <= SOON else ("good", "●")
    return Due(tone, mark, text("due.day" if days == 1 else "due.days", language, days=days), until)


def _days(start: datetime, end: datetime, is_working_day: Callable[[date], bool]) -> int:
    """Working days after the day of one moment, up to the day of another."""
    first, last = start.astimezone(ZONE).date(), end.astimezone(ZONE).date()
    return sum(is_working_day(first + timedelta(days=each)) for each in range(1, (last - first).days + 1))


def _until(due_at: datetime, now: datetime, language: Language) -> str:
    local = due_at.astimezone(ZONE)
    hour = f"{local:%H:%M}"
    if hour == "00:00":
        local, hour = local - timedelta(days=1), "24:00"
    year = local.year != now.astimezone(ZONE).year
    if language == "zh":
        return f"{f'{local.year}年' if year else ''}{local.month}月{local.day}日 {hour}"
    return f"{local.day} {_MONTHS[local.month - 1]}{f' {local.year}' if year else ''} {hour}"
