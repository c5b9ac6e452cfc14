from dataclasses import replace
from datetime import date, time

import pytest

from services.procedures.calendar import (
    Calendar,
    NoticeError,
    UnannouncedYearError,
    parse_notice,
    print_notice,
    seed_years,
)
from tests.unit.procedures.deadline_samples import NATIONAL, at, year


@pytest.mark.parametrize(
    ("makeup", "before"),
    [
        ("2026-01-04", "2026-01-03"),
        ("2026-02-14", "2026-02-13"),
        ("2026-02-28", "2026-02-27"),
        ("2026-05-09", "2026-05-08"),
        ("2026-09-20", "2026-09-19"),
        ("2026-10-10", "2026-10-09"),
    ],
)
def test_a_makeup_day_is_a_working_day(makeup: str, before: str) -> None:
    """Every make-up weekend of 2026 is worked and is the first working day after the date before it."""
    day = date.fromisoformat(makeup)
    assert day.weekday() >= 5
    assert NATIONAL.is_working(day)
    assert NATIONAL.reason(day) == "make-up"
    assert NATIONAL.add_working_days(date.fromisoformat(before), 1) == day


@pytest.mark.parametrize(
    ("first", "last", "next_working"),
    [
        ("2026-01-01", "2026-01-03", "2026-01-04"),
        ("2026-02-15", "2026-02-23", "2026-02-24"),
        ("2026-04-04", "2026-04-06", "2026-04-07"),
        ("2026-05-01", "2026-05-05", "2026-05-06"),
        ("2026-06-19", "2026-06-21", "2026-06-22"),
        ("2026-09-25", "2026-09-27", "2026-09-28"),
        ("2026-10-01", "2026-10-07", "2026-10-08"),
    ],
)
def test_a_holiday_is_skipped_whole(first: str, last: str, next_working: str) -> None:
    """Every holiday of 2026, its weekend dates included, is off; the next working day follows it."""
    for ordinal in range(date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1):
        assert NATIONAL.reason(date.fromordinal(ordinal)) == "holiday"
        assert not NATIONAL.is_working(date.fromordinal(ordinal))
        assert NATIONAL.roll_forward(date.fromordinal(ordinal)) == date.fromisoformat(next_working)


def test_an_ordinary_week_works_from_monday_to_friday() -> None:
    """9 to 15 March 2026, a week without holiday: Monday to Friday worked, Saturday and Sunday off."""
    reasons = [NATIONAL.reason(date(2026, 3, day)) for day in range(9, 16)]
    assert reasons == ["working"] * 5 + ["weekend"] * 2
    assert NATIONAL.roll_forward(date(2026, 3, 14)) == date(2026, 3, 16)
    assert NATIONAL.roll_forward(date(2026, 3, 13)) == date(2026, 3, 13)


def test_a_year_without_a_notice_is_provisional() -> None:
    """1 January 2027 is a Friday: with no notice it counts as worked, and says that it is provisional."""
    assert NATIONAL.provisional(2027)
    assert not NATIONAL.provisional(2026)
    assert NATIONAL.reason(date(2027, 1, 1)) == "provisional"
    assert NATIONAL.reason(date(2027, 1, 2)) == "weekend"
    assert NATIONAL.is_working(date(2027, 1, 1))
    assert NATIONAL.version_of(2026) == 1
    assert NATIONAL.version_of(2027) is None


def test_working_days_are_counted_across_the_end_of_a_year() -> None:
    """After Wednesday 30 December 2026: Thursday 31, then (provisional) Friday 1 January, Monday 4."""
    start = date(2026, 12, 30)
    assert [NATIONAL.add_working_days(start, n) for n in (0, 1, 2, 3)] == [
        start,
        date(2026, 12, 31),
        date(2027, 1, 1),
        date(2027, 1, 4),
    ]
    assert NATIONAL.working_days_between(date(2026, 12, 31), date(2027, 1, 4)) == 3
    assert NATIONAL.working_days_between(date(2026, 1, 1), date(2026, 1, 3)) == 0
    assert NATIONAL.working_days_between(date(2026, 1, 2), date(2026, 1, 1)) == 0


def test_working_days_are_not_counted_backward() -> None:
    """A negative number of working days is refused."""
    with pytest.raises(ValueError, match="forward only"):
        NATIONAL.add_working_days(date(2026, 3, 2), -1)


def test_a_replaced_year_is_superseded_and_not_forgotten() -> None:
    """A region makes Monday 9 March 2026 a holiday by version 7: in force now, not as of the day before."""
    calendar = NATIONAL.with_year(year(2026, "2026-03-02 09:00", 7, holidays=("2026-03-09",)))
    assert calendar.version == 7
    assert NATIONAL.version == 1
    assert calendar.last_notice_at == at("2026-03-02 09:00")
    assert calendar.reason(date(2026, 3, 9)) == "holiday"
    assert calendar.as_of(at("2026-03-02 09:00")) == calendar
    assert calendar.as_of(at("2026-03-02 08:59")) == NATIONAL
    assert calendar.at_version(6) == NATIONAL
    assert calendar.at_version(7) is calendar


def test_the_order_in_which_entries_are_learnt_does_not_matter() -> None:
    """Two replacements of 2026 give the same calendar in either order, and the higher version is in force."""
    first = year(2026, "2026-03-02", 7, holidays=("2026-03-09",))
    second = year(2026, "2026-03-03", 8, holidays=("2026-03-10",))
    forward = NATIONAL.with_year(first).with_year(second)
    assert forward == NATIONAL.with_year(second).with_year(first)
    assert hash(forward) == hash(NATIONAL.with_year(second).with_year(first))
    assert forward.is_working(date(2026, 3, 9))
    assert not forward.is_working(date(2026, 3, 10))
    assert forward.with_year(second) == forward


def test_two_entries_of_one_year_and_version_are_refused() -> None:
    """One version of the common entries holds one calendar of a year."""
    calendar = NATIONAL.with_year(year(2026, "2026-03-02", 7, holidays=("2026-03-09",)))
    with pytest.raises(ValueError, match="same version"):
        calendar.with_year(year(2026, "2026-03-02", 7, holidays=("2026-03-10",)))


def test_the_last_day_ends_at_midnight_or_at_the_close_of_business() -> None:
    """2 March ends at 3 March 00:00; in a region that closes at 17:30, at 2 March 17:30."""
    assert NATIONAL.end_of(date(2026, 3, 2)) == at("2026-03-03")
    early = Calendar("qinghe", NATIONAL.entries, close_of_business=time(17, 30))
    assert early.end_of(date(2026, 3, 2)) == at("2026-03-02 17:30")


def test_a_year_may_have_its_own_close_of_business_and_rolling() -> None:
    """2027 closes at 17:30 and moves no last day; 2026 ends at 24:00 and does, as before."""
    short = replace(year(2027, "2026-11-10", 9), close_of_business=time(17, 30), d_rolls=False)
    calendar = NATIONAL.with_year(short)
    assert calendar.end_of(date(2026, 12, 31)) == at("2027-01-01")
    assert calendar.end_of(date(2027, 1, 4)) == at("2027-01-04 17:30")
    assert calendar.rolls(date(2026, 12, 31))
    assert not calendar.rolls(date(2027, 1, 2))


def test_a_notice_is_read_and_printed() -> None:
    """A CSV with a byte order mark, blank lines and CRLF reads to a year and prints back in order."""
    text = "\ufeffdate,kind\r\n2027-01-03, make-up\r\n\r\n2027-01-01,holiday\r\n"
    notice = parse_notice(text, published_at=at("2026-11-10"), version=9)
    assert notice == year(2027, "2026-11-10", 9, holidays=("2027-01-01",), makeup=("2027-01-03",))
    assert print_notice(notice) == "date,kind\n2027-01-01,holiday\n2027-01-03,make-up\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "names no date"),
        ("date,kind\n", 1, "names no date"),
        ("day,kind\n2027-01-01,holiday\n", 1, "must be date,kind"),
        ("date,kind\n2027-01-01\n", 2, "two columns"),
        ("date,kind\n2027-02-30,holiday\n", 2, "'2027-02-30' is no date"),
        ("date,kind\n2027-01-01,off\n", 2, "'off' is no kind"),
        ("date,kind\n2027-01-04,make-up\n", 2, "2027-01-04 is no weekend"),
        ("date,kind\n2027-01-01,holiday\n\n2027-01-01,holiday\n", 4, "named twice"),
        ("date,kind\n2027-12-31,holiday\n2028-01-01,holiday\n", 3, "another year"),
        ('date,kind\n"2027-01-01,holiday\n', 2, "line 2: "),
    ],
)
def test_a_broken_notice_names_the_line(text: str, line: int, message: str) -> None:
    """Whatever is wrong with a notice, the error says where and what."""
    with pytest.raises(NoticeError, match=message) as caught:
        parse_notice(text, published_at=at("2026-11-10"), version=9)
    assert caught.value.line == line


def test_a_seeded_year_has_the_dates_of_the_national_notice() -> None:
    """2026 as announced: 33 dates off and the six make-up days."""
    (seeded,) = seed_years([2026])
    assert len(seeded.holidays) == 33
    assert sorted(seeded.makeup) == [
        date(2026, 1, 4),
        date(2026, 2, 14),
        date(2026, 2, 28),
        date(2026, 5, 9),
        date(2026, 9, 20),
        date(2026, 10, 10),
    ]
    assert parse_notice(print_notice(seeded), published_at=seeded.published_at, version=0) == seeded


def test_an_unannounced_year_cannot_be_seeded() -> None:
    """A year far ahead fails loudly when asked for, and is no part of all that is known."""
    with pytest.raises(UnannouncedYearError, match="2099"):
        seed_years([2026, 2099])
    assert Calendar("qinghe", seed_years()).provisional(2099)
