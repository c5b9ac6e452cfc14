"""Coordination of court and government (M24)."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, MARKET, POLICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

COURT, GOVERNMENT = "court.qinghe", "gov.qinghe"
REGION = LAW.with_department(COURT).with_department(GOVERNMENT)
TEAM = {MARKET: "team", POLICE: "unit", TOWN: "unit"}
UNITS = (POLICE, TOWN)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def dues(play: Play, rule: str) -> dict[str, datetime]:
    """What each owes, by department."""
    return {
        each.owed_by: due_time(each, NATIONAL) for each in play.case.open_obligations if each.rule == rule
    }


def requested(when: str = "2026-02-13 10:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """By the court, on Friday 13 February."""
    play = Play("court-coordination", REGION, at(when))
    play.do("request", COURT, parties={COURT: "requester"}, item_code="FY-03", urgency=urgency)
    play.receive(JUSTICE, when)
    return play


def settled() -> Play:
    """With a memorandum, to be met by 30 April."""
    play = requested("2026-03-02 09:00")
    play.do("form-team", JUSTICE, "2026-03-03 09:00", parties=TEAM)
    play.do("settle", MARKET, "2026-03-20 09:00", copies=UNITS, requested_limit=at("2026-04-30 17:00"))
    return play


def test_the_topic_is_named() -> None:
    """One topic, one case."""
    play = Play("court-coordination", REGION)
    assert play.reason("request", COURT, parties={COURT: "requester"}, item_code="") == "FIELD_REQUIRED"


@pytest.mark.parametrize(
    ("urgency", "examine", "settle"),
    [
        # 14 (make-up), 24, 25, 26, 27; twenty to 19 March
        (Urgency.ORDINARY, "2026-02-28", "2026-03-20"),
        (Urgency.URGENT, "2026-02-15", "2026-02-28"),
        (Urgency.MAJOR, "2026-02-14 10:00", "2026-02-25"),
    ],
)
def test_limits(urgency: Urgency, examine: str, settle: str) -> None:
    """Asked for and taken up on Friday 13 February."""
    play = requested(urgency=urgency)
    assert due(play, "examine") == at(examine)
    play.do("form-team", JUSTICE, parties=TEAM)
    assert due(play, "settle") == at(settle)


def test_a_request_is_returned_once_and_asked_again() -> None:
    """Ten working days from receipt; the office examines anew."""
    play = requested("2026-03-02 09:00")
    assert play.reason("return-request", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("return-request", JUSTICE, "2026-03-03 09:00")
    play.receive(COURT, "2026-03-03 09:10")
    assert due(play, "resubmit") == at("2026-03-18")
    play.do("resubmit", COURT, "2026-03-10 09:00")
    assert play.met("resubmit").outcome is Outcome.ON_TIME
    assert "examine" in play.open_rules


def test_one_team_per_topic() -> None:
    """Formed by the office on its director's approval, with the units concerned."""
    play = requested("2026-03-02 09:00")
    assert play.reason("form-team", JUSTICE, parties={MARKET: "team"}) == "PARTY_INVALID"
    assert play.reason("form-team", JUSTICE, parties={**TEAM, HEALTH: "team"}) == "PARTY_INVALID"
    assert play.reason("form-team", JUSTICE, parties=TEAM, approvals=()) == "APPROVAL_MISSING"
    play.do("form-team", JUSTICE, parties=TEAM)
    # not received: the clock starts on the 3rd
    assert dues(play, "opinion") == dict.fromkeys(UNITS, at("2026-03-11"))
    play.do("state-opinion", POLICE, "2026-03-05 09:00")
    assert play.owed("opinion").owed_by == TOWN


def test_court_data_goes_to_the_departments() -> None:
    """With the list attached; the office sends none."""
    play = settled()
    assert play.reason("share-data", COURT, materials=()) == "MATERIAL_MISSING"
    assert play.reason("share-data", COURT) == ""
    assert play.reason("share-data", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"


def test_the_memorandum_is_copied_to_the_units() -> None:
    """Each of them meets it by the date set."""
    play = requested("2026-03-02 09:00")
    play.do("form-team", JUSTICE, "2026-03-03 09:00", parties=TEAM)
    assert play.reason("settle", MARKET, copies=(POLICE,)) == "COPY_MISSING"
    assert play.reason("settle", MARKET, copies=UNITS, requested_limit=None) == "FIELD_REQUIRED"
    play = settled()
    assert dues(play, "fulfil") == dict.fromkeys(UNITS, at("2026-04-30 17:00"))
    play.do("fulfil", POLICE, "2026-04-29 09:00", copies=(MARKET,))
    assert play.reason("close", JUSTICE) == "OBLIGATION_OPEN"
    play.do("fulfil", TOWN, "2026-04-30 16:59", copies=(MARKET,))
    assert play.met("fulfil").outcome is Outcome.ON_TIME
    play.do("close", JUSTICE, "2026-05-06 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_what_is_not_met_goes_to_the_leading_group_and_all_members() -> None:
    """Who decides in ten working days: 7, 8, 9 May (make-up), 11 to 15, 18 and 19."""
    play = settled()
    named = {GOVERNMENT: "leading-group", HEALTH: "member"}
    alone = {GOVERNMENT: "leading-group"}
    play.now = at("2026-05-06 09:00")
    assert play.reason("escalate", JUSTICE, parties=alone, copies=(GOVERNMENT, *UNITS)) == "PARTY_INVALID"
    assert play.reason("escalate", JUSTICE, parties=named, copies=(GOVERNMENT, *UNITS)) == "COPY_MISSING"
    play.do("escalate", JUSTICE, parties=named, copies=(GOVERNMENT, HEALTH, *UNITS))
    assert play.open_rules == ["instruct"]
    play.receive(GOVERNMENT, "2026-05-06 09:10")
    assert due(play, "instruct") == at("2026-05-20")
    play.do("instruct", GOVERNMENT, "2026-05-08 09:00", copies=UNITS, requested_limit=at("2026-06-30 17:00"))
    assert dues(play, "fulfil") == dict.fromkeys(UNITS, at("2026-06-30 17:00"))


def test_it_is_declined_or_withdrawn() -> None:
    """With reasons; nothing is owed then."""
    play = requested()
    play.do("decline", JUSTICE)
    assert (play.case.state, play.open_rules) == ("declined", [])
    play = requested()
    play.do("withdraw", COURT)
    assert (play.case.state, play.open_rules) == ("closed", [])
