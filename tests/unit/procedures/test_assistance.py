"""Assistance in enforcement (M05): 3 working days as a rule, on the spot at once when it is urgent."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, POLICE, TOWN, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at

PARTIES = {HEALTH: "asker", POLICE: "helper"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def asked(when: str = "2026-02-13 10:00") -> Play:
    """Help asked for, by default on Friday 13 February, and received at once."""
    play = Play("assistance", now=at(when))
    play.do("ask", HEALTH, parties=PARTIES)
    play.receive(POLICE, when)
    return play


def called(when: str = "2026-10-01 02:00") -> Play:
    """Called to the spot in the night of a holiday; the letter is only announced."""
    play = Play("assistance", now=at(when))
    announced = materials(announced=["request-letter"])
    play.do("call", HEALTH, parties=PARTIES, urgency=Urgency.URGENT, materials=announced)
    return play


def refused() -> Play:
    """Refused on Tuesday 24 March."""
    play = asked("2026-03-23 10:00")
    play.do("refuse", POLICE, "2026-03-24 10:00")
    play.receive(HEALTH, "2026-03-24 11:00")
    return play


def test_help_is_given_in_three_working_days() -> None:
    """From receipt on Friday 13 February: 14 (worked), 24 and 25 February, after the festival."""
    play = asked()
    assert due(play, "help") == at("2026-02-26")
    play.do("agree", POLICE, "2026-02-14 09:00")
    assert due(play, "help") == at("2026-02-26")
    play.do("help", POLICE, "2026-02-25 23:59")
    assert play.met("help").outcome is Outcome.ON_TIME


def test_silence_stops_no_clock() -> None:
    """Never received, it counts from the next working day, 8 October: 9, 10 (worked) and 12."""
    play = Play("assistance", now=at("2026-09-30 10:00"))
    play.do("ask", HEALTH, parties=PARTIES)
    assert due(play, "help") == at("2026-10-13")


def test_an_extension_needs_notice_and_reason_before_expiry() -> None:
    """Once, by three working days: 26, 27 and 28 February, a Saturday that is worked."""
    play = asked()
    assert play.reason("extend", POLICE, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("extend", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("extend", POLICE, "2026-02-25 23:59")
    assert due(play, "help") == at("2026-03-01")
    assert play.reason("extend", POLICE) == "TOO_OFTEN"


def test_what_is_due_is_not_extended() -> None:
    """At the due time it is too late, and the help is admitted late."""
    play = asked()
    play.now = at("2026-02-26 00:00")
    assert play.reason("extend", POLICE) == "EXTENSION_AFTER_DUE"
    play.do("help", POLICE)
    assert play.met("help").outcome is Outcome.LATE


@pytest.mark.parametrize("urgency", [Urgency.URGENT, Urgency.MAJOR])
def test_a_call_is_answered_on_the_spot_at_once(urgency: Urgency) -> None:
    """In an hour, through night and holiday; the ordinary limit of the help runs beside it."""
    play = Play("assistance", now=at("2026-10-01 02:00"))
    assert play.reason("call", HEALTH, parties=PARTIES) == "URGENCY_NOT_PERMITTED"
    play.do("call", HEALTH, parties=PARTIES, urgency=urgency)
    assert due(play, "attend") == at("2026-10-01 03:00")
    assert play.open_rules == ["attend", "help"]
    assert play.reason("extend", POLICE) == "NOT_PERMITTED_IN_STATE"
    play.do("arrive", POLICE, "2026-10-01 02:40")
    assert play.met("attend").outcome is Outcome.ON_TIME
    assert (play.case.state, play.open_rules) == ("present", ["help"])


def test_evidence_at_risk_turns_a_request_into_a_call() -> None:
    """The clock that runs goes on, the stricter one opens beside it."""
    play = asked("2026-03-02 10:00")
    play.do("call", HEALTH, "2026-03-03 20:00", urgency=Urgency.URGENT)
    assert due(play, "attend") == at("2026-03-03 21:00")
    assert due(play, "help") == at("2026-03-06")


def test_the_letter_follows_a_call_within_a_day() -> None:
    """The people come first; the case is not closed without the letter."""
    play = called()
    assert due(play, "evidence") == at("2026-10-02 02:00")
    play.do("arrive", POLICE, "2026-10-01 02:30")
    play.do("help", POLICE, "2026-10-01 09:00")
    assert play.reason("close", HEALTH) == "OBLIGATION_OPEN"
    play.do("supplement", HEALTH, "2026-10-01 10:00", materials=materials("request-letter"))
    assert play.met("evidence").outcome is Outcome.ON_TIME
    play.do("close", HEALTH)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_refusal_has_reasons_and_ends_the_clock() -> None:
    """Approved, with the grounds in the file."""
    play = asked()
    assert play.reason("refuse", POLICE, approvals=()) == "APPROVAL_MISSING"
    assert play.reason("refuse", POLICE, materials=()) == "MATERIAL_MISSING"
    play.do("refuse", POLICE, "2026-02-14 10:00")
    assert play.met("help").outcome is Outcome.ON_TIME
    assert play.open_rules == ["contest"]


def test_a_refusal_is_contested_in_a_case_of_its_own() -> None:
    """The office settles in 15 working days, over the April holiday; then the help is owed anew."""
    play = refused()
    assert due(play, "contest") == at("2026-03-28")
    assert play.procedure.acts["contest"].opens_case == "enforcement-dispute"
    play.do("contest", HEALTH, "2026-03-25 10:00")
    # 26, 27, 30, 31 March, 1 to 3, 7 to 10 and 13 to 16 April
    assert (play.owed("settle").owed_by, due(play, "settle")) == (JUSTICE, at("2026-04-17"))
    play.do("confirm", JUSTICE, "2026-04-03 10:00")
    play.receive(POLICE, "2026-04-03 11:00")
    # 7, 8 and 9 April
    assert due(play, "help") == at("2026-04-10")


@pytest.mark.parametrize(
    ("act", "author", "state", "owed"),
    [
        ("release", JUSTICE, "released", []),
        ("comply", POLICE, "agreed", ["help-after-all"]),
        ("withdraw", HEALTH, "withdrawn", []),
    ],
)
def test_a_contested_refusal_has_other_ends(act: str, author: str, state: str, owed: list[str]) -> None:
    """The office releases, the helper helps after all, or the asker gives up."""
    play = refused()
    play.do("contest", HEALTH)
    play.do(act, author)
    assert (play.case.state, play.open_rules) == (state, owed)


def test_help_after_all_is_given_in_three_working_days() -> None:
    """From the decision on Friday 3 April: 7, 8 and 9 April; it can be extended as any help."""
    play = refused()
    play.do("comply", POLICE, "2026-04-03 10:00")
    assert due(play, "help-after-all") == at("2026-04-10")
    assert play.met("contest").lapsed_at == play.now
    play.do("extend", POLICE, "2026-04-09 10:00")
    # 10, 13 and 14 April
    assert due(play, "help-after-all") == at("2026-04-15")
    play.do("help", POLICE, "2026-04-14 10:00")
    assert play.met("help-after-all").outcome is Outcome.ON_TIME


def test_what_is_missing_is_asked_for_once() -> None:
    """Helped on 30 April: five working days are 6 to 9 May, the 9th being worked, and the 11th."""
    play = asked("2026-04-29 10:00")
    play.do("help", POLICE, "2026-04-30 10:00")
    assert due(play, "conclude") == at("2026-05-12")
    play.do("ask-again", HEALTH, "2026-05-06 10:00")
    assert play.open_rules == ["help"]
    play.do("help", POLICE, "2026-05-07 10:00")
    assert play.reason("ask-again", HEALTH) == "TOO_OFTEN"
    play.do("close", HEALTH)
    assert play.case.state == "closed"


def test_help_goes_both_ways_and_only_between_the_two() -> None:
    """A town asks a department or a department a town; nobody else acts in it."""
    play = Play("assistance")
    play.do("ask", TOWN, parties={TOWN: "asker", HEALTH: "helper"})
    assert play.reason("help", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("help", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    play.do("help", HEALTH)
    back = Play("assistance")
    back.do("ask", HEALTH, parties={HEALTH: "asker", TOWN: "helper"})
    back.do("withdraw", HEALTH)
    assert (back.case.state, back.open_rules) == ("withdrawn", [])
