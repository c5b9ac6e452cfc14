"""Marks of what a department owes, computed on its own node, for when the registry cannot be asked.

The registry fires marks and keeps the alerts; while it is out of reach people are to be reminded all the
same. What a mark is and when it comes follows from what the node has: its cases, the duties, the calendar.
The event has the key that the registry's alert will have, so that nobody is told again afterwards. The
office's alerts are the registry's alone: a node does not know what others owe.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases import duties
from services.cases import tables as case_tables
from services.notices.model import Event, Kind, event_key
from services.procedures import case as cases
from services.procedures.deadlines import due_time, mark_time
from services.procedures.law import Law
from services.procedures.model import ObligationRule
from services.procedures.obligation import Obligation, Unit

_KINDS: Final = {"remind": Kind.REMIND, "warn-leader": Kind.WARN_LEADER}
_URGENT: Final = frozenset({Unit.HOURS, Unit.AT_ONCE})
_BEHIND: Final = timedelta(days=100)
_AHEAD: Final = timedelta(days=400)
_GROUP: Final = 500


def own_events(
    connection: Connection, department: str, law: Law, since: datetime, now: datetime
) -> list[Event]:
    """Marks that came after one instant and not after another.

    Args:
        connection: A read transaction of the department's database.
        department: Whose.
        law: As known here.
        since: Marks up to then were heard of.
        now: The time.
    """
    found: list[Event] = []
    for obligation, procedure, rule in _of_cases(connection, department, law):
        found += _marks(obligation, procedure, rule, "", law, since, now)
    calendar = law.calendar(law.registry)
    for owed in duties.owed(connection, department, law, now - _BEHIND, now + _AHEAD):
        occurrence = owed.occurrence
        if owed.served is None and occurrence.opens_at <= now:
            obligation = occurrence.as_obligation(department, calendar, 0)
            name = f"{occurrence.rule.id}/{occurrence.name}"
            rule = occurrence.rule.as_obligation
            found += _marks(obligation, occurrence.rule.mechanism, rule, name, law, since, now)
    return found


def _of_cases(
    connection: Connection, department: str, law: Law
) -> Iterator[tuple[Obligation, str, ObligationRule]]:
    columns, folded = case_tables.obligations.c, case_tables.cases.c
    key = (columns.case_id, columns.rule, columns.ordinal)
    after: tuple[str, str, int] = ("", "", 0)
    while True:
        rows = connection.execute(
            sa.select(*key, columns.facts, folded.folded)
            .join(case_tables.cases, folded.case_id == columns.case_id)
            .where(columns.owed_by == department, columns.state == "OPEN")
            .where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
            .order_by(*key)
            .limit(_GROUP)
        ).all()
        for row in rows:
            state = cases.loads(row.folded) if row.folded else None
            procedure = law.procedure(state.procedure, state.version) if state else None
            rule = procedure.obligations.get(row.rule) if procedure else None
            if procedure is not None and rule is not None:
                yield cases.loads_obligation(row.case_id, row.facts), procedure.name, rule
        if len(rows) < _GROUP:
            return
        after = tuple(rows[-1][:3])


def _marks(
    obligation: Obligation,
    procedure: str,
    rule: ObligationRule,
    duty: str,
    law: Law,
    since: datetime,
    now: datetime,
) -> Iterator[Event]:
    calendar = law.calendar(law.registry)
    for mark in rule.marks:
        at = mark_time(obligation, mark.name, calendar)
        if not since < at <= now:
            continue
        for action in mark.actions:
            kind = _KINDS.get(action)
            if kind is None:
                continue
            about = duty or obligation.case_id
            owner = obligation.owed_by
            yield Event(
                key=event_key(kind, owner, [about, obligation.rule, str(obligation.ordinal)], mark.name),
                kind=kind,
                urgent=obligation.limit.unit in _URGENT,
                subject=owner,
                mark=mark.name,
                raised_at=at,
                title_zh=rule.title.zh,
                title_en=rule.title.en,
                procedure=procedure,
                case_id="" if duty else obligation.case_id,
                duty=duty,
                due_at=due_time(obligation, calendar),
            )
