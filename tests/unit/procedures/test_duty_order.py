"""Duty (M18): each step of an order is timed, shifts are handed over, changed contacts are told at once."""

from datetime import datetime
from typing import Any

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def ordered(urgency: Urgency = Urgency.ORDINARY, when: str = "2026-02-14 23:30") -> Play:
    """An order to the health department, on the make-up Saturday before the Spring Festival."""
    play = Play("duty-order", now=at(when))
    play.do("order", TOWN, parties={TOWN: "sender", HEALTH: "unit"}, urgency=urgency)
    return play


def received(urgency: Urgency = Urgency.ORDINARY) -> Play:
    """Received half an hour later, on the first day of the holiday."""
    play = ordered(urgency)
    play.do("receive", HEALTH, "2026-02-15 00:00")
    return play


def by_office(act: str, **given: Any) -> Play:
    """A case that the office opens with a unit, on Wednesday 30 September."""
    play = Play("duty-order", now=at("2026-09-30 09:00"))
    play.do(act, JUSTICE, parties={JUSTICE: "office", HEALTH: "unit"}, **given)
    return play


def test_an_order_is_received_within_the_hour() -> None:
    """At night and into a holiday; by the unit and nobody else."""
    play = ordered()
    assert due(play, "receive") == at("2026-02-15 00:30")
    assert play.reason("receive", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("send-people", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("receive", HEALTH, "2026-02-15 00:30")
    assert play.met("receive").outcome is Outcome.LATE


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        (Urgency.ORDINARY, "2026-02-15 04:00"),
        (Urgency.URGENT, "2026-02-15 02:00"),
        (Urgency.MAJOR, "2026-02-15 01:00"),
    ],
)
def test_leader_told_then_people_sent(urgency: Urgency, expected: str) -> None:
    """Each has its clock, and nobody sets out before the leader knows."""
    play = received(urgency)
    assert (due(play, "tell"), due(play, "send")) == (at("2026-02-15 01:00"), at(expected))
    assert play.reason("send-people", HEALTH) == "OBLIGATION_OPEN"
    play.do("tell-leader", HEALTH, "2026-02-15 00:40")
    play.do("send-people", HEALTH, "2026-02-15 00:50")
    assert play.met("send").outcome is Outcome.ON_TIME


def test_the_unit_reports_back() -> None:
    """Three working days from the first day of the Spring Festival: 24, 25 and 26 February."""
    play = received()
    assert due(play, "report-back") == at("2026-02-27")
    play.do("tell-leader", HEALTH)
    play.do("report-back", HEALTH, "2026-02-26 10:00")
    # the 27th
    assert due(play, "close") == at("2026-02-28")
    play.do("close", TOWN, "2026-02-27 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_an_order_that_is_not_ours_goes_back_and_to_another() -> None:
    """With a reason; the next unit has the whole time and the first owes nothing."""
    play = ordered()
    assert play.reason("return", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("return", HEALTH, "2026-02-15 00:10", reason_code="01")
    assert due(play, "redirect") == at("2026-02-15 01:10")
    play.do("redirect", TOWN, "2026-02-15 00:20", parties={MARKET: "unit"})
    assert {each.owed_by for each in play.case.open_obligations} == {MARKET}
    assert due(play, "receive") == at("2026-02-15 01:20")


def test_who_takes_a_shift_over_has_seen_the_latest() -> None:
    """A hand-over that misses a letter of the sender's is refused."""
    play = received()
    play.do("tell-leader", HEALTH)
    play.do("correct", TOWN, amended_letter=play.letters["order"])
    assert play.reason("hand-over", HEALTH, based_on=2) == "MUST_SEE_LATEST"
    play.do("hand-over", HEALTH)
    assert play.case.state == "told"


def test_a_changed_contact_is_told_at_once_and_filed() -> None:
    """From the change, not from the letter; filing has a working day, over the holiday to 8 October."""
    play = Play("duty-order", now=at("2026-09-30 16:00"))
    play.do("change-contact", HEALTH, parties={HEALTH: "unit"}, occurred_at=at("2026-09-30 15:30"))
    assert due(play, "announce") == at("2026-09-30 16:30")
    assert play.reason("announce-contact", HEALTH) == "COPY_MISSING"
    play.do("announce-contact", HEALTH, "2026-09-30 16:29", copies=(JUSTICE,))
    assert play.met("announce").outcome is Outcome.ON_TIME
    play.receive(JUSTICE, "2026-09-30 16:30")
    assert due(play, "file") == at("2026-10-09")
    assert play.reason("file-contact", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("file-contact", JUSTICE, "2026-10-08 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_roster_is_due_at_a_date_and_hour() -> None:
    """As the office set it, whatever the calendar says."""
    limit = at("2026-10-03 12:00")
    play = by_office("ask-roster", requested_limit=limit)
    assert due(play, "roster") == limit
    assert play.reason("send-roster", HEALTH, approvals=(), copies=(JUSTICE,)) == "APPROVAL_MISSING"
    play.do("send-roster", HEALTH, "2026-10-03 12:00", copies=(JUSTICE,))
    assert play.met("roster").outcome is Outcome.LATE


def test_a_spot_check_is_answered_or_recorded_as_silent() -> None:
    """Within the hour; the office ends it with what it found."""
    play = by_office("spot-check")
    assert due(play, "answer-check") == at("2026-09-30 10:00")
    assert play.reason("end-check", JUSTICE, outcome_code="") == "FIELD_REQUIRED"
    play.do("end-check", JUSTICE, "2026-09-30 10:30", outcome_code="03")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_only_the_office_checks() -> None:
    """Nobody makes itself the office."""
    play = Play("duty-order")
    assert (
        play.reason("spot-check", TOWN, parties={TOWN: "office", HEALTH: "unit"}) == "NOT_PERMITTED_FOR_ROLE"
    )
    assert (
        play.reason("spot-check", TOWN, parties={TOWN: "sender", HEALTH: "unit"}) == "NOT_PERMITTED_FOR_ROLE"
    )
