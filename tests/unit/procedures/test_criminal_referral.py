"""Referral of a suspected crime to the police (M04), by State Council Order 310."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import (
    HEALTH,
    MARKET,
    POLICE,
    PROCURATORATE,
    TOWN,
    Play,
    approvals,
)
from tests.unit.procedures.deadline_samples import NATIONAL, at

NAMED = {POLICE: "police", PROCURATORATE: "procuratorate"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def reported(when: str = "2026-02-27 10:00") -> Play:
    """A matter that two officers have reported in writing."""
    play = Play("criminal-referral", now=at(when))
    play.do("report", TOWN, parties={TOWN: "sender"})
    return play


def referred() -> Play:
    """Referred on Monday 2 March, and at the police an hour later."""
    play = reported()
    play.do("decide", TOWN, "2026-02-28 16:00")
    play.do("refer", TOWN, "2026-03-02 09:00", parties=NAMED, copies=(PROCURATORATE,))
    play.receive(POLICE, "2026-03-02 10:00")
    return play


def refused() -> Play:
    """Not filed by the police, on Thursday 5 March."""
    play = referred()
    play.do("sign-for", POLICE, "2026-03-02 11:00")
    play.do("refuse", POLICE, "2026-03-05 15:00", copies=(PROCURATORATE,))
    play.receive(TOWN, "2026-03-05 15:30")
    return play


def test_two_officers_report_and_the_principal_decides() -> None:
    """One officer is not two, nor is the same one twice; the leader in charge is not the principal."""
    play = Play("criminal-referral")
    parties = {TOWN: "sender"}
    one = approvals("officer")
    for given in ((), one, one + one):
        assert play.reason("report", TOWN, parties=parties, approvals=given) == "APPROVAL_MISSING"
    play.do("report", TOWN, parties=parties)
    assert play.reason("decide", TOWN, approvals=approvals("leader-in-charge")) == "APPROVAL_MISSING"
    assert play.reason("refer", TOWN, parties=NAMED) == "NOT_PERMITTED_IN_STATE"


def test_the_decision_is_due_in_three_days() -> None:
    """From the report on Friday 13 February the third day is a holiday: it moves behind it, to the 24th."""
    assert due(reported("2026-02-13 10:00"), "decide") == at("2026-02-25")
    # over the make-up Saturday of the 28th: Friday, 28, 1, and the 2nd is a Monday
    assert due(reported("2026-02-27 10:00"), "decide") == at("2026-03-03")


def test_the_referral_goes_out_in_24_hours() -> None:
    """Hours run through the make-up Saturday and the Sunday after it."""
    play = reported()
    play.do("decide", TOWN, "2026-02-28 16:00")
    assert due(play, "send") == at("2026-03-01 16:00")
    play.do("refer", TOWN, "2026-03-02 09:00", parties=NAMED, copies=(PROCURATORATE,))
    assert play.met("send").outcome is Outcome.LATE


def test_a_refusal_to_refer_says_why() -> None:
    """Approved by the principal, with the grounds in the file; nothing is owed afterwards."""
    play = reported()
    assert play.reason("decline", TOWN, materials=()) == "MATERIAL_MISSING"
    play.do("decline", TOWN, "2026-02-28 10:00")
    assert (play.case.state, play.open_rules) == ("declined", [])


def test_the_procuratorate_gets_its_copy_at_the_same_moment() -> None:
    """Without a procuratorate, or without its copy, no referral goes."""
    play = reported()
    play.do("decide", TOWN)
    assert play.reason("refer", TOWN, parties={POLICE: "police"}) == "PARTY_INVALID"
    refusal = play.refusal("refer", TOWN, parties=NAMED)
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("COPY_MISSING", "copies")
    assert play.reason("refer", TOWN, parties=NAMED, recipients=(POLICE, PROCURATORATE)) == ""


def test_the_police_sign_and_decide() -> None:
    """24 hours to sign for it or pass it on, three days to decide, both from receipt."""
    play = referred()
    assert due(play, "sign") == at("2026-03-03 10:00")
    assert due(play, "file") == at("2026-03-06")
    play.do("sign-for", POLICE, "2026-03-03 09:59")
    assert play.met("sign").outcome is Outcome.ON_TIME
    play.do("file", POLICE, "2026-03-06 00:00", copies=(PROCURATORATE,))
    assert play.met("file").outcome is Outcome.LATE


def test_police_that_are_not_competent_pass_it_on() -> None:
    """The next police body gets the whole time; the first owes nothing any more."""
    play = referred()
    play.do("pass-on", POLICE, "2026-03-03 09:00", parties={MARKET: "police"})
    assert play.case.parties["police"] == (MARKET,)
    assert {each.owed_by for each in play.case.open_obligations} == {MARKET}
    play.receive(MARKET, "2026-03-03 12:00")
    assert due(play, "file") == at("2026-03-07")


def test_a_refusal_is_answered_by_review_then_supervision() -> None:
    """Three days each way, seven for the reasons, fifteen to file as ordered; weekends and a holiday move the ends."""
    play = refused()
    # 6, 7, and the 8th is a Sunday
    assert due(play, "contest") == at("2026-03-10")
    play.do("ask-review", TOWN, "2026-03-09 09:00")
    play.receive(POLICE, "2026-03-09 09:10")
    assert due(play, "review") == at("2026-03-13")
    play.do("uphold", POLICE, "2026-03-12 09:00")
    play.receive(TOWN, "2026-03-12 09:10")
    assert play.reason("ask-review", TOWN) == "TOO_OFTEN"
    # 13, 14, and the 15th is a Sunday
    assert due(play, "contest") == at("2026-03-17")
    play.do("ask-supervision", TOWN, "2026-03-16 09:00")
    play.receive(PROCURATORATE, "2026-03-16 09:10")
    assert due(play, "supervise") == at("2026-03-24")
    play.do("ask-reasons", PROCURATORATE, "2026-03-23 09:00")
    play.receive(POLICE, "2026-03-23 09:10")
    assert due(play, "reasons") == at("2026-03-31")
    play.do("explain", POLICE, "2026-03-30 09:00")
    play.do("order-filing", PROCURATORATE, "2026-04-03 09:00")
    play.receive(POLICE, "2026-04-03 09:10")
    # the 15th day is Saturday 18 April, after the holiday of the 4th to the 6th
    assert due(play, "obey") == at("2026-04-21")
    play.do("file", POLICE, "2026-04-20 09:00", copies=(PROCURATORATE,))
    assert play.met("obey").outcome is Outcome.ON_TIME


@pytest.mark.parametrize("act", ["ask-review", "ask-supervision", "accept-refusal"])
def test_each_answer_to_a_refusal_ends_its_clock(act: str) -> None:
    """Whichever way the sender takes."""
    play = refused()
    play.do(act, TOWN, "2026-03-09 10:00")
    assert play.met("contest").outcome is Outcome.ON_TIME


def test_items_follow_the_filing() -> None:
    """Three days from the notice; the result cannot end the case before they are handed over."""
    play = referred()
    play.do("sign-for", POLICE, "2026-03-02 11:00")
    play.do("file", POLICE, "2026-03-04 10:00", copies=(PROCURATORATE,))
    play.receive(TOWN, "2026-03-04 11:00")
    # 5, 6, and the 7th is a Saturday
    assert due(play, "hand-over") == at("2026-03-10")
    assert due(play, "result") == at("2026-06-03")
    assert play.reason("conclude", POLICE, copies=(PROCURATORATE,)) == "OBLIGATION_OPEN"
    play.do("hand-over", TOWN, "2026-03-09 10:00")
    play.do("conclude", POLICE, "2026-06-01 10:00", copies=(PROCURATORATE,))
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_nobody_else_speaks() -> None:
    """Not another department, nor the police for the procuratorate."""
    play = refused()
    assert play.reason("ask-review", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("ask-supervision", TOWN, "2026-03-06 09:00")
    assert play.reason("order-filing", POLICE) == "NOT_PERMITTED_FOR_ROLE"


def test_who_held_a_seat_before_is_still_told() -> None:
    """After the police passed it on, letters may be addressed to both; to nobody else."""
    play = referred()
    play.do("pass-on", POLICE, "2026-03-03 09:00", parties={MARKET: "police"})
    assert play.reason("sign-for", MARKET, recipients=(TOWN, POLICE, PROCURATORATE)) == ""
    assert play.reason("sign-for", MARKET, recipients=(TOWN, HEALTH)) == "PARTY_INVALID"
