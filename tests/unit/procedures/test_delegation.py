"""Delegation of enforcement authority by signed letter (M02): accepted, published, supervised, renewed, ended."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time, mark_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

END = at("2028-01-01")


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def offered(when: str = "2026-02-27 10:00") -> Play:
    """Offered, by default on Friday 27 February, and received at once."""
    play = Play("delegation", now=at(when))
    play.do("offer", HEALTH, parties={HEALTH: "delegator", TOWN: "delegate"})
    play.receive(TOWN, when)
    return play


def in_force(when: str = "2026-07-02 10:00") -> Play:
    """Accepted and published, by default on 2 July."""
    play = offered(when)
    play.do("accept", TOWN)
    play.do("publish", HEALTH, requested_limit=END)
    return play


def ending() -> Play:
    """Ended by the delegator on the last working day before the May holiday."""
    play = in_force("2026-04-30 10:00")
    play.do("end", HEALTH)
    return play


def test_the_letter_is_reviewed_and_signed() -> None:
    """By the legal reviewer and the principal, with the list of matters."""
    play = Play("delegation")
    parties = {HEALTH: "delegator", TOWN: "delegate"}
    one = approvals("principal")
    assert play.reason("offer", HEALTH, parties=parties, approvals=one) == "APPROVAL_MISSING"
    assert play.reason("offer", HEALTH, parties=parties, materials=()) == "MATERIAL_MISSING"
    assert play.reason("offer", HEALTH, parties={HEALTH: "delegator"}) == "PARTY_INVALID"


def test_the_answer_is_due_in_ten_working_days() -> None:
    """28 February, a Saturday that is worked, and 2 to 12 March without the weekend."""
    play = offered()
    assert due(play, "answer") == at("2026-03-13")
    assert play.reason("accept", TOWN, approvals=approvals("leader-in-charge")) == "APPROVAL_MISSING"
    play.do("accept", TOWN, "2026-03-12 10:00")
    assert play.met("answer").outcome is Outcome.ON_TIME


@pytest.mark.parametrize(
    ("act", "author", "state"), [("decline", TOWN, "declined"), ("withdraw", HEALTH, "withdrawn")]
)
def test_an_offer_may_be_declined_or_withdrawn(act: str, author: str, state: str) -> None:
    """Then nothing is owed; an accepted one can only be ended."""
    play = offered()
    play.do(act, author)
    assert (play.case.state, play.open_rules) == (state, [])
    assert in_force().reason(act, author) == "NOT_PERMITTED_IN_STATE"


def test_it_is_published_with_its_end() -> None:
    """Seven working days over the October holiday with its worked Saturday; the end is in the header."""
    play = offered("2026-09-30 10:00")
    play.do("accept", TOWN)
    # 8, 9, 10 and 12 to 15 October
    assert due(play, "publish") == at("2026-10-16")
    assert play.reason("publish", HEALTH, requested_limit=None) == "FIELD_REQUIRED"
    assert play.reason("publish", HEALTH, requested_limit=at("2026-09-01")) == "INVALID_FIELD"
    assert play.reason("publish", TOWN, requested_limit=END) == "NOT_PERMITTED_FOR_ROLE"
    play.do("publish", HEALTH, "2026-10-15 10:00", requested_limit=END)
    assert play.met("publish").outcome is Outcome.ON_TIME
    assert due(play, "expiry") == END


def test_the_end_is_announced_long_before() -> None:
    """60, 30 and 7 days; a date and hour is moved by no holiday."""
    expiry = in_force().owed("expiry")
    for mark, when in (("60 d before", "2027-11-02"), ("30 d before", "2027-12-02"), ("due", "2028-01-01")):
        assert mark_time(expiry, mark, NATIONAL) == at(when)


def test_its_use_is_reported_and_supervised() -> None:
    """Every three and every six months, to the day of the same number even if it is a holiday."""
    play = in_force()
    assert (due(play, "report"), due(play, "supervise")) == (at("2026-10-03"), at("2027-01-03"))
    play.do("report", TOWN, "2026-09-30 10:00")
    assert play.met("report").outcome is Outcome.ON_TIME
    assert due(play, "report") == at("2026-12-31")
    assert play.reason("supervise", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("supervise", HEALTH, "2027-01-03 00:00")
    assert play.met("supervise").outcome is Outcome.LATE


def test_what_is_wrong_is_put_right_by_a_date() -> None:
    """Demanded by the leader in charge with a date; reported with the record."""
    play = in_force()
    assert play.reason("demand", HEALTH, requested_limit=None) == "FIELD_REQUIRED"
    play.do("demand", HEALTH, "2026-09-18 10:00", requested_limit=at("2026-09-30 17:00"))
    assert due(play, "rectify") == at("2026-09-30 17:00")
    play.do("rectify", TOWN, "2026-09-30 17:00")
    assert play.met("rectify").outcome is Outcome.LATE


def test_a_renewal_runs_beside_the_old_end_until_it_is_published() -> None:
    """Accepted and published it sets the new end; declined it leaves the old one."""
    play = in_force()
    play.do("renew", HEALTH, "2027-11-15 10:00")
    assert due(play, "expiry") == END
    play.do("decline-renewal", TOWN, "2027-11-16 10:00")
    assert (play.case.state, due(play, "expiry")) == ("in-force", END)
    play.do("renew", HEALTH, "2027-11-17 10:00")
    play.do("accept", TOWN, "2027-11-18 10:00")
    assert due(play, "expiry") == END
    play.do("publish", HEALTH, "2027-11-19 10:00", requested_limit=at("2030-01-01"))
    assert play.met("expiry").outcome is Outcome.ON_TIME
    assert (play.owed("expiry").ordinal, due(play, "expiry")) == (2, at("2030-01-01"))


def test_it_ends_with_a_hand_over_and_in_public() -> None:
    """Five and ten working days over the May holiday with its worked Saturday; cases go first."""
    play = ending()
    assert play.open_rules == ["close", "hand-over"]
    # 6 to 9 and 11 May; 12 to 15 and 18 May
    assert (due(play, "hand-over"), due(play, "close")) == (at("2026-05-12"), at("2026-05-19"))
    assert play.reason("close", HEALTH) == "OBLIGATION_OPEN"
    play.do("hand-over", TOWN, "2026-05-11 10:00")
    play.do("close", HEALTH, "2026-05-18 10:00")
    assert play.met("close").outcome is Outcome.ON_TIME
    assert (play.case.state, play.open_rules) == ("closed", [])


@pytest.mark.parametrize(("act", "author"), [("end", HEALTH), ("resign", TOWN)])
def test_either_side_ends_it_with_a_reason(act: str, author: str) -> None:
    """By its principal; no authority is used afterwards."""
    play = in_force()
    assert play.reason(act, author, reason_code="") == "FIELD_REQUIRED"
    assert play.reason(act, author, approvals=()) == "APPROVAL_MISSING"
    assert play.reason(act, MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do(act, author)
    assert play.open_rules == ["close", "hand-over"]
    assert play.reason("report", TOWN) == "NOT_PERMITTED_IN_STATE"
