"""Recomputes a ledger from scratch: every leaf, the tree over them, and the heads that were signed.

Leaves come in pages and only the tree's right edge is kept, so a ledger of any size is checked in the same
memory. A head of an earlier day is continued if, on the way, the tree had its root at its size: that needs no
consistency proof, since all leaves are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as pb
from sqlalchemy import Connection

from services.common.db import Database
from services.exchange import digests
from services.exchange.checkpoint import Checkpoint, verify_checkpoint
from services.exchange.digests import Leaf
from services.exchange.merkle import BadProof, RightEdge
from services.registry import ledger, tables

if TYPE_CHECKING:
    # a class for type checkers only
    from liandong.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceAsyncStub

PAGE: Final = 5_000
ROWS: Final = 500

Moved = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ledger that holds.

    Attributes:
        head: What was recomputed.
        earlier: The heads that it continues.
        note: The signed head as it came, empty where the database was read.
    """

    head: Checkpoint
    earlier: tuple[Checkpoint, ...]
    note: str = ""


class Recomputation:
    """The tree of a ledger as its leaves come by.

    Args:
        earlier: Heads that it is to continue.
    """

    def __init__(self, earlier: Iterable[Checkpoint] = ()) -> None:
        self.edge = RightEdge()
        self._earlier = sorted(earlier, key=lambda each: each.size)
        self._due = list(self._earlier)
        self._last = (0, 0)
        self._meet()

    def feed(self, leaves: Sequence[Leaf]) -> None:
        """Take the next leaves.

        Raises:
            BadProof: They do not follow, or an earlier head is not continued.
        """
        hashes: list[bytes] = []
        start = self.edge.size
        for index, leaf in enumerate(leaves, start=start):
            if leaf.position != index:
                raise BadProof(f"The leaf at {index} says that it stands at {leaf.position}.")
            place = (leaf.admitted_at_us, leaf.common_version)
            if place[0] < self._last[0] or place[1] < self._last[1]:
                raise BadProof(f"At {index} the ledger's time or its common version goes back.")
            self._last = place
            hashes.append(leaf.hash())
            if self._due and index + 1 == self._due[0].size:
                self.edge, _ = self.edge.append(hashes)
                hashes = []
                self._meet()
        self.edge, _ = self.edge.append(hashes)

    def finish(self, head: Checkpoint) -> tuple[Checkpoint, ...]:
        """Compare with the head; returns the earlier heads that it continues.

        Raises:
            BadProof: The root is another, or the ledger is shorter than a head shown before.
        """
        if self.edge.size != head.size:
            raise BadProof(f"There are {self.edge.size} leaves; the head has {head.size}.")
        if self.edge.root != head.root:
            raise BadProof(f"{head.size} leaves do not give the root of the head.")
        for each in self._due:
            raise BadProof(
                f"A head of {each.size} leaves was signed before in epoch {each.epoch}; now there are {head.size}"
                f" in epoch {head.epoch}."
            )
        return tuple(self._earlier)

    def _meet(self) -> None:
        while self._due and self._due[0].size == self.edge.size:
            if self._due[0].root != self.edge.root:
                raise BadProof(
                    f"The head of {self.edge.size} leaves that was signed before, in epoch"
                    f" {self._due[0].epoch}, had another root."
                )
            self._due.pop(0)


async def verify_registry(
    stub: ExchangeServiceAsyncStub,
    log_id: str,
    keys: Iterable[bytes],
    *,
    earlier: Iterable[Checkpoint] = (),
    moved: Moved = lambda _done, _all: None,
) -> Verdict:
    """Recompute the ledger that a registry shows.

    Args:
        stub: The registry.
        log_id: The ledger's name.
        keys: Public keys that may sign its heads.
        earlier: Heads of earlier days, verified, that it is to continue.
        moved: Told of progress.

    Raises:
        BadProof: Leaves, root or an earlier head do not fit.
        BadSignature: The head is not signed by a known key.
        LiandongError: The registry refuses, or is not reached.
    """
    note = (await stub.GetHead(pb.GetHeadRequest())).checkpoint
    head = verify_checkpoint(note, log_id, keys)
    found = Recomputation(_of_ledger(earlier, head))
    while found.edge.size < head.size:
        wanted = min(PAGE, head.size - found.edge.size)
        page = await stub.ListLeaves(pb.ListLeavesRequest(start=found.edge.size, limit=wanted), timeout=60)
        if not page.leaves:
            raise BadProof("The registry shows fewer leaves than its head has.")
        found.feed(
            [
                Leaf(each.position, each.admitted_at_us, each.common_version, each.letter_digest)
                for each in page.leaves
            ]
        )
        moved(found.edge.size, head.size)
    return Verdict(head, found.finish(head), note)


def verify_database(
    database: Database,
    *,
    earlier: Iterable[Checkpoint] = (),
    moved: Moved = lambda _done, _all: None,
) -> Verdict:
    """Recompute the ledger of a registry's database, letters included; blocks.

    Raises:
        BadProof: A letter, a leaf, the root or an earlier head does not fit.
        LiandongError: The database is not usable.
    """
    return database.read(lambda connection: _verify_rows(connection, tuple(earlier), moved))


def _verify_rows(connection: Connection, earlier: tuple[Checkpoint, ...], moved: Moved) -> Verdict:
    stored = ledger.read_head(connection)
    head = Checkpoint(stored.log_id, stored.epoch, stored.size, stored.edge.root)
    written = connection.execute(sa.select(tables.ledger_head.c.root)).scalar_one()
    if written != head.root:
        raise BadProof("The head's root is not that of its right edge.")
    found = Recomputation(_of_ledger(earlier, head))
    columns = tables.ledger.c
    while found.edge.size < head.size:
        start = found.edge.size
        rows = connection.execute(
            sa.select(
                columns.position,
                columns.admitted_at_us,
                columns.common_version,
                columns.letter_digest,
                columns.leaf_hash,
                columns.header,
                columns.payload,
            )
            .where(columns.position >= start, columns.position < min(start + ROWS, head.size))
            .order_by(columns.position)
        ).all()
        if not rows:
            raise BadProof(f"The ledger has no leaf at {start}; its head has {head.size}.")
        found.feed([_leaf(row) for row in rows])
        moved(found.edge.size, head.size)
    return Verdict(head, found.finish(head))


def _leaf(row: Iterable[Any]) -> Leaf:
    position, admitted_at_us, common_version, digest, leaf_hash, header, payload = row
    leaf = Leaf(position, admitted_at_us, common_version, digest)
    if leaf.hash() != leaf_hash:
        raise BadProof(f"The leaf stored at {position} has another hash.")
    if digests.letter_digest(header) != digest:
        raise BadProof(f"The letter stored at {position} has another digest.")
    # an erased payload is empty; its digest stays in the header
    named = envelopes.Header.FromString(header).payload_digest
    if payload and digests.sha256(payload) != named:
        raise BadProof(f"The payload stored at {position} has another digest.")
    return leaf


def _of_ledger(earlier: Iterable[Checkpoint], head: Checkpoint) -> list[Checkpoint]:
    known = list(earlier)
    for each in known:
        if each.epoch > head.epoch or each.log_id != head.log_id:
            raise BadProof(f"The head of {each.log_id}, epoch {each.epoch}, is not one of this ledger.")
    # those of older epochs too: one that is not continued covers what was lost, which nobody may pass over
    return known
