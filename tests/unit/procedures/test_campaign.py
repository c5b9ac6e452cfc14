"""Campaigns (M25): plan to tasks down to section and person, stages, reports due on dates."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

UNITS = {HEALTH: "units", TOWN: "units"}
END = at("2026-11-30 18:00")
STAGE_END = at("2026-06-30 18:00")


def owed_by(play: Play, rule: str) -> dict[str, datetime]:
    """When each unit owes something of a rule."""
    found = [each for each in play.case.open_obligations if each.rule == rule]
    return {each.owed_by: due_time(each, NATIONAL) for each in found}


def planned(when: str = "2026-03-02 09:00") -> Play:
    """A plan for two units."""
    play = Play("campaign", now=at(when))
    play.do("plan", JUSTICE, parties=UNITS, requested_limit=END)
    for unit in UNITS:
        play.receive(unit, when.replace("09:00", "10:00"))
    return play


def in_stage() -> Play:
    """The tasks are broken down and the first stage runs."""
    play = planned()
    for unit in UNITS:
        play.do("break-down", unit, "2026-03-05 09:00")
    play.do("start-stage", JUSTICE, "2026-03-09 09:00", requested_limit=STAGE_END)
    return play


def test_the_plan_is_the_principals_and_has_an_end() -> None:
    """Only the office plans."""
    play = Play("campaign")
    given = {"parties": UNITS, "requested_limit": END}
    assert play.reason("plan", HEALTH, **given) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("plan", JUSTICE, parties=UNITS, requested_limit=None) == "FIELD_REQUIRED"
    assert (
        play.reason("plan", JUSTICE, **given, approvals=approvals("leader-in-charge")) == "APPROVAL_MISSING"
    )
    assert play.reason("plan", JUSTICE, parties={}, requested_limit=END) == "PARTY_INVALID"


def test_every_unit_breaks_its_own_tasks_down() -> None:
    """Five working days each; what one did does not count for the other."""
    play = planned()
    assert owed_by(play, "break-down") == {HEALTH: at("2026-03-10"), TOWN: at("2026-03-10")}
    play.do("break-down", TOWN, "2026-03-09 09:00")
    assert play.met("break-down").outcome is Outcome.ON_TIME
    assert set(owed_by(play, "break-down")) == {HEALTH}
    assert play.reason("break-down", MARKET) == "NOT_PERMITTED_FOR_ROLE"


def test_five_working_days_over_the_spring_festival() -> None:
    """From Thursday 12 February: 13, the make-up Saturday, 24, 25 and 26."""
    assert owed_by(planned("2026-02-12 09:00"), "break-down")[TOWN] == at("2026-02-27")


def test_all_tasks_are_done_by_the_end() -> None:
    """Each unit says so for itself."""
    play = in_stage()
    assert owed_by(play, "tasks") == {HEALTH: END, TOWN: END}
    play.do("complete", HEALTH, "2026-11-30 18:00")
    assert play.met("tasks").outcome is Outcome.LATE
    assert set(owed_by(play, "tasks")) == {TOWN}


def test_a_stage_ends_by_its_date_or_later_only_with_an_interim_summary() -> None:
    """With reason and new date; a stage that is late already stays late."""
    play = in_stage()
    assert owed_by(play, "stage") == {JUSTICE: STAGE_END}
    later = at("2026-07-31 18:00")
    given = {"requested_limit": later}
    assert play.reason("defer-stage", JUSTICE, **given, materials=()) == "MATERIAL_MISSING"
    assert play.reason("defer-stage", JUSTICE, **given, reason_code="") == "FIELD_REQUIRED"
    play.do("defer-stage", JUSTICE, "2026-06-29 09:00", **given)
    assert play.met("stage").outcome is Outcome.ON_TIME
    assert owed_by(play, "stage") == {JUSTICE: later}
    play.do("defer-stage", JUSTICE, "2026-08-03 09:00", requested_limit=at("2026-08-31 18:00"))
    assert play.met("stage").outcome is Outcome.LATE


def test_one_stage_follows_another() -> None:
    """In ten working days: from Tuesday 29 September 30, 8, 9, the make-up Saturday, 12 to 16 and 19 October."""
    play = in_stage()
    assert play.reason("start-stage", JUSTICE) == "NOT_PERMITTED_IN_STATE"
    play.do("end-stage", JUSTICE, "2026-09-29 09:00")
    assert owed_by(play, "next") == {JUSTICE: at("2026-10-20")}
    play.do("start-stage", JUSTICE, "2026-10-12 09:00", requested_limit=END)
    assert play.met("next").outcome is Outcome.ON_TIME


def test_reports_are_due_on_the_dates_that_ask_for_them() -> None:
    """From every unit, nil reports too."""
    play = in_stage()
    friday = at("2026-03-27 12:00")
    play.do("ask-reports", JUSTICE, "2026-03-20 09:00", requested_limit=friday)
    assert owed_by(play, "report") == {HEALTH: friday, TOWN: friday}
    play.do("report", HEALTH, "2026-03-27 11:59")
    assert play.met("report").outcome is Outcome.ON_TIME
    play.do("report", TOWN, "2026-03-27 12:00")
    assert play.met("report").outcome is Outcome.LATE


def test_who_is_urged_answers_in_three_working_days() -> None:
    """From Thursday 30 April: 6, 7 and 8 May."""
    play = in_stage()
    play.do("urge", JUSTICE, "2026-04-30 09:00")
    play.receive(TOWN, "2026-04-30 09:10")
    assert owed_by(play, "urged")[TOWN] == at("2026-05-09")
    play.do("report", TOWN, "2026-05-08 09:00")
    assert set(owed_by(play, "urged")) == {HEALTH}


def test_it_is_summed_up_between_stages_and_owes_nothing_then() -> None:
    """Not in the middle of one; whoever sums up has seen the last report."""
    play = in_stage()
    assert play.reason("summarise", JUSTICE) == "NOT_PERMITTED_IN_STATE"
    play.do("end-stage", JUSTICE, "2026-06-29 09:00")
    read = play.case.last_position
    play.do("complete", HEALTH, "2026-06-30 09:00")
    assert play.reason("summarise", JUSTICE, based_on=read) == "MUST_SEE_LATEST"
    play.do("summarise", JUSTICE, "2026-07-01 09:00")
    assert (play.case.state, play.open_rules) == ("closed", [])
