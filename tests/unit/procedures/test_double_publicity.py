"""Publicity of permits and penalties (M15): seven working days, terms by gravity, objections, withdrawal in three."""

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at


def registered(when: str = "2026-03-02 09:00") -> Play:
    """A decision of Monday 2 March."""
    play = Play("double-publicity", now=at(when))
    play.do("register", HEALTH, parties={HEALTH: "publisher"})
    return play


def shown(act: str = "publicise-penalty") -> Play:
    """It is shown on Wednesday."""
    play = registered()
    play.do(act, HEALTH, "2026-03-04 09:00")
    return play


def test_a_decision_is_shown_within_seven_working_days_by_two_people() -> None:
    """From the day it was made: 3 to 6, 9 to 11 March; legal review and a leader, or it is refused."""
    play = registered()
    assert due_time(play.owed("publicise"), NATIONAL) == at("2026-03-12")
    for fewer in ((), approvals("legal-reviewer"), approvals("leader-in-charge")):
        assert play.reason("publicise-penalty", HEALTH, approvals=fewer) == "APPROVAL_MISSING"
    assert play.reason("publicise-penalty", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    play.do("publicise-penalty", HEALTH, "2026-03-11 23:59")
    assert play.met("publicise").outcome is Outcome.ON_TIME


@pytest.mark.parametrize(
    ("act", "rule", "until"),
    [
        ("publicise-penalty", "shown-general", "2027-03-05"),
        ("publicise-serious", "shown-serious", "2029-03-05"),
    ],
)
def test_a_penalty_is_shown_for_a_term_by_gravity(act: str, rule: str, until: str) -> None:
    """A year or three, from the day on which it was shown; filed at its end it is judged late by nobody."""
    play = shown(act)
    assert due_time(play.owed(rule), NATIONAL) == at(until)
    play.do("end", HEALTH, f"{until} 10:00")
    assert play.case.state == "ended"
    (term,) = [each for each in play.changed if each.rule == rule]
    assert term.lapsed_at is not None


def test_an_objection_is_answered_by_correcting_or_keeping() -> None:
    """Within seven working days; before that nothing is filed, and the term runs on from its beginning."""
    play = shown()
    play.do("object", HEALTH, "2026-03-09 09:00")
    assert due_time(play.owed("objection"), NATIONAL) == at("2026-03-19")
    assert play.reason("end", HEALTH) == "OBLIGATION_OPEN"
    play.do("correct-penalty", HEALTH, "2026-03-10 09:00")
    assert play.met("objection").outcome is Outcome.ON_TIME
    assert due_time(play.owed("shown-general"), NATIONAL) == at("2027-03-05")
    play.do("object", HEALTH, "2026-03-11 09:00")
    play.do("keep", HEALTH, "2026-03-12 09:00")
    assert play.case.state == "shown"


def test_an_annulled_decision_is_withdrawn_within_three_working_days() -> None:
    """From the annulment: 10, 11, 12 March; by two people, and for good."""
    play = shown()
    play.do("annul", HEALTH, "2026-03-09 09:00")
    assert due_time(play.owed("withdraw"), NATIONAL) == at("2026-03-13")
    assert play.reason("withdraw", HEALTH, approvals=approvals("legal-reviewer")) == "APPROVAL_MISSING"
    play.do("withdraw", HEALTH, "2026-03-12 18:00")
    assert play.met("withdraw").outcome is Outcome.ON_TIME
    assert play.met("shown-general").outcome is Outcome.ON_TIME
    assert play.case.state == "withdrawn"


def test_a_permit_is_shown_until_it_expires_or_is_withdrawn() -> None:
    """It has no term, and no credit to repair."""
    play = shown("publicise-permit")
    assert play.open_rules == []
    assert play.reason("repair", HEALTH) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("correct-penalty", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("correct-permit", HEALTH, "2026-03-05 09:00")
    play.do("expire", HEALTH, "2031-03-05 09:00")
    assert play.case.state == "ended"


def test_what_is_not_to_be_shown_is_decided_by_two_people_too() -> None:
    """And a repaired record ends the term."""
    play = registered()
    assert play.reason("withhold", HEALTH, approvals=()) == "APPROVAL_MISSING"
    play.do("withhold", HEALTH, "2026-03-03 09:00")
    assert play.met("publicise").outcome is Outcome.ON_TIME
    play = shown()
    play.do("repair", HEALTH, "2026-07-01 09:00")
    assert play.met("shown-general").outcome is Outcome.ON_TIME
