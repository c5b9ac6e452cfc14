"""Inspection (M12): by a group, open or unannounced, with report, notice, rectification, re-check, summary."""

from datetime import datetime
from typing import Any

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, PROCURATORATE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

GROUP = {HEALTH: "group", MARKET: "members"}
REPORT_BY = at("2026-03-20 18:00")
PUT_RIGHT_BY = at("2026-05-29 18:00")


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def assigned() -> Play:
    """A group that was formed on Monday 2 March."""
    play = Play("inspection", now=at("2026-03-02 09:00"))
    play.do("assign", JUSTICE, parties=GROUP, requested_limit=REPORT_BY)
    return play


def reported(when: str = "2026-03-16 09:00") -> Play:
    """An unannounced visit, and the report on it."""
    play = assigned()
    play.do("visit", MARKET, "2026-03-05 09:00")
    play.do("report", HEALTH, when)
    return play


def notified() -> Play:
    """The inspected town was told on Wednesday 29 April."""
    play = reported()
    play.do(
        "summarise", JUSTICE, "2026-03-18 09:00", parties={PROCURATORATE: "superior"}, copies=(PROCURATORATE,)
    )
    play.do(
        "notify",
        JUSTICE,
        "2026-04-29 09:00",
        parties={TOWN: "inspected"},
        copies=(TOWN,),
        requested_limit=PUT_RIGHT_BY,
    )
    play.receive(TOWN, "2026-04-29 10:00")
    return play


def rectified() -> Play:
    """Put right on Wednesday 27 May."""
    play = notified()
    play.do("sign-for", TOWN, "2026-04-30 09:00")
    play.do("rectify", TOWN, "2026-05-27 09:00")
    play.receive(HEALTH, "2026-05-27 10:00")
    return play


def test_the_office_forms_a_group_that_reports_by_a_date() -> None:
    """Nobody else forms one; without a leader of the group nobody would owe the report."""
    play = Play("inspection")
    assert play.reason("assign", HEALTH, parties=GROUP) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("assign", JUSTICE, parties={MARKET: "members"}) == "PARTY_INVALID"
    assert play.reason("assign", JUSTICE, parties=GROUP, requested_limit=None) == "FIELD_REQUIRED"
    assert due(assigned(), "report") == REPORT_BY


def test_an_unannounced_inspection_names_the_inspected_only_with_the_notice() -> None:
    """Until then the town is no party and sees nothing."""
    play = reported()
    assert TOWN not in play.case.members
    given: dict[str, Any] = {"parties": {TOWN: "inspected"}, "requested_limit": PUT_RIGHT_BY}
    assert play.reason("notify", JUSTICE, **given) == "COPY_MISSING"
    play.do("notify", JUSTICE, **given, copies=(TOWN,))
    assert TOWN in play.case.members


def test_an_announced_one_is_told_by_the_group() -> None:
    """The leader of the group announces, a member does not; both may record visits."""
    play = assigned()
    assert play.reason("announce", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    play.do("announce", HEALTH, parties={TOWN: "inspected"})
    play.do("visit", MARKET)
    play.do("visit", HEALTH)
    assert play.case.state == "announced"
    assert play.reason("visit", TOWN) == "NOT_PERMITTED_FOR_ROLE"


def test_the_report_comes_before_the_notice() -> None:
    """No notice without a report; five working days for it, ten for the summary."""
    assert assigned().reason("notify", JUSTICE) == "NOT_PERMITTED_IN_STATE"
    play = reported()
    assert play.met("report").outcome is Outcome.ON_TIME
    # 17, 18, 19, 20, 23 March; on to 30 March
    assert due(play, "notify") == at("2026-03-24")
    assert due(play, "summary") == at("2026-03-31")


def test_five_working_days_over_the_spring_festival() -> None:
    """A report of Wednesday 11 February: 12, 13, the make-up Saturday, 24 and 25."""
    play = Play("inspection", now=at("2026-02-02 09:00"))
    play.do("assign", JUSTICE, parties=GROUP, requested_limit=REPORT_BY)
    play.do("report", HEALTH, "2026-02-11 09:00")
    assert due(play, "notify") == at("2026-02-26")


def test_nothing_found_closes_at_once_but_not_without_a_summary() -> None:
    """What goes upward goes to somebody, with a copy."""
    play = reported()
    assert play.reason("close", JUSTICE) == "OBLIGATION_OPEN"
    assert play.reason("summarise", JUSTICE) == "PARTY_INVALID"
    play.do("summarise", JUSTICE, parties={PROCURATORATE: "superior"}, copies=(PROCURATORATE,))
    play.do("close", JUSTICE)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_it_is_put_right_by_the_date_or_extended_with_reasons() -> None:
    """Signed for in a working day; the date is the notice's."""
    play = notified()
    assert due(play, "sign") == at("2026-05-01")
    assert due(play, "rectify") == PUT_RIGHT_BY
    assert play.reason("extend", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", JUSTICE, "2026-05-28 09:00", requested_limit=at("2026-06-12 18:00"))
    assert play.met("rectify").outcome is Outcome.ON_TIME
    assert due(play, "rectify") == at("2026-06-12 18:00")
    assert play.reason("extend", TOWN) == "NOT_PERMITTED_FOR_ROLE"


def test_the_inspected_may_object_once() -> None:
    """Answered in five working days: 6, 7, 8, the make-up Saturday 9, and 11 May; the date runs on."""
    play = notified()
    assert play.reason("object", TOWN, materials=()) == "MATERIAL_MISSING"
    play.do("object", TOWN, "2026-04-30 09:00")
    play.receive(JUSTICE, "2026-04-30 09:10")
    assert due(play, "answer-objection") == at("2026-05-12")
    play.do("answer-objection", JUSTICE, "2026-05-11 09:00")
    assert play.reason("object", TOWN) == "TOO_OFTEN"
    assert due(play, "rectify") == PUT_RIGHT_BY


def test_an_objection_that_is_right_takes_the_notice_back() -> None:
    """With a reason; nothing is to be put right then, and the inspection is closed."""
    play = notified()
    play.do("object", TOWN, "2026-04-30 09:00")
    assert play.reason("withdraw-notice", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("withdraw-notice", JUSTICE, "2026-05-06 09:00")
    assert (play.case.state, play.open_rules) == ("reported", [])
    play.do("close", JUSTICE)
    assert play.case.state == "closed"


def test_it_is_checked_again_in_ten_working_days() -> None:
    """From 27 May: 28, 29, 1 to 5 and 8 to 10 June. What fails gets a new date."""
    play = rectified()
    assert due(play, "recheck") == at("2026-06-11")
    play.do("fail", HEALTH, "2026-06-08 09:00", requested_limit=at("2026-06-30 18:00"))
    assert due(play, "rectify") == at("2026-06-30 18:00")
    play.do("rectify", TOWN, "2026-07-01 09:00")
    assert play.met("rectify").outcome is Outcome.LATE
    play.do("pass", JUSTICE, "2026-07-06 09:00")
    play.do("close", JUSTICE)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_the_inspected_does_not_check_itself() -> None:
    """Nor does a member of the group alone."""
    play = rectified()
    for author in (TOWN, MARKET):
        assert play.reason("pass", author) == "NOT_PERMITTED_FOR_ROLE"


def test_an_inspection_that_is_cancelled_owes_nothing() -> None:
    """With a reason."""
    play = assigned()
    assert play.reason("cancel", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("cancel", JUSTICE)
    assert play.open_rules == []
