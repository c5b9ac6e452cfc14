"""Cases under supervision (M11): listed with leader and date, checked, struck off or extended with reasons."""

from datetime import datetime
from typing import Any

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

PARTIES = {HEALTH: "lister", TOWN: "undertaker"}
JOINTLY = {**PARTIES, MARKET: "joint"}
DATE = at("2026-05-20 18:00")


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def listed(when: str = "2026-03-02 09:00") -> Play:
    """Listed by the city alone."""
    play = Play("supervised-case", now=at(when))
    play.do("list", HEALTH, parties=PARTIES, requested_limit=at("2027-03-01 18:00"))
    return play


def decided() -> Play:
    """Listed on Monday 2 March to be done by 20 May, decided on Wednesday 29 April."""
    play = Play("supervised-case", now=at("2026-03-02 09:00"))
    play.do("list", HEALTH, parties=PARTIES, requested_limit=DATE)
    play.do("sign-for", TOWN, "2026-03-03 09:00")
    play.do("decide", TOWN, "2026-04-29 16:00")
    return play


def asked() -> Play:
    """Published, and asked to be struck off on Wednesday 13 May."""
    play = decided()
    play.do("publish", TOWN, "2026-05-12 10:00")
    play.do("ask-close-out", TOWN, "2026-05-13 09:00")
    play.receive(HEALTH, "2026-05-13 10:00")
    return play


def test_a_listing_names_its_date_and_is_approved() -> None:
    """No date, no notice, no leader, no undertaker: none of these is listed."""
    play = Play("supervised-case")
    given: dict[str, Any] = {"parties": PARTIES, "requested_limit": DATE}
    assert play.reason("list", HEALTH, parties=PARTIES, requested_limit=None) == "FIELD_REQUIRED"
    assert play.reason("list", HEALTH, **given, materials=()) == "MATERIAL_MISSING"
    assert play.reason("list", HEALTH, **given, approvals=approvals("clerk")) == "APPROVAL_MISSING"
    assert play.reason("list", HEALTH, parties={HEALTH: "lister"}) == "PARTY_INVALID"
    play.do("list", HEALTH, **given)
    assert due(play, "finish") == DATE


def test_the_notice_is_signed_for_in_a_working_day() -> None:
    """On Friday 13 February that is the make-up Saturday."""
    assert due(listed(), "sign") == at("2026-03-04")
    assert due(listed("2026-02-13 10:00"), "sign") == at("2026-02-15")


def test_progress_is_reported_every_thirty_days() -> None:
    """Each report starts the next clock; the thirtieth day in a holiday moves behind it."""
    play = listed("2026-09-02 10:00")
    assert due(play, "progress") == at("2026-10-09")
    play.do("progress", TOWN, "2026-10-08 09:00")
    assert play.met("progress").outcome is Outcome.ON_TIME
    # 30 days after 8 October is Saturday 7 November
    assert due(play, "progress") == at("2026-11-10")


def test_listed_by_city_and_district_together() -> None:
    """The joint lister gets its copy and signs in three working days, here after the holiday of 4 to 6 April."""
    play = Play("supervised-case", now=at("2026-04-03 09:00"))
    given: dict[str, Any] = {"parties": JOINTLY, "requested_limit": DATE}
    assert play.reason("list-jointly", HEALTH, **given) == "COPY_MISSING"
    assert play.reason("list-jointly", HEALTH, parties=PARTIES, copies=(MARKET,)) == "PARTY_INVALID"
    play.do("list-jointly", HEALTH, **given, copies=(MARKET,))
    play.receive(MARKET, "2026-04-03 10:00")
    assert due(play, "join") == at("2026-04-10")
    play.do("join", MARKET, "2026-04-09 17:00")
    assert play.met("join").outcome is Outcome.ON_TIME


def test_a_proposal_is_answered_in_five_working_days() -> None:
    """From Thursday 12 February: 13, the make-up Saturday, then 24, 25 and 26."""
    play = Play("supervised-case", now=at("2026-02-12 09:00"))
    play.do("propose", TOWN, parties=PARTIES)
    play.receive(HEALTH, "2026-02-12 10:00")
    assert due(play, "answer") == at("2026-02-27")
    assert play.reason("decline", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("decline", HEALTH, "2026-02-26 10:00")
    assert (play.case.state, play.open_rules) == ("declined", [])


def test_an_extension_gives_reasons_and_a_new_date() -> None:
    """In time the date moves; afterwards the missed date stays missed."""
    play = decided()
    new = at("2026-06-30 18:00")
    assert play.reason("extend", HEALTH, requested_limit=new, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", HEALTH, "2026-05-19 10:00", requested_limit=new)
    assert play.met("finish").outcome is Outcome.ON_TIME
    assert due(play, "finish") == new
    play.do("extend", HEALTH, "2026-07-01 10:00", requested_limit=at("2026-07-31 18:00"))
    assert play.met("finish").outcome is Outcome.LATE


def test_a_request_for_an_extension_is_answered() -> None:
    """In three working days: from Friday 24 April 27, 28 and 29."""
    play = listed()
    play.do("ask-extension", TOWN, "2026-04-24 09:00")
    play.receive(HEALTH, "2026-04-24 09:10")
    assert due(play, "answer-extension") == at("2026-04-30")
    play.do("refuse-extension", HEALTH, "2026-04-28 09:00")
    assert "answer-extension" not in play.open_rules
    assert "finish" in play.open_rules


@pytest.mark.parametrize("author", [HEALTH, JUSTICE])
def test_who_is_urged_answers_in_three_working_days(author: str) -> None:
    """The lister and the office may urge; from Wednesday 30 September it runs behind the holiday."""
    play = listed("2026-09-01 09:00")
    play.do("urge", author, "2026-09-30 09:00")
    play.receive(TOWN, "2026-09-30 09:10")
    # 8 and 9 October, and the make-up Saturday
    assert due(play, "urged") == at("2026-10-11")
    play.do("progress", TOWN, "2026-10-10 09:00")
    assert "urged" not in play.open_rules


def test_the_result_is_published_before_the_close_out() -> None:
    """Seven working days: 30 April, 6, 7, 8, the make-up Saturday 9, 11 and 12 May."""
    play = decided()
    assert due(play, "publish") == at("2026-05-13")
    assert play.reason("ask-close-out", TOWN) == "OBLIGATION_OPEN"
    play.do("publish", HEALTH, "2026-05-12 10:00")
    assert play.met("publish").outcome is Outcome.ON_TIME
    assert play.reason("ask-close-out", TOWN) == ""


def test_the_close_out_is_checked_before_it_is_struck_off() -> None:
    """Five working days each; nothing is owed afterwards."""
    play = asked()
    # 14, 15, 18, 19, 20
    assert due(play, "check") == at("2026-05-21")
    assert play.reason("strike-off", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("check", HEALTH, "2026-05-18 10:00")
    # 19, 20, 21, 22, 25
    assert due(play, "strike-off") == at("2026-05-26")
    play.do("strike-off", HEALTH, "2026-05-25 10:00")
    assert (play.case.state, play.open_rules) == ("struck-off", [])


def test_what_is_sent_back_runs_on_to_its_old_date() -> None:
    """The check failed: the date is as it was, and progress is due again."""
    play = asked()
    play.do("send-back", HEALTH, "2026-05-15 10:00")
    assert play.case.state == "decided"
    assert due(play, "finish") == DATE
    assert play.open_rules == ["finish", "progress"]


def test_nobody_else_speaks() -> None:
    """The undertaker does not strike its own case off, nor does a joint lister list."""
    play = asked()
    play.do("check", HEALTH, "2026-05-18 10:00")
    assert play.reason("strike-off", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("strike-off", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
