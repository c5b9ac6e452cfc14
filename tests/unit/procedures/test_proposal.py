"""Proposals (M16): one handler or several, a full reply, and what the member says to it."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOV, EDUCATION = "gov.qinghe", "education.qinghe"
HERE = LAW.with_department(GOV).with_department(EDUCATION)
ALONE = {GOV: "assigner", HEALTH: "lead"}
JOINTLY = {**ALONE, EDUCATION: "co", MARKET: "co"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def assigned(when: str = "2026-03-10 09:00") -> Play:
    """Assigned to the health department alone."""
    play = Play("proposal", law=HERE, now=at(when))
    play.do("assign", GOV, parties=ALONE)
    return play


def replied(when: str = "2026-09-18 09:00") -> Play:
    """Replied to, by default on the Friday before the make-up Sunday of September."""
    play = assigned("2026-07-02 09:00")
    play.do("sign-for", HEALTH)
    play.do("reply", HEALTH, when, outcome_code="A", copies=(GOV,))
    return play


def test_the_reply_is_due_in_three_months() -> None:
    """To the day of the same number, which no holiday moves; five working days to sign."""
    play = assigned()
    assert due(play, "reply") == at("2026-06-11")
    # 11 to 13, 16 and 17 March
    assert due(play, "sign") == at("2026-03-18")
    assert due(assigned("2026-07-02 09:00"), "reply") == at("2026-10-03")


def test_three_months_more_for_a_reason() -> None:
    """Once, approved by the principal, and the assigner is told."""
    play = assigned()
    play.do("sign-for", HEALTH)
    given = {"reason_code": "01", "copies": (GOV,)}
    assert play.reason("extend", HEALTH, reason_code="", copies=(GOV,)) == "FIELD_REQUIRED"
    assert play.reason("extend", HEALTH, reason_code="01") == "COPY_MISSING"
    assert (
        play.reason("extend", HEALTH, approvals=approvals("leader-in-charge"), **given) == "APPROVAL_MISSING"
    )
    play.do("extend", HEALTH, "2026-06-10 23:00", **given)
    assert due(play, "reply") == at("2026-09-11")
    assert play.reason("extend", HEALTH, **given) == "TOO_OFTEN"


def test_each_co_handler_owes_its_opinion_to_the_lead() -> None:
    """A month from receipt; one who has given it owes nothing, the other still does."""
    play = Play("proposal", law=HERE, now=at("2026-03-10 09:00"))
    assert play.reason("assign-jointly", GOV, parties=ALONE) == "PARTY_INVALID"
    play.do("assign-jointly", GOV, parties=JOINTLY)
    play.receive(EDUCATION, "2026-03-11 09:00")
    play.receive(MARKET, "2026-03-11 10:00")
    owed = [each for each in play.case.open_obligations if each.rule == "co-opinion"]
    assert {due_time(each, NATIONAL) for each in owed} == {at("2026-04-12")}
    assert play.reason("co-opinion", EDUCATION) == "COPY_MISSING"
    assert play.reason("co-opinion", HEALTH, copies=(HEALTH,)) == "NOT_PERMITTED_FOR_ROLE"
    play.do("co-opinion", EDUCATION, "2026-04-11 09:00", copies=(HEALTH,))
    assert play.met("co-opinion").outcome is Outcome.ON_TIME
    assert play.owed("co-opinion").owed_by == MARKET


def test_a_co_handler_is_added_later() -> None:
    """Who joins owes from its own receipt."""
    play = assigned()
    play.do("sign-for", HEALTH)
    play.do("add-co-handler", GOV, "2026-04-30 09:00", parties={MARKET: "co"}, copies=(HEALTH, MARKET))
    play.receive(MARKET, "2026-04-30 10:00")
    assert due(play, "co-opinion") == at("2026-05-31")


def test_a_proposal_of_another_goes_back_by_its_principal() -> None:
    """And to the next, with the whole time."""
    play = assigned()
    given = {"reason_code": "01"}
    assert (
        play.reason("return", HEALTH, approvals=approvals("leader-in-charge"), **given) == "APPROVAL_MISSING"
    )
    play.do("return", HEALTH, "2026-03-12 09:00", **given)
    play.receive(GOV, "2026-03-12 10:00")
    assert due(play, "reassign") == at("2026-03-18")
    play.do("assign", GOV, "2026-03-17 09:00", parties={MARKET: "lead"})
    assert play.owed("reply").owed_by == MARKET
    assert due(play, "reply") == at("2026-06-18")


def test_the_member_is_asked() -> None:
    """Fifteen working days from 18 September: 20 to 24, 28 to 30, 8 to 10, 12 to 15 October."""
    play = replied()
    assert due(play, "ask") == at("2026-10-16")
    assert play.reason("publish", HEALTH) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("record-opinion", HEALTH, outcome_code="01", materials=()) == "MATERIAL_MISSING"
    play.do("record-opinion", HEALTH, "2026-10-15 09:00", outcome_code="01")
    assert play.met("ask").outcome is Outcome.ON_TIME


def test_a_member_who_is_not_satisfied_is_answered_again() -> None:
    """Once, within a month."""
    play = replied("2026-09-01 09:00")
    play.do("handle-again", GOV, "2026-09-07 09:00")
    assert due(play, "again") == at("2026-10-08")
    assert play.reason("reply", HEALTH, outcome_code="A", copies=(GOV,)) == "NOT_PERMITTED_IN_STATE"
    play.do("reply-again", HEALTH, "2026-10-07 09:00", outcome_code="B", copies=(GOV,))
    assert play.met("again").outcome is Outcome.ON_TIME
    assert play.reason("handle-again", GOV) == "TOO_OFTEN"


@pytest.mark.parametrize("act", ["publish", "withhold"])
def test_the_full_reply_is_published_or_withheld_with_a_reason(act: str) -> None:
    """Twenty working days from 10 February, over the Spring Festival and two make-up Saturdays."""
    play = assigned("2026-01-05 09:00")
    play.do("sign-for", HEALTH)
    play.do("reply", HEALTH, "2026-02-09 09:00", outcome_code="A", copies=(GOV,))
    play.do("record-opinion", HEALTH, "2026-02-10 09:00", outcome_code="01")
    # 11 to 14, 24 to 28 February, 2 to 6, 9 to 13, 16 March
    assert due(play, "publish") == at("2026-03-17")
    assert play.reason("withhold", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do(act, HEALTH, "2026-03-16 09:00", reason_code="01")
    assert play.met("publish").outcome is Outcome.ON_TIME
    # 17 to 20, 23 to 27, 30 March
    assert due(play, "close") == at("2026-03-31")
    assert play.reason("close", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("close", GOV, "2026-03-17 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_reply_has_the_principals_name() -> None:
    """And a class; another department has no part in it."""
    play = assigned()
    play.do("sign-for", HEALTH)
    given = {"copies": (GOV,)}
    assert play.reason("reply", HEALTH, outcome_code="", **given) == "FIELD_REQUIRED"
    assert play.reason("reply", HEALTH, outcome_code="A", approvals=(), **given) == "APPROVAL_MISSING"
    assert play.reason("reply", TOWN, outcome_code="A", **given) == "NOT_PERMITTED_FOR_ROLE"
