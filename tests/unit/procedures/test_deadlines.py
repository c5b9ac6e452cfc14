"""Starts, units, marks and outcomes; pauses and notices have files of their own."""

from dataclasses import replace
from datetime import UTC, time, timedelta

import pytest

from services.procedures.deadlines import (
    ExtensionUnitError,
    MarkError,
    due_time,
    explain,
    judge,
    mark_time,
)
from services.procedures.explanation import StartedBy
from services.procedures.obligation import Outcome, Unit
from tests.unit.procedures.deadline_samples import NATIONAL, at, extension, owed, pause


def test_working_days_skip_the_spring_festival_and_count_its_makeup_day() -> None:
    """Discovered Friday 2026-02-13, 3 wd: make-up Saturday 14, Tuesday 24, Wednesday 25; due 26 00:00."""
    obligation = owed("3 wd", "2026-02-20 11:00", occurred_at=at("2026-02-13 16:00"), from_occurred=True)
    assert due_time(obligation, NATIONAL) == at("2026-02-26")


def test_one_working_day_before_the_national_holiday_ends_after_it() -> None:
    """Admitted Wednesday 2026-09-30, 1 wd: Thursday 8 October; due 2026-10-09 00:00."""
    assert due_time(owed("1 wd", "2026-09-30 09:00"), NATIONAL) == at("2026-10-09")


@pytest.mark.parametrize(
    ("admitted", "due"),
    [
        ("2026-01-03 10:00", "2026-01-05"),
        ("2026-02-13 10:00", "2026-02-15"),
        ("2026-02-27 10:00", "2026-03-01"),
        ("2026-05-08 10:00", "2026-05-10"),
        ("2026-09-19 10:00", "2026-09-21"),
        ("2026-10-09 10:00", "2026-10-11"),
    ],
)
def test_each_makeup_day_of_2026_counts(admitted: str, due: str) -> None:
    """1 wd from the day before 4 Jan, 14 Feb, 28 Feb, 9 May, 20 Sep, 10 Oct ends with that weekend day."""
    assert due_time(owed("1 wd", admitted), NATIONAL) == at(due)


def test_the_hour_of_the_event_does_not_matter_to_days() -> None:
    """Monday 2 March at 00:00 or 23:59, 1 wd: Tuesday 3, due 4 March 00:00. Sunday 23:59: Monday 2."""
    assert due_time(owed("1 wd", "2026-03-02 00:00"), NATIONAL) == at("2026-03-04")
    assert due_time(owed("1 wd", "2026-03-02 23:59:59"), NATIONAL) == at("2026-03-04")
    assert due_time(owed("1 wd", "2026-03-01 23:59:59"), NATIONAL) == at("2026-03-03")


def test_the_date_of_an_event_is_its_date_in_shanghai() -> None:
    """16:30 UTC on Monday 2 March is 00:30 on Tuesday 3: 1 wd is Wednesday 4, due 5 March 00:00."""
    obligation = replace(owed("1 wd", "2026-03-03 00:30"), admitted_at=at("2026-03-03 00:30").astimezone(UTC))
    assert due_time(obligation, NATIONAL) == at("2026-03-05")
    assert due_time(obligation, NATIONAL).utcoffset() == timedelta(hours=8)


def test_natural_days_roll_over_the_holiday_on_which_they_end() -> None:
    """Admitted 2026-09-02, 30 d: Friday 2 October, a holiday, rolls to Thursday 8; due 2026-10-09 00:00."""
    assert due_time(owed("30 d", "2026-09-02 10:00"), NATIONAL) == at("2026-10-09")


def test_natural_days_do_not_roll_where_the_region_says_so() -> None:
    """The same 30 d in a region without rolling: 2 October; due 2026-10-03 00:00."""
    assert due_time(owed("30 d", "2026-09-02 10:00"), replace(NATIONAL, d_rolls=False)) == at("2026-10-03")


def test_natural_days_that_end_on_a_makeup_day_do_not_roll() -> None:
    """Admitted Thursday 2026-10-01, 9 d: Saturday 10 October is worked; due 11 October 00:00."""
    assert due_time(owed("9 d", "2026-10-01 10:00"), NATIONAL) == at("2026-10-11")


def test_hours_run_through_midnight_and_holidays() -> None:
    """24 h from Wednesday 30 September 18:30 end on Thursday 1 October 18:30; 8 h from 20:00 at 04:00."""
    assert due_time(owed("24 h", "2026-09-30 18:30"), NATIONAL) == at("2026-10-01 18:30")
    assert due_time(owed("8 h", "2026-03-02 20:00"), NATIONAL) == at("2026-03-03 04:00")


@pytest.mark.parametrize(
    ("within", "admitted", "due"),
    [
        ("1 month", "2026-01-15 10:00", "2026-02-16"),
        ("1 month", "2026-01-31 10:00", "2026-03-01"),
        ("1 month", "2028-01-31 10:00", "2028-03-01"),
        ("3 month", "2026-11-30 10:00", "2027-03-01"),
        ("1 year", "2028-02-29 10:00", "2029-03-01"),
        ("2 year", "2026-10-01 10:00", "2028-10-02"),
    ],
)
def test_months_end_on_the_same_number_or_the_last_of_the_month(within: str, admitted: str, due: str) -> None:
    """15 January + 1 month: 15 February; 31 January: 28 (leap 29) February; 30 November + 3: 28 February.

    29 February 2028 + 1 year: 28 February 2029. Holidays do not move them: 15 February 2026 is one.
    """
    assert due_time(owed(within, admitted), NATIONAL) == at(due)


def test_at_once_is_its_grace_in_hours() -> None:
    """A grace of 1 h from Friday 2026-02-13 23:30 ends on 14 February 00:30."""
    assert due_time(owed("1 at once", "2026-02-13 23:30"), NATIONAL) == at("2026-02-14 00:30")


def test_a_date_and_hour_is_itself() -> None:
    """Reports due 10 December 2026, 17:00; a pause moves nothing, 5 d and 2 h more give the 15th, 19:00."""
    report = owed("0 fixed", "2026-03-02 10:00", fixed_due=at("2026-12-10 17:00").astimezone(UTC))
    assert due_time(report, NATIONAL) == at("2026-12-10 17:00")
    assert due_time(replace(report, suspensions=(pause("2026-12-01"),)), NATIONAL) == at("2026-12-10 17:00")
    longer = replace(report, extensions=(extension("5 d", "2026-12-01"), extension("2 h", "2026-12-02")))
    assert due_time(longer, NATIONAL) == at("2026-12-15 19:00")


def test_a_fixed_limit_without_its_date_is_refused() -> None:
    """A fixed limit has no budget to fall back on, nor can it be extended to another unnamed date."""
    with pytest.raises(ValueError, match="date and hour"):
        due_time(owed("0 fixed", "2026-03-02 10:00"), NATIONAL)
    report = owed("0 fixed", "2026-03-02 10:00", fixed_due=at("2026-12-10 17:00"))
    with pytest.raises(ExtensionUnitError):
        due_time(replace(report, extensions=(extension("0 fixed", "2026-12-01"),)), NATIONAL)


def test_a_region_may_close_before_midnight() -> None:
    """Closing at 17:30, 1 wd from Monday 2 March: due Tuesday 3 March 17:30; hours are not touched."""
    early = replace(NATIONAL, close_of_business=time(17, 30))
    assert due_time(owed("1 wd", "2026-03-02 10:00"), early) == at("2026-03-03 17:30")
    assert due_time(owed("24 h", "2026-03-02 20:00"), early) == at("2026-03-03 20:00")


def test_a_clock_starts_when_the_letter_is_admitted_unless_told_otherwise() -> None:
    """Occurred Monday 2, admitted Tuesday 3, received Wednesday 4 March: 1 wd is the 4th; 3rd; 5th."""
    facts = {"occurred_at": at("2026-03-02 09:00"), "received_at": at("2026-03-04 09:00")}
    obligation = owed("1 wd", "2026-03-03 09:00", **facts)
    assert due_time(obligation, NATIONAL) == at("2026-03-05")
    assert explain(obligation, NATIONAL).started_by is StartedBy.ADMITTED
    occurred = replace(obligation, from_occurred=True)
    assert due_time(occurred, NATIONAL) == at("2026-03-04")
    assert explain(occurred, NATIONAL).started_by is StartedBy.OCCURRED
    received = replace(obligation, starts_on_receipt=True)
    assert due_time(received, NATIONAL) == at("2026-03-06")
    assert explain(received, NATIONAL).started_by is StartedBy.RECEIVED


def test_the_moment_of_signing_moves_no_due_time() -> None:
    """Signed is what a discharge is judged by, not what starts or ends a clock: due stays 5 March 00:00."""
    obligation = owed("1 wd", "2026-03-03 09:00", discharged_signed_at=at("2026-03-03 08:00"))
    assert due_time(obligation, NATIONAL) == at("2026-03-05")


@pytest.mark.parametrize("received", [None, "2026-03-04 08:00", "2026-04-01 08:00"])
def test_a_silent_recipient_stops_no_clock(received: str | None) -> None:
    """Admitted Monday 2 March, never received, 3 wd: start 3 March, 4, 5, 6; due 7 March 00:00.

    A later Arrival changes nothing.
    """
    arrival = None if received is None else at(received)
    obligation = owed("3 wd", "2026-03-02 10:00", starts_on_receipt=True, received_at=arrival)
    assert due_time(obligation, NATIONAL) == at("2026-03-07")
    assert explain(obligation, NATIONAL).started_by is StartedBy.SILENCE


def test_an_arrival_before_the_silence_ends_starts_the_clock() -> None:
    """Admitted Monday 2 March, received the same day: 3, 4, 5; due 6. Received Tuesday 3: due 7 March."""
    obligation = owed("3 wd", "2026-03-02 10:00", starts_on_receipt=True)
    same_day = replace(obligation, received_at=at("2026-03-02 10:01"))
    assert due_time(same_day, NATIONAL) == at("2026-03-06")
    next_day = replace(obligation, received_at=at("2026-03-03 23:59"))
    assert due_time(next_day, NATIONAL) == at("2026-03-07")


def test_silence_over_a_holiday_lasts_one_working_day() -> None:
    """Admitted 30 September, silent: 1 wd is 8 October, the start; 1 wd more is Friday 9; due 10 October.

    Admitted Friday 6 March, received Sunday 8, before the silence ends on Monday: 2 d are 9 and 10.
    """
    assert due_time(owed("1 wd", "2026-09-30 10:00", starts_on_receipt=True), NATIONAL) == at("2026-10-10")
    weekend = owed("2 d", "2026-03-06 10:00", starts_on_receipt=True, received_at=at("2026-03-08 10:00"))
    assert due_time(weekend, NATIONAL) == at("2026-03-11")


def test_hours_from_a_receipt_start_at_its_instant_or_when_silence_ends() -> None:
    """Admitted Monday 2 March, 24 h: received Tuesday 15:00, due Wednesday 15:00; silent, 5 March 00:00."""
    silent = owed("24 h", "2026-03-02 10:00", starts_on_receipt=True)
    assert due_time(silent, NATIONAL) == at("2026-03-05")
    received = replace(silent, received_at=at("2026-03-03 15:00"))
    assert due_time(received, NATIONAL) == at("2026-03-04 15:00")


def test_a_discharged_obligation_keeps_its_frozen_due_time() -> None:
    """Whatever the calendar says later, a discharged obligation is due when it was at its discharge."""
    obligation = owed("3 wd", "2026-03-02 10:00", due_frozen=at("2026-03-04"))
    assert due_time(obligation, NATIONAL) == at("2026-03-04")


@pytest.mark.parametrize(
    ("signed", "admitted", "outage", "outcome"),
    [
        ("2026-03-03 10:00", "2026-03-03 23:59:59", None, Outcome.ON_TIME),
        ("2026-03-03 10:00", "2026-03-04", None, Outcome.TRANSMITTED_LATE),
        ("2026-03-03 10:00", "2026-03-04 08:00", ("2026-03-03 20:00", "2026-03-04 07:00"), Outcome.EXCUSED),
        ("2026-03-03 10:00", "2026-03-04 08:00", ("2026-03-03 20:00", None), Outcome.EXCUSED),
        ("2026-03-03 10:00", "2026-03-04 08:00", ("2026-03-03 20:00", "2026-03-04"), Outcome.EXCUSED),
        (
            "2026-03-03 10:00",
            "2026-03-04 08:00",
            ("2026-03-03 20:00", "2026-03-03 23:00"),
            Outcome.TRANSMITTED_LATE,
        ),
        ("2026-03-03 10:00", "2026-03-04 08:00", ("2026-03-04", None), Outcome.TRANSMITTED_LATE),
        ("2026-03-04", "2026-03-04 08:00", ("2026-03-03 20:00", None), Outcome.LATE),
    ],
)
def test_an_act_is_judged_by_signing_admission_and_outages(
    signed: str, admitted: str, outage: tuple[str, str | None] | None, outcome: Outcome
) -> None:
    """Due 4 March 00:00, exclusive: admitted before it is on time, at it late.

    Signed before and admitted after is transmitted late. An outage that covers the due time excuses what
    was signed in time, never what was signed late.
    """
    outages = [] if outage is None else [(at(outage[0]), None if outage[1] is None else at(outage[1]))]
    assert judge(at("2026-03-04"), at(signed), at(admitted), outages) is outcome


@pytest.mark.parametrize(
    ("within", "admitted", "mark", "fires"),
    [
        ("3 wd", "2026-03-02 10:00", "50%", "2026-03-04 09:00"),
        ("3 wd", "2026-03-02 10:00", "80%", "2026-03-05 09:00"),
        ("3 wd", "2026-02-13 10:00", "50%", "2026-02-24 09:00"),
        ("1 wd", "2026-09-30 10:00", "50%", "2026-10-08 09:00"),
        ("10 wd", "2026-03-02 10:00", "70%", "2026-03-11 09:00"),
        ("30 d", "2026-09-02 10:00", "80%", "2026-09-26 09:00"),
        ("24 h", "2026-09-30 18:00", "50%", "2026-10-01 06:00"),
        ("1 at once", "2026-03-02 10:00", "80%", "2026-03-02 10:48"),
        ("3 wd", "2026-03-02 10:00", "due", "2026-03-06"),
        ("1 year", "2026-03-02 10:00", "30 d before", "2027-02-01"),
        ("24 h", "2026-03-02 10:00", "2 h before", "2026-03-03 08:00"),
    ],
)
def test_marks_fire_on_the_counted_day_the_part_of_hours_or_the_lead(
    within: str, admitted: str, mark: str, fires: str
) -> None:
    """50% of 3 wd is day 2, 80% day 3, 70% of 10 day 7, 80% of 30 d day 24; hours are parts of the budget.

    3 wd from 13 February: 14, 24, 25, so day 2 is 24 February. 1 year from 2 March 2026 is due 3 March
    2027 00:00; 30 d before it is 1 February.
    """
    assert mark_time(owed(within, admitted), mark, NATIONAL) == at(fires)


def test_marks_move_with_pauses_and_extensions() -> None:
    """3 wd + 3 wd from Monday 2 March, paused on the 3rd: 4, 5, 6, 9, 10, 11; 50% of 6 is day 3, the 6th."""
    obligation = owed(
        "3 wd",
        "2026-03-02 10:00",
        suspensions=(pause("2026-03-03 09:00", "2026-03-03 10:00"),),
        extensions=(extension("3 wd", "2026-03-03 11:00"),),
    )
    assert mark_time(obligation, "50%", NATIONAL) == at("2026-03-06 09:00")
    hours = owed("10 h", "2026-03-02 10:00", suspensions=(pause("2026-03-02 12:00", "2026-03-02 13:00"),))
    assert mark_time(hours, "50%", NATIONAL) == at("2026-03-02 16:00")


def test_months_and_fixed_limits_take_no_percentage() -> None:
    """They take absolute leads: 10 December 17:00 less 30 d is 10 November 17:00."""
    report = owed("0 fixed", "2026-03-02 10:00", fixed_due=at("2026-12-10 17:00"))
    assert mark_time(report, "30 d before", NATIONAL) == at("2026-11-10 17:00")
    for obligation in (report, owed("6 month", "2026-03-02 10:00")):
        with pytest.raises(MarkError, match="30 d before"):
            mark_time(obligation, "50%", NATIONAL)


@pytest.mark.parametrize("mark", ["", "0%", "101%", "50", "5 wd before", "half", "٣%"])
def test_an_unreadable_mark_is_refused(mark: str) -> None:
    """A mark is `due`, 1% to 100%, or a lead in days or hours."""
    with pytest.raises(MarkError, match="is no mark"):
        mark_time(owed("3 wd", "2026-03-02 10:00"), mark, NATIONAL)


def test_an_extension_is_given_in_the_unit_of_its_limit() -> None:
    """A year extends months and hours extend a grace; days do not extend working days."""
    years = owed("6 month", "2026-03-02 10:00", extensions=(extension("1 year", "2026-04-01"),))
    assert due_time(years, NATIONAL) == at("2027-09-03")
    grace = owed("1 at once", "2026-03-02 10:00", extensions=(extension("2 h", "2026-03-02 10:30"),))
    assert due_time(grace, NATIONAL) == at("2026-03-02 13:00")
    mixed = owed("3 wd", "2026-03-02 10:00", extensions=(extension("2 d", "2026-03-03"),))
    with pytest.raises(ExtensionUnitError, match=Unit.WORKING_DAYS):
        due_time(mixed, NATIONAL)
