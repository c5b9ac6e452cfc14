"""Resolutions as tasks (M09): one who answers for each, a date, and the office behind it."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, POLICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

OPENING = {TOWN: "assigner", HEALTH: "responsible", MARKET: "helper"}
COPIES = (JUSTICE,)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def assigned(when: str = "2026-02-13 10:00", until: str = "2026-04-30 17:00") -> Play:
    """A resolution of a consultation, on Friday 13 February."""
    play = Play("resolution-task", now=at(when))
    play.do("assign", TOWN, parties=OPENING, requested_limit=at(until))
    play.receive(HEALTH, when)
    return play


def working() -> Play:
    """Taken on."""
    play = assigned()
    play.do("accept", HEALTH, "2026-02-14 10:00", copies=COPIES)
    return play


def test_it_is_linked_to_the_meeting_and_has_a_date() -> None:
    """And somebody who answers for it."""
    play = Play("resolution-task")
    assert play.reason("assign", TOWN, parties=OPENING, linked_cases=()) == "FIELD_REQUIRED"
    assert play.reason("assign", TOWN, parties=OPENING, requested_limit=None) == "FIELD_REQUIRED"
    assert play.reason("assign", TOWN, parties={TOWN: "assigner"}) == "PARTY_INVALID"


def test_it_is_taken_on_in_two_working_days() -> None:
    """14 (make-up) and 24 February; due on the date that was set."""
    play = assigned()
    assert due(play, "accept") == at("2026-02-25")
    assert play.reason("accept", HEALTH) == "COPY_MISSING"  # the office follows it from here on
    assert due(play, "deliver") == at("2026-04-30 17:00")


def test_an_objection_is_decided() -> None:
    """In three working days of receipt; the newly named takes over what is owed."""
    play = assigned("2026-03-02 09:00")
    assert play.reason("decline", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("decline", HEALTH, "2026-03-03 09:00")
    play.receive(TOWN, "2026-03-03 09:10")
    assert due(play, "decide") == at("2026-03-07")
    play.do("decide", JUSTICE, "2026-03-05 09:00", parties={POLICE: "responsible"})
    assert play.owed("deliver").owed_by == POLICE
    assert play.owed("accept").owed_by == POLICE
    assert play.reason("accept", HEALTH) == "NOT_PERMITTED_FOR_ROLE"


def test_progress_is_reported_by_who_answers_for_it() -> None:
    """Every thirty days; a helper's report does not stand in for it. From 14 February to Monday 16 March."""
    play = working()
    assert due(play, "progress") == at("2026-03-17")
    play.do("help", MARKET, "2026-03-02 09:00")
    assert due(play, "progress") == at("2026-03-17")
    play.do("progress", HEALTH, "2026-03-06 09:00")
    # the 30th day is Sunday 5 April, in the holiday of the 4th to the 6th
    assert due(play, "progress") == at("2026-04-08")


def test_another_date_takes_a_reason_and_the_leader() -> None:
    """The old one is replaced."""
    play = working()
    assert play.reason("set-date", TOWN, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("set-date", TOWN, approvals=()) == "APPROVAL_MISSING"
    assert play.reason("set-date", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("set-date", TOWN, "2026-04-20 09:00", requested_limit=at("2026-05-20 17:00"))
    assert due(play, "deliver") == at("2026-05-20 17:00")


def test_it_is_checked_before_it_is_struck_off() -> None:
    """Five working days from receipt, over 1 to 5 May and with the make-up Saturday of the 9th."""
    play = working()
    play.do("deliver", HEALTH, "2026-04-30 16:59")
    assert play.met("deliver").outcome is Outcome.ON_TIME
    play.receive(TOWN, "2026-04-30 17:00")
    # 6, 7, 8, 9, 11
    assert due(play, "check") == at("2026-05-12")
    play.do("send-back", JUSTICE, "2026-05-06 09:00", requested_limit=at("2026-05-15 17:00"))
    assert due(play, "deliver") == at("2026-05-15 17:00")
    play.do("deliver", HEALTH, "2026-05-15 17:00")
    assert play.met("deliver").outcome is Outcome.LATE
    play.do("close", TOWN, "2026-05-18 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_it_is_dropped_with_a_reason() -> None:
    """Nothing is owed then."""
    play = working()
    assert play.reason("drop", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("drop", JUSTICE)
    assert (play.case.state, play.open_rules) == ("dropped", [])
