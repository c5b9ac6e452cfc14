"""Whoever is given another seat while it owes something in a role of several owes it on, and can fulfil it."""

import pytest

from services.procedures.admit import permitted
from services.procedures.case import CaseState
from services.procedures.facts import Urgency
from services.procedures.model import OFFICE
from services.procedures.obligation import Limit, Obligation, Unit
from tests.unit.procedures.case_samples import HEALTH, LAW, MARKET, MONDAY, SHIPPED, TOWN

SHARED = [
    (procedure.name, rule.name)
    for procedure in SHIPPED.values()
    for rule in procedure.obligations.values()
    if rule.owed_by in procedure.many
]


@pytest.mark.parametrize(("name", "owed"), SHARED)
def test_another_seat_does_not_keep_from_fulfilling(name: str, owed: str) -> None:
    """By the acts of those who stay, in every state, from every other seat; nothing else is left of the old one."""
    procedure = SHIPPED[name]
    rule = procedure.obligations[owed]
    for seat in sorted(set(procedure.roles) - {rule.owed_by, OFFICE}):
        for state in procedure.states:
            case = moved(name, owed, seat, state)
            staying, gone = allowed(case, TOWN), allowed(case, MARKET)
            assert staying & set(rule.discharged_by) <= gone, (seat, state)
            others = {act for act in staying if seat not in procedure.acts[act].by} - set(rule.discharged_by)
            assert not others & gone, (seat, state)


def allowed(case: CaseState, department: str) -> set[str]:
    """What a department may do in a case."""
    return {each.act for each in permitted(case, department, LAW) if each.allowed}


def moved(name: str, owed: str, seat: str, state: str) -> CaseState:
    """A case in which three owed the same, and one of them was given another seat."""
    rule = SHIPPED[name].obligations[owed]
    return CaseState(
        case_id="case",
        home_registry=LAW.registry,
        procedure=name,
        version=SHIPPED[name].version,
        state=state,
        urgency=Urgency.ORDINARY,
        parties={rule.owed_by: (TOWN, HEALTH), seat: (MARKET,)},
        opened_at=MONDAY,
        opened_position=1,
        last_position=1,
        last_author=TOWN,
        open_obligations=tuple(
            Obligation(
                "case", owed, ordinal, department, rule.owed_by, 1, rule.opens_on[0], Limit(1, Unit.HOURS),
                MONDAY, MONDAY,
            )
            for ordinal, department in enumerate((TOWN, HEALTH, MARKET), start=1)
        ),
    )  # fmt: skip
