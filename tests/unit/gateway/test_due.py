"""What is said of a due time: over week-ends, holidays and make-up days, at its edges, in both languages."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.gateway.languages import LANGUAGES
from services.gateway.web.due import Due, say
from services.gateway.web.filters import ZONE

HOLIDAYS = {date(2026, 2, each) for each in range(16, 24)} | {date(2027, 1, 1)}
"""Of 2026: the Spring Festival, Monday 16 to Monday 23 February; and New Year's day, a Friday."""
MADE_UP = {date(2026, 2, 14), date(2026, 2, 28)}
"""Saturdays on which people work for it."""


def is_working_day(day: date) -> bool:
    return day in MADE_UP or (day.weekday() < 5 and day not in HOLIDAYS)


def at(text: str) -> datetime:
    """A local moment."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def end_of(text: str) -> datetime:
    """The end of a day, exclusive."""
    return at(text) + timedelta(days=1)


def said(due_at: datetime | None, now: datetime, language: str = "en", *, suspended: bool = False) -> Due:
    chosen = next(each for each in LANGUAGES if each == language)
    return say(due_at, now, is_working_day, chosen, suspended=suspended)


@pytest.mark.parametrize(
    ("due_at", "now", "words"),
    [
        # Tuesday to Thursday of a plain week
        (end_of("2026-03-05"), at("2026-03-03T10:00"), "2 working days left"),
        (end_of("2026-03-05"), at("2026-03-04T10:00"), "1 working day left"),
        # over a week-end
        (end_of("2026-03-09"), at("2026-03-06T10:00"), "1 working day left"),
        (end_of("2026-03-09"), at("2026-03-07T10:00"), "1 working day left"),
        # Friday before a Saturday on which people work, and that Saturday itself
        (end_of("2026-02-28"), at("2026-02-26T10:00"), "2 working days left"),
        (end_of("2026-03-02"), at("2026-02-27T10:00"), "2 working days left"),
        (end_of("2026-03-02"), at("2026-02-28T10:00"), "1 working day left"),
        (end_of("2026-02-14"), at("2026-02-13T10:00"), "1 working day left"),
        # over the holidays: the 14th is worked, then nothing until the 24th
        (end_of("2026-02-25"), at("2026-02-13T10:00"), "3 working days left"),
        (end_of("2026-02-25"), at("2026-02-14T10:00"), "2 working days left"),
        (end_of("2026-02-25"), at("2026-02-18T10:00"), "2 working days left"),
        (end_of("2026-02-25"), at("2026-02-24T10:00"), "1 working day left"),
        # over the new year, whose first day is free
        (end_of("2027-01-04"), at("2026-12-31T10:00"), "1 working day left"),
        (end_of("2027-01-05"), at("2026-12-30T10:00"), "3 working days left"),
    ],
)
def test_days_that_are_left_are_working_days(due_at: datetime, now: datetime, words: str) -> None:
    """By the calendar: holidays do not count, make-up days do."""
    assert said(due_at, now).words == words


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (at("2026-03-04T23:59"), "1 working day left"),
        (at("2026-03-05T00:00"), "24 hours left"),
        (at("2026-03-05T00:01"), "23 hours left"),
        (at("2026-03-05T22:30"), "1 hour left"),
        (at("2026-03-05T23:00"), "1 hour left"),
        (at("2026-03-05T23:00:01"), "59 min left"),
        (at("2026-03-05T23:59"), "1 min left"),
        (at("2026-03-05T23:59:59"), "1 min left"),
        (at("2026-03-06T00:00"), "Overdue"),
    ],
)
def test_the_last_day_is_told_in_hours_then_minutes(now: datetime, words: str) -> None:
    """The due time is exclusive: at 24:00 sharp it is over."""
    assert said(end_of("2026-03-05"), now).words == words


def test_days_off_at_the_end_are_told_in_hours() -> None:
    """Where no working day is left, but more than a day: never `0 working days`."""
    sunday = end_of("2026-03-08")
    assert said(sunday, at("2026-03-06T10:00")).words == "62 hours left"
    assert said(sunday, at("2026-03-06T10:00"), "zh").words == "还剩62小时"
    assert said(sunday, at("2026-03-06T10:00")).tone == "wait"


@pytest.mark.parametrize(
    ("now", "english", "chinese"),
    [
        (at("2026-03-06T09:00"), "Overdue", "已超期"),
        # the week-end adds nothing
        (at("2026-03-08T09:00"), "Overdue", "已超期"),
        (at("2026-03-09T09:00"), "Overdue by 1 working day", "已超期1个工作日"),
        (at("2026-03-10T09:00"), "Overdue by 2 working days", "已超期2个工作日"),
    ],
)
def test_overdue_is_told_in_working_days_that_passed(now: datetime, english: str, chinese: str) -> None:
    """Counted from the day after the first on which it was late."""
    found = said(end_of("2026-03-05"), now)
    assert (found.words, found.tone, found.mark) == (english, "bad", "✕")
    assert said(end_of("2026-03-05"), now, "zh").words == chinese


def test_overdue_over_holidays() -> None:
    """Due before the festival, seen after it: only the make-up Saturday and the days worked since count."""
    assert said(end_of("2026-02-12"), at("2026-02-23T12:00")).words == "Overdue by 1 working day"
    assert said(end_of("2026-02-12"), at("2026-02-25T12:00")).words == "Overdue by 3 working days"


@pytest.mark.parametrize(
    ("due_at", "now", "english", "chinese"),
    [
        (end_of("2026-02-25"), at("2026-02-24T10:00"), "25 Feb 24:00", "2月25日 24:00"),
        (at("2026-02-25T15:30"), at("2026-02-24T10:00"), "25 Feb 15:30", "2月25日 15:30"),
        (end_of("2026-12-31"), at("2026-12-30T10:00"), "31 Dec 24:00", "12月31日 24:00"),
        (end_of("2027-01-04"), at("2026-12-31T10:00"), "4 Jan 2027 24:00", "2027年1月4日 24:00"),
        (end_of("2026-12-31"), at("2027-01-04T10:00"), "31 Dec 2026 24:00", "2026年12月31日 24:00"),
        (end_of("2028-02-29"), at("2028-02-29T10:00"), "29 Feb 24:00", "2月29日 24:00"),
    ],
)
def test_the_moment_is_written_as_people_write_it(
    due_at: datetime, now: datetime, english: str, chinese: str
) -> None:
    """The end of a day is 24:00 of that day; the year only where it is another."""
    assert said(due_at, now).until == english
    assert said(due_at, now, "zh").until == chinese


def test_moments_of_other_zones_are_those_of_the_region() -> None:
    """Nodes tell UTC; people read the region's time."""
    due_at, now = end_of("2026-02-25").astimezone(UTC), at("2026-02-24T10:00").astimezone(UTC)
    assert said(due_at, now) == said(end_of("2026-02-25"), at("2026-02-24T10:00"))
    # 20:00 UTC is the next day here
    assert said(end_of("2026-03-05"), datetime(2026, 3, 3, 20, 0, tzinfo=UTC)).words == "1 working day left"


def test_a_clock_that_stands_still_is_never_late() -> None:
    """Suspended, it is neither soon nor overdue; and may have no end yet."""
    late = said(end_of("2026-03-05"), at("2026-03-09T09:00"), suspended=True)
    assert (late.words, late.tone, late.until) == ("Clock suspended", "plain", "5 Mar 24:00")
    endless = said(None, at("2026-03-09T09:00"), "zh", suspended=True)
    assert (endless.words, endless.tone, endless.until) == ("期限中止", "plain", "")


def test_the_tone_never_speaks_alone() -> None:
    """Each tone has a mark of its own and words: colour is not needed."""
    moments = {
        "good": at("2026-03-02T10:00"), "wait": at("2026-03-04T10:00"), "bad": at("2026-03-06T10:00"),
    }  # fmt: skip
    found = [said(end_of("2026-03-05"), now) for now in moments.values()]
    found.append(said(end_of("2026-03-05"), at("2026-03-02T10:00"), suspended=True))
    assert [each.tone for each in found] == [*moments, "plain"]
    assert len({each.mark for each in found}) == len(found)
    assert all(each.words for each in found)
