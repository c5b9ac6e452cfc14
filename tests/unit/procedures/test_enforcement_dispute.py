"""A dispute over enforcement (M06): minutes bind, else the justice bureau proposes and the government decides."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, MARKET, TOWN, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOVERNMENT = "gov.qinghe"
EXTENDED = LAW.with_department(GOVERNMENT)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def opened(when: str = "2026-02-27 10:00", act: str = "open") -> Play:
    """Opened, by default on Friday 27 February by the holder of the matter, and received at once."""
    play = Play("enforcement-dispute", EXTENDED, at(when))
    play.do(act, HEALTH, parties={HEALTH: "applicant", TOWN: "respondent"})
    play.receive(TOWN, when)
    return play


def applied(when: str = "2026-03-25 10:00") -> Play:
    """Brought to the justice bureau by the respondent, by default on Wednesday 25 March."""
    play = opened(when)
    play.do("apply", TOWN)
    return play


def proposed(when: str = "2026-04-24 10:00") -> Play:
    """Put to the government, by default on Friday 24 April."""
    play = applied(when)
    play.do("propose", JUSTICE, parties={GOVERNMENT: "government"})
    return play


def test_negotiation_has_its_clocks() -> None:
    """3 and 10 working days over the Saturday of 28 February, which is worked."""
    play = opened()
    # 28 February, 2 and 3 March; to 12 March
    assert (due(play, "answer"), due(play, "negotiate")) == (at("2026-03-04"), at("2026-03-13"))
    play.do("answer", TOWN, "2026-03-03 10:00")
    assert play.met("answer").outcome is Outcome.ON_TIME


@pytest.mark.parametrize(
    ("act", "holder", "other", "rule"),
    [
        ("open", HEALTH, TOWN, "keep-measures"),
        ("open-against-holder", TOWN, HEALTH, "keep-measures-as-respondent"),
    ],
)
def test_the_holder_keeps_urgent_measures_going(act: str, holder: str, other: str, rule: str) -> None:
    """Whoever holds the matter reports every five working days, in every stage until it is decided."""
    play = opened(act=act)
    assert (play.owed(rule).owed_by, due(play, rule)) == (holder, at("2026-03-06"))
    assert play.reason(rule, other) == "NOT_PERMITTED_FOR_ROLE"
    play.do(rule, holder, "2026-03-05 10:00")
    assert play.met(rule).outcome is Outcome.ON_TIME
    assert due(play, rule) == at("2026-03-13")
    play.do("apply", TOWN, "2026-03-09 10:00")
    play.do("propose", JUSTICE, parties={GOVERNMENT: "government"})
    assert rule in play.open_rules
    play.do("pass-up", GOVERNMENT)
    play.do(rule, holder)
    play.do("decide", GOVERNMENT, outcome_code="holder")
    assert play.open_rules == ["conclude"]


def test_signed_minutes_bind() -> None:
    """Offered by one side, signed by the other in 3 working days; then nobody can apply."""
    play = opened()
    play.do("offer-minutes", HEALTH, "2026-03-04 10:00")
    play.receive(TOWN, "2026-03-04 10:00")
    assert due(play, "sign-minutes") == at("2026-03-10")
    assert play.reason("sign-minutes", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("sign-minutes", TOWN, "2026-03-05 10:00")
    assert play.met("negotiate").outcome is Outcome.ON_TIME
    assert play.open_rules == ["conclude"]
    assert play.reason("apply", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("close", HEALTH)
    assert play.case.state == "closed"


def test_nobody_is_made_to_sign() -> None:
    """Declined with a reason, the negotiation goes on and its clock with it."""
    play = opened()
    play.do("offer-minutes", HEALTH)
    assert play.reason("decline-minutes", TOWN, reason_code="") == "FIELD_REQUIRED"
    play.do("decline-minutes", TOWN)
    assert play.case.state == "negotiating"
    assert "negotiate" in play.open_rules


@pytest.mark.parametrize("author", [HEALTH, TOWN])
def test_either_applies_with_the_record_of_the_negotiation(author: str) -> None:
    """To the justice bureau, which owes a proposal."""
    play = opened()
    assert play.reason("apply", author, materials=materials("application")) == "MATERIAL_MISSING"
    play.do("apply", author)
    assert play.met("negotiate").outcome is Outcome.ON_TIME
    assert play.owed("propose").owed_by == JUSTICE


def test_the_justice_bureau_proposes() -> None:
    """15 working days over the April holiday, once 10 more; only with a government to decide."""
    play = applied()
    # 26, 27, 30, 31 March, 1 to 3, 7 to 10 and 13 to 16 April
    assert due(play, "propose") == at("2026-04-17")
    assert play.reason("propose", JUSTICE) == "PARTY_INVALID"
    assert play.reason("decide", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    play.do("extend-proposal", JUSTICE, "2026-04-16 10:00")
    # 17, 20 to 24 and 27 to 30 April
    assert due(play, "propose") == at("2026-05-01")
    assert play.reason("extend-proposal", JUSTICE) == "TOO_OFTEN"
    play.do("propose", JUSTICE, "2026-04-30 10:00", parties={GOVERNMENT: "government"})
    assert play.met("propose").outcome is Outcome.ON_TIME


def test_the_government_decides() -> None:
    """10 working days over the May holiday with its worked Saturday, once 10 more; the principal signs."""
    play = proposed()
    # 27 to 30 April, 6 to 9, 11 and 12 May
    assert due(play, "decide") == at("2026-05-13")
    assert play.reason("decide", GOVERNMENT, outcome_code="") == "FIELD_REQUIRED"
    assert play.reason("decide", GOVERNMENT, outcome_code="x", approvals=()) == "APPROVAL_MISSING"
    play.do("extend-decision", GOVERNMENT, "2026-05-12 10:00")
    # 13 to 15, 18 to 22, 25 and 26 May
    assert due(play, "decide") == at("2026-05-27")
    play.do("decide", GOVERNMENT, "2026-05-26 10:00", outcome_code="holder")
    assert play.met("decide").outcome is Outcome.ON_TIME
    # 27 to 29 May, 1 to 5, 8 and 9 June
    assert due(play, "conclude") == at("2026-06-10")


def test_what_is_passed_up_comes_down_again() -> None:
    """60 days end in the June holiday and move to Monday the 22nd."""
    play = proposed("2026-04-20 10:00")
    play.do("pass-up", GOVERNMENT)
    assert play.met("decide").outcome is Outcome.ON_TIME
    assert due(play, "hand-down") == at("2026-06-23")
    play.do("decide", GOVERNMENT, "2026-06-22 10:00", outcome_code="holder")
    assert play.met("hand-down").outcome is Outcome.ON_TIME


def test_only_the_applicant_withdraws() -> None:
    """Everything owed in it ends."""
    play = applied()
    assert play.reason("withdraw", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    play.do("withdraw", HEALTH)
    assert (play.case.state, play.open_rules) == ("withdrawn", [])


def test_nobody_else_speaks() -> None:
    """Not a third department, nor the government before a proposal is there."""
    play = applied()
    assert play.reason("state", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("pass-up", GOVERNMENT) == "NOT_PERMITTED_FOR_ROLE"
