"""Appraisal (M05): opinion or conclusion, a supplement asked once, 3 working days as a rule."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, MARKET, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def requested(when: str = "2026-09-18 10:00") -> Play:
    """Requested, by default on Friday 18 September, and received at once."""
    play = Play("appraisal", now=at(when))
    play.do("request", MARKET, parties={MARKET: "asker", HEALTH: "appraiser"})
    play.receive(HEALTH, when)
    return play


def accepted(when: str = "2026-09-30 10:00") -> Play:
    """Accepted, by default on the last working day before the October holiday."""
    play = requested(when)
    play.do("sign-for", HEALTH)
    play.do("accept", HEALTH)
    return play


def concluded(when: str = "2026-04-30 10:00") -> Play:
    """Concluded, by default on the last working day before the May holiday."""
    play = accepted(when)
    play.do("conclude", HEALTH)
    return play


def test_a_request_carries_letter_and_samples() -> None:
    """The list of samples is in the file, the leader in charge approves."""
    play = Play("appraisal")
    parties = {MARKET: "asker", HEALTH: "appraiser"}
    assert play.reason("request", MARKET, parties=parties, materials=()) == "MATERIAL_MISSING"
    assert play.reason("request", MARKET, parties=parties, approvals=()) == "APPROVAL_MISSING"


def test_samples_are_signed_for_and_answered() -> None:
    """From Friday 18 September: one working day is Sunday the 20th, which is worked, two the 21st."""
    play = requested()
    assert (due(play, "sign"), due(play, "answer")) == (at("2026-09-21"), at("2026-09-22"))
    play.do("sign-for", HEALTH, "2026-09-20 10:00")
    assert play.met("sign").outcome is Outcome.ON_TIME
    play.do("accept", HEALTH, "2026-09-22 00:00")
    assert play.met("answer").outcome is Outcome.LATE


def test_a_supplement_is_asked_once_and_stops_the_answer() -> None:
    """Received Monday, asked Tuesday, supplied Thursday: Friday 6 and Monday 9 March are counted."""
    play = requested("2026-03-02 09:00")
    play.do("sign-for", HEALTH)
    assert play.reason("request-material", HEALTH, requested_limit=None) == "FIELD_REQUIRED"
    play.do("request-material", HEALTH, "2026-03-03 09:00", requested_limit=at("2026-03-10"))
    assert due(play, "material") == at("2026-03-10")
    play.do("supply-material", MARKET, "2026-03-05 09:00")
    assert due(play, "answer") == at("2026-03-10")
    assert play.reason("request-material", HEALTH) == "TOO_OFTEN"


def test_silence_extends_nothing() -> None:
    """A supplement that never came ends the pause at its own time; it may be accepted or refused without."""
    play = requested("2026-03-02 09:00")
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH, "2026-03-03 09:00", requested_limit=at("2026-03-05"))
    assert due(play, "answer") == at("2026-03-07")
    play.do("refuse", HEALTH, "2026-03-06 09:00")
    assert play.met("answer").outcome is Outcome.ON_TIME
    assert play.met("material").lapsed_at == play.now


def test_a_refusal_has_reasons() -> None:
    """Notice and reason; then the samples go back in five working days, 6 to 9 and 11 May."""
    play = requested("2026-04-30 09:00")
    assert play.reason("refuse", HEALTH, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("refuse", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("refuse", HEALTH)
    assert play.open_rules == ["close"]
    assert due(play, "close") == at("2026-05-12")
    play.do("close", MARKET, "2026-05-11 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_the_conclusion_is_due_in_three_working_days() -> None:
    """Accepted on 30 September: 8, 9 and Saturday 10 October, which is worked."""
    play = accepted()
    assert due(play, "conclude") == at("2026-10-11")
    assert play.reason("conclude", HEALTH, approvals=()) == "APPROVAL_MISSING"
    play.do("conclude", HEALTH, "2026-10-10 23:00")
    assert play.met("conclude").outcome is Outcome.ON_TIME


def test_an_extension_needs_a_reason_before_expiry() -> None:
    """By five working days, twice; at the due time no more."""
    play = accepted()
    assert play.reason("extend", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", HEALTH, "2026-10-10 10:00")
    # 12 to 16 October
    assert due(play, "conclude") == at("2026-10-17")
    play.now = at("2026-10-17 00:00")
    assert play.reason("extend", HEALTH) == "EXTENSION_AFTER_DUE"
    play.do("extend", HEALTH, "2026-10-16 10:00")
    # 19 to 23 October
    assert due(play, "conclude") == at("2026-10-24")
    assert play.reason("extend", HEALTH) == "TOO_OFTEN"


def test_a_conclusion_may_be_questioned_once() -> None:
    """Explained in three working days of receipt; the samples wait meanwhile."""
    play = concluded()
    assert due(play, "close") == at("2026-05-12")
    play.do("question", MARKET, "2026-05-06 10:00")
    play.receive(HEALTH, "2026-05-06 11:00")
    assert play.open_rules == ["explain"]
    # 7, 8 and Saturday 9 May
    assert due(play, "explain") == at("2026-05-10")
    play.do("explain", HEALTH, "2026-05-08 10:00")
    assert play.reason("question", MARKET) == "TOO_OFTEN"
    # 9, 11, 12, 13 and 14 May
    assert due(play, "close") == at("2026-05-15")


def test_a_request_can_be_withdrawn_until_it_is_concluded() -> None:
    """Everything owed in it ends."""
    play = accepted()
    play.do("withdraw", MARKET)
    assert (play.case.state, play.open_rules) == ("withdrawn", [])
    assert concluded().reason("withdraw", MARKET) == "NOT_PERMITTED_IN_STATE"


def test_nobody_else_speaks_and_only_the_author_corrects() -> None:
    """Not another department, nor the asker for the appraiser."""
    play = accepted()
    assert play.reason("conclude", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("conclude", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do("conclude", HEALTH)
    conclusion = play.letters["conclude"]
    assert play.reason("correct", MARKET, amended_letter=conclusion) == "AMENDED_LETTER_INVALID"
    play.do("correct", HEALTH, amended_letter=conclusion)
    assert play.case.state == "concluded"
