"""Obligations as rows: due time, state and next mark, computed from the facts at admission.

A row is an index over the facts that stand in it. Whoever changes the facts writes the row anew with
`index_row`, which names the first mark of the obligation whether or not it was reached before: what has
fired is known by the alerts alone, so that no recomputation can make a mark fire twice or not at all.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.common.clock import from_microseconds, microseconds
from services.procedures.calendar import NEVER, Calendar
from services.procedures.case import dumps_obligation, loads_obligation
from services.procedures.deadlines import due_time, mark_time, parse_mark
from services.procedures.duties import DutyRule
from services.procedures.law import Law
from services.procedures.model import Mark, ObligationRule, Procedure
from services.procedures.obligation import Obligation, Outcome

OPEN: Final = "OPEN"
LAPSED: Final = "LAPSED"
STANDING: Final = 0
"""What stands in `procedure_version` of an occurrence of a standing duty."""

_DUE: Final = 100


class MarkAt(NamedTuple):
    """A mark and the instant at which it fires."""

    at: datetime
    mark: Mark


class Indexed(NamedTuple):
    """What a row holds beside the facts and could be computed again; times in microseconds."""

    due_at_us: int
    next_mark: str | None
    next_mark_at_us: int | None


def index_row(obligation: Obligation, procedure: Procedure, calendar: Calendar) -> tuple[Any, ...]:
    """The row of an obligation, in the order of the columns of `tables.obligations`.

    Args:
        obligation: The facts, as the fold left them.
        procedure: The version that the case runs under.
        calendar: The newest calendar of the registry's region.

    Raises:
        KeyError: The procedure has no such rule.
        ValueError: The facts and the rule's marks do not fit together (`deadlines.mark_time`).
    """
    rule = procedure.obligations[obligation.rule]
    return _row(obligation, rule, procedure.name, procedure.version, calendar)


def standing_row(obligation: Obligation, duty: DutyRule, calendar: Calendar) -> tuple[Any, ...]:
    """The row of an occurrence of a standing duty; see `index_row`."""
    return _row(obligation, duty.as_obligation, duty.mechanism, STANDING, calendar)


def rule_of(row: Any, law: Law) -> ObligationRule:
    """The rule that a row's marks and acts are those of.

    Raises:
        LookupError: The law has no such rule.
    """
    if row.procedure_version != STANDING:
        return law.procedures[row.procedure, row.procedure_version].obligations[row.rule]
    duty = law.standing.newest(row.rule)
    if duty is None:
        raise LookupError(row.rule)
    return duty.as_obligation


def _row(
    obligation: Obligation, rule: ObligationRule, procedure: str, version: int, calendar: Calendar
) -> tuple[Any, ...]:
    state, ended_at = state_of(obligation)
    due = due_time(obligation, calendar)
    following = None
    if ended_at is None:
        following = _first(obligation, rule, calendar, due)
    return (
        obligation.case_id,
        obligation.rule,
        obligation.ordinal,
        procedure,
        version,
        obligation.owed_by,
        obligation.opened_position,
        microseconds(obligation.admitted_at),
        microseconds(due),
        state,
        None if ended_at is None else microseconds(ended_at),
        None if following is None else following.mark.name,
        None if following is None else microseconds(following.at),
        dumps_obligation(obligation),
    )


def from_row(row: Any) -> Obligation:
    """The obligation of a row of the table. Of its end the row knows when, how and the frozen due time."""
    obligation = loads_obligation(row.case_id, row.facts)
    if row.state == OPEN:
        return obligation
    ended_at = from_microseconds(row.ended_at_us)
    if row.state == LAPSED:
        return replace(obligation, lapsed_at=ended_at)
    return replace(
        obligation,
        discharged_at=ended_at,
        outcome=Outcome(row.state),
        due_frozen=from_microseconds(row.due_at_us),
    )


def state_of(obligation: Obligation) -> tuple[str, datetime | None]:
    """The state as `tables.obligations` names it, and when the obligation ended; None while it is open."""
    if obligation.discharged_at is not None and obligation.outcome is not None:
        return obligation.outcome.value, obligation.discharged_at
    if obligation.lapsed_at is not None:
        return LAPSED, obligation.lapsed_at
    return OPEN, None


def schedule(obligation: Obligation, rule: ObligationRule, calendar: Calendar) -> list[MarkAt]:
    """All marks in the order in which they fire; without those that a pause with no end keeps away."""
    marks = [MarkAt(mark_time(obligation, mark.name, calendar), mark) for mark in rule.marks]
    # stable: marks of one instant keep the order of the procedure
    return sorted((each for each in marks if each.at < NEVER), key=lambda each: each.at)


def next_mark(
    obligation: Obligation,
    rule: ObligationRule,
    calendar: Calendar,
    *,
    fired: AbstractSet[str] = frozenset(),
    after: datetime | None = None,
) -> MarkAt | None:
    """The earliest mark that has not fired.

    Args:
        obligation: The facts; one that has ended has no mark left.
        rule: The rule that the case runs under.
        calendar: The newest calendar.
        fired: Names of marks that have fired.
        after: Only marks later than this.
    """
    if not obligation.open:
        return None
    for each in schedule(obligation, rule, calendar):
        if each.mark.name not in fired and (after is None or each.at > after):
            return each
    return None


def after_mark(obligation: Obligation, rule: ObligationRule, calendar: Calendar, mark: str) -> MarkAt | None:
    """The mark that follows a mark; the first one, if the rule has no mark of that name."""
    marks = schedule(obligation, rule, calendar) if obligation.open else []
    names = [each.mark.name for each in marks]
    following = names.index(mark) + 1 if mark in names else 0
    return marks[following] if following < len(marks) else None


def indexed(
    obligation: Obligation, rule: ObligationRule, calendar: Calendar, fired: AbstractSet[str]
) -> Indexed:
    """The computed part of an open obligation's row, past the marks that have fired."""
    following = next_mark(obligation, rule, calendar, fired=fired)
    return Indexed(
        microseconds(due_time(obligation, calendar)),
        None if following is None else following.mark.name,
        None if following is None else microseconds(following.at),
    )


def _first(obligation: Obligation, rule: ObligationRule, calendar: Calendar, due: datetime) -> MarkAt | None:
    """The first of all marks; without computing the others where percentages alone order them."""
    first: Mark | None = None
    least = _DUE + 1
    for mark in rule.marks:
        percent, lead = parse_mark(mark.name)
        if lead:
            return next(iter(schedule(obligation, rule, calendar)), None)
        share = percent or _DUE
        if share < least:
            first, least = mark, share
    if first is None:
        return None
    at = due if least == _DUE else mark_time(obligation, first.name, calendar)
    return MarkAt(at, first) if at < NEVER else None
