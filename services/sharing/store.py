"""The SQL of shared items: what a commit group reads and writes, and what people look up.

Every function runs inside the caller's transaction. An unknown id is left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.exchange import tables as exchange_tables
from services.sharing import tables
from services.sharing.sharing import Item, Revision

_REVISIONS: Final = Bulk(tables.item_revisions)
_ITEMS: Final = Bulk(tables.items)
_ITEM_IDS: Final = Bulk(tables.items, ["item_id"])
_TERM_ITEMS: Final = Bulk(tables.item_terms, ["item_id"])
_TERMS: Final = Bulk(tables.item_terms)
_READS: Final = Bulk(tables.item_reads)
_SUBSCRIPTIONS: Final = Bulk(tables.subscriptions)
_LETTERS: Final = Bulk(exchange_tables.letters, ["letter_id", "header", "payload"])
_CHANGING: Final = ("refused", "position", "admitted_at_us")
_KEPT: Final = ("item_id", "seen_at_us")


class Answered(NamedTuple):
    """What a request with an idempotency key was answered."""

    request_digest: bytes
    letter_id: str
    item_id: str
    disposition: str
    position: int | None
    reason: str


class Body(NamedTuple):
    """What a letter carries."""

    header: bytes
    payload: bytes


class Subscription(NamedTuple):
    """A subscription of this department.

    Attributes:
        subscribed: As wished, with letters on their way.
        admitted: As the registry has it.
        letter_id: The newest letter that changed it.
    """

    subscribed: bool
    admitted: bool
    letter_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for; empty means all.

    Attributes:
        terms: All of these must be in title or text.
        before: Key of the last item of the page before: when it was first seen, and its id.
    """

    category: str = ""
    author: str = ""
    terms: frozenset[str] = frozenset()
    before: tuple[int, str] | None = None


# -- for the commit group -------------------------------------------------------------------------


def revisions(connection: Connection, item_ids: Iterable[str]) -> dict[str, dict[str, Revision]]:
    """The revisions of these items, by item and letter."""
    found: dict[str, dict[str, Revision]] = {}
    for row in _REVISIONS.select_in(connection, "item_id", item_ids):
        found.setdefault(row.item_id, {})[row.letter_id] = _revision(row)
    return found


def write_revisions(connection: Connection, changed: Iterable[Revision]) -> None:
    """Write revisions; of those that are here only the registry's answer changes."""
    rows: list[Record] = [
        (
            each.letter_id, each.item_id, each.revision, each.act, each.author, each.category,
            each.formed_at_us, each.signed_at_us, each.restricted, ",".join(each.recipients), each.heading,
            each.refused, each.position, each.admitted_at_us,
        )
        for each in changed
    ]  # fmt: skip
    _REVISIONS.upsert(connection, rows, ["letter_id"], _CHANGING)


def items(connection: Connection, item_ids: Iterable[str]) -> dict[str, Item]:
    """These items as they are stored."""
    return {row.item_id: _item(row) for row in _ITEMS.select_in(connection, "item_id", item_ids)}


def write_items(connection: Connection, changed: Iterable[Item]) -> None:
    """Write items; when they were first seen never changes."""
    rows: list[Record] = [
        (
            each.item_id, each.category, each.author, each.seen_at_us, each.letter_id, each.revision,
            each.withdrawn, each.heading, each.position, each.admitted_at_us, each.formed_at_us,
            each.restricted, ",".join(each.recipients), each.first_revision, each.first_signed_at_us,
            each.first_admitted_at_us,
        )
        for each in changed
    ]  # fmt: skip
    _ITEMS.upsert(connection, rows, ["item_id"], [name for name in _ITEMS.columns if name not in _KEPT])


def delete_items(connection: Connection, item_ids: Sequence[str]) -> None:
    """Take items of which nothing stands out of the lists."""
    _ITEM_IDS.delete(connection, [(item_id,) for item_id in item_ids])


def bodies(connection: Connection, letter_ids: Iterable[str]) -> dict[str, Body]:
    """Headers and payloads of letters."""
    rows = _LETTERS.select_in(connection, "letter_id", letter_ids)
    return {row.letter_id: Body(row.header, row.payload) for row in rows}


def write_terms(connection: Connection, terms: Mapping[str, Iterable[str]]) -> None:
    """Replace what items are found by."""
    _TERM_ITEMS.delete(connection, [(item_id,) for item_id in terms])
    rows = [(term, item_id) for item_id, found in terms.items() for term in sorted(found)]
    _TERMS.insert(connection, rows)


def pending(connection: Connection) -> dict[str, pb.ItemHeader]:
    """Own letters about items whose answer was not taken in yet."""
    letters, own = exchange_tables.letters.c, tables.item_revisions.c
    sent = sa.select(exchange_tables.outbox.c.letter_id)
    # a receipt that was parked has left the outbox, and is still to come here
    standing = sa.select(own.letter_id).where(own.position.is_(None), sa.not_(own.refused))
    rows = connection.execute(
        sa.select(letters.letter_id, letters.header).where(
            letters.kind == "item", letters.letter_id.in_(sent.union(standing))
        )
    )
    return {letter_id: pb.Header.FromString(header).item for letter_id, header in rows}


def answered(connection: Connection, key: str) -> Answered | None:
    """What a request with this idempotency key was answered, as it stands by now."""
    letters = exchange_tables.letters.c
    row = connection.execute(
        sa.select(
            letters.request_digest, letters.letter_id, letters.header, letters.disposition, letters.position,
            letters.reason,
        ).where(letters.idempotency_key == key)
    ).first()  # fmt: skip
    if row is None:
        return None
    item_id = pb.Header.FromString(row.header).item.item_id
    return Answered(row.request_digest, row.letter_id, item_id, row.disposition, row.position, row.reason)


def refusal(connection: Connection, item_id: str) -> tuple[str, str] | None:
    """Reason and message with which the publication of an item was refused, None if it was not."""
    letters, own = exchange_tables.letters.c, tables.item_revisions.c
    row = connection.execute(
        sa.select(letters.reason, letters.message)
        .join(tables.item_revisions, own.letter_id == letters.letter_id)
        .where(own.item_id == item_id, own.refused)
        .order_by(own.revision)
    ).first()
    return (row.reason, row.message) if row else None


# -- subscriptions --------------------------------------------------------------------------------


def subscriptions(connection: Connection) -> dict[str, Subscription]:
    """All subscriptions ever made by this department, by category."""
    return {
        row.category: Subscription(row.subscribed, row.admitted, row.letter_id)
        for row in connection.execute(sa.select(tables.subscriptions))
    }


def write_subscriptions(connection: Connection, changed: Mapping[str, Subscription]) -> None:
    """Write subscriptions."""
    rows = [(category, *each) for category, each in changed.items()]
    _SUBSCRIPTIONS.upsert(connection, rows, ["category"], ["subscribed", "admitted", "letter_id"])


# -- reading --------------------------------------------------------------------------------------


def page(connection: Connection, subject: str, wanted: Wanted, limit: int) -> list[tuple[Item, int]]:
    """Items, the last seen first, each with the newest revision that a person has read, 0 for none."""
    own = tables.items.c
    query = _with_reads(subject)
    if wanted.category:
        query = query.where(own.category == wanted.category)
    if wanted.author:
        query = query.where(own.author == wanted.author)
    if wanted.terms:
        term = tables.item_terms.c
        holding = (
            sa.select(term.item_id)
            .where(term.term.in_(sorted(wanted.terms)))
            .group_by(term.item_id)
            .having(sa.func.count() == len(wanted.terms))
        )
        query = query.where(own.item_id.in_(holding))
    if wanted.before is not None:
        seen_at_us, item_id = wanted.before
        key = sa.tuple_(own.seen_at_us, own.item_id)
        query = query.where(key < sa.tuple_(sa.literal(seen_at_us), sa.literal(item_id)))
    query = query.order_by(own.seen_at_us.desc(), own.item_id.desc()).limit(limit)
    return [(_item(row), row.read_revision or 0) for row in connection.execute(query)]


def item(connection: Connection, subject: str, item_id: str) -> tuple[Item, int] | None:
    """One item, with the newest revision that a person has read."""
    row = connection.execute(_with_reads(subject).where(tables.items.c.item_id == item_id)).first()
    return (_item(row), row.read_revision or 0) if row else None


def new_reads(connection: Connection, reads: Sequence[Record]) -> list[Record]:
    """Those of (item, subject, name, revision, time) that read a newer revision than the person knew."""
    known = {
        (row.item_id, row.subject): row.revision
        for row in _READS.select_in(connection, "item_id", {read[0] for read in reads})
    }
    # an older revision, or the same again, leaves what stands
    fresh = [read for read in reads if read[3] > known.get((read[0], read[1]), 0)]
    return sorted(fresh, key=lambda read: int(read[3]))


def write_reads(connection: Connection, reads: Sequence[Record]) -> None:
    """Note who read which revision of which item, when; of two with one key the later stands."""
    _READS.upsert(connection, reads, ["item_id", "subject"], ["name", "revision", "read_at_us"])


def _with_reads(subject: str) -> sa.Select[Any]:
    read = tables.item_reads.c
    joined = tables.items.outerjoin(
        tables.item_reads, sa.and_(read.item_id == tables.items.c.item_id, read.subject == subject)
    )
    return sa.select(tables.items, read.revision.label("read_revision")).select_from(joined)


def _revision(row: sa.Row[Any]) -> Revision:
    return Revision(
        row.letter_id, row.item_id, row.revision, row.act, row.author, row.category, row.formed_at_us,
        row.signed_at_us, bool(row.restricted), _names(row.recipients), row.heading, bool(row.refused),
        row.position, row.admitted_at_us,
    )  # fmt: skip


def _item(row: sa.Row[Any]) -> Item:
    return Item(
        row.item_id, row.category, row.author, row.seen_at_us, row.letter_id, row.revision,
        bool(row.withdrawn), row.heading, row.position, row.admitted_at_us, row.formed_at_us,
        bool(row.restricted), _names(row.recipients), row.first_revision, row.first_signed_at_us,
        row.first_admitted_at_us,
    )  # fmt: skip


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
