"""Suspensions and extensions. In March 2026 every Monday to Friday is worked; the 2nd is a Monday."""

from dataclasses import replace

import pytest

from services.procedures.calendar import NEVER
from services.procedures.deadlines import due_time, explain, extension_allowed, mark_time
from tests.unit.procedures.deadline_samples import NATIONAL, at, extension, owed, pause, year


def test_working_days_before_the_pause_count_and_the_rest_run_after_it() -> None:
    """Received Thursday 12 February, 3 wd, request make-up Saturday 14, answer Tuesday 24: 13, 25, 26.

    Due 2026-02-27 00:00.
    """
    obligation = owed(
        "3 wd",
        "2026-02-12 09:00",
        starts_on_receipt=True,
        received_at=at("2026-02-12 09:05"),
        suspensions=(pause("2026-02-14 10:00", "2026-02-24 15:00"),),
    )
    assert due_time(obligation, NATIONAL) == at("2026-02-27")


def test_a_pause_within_one_day_costs_that_day() -> None:
    """Monday 2 March, 3 wd, paused on Wednesday 4 from 09:00 to 09:01: 3, 5, 6; due 7 March 00:00."""
    obligation = owed(
        "3 wd", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", "2026-03-04 09:01"),)
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-07")


def test_a_pause_on_the_start_date_costs_nothing() -> None:
    """Monday 2 March, 3 wd, paused and resumed on the 2nd, which never counted: 3, 4, 5; due 6 March."""
    obligation = owed(
        "3 wd", "2026-03-02 10:00", suspensions=(pause("2026-03-02 11:00", "2026-03-02 12:00"),)
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-06")


def test_overlapping_pauses_are_a_union() -> None:
    """Monday 2 March, 5 wd; pauses 4 to 6, 5 to 10 and again within the 10th cost 4 to 10: 3, 11, 12, 13, 16.

    Due 17 March 00:00.
    """
    pauses = (
        pause("2026-03-05 09:00", "2026-03-10 09:00"),
        pause("2026-03-04 09:00", "2026-03-06 09:00"),
        pause("2026-03-10 14:00", "2026-03-10 15:00"),
    )
    assert due_time(owed("5 wd", "2026-03-02 10:00", suspensions=pauses), NATIONAL) == at("2026-03-17")
    hours = owed("96 h", "2026-03-02 10:00", suspensions=pauses)
    # 4 March 09:00 to 10 March 09:00 and one hour: 145 h more than 6 March 10:00.
    assert due_time(hours, NATIONAL) == at("2026-03-12 11:00")


@pytest.mark.parametrize(
    ("since", "due"), [("2026-03-05 23:59:59", "2026-03-11"), ("2026-03-06 00:00", "2026-03-06")]
)
def test_a_request_at_or_after_the_due_time_suspends_nothing(since: str, due: str) -> None:
    """Monday 2 March, 3 wd, due 6 March 00:00. Request on the 5th, answer Monday 9: 3, 4, 10, due 11 March.

    Requested at 6 March 00:00 it suspends nothing.
    """
    obligation = owed("3 wd", "2026-03-02 10:00", suspensions=(pause(since, "2026-03-09 10:00"),))
    assert due_time(obligation, NATIONAL) == at(due)
    ineffective = explain(obligation, NATIONAL).ineffective
    assert ineffective == (() if due == "2026-03-11" else (at(since),))


def test_a_request_after_the_due_time_may_follow_a_pause_that_moved_it() -> None:
    """3 wd from Monday 2 March, paused within the 3rd: 4, 5, 6, due 7 March; a second request on the 6th.

    Answered on the 9th it leaves 4, 5, 10: due 11 March. Without the first pause it came too late.
    """
    second = pause("2026-03-06 09:00", "2026-03-09 09:00")
    both = owed(
        "3 wd", "2026-03-02 10:00", suspensions=(second, pause("2026-03-03 09:00", "2026-03-03 10:00"))
    )
    assert due_time(both, NATIONAL) == at("2026-03-11")
    assert due_time(replace(both, suspensions=(second,)), NATIONAL) == at("2026-03-06")


@pytest.mark.parametrize("until", [None, "2026-03-06 00:00", "2026-03-20 10:00"])
def test_silence_ends_a_pause_at_the_due_time_of_the_request(until: str | None) -> None:
    """3 wd from Monday 2 March, request on the 4th due 6 March 00:00, that is the end of the 5th.

    Unanswered, answered at that instant or later: 3, 6, 9, due 10 March; as if answered late on the 5th.
    """
    silent = owed(
        "3 wd", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", until, latest="2026-03-06"),)
    )
    assert due_time(silent, NATIONAL) == at("2026-03-10")
    answered = replace(
        silent, suspensions=(pause("2026-03-04 09:00", "2026-03-05 23:59", latest="2026-03-06"),)
    )
    assert due_time(answered, NATIONAL) == at("2026-03-10")
    hours = replace(owed("72 h", "2026-03-02 10:00"), suspensions=silent.suspensions)
    assert due_time(hours, NATIONAL) == at("2026-03-07 01:00")


def test_an_answer_before_the_due_time_of_the_request_ends_the_pause() -> None:
    """3 wd from Monday 2 March, request on the 4th due on the 13th, answered on the 5th: 3, 6, 9."""
    obligation = owed(
        "3 wd",
        "2026-03-02 10:00",
        suspensions=(pause("2026-03-04 09:00", "2026-03-05 09:00", latest="2026-03-13"),),
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-10")


def test_a_request_without_time_to_answer_suspends_nothing() -> None:
    """A request whose own due time is not after it leaves 3, 4, 5: due 6 March 00:00."""
    for latest in ("2026-03-04 09:00", "2026-03-03"):
        late = owed("3 wd", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", None, latest=latest),))
        assert due_time(late, NATIONAL) == at("2026-03-06")
    before = pause("2026-03-04 09:00", "2026-03-03 09:00")
    assert due_time(owed("3 wd", "2026-03-02 10:00", suspensions=(before,)), NATIONAL) == at("2026-03-06")


@pytest.mark.parametrize("within", ["3 wd", "3 d", "72 h", "1 month", "1 at once"])
def test_a_pause_with_no_end_in_sight_is_never_due(within: str) -> None:
    """Neither answered nor limited: whatever the unit, the clock stands still; what was past has its mark."""
    obligation = owed(within, "2026-03-02 10:00", suspensions=(pause("2026-03-02 10:30", None, latest=None),))
    assert due_time(obligation, NATIONAL) == NEVER
    assert mark_time(obligation, "due", NATIONAL) == NEVER
    assert mark_time(obligation, "1 d before", NATIONAL) == NEVER
    assert explain(obligation, NATIONAL).due == NEVER
    assert explain(obligation, NATIONAL).lines("en")[-1].startswith("Due: open")
    if within != "1 month":
        assert mark_time(obligation, "100%", NATIONAL) == NEVER


def test_natural_days_skip_the_dates_of_the_pause_and_then_roll() -> None:
    """10 d from Monday 2 March, paused 4 to 6 March: 3, then 7 to 15; Sunday 15 rolls to 16, due 17 March."""
    obligation = owed(
        "10 d", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", "2026-03-06 09:00"),)
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-17")


def test_a_last_day_does_not_roll_into_a_pause() -> None:
    """5 d from Monday 2 March end on Saturday 7 and roll to Monday 9; a request on the 9th, answered on 10.

    The 9th and 10th are lost: due at the end of Wednesday 11 March.
    """
    obligation = owed("5 d", "2026-03-02 10:00")
    assert due_time(obligation, NATIONAL) == at("2026-03-10")
    paused = replace(obligation, suspensions=(pause("2026-03-09 09:00", "2026-03-10 09:00"),))
    assert due_time(paused, NATIONAL) == at("2026-03-12")


@pytest.mark.parametrize(
    ("within", "due"), [("1 month", "2026-04-06"), ("2 month", "2026-05-06"), ("1 year", "2027-03-06")]
)
def test_months_and_years_add_the_dates_suspended(within: str, due: str) -> None:
    """From 2 March 2026, paused 4 to 6 March: three dates more than 2 April, 2 May, 2 March 2027."""
    obligation = owed(
        within, "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", "2026-03-06 09:00"),)
    )
    assert due_time(obligation, NATIONAL) == at(due)


def test_hours_are_elapsed_less_suspended() -> None:
    """24 h from Monday 2 March 18:00, paused from 23:30 to 00:45 and for a minute more: 3 March 19:16."""
    obligation = owed(
        "24 h",
        "2026-03-02 18:00",
        suspensions=(
            pause("2026-03-02 23:30", "2026-03-03 00:45"),
            pause("2026-03-03 18:30", "2026-03-03 18:31"),
        ),
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-03 19:16")


def test_hours_paused_before_the_clock_started_cost_nothing() -> None:
    """Received Tuesday 3 March 09:00; a pause from the 2nd to the 3rd, 10:00, costs one hour of 24."""
    obligation = owed(
        "24 h",
        "2026-03-02 10:00",
        starts_on_receipt=True,
        received_at=at("2026-03-03 09:00"),
        suspensions=(
            pause("2026-03-02 11:00", "2026-03-02 12:00"),
            pause("2026-03-02 13:00", "2026-03-03 10:00"),
        ),
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-04 10:00")


def test_a_pause_relied_on_is_not_undone_by_a_later_notice() -> None:
    """3 wd from Thursday 29 January; Saturday 31 is declared worked on 2 March, after the fact.

    30 January, 2, 3 February; requested on the 3rd, answered on 5 March: 30, 2 February, 6 March. With the
    31st counted the request would have come after the due time, but it was in time when it was made. So
    30, 31, 2 February: due had passed, but nothing is due before the day after the notice that can be
    worked: 3 March is paused until the 5th; due at the end of Friday 6 March.
    """
    obligation = owed(
        "3 wd", "2026-01-29 10:00", suspensions=(pause("2026-02-03 09:00", "2026-03-05 09:00"),)
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-07")
    (announced,) = (entry for entry in NATIONAL.entries if entry.year == 2026)
    changed = replace(
        announced,
        makeup=announced.makeup | year(2026, "2026-03-02", 9, makeup=("2026-01-31",)).makeup,
        published_at=at("2026-03-02 08:00"),
        version=9,
    )
    assert due_time(obligation, NATIONAL.with_year(changed)) == at("2026-03-07")


def test_an_extension_adds_to_the_original_budget() -> None:
    """3 wd from Monday 2 March and 2 wd more, admitted on the 5th: 3, 4, 5, 6, 9; due 10 March 00:00."""
    obligation = owed("3 wd", "2026-03-02 10:00", extensions=(extension("2 wd", "2026-03-05 10:00"),))
    assert due_time(obligation, NATIONAL) == at("2026-03-10")
    rolled = owed("5 d", "2026-03-02 10:00", extensions=(extension("2 d", "2026-03-05 10:00"),))
    assert due_time(rolled, NATIONAL) == at("2026-03-10")


def test_an_extension_is_allowed_before_the_due_time_only() -> None:
    """3 wd from Monday 2 March are due 6 March 00:00: a microsecond before is in time, the instant is not."""
    obligation = owed("3 wd", "2026-03-02 10:00")
    assert extension_allowed(obligation, at("2026-03-05 23:59:59.999999"), NATIONAL)
    assert not extension_allowed(obligation, at("2026-03-06"), NATIONAL)
    ended = replace(obligation, discharged_at=at("2026-03-03"), due_frozen=at("2026-03-06"))
    assert not extension_allowed(ended, at("2026-03-04"), NATIONAL)
    lapsed = replace(obligation, lapsed_at=at("2026-03-03"))
    assert not extension_allowed(lapsed, at("2026-03-04"), NATIONAL)


def test_an_extension_may_be_made_while_suspended() -> None:
    """3 wd from Monday 2 March, requested on the 4th, extended by 1 wd on Monday 9, answered on the 10th.

    The original due time is past, but the clock stood: 3, 11, 12, 13; due 14 March 00:00.
    """
    paused = owed(
        "3 wd", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", None, latest="2026-03-20"),)
    )
    assert extension_allowed(paused, at("2026-03-09 10:00"), NATIONAL)
    answered = replace(
        paused,
        suspensions=(pause("2026-03-04 09:00", "2026-03-10 09:00", latest="2026-03-20"),),
        extensions=(extension("1 wd", "2026-03-09 10:00"),),
    )
    assert due_time(answered, NATIONAL) == at("2026-03-14")


def test_a_request_is_judged_by_the_extensions_of_its_time() -> None:
    """3 wd from 2 March, 2 wd more on the 4th: due 10 March, so a request on the 9th still suspends.

    Answered within the 9th: 3, 4, 5, 6, 10; due 11 March 00:00.
    """
    obligation = owed(
        "3 wd",
        "2026-03-02 10:00",
        suspensions=(pause("2026-03-09 09:00", "2026-03-09 10:00"),),
        extensions=(extension("2 wd", "2026-03-04 10:00"),),
    )
    assert due_time(obligation, NATIONAL) == at("2026-03-11")
