"""Due times in words, at a clock that stands."""

from datetime import datetime, timedelta

import pytest
from liandong.directory.v1 import common_entry_pb2 as entries

from services.cli import texts
from services.cli.due import Tone, calendar_year, due_words, last_instant
from services.procedures.calendar import NEVER, ZONE, Calendar

# 2026: Spring Festival 15 to 23 February; Saturday the 28th is worked
CALENDAR = Calendar(
    "qinghe",
    (
        calendar_year(
            entries.CalendarYear(
                region="qinghe",
                year=2026,
                holidays=[f"02-{day}" for day in range(15, 24)],
                make_up_days=["02-14", "02-28"],
            )
        ),
    ),
)


def at(day: int, hour: int = 0, minute: int = 0, month: int = 2) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZONE)


def said(due: datetime, now: datetime, limit: str = "3 wd") -> tuple[str, Tone]:
    found = due_words(due, now, CALENDAR, limit=limit)
    return found.words, found.tone


@pytest.mark.parametrize(
    ("due", "now", "words", "tone"),
    [
        (at(26), at(24, 10), "1 working day left (25 Feb 24:00)", Tone.SOON),
        (at(27), at(24, 10), "2 working days left (26 Feb 24:00)", Tone.LATER),
        (at(26), at(13, 10), "3 working days left (25 Feb 24:00)", Tone.LATER),
        (at(26), at(25, 23, 59), "due today (25 Feb 24:00)", Tone.TODAY),
        (at(26), at(26), "1 working day overdue (since 25 Feb 24:00)", Tone.OVERDUE),
        (at(26), at(28, 9), "3 working days overdue (since 25 Feb 24:00)", Tone.OVERDUE),
        (at(15), at(17, 9), "overdue (since 14 Feb 24:00)", Tone.OVERDUE),
    ],
)
def test_working_days_are_counted_by_the_calendar(
    due: datetime, now: datetime, words: str, tone: Tone
) -> None:
    """Holidays are left out, make-up days are in, and at the due instant it is late."""
    assert said(due, now) == (words, tone)


def test_hours_are_said_in_hours() -> None:
    """A limit of hours runs over midnight and holidays."""
    assert said(at(16, 14, 30), at(16, 9, 10), "24 h") == ("5 h 20 min left (16 Feb 14:30)", Tone.TODAY)


def test_natural_days_are_said_in_days() -> None:
    """Holidays count."""
    assert said(at(26), at(14, 12), "90 d") == ("11 days left (25 Feb 24:00)", Tone.LATER)


def test_a_stopped_clock_says_so() -> None:
    """There is no due time while nobody has answered."""
    assert said(NEVER, at(24)) == ("clock stopped", Tone.STOPPED)


def test_a_provisional_year_is_marked() -> None:
    """The reader knows that it may still move."""
    due = datetime(2027, 1, 6, tzinfo=ZONE)
    words = due_words(due, at(31, month=12), CALENDAR, limit="3 wd", provisional=True).words
    assert words == "3 working days left (5 Jan 2027 24:00), provisional"


def test_chinese_words() -> None:
    """The same in the region's language."""
    texts.use("zh")
    assert said(at(26), at(24, 10))[0] == "还剩 1 个工作日（2月25日 24:00）"
    assert said(at(26), at(28, 9))[0] == "已逾期 3 个工作日（应于 2月25日 24:00 前）"


def test_an_end_of_day_is_24_00() -> None:
    """Midnight belongs to the day that it ends."""
    assert last_instant(at(26), at(24)) == "25 Feb 24:00"
    assert last_instant(at(26) + timedelta(minutes=1), at(24)) == "26 Feb 00:01"


def test_a_close_of_business_is_read() -> None:
    """The year of the wire says when a day ends."""
    year = calendar_year(entries.CalendarYear(year=2026, close_of_business=17 * 60 + 30))
    assert str(year.close_of_business) == "17:30:00"
