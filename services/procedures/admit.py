"""Whether an act may be admitted to a case: one pure judgement, made alike by node and registry.

Only what `liandong.exchange.v1.Reason` calls judged is decided here. Lateness is never a reason: a late
act is admitted and marked (docs/time.md), except an extension of what is already due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.procedures.case import CaseState
from services.procedures.deadlines import extension_allowed
from services.procedures.facts import ActFacts
from services.procedures.fold import raised
from services.procedures.law import ACTIVE, LISTED, Law
from services.procedures.model import AMENDED_AUTHOR, AUTHOR, OFFICE, OFFICER, Act, Procedure
from services.procedures.parties import Parties, acting_role, count_key, parties_after, with_office


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an act is refused: a name of `Reason` without its prefix, the field's path, a sentence."""

    reason: str
    field: str
    message: str


class Permission(NamedTuple):
    """Whether a department may do an act now, and if not, the reason that a refusal would carry."""

    act: str
    allowed: bool
    why_not: str = ""


def admit(state: CaseState | None, facts: ActFacts, now: datetime, law: Law) -> Refusal | None:
    """Judges one act against its case.

    Args:
        state: The case as its last admitted act left it, None if there is no such case.
        facts: The act.
        now: When it is admitted; a node that judges its own letter passes its clock.
        law: The common entries to judge by.

    Returns:
        None if the act may be admitted, else the first reason against it.
    """
    procedure = law.procedures.get((facts.procedure, facts.procedure_version))
    if procedure is None or (state is None and (procedure.name, procedure.version) in law.withdrawn):
        name = f"{facts.procedure} version {facts.procedure_version}"
        return Refusal("UNKNOWN_PROCEDURE", "procedure", f"{name} is not in force here.")
    if state is not None and (state.procedure, state.version) != (procedure.name, procedure.version):
        message = f"The case runs under {state.procedure} version {state.version}."
        return Refusal("UNKNOWN_PROCEDURE", "procedure_version", message)
    act = procedure.acts.get(facts.act)
    if act is None:
        return Refusal("UNKNOWN_ACT", "act", f"{procedure.name} has no act {facts.act}.")
    opens = procedure.initial in act.in_states
    if state is None and not opens:
        return Refusal(
            "UNKNOWN_CASE", "case_id", f"There is no case {facts.case_id}, and {act.name} opens none."
        )
    if state is not None and opens and facts.based_on is None and not facts.predecessor:
        return Refusal("CASE_EXISTS", "case_id", f"Case {facts.case_id} exists already.")
    if facts.occurred_at > facts.signed_at:
        return Refusal("OCCURRED_AFTER_SIGNED", "occurred_at", "The act is signed before it happened.")
    parties = parties_after(state, facts, procedure, law)
    # Nobody gains or loses by an act the role in which it does the act, except by the first.
    held = with_office(dict(state.parties), procedure, law) if state and facts.parties else parties
    refusal = _author_refused(state, facts, act, procedure, held, law)
    if refusal is None and state is not None:
        refusal = _moment_refused(state, facts, act, procedure, held)
    if refusal is None and facts.serves:
        refusal = _duties_refused(facts, now, law)
    if refusal is None:
        refusal = _content_refused(state, facts, act, procedure)
    if refusal is None and (
        state is None or facts.parties or facts.recipients or facts.copies or _opens(procedure, act)
    ):
        refusal = _parties_refused(state, facts, act, procedure, parties, law)
    if refusal is None and OFFICER in act.approved_by:
        refusal = _officers_refused(facts, law)
    if refusal is None and act.copies:
        refusal = _copies_refused(facts, act, parties)
    if refusal is None and state is not None:
        refusal = _extension_refused(state, facts, act, procedure, now, law)
    return refusal


def permitted(
    state: CaseState | None, department: str, law: Law, procedure: Procedure | None = None
) -> list[Permission]:
    """Every act of the case's procedure, and whether the department may do it now.

    Only what does not depend on the letter is judged: role, state, count, urgency. `procedure` says what
    to open where there is no case yet.
    """
    if state is not None:
        procedure = law.procedures.get((state.procedure, state.version))
    if procedure is None:
        return []
    parties = with_office(dict(state.parties), procedure, law) if state else {}
    judged = [(act, _why_not(state, department, act, procedure, parties)) for act in procedure.acts.values()]
    return [Permission(act.name, not why, why) for act, why in judged]


def _why_not(
    state: CaseState | None, department: str, act: Act, procedure: Procedure, parties: Parties
) -> str:
    if state is None:
        return "" if procedure.opens(act) else "UNKNOWN_CASE"
    role = acting_role(state, act, procedure, parties, department)
    own_letters = any(key.endswith(f" {department}") for key in state.letters)
    if role is None or (AMENDED_AUTHOR in act.by and not own_letters):
        return "NOT_PERMITTED_FOR_ROLE"
    if state.state not in act.in_states:
        return "NOT_PERMITTED_IN_STATE"
    if act.only and state.urgency not in act.only:
        return "URGENCY_NOT_PERMITTED"
    if act.at_most is not None:
        done = state.counts.get(count_key(act, role, department, parties), 0)
        if done >= act.at_most:
            return "TOO_OFTEN"
    return "OBLIGATION_OPEN" if act.not_while and _waits_for(act, state) else ""


def _author_refused(
    state: CaseState | None, facts: ActFacts, act: Act, procedure: Procedure, parties: Parties, law: Law
) -> Refusal | None:
    """Whether the author may speak at all, in this role, for this sub-unit, through this actor."""
    author = facts.author
    if law.departments:
        status = law.departments.get(author)
        if status is None:
            return Refusal("UNKNOWN_DEPARTMENT", "author", f"{author} is not in the directory.")
        if status != ACTIVE:
            return Refusal("DEPARTMENT_INACTIVE", "author", f"{author} is {status} in the directory.")
    if AMENDED_AUTHOR in act.by or facts.amended_letter:
        if not facts.amended_letter:
            return Refusal("FIELD_REQUIRED", "amended_letter", f"{act.name} must name the letter it amends.")
        if state is None or state.amendable(facts.amended_letter) != author:
            message = "The amended letter is no standing letter of this author in the case."
            return Refusal("AMENDED_LETTER_INVALID", "amended_letter", message)
    if acting_role(state, act, procedure, parties, author) is None:
        roles = " or ".join(act.by)
        return Refusal("NOT_PERMITTED_FOR_ROLE", "author", f"{act.name} is for the {roles}; {author} is not.")
    if facts.sub_unit and (author, facts.sub_unit) not in law.sub_units:
        message = f"{facts.sub_unit} has no exception to act in place of {author}."
        return Refusal("SUB_UNIT_NOT_PERMITTED", "sub_unit", message)
    if facts.actor_service and facts.actor_role in act.approved_by:
        message = f"A system may send {act.name} but not stand in for its {facts.actor_role}."
        return Refusal("ROLE_NOT_PERMITTED", "actor", message)
    return None


def _moment_refused(
    state: CaseState, facts: ActFacts, act: Act, procedure: Procedure, parties: Parties
) -> Refusal | None:
    """Whether the case stands where the act can be done, and as its author saw it."""
    if state.state not in act.in_states:
        # Somebody else was first if the author could not have known this state.
        if facts.based_on is None or facts.based_on < state.last_position:
            message = f"The case moved on to {state.state} before {act.name} was admitted."
            return Refusal("CASE_MOVED_ON", "act", message)
        return Refusal("NOT_PERMITTED_IN_STATE", "act", f"{act.name} is not permitted while {state.state}.")
    if act.must_see_latest and not state.seen_by(facts.author, facts.based_on):
        message = f"{act.name} must be based on position {state.last_position}."
        return Refusal("MUST_SEE_LATEST", "based_on", message)
    if act.at_most is not None:
        role = acting_role(state, act, procedure, parties, facts.author)
        done = state.counts.get(count_key(act, role, facts.author, parties), 0)
        if done >= act.at_most:
            return Refusal(
                "TOO_OFTEN", "act", f"{act.name} was done {done} times, {act.at_most} is the most."
            )
    if act.not_while and (owed := _waits_for(act, state)):
        return Refusal("OBLIGATION_OPEN", "act", f"{act.name} must wait until {owed} is met.")
    return None


def _content_refused(
    state: CaseState | None, facts: ActFacts, act: Act, procedure: Procedure
) -> Refusal | None:
    """Whether the header carries what the act needs: fields, materials, approvals, urgency."""
    if state is None and facts.urgency is None and procedure.depends_on_urgency:
        return Refusal("FIELD_REQUIRED", "urgency", "The opening act must say how urgent the case is.")
    for name in act.requires:
        if not getattr(facts, name):
            if name == "actor_certificate":
                return Refusal("OFFICER_NOT_CERTIFIED", name, f"{act.name} needs a certified officer.")
            return Refusal("FIELD_REQUIRED", name, f"{act.name} must set {name}.")
    if facts.requested_limit is not None and facts.requested_limit <= facts.signed_at:
        return Refusal("INVALID_FIELD", "requested_limit", "The date set is past when the letter is signed.")
    if act.only:
        urgency = raised(state.urgency, facts.urgency) if state else facts.urgency
        if urgency not in act.only:
            message = f"{act.name} is only for {' or '.join(sorted(act.only))} cases."
            return Refusal("URGENCY_NOT_PERMITTED", "urgency", message)
    if act.needs:
        present = {
            each.kind for each in facts.materials if each.manifest_root is not None or act.evidence_may_follow
        }
        for kind in act.needs:
            if kind not in present:
                return Refusal("MATERIAL_MISSING", "materials", f"{act.name} needs material of kind {kind}.")
    if act.approved_by:
        for role in missing_approvals(act, ((each.role, each.subject) for each in facts.approvals)):
            return Refusal("APPROVAL_MISSING", "approvals", f"{act.name} needs approval by {role}.")
    return None


def missing_approvals(act: Act, given: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Roles in which a person has still to approve: as many approvals as are asked for take as many persons.

    Args:
        act: The act.
        given: Role and person of each approval.
    """
    holders: dict[str, list[str]] = {}
    for role, person in given:
        holders.setdefault(role, []).append(person)
    counted: dict[str, int] = {}

    def count(place: int, tried: set[str]) -> bool:
        """Find a place somebody; whoever is counted elsewhere goes on if another can be counted there."""
        for person in holders.get(act.approved_by[place], ()):
            if person in tried:
                continue
            tried.add(person)
            if person not in counted or count(counted[person], tried):
                counted[person] = place
                return True
        return False

    return tuple(role for place, role in enumerate(act.approved_by) if not count(place, set()))


def _waits_for(act: Act, state: CaseState) -> str:
    """The open obligation that has to be met first, empty if there is none."""
    return next((each.rule for each in state.open_obligations if each.rule in act.not_while), "")


def _opens(procedure: Procedure, act: Act) -> bool:
    return bool(procedure.effects[act.name].opens)


def _parties_refused(
    state: CaseState | None, facts: ActFacts, act: Act, procedure: Procedure, parties: Parties, law: Law
) -> Refusal | None:
    """Whether everyone named fits the procedure, and everyone who will owe something is there."""
    seats: dict[str, str] = {}
    for department, role in facts.parties.items():
        path = f"parties[{department}]"
        if role not in procedure.roles:
            return Refusal("PARTY_INVALID", path, f"{procedure.name} has no role {role}.")
        if role == OFFICE and law.offices.get(procedure.name, department) != department:
            return Refusal("PARTY_INVALID", path, f"The office is {law.offices[procedure.name]}.")
        if role not in procedure.many and seats.setdefault(role, department) != department:
            return Refusal("PARTY_INVALID", path, f"Only one department can be the {role}.")
        if state is None or department in state.parties.get(role, ()):
            continue
        if role not in act.names or department == facts.author:
            return Refusal("PARTY_INVALID", path, f"{act.name} may not make {department} the {role}.")
    for role in state.parties if state else ():
        if role not in parties and role in procedure.counted_on:
            return Refusal("PARTY_INVALID", "parties", f"Nobody would be the {role} any more.")
    if state is None and OFFICE in procedure.roles and OFFICE not in parties:
        return Refusal("PARTY_INVALID", "parties", f"No department holds the office of {procedure.name}.")
    for rule in procedure.effects[act.name].opens:
        if rule.owed_by != AUTHOR and not parties.get(rule.owed_by):
            message = f"Nobody is the {rule.owed_by}, who will owe {rule.name}."
            return Refusal("PARTY_INVALID", "parties", message)
    # who held a role before is still told: their letters are in the case
    members = {department for held in parties.values() for department in held} | set(
        state.members if state else ()
    )
    for department in facts.recipients:
        if department not in members:
            return Refusal("PARTY_INVALID", "recipients", f"{department} has no role in the case.")
    for department in facts.copies if procedure.confidential else ():
        if department not in members:
            message = f"{department} has no role in the case, which is confidential."
            return Refusal("PARTY_INVALID", "copies", message)
    return _directory_refused([*facts.parties, *facts.copies], law)


def _officers_refused(facts: ActFacts, law: Law) -> Refusal | None:
    """Whether each officer held a good certificate when approving, where the department lists any."""
    listed = law.officers.get(facts.author)
    if listed is None:
        return None
    for index, each in enumerate(facts.approvals):
        if each.role != OFFICER:
            continue
        officer = listed.get(each.certificate)
        problem = (
            officer.problem(each.subject, facts.item_code, each.approved_at)
            if officer
            else f"{each.certificate or 'No certificate'} is not listed for {facts.author}."
        )
        if problem:
            return Refusal("OFFICER_NOT_CERTIFIED", f"approvals[{index}].certificate", problem)
    return None


def _copies_refused(facts: ActFacts, act: Act, parties: Parties) -> Refusal | None:
    """Whether everyone is copied in whom the rule names."""
    for role in act.copies:
        holders = parties.get(role, ())
        if not holders:
            return Refusal(
                "PARTY_INVALID", "parties", f"Nobody is the {role}, who gets a copy of {act.name}."
            )
        for department in holders:
            if department not in (facts.author, *facts.copies, *facts.recipients):
                message = f"{act.name} goes to {department} as well, which is the {role}."
                return Refusal("COPY_MISSING", "copies", message)
    return None


def _directory_refused(named: Iterable[str], law: Law) -> Refusal | None:
    statuses: Mapping[str, str] = law.departments
    if not statuses:
        return None
    for department in named:
        status = statuses.get(department)
        if status is None:
            return Refusal("UNKNOWN_DEPARTMENT", "parties", f"{department} is not in the directory.")
        if status not in (ACTIVE, LISTED):
            return Refusal("DEPARTMENT_INACTIVE", "parties", f"{department} is {status} in the directory.")
    return None


def _extension_refused(
    state: CaseState, facts: ActFacts, act: Act, procedure: Procedure, now: datetime, law: Law
) -> Refusal | None:
    """Whether there is something to extend that is not yet due (docs/time.md, Suspension, extension)."""
    extends = procedure.effects[act.name].extends
    if not extends:
        return None
    role = acting_role(state, act, procedure, state.parties, facts.author)
    running = [
        each
        for each in state.open_obligations
        if each.rule in extends and (each.owed_by == facts.author or each.owed_by_role != role)
    ]
    if not running:
        return Refusal("NOT_PERMITTED_IN_STATE", "act", f"Nothing is running that {act.name} extends.")
    calendar = law.calendar(state.home_registry)
    if not any(extension_allowed(each, now, calendar) for each in running):
        return Refusal("EXTENSION_AFTER_DUE", "act", f"{running[0].rule} is already due.")
    return None


def _duties_refused(facts: ActFacts, now: datetime, law: Law) -> Refusal | None:
    """Whether the author owes the standing duties that it says to discharge, and does so by this act."""
    for index, (duty, period) in enumerate(facts.serves):
        why = law.standing.refusal(duty, period, facts.author, (facts.procedure, facts.act), now)
        if why:
            return Refusal("DUTY_NOT_OWED", f"serves[{index}]", why)
    return None
