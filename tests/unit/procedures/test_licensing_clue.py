"""Clues from licensing and business sections to the enforcement body (M03)."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def sent(when: str = "2026-02-13 10:00") -> Play:
    """From the town's licensing section to market regulation."""
    play = Play("licensing-clue", now=at(when))
    play.do("send", TOWN, parties={TOWN: "finder", MARKET: "enforcer"})
    play.receive(MARKET, when)
    return play


def test_it_is_signed_for_and_decided() -> None:
    """One working day, the make-up Saturday; fifteen days, the make-up Saturday of the 28th."""
    play = sent()
    assert (due(play, "sign"), due(play, "decide")) == (at("2026-02-15"), at("2026-03-01"))
    play.do("sign-for", MARKET, "2026-02-14 10:00")
    play.do("file", MARKET, "2026-02-28 23:59")
    assert play.met("decide").outcome is Outcome.ON_TIME
    # ninety days on is Friday 29 May
    assert due(play, "outcome") == at("2026-05-30")


def test_not_filing_takes_a_reason() -> None:
    """And the leader's approval; the finder then closes."""
    play = sent()
    play.do("sign-for", MARKET)
    assert play.reason("not-file", MARKET, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("not-file", MARKET, approvals=()) == "APPROVAL_MISSING"
    play.do("not-file", MARKET)
    play.do("close", TOWN)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_material_is_asked_for_once() -> None:
    """The clock stands still meanwhile: 3 to 6 March do not count, the 15th day is the 21st, a Saturday."""
    play = sent("2026-03-02 09:00")
    play.do("sign-for", MARKET)
    play.do("request-material", MARKET, "2026-03-03 09:00", requested_limit=at("2026-03-10 17:00"))
    assert due(play, "material") == at("2026-03-10 17:00")
    play.do("supply-material", TOWN, "2026-03-06 09:00")
    assert due(play, "decide") == at("2026-03-24")
    assert play.reason("request-material", MARKET) == "TOO_OFTEN"


@pytest.mark.parametrize("author", [TOWN, JUSTICE])
def test_what_is_returned_is_sent_on(author: str) -> None:
    """By the finder in three working days of receipt, or by the office."""
    play = sent("2026-03-02 09:00")
    assert play.reason("return", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("return", MARKET, "2026-03-03 09:00")
    play.receive(TOWN, "2026-03-03 09:10")
    assert due(play, "redirect") == at("2026-03-07")
    play.do("redirect", author, "2026-03-04 09:00", parties={HEALTH: "enforcer"})
    assert play.owed("decide").owed_by == HEALTH
    assert play.reason("sign-for", MARKET) == "NOT_PERMITTED_FOR_ROLE"


def test_licensing_hears_what_came_of_it() -> None:
    """With the letter attached."""
    play = sent()
    play.do("sign-for", MARKET)
    play.do("file", MARKET, "2026-02-24 10:00")
    play.do("progress", MARKET, "2026-03-24 10:00")
    assert play.reason("outcome", MARKET, materials=()) == "MATERIAL_MISSING"
    play.do("outcome", MARKET, "2026-04-24 10:00")
    play.do("close", TOWN, "2026-04-27 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
