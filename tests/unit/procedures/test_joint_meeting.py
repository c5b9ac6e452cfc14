"""Joint meetings (M09): topics beforehand, notice, who comes, signed minutes."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, POLICE, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

OPENING = {JUSTICE: "office", HEALTH: "member", MARKET: "member"}
COPIES = (HEALTH, MARKET)


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def collecting() -> Play:
    """Topics are asked for on Monday 2 March, due on Friday 13 at noon."""
    play = Play("joint-meeting")
    play.do("collect", JUSTICE, parties=OPENING, requested_limit=at("2026-03-13 12:00"))
    return play


def notified(when: str = "2026-02-10 09:00", held: str = "2026-02-13 15:00") -> Play:
    """An emergency meeting, convened three days ahead."""
    play = Play("joint-meeting", now=at(when))
    play.do("convene-emergency", JUSTICE, parties=OPENING, requested_limit=at(held))
    return play


def held() -> Play:
    """Held on Friday 13 February, before the long holiday."""
    play = notified()
    play.do("hold", JUSTICE, "2026-02-13 17:00", occurred_at=at("2026-02-13 15:00"))
    return play


def test_topics_come_beforehand_from_every_member() -> None:
    """By the date that the office sets; also to say that there is none."""
    play = collecting()
    owed = [each for each in play.case.open_obligations if each.rule == "propose"]
    assert {each.owed_by: due_time(each, NATIONAL) for each in owed} == dict.fromkeys(
        COPIES, at("2026-03-13 12:00")
    )
    play.do("propose", HEALTH, "2026-03-13 11:59")
    assert play.met("propose").outcome is Outcome.ON_TIME
    assert play.reason("convene", JUSTICE) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("propose", TOWN) == "NOT_PERMITTED_FOR_ROLE"


def test_topics_are_settled_and_the_notice_goes_out() -> None:
    """Twenty working days: 3 to 6, 9 to 13, 16 to 20, 23 to 27, and 30 March."""
    play = collecting()
    assert due(play, "settle") == at("2026-03-31")
    assert play.reason("settle", JUSTICE, approvals=()) == "APPROVAL_MISSING"
    play.do("settle", JUSTICE, "2026-03-16 09:00")
    assert "propose" not in play.open_rules
    assert play.reason("convene", JUSTICE, requested_limit=None) == "FIELD_REQUIRED"
    play.do("convene", JUSTICE, "2026-03-17 09:00", parties={POLICE: "guest"})
    assert play.met("settle").outcome is Outcome.ON_TIME
    assert play.case.parties["guest"] == (POLICE,)


@pytest.mark.parametrize(
    ("act", "given"),
    [
        ("convene", ("deputy-head",)),
        ("convene", ("director",)),
        ("convene-by-deputy", ("director",)),
        ("convene-emergency", ("director",)),  # the head consents
        ("convene-emergency", ("head",)),
    ],
)
def test_who_convenes(act: str, given: tuple[str, ...]) -> None:
    """Head or deputy; the director only in an emergency, and on the head's consent."""
    play = collecting()
    play.do("settle", JUSTICE, "2026-03-16 09:00")
    assert play.reason(act, JUSTICE, approvals=approvals(*given)) == "APPROVAL_MISSING"
    assert play.reason(act, JUSTICE) == ""


def test_absence_is_told_before_the_meeting() -> None:
    """With a reason and the leader's approval; after it began the answer is late."""
    play = notified()
    assert {each.owed_by for each in play.case.open_obligations if each.rule == "reply"} == set(COPIES)
    assert play.reason("excuse", HEALTH, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("excuse", HEALTH, approvals=()) == "APPROVAL_MISSING"
    play.do("excuse", HEALTH, "2026-02-13 14:59")
    assert play.met("reply").outcome is Outcome.ON_TIME
    play.do("attend", MARKET, "2026-02-13 15:00")
    assert play.met("reply").outcome is Outcome.LATE


def test_postponing_asks_again() -> None:
    """Whoever had answered answers for the new date."""
    play = notified()
    play.do("attend", HEALTH)
    play.do("postpone", JUSTICE, "2026-02-11 09:00", requested_limit=at("2026-02-26 09:00"))
    owed = [each for each in play.case.open_obligations if each.rule == "reply"]
    assert {each.owed_by: due_time(each, NATIONAL) for each in owed} == dict.fromkeys(
        COPIES, at("2026-02-26 09:00")
    )


def test_a_meeting_that_was_announced_is_held() -> None:
    """20 (make-up) to 24 September, 28 to 30, then 8 to 10 October (make-up), 12 to 15: fifteen working days."""
    play = notified("2026-09-18 09:00", "2026-10-14 09:00")
    assert due(play, "hold") == at("2026-10-16")


def test_minutes_are_signed_and_issued() -> None:
    """Five working days: 14 (make-up), 24, 25, 26, 27 February. By head or deputy, to every member."""
    play = held()
    assert due(play, "minutes") == at("2026-02-28")
    assert play.reason("issue", JUSTICE, copies=COPIES, approvals=approvals("director")) == "APPROVAL_MISSING"
    assert play.reason("issue", JUSTICE, copies=(HEALTH,)) == "COPY_MISSING"
    assert play.reason("issue-by-deputy", JUSTICE, copies=COPIES) == ""
    play.do("issue", JUSTICE, "2026-02-27 17:00", copies=COPIES)
    assert play.met("minutes").outcome is Outcome.ON_TIME


def test_resolutions_become_tasks() -> None:
    """In three working days: 28 February (make-up), 2 and 3 March; then it is closed."""
    play = held()
    play.do("issue", JUSTICE, "2026-02-27 17:00", copies=COPIES)
    assert due(play, "assign") == at("2026-03-04")
    play.do("assign", JUSTICE, "2026-02-28 10:00")
    play.do("assign", JUSTICE, "2026-02-28 11:00")
    assert play.procedure.acts["assign"].opens_case == "resolution-task"
    play.do("close", JUSTICE, "2026-03-03 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_only_the_office_convenes_and_cancels() -> None:
    """A member cannot; a reason is given."""
    play = notified()
    assert play.reason("cancel", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("cancel", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("cancel", JUSTICE)
    assert (play.case.state, play.open_rules) == ("cancelled", [])
