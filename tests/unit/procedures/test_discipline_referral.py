"""Referral of a clue of duty violations to the discipline body (M04)."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

DISCIPLINE, CITY_DISCIPLINE = "discipline.qinghe", "discipline.city"
EXTENDED = LAW.with_department(DISCIPLINE).with_department(CITY_DISCIPLINE)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def reported(when: str = "2026-02-12 10:00") -> Play:
    """A clue that two officers have reported in writing."""
    play = Play("discipline-referral", EXTENDED, at(when))
    play.do("report", HEALTH, parties={HEALTH: "sender"})
    return play


def sent(when: str = "2026-02-13 16:00") -> Play:
    """Sent, by default on Friday 13 February, and at the discipline body at once."""
    play = reported(when)
    play.do("decide", HEALTH, when)
    play.do("send", HEALTH, when, parties={DISCIPLINE: "receiver"})
    play.receive(DISCIPLINE, when)
    return play


def refused() -> Play:
    """Not taken on, on Thursday 30 April."""
    play = sent("2026-04-29 09:00")
    play.do("sign-for", DISCIPLINE)
    play.do("refuse", DISCIPLINE, "2026-04-30 10:00")
    play.receive(HEALTH, "2026-04-30 11:00")
    return play


def taken_on() -> Play:
    """Taken on, on Monday 2 March."""
    play = sent("2026-03-02 09:00")
    play.do("sign-for", DISCIPLINE)
    play.do("take-on", DISCIPLINE)
    return play


def test_two_officers_report_and_the_principal_decides() -> None:
    """One officer twice is not two; the leader in charge is not the principal; nothing goes undecided."""
    play = Play("discipline-referral", EXTENDED)
    parties = {HEALTH: "sender"}
    one = approvals("officer")
    for given in (one, one + one):
        assert play.reason("report", HEALTH, parties=parties, approvals=given) == "APPROVAL_MISSING"
    play.do("report", HEALTH, parties=parties)
    assert play.reason("send", HEALTH, parties={DISCIPLINE: "receiver"}) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("decide", HEALTH, approvals=approvals("leader-in-charge")) == "APPROVAL_MISSING"
    assert play.reason("decline", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("decline", HEALTH)
    assert (play.case.state, play.open_rules) == ("declined", [])


@pytest.mark.parametrize(
    ("when", "ends"),
    [
        # the 4th is a Sunday that is worked for the New Year's holiday
        ("2026-01-01 10:00", "2026-01-05"),
        # the third day is the 2nd of October, which moves to the 8th
        ("2026-09-29 10:00", "2026-10-09"),
    ],
)
def test_the_decision_is_due_in_three_days(when: str, ends: str) -> None:
    """Natural days, moved over holidays but not over a weekend that is worked."""
    assert due(reported(when), "decide") == at(ends)


def test_the_clue_goes_out_in_24_hours() -> None:
    """Hours run through the holiday."""
    play = reported("2026-09-29 10:00")
    play.do("decide", HEALTH, "2026-09-30 17:00")
    assert due(play, "send") == at("2026-10-01 17:00")
    assert play.reason("send", HEALTH) == "PARTY_INVALID"
    play.do("send", HEALTH, "2026-10-01 16:59", parties={DISCIPLINE: "receiver"})
    assert play.met("send").outcome is Outcome.ON_TIME


def test_the_receipt_is_due_on_the_next_working_day() -> None:
    """Received on Friday 13 February: the Saturday is worked."""
    play = sent()
    assert due(play, "sign") == at("2026-02-15")
    play.do("sign-for", DISCIPLINE, "2026-02-24 09:00")
    assert play.met("sign").outcome is Outcome.LATE


def test_a_recall_reaches_only_what_nobody_signed_for() -> None:
    """The clock of sending runs on; after the receipt it is too late."""
    play = sent()
    play.do("recall", HEALTH, "2026-02-13 18:00")
    assert (play.case.state, play.open_rules) == ("decided", ["send"])
    assert due(play, "send") == at("2026-02-14 16:00")
    play.do("send", HEALTH)
    play.do("sign-for", DISCIPLINE)
    assert play.reason("recall", HEALTH) == "NOT_PERMITTED_IN_STATE"


def test_how_it_is_dealt_with_is_said_in_a_month() -> None:
    """From receipt; a month is not moved by a holiday, and stands still while material is awaited."""
    assert due(sent("2026-09-01 09:00"), "handle") == at("2026-10-02")
    play = sent()
    assert due(play, "handle") == at("2026-03-14")
    play.do("sign-for", DISCIPLINE, "2026-02-14 09:00")
    play.do("request-material", DISCIPLINE, "2026-02-14 10:00", requested_limit=at("2026-03-10"))
    assert due(play, "material") == at("2026-03-10")
    play.do("supply-material", HEALTH, "2026-02-24 10:00")
    # the eleven dates from the 14th to the 24th are added to the 13th of March
    assert due(play, "handle") == at("2026-03-25")
    assert play.reason("request-material", DISCIPLINE) == "TOO_OFTEN"
    play.do("take-on", DISCIPLINE, "2026-03-24 10:00")
    assert play.met("handle").outcome is Outcome.ON_TIME


def test_a_body_that_is_not_competent_passes_it_on() -> None:
    """It names the next, which gets the whole time; the first owes nothing any more."""
    play = sent("2026-03-02 09:00")
    assert play.reason("pass-on", DISCIPLINE) == "FIELD_REQUIRED"
    play.do("pass-on", DISCIPLINE, "2026-03-03 09:00", parties={CITY_DISCIPLINE: "receiver"})
    assert {each.owed_by for each in play.case.open_obligations} == {CITY_DISCIPLINE}
    play.receive(CITY_DISCIPLINE, "2026-03-03 10:00")
    assert due(play, "handle") == at("2026-04-04")


def test_a_refusal_has_reasons_and_may_be_met_by_new_evidence_once() -> None:
    """Five working days over the May holiday, the Saturday of the 9th among them."""
    play = sent()
    play.do("sign-for", DISCIPLINE)
    assert play.reason("refuse", DISCIPLINE, reason_code="") == "FIELD_REQUIRED"
    play = refused()
    # 6, 7, 8, 9 and 11 May
    assert due(play, "contest") == at("2026-05-12")
    assert play.reason("ask-again", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("ask-again", HEALTH, "2026-05-11 10:00")
    assert play.met("contest").outcome is Outcome.ON_TIME
    assert play.open_rules == ["handle"]
    play.do("refuse", DISCIPLINE, "2026-05-12 10:00")
    assert play.reason("ask-again", HEALTH) == "TOO_OFTEN"
    play.do("accept-refusal", HEALTH, "2026-05-13 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_the_result_comes_back() -> None:
    """Progress every 90 days, the result in six months, three more with a reason before they are over."""
    play = taken_on()
    # the 90th day, 31 May, is a Sunday
    assert due(play, "progress") == at("2026-06-02")
    assert due(play, "result") == at("2026-09-03")
    assert play.reason("extend", DISCIPLINE, reason_code="") == "FIELD_REQUIRED"
    play.do("progress", DISCIPLINE, "2026-06-01 09:00")
    assert play.met("progress").outcome is Outcome.ON_TIME
    play.do("extend", DISCIPLINE, "2026-09-02 23:00")
    assert due(play, "result") == at("2026-12-03")
    play.do("result", DISCIPLINE, "2026-12-01 09:00")
    assert play.met("result").outcome is Outcome.ON_TIME
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_an_extension_comes_before_the_end() -> None:
    """What is due is not extended."""
    play = taken_on()
    play.now = at("2026-09-03 00:00")
    assert play.reason("extend", DISCIPLINE) == "EXTENSION_AFTER_DUE"


def test_nobody_else_speaks() -> None:
    """Neither another department nor one side for the other; the office is never addressed."""
    play = refused()
    assert play.reason("ask-again", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("take-on", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    assert not play.case.office_called
    assert play.reason("correct", DISCIPLINE, amended_letter=play.letters["send"]) == "AMENDED_LETTER_INVALID"
    play.do("correct", HEALTH, amended_letter=play.letters["send"])
