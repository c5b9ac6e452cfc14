"""Consultations, coordination meetings and get-togethers (M09): any party convenes."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, POLICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

OPENING = {TOWN: "convener", HEALTH: "invited", MARKET: "invited"}
COPIES = (HEALTH, MARKET, JUSTICE)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def convened(
    when: str = "2026-02-13 10:00", held: str = "2026-02-25 09:00", urgency: Urgency = Urgency.ORDINARY
) -> Play:
    """By the town, to two departments."""
    play = Play("consultation", now=at(when))
    play.do("convene", TOWN, parties=OPENING, requested_limit=at(held), urgency=urgency)
    return play


@pytest.mark.parametrize("convener", [TOWN, HEALTH, JUSTICE])
def test_any_party_convenes(convener: str) -> None:
    """The office too; in writing, with the topic, and the date of the meeting."""
    play = Play("consultation")
    parties = {convener: "convener", POLICE: "invited"}
    assert play.reason("convene", convener, parties=parties, materials=()) == "MATERIAL_MISSING"
    assert play.reason("convene", convener, parties=parties, requested_limit=None) == "FIELD_REQUIRED"
    assert play.reason("convene", convener, parties=parties) == ""


@pytest.mark.parametrize(
    ("urgency", "hold", "minutes"),
    [
        # 14 and 28 February are worked: 14, 24 to 28, 2 to 5 March; minutes 26, 27, 28
        (Urgency.ORDINARY, "2026-03-06", "2026-03-01"),
        (Urgency.URGENT, "2026-02-26", "2026-02-27"),
        (Urgency.MAJOR, "2026-02-14 10:00", "2026-02-26 09:00"),
    ],
)
def test_limits(urgency: Urgency, hold: str, minutes: str) -> None:
    """Convened on Friday 13 February, held on Wednesday 25."""
    play = convened(urgency=urgency)
    assert due(play, "hold") == at(hold)
    play.do("hold", TOWN, "2026-02-25 11:00", occurred_at=at("2026-02-25 09:00"))
    assert due(play, "minutes") == at(minutes)


def test_who_cannot_come_says_so_before() -> None:
    """Who is invited later may answer too, and asks nobody again."""
    play = convened()
    play.do("attend", HEALTH, "2026-02-24 09:00")
    assert play.reason("excuse", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("excuse", MARKET, "2026-02-25 08:59")
    assert play.met("reply").outcome is Outcome.ON_TIME
    play.do("invite", TOWN, parties={POLICE: "invited"}, requested_limit=at("2026-02-25 09:00"))
    assert "reply" not in play.open_rules
    assert play.reason("attend", POLICE) == ""


def test_minutes_go_to_those_invited_and_to_the_office() -> None:
    """The tasks follow in three working days: 27, 28 (make-up), 2 March."""
    play = convened()
    play.do("hold", TOWN, "2026-02-25 11:00")
    assert play.reason("issue", TOWN, copies=(HEALTH, MARKET)) == "COPY_MISSING"
    assert play.reason("issue", TOWN, copies=COPIES, approvals=()) == "APPROVAL_MISSING"
    play.do("issue", TOWN, "2026-02-26 10:00", copies=COPIES)
    assert due(play, "assign") == at("2026-03-03")
    assert play.reason("assign", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("assign", JUSTICE, "2026-02-27 10:00")
    play.do("close", TOWN, "2026-02-27 11:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_it_is_postponed_and_cancelled_with_reasons() -> None:
    """The new date asks everyone again."""
    play = convened()
    assert play.reason("postpone", TOWN, reason_code="") == "FIELD_REQUIRED"
    play.do("postpone", TOWN, requested_limit=at("2026-03-02 09:00"))
    owed = [each for each in play.case.open_obligations if each.rule == "reply"]
    assert {due_time(each, NATIONAL) for each in owed} == {at("2026-03-02 09:00")}
    play.do("cancel", TOWN)
    assert (play.case.state, play.open_rules) == ("cancelled", [])
