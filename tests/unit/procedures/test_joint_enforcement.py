"""Joint enforcement (M08): who leads, who comes, and the report with every participant's outcome."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, POLICE, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

SENT = {MARKET: "participant", POLICE: "participant"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def dues(play: Play, rule: str) -> dict[str, datetime]:
    """What each owes, by department."""
    return {
        each.owed_by: due_time(each, NATIONAL) for each in play.case.open_obligations if each.rule == rule
    }


def led(when: str = "2026-02-13 10:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """Initiated by the health commission, whose duty is closest."""
    play = Play("joint-enforcement", now=at(when))
    play.do("initiate", HEALTH, parties={HEALTH: "lead"}, urgency=urgency)
    return play


def planned(when: str = "2026-09-23 09:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """With a plan that names market regulation and police."""
    play = led(when, urgency)
    play.do("plan", HEALTH, parties=SENT)
    return play


def ended(when: str = "2026-10-09 18:00") -> Play:
    """Over on Friday 9 October; the participants have named their people."""
    play = planned("2026-09-28 09:00")
    for each in SENT:
        play.do("enrol", each, "2026-09-28 15:00")
    play.do("begin", HEALTH, "2026-10-09 09:00")
    play.do("end", HEALTH, when)
    return play


def test_the_leading_group_appoints_where_duty_does_not_decide() -> None:
    """On its head's approval; the office has three working days from receipt."""
    play = Play("joint-enforcement")
    play.do("apply", TOWN, parties={TOWN: "applicant"})
    play.receive(JUSTICE, "2026-03-02 10:00")
    assert due(play, "appoint") == at("2026-03-06")
    named = {HEALTH: "lead"}
    wrong = approvals("leader-in-charge")
    assert play.reason("appoint-lead", JUSTICE, parties=named, approvals=wrong) == "APPROVAL_MISSING"
    assert play.reason("appoint-lead", TOWN, parties=named) == "NOT_PERMITTED_FOR_ROLE"
    play.do("appoint-lead", JUSTICE, "2026-03-03 09:00", parties=named)
    assert play.met("appoint").outcome is Outcome.ON_TIME
    # 4, 5, 6, 9, 10
    assert (play.owed("plan").owed_by, due(play, "plan")) == (HEALTH, at("2026-03-11"))


def test_the_applicant_can_be_appointed() -> None:
    """It then leads and applies no more."""
    play = Play("joint-enforcement")
    play.do("apply", TOWN, parties={TOWN: "applicant"})
    play.do("appoint-lead", JUSTICE, parties={TOWN: "lead"})
    assert play.case.parties["lead"] == (TOWN,)
    assert not play.case.parties.get("applicant")


def test_an_application_is_declined_with_a_reason() -> None:
    """And is over then."""
    play = Play("joint-enforcement")
    play.do("apply", TOWN, parties={TOWN: "applicant"})
    assert play.reason("decline", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("decline", JUSTICE)
    assert (play.case.state, play.open_rules) == ("declined", [])


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        # the make-up Saturday, then the 24th to the 27th
        (Urgency.ORDINARY, "2026-02-28"),
        (Urgency.URGENT, "2026-02-14 10:00"),
        (Urgency.MAJOR, "2026-02-13 11:00"),
    ],
)
def test_the_plan_is_due(urgency: Urgency, expected: str) -> None:
    """Initiated on Friday 13 February."""
    assert due(led(urgency=urgency), "plan") == at(expected)


def test_each_participant_names_its_people() -> None:
    """Two working days of receipt, over the holiday of 25 to 27 September; each for itself."""
    play = planned()
    play.receive(MARKET, "2026-09-23 10:00")
    assert dues(play, "enrol") == {MARKET: at("2026-09-29"), POLICE: at("2026-09-30")}
    assert due(play, "act") == at("2026-10-24")
    play.do("enrol", MARKET, "2026-09-24 10:00")
    assert play.owed("enrol").owed_by == POLICE
    assert play.reason("excuse", POLICE, reason_code="") == "FIELD_REQUIRED"
    play.do("excuse", POLICE, "2026-09-24 11:00")
    assert "enrol" not in play.open_rules


def test_people_of_an_urgent_action_are_named_in_hours() -> None:
    """Twelve from receipt."""
    play = planned("2026-10-03 09:00", Urgency.URGENT)
    play.receive(POLICE, "2026-10-03 10:00")
    assert dues(play, "enrol")[POLICE] == at("2026-10-03 22:00")


def test_a_record_takes_two_officers() -> None:
    """Neither one nor the same one twice."""
    play = planned()
    play.do("begin", HEALTH)
    one = approvals("officer")
    for given in ((), one, one + one):
        assert play.reason("record", MARKET, approvals=given) == "APPROVAL_MISSING"
    play.do("record", MARKET)


def test_a_case_branches_out_by_its_link() -> None:
    """Without the case there is nothing to note."""
    play = planned()
    play.do("begin", HEALTH)
    assert play.reason("branch", HEALTH, linked_cases=()) == "FIELD_REQUIRED"
    play.do("branch", MARKET)
    assert play.case.state == "acting"


def test_the_report_waits_for_every_outcome() -> None:
    """Three working days for outcomes, five for the report: 10 (make-up Saturday), 12, 13, 14, 15 October."""
    play = ended()
    assert dues(play, "outcome") == {MARKET: at("2026-10-14"), POLICE: at("2026-10-14")}
    assert due(play, "report") == at("2026-10-16")
    play.do("outcome", MARKET, "2026-10-12 10:00")
    copies = (JUSTICE,)
    assert play.reason("report", HEALTH, copies=copies) == "OBLIGATION_OPEN"
    play.do("outcome", POLICE, "2026-10-13 10:00")
    assert play.reason("report", HEALTH) == "COPY_MISSING"
    play.do("report", HEALTH, "2026-10-15 10:00", copies=copies)
    assert play.met("report").outcome is Outcome.ON_TIME
    play.receive(JUSTICE, "2026-10-15 10:10")
    # 16, 19, 20, 21, 22
    assert due(play, "review") == at("2026-10-23")


def test_the_office_notes_who_stays_silent() -> None:
    """So that silence does not keep the report; what was owed lapses with the reason on record."""
    play = ended()
    assert play.reason("note-missing", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("note-missing", JUSTICE, "2026-10-14 10:00")
    assert "outcome" not in play.open_rules
    assert play.reason("report", HEALTH, copies=(JUSTICE,)) == ""


def test_a_report_is_returned_and_written_again() -> None:
    """Its clock opens again; then the action is closed."""
    play = ended()
    for each in SENT:
        play.do("outcome", each, "2026-10-12 10:00")
    play.do("report", HEALTH, "2026-10-13 10:00", copies=(JUSTICE,))
    play.do("return-report", JUSTICE, "2026-10-14 10:00")
    assert due(play, "report") == at("2026-10-22")
    play.do("report", HEALTH, "2026-10-19 10:00", copies=(JUSTICE,))
    play.do("close", JUSTICE, "2026-10-20 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_it_is_cancelled_with_a_reason_until_it_begins() -> None:
    """Everything owed ends with it."""
    play = planned()
    assert play.reason("cancel", HEALTH, reason_code="") == "FIELD_REQUIRED"
    play.do("cancel", HEALTH)
    assert (play.case.state, play.open_rules) == ("cancelled", [])
