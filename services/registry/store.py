"""The SQL of admission: what a group of batches reads under the head's lock, and how it is written.

Every method runs inside the caller's transaction. Rows are tuples in the order of the `Bulk` columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.procedures import case as cases
from services.procedures.case import CaseState
from services.registry import tables

LEDGER: Final = Bulk(tables.ledger)
BATCHES: Final = Bulk(tables.batches)
MAILBOX: Final = Bulk(tables.mailbox)
CASES: Final = Bulk(tables.cases)
PARTIES: Final = Bulk(tables.case_parties)
OBLIGATIONS: Final = Bulk(tables.obligations)
REFUSALS: Final = Bulk(tables.refusals)
ARRIVALS: Final = Bulk(tables.arrivals)
AWAITED: Final = Bulk(tables.awaited_receipts)
ITEMS: Final = Bulk(tables.items)
SUBSCRIPTIONS: Final = Bulk(tables.subscriptions)

_LETTER_KEYS: Final = Bulk(tables.ledger, ["letter_id", "position", "letter_digest", "author", "kind"])
_POSITION_KEYS: Final = Bulk(tables.ledger, ["position", "letter_digest", "author"])
_CASE_STATES: Final = Bulk(tables.cases, ["case_id", "folded"])
_CHANNEL: Final = "liandong_ledger"


class Known(NamedTuple):
    """A letter id that was answered before."""

    digest: bytes
    author: str
    position: int | None
    reason: str = ""
    field: str = ""
    message: str = ""


def answered(connection: Connection, letter_ids: Sequence[str]) -> dict[str, Known]:
    """The stored answers of these letters."""
    known = {
        letter_id: Known(digest, author, position)
        for letter_id, position, digest, author, _ in _LETTER_KEYS.select_in(connection, "letter_id", letter_ids)
    }
    for letter_id, author, digest, reason, field, message, _ in REFUSALS.select_in(connection, "letter_id", letter_ids):
        known[letter_id] = Known(digest, author, None, reason, field, message)
    return known


def case_states(connection: Connection, case_ids: Iterable[str]) -> dict[str, CaseState]:
    """The folded states of these cases; those that do not exist are left out."""
    return {case_id: cases.loads(folded) for case_id, folded in _CASE_STATES.select_in(connection, "case_id", case_ids)}


def letters_at(connection: Connection, positions: Iterable[int]) -> dict[int, tuple[bytes, str]]:
    """Letter digest and author at these positions."""
    return {position: (digest, author) for position, digest, author in _POSITION_KEYS.select_in(connection, "position", positions)}


def admitted_at(connection: Connection, position: int) -> int:
    """When the letter at a position was admitted, in microseconds."""
    return connection.execute(
        sa.select(tables.ledger.c.admitted_at_us).where(tables.ledger.c.position == position)
    ).scalar_one()


def case_positions(connection: Connection, case_id: str) -> list[int]:
    """Positions of a case's letters, in order."""
    return list(
        connection.execute(
            sa.select(tables.ledger.c.position)
            .where(tables.ledger.c.case_id == case_id, tables.ledger.c.kind == "act")
            .order_by(tables.ledger.c.position)
        ).scalars()
    )


def common_entries(connection: Connection, above: int) -> list[tuple[int, bytes, int]]:
    """(position, payload, admitted_at_us) of the common entries with a version above this one, in order."""
    ledger = tables.ledger.c
    return [
        tuple(row)
        for row in connection.execute(
            sa.select(ledger.position, ledger.payload, ledger.admitted_at_us)
            .where(ledger.kind == "common", ledger.common_version >= above)
            .order_by(ledger.position)
        )
    ]


def waits(connection: Connection, department: str, positions: Sequence[int]) -> list[tuple[int, str]]:
    """(position, case) of letters among these whose receipt by the department starts a clock."""
    table = tables.awaited_receipts.c
    return [
        tuple(row)
        for row in connection.execute(
            sa.select(table.position, table.case_id).where(
                table.department == department,
                table.position >= min(positions),
                table.position <= max(positions),
            )
        )
    ]


def subscribers(connection: Connection, category: str) -> list[str]:
    """Departments subscribed to a category."""
    table = tables.subscriptions.c
    return list(connection.execute(sa.select(table.department).where(table.category == category)).scalars())


def item(connection: Connection, item_id: str) -> tuple[str, str, int, bool] | None:
    """(author, category, revision, withdrawn) of an item."""
    table = tables.items.c
    row = connection.execute(
        sa.select(table.author, table.category, table.revision, table.withdrawn).where(table.item_id == item_id)
    ).first()
    return None if row is None else (row[0], row[1], row[2], row[3])


def published(connection: Connection, key: str) -> tuple[bytes, int, int] | None:
    """(request digest, position, version) of a common entry published under an idempotency key."""
    table = tables.published.c
    row = connection.execute(
        sa.select(table.request_digest, table.position, table.version).where(table.idempotency_key == key)
    ).first()
    return None if row is None else (row[0], row[1], row[2])


def count_flows(connection: Connection, counts: dict[tuple[int, str, str, str], int]) -> None:
    """Add to the daily counts of letters between departments."""
    table = tables.flows
    for (day, procedure, author, recipient), letters in counts.items():
        values = {"day": day, "procedure": procedure, "author": author, "recipient": recipient, "letters": letters}
        statement = _insert(connection)(table).values(values)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["day", "procedure", "author", "recipient"],
                set_={"letters": table.c.letters + statement.excluded.letters},
            )
        )


def notify(connection: Connection, size: int) -> None:
    """Wake the other replicas when this transaction commits. SQLite has none."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (_CHANNEL, str(size)))


def delete_awaited(connection: Connection, department: str, positions: Sequence[int]) -> None:
    """Forget receipts that came."""
    table = tables.awaited_receipts
    connection.execute(table.delete().where(table.c.department == department, table.c.position.in_(positions)))


def delete_subscriptions(connection: Connection, rows: Sequence[Record]) -> None:
    """End subscriptions."""
    table = tables.subscriptions
    for category, department in rows:
        connection.execute(table.delete().where(table.c.category == category, table.c.department == department))


def _insert(connection: Connection):  # type: ignore[no-untyped-def]  # noqa: ANN202 - either dialect's insert
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415
    return insert
