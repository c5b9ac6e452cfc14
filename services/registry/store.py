"""The SQL of admission: what a group of batches reads under the head's lock, and how it is written.

Every function runs inside the caller's transaction. Rows are tuples in the order of the `Bulk` columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk, Query, Record, execute, fetch
from services.procedures import case as cases
from services.procedures.case import CaseState
from services.registry import tables

LEDGER: Final = Bulk(tables.ledger)
BATCHES: Final = Bulk(tables.batches)
MAILBOX: Final = Bulk(tables.mailbox)
CASES: Final = Bulk(tables.cases)
PARTIES: Final = Bulk(tables.case_parties)
OBLIGATIONS: Final = Bulk(tables.obligations)
LINKS: Final = Bulk(tables.case_links)
SUBJECTS: Final = Bulk(tables.case_subjects)
REFUSALS: Final = Bulk(tables.refusals)
ARRIVALS: Final = Bulk(tables.arrivals)
AWAITED: Final = Bulk(tables.awaited_receipts)
ITEMS: Final = Bulk(tables.items)
SUBSCRIPTIONS: Final = Bulk(tables.subscriptions)
PUBLISHED: Final = Bulk(tables.published)

CHANNEL: Final = "liandong_ledger"
"""Where replicas on PostgreSQL tell each other that they appended; the payload is the replica's name."""

_LETTER_KEYS: Final = Bulk(tables.ledger, ["letter_id", "letter_digest", "author", "position"])
_REFUSAL_KEYS: Final = Bulk(
    tables.refusals, ["letter_id", "letter_digest", "author", "reason", "field", "message"]
)
_WAITS: Final = Bulk(tables.awaited_receipts, ["position", "case_id"])
_AWAITED_KEYS: Final = Bulk(tables.awaited_receipts, ["department", "position"])
_SUBSCRIPTION_KEYS: Final = Bulk(tables.subscriptions, ["category", "department"])
_POSITION_KEYS: Final = Bulk(tables.ledger, ["position", "letter_digest", "author"])
_CASE_KEYS: Final = Bulk(tables.ledger, ["position", "kind", "case_id"])
_HEADERS: Final = Bulk(tables.ledger, ["position", "header", "author"])
_CASE_STATES: Final = Bulk(tables.cases, ["case_id", "folded"])


class Known(NamedTuple):
    """A letter id that was answered before."""

    digest: bytes
    author: str
    position: int | None
    reason: str = ""
    field: str = ""
    message: str = ""


class Item(NamedTuple):
    """A shared item as its last admitted letter left it."""

    author: str
    category: str
    revision: int
    withdrawn: bool


def asking_answers(connection: Connection, letter_ids: Collection[str]) -> tuple[list[Query], list[Query]]:
    """The queries for the stored answers of these letters, for `answers`."""
    return (
        _LETTER_KEYS.query_in(connection, "letter_id", letter_ids),
        _REFUSAL_KEYS.query_in(connection, "letter_id", letter_ids),
    )


def answers(admitted: Iterable[Record], refused: Iterable[Record]) -> dict[str, Known]:
    """The stored answers, by letter id, from the rows of `asking_answers`."""
    found = {letter_id: Known(*rest) for letter_id, *rest in admitted}
    for letter_id, digest, author, *refusal in refused:
        found[letter_id] = Known(digest, author, None, *refusal)
    return found


def case_states(connection: Connection, case_ids: Collection[str]) -> dict[str, CaseState]:
    """The folded states of these cases; those that do not exist are left out."""
    rows = _CASE_STATES.select_in(connection, "case_id", case_ids)
    return {row.case_id: cases.loads(row.folded) for row in rows}


def letters_at(connection: Connection, positions: Collection[int]) -> dict[int, tuple[bytes, str]]:
    """Letter digest and author at these positions."""
    rows = _POSITION_KEYS.select_in(connection, "position", positions)
    return {row.position: (row.letter_digest, row.author) for row in rows}


def delivered(connection: Connection, department: str, positions: Collection[int]) -> set[int]:
    """Those of these positions whose letters went to a department when they were admitted."""
    box = tables.mailbox.c
    # by its whole key, so that it costs the same however much the mailbox holds
    statement = sa.select(box.position).where(
        box.department == department, box.at.in_(positions), box.position == box.at
    )
    return set(connection.execute(statement).scalars())


def cases_at(connection: Connection, positions: Collection[int]) -> dict[int, str]:
    """The cases of the acts at these positions; other letters are left out."""
    rows = _CASE_KEYS.select_in(connection, "position", positions)
    return {row.position: row.case_id for row in rows if row.kind == "act"}


def headers_at(connection: Connection, positions: Collection[int]) -> dict[int, tuple[bytes, str]]:
    """Header bytes and author of the letters at these positions."""
    rows = _HEADERS.select_in(connection, "position", positions)
    return {row.position: (row.header, row.author) for row in rows}


def admitted_at(connection: Connection, position: int) -> int:
    """When the letter at a position was admitted, in microseconds."""
    column = tables.ledger.c
    statement = sa.select(column.admitted_at_us).where(column.position == position)
    admitted: int = connection.execute(statement).scalar_one()
    return admitted


def case_positions(connection: Connection, case_id: str) -> list[int]:
    """Positions of a case's letters, in order."""
    column = tables.ledger.c
    statement = (
        sa.select(column.position)
        .where(column.case_id == case_id, column.kind == "act")
        .order_by(column.position)
    )
    return list(connection.execute(statement).scalars())


def common_entries(connection: Connection, above: int, end: int) -> list[tuple[int, bytes, int]]:
    """(position, payload, admitted_at_us) of the common entries with a version above this one, in order.

    Args:
        connection: The transaction.
        above: A common version.
        end: Only positions below this one.
    """
    column = tables.ledger.c
    statement = (
        sa.select(column.position, column.payload, column.admitted_at_us)
        # a leaf names the version below it, so the entry that makes version v stands under v - 1
        .where(column.kind == "common", column.common_version >= above, column.position < end)
        .order_by(column.position)
    )
    return [(row.position, row.payload, row.admitted_at_us) for row in connection.execute(statement)]


def waits(connection: Connection, department: str, positions: Sequence[int]) -> list[tuple[int, str]]:
    """(position, case) of letters at these positions whose receipt by the department starts a clock."""
    (rows,) = fetch(connection, _WAITS.query_in(connection, "position", positions, department=department))
    return [(position, case_id) for position, case_id in rows]


def arrivals_over(connection: Connection, department: str, position: int) -> list[int]:
    """Where a department's Arrivals stand between whose first and last letter a position is, in order."""
    column = tables.arrivals.c
    statement = (
        sa.select(column.position)
        .where(column.department == department, column.last_at >= position, column.first_at <= position)
        .order_by(column.position)
    )
    return list(connection.execute(statement).scalars())


def subscribers(connection: Connection, category: str) -> list[str]:
    """Departments subscribed to a category."""
    column = tables.subscriptions.c
    return list(connection.execute(sa.select(column.department).where(column.category == category)).scalars())


def item(connection: Connection, item_id: str) -> Item | None:
    """A shared item."""
    column = tables.items.c
    row = connection.execute(
        sa.select(column.author, column.category, column.revision, column.withdrawn).where(
            column.item_id == item_id
        )
    ).first()
    return None if row is None else Item(row.author, row.category, row.revision, row.withdrawn)


def published(connection: Connection, keys: Iterable[str]) -> dict[str, Record]:
    """Rows of the common entries that were published under these idempotency keys, by key."""
    rows = PUBLISHED.select_in(connection, "idempotency_key", keys)
    return {row.idempotency_key: tuple(row) for row in rows}


Flow = tuple[int, str, str, str]
"""Day, procedure, author, recipient."""


def delete_awaited(connection: Connection, received: Sequence[tuple[str, int]]) -> None:
    """Forget (department, position) of receipts that came."""
    _AWAITED_KEYS.delete(connection, received)


def delete_subscriptions(connection: Connection, ended: Sequence[tuple[str, str]]) -> None:
    """End (category, department) subscriptions."""
    _SUBSCRIPTION_KEYS.delete(connection, ended)


def notify(connection: Connection, replica: str) -> None:
    """Wake the other replicas when this transaction commits. SQLite has none."""
    if connection.dialect.name == "postgresql":
        execute(connection, "SELECT pg_notify(%s, %s)", (CHANNEL, replica))
