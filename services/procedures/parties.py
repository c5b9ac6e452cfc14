"""Who holds which role in a case, and in which role somebody acts."""

from __future__ import annotations

from collections.abc import Mapping

from services.procedures.case import CaseState
from services.procedures.facts import ActFacts
from services.procedures.law import Law
from services.procedures.model import AMENDED_AUTHOR, OFFICE, RECEIVER, Act, Procedure

Parties = Mapping[str, tuple[str, ...]]


def acting_role(
    state: CaseState | None, act: Act, procedure: Procedure, parties: Parties, author: str
) -> str | None:
    """The role in which an author does an act: the first of the act's roles that it holds.

    Whoever corrects its own letter does so in any role it holds, or in none any more. Whoever was given
    another seat still fulfils what it owes from its old one, in the old one's role.
    """
    for role in act.by:
        if author in parties.get(role, ()):
            return role
    if AMENDED_AUTHOR in act.by:
        return next((role for role, held in parties.items() if author in held), "")
    discharges = procedure.effects[act.name].discharges
    # duties in a role of one holder go to the next one
    left = procedure.many.intersection(act.by)
    for each in state.open_obligations if state and discharges and left else ():
        if each.owed_by == author and each.rule in discharges and each.owed_by_role in left:
            return each.owed_by_role
    return None


def parties_after(
    state: CaseState | None, facts: ActFacts, procedure: Procedure, law: Law
) -> dict[str, tuple[str, ...]]:
    """Who holds which role once the act is done.

    A department holds one role beside an office. In a role of one holder the newly named takes the place
    of the old. The office's holder is the region's, and moves with it in running cases.
    """
    parties = dict(state.parties) if state else {}
    for department, role in facts.parties.items():
        if department in parties.get(role, ()):
            continue
        if role != OFFICE:
            parties = {
                other: rest
                for other, held in parties.items()
                if (rest := held if other == OFFICE else tuple([d for d in held if d != department]))
            }
        held = parties.get(role, ()) if role in procedure.many else ()
        parties[role] = (*held, department)
    return with_office(parties, procedure, law)


def with_office(
    parties: dict[str, tuple[str, ...]], procedure: Procedure, law: Law
) -> dict[str, tuple[str, ...]]:
    """The parties with the office's holder of today, if the region names one."""
    office = law.offices.get(procedure.name)
    if office and OFFICE in procedure.roles and parties.get(OFFICE) != (office,):
        parties[OFFICE] = (office,)
    return parties


def count_key(act: Act, role: str | None, author: str, parties: Parties) -> str:
    """The key under which `at_most` counts: the act and the receiver it turns on, if there is one."""
    receivers = (author,) if role == RECEIVER else parties.get(RECEIVER, ())
    return f"{act.name}@{','.join(receivers)}"
