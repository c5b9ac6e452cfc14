"""Random inspections (M22): plan, announced draw, inspection, published results, violations handed on."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

YEAR_END = at("2026-11-30 18:00")
DRAWN_AT = at("2026-03-10 10:00")
INSPECTORS = {HEALTH: "inspectors", TOWN: "inspectors"}
COPY = (JUSTICE,)


def owed_by(play: Play, rule: str) -> dict[str, datetime]:
    """When each owes something of a rule."""
    found = [each for each in play.case.open_obligations if each.rule == rule]
    return {each.owed_by: due_time(each, NATIONAL) for each in found}


def planned() -> Play:
    """A plan with its quota."""
    play = Play("random-inspection", now=at("2026-03-02 09:00"))
    play.do("plan", MARKET, parties={MARKET: "initiator"}, requested_limit=YEAR_END)
    return play


def announced() -> Play:
    """The draw is announced for Tuesday 10 March at ten."""
    play = planned()
    play.do("announce-draw", MARKET, "2026-03-03 09:00", copies=COPY, requested_limit=DRAWN_AT)
    return play


def assigned(when: str = "2026-04-01 09:00") -> Play:
    """Two units have their tasks."""
    play = announced()
    play.do("draw", MARKET, "2026-03-10 09:55", copies=COPY)
    play.do("assign", MARKET, when, parties=INSPECTORS)
    for unit in INSPECTORS:
        play.receive(unit, when.replace("09:00", "10:00"))
    return play


def test_the_quota_is_due_by_the_date_of_the_plan() -> None:
    """Marked as late if the inspection is closed afterwards."""
    play = planned()
    assert owed_by(play, "quota") == {MARKET: YEAR_END}
    assert Play("random-inspection").reason(
        "plan", MARKET, parties={MARKET: "initiator"}, requested_limit=None
    ) == ("FIELD_REQUIRED")


def test_no_draw_that_was_not_announced() -> None:
    """The notice carries both libraries and the time, and the office has its copy."""
    play = planned()
    assert play.reason("draw", MARKET, copies=COPY) == "NOT_PERMITTED_IN_STATE"
    given = {"requested_limit": DRAWN_AT}
    assert play.reason("announce-draw", MARKET, **given) == "COPY_MISSING"
    assert play.reason("announce-draw", MARKET, **given, copies=COPY, materials=()) == "MATERIAL_MISSING"
    assert play.reason("announce-draw", MARKET, copies=COPY, requested_limit=None) == "FIELD_REQUIRED"
    assert owed_by(announced(), "draw") == {MARKET: DRAWN_AT}


def test_two_officers_witness_the_draw() -> None:
    """One is not two; the task goes out in five working days."""
    play = announced()
    assert play.reason("draw", MARKET, copies=COPY, approvals=approvals("officer")) == "APPROVAL_MISSING"
    play.do("draw", MARKET, "2026-03-10 09:55", copies=COPY)
    assert play.met("draw").outcome is Outcome.ON_TIME
    # 11, 12, 13, 16, 17
    assert owed_by(play, "assign") == {MARKET: at("2026-03-18")}


def test_the_task_goes_out_over_the_holiday() -> None:
    """Drawn on Thursday 12 February: 13, the make-up Saturday, 24, 25 and 26."""
    play = Play("random-inspection", now=at("2026-02-02 09:00"))
    play.do("plan", MARKET, parties={MARKET: "initiator"}, requested_limit=YEAR_END)
    play.do("announce-draw", MARKET, copies=COPY, requested_limit=at("2026-02-12 10:00"))
    play.do("draw", MARKET, "2026-02-12 09:00", copies=COPY)
    assert owed_by(play, "assign") == {MARKET: at("2026-02-27")}


def test_a_void_draw_begins_again_with_a_notice() -> None:
    """With a reason, known to the office."""
    play = announced()
    play.do("draw", MARKET, "2026-03-10 09:55", copies=COPY)
    assert play.reason("void-draw", MARKET, copies=COPY, reason_code="") == "FIELD_REQUIRED"
    play.do("void-draw", MARKET, "2026-03-11 09:00", copies=COPY)
    assert (play.case.state, play.open_rules) == ("planned", ["quota"])
    assert play.reason("draw", MARKET, copies=COPY) == "NOT_PERMITTED_IN_STATE"


def test_every_unit_inspects_in_thirty_days() -> None:
    """From 1 April to Friday 1 May, behind the holiday to the 6th; extended once, in time, for who is not done."""
    play = assigned()
    assert owed_by(play, "inspect") == {HEALTH: at("2026-05-07"), TOWN: at("2026-05-07")}
    play.do("finish", HEALTH, "2026-04-20 09:00")
    assert play.reason("extend", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", MARKET, "2026-05-06 09:00")
    # 45 days after 1 April is Saturday 16 May
    assert owed_by(play, "inspect") == {TOWN: at("2026-05-19")}
    assert play.reason("extend", MARKET) == "TOO_OFTEN"
    late = assigned()
    late.now = at("2026-05-07")
    assert late.reason("extend", MARKET) == "EXTENSION_AFTER_DUE"


def test_a_department_may_inspect_by_itself() -> None:
    """It owes the task itself then."""
    play = announced()
    play.do("draw", MARKET, "2026-03-10 09:55", copies=COPY)
    assert play.reason("assign", MARKET) == "PARTY_INVALID"
    play.do("assign-own", MARKET, "2026-03-11 09:00")
    assert owed_by(play, "inspect-own") == {MARKET: at("2026-04-11")}
    play.do("result", MARKET, "2026-04-10 09:00")
    play.do("finish", MARKET)
    play.do("publish", MARKET)
    play.do("close", MARKET)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_results_are_published_in_twenty_working_days() -> None:
    """From the oldest that is not: 29 April to 29 May, with the make-up Saturday 9."""
    play = assigned()
    assert play.reason("result", HEALTH, approvals=approvals("officer")) == "APPROVAL_MISSING"
    play.do("result", HEALTH, "2026-04-29 09:00")
    # 30, 6, 7, 8, 9, 11 to 15, 18 to 22, 25 to 29
    assert owed_by(play, "publish") == {MARKET: at("2026-05-30")}
    play.do("result", TOWN, "2026-05-06 09:00")
    assert owed_by(play, "publish") == {MARKET: at("2026-05-30")}
    assert play.reason("publish", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("publish", MARKET, "2026-05-29 09:00")
    assert play.met("publish").outcome is Outcome.ON_TIME


def test_a_violation_is_handed_on_to_a_case_of_its_own() -> None:
    """In three working days from the inspection; with its evidence, and the case linked."""
    play = assigned()
    assert play.reason("result-violation", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("result-violation", HEALTH, "2026-04-03 09:00")
    # the holiday of 4 to 6 April, then 7, 8, 9
    assert owed_by(play, "hand-on") == {MARKET: at("2026-04-10")}
    assert play.reason("hand-on", MARKET, linked_cases=()) == "FIELD_REQUIRED"
    play.do("hand-on", HEALTH, "2026-04-09 09:00")
    assert play.met("hand-on").outcome is Outcome.ON_TIME


def test_it_is_closed_when_all_is_inspected_published_and_handed_on() -> None:
    """One after the other."""
    play = assigned()
    play.do("result-violation", HEALTH, "2026-04-20 09:00")
    for act, author in (
        ("finish", HEALTH),
        ("finish", TOWN),
        ("publish", MARKET),
        ("hand-on", MARKET),
    ):
        assert play.reason("close", MARKET) == "OBLIGATION_OPEN"
        play.do(act, author, "2026-04-21 09:00")
    play.do("close", MARKET, "2026-04-22 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_nobody_else_speaks() -> None:
    """The inspected draw nothing; a stranger records nothing."""
    assert announced().reason("draw", HEALTH, copies=COPY) == "NOT_PERMITTED_FOR_ROLE"
    assert assigned().reason("result", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
