"""The SQL of the desk: loading cases, and the multi-row writes of a commit group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import tables
from services.cases.entry import Entry, Recorded, stored
from services.common.bulk import Bulk, Record, fetch
from services.common.clock import microseconds
from services.exchange import tables as exchange_tables
from services.exchange.letters import facts_of
from services.procedures import case as cases
from services.procedures.case import CaseState
from services.procedures.facts import ActFacts
from services.procedures.law import Law
from services.procedures.obligation import Obligation

CASES: Final = Bulk(tables.cases)
PARTIES: Final = Bulk(tables.case_parties)
OBLIGATIONS: Final = Bulk(tables.obligations)
SUBJECTS: Final = Bulk(tables.subjects)
TERMS: Final = Bulk(tables.search)
LINKS: Final = Bulk(tables.case_links)
_MENTIONS: Final = Bulk(tables.subject_mentions)
_ITEMS: Final = Bulk(tables.case_items)
_PENALTIES: Final = Bulk(tables.penalties)
_PUBLICATIONS: Final = Bulk(tables.publications)
_STORED: Final = Bulk(tables.cases, ["case_id", "title", "folded"])
_ACTS: Final = Bulk(exchange_tables.letters, ["case_id", "position", "act"])
_ANSWERS: Final = Bulk(
    exchange_tables.letters,
    [
        "idempotency_key",
        "request_digest",
        "letter_id",
        "case_id",
        "number",
        "disposition",
        "position",
        "reason",
        "message",
    ],
)


def load(connection: Connection, case_ids: Sequence[str], now: datetime, law: Law) -> dict[str, Entry]:
    """Cases as they are stored, with the department's own letters that are not answered yet."""
    pending: dict[str, list[ActFacts]] = {}
    letters = exchange_tables.letters.c
    rows = connection.execute(
        sa.select(letters.header)
        .where(letters.case_id.in_(case_ids), letters.kind == "act", letters.position.is_(None))
        .where(letters.sequence.is_not(None))
        .order_by(letters.sequence)
    )
    for frozen in rows.scalars():
        header = pb.Header.FromString(frozen)
        facts = facts_of(header, pb.ActContent.FromString(header.act.content))
        pending.setdefault(facts.case_id, []).append(facts)
    found: dict[str, Entry] = {}
    for row in _STORED.select_in(connection, "case_id", case_ids):
        state = cases.loads(row.folded) if row.folded else None
        found[row.case_id] = stored(state, pending.get(row.case_id, ()), row.title, now, law)
    return found


def answered(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[bytes, Recorded]]:
    """What was answered under these idempotency keys."""
    (rows,) = fetch(connection, _ANSWERS.query_in(connection, "idempotency_key", keys))
    return {key: (digest, Recorded(*rest)) for key, digest, *rest in rows}


def sent(connection: Connection, letter_id: str) -> Recorded:
    """What became of a recorded letter."""
    letters = exchange_tables.letters.c
    row = connection.execute(
        sa.select(
            letters.letter_id, letters.case_id, letters.number, letters.disposition, letters.position,
            letters.reason, letters.message,
        ).where(letters.letter_id == letter_id)
    ).one()  # fmt: skip
    return Recorded(*row)


def case_row(entry: Entry, state: CaseState, law: Law, department: str, now_us: int) -> Record:
    """The row of a case as it stands."""
    procedure = law.procedure(state.procedure, state.version)
    owed = [
        (entry.dues[each.rule, each.ordinal], each.rule)
        for each in (entry.admitted.open_obligations if entry.admitted else ())
        if each.owed_by == department
    ]
    due, rule = min(owed) if owed else (None, "")
    return (
        state.case_id,
        state.procedure,
        entry.title,
        state.state,
        procedure is not None and state.state in procedure.final,
        now_us,
        microseconds(due) if due else None,
        rule,
        entry.admitted.last_position if entry.admitted else -1,
        cases.dumps(entry.admitted) if entry.admitted else b"",
    )


def party_rows(state: CaseState) -> list[Record]:
    """The rows of a case's parties."""
    return [(state.case_id, name, role) for role, names in state.parties.items() for name in names]


def obligation_row(obligation: Obligation, due: datetime | None) -> Record:
    """The row of an obligation; its due time is an index, and of one that lapsed unjudged the time it ended."""
    state = "OPEN"
    if obligation.outcome is not None:
        state = obligation.outcome.value
    elif obligation.lapsed_at is not None:
        state = "LAPSED"
    ended = obligation.due_frozen or due or obligation.lapsed_at or obligation.admitted_at
    return (
        obligation.case_id,
        obligation.rule,
        obligation.ordinal,
        obligation.owed_by,
        microseconds(ended),
        state,
        cases.dumps_obligation(obligation),
    )


def write_cases(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert or replace cases."""
    CASES.upsert(connection, rows, ["case_id"], [name for name in CASES.columns if name != "case_id"])


def write_parties(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert parties, or change their roles."""
    PARTIES.upsert(connection, rows, ["case_id", "department"], ["role"])


def write_obligations(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert or replace obligations."""
    OBLIGATIONS.upsert(
        connection, rows, ["case_id", "rule", "ordinal"], ["owed_by", "due_at_us", "state", "facts"]
    )


def write_subjects(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert or replace subjects."""
    SUBJECTS.upsert(connection, rows, ["case_id", "ordinal"], ["kind", "name", "identifier", "subject"])


def write_mentions(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert names that subjects were given, or move on when one was last given."""
    _MENTIONS.upsert(connection, rows, ["case_id", "identifier", "name"], ["last_at_us"])


def write_items(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert the matters of cases."""
    _ITEMS.upsert(connection, rows, ["case_id", "item_code"])


def write_penalties(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert decisions that were fed back."""
    _PENALTIES.upsert(connection, rows, ["letter_id"])


def write_publications(connection: Connection, rows: Sequence[Record]) -> None:
    """Add what letters say of publication; what is there stays."""
    _PUBLICATIONS.upsert(connection, rows, ["letter_id"])


def write_terms(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert search terms; what was found first stays."""
    TERMS.upsert(connection, rows, ["term", "case_id"])


def write_links(connection: Connection, rows: Sequence[Record]) -> None:
    """Insert links between cases: the one that names, the one that is named, the relation."""
    LINKS.upsert(connection, rows, ["case_id", "linked", "relation"])


def awaiting_receipt(
    connection: Connection, positions: Sequence[int], acts: Collection[str]
) -> dict[str, list[int]]:
    """Cases of these acts at these positions, with their positions."""
    found: dict[str, list[int]] = {}
    (rows,) = fetch(connection, _ACTS.query_in(connection, "position", positions))
    for case_id, position, act in rows:
        if act in acts:
            found.setdefault(case_id, []).append(position)
    return found


def open_cases(connection: Connection) -> Iterable[str]:
    """Ids of cases that are not over."""
    return list(
        connection.execute(
            sa.select(tables.cases.c.case_id).where(tables.cases.c.closed.is_(False))
        ).scalars()
    )
