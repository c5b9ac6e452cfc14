"""Interpretation of policy (M16): with the policy, at the latest three working days after it."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, MARKET, Play, approvals, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOV = "gov.qinghe"
HERE = LAW.with_department(GOV)
PARTIES = {HEALTH: "drafter", GOV: "issuer"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def requested(when: str = "2026-02-10 09:00") -> Play:
    """Asked for, and at the issuer an hour later."""
    play = Play("policy-interpretation", law=HERE, now=at(when))
    play.do("request-issue", HEALTH, parties=PARTIES)
    play.receive(GOV, when.replace("09:00", "10:00"))
    return play


def issued(when: str) -> Play:
    """Issued without its interpretation."""
    play = requested()
    play.do("sign-for", GOV)
    play.do("issue", GOV, when)
    return play


def test_a_request_without_the_interpretation_is_returned() -> None:
    """No node lets it through, and the issuer returns one whose interpretation says nothing."""
    play = Play("policy-interpretation", law=HERE)
    bare = materials("policy-draft", "interpretation-plan")
    assert play.reason("request-issue", HEALTH, parties=PARTIES, materials=bare) == "MATERIAL_MISSING"
    play = requested()
    assert play.reason("return", GOV, reason_code="") == "FIELD_REQUIRED"
    play.do("return", GOV, "2026-02-11 09:00", reason_code="01")
    play.receive(HEALTH, "2026-02-11 10:00")
    # 12, 13, the make-up 14; then the Spring Festival; 24 to 27, the make-up 28, 2 and 3 March
    assert due(play, "redo") == at("2026-03-04")
    play.do("request-issue", HEALTH, "2026-02-12 09:00")
    assert play.met("redo").outcome is Outcome.ON_TIME


def test_the_request_is_approved_by_the_reviewer_and_the_principal() -> None:
    """One of them is not enough."""
    play = Play("policy-interpretation", law=HERE)
    one = approvals("principal")
    assert play.reason("request-issue", HEALTH, parties=PARTIES, approvals=one) == "APPROVAL_MISSING"


def test_both_go_out_together() -> None:
    """Then no interpretation is owed any more."""
    play = requested()
    play.do("sign-for", GOV, "2026-02-10 11:00")
    only = materials("policy")
    assert play.reason("issue-together", GOV, materials=only) == "MATERIAL_MISSING"
    play.do("issue-together", GOV, "2026-02-11 09:00")
    assert play.met("review").outcome is Outcome.ON_TIME
    assert play.open_rules == ["close"]
    # 12 and 13, the make-up 14, 24 to 28 February with the make-up Saturday, 2 and 3 March
    assert due(play, "close") == at("2026-03-04")
    play.do("close", GOV, "2026-02-12 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_the_interpretation_follows_in_three_working_days() -> None:
    """Over the Spring Festival and its make-up Saturday, and over the National Day."""
    # the make-up Saturday, then 24 and 25 February
    play = issued("2026-02-13 16:00")
    assert due(play, "interpret") == at("2026-02-26")
    assert play.reason("close", GOV) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("interpret", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do("interpret", HEALTH, "2026-02-26 00:00")
    assert play.met("interpret").outcome is Outcome.LATE
    # then 8, 9 and the make-up Saturday, the tenth of October
    assert due(issued("2026-09-30 16:00"), "interpret") == at("2026-10-11")


def test_the_issuer_may_publish_it_for_the_drafter() -> None:
    """The duty is met whoever of the two does it."""
    play = issued("2026-03-02 09:00")
    play.do("interpret", GOV, "2026-03-05 23:00")
    assert play.met("interpret").outcome is Outcome.ON_TIME


def test_the_review_is_extended_once_and_with_a_reason() -> None:
    """Ten working days from 10 February are 11 to 14 and 24 to 28 February and 2 March; ten more end on the 16th."""
    play = requested()
    assert due(play, "sign") == at("2026-02-12")
    assert due(play, "review") == at("2026-03-03")
    assert play.reason("extend", GOV, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", GOV, "2026-03-02 09:00", reason_code="01")
    assert due(play, "review") == at("2026-03-17")
    assert play.reason("extend", GOV, reason_code="01") == "TOO_OFTEN"


def test_an_extension_after_the_due_time_is_refused() -> None:
    """What is due is not put off."""
    play = requested()
    play.now = at("2026-03-03 00:00")
    assert play.reason("extend", GOV, reason_code="01") == "EXTENSION_AFTER_DUE"


def test_further_interpretation_is_asked_for_and_given() -> None:
    """Five working days from Wednesday 29 April: 30 April, 6 to 8 May and the make-up 9th."""
    play = issued("2026-04-28 09:00")
    play.do("interpret", HEALTH, "2026-04-28 10:00")
    play.do("ask-further", GOV, "2026-04-29 09:00")
    play.receive(HEALTH, "2026-04-29 10:00")
    assert due(play, "further") == at("2026-05-10")
    play.do("interpret-further", HEALTH, "2026-05-09 10:00")
    assert play.met("further").outcome is Outcome.ON_TIME


def test_the_drafter_may_take_it_back() -> None:
    """Before the issue."""
    play = requested()
    play.do("withdraw", HEALTH, "2026-02-10 12:00")
    assert (play.case.state, play.open_rules) == ("withdrawn", [])
    assert issued("2026-03-02 09:00").reason("withdraw", HEALTH) == "NOT_PERMITTED_IN_STATE"
