"""Officers act under certificates: listed, of that person, valid, not suspended, and for the matter (M13)."""

from dataclasses import replace

import pytest

from services.procedures.facts import Approval
from services.procedures.law import Law, Officer
from tests.unit.procedures.case_samples import HEALTH, LAW, TOWN, Play
from tests.unit.procedures.deadline_samples import at

FIRST = Officer("T-1", TOWN, "zhou", at("2025-01-01"), at("2027-01-01"))
SECOND = replace(FIRST, number="T-2", subject="wu")
LISTED = LAW.with_officer(FIRST).with_officer(SECOND)


def reason(law: Law, *given: Approval, item_code: str = "") -> str:
    """What a report of two officers is told."""
    play = Play("criminal-referral", law)
    return play.reason("report", TOWN, parties={TOWN: "sender"}, approvals=given, item_code=item_code)


def approval(officer: Officer, when: str = "2026-03-02 08:00", **other: str) -> Approval:
    return Approval(
        "officer", other.get("subject", officer.subject), at(when), other.get("number", officer.number)
    )


def test_two_certified_officers_may_report() -> None:
    """And of a department that lists none nobody is questioned."""
    assert reason(LISTED, approval(FIRST), approval(SECOND)) == ""
    elsewhere = LAW.with_officer(replace(FIRST, department=HEALTH))
    assert reason(elsewhere, approval(FIRST, number=""), approval(SECOND, number="")) == ""


@pytest.mark.parametrize(
    "second",
    [
        approval(SECOND, number=""),
        approval(SECOND, number="T-9"),
        approval(SECOND, number="T-1"),
        approval(SECOND, when="2024-12-31 23:59"),
        approval(SECOND, when="2027-01-01 00:00"),
    ],
    ids=["none", "unknown", "another's", "too early", "expired"],
)
def test_a_certificate_must_carry_the_act(second: Approval) -> None:
    """Its number listed, its holder the one who approves, its time not over."""
    play = Play("criminal-referral", LISTED)
    refusal = play.refusal("report", TOWN, parties={TOWN: "sender"}, approvals=(approval(FIRST), second))
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("OFFICER_NOT_CERTIFIED", "approvals[1].certificate")


def test_a_suspended_certificate_carries_nothing() -> None:
    """Until an entry says otherwise."""
    suspended = LISTED.with_officer(replace(SECOND, suspended=True))
    assert reason(suspended, approval(FIRST), approval(SECOND)) == "OFFICER_NOT_CERTIFIED"
    assert reason(suspended.with_officer(SECOND), approval(FIRST), approval(SECOND)) == ""


def test_a_certificate_has_a_scope() -> None:
    """Beginnings of item codes; without a matter the scope is not asked."""
    law = LISTED.with_officer(replace(SECOND, scope=("WJ-02", "WJ-0301")))
    for code, found in (("WJ-0201", ""), ("WJ-0301", ""), ("", ""), ("SJ-0101", "OFFICER_NOT_CERTIFIED")):
        assert reason(law, approval(FIRST), approval(SECOND), item_code=code) == found
