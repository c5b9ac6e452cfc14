"""Contingency plans (M26): evaluated every five years, drilled every three, and when a trigger comes."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time, mark_time
from services.procedures.law import RegionalLimit
from services.procedures.obligation import Limit, Outcome, Unit
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

PARTIES = {HEALTH: "owner", MARKET: "bureau"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def submitted(when: str = "2026-03-02 09:00", play: Play | None = None) -> Play:
    """A plan that has come to the bureau."""
    play = play or Play("contingency-plan", now=at(when))
    play.do("issue", HEALTH, when, parties=PARTIES)
    play.receive(MARKET, when.replace("09:00", "10:00"))
    return play


def in_force() -> Play:
    """Registered on Thursday 5 March."""
    play = submitted()
    play.do("register", MARKET, "2026-03-05 09:00")
    return play


def evaluated() -> Play:
    """Evaluated after an event, with the opinion that it be revised, on Wednesday 29 April."""
    play = in_force()
    play.do("trigger", MARKET, "2026-04-03 09:00")
    play.do("evaluate", HEALTH, "2026-04-29 09:00", copies=(MARKET,))
    play.receive(MARKET, "2026-04-29 10:00")
    return play


def test_a_plan_is_filed_with_the_emergency_bureau() -> None:
    """By the owner's principal, reviewed by experts."""
    play = Play("contingency-plan")
    assert play.reason("issue", HEALTH, parties={HEALTH: "owner"}) == "PARTY_INVALID"
    assert play.reason("issue", HEALTH, parties=PARTIES, approvals=approvals("clerk")) == "APPROVAL_MISSING"
    assert play.reason("issue", HEALTH, parties=PARTIES, materials=()) == "MATERIAL_MISSING"


def test_it_is_registered_or_returned_in_five_working_days() -> None:
    """From Thursday 12 February: 13, the make-up Saturday, 24, 25 and 26."""
    assert due(submitted(), "register") == at("2026-03-10")
    assert due(submitted("2026-02-12 09:00"), "register") == at("2026-02-27")


def test_a_returned_plan_comes_again() -> None:
    """In twenty working days: 6 to 10 March 3, 11 to 31 March 15 and 1 and 2 April."""
    play = submitted()
    play.do("return", MARKET, "2026-03-05 09:00")
    play.receive(HEALTH, "2026-03-05 09:10")
    assert due(play, "resubmit") == at("2026-04-03")
    assert play.reason("register", MARKET) == "NOT_PERMITTED_IN_STATE"
    play.do("issue", HEALTH, "2026-03-20 09:00")
    assert play.case.state == "submitted"


def test_it_is_evaluated_every_five_years_and_drilled_every_three() -> None:
    """From its registration; years are not moved by holidays. Told ninety days before."""
    play = in_force()
    assert due(play, "evaluation") == at("2031-03-06")
    assert due(play, "drill") == at("2029-03-06")
    assert mark_time(play.owed("drill"), "90 d before", NATIONAL) == at("2028-12-06")


def test_a_region_may_have_its_plans_evaluated_every_three_years() -> None:
    """By a regional limit, in plans that are filed under it."""
    limit = RegionalLimit("contingency-plan", "evaluation", Limit(3, Unit.YEARS), at("2026-01-01"))
    law = LAW.with_limit(limit)
    play = submitted(play=Play("contingency-plan", law=law))
    play.do("register", MARKET, "2026-03-05 09:00")
    assert due(play, "evaluation") == at("2029-03-06")


def test_a_drill_starts_its_three_years_anew() -> None:
    """It is linked; one on Saturday 10 October counts from that day."""
    play = in_force()
    assert play.reason("drilled", HEALTH, linked_cases=()) == "FIELD_REQUIRED"
    play.do("drilled", HEALTH, "2026-10-10 09:00")
    assert play.met("drill").outcome is Outcome.ON_TIME
    assert due(play, "drill") == at("2029-10-11")


@pytest.mark.parametrize("author", [HEALTH, MARKET, JUSTICE])
def test_a_trigger_has_it_evaluated_off_the_cycle(author: str) -> None:
    """Sixty days: from 3 August to 2 October, and behind the holiday to the 8th. Owner, bureau, office may say so."""
    play = in_force()
    assert play.reason("trigger", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("trigger", author, reason_code="") == "FIELD_REQUIRED"
    play.do("trigger", author, "2026-08-03 09:00")
    assert due(play, "off-cycle") == at("2026-10-09")


def test_the_revision_opinion_goes_to_the_bureau() -> None:
    """Copied to it whoever else is addressed, answered in ten working days over the holiday of May."""
    play = in_force()
    assert play.reason("evaluate", HEALTH) == "COPY_MISSING"
    play = evaluated()
    assert "evaluation" not in play.open_rules
    # 30 April, 6, 7, 8, the make-up Saturday 9, 11 to 15 May
    assert due(play, "answer") == at("2026-05-16")


def test_what_is_kept_runs_another_five_years() -> None:
    """The drill's clock is not touched by it."""
    play = evaluated()
    play.do("keep", MARKET, "2026-05-15 09:00")
    assert play.case.state == "in-force"
    assert (due(play, "evaluation"), due(play, "drill")) == (at("2031-05-16"), at("2029-03-06"))


def test_a_revision_takes_ninety_days_and_is_extended_once_in_time() -> None:
    """From Monday 6 July to Sunday 4 October, behind the holiday; sixty days more before it is due."""
    play = evaluated()
    play.do("demand-revision", MARKET, "2026-07-06 09:00")
    play.receive(HEALTH, "2026-07-06 09:10")
    assert due(play, "revision") == at("2026-10-09")
    play.now = at("2026-10-09 00:00")
    assert play.reason("extend", MARKET) == "EXTENSION_AFTER_DUE"
    play.do("extend", MARKET, "2026-10-08 17:00")
    # 150 days after 6 July
    assert due(play, "revision") == at("2026-12-04")
    assert play.reason("extend", MARKET) == "TOO_OFTEN"
    play.do("revise", HEALTH, "2026-12-03 09:00")
    assert play.met("revision").outcome is Outcome.ON_TIME
    play.do("register", MARKET, "2026-12-07 09:00")
    assert due(play, "evaluation") == at("2031-12-08")


def test_a_repealed_plan_owes_nothing() -> None:
    """The bureau is told."""
    play = in_force()
    assert play.reason("repeal", HEALTH) == "COPY_MISSING"
    play.do("repeal", HEALTH, copies=(MARKET,))
    assert (play.case.state, play.open_rules) == ("repealed", [])
