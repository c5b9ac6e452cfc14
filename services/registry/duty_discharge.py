"""What an admitted act does to the standing duties that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Record
from services.procedures.case import loads_obligation
from services.procedures.deadlines import due_time, judge
from services.procedures.facts import ActFacts
from services.procedures.law import Law
from services.registry import tables
from services.registry.obligation_index import OPEN, standing_row

_Key = tuple[str, str, int]
_STATE: Final = tables.obligations.columns.keys().index("state")
_FACTS: Final = tables.obligations.columns.keys().index("facts")


class _Known(NamedTuple):
    state: str
    facts: bytes


def served_rows(
    connection: Connection,
    facts: ActFacts,
    position: int,
    now: datetime,
    law: Law,
    noted: Sequence[Record],
) -> list[Record]:
    """The rows of obligations that an act discharges; the first act that does so counts, also before it opens.

    Args:
        connection: Holds the head's lock.
        facts: The act.
        position: Where it stands.
        now: Its admission.
        law: As of its position.
        noted: Rows that the same group writes, the last of a key counting.
    """
    rows: list[Record] = []
    calendar = law.calendar(law.registry)
    for duty, period in facts.serves:
        occurrence = law.standing.occurrence(duty, period)
        if occurrence is None:
            continue
        obligation = occurrence.as_obligation(facts.author, calendar, position)
        key = (obligation.case_id, obligation.rule, obligation.ordinal)
        known = _known(connection, key, [*noted, *rows])
        if known is not None:
            if known.state != OPEN:
                continue
            standing = loads_obligation(obligation.case_id, known.facts)
            obligation = replace(obligation, opened_position=standing.opened_position)
        due = due_time(obligation, calendar)
        ended = replace(
            obligation,
            discharged_position=position,
            discharged_at=now,
            discharged_signed_at=facts.signed_at,
            outcome=judge(due, facts.signed_at, now, law.outages_of(facts.author)),
            due_frozen=due,
            calendar_version=calendar.version,
        )
        rows.append(standing_row(ended, occurrence.rule, calendar))
    return rows


def _known(connection: Connection, key: _Key, noted: Sequence[Record]) -> _Known | None:
    for row in reversed(noted):
        if row[:3] == key:
            return _Known(row[_STATE], row[_FACTS])
    columns = tables.obligations.c
    found = connection.execute(
        sa.select(columns.state, columns.facts).where(
            columns.case_id == key[0], columns.rule == key[1], columns.ordinal == key[2]
        )
    ).first()
    return None if found is None else _Known(*found)
