"""What a notice does to the due times of what is open.

2027 is provisional in the national calendar of the samples: from Friday 25 December 2026 the weekdays
are 28, 29, 30, 31 December, 1 January (a Friday, worked while provisional), 4, 5, 6 and so on.
"""

from dataclasses import replace
from datetime import time

from services.procedures.deadlines import due_time, explain, mark_time, recompute
from tests.unit.procedures.deadline_samples import NATIONAL, at, owed, pause, year


def test_a_notice_moves_an_open_due_time_later() -> None:
    """3 wd from Wednesday 30 December: 31, 1, 4, due 5 January 00:00, provisionally.

    The notice of 31 December makes 1 to 3 January holidays: 31, 4, 5; due 6 January.
    """
    obligation = owed("3 wd", "2026-12-30 10:00")
    assert due_time(obligation, NATIONAL) == at("2027-01-05")
    assert explain(obligation, NATIONAL).provisional
    holidays = ("2027-01-01", "2027-01-02", "2027-01-03")
    new = NATIONAL.with_year(year(2027, "2026-12-31 09:00", 5, holidays))
    assert due_time(obligation, new) == at("2027-01-06")
    assert recompute(obligation, NATIONAL, new, at("2026-12-31 09:00")) == at("2027-01-06")
    assert not explain(obligation, new).provisional


def test_a_notice_moves_an_open_due_time_earlier() -> None:
    """8 wd from Wednesday 30 December: 31, 1, 4, 5, 6, 7, 8, 11, due 12 January.

    A notice of 31 December makes Sunday 3 January worked and nothing a holiday: 31, 1, 3, 4, 5, 6, 7, 8;
    due 9 January, well after the floor.
    """
    obligation = owed("8 wd", "2026-12-30 10:00")
    assert due_time(obligation, NATIONAL) == at("2027-01-12")
    new = NATIONAL.with_year(year(2027, "2026-12-31 09:00", 5, makeup=("2027-01-03",)))
    assert due_time(obligation, new) == at("2027-01-09")
    assert recompute(obligation, NATIONAL, new, at("2026-12-31 09:00")) == at("2027-01-09")


def test_a_due_time_that_moves_earlier_stays_until_the_end_of_the_next_working_day() -> None:
    """3 wd from Thursday 31 December: 1, 4, 5, due 6 January. Notice Monday 4 January, 15:00.

    It makes Saturday 2 worked: 1, 2, 4 would be due 5 January 00:00, nine hours after the notice. The next
    working day after the notice is Tuesday 5: due stays 6 January 00:00. With 2 and 3 worked as well.
    """
    obligation = owed("3 wd", "2026-12-31 10:00")
    assert due_time(obligation, NATIONAL) == at("2027-01-06")
    for makeup in (("2027-01-02",), ("2027-01-02", "2027-01-03")):
        new = NATIONAL.with_year(year(2027, "2027-01-04 15:00", 5, makeup=makeup))
        assert due_time(obligation, new) == at("2027-01-06")
        assert recompute(obligation, NATIONAL, new, at("2027-01-04 15:00")) == at("2027-01-06")


def test_the_floor_may_lie_between_the_old_and_the_new_due_time() -> None:
    """5 wd from Thursday 31 December: 1, 4, 5, 6, 7, due 8 January. Notice Monday 4 January, 15:00.

    It makes 2 and 3 worked: 1, 2, 3, 4, 5 would be due 6 January 00:00, which is exactly the floor, the end
    of Tuesday 5. Had the notice come on Tuesday 5: the end of Wednesday 6, due 7 January.
    """
    obligation = owed("5 wd", "2026-12-31 10:00")
    assert due_time(obligation, NATIONAL) == at("2027-01-08")
    makeup = ("2027-01-02", "2027-01-03")
    assert due_time(obligation, NATIONAL.with_year(year(2027, "2027-01-04 15:00", 5, makeup=makeup))) == at(
        "2027-01-06"
    )
    late = NATIONAL.with_year(year(2027, "2027-01-05 15:00", 5, makeup=makeup))
    assert due_time(obligation, late) == at("2027-01-07")
    explanation = explain(obligation, late)
    assert (explanation.computed, explanation.due) == (at("2027-01-06"), at("2027-01-07"))


def test_what_was_overdue_when_the_notice_came_gains_nothing_by_the_floor() -> None:
    """3 wd from Thursday 31 December were due 6 January; a notice of the 20th makes the 2nd worked.

    The end of the 21st would be later than it ever was: due stays 6 January 00:00.
    """
    obligation = owed("3 wd", "2026-12-31 10:00")
    new = NATIONAL.with_year(year(2027, "2027-01-20 09:00", 5, makeup=("2027-01-02",)))
    assert due_time(obligation, new) == at("2027-01-06")


def test_what_was_opened_after_the_notice_knows_no_floor() -> None:
    """Occurred on 31 December, admitted on Tuesday 5 January after the notice of the 4th: 1, 2, 4; due 5."""
    obligation = owed("3 wd", "2027-01-05 10:00", occurred_at=at("2026-12-31 10:00"), from_occurred=True)
    new = NATIONAL.with_year(year(2027, "2027-01-04 15:00", 5, makeup=("2027-01-02",)))
    assert due_time(obligation, new) == at("2027-01-05")


def test_notices_are_applied_one_after_the_other() -> None:
    """5 wd from Thursday 31 December, due 8 January. Notice on Tuesday 5 making 2 and 3 worked: held at 7.

    A correction on Wednesday 6 takes the make-up days back: 1, 4, 5, 6, 7, due 8 January again. Another
    on the 7th puts them in force again: held at the old due time, before the end of Friday 8.
    """
    obligation = owed("5 wd", "2026-12-31 10:00")
    makeup = ("2027-01-02", "2027-01-03")
    first = NATIONAL.with_year(year(2027, "2027-01-05 15:00", 5, makeup=makeup))
    second = first.with_year(year(2027, "2027-01-06 15:00", 6))
    third = second.with_year(year(2027, "2027-01-07 15:00", 7, makeup=makeup))
    assert due_time(obligation, first) == at("2027-01-07")
    assert due_time(obligation, second) == at("2027-01-08")
    assert due_time(obligation, third) == at("2027-01-08")
    assert recompute(obligation, second, third, at("2027-01-07 15:00")) == at("2027-01-08")


def test_a_notice_for_another_year_moves_nothing() -> None:
    """3 wd from Monday 2 March 2026: due 6 March, whatever is announced for 2027."""
    obligation = owed("3 wd", "2026-03-02 10:00")
    new = NATIONAL.with_year(year(2027, "2026-03-03 09:00", 5, holidays=("2027-01-01",)))
    assert due_time(obligation, new) == at("2026-03-06")


def test_natural_days_roll_by_the_newest_calendar() -> None:
    """10 d from 22 December end on Friday 1 January, due 2 January; as a holiday it rolls to the 4th."""
    obligation = owed("10 d", "2026-12-22 10:00")
    assert due_time(obligation, NATIONAL) == at("2027-01-02")
    holidays = ("2027-01-01", "2027-01-02", "2027-01-03")
    new = NATIONAL.with_year(year(2027, "2026-12-28 09:00", 5, holidays=holidays))
    assert due_time(obligation, new) == at("2027-01-05")


def test_hours_months_and_fixed_times_do_not_hear_of_notices() -> None:
    """72 h, 1 month and 10 January 17:00 are what they were."""
    new = NATIONAL.with_year(year(2027, "2027-01-01 09:00", 5, holidays=("2027-01-01", "2027-01-04")))
    for within in ("72 h", "1 month", "0 fixed"):
        obligation = owed(within, "2026-12-31 10:00", fixed_due=at("2027-01-10 17:00"))
        assert due_time(obligation, new) == due_time(obligation, NATIONAL)


def test_a_discharged_obligation_is_never_judged_again() -> None:
    """Discharged under version 1 and due 5 January, it stays so and is explained by version 1."""
    obligation = owed("3 wd", "2026-12-30 10:00", due_frozen=at("2027-01-05"), calendar_version=1)
    new = NATIONAL.with_year(year(2027, "2026-12-31 09:00", 5, holidays=("2027-01-01",)))
    assert due_time(obligation, new) == at("2027-01-05")
    assert recompute(obligation, NATIONAL, new, at("2026-12-31 09:00")) == at("2027-01-05")
    explanation = explain(obligation, new)
    assert explanation.versions == ((2026, 1), (2027, None))
    assert explanation.frozen


def test_the_floor_is_no_suspended_day() -> None:
    """5 wd from Thursday 31 December, due 8 January; notice Tuesday 5 making 2 and 3 worked; paused 6 to 7.

    1, 2, 3, 4, 5 are past before the pause; the next working day after the notice that counts is Friday 8.
    The old calendar would have given 1, 4, 5, 8, 11. Due at the end of the 8th.
    """
    obligation = owed(
        "5 wd", "2026-12-31 10:00", suspensions=(pause("2027-01-06 09:00", "2027-01-07 09:00"),)
    )
    new = NATIONAL.with_year(year(2027, "2027-01-05 15:00", 5, makeup=("2027-01-02", "2027-01-03")))
    assert due_time(obligation, NATIONAL) == at("2027-01-12")
    assert due_time(obligation, new) == at("2027-01-09")


def test_a_new_close_of_business_is_a_notice_like_any_other() -> None:
    """1 wd from Monday 4 January 2027, 09:00: due the 6th, 00:00; then 2027 gets a close of 17:30.

    Tuesday 5 would now end at 17:30, which is also the end of the next working day after the notice. If it
    comes on the 5th at 17:00, the end of Wednesday 6 is later than what was, so due stays 6 January 00:00.
    """
    obligation = owed("1 wd", "2027-01-04 09:00")
    for published, due in (("2027-01-04 15:00", "2027-01-05 17:30"), ("2027-01-05 17:00", "2027-01-06")):
        new = NATIONAL.with_year(replace(year(2027, published, 5), close_of_business=time(17, 30)))
        assert due_time(obligation, new) == at(due)


def test_marks_follow_the_newest_calendar() -> None:
    """3 wd from 30 December: 80% is day 3, Monday 4 January; with 1 January off, Tuesday 5, 09:00."""
    obligation = owed("3 wd", "2026-12-30 10:00")
    assert mark_time(obligation, "80%", NATIONAL) == at("2027-01-04 09:00")
    new = NATIONAL.with_year(year(2027, "2026-12-31 09:00", 5, holidays=("2027-01-01",)))
    assert mark_time(obligation, "80%", new) == at("2027-01-05 09:00")
