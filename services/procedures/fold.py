"""From one admitted act to the next: the state of a case and its obligations.

The fold is deterministic, and total over admitted acts: whoever folds the same headers in ledger order,
each under the law of its position, has the same state. It refuses nothing; `admit` did.

An act closes before it opens. Clocks that ran against something the act closes resume first, so that
what is judged is judged by a finished count; then obligations are discharged or lapse, then extended;
then obligations reopen and open; last, what has opened suspends others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from services.common.records import record
from services.procedures.case import CaseState
from services.procedures.deadlines import due_time, extension_allowed, judge
from services.procedures.facts import ActFacts, Admission, Urgency
from services.procedures.law import Law, limit_key
from services.procedures.model import AUTHOR, EVIDENCE, OFFICE, Act, ObligationRule, Procedure
from services.procedures.obligation import Extension, Limit, Obligation, Suspension
from services.procedures.parties import acting_role, count_key, parties_after

PENDING_POSITION: Final = 2**63 - 1
"""The position of a provisional admission: a node folds its own pending letters over the admitted state.

The result is shown, never stored as truth, and made anew from the admitted state after each receipt. A
provisional act does not move `last_position`, because nothing was admitted that anybody could have seen.
"""

_RANK: Final = {Urgency.ORDINARY: 0, Urgency.URGENT: 1, Urgency.MAJOR: 2}


class NotAdmitted(LookupError):
    """The act cannot be folded: the law lacks the procedure or the act, so nobody can have admitted it."""


@record(frozen=True, slots=True)
class Folded:
    """A state, and the obligations that differ from before: opened, closed, or with another clock."""

    state: CaseState
    changed: tuple[Obligation, ...] = ()


def fold(state: CaseState | None, facts: ActFacts, admission: Admission, law: Law) -> Folded:
    """Applies one admitted act to a case; `state` None opens it.

    Raises:
        NotAdmitted: the law lacks the procedure or the act.
    """
    key = (facts.procedure, facts.procedure_version) if state is None else (state.procedure, state.version)
    procedure = law.procedures.get(key)
    act = procedure.acts.get(facts.act) if procedure else None
    if procedure is None or act is None:
        raise NotAdmitted(f"{key[0]} {key[1]}: {facts.act}")
    if state is None:
        state = _opened(facts, admission, procedure, law)
    return _Step(state, facts, admission, law, procedure, act).folded()


def limit_of(state: CaseState, rule: ObligationRule, urgency: Urgency) -> Limit:
    """The limit that a rule has in this case: the region's at the case's opening, else the procedure's."""
    if state.limits:
        for key in (limit_key(rule.name, urgency), rule.name):
            if key in state.limits:
                return state.limits[key]
    return rule.within[urgency]


def raised(before: Urgency, named: Urgency | None) -> Urgency:
    """The urgency after an act: a later act can raise it, never lower it."""
    return named if named is not None and _RANK[named] > _RANK[before] else before


def _opened(facts: ActFacts, admission: Admission, procedure: Procedure, law: Law) -> CaseState:
    return CaseState(
        case_id=facts.case_id,
        home_registry=facts.home_registry or law.registry,
        procedure=procedure.name,
        version=procedure.version,
        state=procedure.initial,
        urgency=facts.urgency or Urgency.ORDINARY,
        parties={},
        opened_at=admission.admitted_at,
        opened_position=admission.position,
        last_position=-1,
        last_author=facts.author,
        limits=law.limits_at(procedure, admission.admitted_at) if law.limits else {},
    )


class _Step:
    """One application of an act; mutable and short-lived, so that its parts need not hand on ten values."""

    __slots__ = (
        "act", "admission", "author", "awaited", "before", "changed", "ended", "facts", "law", "open",
        "ordinals", "parties", "procedure", "role", "urgency",
    )  # fmt: skip

    def __init__(
        self,
        before: CaseState,
        facts: ActFacts,
        admission: Admission,
        law: Law,
        procedure: Procedure,
        act: Act,
    ) -> None:
        self.before = before
        self.facts = facts
        self.admission = admission
        self.law = law
        self.procedure = procedure
        self.act = act
        self.author = facts.author
        self.parties = parties_after(before, facts, procedure, law)
        self.urgency = raised(before.urgency, facts.urgency)
        self.role = acting_role(before, act, procedure, self.parties, self.author) or ""
        self.open: list[Obligation] = list(before.open_obligations)
        self.ended: dict[str, list[Obligation]] = {}
        self.changed: dict[tuple[str, int], Obligation] = {}
        self.ordinals = dict(before.ordinals)
        self.awaited = dict(before.awaited)

    def folded(self) -> Folded:
        seats_moved = self.parties != self.before.parties
        if seats_moved:
            self._hand_over(to_author=True)
        effects = self.procedure.effects[self.act.name]
        if self.open:
            supplied = self._supply() if self.awaited else frozenset()
            if supplied or effects.ends_case or any(each.rule in effects.touches for each in self.open):
                self._close(supplied)
        if seats_moved:
            # what the act fulfils was still the old holder's
            self._hand_over(to_author=False)
        opened = [each for rule in effects.reopens for each in self._reopen(rule)]
        opened += [each for rule in effects.opens for each in self._open(rule)]
        if self.act.evidence_may_follow:
            self._await_material()
        if opened and self.procedure.suspends:
            self._suspend(opened)
        return Folded(self._state(), tuple(self.changed.values()))

    def _hand_over(self, *, to_author: bool) -> None:
        """Who takes another's seat takes its duties, as they stand; in a role of several each keeps its own."""
        for index, each in enumerate(self.open):
            holders = self.parties.get(each.owed_by_role, ())
            if not holders or each.owed_by in holders or each.owed_by_role in self.procedure.many:
                continue
            if (holders[0] == self.author) is to_author:
                after = replace(each, owed_by=holders[0])
                self.open[index] = self.changed[after.rule, after.ordinal] = after

    def _owes(self, each: Obligation) -> bool:
        """Whether the act counts for this obligation: several may owe the same, each answers for itself."""
        return each.owed_by == self.author or each.owed_by_role != self.role

    def _supply(self) -> frozenset[int]:
        """Strikes supplied kinds from what the author still owes; the ordinals that are now complete."""
        supplied = {each.kind for each in self.facts.materials if each.manifest_root is not None}
        complete = set()
        for each in self.open:
            if each.rule == EVIDENCE and each.owed_by == self.author and each.ordinal in self.awaited:
                rest = tuple([kind for kind in self.awaited[each.ordinal] if kind not in supplied])
                if rest:
                    self.awaited[each.ordinal] = rest
                else:
                    complete.add(each.ordinal)
        return frozenset(complete)

    def _close(self, supplied: frozenset[int]) -> None:
        effects = self.procedure.effects[self.act.name]
        discharged, lapsed, kept = [], [], []
        for each in self.open:
            is_complete = each.rule == EVIDENCE and each.ordinal in supplied
            if is_complete or (each.rule in effects.discharges and self._owes(each)):
                discharged.append(each)
            elif each.rule in effects.lapses or effects.ends_case:
                lapsed.append(each)
            else:
                kept.append(each)
        still_open = {each.rule for each in kept}
        resumed = {
            rule
            for each in (*discharged, *lapsed)
            if each.rule not in still_open
            for rule in self.procedure.suspends.get(each.rule, ())
        }
        at = self.admission.admitted_at
        for each in discharged:
            ended = self._resumed(each) if each.rule in resumed else each
            self._note_closed(ended, self._judged(ended))
        for each in lapsed:
            ended = self._resumed(each) if each.rule in resumed else each
            self._note_closed(ended, replace(ended, lapsed_at=at))
        self.open = []
        for each in kept:
            after = self._resumed(each) if each.rule in resumed else each
            if each.rule in effects.extends and self._owes(each):
                after = self._extended(after, effects.extends[each.rule])
            if after is not each:
                self.changed[after.rule, after.ordinal] = after
            self.open.append(after)
        for rule in effects.extends:
            if rule in self.procedure.suspends:
                self._move_ends(rule)

    def _note_closed(self, ended: Obligation, closed: Obligation) -> None:
        self.changed[closed.rule, closed.ordinal] = closed
        if ended.rule in self.procedure.reopenable:
            self.ended.setdefault(ended.rule, []).append(ended)
        if ended.rule == EVIDENCE:
            self.awaited.pop(ended.ordinal, None)

    def _judged(self, each: Obligation) -> Obligation:
        admitted_at, signed_at = self.admission.admitted_at, self.facts.signed_at
        calendar = self.law.calendar(self.before.home_registry)
        due = due_time(each, calendar)
        outcome = judge(due, signed_at, admitted_at, self.law.outages_of(self.author))
        return Obligation(
            each.case_id, each.rule, each.ordinal, each.owed_by, each.owed_by_role, each.opened_position,
            each.opened_act, each.limit, each.occurred_at, each.admitted_at, each.received_at,
            each.from_occurred, each.starts_on_receipt, each.fixed_due, each.suspensions, each.extensions,
            self.admission.position, admitted_at, signed_at, outcome, due, calendar.version,
        )  # fmt: skip

    def _resumed(self, each: Obligation) -> Obligation:
        if all(pause.until is not None for pause in each.suspensions):
            return each
        at = self.admission.admitted_at
        return replace(
            each,
            suspensions=tuple(
                [pause if pause.until is not None else replace(pause, until=at) for pause in each.suspensions]
            ),
        )

    def _extended(self, each: Obligation, limit: Limit) -> Obligation:
        # Of several duties of one rule only those in time are extended; the others stay as they are.
        at = self.admission.admitted_at
        if not extension_allowed(each, at, self.law.calendar(self.before.home_registry)):
            return each
        extension = Extension(limit, at, self.facts.reason_code)
        return replace(each, extensions=(*each.extensions, extension))

    def _move_ends(self, cause: str) -> None:
        """Running pauses end no earlier than the request that caused them, also when it is extended."""
        calendar = self.law.calendar(self.before.home_registry)
        latest_end = max((due_time(each, calendar) for each in self.open if each.rule == cause), default=None)
        for index, each in enumerate(self.open):
            if each.rule in self.procedure.suspends[cause] and latest_end is not None:
                pauses = tuple(
                    [replace(p, latest_end=latest_end) if p.until is None else p for p in each.suspensions]
                )
                if pauses != each.suspensions:
                    after = replace(each, suspensions=pauses)
                    self.open[index] = self.changed[after.rule, after.ordinal] = after

    def _next(self, rule: str) -> int:
        self.ordinals[rule] = ordinal = self.ordinals.get(rule, 0) + 1
        return ordinal

    def _reopen(self, rule: str) -> list[Obligation]:
        """The last closed obligations of a rule, running again from their original start.

        They get ordinals of their own: what was judged stays judged.
        """
        last = self.before.reopenable.get(rule, ())
        reopened = [replace(each, ordinal=self._next(rule)) for each in last]
        self._add(reopened)
        return reopened

    def _open(self, rule: ObligationRule) -> list[Obligation]:
        facts = self.facts
        limit = limit_of(self.before, rule, self.urgency)
        fixed_due = facts.requested_limit if rule.requested_limit else None
        opened = []
        for owner in (self.author,) if rule.owed_by == AUTHOR else self.parties.get(rule.owed_by, ()):
            # A clock that runs already is not started again; a stricter one runs beside it, so that
            # raising the urgency never gains time.
            if any(
                each.rule == rule.name
                and each.owed_by == owner
                and each.limit == limit
                and each.fixed_due == fixed_due
                for each in self.open
            ):
                continue
            # nobody awaits the arrival of an own letter
            received_at = self.admission.admitted_at if owner == self.author else None
            duty = Obligation(
                self.before.case_id, rule.name, self._next(rule.name), owner, rule.owed_by,
                self.admission.position, facts.act, limit, facts.occurred_at, self.admission.admitted_at,
                received_at if rule.starts_on_receipt else None, rule.from_occurred, rule.starts_on_receipt, fixed_due,
            )  # fmt: skip
            opened.append(duty)
        self._add(opened)
        return opened

    def _add(self, opened: list[Obligation]) -> None:
        self.open += opened
        for each in opened:
            self.changed[each.rule, each.ordinal] = each

    def _await_material(self) -> None:
        """Opens the duty to complete what is only announced, once per kind and author."""
        mine = {each.ordinal for each in self.open if each.rule == EVIDENCE and each.owed_by == self.author}
        known = {kind for ordinal in mine for kind in self.awaited.get(ordinal, ())}
        announced = {each.kind for each in self.facts.materials if each.manifest_root is None}
        kinds = tuple([kind for kind in self.act.needs if kind in announced and kind not in known])
        if not kinds:
            return
        rule = self.procedure.obligations[EVIDENCE]
        opened = Obligation(
            self.before.case_id, EVIDENCE, self._next(EVIDENCE), self.author, self.role or AUTHOR,
            self.admission.position, self.act.name, limit_of(self.before, rule, self.urgency),
            self.facts.occurred_at, self.admission.admitted_at,
        )  # fmt: skip
        self.awaited[opened.ordinal] = kinds
        self._add([opened])

    def _suspend(self, opened: list[Obligation]) -> None:
        """Stops the clocks that what has opened suspends, and those that open while it is running."""
        calendar = self.law.calendar(self.before.home_registry)
        new = {(each.rule, each.ordinal) for each in opened}
        suspends = self.procedure.suspends
        causes = [each for each in self.open if each.rule in suspends]
        for cause in causes:
            cause_is_new = (cause.rule, cause.ordinal) in new
            latest_end: datetime | None = None
            for index, each in enumerate(self.open):
                if each.rule not in suspends[cause.rule]:
                    continue
                is_new = (each.rule, each.ordinal) in new
                if not (is_new or (cause_is_new and self._owes(each))):
                    continue
                latest_end = latest_end or due_time(cause, calendar)
                pause = Suspension(self.admission.admitted_at, latest_end)
                after = replace(each, suspensions=(*each.suspensions, pause))
                self.open[index] = self.changed[after.rule, after.ordinal] = after

    def _state(self) -> CaseState:
        before, act, facts = self.before, self.act, self.facts
        provisional = self.admission.position == PENDING_POSITION
        other = before.last_other_position if before.last_author == self.author else before.last_position
        counts, letters, reopenable = before.counts, before.letters, before.reopenable
        if act.at_most is not None:
            key = count_key(act, self.role, self.author, self.parties)
            counts = {**counts, key: counts.get(key, 0) + 1}
        if act.numbered:
            letters = {**letters, f"{act.name} {self.author}": facts.letter_id}
        if self.ended:
            reopenable = {**reopenable, **{rule: tuple(ended) for rule, ended in self.ended.items()}}
        former = before.former
        if self.parties != before.parties:
            holding = {department for held in self.parties.values() for department in held}
            were = {*former, *(department for held in before.parties.values() for department in held)}
            former = tuple(sorted(were - holding))
        return CaseState(
            case_id=before.case_id,
            home_registry=before.home_registry,
            procedure=before.procedure,
            version=before.version,
            state=act.becomes or before.state,
            urgency=self.urgency,
            parties=self.parties,
            opened_at=before.opened_at,
            opened_position=before.opened_position,
            last_position=before.last_position if provisional else self.admission.position,
            last_author=before.last_author if provisional else self.author,
            last_other_position=before.last_other_position if provisional else other,
            former=former,
            counts=counts,
            ordinals=self.ordinals,
            open_obligations=tuple(self.open),
            reopenable=reopenable,
            awaited=self.awaited,
            letters=letters,
            limits=before.limits,
            office_called=before.office_called or self._calls_office(),
        )

    def _calls_office(self) -> bool:
        """Whether the act makes the office a reader of the case: it owes, acts, or is addressed."""
        if any(each.owed_by_role == OFFICE for each in self.open):
            return True
        facts = self.facts
        return any(
            name == self.author or name in facts.recipients or name in facts.copies
            for name in self.parties.get(OFFICE, ())
        )
