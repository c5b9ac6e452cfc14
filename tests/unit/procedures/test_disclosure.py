"""Disclosure on application (M16): 20 working days and 20 more, 7 to ask for correction, 15 that do not count."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def received(when: str = "2026-03-02 09:00") -> Play:
    """An application that came to the health department on Monday 2 March."""
    play = Play("disclosure", now=at(when))
    play.do("receive", HEALTH, parties={HEALTH: "agency"})
    return play


def accepted(when: str = "2026-03-02 09:00") -> Play:
    """Clear at once."""
    play = received(when)
    play.do("accept", HEALTH)
    return play


def test_the_answer_is_due_in_twenty_working_days() -> None:
    """From the day the application came, not from the letter."""
    assert due(accepted(), "answer") == at("2026-03-31")
    # 30 September, 8, 9, the make-up 10th, 12 to 16, 19 to 23, 26 to 30 October, 2 November
    assert due(accepted("2026-09-29 09:00"), "answer") == at("2026-11-03")
    play = Play("disclosure", now=at("2026-03-05 09:00"))
    play.do("receive", HEALTH, parties={HEALTH: "agency"}, occurred_at=at("2026-03-02 09:00"))
    assert due(play, "answer") == at("2026-03-31")


def test_correction_is_asked_for_in_seven_working_days() -> None:
    """Over the Spring Festival: 11 to 13, the make-up 14, 24 to 26 February."""
    play = received("2026-02-10 09:00")
    assert due(play, "examine") == at("2026-02-27")
    assert play.reason("ask-correction", HEALTH, requested_limit=None) == "FIELD_REQUIRED"
    play.do("ask-correction", HEALTH, "2026-02-27 00:00", requested_limit=at("2026-03-20 00:00"))
    assert play.met("examine").outcome is Outcome.LATE
    assert play.open_rules == ["correction"]
    assert due(play, "correction") == at("2026-03-20 00:00")


def test_the_time_begins_anew_with_the_corrected_application() -> None:
    """Twenty working days from the correction, and correction is asked for once."""
    play = received()
    play.do("ask-correction", HEALTH, "2026-03-05 09:00", requested_limit=at("2026-03-27 00:00"))
    play.do("receive-correction", HEALTH, "2026-03-26 09:00")
    assert play.met("correction").outcome is Outcome.ON_TIME
    # 27, 30 and 31 March, 1 to 3, 7 to 10, 13 to 17, 20 to 24 April
    assert due(play, "answer") == at("2026-04-25")
    assert play.reason("ask-correction", HEALTH) == "NOT_PERMITTED_IN_STATE"


def test_an_application_that_is_not_corrected_is_abandoned() -> None:
    """By the head of the section."""
    play = received()
    play.do("ask-correction", HEALTH, "2026-03-05 09:00", requested_limit=at("2026-03-27 00:00"))
    assert play.reason("abandon", HEALTH, approvals=()) == "APPROVAL_MISSING"
    play.do("abandon", HEALTH, "2026-03-27 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_twenty_more_with_consent_and_notice() -> None:
    """Once, with a reason, before it is due: from the 31st of March 20 more end on 28 April."""
    play = accepted()
    assert play.reason("extend", HEALTH, reason_code="01", approvals=()) == "APPROVAL_MISSING"
    assert play.reason("extend", HEALTH, reason_code="01", materials=()) == "MATERIAL_MISSING"
    assert play.reason("extend", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", HEALTH, "2026-03-30 23:00", reason_code="01")
    # 31 March, 1 to 3, 7 to 10, 13 to 17, 20 to 24, 27 and 28 April
    assert due(play, "answer") == at("2026-04-29")
    assert play.reason("extend", HEALTH, reason_code="01") == "TOO_OFTEN"
    late = accepted()
    late.now = at("2026-03-31 00:00")
    assert late.reason("extend", HEALTH, reason_code="01") == "EXTENSION_AFTER_DUE"


def test_the_time_of_a_third_party_does_not_count() -> None:
    """3 to 6 March count, 9 to 16 do not, the rest runs from the 17th."""
    play = accepted()
    play.do("ask-third-party", HEALTH, "2026-03-09 09:00")
    # 10 to 13, 16 to 20, 23 to 27, 30 March
    assert due(play, "opinion") == at("2026-03-31")
    play.do("note-opinion", HEALTH, "2026-03-16 09:00")
    assert play.met("opinion").outcome is Outcome.ON_TIME
    # four are spent; sixteen from 17 to 20, 23 to 27, 30 March to 3 April, 7 and 8 April
    assert due(play, "answer") == at("2026-04-09")


def test_silence_of_a_third_party_costs_fifteen_working_days_and_no_more() -> None:
    """The clock stands still from 9 to 30 March and runs on from the 31st, whenever that is noted."""
    play = accepted()
    play.do("ask-third-party", HEALTH, "2026-03-09 09:00")
    # sixteen from 31 March to 3 April, 7 to 10, 13 to 17, 20 to 22 April
    assert due(play, "answer") == at("2026-04-23")
    play.do("go-on", HEALTH, "2026-04-02 09:00")
    assert due(play, "answer") == at("2026-04-23")
    assert "opinion" not in play.open_rules


def test_another_agency_is_consulted() -> None:
    """It owes its opinion in fifteen working days of receipt, approved by its leader."""
    play = accepted()
    assert play.reason("consult", HEALTH) == "PARTY_INVALID"
    play.do("consult", HEALTH, "2026-03-09 09:00", parties={MARKET: "consulted"})
    play.receive(MARKET, "2026-03-10 09:00")
    # 11 to 13, 16 to 20, 23 to 27, 30 and 31 March
    assert due(play, "give-opinion") == at("2026-04-01")
    assert play.reason("disclose", HEALTH, outcome_code="01") == "NOT_PERMITTED_IN_STATE"
    assert play.reason("give-opinion", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("give-opinion", MARKET, approvals=()) == "APPROVAL_MISSING"
    play.do("give-opinion", MARKET, "2026-03-16 09:00")
    assert play.met("give-opinion").outcome is Outcome.ON_TIME
    assert due(play, "answer") == at("2026-04-09")


@pytest.mark.parametrize("act", ["disclose", "refuse"])
def test_either_answer_meets_the_time(act: str) -> None:
    """Served within five working days and filed."""
    play = accepted()
    play.do(act, HEALTH, "2026-03-30 23:59", outcome_code="01", reason_code="01")
    assert play.met("answer").outcome is Outcome.ON_TIME
    # 31 March, 1 to 3 April, and after the holiday the 7th
    assert due(play, "serve") == at("2026-04-08")
    assert play.reason("close", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("close", HEALTH, "2026-04-07 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_refusal_has_a_reason_and_the_reviewer() -> None:
    """The leader alone does not refuse."""
    play = accepted()
    assert play.reason("refuse", HEALTH, outcome_code="02", reason_code="") == "FIELD_REQUIRED"
    leader = approvals("leader-in-charge")
    refused = play.reason("refuse", HEALTH, outcome_code="02", reason_code="01", approvals=leader)
    assert refused == "APPROVAL_MISSING"


def test_the_applicant_may_withdraw_at_any_time() -> None:
    """Nothing is owed then."""
    play = accepted()
    play.do("ask-third-party", HEALTH, "2026-03-09 09:00")
    play.do("withdraw", HEALTH, "2026-03-10 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
