"""Drills (M26): planned, held by a date or put off with reasons, assessed, put right."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, MARKET, POLICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

PARTIES = {HEALTH: "organiser", POLICE: "participants", TOWN: "participants"}
BY = at("2026-04-30 18:00")


def owed_by(play: Play, rule: str) -> dict[str, datetime]:
    """When each owes something of a rule."""
    found = [each for each in play.case.open_obligations if each.rule == rule]
    return {each.owed_by: due_time(each, NATIONAL) for each in found}


def planned(when: str = "2026-03-02 09:00") -> Play:
    """A drill that two others take part in."""
    play = Play("drill", now=at(when))
    play.do("plan", HEALTH, parties=PARTIES, requested_limit=BY)
    for department in (POLICE, TOWN):
        play.receive(department, when.replace("09:00", "10:00"))
    return play


def held() -> Play:
    """Held on Wednesday 29 April."""
    play = planned()
    play.do("hold", HEALTH, "2026-04-29 09:00")
    return play


def test_participants_confirm_in_three_working_days() -> None:
    """Each for itself; from Thursday 12 February 13, the make-up Saturday and 24."""
    play = planned("2026-02-12 09:00")
    assert owed_by(play, "confirm") == {POLICE: at("2026-02-25"), TOWN: at("2026-02-25")}
    play.do("confirm", POLICE, "2026-02-13 09:00")
    assert set(owed_by(play, "confirm")) == {TOWN}
    assert play.reason("confirm", MARKET) == "NOT_PERMITTED_FOR_ROLE"


def test_it_is_held_by_its_date_or_put_off_with_reasons() -> None:
    """A new date needs a reason; the date of a drill that is late stays missed."""
    play = planned()
    assert owed_by(play, "hold") == {HEALTH: BY}
    new = at("2026-05-29 18:00")
    assert play.reason("postpone", HEALTH, requested_limit=new, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("postpone", TOWN, requested_limit=new) == "NOT_PERMITTED_FOR_ROLE"
    play.do("postpone", HEALTH, "2026-04-29 09:00", requested_limit=new)
    assert owed_by(play, "hold") == {HEALTH: new}
    play.do("hold", HEALTH, "2026-06-01 09:00")
    assert [each.outcome for each in play.changed if each.rule == "hold"] == [Outcome.LATE]


def test_what_was_seen_is_fed_back_and_assessed() -> None:
    """Five and ten working days over the holiday of May, with the make-up Saturday 9."""
    play = held()
    # 30 April, 6, 7, 8, 9; then 11 to 15
    assert owed_by(play, "feed-back") == {POLICE: at("2026-05-10"), TOWN: at("2026-05-10")}
    assert owed_by(play, "assess") == {HEALTH: at("2026-05-16")}
    play.do("feed-back", TOWN, "2026-05-09 17:00")
    assert set(owed_by(play, "feed-back")) == {POLICE}
    assert play.reason("assess", HEALTH, materials=()) == "MATERIAL_MISSING"


def test_problems_are_put_right_in_thirty_days() -> None:
    """From 2 September behind the holiday; then it is filed in five working days."""
    play = held()
    play.do("assess", HEALTH, "2026-09-02 09:00")
    assert owed_by(play, "improve") == {HEALTH: at("2026-10-09")}
    play.do("improve", HEALTH, "2026-10-08 09:00")
    # 9, the make-up Saturday 10, 12, 13, 14
    assert owed_by(play, "file") == {HEALTH: at("2026-10-15")}
    play.do("close", HEALTH, "2026-10-14 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_without_problems_it_is_closed_after_the_assessment() -> None:
    """And not before."""
    play = held()
    assert play.reason("close", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("assess", HEALTH, "2026-05-08 09:00")
    play.do("close", HEALTH, "2026-05-08 10:00")
    assert play.case.state == "closed"


def test_a_drill_may_be_cancelled_with_a_reason() -> None:
    """Nothing is owed then."""
    play = planned()
    assert play.reason("cancel", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("cancel", HEALTH)
    assert play.open_rules == []


def test_a_drill_has_participants() -> None:
    """Nobody practises linkage alone."""
    play = Play("drill")
    assert play.reason("plan", HEALTH, parties={HEALTH: "organiser"}, requested_limit=BY) == "PARTY_INVALID"
