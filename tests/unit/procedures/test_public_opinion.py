"""Response to public opinion (M16): 5 hours, 24 hours, 48 hours."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

PUBLICITY = "publicity.qinghe"
HERE = LAW.with_department(PUBLICITY)
PARTIES = {PUBLICITY: "monitor", HEALTH: "responder"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def alerted(urgency: Urgency = Urgency.ORDINARY) -> Play:
    """Opinion of 18:00 on the eve of the National Day holiday, passed on at 20:00."""
    play = Play("public-opinion", law=HERE, now=at("2026-09-30 20:00"))
    act = "alert-major" if urgency is Urgency.MAJOR else "alert"
    play.do(act, PUBLICITY, parties=PARTIES, urgency=urgency, occurred_at=at("2026-09-30 18:00"))
    return play


def test_an_ordinary_matter_is_answered_in_48_hours() -> None:
    """From its rise, through the holiday."""
    play = alerted()
    assert due(play, "respond") == at("2026-10-02 18:00")
    assert due(play, "sign") == at("2026-09-30 21:00")
    assert play.reason("respond", HEALTH, approvals=()) == "APPROVAL_MISSING"
    assert play.reason("respond", HEALTH, materials=()) == "MATERIAL_MISSING"
    assert play.reason("respond", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do("respond", HEALTH, "2026-10-02 17:59")
    assert play.met("respond").outcome is Outcome.ON_TIME


def test_a_major_emergency_has_a_statement_in_5_and_a_conference_in_24_hours() -> None:
    """The statement does not stand in for the conference."""
    play = alerted(Urgency.MAJOR)
    assert (due(play, "statement"), due(play, "conference")) == (
        at("2026-09-30 23:00"),
        at("2026-10-01 18:00"),
    )
    refused = play.reason("statement", HEALTH, approvals=approvals("leader-in-charge"))
    assert refused == "APPROVAL_MISSING"
    play.do("statement", HEALTH, "2026-09-30 22:30")
    assert play.met("statement").outcome is Outcome.ON_TIME
    assert play.open_rules == ["conference"]
    assert play.reason("close", PUBLICITY, outcome_code="01") == "NOT_PERMITTED_IN_STATE"
    play.do("press-conference", HEALTH, "2026-10-01 18:00")
    assert play.met("conference").outcome is Outcome.LATE


def test_an_early_conference_is_a_statement_too() -> None:
    """Held within the five hours it meets both."""
    play = alerted(Urgency.MAJOR)
    play.do("press-conference", HEALTH, "2026-09-30 22:59")
    assert {play.met(each).outcome for each in ("statement", "conference")} == {Outcome.ON_TIME}


def test_the_way_follows_the_urgency() -> None:
    """A major matter is not passed on as an ordinary one, nor the other way round."""
    play = Play("public-opinion", law=HERE)
    given = {"parties": PARTIES}
    assert play.reason("alert", PUBLICITY, urgency=Urgency.MAJOR, **given) == "URGENCY_NOT_PERMITTED"
    assert play.reason("alert-major", PUBLICITY, urgency=Urgency.URGENT, **given) == "URGENCY_NOT_PERMITTED"


def test_raising_starts_the_short_clocks_and_stops_none() -> None:
    """The 48 hours go on until a statement answers them."""
    play = alerted()
    assert play.reason("raise", HEALTH) == "URGENCY_NOT_PERMITTED"
    play.do("raise", HEALTH, "2026-10-01 06:00", urgency=Urgency.MAJOR)
    assert due(play, "statement") == at("2026-10-01 11:00")
    assert due(play, "conference") == at("2026-10-02 06:00")
    assert due(play, "respond") == at("2026-10-02 18:00")
    play.do("statement", HEALTH, "2026-10-01 10:00")
    assert play.met("respond").outcome is Outcome.ON_TIME


def test_a_matter_of_another_goes_back_and_on() -> None:
    """The first no longer owes; the hours of the next still run from the rise of the matter."""
    play = alerted()
    assert play.reason("return", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("return", HEALTH, "2026-09-30 21:00", reason_code="01")
    assert play.open_rules == ["reassign"]
    assert due(play, "reassign") == at("2026-09-30 22:00")
    play.do(
        "alert",
        PUBLICITY,
        "2026-09-30 21:30",
        parties={MARKET: "responder"},
        occurred_at=at("2026-09-30 18:00"),
    )
    assert play.owed("respond").owed_by == MARKET
    assert due(play, "respond") == at("2026-10-02 18:00")


def test_a_further_answer_and_the_evaluation() -> None:
    """Ten working days from Friday 25 September, a holiday: 28 to 30, 8, 9, the make-up 10th, 12 to 15 October."""
    play = Play("public-opinion", law=HERE, now=at("2026-09-25 08:00"))
    play.do("alert", PUBLICITY, parties=PARTIES)
    play.do("respond", HEALTH, "2026-09-25 12:00")
    assert due(play, "evaluate") == at("2026-10-16")
    limit = at("2026-09-26 12:00")
    play.do("ask-more", PUBLICITY, requested_limit=limit)
    assert due(play, "more") == limit
    assert play.reason("close", PUBLICITY, outcome_code="01") == "OBLIGATION_OPEN"
    play.do("follow-up", HEALTH, "2026-09-26 11:00")
    assert play.reason("close", TOWN, outcome_code="01") == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("close", PUBLICITY, outcome_code="") == "FIELD_REQUIRED"
    play.do("close", PUBLICITY, "2026-10-15 09:00", outcome_code="01")
    assert (play.met("evaluate").outcome, play.open_rules) == (Outcome.ON_TIME, [])
