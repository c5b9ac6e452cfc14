"""What an office asks of the tables: obligations, counts, flows, alerts (M28).

Every query runs on an index and reads about as much as it answers. A list that several conditions make
visible is the union of one short walk for each, every one in the order of its own index; the pages go on
from the last key, so that a row that comes or goes meanwhile neither hides nor repeats another.

Counts over a period find the ledger positions of its ends by bisection, since positions and admissions
rise together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import microseconds
from services.procedures.calendar import ZONE
from services.procedures.model import OFFICE
from services.procedures.obligation import Outcome
from services.registry import tables
from services.registry.matrix import is_dispute
from services.registry.obligation_index import LAPSED, OPEN, STANDING
from services.registry.oversight_scope import Scope
from services.registry.tallies import BUCKET

STATES: Final = (OPEN, *(outcome.value for outcome in Outcome), LAPSED)

_obligations: Final = tables.obligations.c
_ended: Final = tables.ended_obligations.c
_KEY: Final = (_obligations.due_at_us, _obligations.case_id, _obligations.rule, _obligations.ordinal)
_MANY: Final = 2_000
"""Cases of one department from which on what is due is walked, and not they."""
_EPOCH_DAY: Final = datetime(1970, 1, 1, tzinfo=ZONE)

ObligationKey = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class ObligationFilter:
    """Which obligations are asked for; empty means any.

    `states` are states of the table. Due times are microseconds, `due_before_us` exclusive. `party` takes part in the
    case. `rules` are names of obligations with their mechanisms; None for all.
    """

    procedure: str = ""
    owed_by: str = ""
    states: tuple[str, ...] = STATES
    due_from_us: int | None = None
    due_before_us: int | None = None
    party: str = ""
    rules: Collection[tuple[str, str]] | None = None


class Count(NamedTuple):
    """How many obligations of a department in a mechanism are in a state, and past their due time."""

    department: str
    procedure: str
    state: str
    obligations: int
    past_due: int


class Flow(NamedTuple):
    """How many letters went from one department to another."""

    author: str
    recipient: str
    letters: int


def list_obligations(
    connection: Connection,
    scope: Scope,
    wanted: ObligationFilter,
    procedures: Iterable[str],
    after: ObligationKey | None,
    limit: int,
) -> Sequence[Any]:
    """The next obligations by due time, as rows of the table.

    Args:
        connection: A read transaction.
        scope: What the caller sees.
        wanted: What it asks for.
        procedures: All mechanisms there are.
        after: The key of the last row of the page before.
        limit: At most so many.
    """
    walks = [
        walk.where(*_range(wanted, after)).order_by(*_KEY).limit(limit)
        for walk in _walks(connection, scope, wanted, _present(connection, procedures))
    ]
    if not walks:
        return []
    # a subquery each: SQLite takes no ORDER BY inside a union
    keys = sa.union(*(sa.select(walk.subquery()) for walk in walks)).subquery()
    order = [keys.c.due_at_us, keys.c.case_id, keys.c.rule, keys.c.ordinal]
    found = sa.select(keys).order_by(*order).limit(limit).subquery()
    same = sa.and_(*(_obligations[name] == found.c[name] for name in ("case_id", "rule", "ordinal")))
    return connection.execute(
        sa.select(tables.obligations)
        .join(found, same)
        .order_by(found.c.due_at_us, found.c.case_id, found.c.rule, found.c.ordinal)
    ).all()


def obligation_key(row: Any) -> ObligationKey:
    """The key of a row of `list_obligations`."""
    return (row.due_at_us, row.case_id, row.rule, row.ordinal)


def count_obligations(
    connection: Connection,
    scope: Scope,
    asked: Collection[str],
    begin: datetime,
    end: datetime,
    now: datetime,
) -> list[Count]:
    """Obligations opened from `begin` to before `end`, by department, mechanism and state.

    What has ended is counted already, by where it was opened (`tallies`): only the rows at the period's ends are read
    one by one, and those that are open.

    Args:
        connection: A read transaction.
        scope: What the caller sees.
        asked: Of these mechanisms.
        begin: The period's first instant.
        end: The instant that ends it.
        now: The time.
    """
    first, last = position_at(connection, begin), position_at(connection, end)
    past_due = sa.func.sum(sa.case((_obligations.due_at_us <= microseconds(now), 1), else_=0))
    by = (_obligations.owed_by, _obligations.procedure, _obligations.state)
    rows = sa.select(*by, sa.func.count(), past_due).group_by(*by)
    of_cases = _obligations.procedure_version != STANDING
    parts = [
        rows.where(seen, _obligations.state == OPEN, of_cases, *_opened(first, last))
        for seen in _seen(scope, asked)
    ]
    low, high = -(-first // BUCKET), last // BUCKET
    if low < high:
        edges = [(first, low * BUCKET), (high * BUCKET, last)]
        by_kept = (_ended.owed_by, _ended.procedure, _ended.state)
        kept = sa.select(*by_kept, sa.func.sum(_ended.obligations), sa.literal(0)).group_by(*by_kept)
        parts.append(kept.where(_ended.bucket >= low, _ended.bucket < high))
    else:
        edges = [(first, last)]
    parts += [rows.where(_obligations.state != OPEN, of_cases, *_opened(*edge)) for edge in edges]
    parts.append(rows.where(~of_cases, *_opened(first, last)))
    found: Counter[tuple[str, str, str]] = Counter()
    late: Counter[tuple[str, str, str]] = Counter()
    for part in parts:
        for department, procedure, state, count, past in connection.execute(part):
            # by the place of its opening a row is found; who may see it is asked here, so that no other index is
            if procedure in asked and (scope.sees_mechanism(procedure) or department == scope.department):
                found[department, procedure, state] += int(count)
                late[department, procedure, state] += int(past)
    return [Count(*key, found[key], late[key]) for key in sorted(found)]


def _opened(first: int, last: int) -> list[sa.ColumnElement[bool]]:
    return [_obligations.opened_position >= first, _obligations.opened_position < last]


def _seen(scope: Scope, asked: Collection[str]) -> list[sa.ColumnElement[bool]]:
    """What the caller sees of these mechanisms, in parts that no row is in twice: each is found by an index."""
    whole = sorted(name for name in asked if scope.sees_mechanism(name))
    rest = sorted(set(asked) - set(whole))
    parts: list[sa.ColumnElement[bool]] = [_obligations.procedure.in_(whole)] if whole else []
    if rest:
        parts.append(sa.and_(_obligations.owed_by == scope.department, _obligations.procedure.in_(rest)))
    return parts


def count_open(
    connection: Connection, scope: Scope, departments: Iterable[str], now: datetime
) -> dict[str, tuple[int, int]]:
    """Open obligations of these departments that the caller sees: how many, and how many are overdue."""
    past_due = sa.func.sum(sa.case((_obligations.due_at_us <= microseconds(now), 1), else_=0))
    statement = (
        sa.select(_obligations.owed_by, sa.func.count(), past_due)
        .where(_obligations.owed_by.in_(sorted(departments)), _obligations.state == OPEN)
        .where(scope.indicators())
        .group_by(_obligations.owed_by)
    )
    return {name: (count, int(past)) for name, count, past in connection.execute(statement)}


def count_flows(
    connection: Connection, scope: Scope, procedure: str, begin: datetime, end: datetime
) -> list[Flow]:
    """Letters between departments, on the days from that of `begin` to that before `end`."""
    columns = tables.flows.c
    last = end.astimezone(ZONE) - timedelta(microseconds=1)
    statement = (
        sa.select(columns.author, columns.recipient, sa.func.sum(columns.letters))
        .where(columns.day >= day_of(begin), columns.day <= day_of(last), scope.flows())
        .group_by(columns.author, columns.recipient)
        .order_by(columns.author, columns.recipient)
    )
    if procedure:
        statement = statement.where(columns.procedure == procedure)
    return [
        Flow(author, recipient, int(letters)) for author, recipient, letters in connection.execute(statement)
    ]


def list_alerts(
    connection: Connection, scope: Scope, addressee: str, before: int | None, limit: int
) -> Sequence[Any]:
    """The newest alerts below an id, as rows of the table."""
    columns = tables.alerts.c
    newest = [] if before is None else [columns.id < before]
    if addressee or scope.everything:
        conditions = [columns.addressee == addressee] if addressee else []
        if addressee != scope.department:
            conditions.append(scope.alerts())
        walks = [conditions]
    else:
        walks = [[columns.addressee == scope.department], [columns.subject_department == scope.department]]
        walks += [[columns.procedure == name] for name in sorted(scope.offices)]
    ids = sa.union(
        *(
            sa.select(
                sa.select(columns.id)
                .where(*each, *newest)
                .order_by(columns.id.desc())
                .limit(limit)
                .subquery()
            )
            for each in walks
        )
    ).subquery()
    found = sa.select(ids.c.id).order_by(ids.c.id.desc()).limit(limit).subquery()
    return connection.execute(
        sa.select(tables.alerts).join(found, columns.id == found.c.id).order_by(columns.id.desc())
    ).all()


def position_at(connection: Connection, moment: datetime) -> int:
    """The first ledger position that was admitted at this moment or later; the size if there is none."""
    ledger = tables.ledger.c
    target = microseconds(moment)
    low = 0
    high = connection.execute(sa.select(tables.ledger_head.c.size)).scalar() or 0
    while low < high:
        middle = (low + high) // 2
        admitted = connection.execute(
            sa.select(ledger.admitted_at_us).where(ledger.position == middle)
        ).scalar_one()
        low, high = (low, middle) if admitted >= target else (middle + 1, high)
    return low


def day_of(moment: datetime) -> int:
    """The day in the region's zone, counted from 1970, as `tables.flows` counts."""
    return (moment.astimezone(ZONE) - _EPOCH_DAY).days


def _range(wanted: ObligationFilter, after: ObligationKey | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.due_from_us is not None:
        conditions.append(_obligations.due_at_us >= wanted.due_from_us)
    if wanted.due_before_us is not None:
        conditions.append(_obligations.due_at_us < wanted.due_before_us)
    if wanted.party:
        takes_part = tables.case_parties.alias("takes_part")
        conditions.append(
            sa.exists().where(
                takes_part.c.case_id == _obligations.case_id, takes_part.c.department == wanted.party
            )
        )
    if wanted.rules is not None:
        conditions.append(is_dispute(wanted.rules))
    if after is not None:
        conditions.append(sa.tuple_(*_KEY) > sa.tuple_(*map(sa.literal, after)))
    return conditions


def _present(connection: Connection, procedures: Iterable[str]) -> list[str]:
    """Of these mechanisms those that have obligations: a walk for each of the others would find nothing."""
    exists = [
        sa.select(sa.literal(name)).where(sa.exists().where(_obligations.procedure == name))
        for name in sorted(procedures)
    ]
    return sorted(connection.execute(sa.union_all(*exists)).scalars()) if exists else []


def _walks(
    connection: Connection, scope: Scope, wanted: ObligationFilter, procedures: Sequence[str]
) -> list[sa.Select[Any]]:
    """One select for each reason why the caller sees a row, together all that it sees and wants."""
    base = sa.select(*_KEY)
    asked = [name for name in procedures if wanted.procedure in {"", name}]
    whole = [name for name in asked if scope.sees_mechanism(name)]
    rest = [name for name in asked if name not in whole]
    walks = []
    for state in wanted.states:
        of_state = base.where(_obligations.state == state)
        if wanted.owed_by:
            mine = wanted.owed_by == scope.department
            seen = asked if mine else whole
            if seen:
                walks.append(
                    of_state.where(_obligations.owed_by == wanted.owed_by, _obligations.procedure.in_(seen))
                )
        else:
            walks += [of_state.where(_obligations.procedure == name) for name in whole]
            if rest:
                walks.append(
                    of_state.where(_obligations.owed_by == scope.department, _obligations.procedure.in_(rest))
                )
    if rest and wanted.owed_by != scope.department:
        walks += _taking_part(connection, scope, wanted, rest)
    return walks


def _taking_part(
    connection: Connection, scope: Scope, wanted: ObligationFilter, procedures: Sequence[str]
) -> list[sa.Select[Any]]:
    """What others owe in cases that the caller takes part in.

    Who takes part in few finds it by way of its own cases; who takes part in many comes upon one of them soon in what
    is due next. An office's role is none of a party: an office sees its mechanism, and whose it was no more.
    """
    parties = tables.case_parties.c
    own = [
        sa.select(parties.case_id).where(parties.department == scope.department, role)
        for role in (parties.role < OFFICE, parties.role > OFFICE)
    ]
    some = sa.select(sa.union_all(*own).subquery()).limit(_MANY).subquery()
    count = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    base = sa.select(*_KEY)
    if wanted.owed_by:
        base = base.where(_obligations.owed_by == wanted.owed_by)
    if count < _MANY:
        cases = sa.union_all(*own).subquery()
        return [
            base.join(cases, cases.c.case_id == _obligations.case_id).where(
                _obligations.state.in_(wanted.states), _obligations.procedure.in_(procedures)
            )
        ]
    takes_part = sa.exists().where(
        parties.case_id == _obligations.case_id,
        parties.department == scope.department,
        parties.role != OFFICE,
    )
    return [
        base.where(_obligations.procedure == name, _obligations.state == state, takes_part)
        for name in procedures
        for state in wanted.states
    ]
