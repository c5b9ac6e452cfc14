"""Complaints about unlawful enforcement (M07): they never reach the body complained of."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, LAW, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOVERNMENT = "gov.qinghe"
REGION = LAW.with_department(GOVERNMENT)
NAMED = {TOWN: "receiver", JUSTICE: "supervisor"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def submitted(when: str = "2026-02-13 10:00", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """What the town received about the health commission, with the justice bureau at once."""
    play = Play("enforcement-complaint", REGION, at(when))
    play.do("submit", TOWN, parties=NAMED, item_code="TS-0901", urgency=urgency)
    play.receive(JUSTICE, when)
    return play


def test_nobody_can_bring_in_the_body_complained_of() -> None:
    """It can be neither a party nor an addressee of any act."""
    play = Play("enforcement-complaint", REGION)
    refused = {**NAMED, HEALTH: "complained-of"}
    assert play.reason("submit", TOWN, parties=refused, item_code="TS-0901") == "PARTY_INVALID"
    play = submitted()
    for author, act in ((JUSTICE, "accept"), (JUSTICE, "contact")):
        assert play.reason(act, author, recipients=(HEALTH,)) == "PARTY_INVALID"
        assert play.reason(act, author, parties={HEALTH: "receiver"}) == "PARTY_INVALID"
        refusal = play.refusal(act, author, copies=(HEALTH,))
        assert refusal
        assert (refusal.reason, refusal.field) == ("PARTY_INVALID", "copies")
        assert not play.reason(act, author, copies=(TOWN,))
    assert not any(
        each.names for each in play.procedure.acts.values() if each.name not in ("submit", "pass-up")
    )
    assert set(play.case.members) == {TOWN, JUSTICE}


@pytest.mark.parametrize(
    ("urgency", "accept", "decide"),
    [
        # 14 (make-up), 24, 25, 26, 27; the 60th day is Tuesday 14 April
        (Urgency.ORDINARY, "2026-02-28", "2026-04-15"),
        # the 30th day is Sunday 15 March
        (Urgency.URGENT, "2026-02-15", "2026-03-17"),
        # the 15th day is the make-up Saturday 28 February
        (Urgency.MAJOR, "2026-02-14 10:00", "2026-03-01"),
    ],
)
def test_limits(urgency: Urgency, accept: str, decide: str) -> None:
    """Accepted, then decided; submitted on Friday 13 February."""
    play = submitted(urgency=urgency)
    assert (due(play, "accept"), due(play, "decide")) == (at(accept), at(decide))


def test_the_supervisor_passes_up_what_concerns_itself() -> None:
    """The government takes its seat with its clock; a new clock to accept runs."""
    play = submitted("2026-03-02 09:00")
    assert play.reason("pass-up", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.do("pass-up", JUSTICE, "2026-03-03 09:00", parties={GOVERNMENT: "supervisor"})
    assert {each.owed_by for each in play.case.open_obligations} == {GOVERNMENT}
    play.receive(GOVERNMENT, "2026-03-03 10:00")
    assert due(play, "accept") == at("2026-03-11")
    assert play.reason("accept", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"


def test_the_complainant_is_answered() -> None:
    """Five working days after the decision on 1 April: 2, 3, and after the holiday 7, 8, 9."""
    play = submitted("2026-03-02 09:00")
    play.do("accept", JUSTICE, "2026-03-03 09:00")
    approval = play.facts("decide", JUSTICE).approvals[:1]
    assert play.reason("decide", JUSTICE, outcome_code="x", approvals=approval) == "APPROVAL_MISSING"
    play.do("extend", JUSTICE, "2026-03-20 09:00")
    # 90 days from 2 March: Sunday 31 May
    assert due(play, "decide") == at("2026-06-02")
    play.do("decide", JUSTICE, "2026-04-01 09:00", outcome_code="founded")
    assert due(play, "answer") == at("2026-04-10")
    play.do("answer", JUSTICE, "2026-04-10 00:00")
    assert play.met("answer").outcome is Outcome.LATE
    assert (play.case.state, play.open_rules) == ("closed", [])
