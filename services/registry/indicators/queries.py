"""What the tables say of a period, each by an index and for whole groups at once; and what a figure counts, in pages.

Obligations due are read by the index of procedure, state and due time (or of who owes), those opened by the
ledger positions between the period's ends, acts by the same positions in their own index. Nothing walks what
lies outside the period, so a month costs the same however many years are stored.

A due time is exclusive: what is due at the 24:00 that ends a period is due in it, what is due at the one that
begins it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.procedures.calendar import NEVER
from services.procedures.law import Law
from services.registry import tables
from services.registry.indicators.amounts import Acted, Median, Owed, Raw
from services.registry.indicators.catalogue import ACTS, JUDGED, Count, Indicator, Measure, Unit
from services.registry.obligation_index import OPEN
from services.registry.oversight import position_at

_owed: Final = tables.obligations.c
_acts: Final = tables.act_index.c
_SECOND: Final = 1_000_000
_TOOK: Final = (_owed.ended_at_us - _owed.opened_at_us) // sa.literal_column(str(_SECOND), sa.BigInteger)
_BY_RULE: Final = (_owed.procedure, _owed.rule, _owed.owed_by, _owed.state)
_NEVER_US: Final = microseconds(NEVER)


@dataclass(frozen=True, slots=True)
class Window:
    """What is read: a period up to the present, of these procedures.

    Attributes:
        begin_us: Its first instant.
        end_us: The instant that ends it; at most the present.
        first: The first ledger position of the period.
        last: The position after its last one.
        procedures: Of which procedures.
        department: Of which department; empty: of all.
    """

    begin_us: int
    end_us: int
    first: int
    last: int
    procedures: tuple[str, ...]
    department: str = ""


def window(
    connection: Connection, begin_us: int, end_us: int, procedures: Collection[str], department: str = ""
) -> Window:
    """The window of a period, its ledger positions found by bisection."""
    first = position_at(connection, from_microseconds(begin_us))
    last = position_at(connection, from_microseconds(end_us))
    return Window(begin_us, end_us, first, last, tuple(sorted(procedures)), department)


def read(
    connection: Connection,
    seen: Window,
    counts: Collection[Count],
    law: Law,
    *,
    named: Collection[tuple[str, str]] = (),
    all_letters: bool = True,
) -> Raw:
    """Everything that is counted, as far as it is needed.

    Args:
        connection: A read transaction.
        seen: The period.
        counts: What is needed.
        law: Which rules suspend which.
        named: (procedure, act) pairs that some measure asks for.
        all_letters: Whether one asks for all letters.
    """
    acts: list[Acted] = []
    if ACTS & set(counts):
        acts = _noted_acts(connection, seen, named)
        if all_letters and Count.LETTERS in counts:
            acts += _other_acts(connection, seen, named)
    return Raw(
        due=_due(connection, seen) if Count.DUE in counts else (),
        opened=_opened(connection, seen) if Count.OPENED in counts else (),
        backlog=_backlog(connection, seen) if Count.BACKLOG in counts else (),
        suspended=_suspended(connection, seen, law) if Count.SUSPENDED in counts else (),
        acts=acts,
    )


def medians(
    connection: Connection, seen: Window, measure: Measure, *, by_procedure: bool, by_department: bool
) -> dict[tuple[str, str], Median]:
    """The middle of the times that were taken: of an even number the mean of the two, whole seconds."""
    everything = sa.literal_column("''", sa.Text)
    keys = (
        (_owed.procedure if by_procedure else everything).label("p"),
        (_owed.owed_by if by_department else everything).label("d"),
    )
    timed = (
        sa.select(*keys, _TOOK.label("took"))
        .where(*_due_conditions(seen, measure.states), *rules_of(measure))
        .subquery()
    )
    numbered = sa.select(
        timed.c.p,
        timed.c.d,
        timed.c.took,
        sa.func.row_number().over(partition_by=[timed.c.p, timed.c.d], order_by=timed.c.took).label("place"),
        sa.func.count().over(partition_by=[timed.c.p, timed.c.d]).label("all"),
    ).subquery()
    of = numbered.c
    middle = (
        sa.select(of.p, of.d, sa.func.min(of.took), sa.func.max(of.took), sa.func.max(of.all))
        .where(2 * of.place >= of.all, 2 * of.place <= of.all + 2)
        .group_by(of.p, of.d)
    )
    return {
        (procedure, department): Median((int(low) + int(high)) // 2, int(count))
        for procedure, department, low, high, count in connection.execute(middle)
    }


def all_medians(connection: Connection, seen: Window, indicator: Indicator) -> dict[tuple[str, str], Median]:
    """Medians of everything, of each procedure, of each department, and of each in each."""
    found: dict[tuple[str, str], Median] = {}
    for by_procedure in (False, True):
        for by_department in (False, True):
            found |= medians(
                connection,
                seen,
                indicator.numerator,
                by_procedure=by_procedure,
                by_department=by_department,
            )
    return found


def due_plan(seen: Window) -> sa.Select[Any]:
    """The statement that counts what was due: a test asks the database how it would run it."""
    took = sa.case((_owed.state.in_([OPEN]), 0), else_=_TOOK)
    return (
        sa.select(*_BY_RULE, sa.func.count(), sa.func.sum(took))
        .where(*_due_conditions(seen, JUDGED))
        .group_by(*_BY_RULE)
    )


def timed(indicators: Collection[Indicator]) -> list[Indicator]:
    """Those that are medians."""
    return [each for each in indicators if each.median and each.unit is Unit.SECONDS]


def _due(connection: Connection, seen: Window) -> list[Owed]:
    return [
        Owed(procedure, rule, department, state, int(count), int(seconds or 0))
        for procedure, rule, department, state, count, seconds in connection.execute(due_plan(seen))
    ]


def _opened(connection: Connection, seen: Window) -> list[Owed]:
    # by the place of its opening a row is found; of which procedure it is, is asked here, so that no other index is
    narrow = [_owed.owed_by == seen.department] if seen.department else []
    found = _counted(connection, [*opened_in(seen), *narrow])
    return [each for each in found if each.procedure in seen.procedures]


def _backlog(connection: Connection, seen: Window) -> list[Owed]:
    return _counted(connection, _backlog_conditions(seen))


def _suspended(connection: Connection, seen: Window, law: Law) -> list[Owed]:
    return _counted(connection, _suspended_conditions(seen, law))


def _counted(connection: Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> list[Owed]:
    by = (_owed.procedure, _owed.rule, _owed.owed_by)
    statement = sa.select(*by, sa.func.count()).where(*conditions).group_by(*by)
    return [
        Owed(procedure, rule, department, OPEN, int(count))
        for procedure, rule, department, count in connection.execute(statement)
    ]


def conditions_of(seen: Window, measure: Measure, law: Law) -> list[sa.ColumnElement[bool]]:
    """Which obligations of a window a measure counts, whatever their rule."""
    match measure.count:
        case Count.OPENED:
            return _opened_conditions(seen)
        case Count.BACKLOG:
            return _backlog_conditions(seen)
        case Count.SUSPENDED:
            return _suspended_conditions(seen, law)
        case _:
            return _due_conditions(seen, measure.states)


def _due_conditions(seen: Window, states: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    return [
        *_whose(seen),
        _owed.state.in_(states),
        _owed.due_at_us > seen.begin_us,
        _owed.due_at_us <= seen.end_us,
    ]


def opened_in(seen: Window) -> list[sa.ColumnElement[bool]]:
    """Obligations that were opened in a window, of whatever procedure."""
    return [_owed.opened_position >= seen.first, _owed.opened_position < seen.last]


def _opened_conditions(seen: Window) -> list[sa.ColumnElement[bool]]:
    return [*_whose(seen), *opened_in(seen)]


def _backlog_conditions(seen: Window) -> list[sa.ColumnElement[bool]]:
    return [*_whose(seen), _owed.state == OPEN, _owed.due_at_us <= seen.end_us]


def _suspended_conditions(seen: Window, law: Law) -> list[sa.ColumnElement[bool]]:
    """A clock stands while the request that stopped it is open and not yet due, unless it had run out before."""
    pairs = {
        (procedure.name, rule.name, rule.suspended_by)
        for procedure in law.procedures.values()
        for rule in procedure.obligations.values()
        if rule.suspended_by and procedure.name in seen.procedures
    }
    request = tables.obligations.alias("request").c
    suspending = [
        sa.and_(_owed.procedure == procedure, _owed.rule == rule, request.rule == by)
        for procedure, rule, by in sorted(pairs)
    ]
    standing = (
        sa.select(sa.literal(1))
        .where(
            request.case_id == _owed.case_id,
            request.state == OPEN,
            request.opened_position < seen.last,
            request.due_at_us > seen.end_us,
            sa.or_(sa.false(), *suspending),
        )
        .exists()
    )
    return [
        *_whose(seen),
        _owed.state == OPEN,
        _owed.opened_position < seen.last,
        _owed.due_at_us > seen.end_us,
        _owed.due_at_us <= _NEVER_US,
        _owed.rule.in_(sorted({rule for _, rule, _ in pairs})),
        standing,
    ]


def rules_of(measure: Measure) -> list[sa.ColumnElement[bool]]:
    """Which rules a measure is narrowed to."""
    if measure.rules:
        return [
            sa.or_(
                *(
                    sa.and_(_owed.procedure == procedure, _owed.rule.in_(rules))
                    for procedure, rules in measure.rules.items()
                )
            )
        ]
    return [_owed.procedure.in_(measure.procedures)] if measure.procedures else []


def _whose(seen: Window) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [_owed.procedure.in_(seen.procedures)]
    if seen.department:
        conditions.append(_owed.owed_by == seen.department)
    return conditions


def acted_in(seen: Window) -> list[sa.ColumnElement[bool]]:
    """The acts of a window."""
    return [
        _acts.position >= seen.first,
        _acts.position < seen.last,
        _acts.procedure.in_(seen.procedures),
    ]


def one_of(pairs: Collection[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """Acts that are one of these (procedure, act) pairs."""
    if not pairs:
        return sa.false()
    return sa.tuple_(_acts.procedure, _acts.act).in_(sorted(pairs))


def _noted_acts(connection: Connection, seen: Window, named: Collection[tuple[str, str]]) -> list[Acted]:
    """Acts that open or close a case, and those that an indicator names."""
    by = (
        _acts.procedure, _acts.act, _acts.author, _acts.before, _acts.opens, _acts.closes, _acts.item_code,
        _acts.area_code, _acts.outcome_code,
    )  # fmt: skip
    statement = (
        sa.select(*by, sa.func.count())
        .where(*acted_in(seen), sa.or_(_acts.opens, _acts.closes, one_of(named)))
        .group_by(*by)
    )
    return [Acted(*row) for row in connection.execute(statement)]


def _other_acts(connection: Connection, seen: Window, named: Collection[tuple[str, str]]) -> list[Acted]:
    """All other acts, which are only counted: by procedure and author."""
    by = (_acts.procedure, _acts.author, _acts.item_code, _acts.area_code)
    statement = (
        sa.select(*by, sa.func.count())
        .where(*acted_in(seen), sa.not_(_acts.opens), sa.not_(_acts.closes), sa.not_(one_of(named)))
        .group_by(*by)
    )
    return [
        Acted(procedure, "", author, "", False, False, item, area, "", int(count))
        for procedure, author, item, area, count in connection.execute(statement)
    ]
