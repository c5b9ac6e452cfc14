"""Publication of government information (M16): the plan, the draft of a major decision, the review, the publishing."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at

OFFICE = JUSTICE
LEAD = {HEALTH: "lead"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def noticed() -> Play:
    """The year's notice of Tuesday 10 February."""
    play = Play("publication-task", now=at("2026-02-10 09:00"))
    play.do("notify", OFFICE, parties={OFFICE: "office", HEALTH: "lead"})
    return play


def submitted(when: str = "2026-02-13 09:00") -> Play:
    """A text sent for review, and at the office an hour later."""
    play = Play("publication-task", now=at(when))
    play.do("submit", HEALTH, parties=LEAD, copies=(OFFICE,))
    play.receive(OFFICE, when.replace("09:00", "10:00"))
    return play


def test_the_plan_is_due_twenty_working_days_after_the_notice() -> None:
    """Over the Spring Festival: 11 to 14, 24 to 28 February, 2 to 6, 9 to 13, 16 March."""
    play = noticed()
    assert due(play, "plan") == at("2026-03-17")
    bare = materials("plan")
    assert play.reason("submit-plan", HEALTH, materials=bare, copies=(OFFICE,)) == "MATERIAL_MISSING"
    assert play.reason("submit-plan", HEALTH, approvals=(), copies=(OFFICE,)) == "APPROVAL_MISSING"
    play.do("submit-plan", HEALTH, "2026-03-16 23:59", copies=(OFFICE,))
    assert play.met("plan").outcome is Outcome.ON_TIME


def test_a_plan_that_is_returned_runs_on_from_the_notice() -> None:
    """Returning it gains no time, and the office has five working days to say so."""
    play = noticed()
    play.do("submit-plan", HEALTH, "2026-02-12 09:00", copies=(OFFICE,))
    play.receive(OFFICE, "2026-02-12 10:00")
    # 13, the make-up 14, 24 to 26
    assert due(play, "file") == at("2026-02-27")
    play.do("return-plan", OFFICE, "2026-02-26 09:00", reason_code="01")
    assert due(play, "plan") == at("2026-03-17")


def test_tasks_are_reported_on_until_the_year_is_closed() -> None:
    """Every three months."""
    play = noticed()
    play.do("submit-plan", HEALTH, "2026-02-12 09:00", copies=(OFFICE,))
    play.do("accept-plan", OFFICE, "2026-02-13 09:00")
    assert due(play, "progress") == at("2026-05-14")
    play.do("progress", HEALTH, "2026-05-13 09:00", copies=(OFFICE,))
    assert due(play, "progress") == at("2026-08-14")
    assert play.reason("close", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("close", OFFICE, "2026-06-01 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_major_decision_is_published_as_a_draft_first() -> None:
    """With its explanation and a date; the text is reviewed once the comments are answered."""
    play = Play("publication-task", now=at("2026-03-02 09:00"))
    given = {"parties": LEAD, "copies": (OFFICE,)}
    bare = materials("decision-draft")
    assert play.reason("prepublish", HEALTH, materials=bare, **given) == "MATERIAL_MISSING"
    assert play.reason("prepublish", HEALTH, requested_limit=None, **given) == "FIELD_REQUIRED"
    limit = at("2026-04-20 00:00")
    play.do("prepublish", HEALTH, requested_limit=limit, parties=LEAD, copies=(OFFICE,))
    assert due(play, "comments") == limit
    assert play.reason("submit", HEALTH, copies=(OFFICE,)) == "NOT_PERMITTED_IN_STATE"
    play.do("answer-comments", HEALTH, "2026-04-17 09:00")
    assert play.met("comments").outcome is Outcome.ON_TIME
    play.do("submit", HEALTH, "2026-04-17 10:00", copies=(OFFICE,))


def test_the_review_takes_three_working_days() -> None:
    """From Friday 13 February: the make-up Saturday, then 24 and 25."""
    play = submitted()
    assert due(play, "review") == at("2026-02-26")
    assert play.reason("clear", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("clear", OFFICE, approvals=()) == "APPROVAL_MISSING"
    assert play.reason("publish", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("clear", OFFICE, "2026-02-25 09:00", requested_limit=at("2026-02-27 10:00"))
    assert play.met("review").outcome is Outcome.ON_TIME
    assert due(play, "publish") == at("2026-02-27 10:00")


def test_a_text_goes_to_review_checked_in_its_own_house() -> None:
    """By the head of the section and the legal reviewer."""
    play = Play("publication-task")
    given = {"parties": LEAD, "copies": (OFFICE,)}
    one = approvals("section-head")
    assert play.reason("submit", HEALTH, approvals=one, **given) == "APPROVAL_MISSING"
    assert play.reason("submit", HEALTH, parties=LEAD) == "COPY_MISSING"


def test_what_is_returned_is_revised_or_dropped() -> None:
    """Five working days from Wednesday 29 April: 30 April, 6 to 8 May and the make-up 9th."""
    play = submitted("2026-04-28 09:00")
    assert play.reason("return", OFFICE, reason_code="") == "FIELD_REQUIRED"
    play.do("return", OFFICE, "2026-04-29 09:00", reason_code="01")
    assert due(play, "revise") == at("2026-05-10")
    play.do("submit", HEALTH, "2026-05-09 09:00", copies=(OFFICE,))
    assert play.met("revise").outcome is Outcome.ON_TIME
    play.do("drop", HEALTH, "2026-05-09 10:00", reason_code="02")
    assert (play.case.state, play.open_rules) == ("dropped", [])


def test_the_co_responsible_are_heard_before_it_is_cleared() -> None:
    """Three working days from receipt on 30 September: 8, 9 and the make-up 10 October."""
    play = Play("publication-task", now=at("2026-09-30 09:00"))
    assert play.reason("ask-co", HEALTH, parties=LEAD) == "PARTY_INVALID"
    play.do("ask-co", HEALTH, parties={**LEAD, MARKET: "co"}, copies=(MARKET,))
    play.receive(MARKET, "2026-09-30 10:00")
    assert due(play, "co-opinion") == at("2026-10-11")
    assert play.reason("co-opinion", TOWN, copies=(HEALTH,)) == "NOT_PERMITTED_FOR_ROLE"
    play.do("submit", HEALTH, "2026-10-08 09:00", copies=(OFFICE,))
    assert play.reason("clear", OFFICE) == "OBLIGATION_OPEN"
    play.do("co-opinion", MARKET, "2026-10-10 09:00", copies=(HEALTH,))
    assert play.met("co-opinion").outcome is Outcome.ON_TIME
    play.do("clear", OFFICE, "2026-10-10 10:00")


def test_what_was_published_can_be_taken_down_and_mended() -> None:
    """By the lead or the office, with a reason; it is reviewed again before it goes out again."""
    play = submitted()
    play.do("clear", OFFICE, "2026-02-24 09:00", requested_limit=at("2026-02-25 10:00"))
    play.do("publish", HEALTH, "2026-02-25 10:00")
    assert play.met("publish").outcome is Outcome.LATE
    assert play.reason("take-down", OFFICE, reason_code="") == "FIELD_REQUIRED"
    play.do("take-down", OFFICE, "2026-02-25 11:00", reason_code="01")
    assert play.reason("publish", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("submit", HEALTH, "2026-02-26 09:00", copies=(OFFICE,))
    play.do("clear", OFFICE, "2026-02-27 09:00")
    play.do("publish", HEALTH, "2026-02-27 10:00")
    play.do("close", OFFICE, "2026-02-27 11:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
