"""Use of results (M29): findings go to licensing and business departments, each of which owes a reply."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Obligation, Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, MARKET, TOWN, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at


def owed(play: Play, rule: str, department: str) -> Obligation:
    """The one open obligation of a rule that a department has."""
    (found,) = [
        each for each in play.case.open_obligations if (each.rule, each.owed_by) == (rule, department)
    ]
    return found


def due(play: Play, rule: str, department: str = MARKET) -> datetime:
    return due_time(owed(play, rule, department), NATIONAL)


def owing(play: Play, department: str) -> list[str]:
    """What a department owes, sorted."""
    return sorted(each.rule for each in play.case.open_obligations if each.owed_by == department)


def sent(when: str = "2026-02-27 10:00") -> Play:
    """Sent to two departments, by default on Friday 27 February, and received by both at once."""
    play = Play("use-of-results", now=at(when))
    play.do("send", HEALTH, parties={HEALTH: "sender", MARKET: "receiver", TOWN: "receiver"})
    for department in (MARKET, TOWN):
        play.receive(department, when)
    return play


def test_each_receiver_owes_a_reply_and_the_use() -> None:
    """1 and 5 working days over the worked Saturday of the 28th; 30 days, of which the last is a Sunday."""
    play = sent()
    assert owing(play, MARKET) == owing(play, TOWN) == ["reply", "sign", "use"]
    # 28 February; 28 February and 2 to 5 March; 29 March moves to the 30th
    assert due(play, "sign") == at("2026-03-01")
    assert due(play, "reply") == at("2026-03-06")
    assert due(play, "use") == at("2026-03-31")


def test_each_receiver_answers_for_itself() -> None:
    """What one has answered is not answered for the other, and the letter stays open until both have."""
    play = sent()
    play.do("reply", MARKET, "2026-03-05 10:00")
    assert play.met("reply").outcome is Outcome.ON_TIME
    assert owing(play, MARKET) == ["use"]
    assert owing(play, TOWN) == ["reply", "sign", "use"]
    play.do("report-use", MARKET, "2026-03-30 10:00")
    assert play.met("use").outcome is Outcome.ON_TIME
    assert play.reason("close", HEALTH) == "OBLIGATION_OPEN"
    play.do("report-use", TOWN, "2026-03-31 00:00")
    assert {each.outcome for each in play.changed} == {Outcome.LATE}
    play.do("close", HEALTH)
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_declining_needs_grounds_and_a_reason() -> None:
    """Approved; then that receiver owes nothing more."""
    play = sent()
    assert play.reason("decline", TOWN, materials=()) == "MATERIAL_MISSING"
    assert play.reason("decline", TOWN, reason_code="") == "FIELD_REQUIRED"
    assert play.reason("decline", TOWN, approvals=()) == "APPROVAL_MISSING"
    play.do("decline", TOWN)
    assert owing(play, TOWN) == []
    assert owing(play, MARKET) == ["reply", "sign", "use"]


def test_the_use_is_extended_once_with_a_reason_before_it_is_due() -> None:
    """By 30 days, to 28 April, and for that receiver alone."""
    play = sent()
    assert play.reason("extend", MARKET, reason_code="") == "FIELD_REQUIRED"
    play.do("extend", MARKET, "2026-03-30 10:00")
    assert due(play, "use") == at("2026-04-29")
    assert due(play, "use", TOWN) == at("2026-03-31")
    assert play.reason("extend", MARKET) == "TOO_OFTEN"
    play.now = at("2026-03-31 00:00")
    assert play.reason("extend", TOWN) == "EXTENSION_AFTER_DUE"


def test_material_is_asked_once_by_each_and_stops_its_clock_alone() -> None:
    """Asked on Monday 2 March, supplied on the 4th: 28 February, 5, 6, 9 and 10 March are counted."""
    play = sent()
    play.do("request-material", MARKET, "2026-03-02 10:00", requested_limit=at("2026-03-12"))
    assert play.reason("request-material", MARKET) == "TOO_OFTEN"
    assert play.reason("request-material", TOWN) == ""
    assert due(play, "material", HEALTH) == at("2026-03-12")
    play.do("supply-material", HEALTH, "2026-03-04 10:00")
    assert due(play, "reply") == at("2026-03-11")
    assert due(play, "reply", TOWN) == at("2026-03-06")


def test_the_office_is_asked_when_nobody_uses_them() -> None:
    """It advises in five working days over the October holiday, and can strike the case off."""
    play = sent("2026-09-29 10:00")
    play.do("ask-office", HEALTH, "2026-09-30 10:00")
    # 8, 9, 10, 12 and 13 October
    assert due(play, "advise", JUSTICE) == at("2026-10-14")
    play.do("advise", JUSTICE, "2026-10-12 10:00")
    assert play.met("advise").outcome is Outcome.ON_TIME
    assert play.reason("strike-off", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("strike-off", JUSTICE)
    assert (play.case.state, play.open_rules) == ("closed", [])
    assert {each.outcome for each in play.changed} == {None}


def test_revoked_findings_are_taken_back() -> None:
    """Three working days over the October holiday with its worked Saturday, by each receiver."""
    play = sent("2026-09-29 10:00")
    assert play.reason("revoke", HEALTH, materials=()) == "MATERIAL_MISSING"
    play.do("revoke", HEALTH, "2026-09-30 10:00")
    for department in (MARKET, TOWN):
        play.receive(department, "2026-09-30 11:00")
        assert owing(play, department) == ["undo"]
        # 8, 9 and Saturday 10 October
        assert due(play, "undo", department) == at("2026-10-11")
    play.do("undo", MARKET, "2026-10-10 10:00")
    assert play.reason("close", HEALTH) == "OBLIGATION_OPEN"
    play.do("undo", TOWN, "2026-10-10 11:00")
    play.do("close", HEALTH)
    assert play.case.state == "closed"


def test_nobody_else_speaks() -> None:
    """Not a third department, nor the sender for a receiver; without its findings nothing is sent."""
    play = sent()
    assert play.reason("reply", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("reply", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    fresh = Play("use-of-results")
    parties = {HEALTH: "sender", MARKET: "receiver"}
    assert fresh.reason("send", HEALTH, parties=parties, materials=materials()) == "MATERIAL_MISSING"
    assert fresh.reason("send", HEALTH, parties={HEALTH: "sender"}) == "PARTY_INVALID"
