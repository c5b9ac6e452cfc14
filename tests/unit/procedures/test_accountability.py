"""Holding to account (M12): on the facts of the ledger, by reminder, criticism, interview, tracing back."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

BY = at("2026-04-30 18:00")


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def opened(when: str = "2026-03-02 09:00") -> Play:
    """A department is held to account, and knows it an hour later."""
    play = Play("accountability", now=at(when))
    play.do("open", JUSTICE, parties={HEALTH: "subject"})
    play.receive(HEALTH, when.replace("09:00", "10:00"))
    return play


def corrected() -> Play:
    """Reminded on 9 March, and put right on Wednesday 29 April."""
    play = opened()
    play.do("explain", HEALTH, "2026-03-05 09:00")
    play.do("remind", JUSTICE, "2026-03-09 09:00", requested_limit=BY)
    play.do("rectify", HEALTH, "2026-04-29 09:00")
    play.receive(JUSTICE, "2026-04-29 10:00")
    return play


def test_it_opens_only_on_facts_of_the_ledger() -> None:
    """Without a linked case, without the fact sheet, by anybody but the office: no."""
    play = Play("accountability")
    parties = {HEALTH: "subject"}
    assert play.reason("open", JUSTICE, parties=parties, linked_cases=()) == "FIELD_REQUIRED"
    assert play.reason("open", JUSTICE, parties=parties, materials=()) == "MATERIAL_MISSING"
    assert play.reason("open", MARKET, parties=parties) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("open", JUSTICE, parties={}) == "PARTY_INVALID"


def test_who_is_held_to_account_is_heard() -> None:
    """Five working days: from Thursday 12 February 13, the make-up Saturday, 24, 25 and 26."""
    assert due(opened(), "explain") == at("2026-03-10")
    assert due(opened("2026-02-12 09:00"), "explain") == at("2026-02-27")
    play = opened()
    read = play.case.last_position
    play.do("explain", HEALTH, "2026-03-05 09:00")
    assert play.reason("criticise", JUSTICE, based_on=read) == "MUST_SEE_LATEST"


def test_the_office_decides_in_fifteen_working_days() -> None:
    """From 2 March to Monday 23; from 2 April over the holiday to Friday 24."""
    assert due(opened(), "decide") == at("2026-03-24")
    assert due(opened("2026-04-02 09:00"), "decide") == at("2026-04-25")


@pytest.mark.parametrize("act", ["remind", "criticise"])
def test_a_reminder_or_a_criticism_sets_a_date(act: str) -> None:
    """By which it is put right."""
    play = opened()
    assert play.reason(act, JUSTICE, requested_limit=None) == "FIELD_REQUIRED"
    play.do(act, JUSTICE, requested_limit=BY)
    assert play.met("decide").outcome is Outcome.ON_TIME
    assert due(play, "rectify") == BY


def test_a_criticism_is_the_principals() -> None:
    """A leader in charge does not criticise in public."""
    assert (
        opened().reason("criticise", JUSTICE, approvals=approvals("leader-in-charge")) == "APPROVAL_MISSING"
    )


def test_the_local_authority_is_summoned_for_grave_violations() -> None:
    """In the department's place, with the reason and the time; minutes set the date for putting it right."""
    play = opened()
    given = {"parties": {TOWN: "subject"}, "requested_limit": at("2026-03-10 15:00")}
    assert play.reason("summon", JUSTICE, **given, reason_code="") == "FIELD_REQUIRED"
    play.do("summon", JUSTICE, "2026-03-06 09:00", **given)
    assert play.case.parties["subject"] == (TOWN,)
    assert due(play, "interview") == at("2026-03-10 15:00")
    assert play.reason("interview", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("interview", JUSTICE, materials=()) == "MATERIAL_MISSING"
    play.do("interview", JUSTICE, "2026-03-10 14:59", requested_limit=BY)
    assert play.met("interview").outcome is Outcome.ON_TIME
    assert play.owed("rectify").owed_by == TOWN


def test_the_city_interviews_for_careless_correction() -> None:
    """Put to it after a correction that was none; it answers in ten working days."""
    play = corrected()
    play.do("escalate", JUSTICE, "2026-04-30 09:00", parties={MARKET: "higher"})
    play.receive(MARKET, "2026-04-30 10:00")
    # 6, 7, 8, the make-up Saturday 9, 11 to 15, 18 May
    assert due(play, "answer-escalation") == at("2026-05-19")
    assert play.reason("summon-higher", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    play.do("summon-higher", MARKET, "2026-05-08 09:00", requested_limit=at("2026-05-20 15:00"))
    assert due(play, "interview-higher") == at("2026-05-20 15:00")
    play.do("interview", MARKET, "2026-05-20 14:00", requested_limit=at("2026-06-30 18:00"))
    assert due(play, "rectify") == at("2026-06-30 18:00")


def test_the_city_may_leave_it_to_the_office() -> None:
    """Which has fifteen working days again."""
    play = opened()
    play.do("escalate", JUSTICE, "2026-03-03 09:00", parties={MARKET: "higher"})
    play.do("leave-to-office", MARKET, "2026-03-09 09:00")
    assert play.case.state == "opened"
    assert due(play, "decide") == at("2026-03-31")


def test_silence_of_the_city_and_absence_from_an_interview_have_a_way_out() -> None:
    """The request is taken back; who does not come is criticised. Neither leaves anything of it open."""
    play = opened()
    play.do("escalate", JUSTICE, "2026-03-03 09:00", parties={MARKET: "higher"})
    assert play.reason("take-back", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("take-back", JUSTICE, "2026-03-20 09:00")
    assert play.open_rules == ["decide", "explain"]
    play.do("summon", JUSTICE, requested_limit=at("2026-03-25 15:00"))
    play.do("criticise", JUSTICE, "2026-03-26 09:00", requested_limit=BY)
    assert play.open_rules == ["rectify"]


def test_who_lost_a_case_is_traced_back() -> None:
    """The lost case is linked; thirty days, whose last is moved behind the holiday; then it is decided."""
    play = opened("2026-09-01 09:00")
    assert play.reason("trace", JUSTICE, linked_cases=()) == "FIELD_REQUIRED"
    play.do("trace", JUSTICE, "2026-09-02 09:00")
    assert due(play, "trace") == at("2026-10-09")
    assert play.reason("trace-result", JUSTICE, outcome_code="") == "FIELD_REQUIRED"
    play.do("trace-result", JUSTICE, "2026-09-29 09:00")
    # 30 September, 8, 9, the make-up Saturday 10, 12 to 16, 19 to 23, 26 October
    assert due(play, "decide") == at("2026-10-27")
    assert play.reason("drop", JUSTICE, materials=()) == "MATERIAL_MISSING"
    play.do("drop", JUSTICE)
    assert (play.case.state, play.open_rules) == ("dropped", [])


def test_a_correction_is_judged_in_ten_working_days() -> None:
    """Sent back it gets a new date and a reason; in order it closes the case."""
    play = corrected()
    # 30 April, 6, 7, 8, the make-up Saturday 9, 11 to 15 May
    assert due(play, "judge") == at("2026-05-16")
    assert play.reason("send-back", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("send-back", JUSTICE, "2026-05-06 09:00", requested_limit=at("2026-05-20 18:00"))
    play.do("rectify", HEALTH, "2026-05-21 09:00")
    assert play.met("rectify").outcome is Outcome.LATE
    play.do("close", JUSTICE, "2026-05-22 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
