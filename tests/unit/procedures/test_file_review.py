"""Review of case files (M31): sample, score, defect, correction, re-check."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

PARTIES = {HEALTH: "reviewed", MARKET: "reviewer"}
LIST_BY = at("2026-03-13 18:00")
PUT_RIGHT_BY = at("2026-05-29 18:00")


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def notified(when: str = "2026-03-02 09:00", by: datetime = LIST_BY) -> Play:
    """A review that was announced."""
    play = Play("file-review", now=at(when))
    play.do("notify", JUSTICE, parties=PARTIES, requested_limit=by)
    return play


def handed_in() -> Play:
    """The files that were drawn have come to the reviewer on Thursday 2 April."""
    play = notified()
    play.do("submit-list", HEALTH, "2026-03-13 17:00")
    play.do("sample", JUSTICE, "2026-03-31 09:00")
    play.do("hand-in", HEALTH, "2026-04-02 09:00")
    play.receive(MARKET, "2026-04-02 10:00")
    return play


def scored() -> Play:
    """Scored on Wednesday 29 April."""
    play = handed_in()
    play.do("score", MARKET, "2026-04-29 09:00")
    play.receive(HEALTH, "2026-04-29 10:00")
    return play


def corrected() -> Play:
    """The defects were put right on Wednesday 27 May."""
    play = scored()
    play.do("agree", HEALTH, "2026-05-07 09:00")
    play.do("demand-correction", JUSTICE, "2026-05-08 09:00", requested_limit=PUT_RIGHT_BY)
    play.do("rectify", HEALTH, "2026-05-27 09:00")
    play.receive(JUSTICE, "2026-05-27 10:00")
    return play


def test_the_list_is_due_on_the_date_of_the_notice() -> None:
    """And the office draws in five working days, over the Spring Festival from 11 February to the 25th."""
    play = notified()
    assert due(play, "list") == LIST_BY
    assert play.reason("sample", JUSTICE) == "NOT_PERMITTED_IN_STATE"
    play = notified("2026-02-02 09:00", at("2026-02-12 18:00"))
    play.do("submit-list", HEALTH, "2026-02-11 09:00")
    assert due(play, "sample") == at("2026-02-26")


def test_two_persons_draw() -> None:
    """One is not enough, nor may the reviewed draw its own files."""
    play = notified()
    play.do("submit-list", HEALTH)
    assert play.reason("sample", JUSTICE, approvals=approvals("officer")) == "APPROVAL_MISSING"
    assert play.reason("sample", HEALTH) == "NOT_PERMITTED_FOR_ROLE"


def test_drawn_files_are_handed_in_in_three_working_days() -> None:
    """Received on Thursday 2 April: 3, then 7 and 8 behind the holiday."""
    play = notified()
    play.do("submit-list", HEALTH)
    play.do("sample", JUSTICE, "2026-04-02 09:00")
    play.receive(HEALTH, "2026-04-02 09:10")
    assert due(play, "files") == at("2026-04-09")


def test_files_are_scored_in_fifteen_working_days() -> None:
    """3, 7 to 10, 13 to 17, 20 to 24 April; a legal reviewer signs the sheet."""
    play = handed_in()
    assert due(play, "score") == at("2026-04-25")
    assert play.reason("score", MARKET, approvals=approvals("officer")) == "APPROVAL_MISSING"
    assert play.reason("score", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("score", MARKET, "2026-04-27 09:00")
    assert play.met("score").outcome is Outcome.LATE


def test_the_reviewed_agrees_or_objects_once() -> None:
    """In five working days, 30 April, 6, 7, 8 and the make-up Saturday 9; scored again in ten."""
    play = scored()
    assert due(play, "object") == at("2026-05-10")
    play.do("object", HEALTH, "2026-05-09 09:00")
    assert play.met("object").outcome is Outcome.ON_TIME
    play.receive(JUSTICE, "2026-05-09 10:00")
    assert due(play, "rescore") == at("2026-05-23")
    assert play.reason("rescore", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do("rescore", JUSTICE, "2026-05-13 09:00")
    assert play.reason("object", HEALTH) == "TOO_OFTEN"
    # 14, 15, 18 to 22, 25 to 29 May, 1 to 3 June
    assert due(play, "conclude") == at("2026-06-04")


def test_silence_lets_the_scores_stand() -> None:
    """Fifteen working days for the opinion: from 30 April to 22 May with the make-up Saturday."""
    play = scored()
    # 30, 6, 7, 8, 9, 11 to 15, 18 to 22
    assert due(play, "conclude") == at("2026-05-23")
    play.do("demand-correction", JUSTICE, "2026-05-20 09:00", requested_limit=PUT_RIGHT_BY)
    assert play.open_rules == ["rectify"]


def test_without_defects_the_result_is_circulated_at_once() -> None:
    """Nothing is owed afterwards."""
    play = scored()
    assert play.reason("circulate", JUSTICE, materials=()) == "MATERIAL_MISSING"
    play.do("circulate", JUSTICE, "2026-05-11 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_defects_are_put_right_by_the_date_or_extended_with_reasons() -> None:
    """The date is the opinion's."""
    play = scored()
    assert play.reason("demand-correction", JUSTICE, requested_limit=None) == "FIELD_REQUIRED"
    play.do("demand-correction", JUSTICE, "2026-05-08 09:00", requested_limit=PUT_RIGHT_BY)
    assert due(play, "rectify") == PUT_RIGHT_BY
    assert play.reason("extend", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", JUSTICE, "2026-05-28 09:00", requested_limit=at("2026-06-12 18:00"))
    assert due(play, "rectify") == at("2026-06-12 18:00")


def test_they_are_checked_again() -> None:
    """In ten working days to 10 June; what fails comes back with a new date, what passes is circulated in ten."""
    play = corrected()
    assert due(play, "recheck") == at("2026-06-11")
    play.do("fail", MARKET, "2026-06-08 09:00", requested_limit=at("2026-06-30 18:00"))
    assert due(play, "rectify") == at("2026-06-30 18:00")
    play.do("rectify", HEALTH, "2026-06-17 09:00")
    assert play.reason("pass", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("pass", JUSTICE, "2026-06-18 09:00")
    # the 19th is a holiday: 22 to 26, 29 June to 3 July
    assert due(play, "circulate") == at("2026-07-04")
    play.do("circulate", JUSTICE, "2026-07-03 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_nobody_else_speaks() -> None:
    """A third department has no part in it."""
    play = scored()
    assert play.reason("object", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("circulate", MARKET) == "NOT_PERMITTED_FOR_ROLE"
