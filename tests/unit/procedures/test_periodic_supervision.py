"""What supervision owes by the calendar (M12): bulletin, spot check, evaluation."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time, mark_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

UNITS = {HEALTH: "units", TOWN: "units"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def begun(when: str = "2026-01-05 09:00") -> Play:
    """A year that has begun."""
    play = Play("periodic-supervision", now=at(when))
    play.do("begin", JUSTICE, parties=UNITS)
    return play


def test_each_runs_by_the_calendar() -> None:
    """Two months, one, three from Monday 5 January; the last day is included."""
    play = begun()
    assert due(play, "bulletin") == at("2026-03-06")
    assert due(play, "spot-check") == at("2026-02-06")
    assert due(play, "evaluation") == at("2026-04-06")


def test_months_are_not_moved_by_holidays_nor_by_make_up_days() -> None:
    """A month from 1 September is 1 October, in the holiday; from 28 January the make-up Saturday of 28 February."""
    assert due(begun("2026-09-01 09:00"), "spot-check") == at("2026-10-02")
    assert due(begun("2026-01-28 09:00"), "spot-check") == at("2026-03-01")
    # there is no 31 September
    assert due(begun("2026-08-31 09:00"), "spot-check") == at("2026-10-01")


@pytest.mark.parametrize(
    ("act", "rule", "then"),
    [
        ("bulletin", "bulletin", "2026-04-03"),
        ("spot-check", "spot-check", "2026-03-03"),
        ("evaluate", "evaluation", "2026-05-03"),
    ],
)
def test_each_starts_the_next(act: str, rule: str, then: str) -> None:
    """Done on Monday 2 February, it is due again a period later."""
    play = begun()
    play.do(act, JUSTICE, "2026-02-02 09:00")
    assert play.met(rule).outcome is Outcome.ON_TIME
    assert due(play, rule) == at(then)


def test_the_office_is_reminded_ten_days_before() -> None:
    """And a late bulletin is admitted, and marked."""
    play = begun()
    assert mark_time(play.owed("bulletin"), "10 d before", NATIONAL) == at("2026-02-24")
    play.do("bulletin", JUSTICE, "2026-03-06 00:00")
    assert play.met("bulletin").outcome is Outcome.LATE


def test_members_answer_and_do_not_publish() -> None:
    """A bulletin is the office's, with its paper and its leader's approval."""
    play = begun()
    assert play.reason("bulletin", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("bulletin", JUSTICE, materials=()) == "MATERIAL_MISSING"
    assert play.reason("bulletin", JUSTICE, approvals=()) == "APPROVAL_MISSING"
    play.do("bulletin", JUSTICE)
    play.do("answer", TOWN)


def test_the_year_ends_with_nothing_owed() -> None:
    """What was begun is closed."""
    play = begun()
    play.do("close", JUSTICE, "2026-12-31 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
