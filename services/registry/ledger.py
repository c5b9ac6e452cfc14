"""The ledger: append-only, ordered by one locked row, proved by complete subtrees that never change.

`Head` is the locked row's content as a value. Appending needs nothing but the head; proofs need about
two lookups per level. Hashes of the newest part stay in memory, since deliveries are about it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from services.common.bulk import Bulk, Query, Record, fetch
from services.common.clock import microseconds
from services.exchange import merkle
from services.exchange.checkpoint import Checkpoint, sign_checkpoint
from services.exchange.merkle import Coordinate, RightEdge
from services.registry import tables

_NODES: Final = Bulk(tables.ledger_nodes)
_LEAVES: Final = Bulk(tables.ledger, ["position", "leaf_hash"])
_REMEMBERED: Final = 1 << 17
STORED_EVERY: Final = 2
"""Levels between stored subtrees: a third of the rows, and a proof of ten million leaves reads 35 of them."""


@dataclass(frozen=True, slots=True)
class Head:
    """The ledger's end: what the next append continues. Nothing is appended while it is held (`restoring`)."""

    log_id: str
    epoch: int
    edge: RightEdge
    common_version: int
    admitted_at_us: int
    held_since_us: int | None = None

    @property
    def size(self) -> int:
        """How many leaves there are; also the next position."""
        return self.edge.size

    def signed(self, key: Ed25519PrivateKey) -> str:
        """The signed checkpoint. Call it only for a head whose commit is known to be durable."""
        return sign_checkpoint(Checkpoint(self.log_id, self.epoch, self.size, self.edge.root), key)

    def at(self, now_us: int) -> Head:
        """The head with its clock moved on: admitted-at never goes back, whatever the clock does."""
        return replace(self, admitted_at_us=max(self.admitted_at_us, now_us))


def create(connection: Connection, log_id: str) -> None:
    """Write the head of an empty ledger, unless there is one."""
    exists = connection.execute(sa.select(tables.ledger_head.c.id)).first()
    if exists is None:
        edge = RightEdge()
        connection.execute(
            tables.ledger_head.insert().values(
                id=1, log_id=log_id, epoch=1, size=0, root=edge.root, edge=edge.encode(), common_version=0,
                admitted_at_us=0,
            )
        )  # fmt: skip


_HEAD: Final = "log_id, epoch, edge, common_version, admitted_at_us, held_since_us"
_READ_HEAD: Final = Query(f"SELECT {_HEAD} FROM ledger_head WHERE id = 1")  # noqa: S608 - columns of ours
_LOCK_HEAD: Final = Query(
    # clock_timestamp, not now(): a transaction that waited for the lock must not date itself before its wait
    f"SELECT {_HEAD}, (extract(epoch from clock_timestamp()) * 1000000)::bigint"  # noqa: S608 - as above
    " FROM ledger_head WHERE id = 1 FOR UPDATE"
)


def read_head(connection: Connection) -> Head:
    """The head, unlocked."""
    (((log_id, epoch, edge, version, admitted, held),),) = fetch(connection, [_READ_HEAD])
    return Head(log_id, epoch, RightEdge.decode(edge), version, admitted, held)


def lock_head(
    connection: Connection, now: datetime, *asked: Sequence[Query]
) -> tuple[Head, list[list[Record]]]:
    """Lock the head until the transaction ends, and move its clock to the database's.

    Args:
        connection: Inside a write transaction.
        now: The clock where the database has none of its own (SQLite: one process, one clock).
        asked: What is to be read under the lock, see `bulk.fetch`.

    Returns:
        The head, and the rows of each group of queries.
    """
    if connection.dialect.name != "postgresql":
        return read_head(connection).at(microseconds(now)), fetch(connection, *asked)
    ((row,), *found) = fetch(connection, [_LOCK_HEAD], *asked)
    log_id, epoch, edge, version, admitted, held, clock = row
    return Head(log_id, epoch, RightEdge.decode(edge), version, admitted, held).at(clock), found


_HEADS: Final = Bulk(tables.ledger_head, ["id", "size", "root", "edge", "common_version", "admitted_at_us"])


def write(connection: Connection, head: Head, completed: Sequence[tuple[int, int, bytes]]) -> None:
    """Write the new head, and of the subtrees that were completed on the way to it those that are stored."""
    _NODES.insert(connection, stored(completed))
    _HEADS.update(
        connection,
        [(1, head.size, head.edge.root, head.edge.encode(), head.common_version, head.admitted_at_us)],
        ["id"],
        ["size", "root", "edge", "common_version", "admitted_at_us"],
    )


def stored(completed: Iterable[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Of complete subtrees those that are stored: every second level; the others are combined of two."""
    return [each for each in completed if each[0] % STORED_EVERY == 0]


class Hashes:
    """Hashes of complete subtrees by coordinate: the newest in memory, every second level in the database.

    Subtrees never change, so what is remembered is never wrong; what is not there is read.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Coordinate, bytes] = OrderedDict()
        self._gate = threading.Lock()

    def remember(self, hashes: Iterable[tuple[int, int, bytes]]) -> None:
        """Keep hashes of a commit that is durable."""
        with self._gate:
            for level, index, value in hashes:
                self._known[level, index] = value
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def read(self, connection: Connection, wanted: Collection[Coordinate]) -> Mapping[Coordinate, bytes]:
        """All wanted hashes, read in one exchange.

        Raises:
            KeyError: A subtree is not complete in this ledger.
        """
        known = self._known
        hashes = {each: value for each in wanted if (value := known.get(each)) is not None}
        rest = [each for each in wanted if each not in hashes]
        if not rest:
            return hashes
        below = {each for coordinate in rest for each in _stored_below(coordinate)}
        leaves = [index for level, index in below if level == 0]
        above = [each for each in below if each[0]]
        leaf_rows, node_rows = fetch(
            connection,
            _LEAVES.query_in(connection, "position", leaves),
            _NODES.query_keys(connection, ("level", "node_index"), above),
        )
        found = {(0, position): value for position, value in leaf_rows}
        found.update({(level, index): value for level, index, value in node_rows})
        combined = {each: _combined([found[one] for one in _stored_below(each)]) for each in rest}
        self.remember([(*each, value) for each, value in combined.items()])
        return hashes | combined

    def inclusion(self, connection: Connection, position: int, size: int) -> list[bytes]:
        """The inclusion proof of a position under a size (RFC 9162, 2.1.3)."""
        return self._prove(connection, merkle.inclusion_subtrees(position, size))

    def consistency(self, connection: Connection, first: int, second: int) -> list[bytes]:
        """The consistency proof between two sizes (RFC 9162, 2.1.4)."""
        return self._prove(connection, merkle.consistency_subtrees(first, second))

    def multiproof(self, connection: Connection, positions: Sequence[int], size: int) -> list[bytes]:
        """What gives the root together with the leaves at these rising positions."""
        return self._prove(connection, merkle.multiproof_subtrees(positions, size))

    def root(self, connection: Connection, size: int) -> bytes:
        """The root that the ledger had at a size."""
        if size == 0:
            return merkle.EMPTY_ROOT
        return self._prove(connection, merkle.multiproof_subtrees((), size))[0]

    def _prove(self, connection: Connection, subtrees: Sequence[merkle.Subtree]) -> list[bytes]:
        return merkle.assemble(subtrees, self.read(connection, merkle.coordinates(subtrees)))

    def prove_from_memory(self, positions: Sequence[int], size: int) -> list[bytes] | None:
        """A multiproof without the database, None if something must be read."""
        subtrees = merkle.multiproof_subtrees(positions, size)
        wanted = merkle.coordinates(subtrees)
        try:
            hashes = {each: self._known[each] for each in wanted}
        except KeyError:
            return None
        return merkle.assemble(subtrees, hashes)


def _stored_below(coordinate: Coordinate) -> list[Coordinate]:
    """The stored subtrees that a subtree is made of, from left to right; itself, if it is stored."""
    level, index = coordinate
    height = level % STORED_EVERY
    first = index << height
    return [(level - height, each) for each in range(first, first + (1 << height))]


def _combined(hashes: list[bytes]) -> bytes:
    """The hash over adjacent subtrees of one level, a power of two of them."""
    while len(hashes) > 1:
        hashes = [merkle.node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
