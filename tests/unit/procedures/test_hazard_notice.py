"""Notices of a hazard (M03)."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, MARKET, TOWN, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOVERNMENT = "gov.qinghe"
REGION = LAW.with_department(GOVERNMENT)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def notified(when: str = "2026-02-13 10:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """The town tells market regulation."""
    play = Play("hazard-notice", REGION, at(when))
    play.do("notify", TOWN, parties={TOWN: "finder", MARKET: "responsible"}, urgency=urgency)
    play.receive(MARKET, when)
    return play


@pytest.mark.parametrize(
    ("urgency", "answer", "remove"),
    [
        # 14 (make-up), 24, 25; the 30th day is Sunday 15 March
        (Urgency.ORDINARY, "2026-02-26", "2026-03-17"),
        # the 10th day is the last of the holiday, the next one the 24th
        (Urgency.URGENT, "2026-02-14 10:00", "2026-02-25"),
        (Urgency.MAJOR, "2026-02-13 11:00", "2026-02-25"),
    ],
)
def test_limits(urgency: Urgency, answer: str, remove: str) -> None:
    """Told on Friday 13 February and taken on at once."""
    play = notified(urgency=urgency)
    assert due(play, "answer") == at(answer)
    play.do("accept", MARKET)
    assert due(play, "remove") == at(remove)


def test_evidence_of_a_hazard_may_follow() -> None:
    """In a day, so that the notice goes out at once."""
    play = Play("hazard-notice", REGION)
    named = {TOWN: "finder", MARKET: "responsible"}
    assert play.reason("notify", TOWN, parties=named, materials=()) == "MATERIAL_MISSING"
    announced = materials(announced=["source-material"])
    play.do("notify", TOWN, parties=named, urgency=Urgency.MAJOR, materials=announced)
    assert due(play, "evidence") == at("2026-03-03 09:00")


def test_it_goes_to_the_government_where_nobody_is_responsible() -> None:
    """Who declines says why; the finder sends it on in a working day of receipt."""
    play = notified("2026-03-02 09:00")
    assert play.reason("decline", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("decline", MARKET, "2026-03-03 09:00")
    play.receive(TOWN, "2026-03-03 09:10")
    assert due(play, "redirect") == at("2026-03-05")
    play.do("redirect", TOWN, "2026-03-04 09:00", parties={GOVERNMENT: "responsible"})
    assert play.owed("answer").owed_by == GOVERNMENT
    assert play.reason("accept", MARKET) == "NOT_PERMITTED_FOR_ROLE"


def test_the_removal_is_checked() -> None:
    """In five working days; what is not removed goes on."""
    play = notified("2026-03-02 09:00")
    play.do("accept", MARKET, "2026-03-03 09:00")
    assert play.reason("extend", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", MARKET, "2026-03-20 09:00")
    # 45 days from 3 March
    assert due(play, "remove") == at("2026-04-18")
    play.do("report", MARKET, "2026-04-17 09:00")
    assert play.met("remove").outcome is Outcome.ON_TIME
    play.receive(TOWN, "2026-04-17 09:10")
    assert due(play, "check") == at("2026-04-25")
    assert play.reason("close", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("reject", TOWN, "2026-04-20 09:00")
    # the 30th day is Wednesday 20 May
    assert due(play, "remove") == at("2026-05-21")
    play.do("report", MARKET, "2026-05-06 09:00")
    play.do("close", JUSTICE, "2026-05-07 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_it_is_recalled_before_it_is_taken_on() -> None:
    """Not afterwards."""
    play = notified()
    play.do("recall", TOWN)
    assert (play.case.state, play.open_rules) == ("withdrawn", [])
    play = notified()
    play.do("accept", MARKET)
    assert play.reason("recall", TOWN) == "NOT_PERMITTED_IN_STATE"
