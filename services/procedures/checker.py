"""Refuses procedures that cannot work, before a case runs under them.

Form was checked while reading; here the parts are held against each other: names that nothing declares,
acts that never come, states without a way out, duties that nobody can fulfil. What can follow what is
judged for each urgency on its own, because a limit, like an act, may exist for some only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Final

from services.procedures import defects
from services.procedures.facts import ActFacts, Urgency
from services.procedures.law import adds_up, takes_shares
from services.procedures.model import AMENDED_AUTHOR, AUTHOR, EVIDENCE, Act, ObligationRule, Procedure
from services.procedures.source import Text

# fmt: off
PERSON_ROLES: Final = frozenset((
    "clerk", "registry-clerk", "section-head", "legal-reviewer", "duty-officer", "leader-in-charge",
    "principal", "liaison", "officer", "head", "deputy-head", "director", "coordinator", "monitor",
    "commander",
))
"""Roles that persons hold in a department or a mechanism's leading group; approvals are given in them."""

ACTIONS: Final = frozenset(("remind", "warn-leader", "tell-office", "propose-supervision"))
"""What a mark can do: remind the owner, warn its leader, tell the mechanism's office, advise it to supervise."""

_MARK: Final = re.compile(r"due|[1-9]\d?%|[1-9]\d{0,3} (d|h) before")
_BODY: Final = re.compile(r"liandong\.[a-z]+\.v\d+\.[A-Z]\w*")
_ALWAYS_SET: Final = frozenset((
    "letter_id", "case_id", "home_registry", "procedure", "procedure_version", "act", "author",
    "occurred_at", "signed_at", "actor_role", "actor_service", "based_on", "predecessor",
))
# fmt: on
HEADER_FIELDS: Final = frozenset(each.name for each in fields(ActFacts)) - _ALWAYS_SET
"""Fields of the act header that an act may require; all others are set in every letter or by the node."""


def check(procedure: Procedure, text: Text) -> None:
    """Adds to `text.found` what is wrong with the meaning of a procedure."""
    before = len(text.found)
    _check_names(procedure, text)
    for act in procedure.acts.values():
        _check_act(procedure, act, text)
    for rule in procedure.obligations.values():
        _check_rule(procedure, rule, text)
    # Paths are followed only where every name on them is known.
    if len(text.found) == before:
        _check_paths(procedure, text)


def _check_names(procedure: Procedure, text: Text) -> None:
    if procedure.initial not in procedure.states:
        text.complain(defects.UnknownState, ("initial",), procedure.initial)
    if not procedure.final:
        text.complain(defects.MissingKey, ("final",), "final")
    if procedure.initial in procedure.final:
        text.complain(defects.Contradiction, ("final",), "the initial state cannot be final")
    if not procedure.source:
        text.complain(defects.MissingKey, ("source",), "source")
    _known(procedure.final, procedure.states, defects.UnknownState, ("final",), text)
    _known(procedure.many, procedure.roles, defects.UnknownRole, ("many",), text)


def _check_act(procedure: Procedure, act: Act, text: Text) -> None:
    at = ("acts", act.name)
    roles = set(procedure.roles) | {AMENDED_AUTHOR}
    _known(act.by, roles, defects.UnknownRole, (*at, "by"), text)
    _known(act.names, procedure.roles, defects.UnknownRole, (*at, "names"), text)
    _known(act.in_states, procedure.states, defects.UnknownState, (*at, "in"), text)
    _known(act.approved_by, PERSON_ROLES, defects.UnknownPersonRole, (*at, "approved_by"), text)
    _known(act.requires, HEADER_FIELDS, defects.NotAHeaderField, (*at, "requires"), text)
    _known(act.reopens, procedure.obligations, defects.UnknownObligation, (*at, "reopens"), text)
    _known(act.not_while, procedure.obligations, defects.UnknownObligation, (*at, "not_while"), text)
    _known(act.copies, procedure.roles, defects.UnknownRole, (*at, "copies"), text)
    if act.becomes is not None and act.becomes not in procedure.states:
        text.complain(defects.UnknownState, (*at, "becomes"), act.becomes)
    if not act.by or not act.in_states:
        text.complain(defects.UnreachableAct, at, f"{act.name} has nobody or no state")
    if not _BODY.fullmatch(act.body):
        text.complain(defects.WrongType, (*at, "body"), f"{act.body} is no full name of a message")
    if AMENDED_AUTHOR in act.by and "amended_letter" not in act.requires:
        text.complain(defects.Contradiction, at, f"{act.name} must require amended_letter")
    if AMENDED_AUTHOR in act.by and procedure.opens(act):
        text.complain(defects.Contradiction, at, f"{act.name} opens a case, which has no letter to amend yet")
    if act.evidence_may_follow and not act.needs:
        text.complain(defects.Contradiction, at, f"{act.name} lets evidence follow but needs none")


def _check_rule(procedure: Procedure, rule: ObligationRule, text: Text) -> None:
    at = ("obligations", rule.name)
    owners = {AUTHOR} if rule.name == EVIDENCE else set(procedure.roles)
    _known((rule.owed_by,), owners, defects.UnknownRole, (*at, "owed_by"), text)
    for key, acts in (
        ("opens_on", rule.opens_on),
        ("discharged_by", rule.discharged_by),
        ("lapses_on", rule.lapses_on),
        ("extended_by", tuple(rule.extended_by)),
    ):
        _known(acts, procedure.acts, defects.UnknownAct, (*at, key), text)
    for name in sorted(set(rule.discharged_by) & set(rule.lapses_on)):
        text.complain(defects.Contradiction, (*at, "lapses_on"), f"{name} discharges {rule.name} too")
    if rule.suspended_by is not None:
        if rule.suspended_by not in procedure.obligations:
            text.complain(defects.UnknownObligation, (*at, "suspended_by"), rule.suspended_by)
        elif _suspends_itself(procedure, rule):
            text.complain(defects.Contradiction, (*at, "suspended_by"), f"{rule.name} would suspend itself")
    if not rule.opens_on:
        text.complain(defects.Contradiction, at, f"nothing opens {rule.name}")
    opening = [procedure.acts[name] for name in rule.opens_on if name in procedure.acts]
    for act in opening if rule.requested_limit else ():
        if "requested_limit" not in act.requires:
            text.complain(defects.LimitNotRequired, (*at, "within"), f"{rule.name}, opened by {act.name}")
    _check_marks(rule, text)
    _check_extensions(procedure, rule, text)


def _check_marks(rule: ObligationRule, text: Text) -> None:
    at = ("obligations", rule.name, "marks")
    shared = all(takes_shares(limit) for limit in rule.within.values())
    for mark in rule.marks:
        if not _MARK.fullmatch(mark.name):
            text.complain(defects.UnknownMark, (*at, mark.name), mark.name)
        elif mark.name.endswith("%") and not shared:
            detail = f"{mark.name} of a limit that takes only times before it is due"
            text.complain(defects.UnknownMark, (*at, mark.name), detail)
        _known(mark.actions, ACTIONS, defects.UnknownAction, (*at, mark.name), text)


def _check_extensions(procedure: Procedure, rule: ObligationRule, text: Text) -> None:
    at = ("obligations", rule.name, "extended_by")
    for name, extension in rule.extended_by.items():
        act = procedure.acts.get(name)
        if act is not None and "reason_code" not in act.requires:
            text.complain(defects.ExtensionDoesNotFit, (*at, name), f"{name} must require reason_code")
        if not all(adds_up(limit, extension) for limit in rule.within.values()):
            text.complain(defects.ExtensionDoesNotFit, (*at, name), f"{extension.value} {extension.unit}")


def _check_paths(procedure: Procedure, text: Text) -> None:
    after: dict[Urgency, dict[str, set[str]]] = {each: _reach(procedure, each) for each in Urgency}
    reached = {state for urgency in Urgency for state in after[urgency][procedure.initial]}
    for state in procedure.states:
        at = ("states", state)
        if state not in reached:
            text.complain(defects.DeadState, at, f"nothing leads to {state}")
            continue
        for urgency in Urgency:
            live = state in after[urgency][procedure.initial]
            if live and not after[urgency][state] & procedure.final:
                text.complain(defects.DeadState, at, f"from {state} nothing ends {urgency} cases")
                break
    for act in procedure.acts.values():
        if not act.in_states & reached:
            text.complain(defects.UnreachableAct, ("acts", act.name), act.name)
        elif not _steps(procedure, act, after):
            text.complain(defects.UnreachableAct, ("acts", act.name), f"{act.name}, for these urgencies")
    for rule in procedure.obligations.values():
        if rule.name != EVIDENCE:
            _check_discharge(procedure, rule, after, text)


def _check_discharge(
    procedure: Procedure, rule: ObligationRule, after: Mapping[Urgency, Mapping[str, set[str]]], text: Text
) -> None:
    reopening = [act.name for act in procedure.acts.values() if rule.name in act.reopens]
    for name in (*rule.opens_on, *reopening):
        for urgency, state in _steps(procedure, procedure.acts[name], after):
            following = after[urgency][state]
            closing = [procedure.acts[each] for each in rule.discharged_by]
            if not any(_available(act, urgency) and act.in_states & following for act in closing):
                detail = f"{rule.name}, opened by {name} in {urgency} cases"
                at = ("obligations", rule.name, "discharged_by")
                text.complain(defects.NobodyCanDischarge, at, detail)
                return


def _steps(
    procedure: Procedure, act: Act, after: Mapping[Urgency, Mapping[str, set[str]]]
) -> set[tuple[Urgency, str]]:
    """Every urgency and state that a case can have just after the act."""
    return {
        (urgency, act.becomes or state)
        for urgency in Urgency
        if _available(act, urgency)
        for state in act.in_states & after[urgency][procedure.initial]
    }


def _reach(procedure: Procedure, urgency: Urgency) -> dict[str, set[str]]:
    """For every state the states a case of this urgency can come to from it, itself included."""
    following: dict[str, set[str]] = {state: set() for state in procedure.states}
    for act in procedure.acts.values():
        if _available(act, urgency) and act.becomes is not None:
            for state in act.in_states:
                following[state].add(act.becomes)
    reach: dict[str, set[str]] = {}
    for start in procedure.states:
        seen, waiting = {start}, [start]
        while waiting:
            for state in following[waiting.pop()] - seen:
                seen.add(state)
                waiting.append(state)
        reach[start] = seen
    return reach


def _available(act: Act, urgency: Urgency) -> bool:
    return not act.only or urgency in act.only


def _suspends_itself(procedure: Procedure, rule: ObligationRule) -> bool:
    seen = {rule.name}
    cause = rule.suspended_by
    while cause is not None and cause in procedure.obligations:
        if cause in seen:
            return True
        seen.add(cause)
        cause = procedure.obligations[cause].suspended_by
    return False


def _known(
    names: Iterable[str],
    declared: Iterable[str],
    kind: type[defects.Defect],
    at: tuple[str, ...],
    text: Text,
) -> None:
    known = set(declared)
    for name in sorted(names):
        if name not in known:
            text.complain(kind, (*at, name), name)
