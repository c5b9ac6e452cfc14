"""Complaints (M07): whoever first receives a matter owns it until it is settled or handed on."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, MARKET, POLICE, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

HOTLINE = "hotline.qinghe"
REGION = LAW.with_department(HOTLINE).with_office("complaint", HOTLINE)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def registered(
    when: str = "2026-03-02 09:00", urgency: Urgency = Urgency.ORDINARY, first: str = TOWN
) -> Play:
    """A complaint that the town received."""
    play = Play("complaint", REGION, at(when))
    play.do("register", first, parties={first: "owner"}, urgency=urgency, item_code="TS-0301")
    return play


def handled(when: str = "2026-03-02 09:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """One that the town handles itself."""
    play = registered(when, urgency)
    play.do("take-on", TOWN)
    return play


def answered() -> Play:
    """Answered on Thursday 5 March."""
    play = handled()
    play.do("answer", TOWN, "2026-03-05 15:00", outcome_code="handled")
    return play


def test_the_class_is_named() -> None:
    """By the code in the header."""
    play = Play("complaint", REGION)
    refusal = play.refusal("register", TOWN, parties={TOWN: "owner"}, item_code="")
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("FIELD_REQUIRED", "item_code")


@pytest.mark.parametrize(
    ("when", "urgency", "expected"),
    [
        ("2026-02-13 10:00", Urgency.ORDINARY, "2026-02-15"),  # the make-up Saturday
        ("2026-02-14 10:00", Urgency.ORDINARY, "2026-02-25"),  # behind the holiday, on the 24th
        ("2026-10-03 10:00", Urgency.URGENT, "2026-10-03 12:00"),  # hours run through holidays
        ("2026-10-03 10:00", Urgency.MAJOR, "2026-10-03 11:00"),
    ],
)
def test_it_is_disposed_of(when: str, urgency: Urgency, expected: str) -> None:
    """Handled or handed on in a working day, two hours, at once."""
    assert due(registered(when, urgency), "dispose") == at(expected)


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        # 14 (make-up), 24, 25, 26, 27, 28 (make-up), then 2, 3, 4, 5 March
        (Urgency.ORDINARY, "2026-03-06"),
        (Urgency.URGENT, "2026-02-26"),
        (Urgency.MAJOR, "2026-02-15"),
    ],
)
def test_every_matter_is_answered(urgency: Urgency, expected: str) -> None:
    """In ten working days, three, one; received on Friday 13 February."""
    assert due(registered("2026-02-13 10:00", urgency), "answer") == at(expected)


def test_the_owner_is_one_and_the_clock_runs_on() -> None:
    """Handed on, the matter has another owner; the complainant's clock is the same."""
    play = registered()
    before = due(play, "answer")
    assert before == at("2026-03-17")
    play.do("transfer", TOWN, "2026-03-03 10:00", parties={HEALTH: "owner"})
    assert play.met("dispose").outcome is Outcome.ON_TIME
    assert play.case.parties["owner"] == (HEALTH,)
    assert (due(play, "answer"), play.owed("answer").owed_by) == (before, HEALTH)
    assert TOWN in play.case.members
    assert play.reason("accept", TOWN) == "NOT_PERMITTED_FOR_ROLE"


def test_it_is_taken_over_on_receipt() -> None:
    """In a working day of receipt; silence gains one day and no more."""
    play = registered()
    play.do("transfer", TOWN, parties={HEALTH: "owner"})
    assert due(play, "sign") == at("2026-03-05")
    play.receive(HEALTH, "2026-03-02 11:00")
    assert due(play, "sign") == at("2026-03-04")
    play.do("accept", HEALTH, "2026-03-03 09:00")
    assert play.met("sign").outcome is Outcome.ON_TIME
    assert due(play, "contact") == at("2026-03-05")


def test_the_office_reassigns() -> None:
    """Who holds itself not competent gives reasons and owns the matter until the office has decided."""
    play = registered()
    play.do("transfer", TOWN, parties={HEALTH: "owner"})
    assert play.reason("contest", HEALTH, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("contest", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("contest", HEALTH, "2026-03-03 09:00")
    assert play.case.parties["owner"] == (HEALTH,)
    assert due(play, "reassign") == at("2026-03-05")
    assert play.reason("transfer", HEALTH, parties={MARKET: "owner"}) == "NOT_PERMITTED_IN_STATE"
    play.do("assign", HOTLINE, "2026-03-04 09:00", parties={MARKET: "owner"})
    assert play.case.parties["owner"] == (MARKET,)
    assert play.owed("answer").owed_by == MARKET


def test_the_hotline_can_be_first() -> None:
    """It is the office too, and owns what it received until it hands it on."""
    play = registered(first=HOTLINE)
    assert play.owed("answer").owed_by == HOTLINE
    play.do("transfer", HOTLINE, parties={HEALTH: "owner"})
    assert play.owed("answer").owed_by == HEALTH


def test_the_complainant_is_contacted() -> None:
    """In four hours where it is urgent."""
    play = handled("2026-02-28 16:00", Urgency.URGENT)
    assert due(play, "contact") == at("2026-02-28 20:00")
    play.do("contact", TOWN, "2026-02-28 19:00")
    assert play.met("contact").outcome is Outcome.ON_TIME


def test_mediation_stops_the_clock_once() -> None:
    """3 March counts, the 4th to the 10th do not, then nine working days to the 23rd."""
    play = handled()
    play.do("contact", TOWN)
    play.do("mediate", TOWN, "2026-03-04 10:00", parties={MARKET: "mediator"})
    assert due(play, "mediation") == at("2026-04-04")
    play.do("end-mediation", MARKET, "2026-03-10 10:00", outcome_code="failed")
    assert due(play, "answer") == at("2026-03-24")
    assert play.reason("mediate", TOWN) == "TOO_OFTEN"


def test_an_extension_comes_before_the_end() -> None:
    """Five working days more, with a reason and the leader's approval; not once it is due."""
    play = handled()
    assert play.reason("extend", TOWN, approvals=()) == "APPROVAL_MISSING"
    assert play.reason("extend", TOWN, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", TOWN, "2026-03-16 17:00")
    assert due(play, "answer") == at("2026-03-24")
    late = handled()
    late.now = at("2026-03-17")
    assert late.reason("extend", TOWN) == "EXTENSION_AFTER_DUE"


def test_joint_handlers_answer_each_for_itself() -> None:
    """In 24 hours where it is urgent: a suicide, domestic violence, drunkenness."""
    play = handled("2026-03-02 09:00", Urgency.URGENT)
    play.do("join", TOWN, parties={POLICE: "joint", HEALTH: "joint"})
    for each in (POLICE, HEALTH):
        play.receive(each, "2026-03-02 09:10")
    assert {due_time(each, NATIONAL) for each in play.case.open_obligations if each.rule == "joint"} == {
        at("2026-03-03 09:10")
    }
    play.do("joint-reply", POLICE, "2026-03-02 12:00")
    assert play.owed("joint").owed_by == HEALTH
    play.do("answer", TOWN, "2026-03-02 16:00", outcome_code="handled")
    assert "joint" not in play.open_rules


def test_a_joint_handler_that_mediates_still_answers_for_its_part() -> None:
    """In the role that it gave up for the mediation, and for itself alone."""
    play = handled()
    play.do("join", TOWN, parties={POLICE: "joint", HEALTH: "joint", MARKET: "joint"})
    play.do("mediate", TOWN, parties={POLICE: "mediator"})
    play.do("joint-reply", POLICE)
    assert play.met("joint").owed_by == POLICE
    assert [each.owed_by for each in play.case.open_obligations if each.rule == "joint"] == [HEALTH, MARKET]
    assert play.reason("joint-reply", POLICE) == "NOT_PERMITTED_FOR_ROLE"


def test_the_return_visit_closes_or_returns() -> None:
    """The office asks in five working days; who is not satisfied has it done again."""
    play = answered()
    # 6, 9, 10, 11, 12
    assert due(play, "visit") == at("2026-03-13")
    assert play.reason("visit", TOWN, outcome_code="satisfied") == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("redo", HOTLINE, reason_code="") == "FIELD_REQUIRED"
    play.do("redo", HOTLINE, "2026-03-09 10:00")
    play.receive(TOWN, "2026-03-09 10:10")
    assert due(play, "redo") == at("2026-03-17")
    play.do("extend", TOWN, "2026-03-12 10:00")
    assert due(play, "redo") == at("2026-03-24")
    play.do("answer", TOWN, "2026-03-13 10:00", outcome_code="handled")
    assert play.met("redo").outcome is Outcome.ON_TIME
    play.do("visit", HOTLINE, "2026-03-16 10:00", outcome_code="satisfied")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_complaint_about_enforcement_leaves_before_anybody_joins() -> None:
    """Only who received it ever had it; once it was handed on, this way is closed."""
    play = registered()
    assert play.reason("divert-to-supervision", TOWN, approvals=()) == "APPROVAL_MISSING"
    play.do("divert-to-supervision", TOWN)
    assert (play.case.state, play.case.members, play.open_rules) == ("diverted", (TOWN,), [])
    late = registered()
    late.do("transfer", TOWN, parties={HEALTH: "owner"})
    assert late.reason("divert-to-supervision", HEALTH) == "NOT_PERMITTED_IN_STATE"


def test_nobody_else_speaks() -> None:
    """Not a stranger, nor an owner for the office."""
    play = registered()
    assert play.reason("take-on", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("assign", TOWN, parties={HEALTH: "owner"}) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("answer", TOWN, outcome_code="") == "FIELD_REQUIRED"
