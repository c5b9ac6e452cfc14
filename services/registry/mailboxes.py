"""Mailboxes: what each department is still to get, in ledger order, common entries in between.

An index over the ledger, never trimmed by acknowledgement: a restored node reads it again from any place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from sqlalchemy import Connection

from services.exchange import digests
from services.exchange.digests import Leaf
from services.exchange.letters import rebuild
from services.exchange.merkle import BatchTree
from services.registry import tables
from services.registry.ledger import Head
from services.registry.recent import BatchProof, Entry, Place

_DIGEST: Final = 32


def read(
    connection: Connection, common: Sequence[int], department: str, after: Place, limit: int, end: int
) -> list[tuple[Place, Entry]]:
    """The next deliveries of a department after a place, from the tables.

    Args:
        connection: A read transaction.
        common: Positions of the common entries, rising, at least of those below `end`.
        department: Whose mailbox.
        after: The place.
        limit: At most so many.
        end: Nothing at or above it is returned: the size of a head that is durable, so that all of it can be
            proved under a signed one.
    """
    box = tables.mailbox.c
    rows = connection.execute(
        sa.select(box.at, box.position)
        .where(
            box.department == department,
            sa.tuple_(box.at, box.position) > sa.tuple_(sa.literal(after.at), sa.literal(after.position)),
            box.at < end,
        )
        .order_by(box.at, box.position)
        .limit(limit)
    )
    places = [Place(row.at, row.position) for row in rows]
    first, last = bisect_right(common, after.at), bisect_left(common, end)
    places += [Place(position, position) for position in common[first : min(last, first + limit)]]
    # of two rising lists, each cut at the limit, the first of the merged ones are complete
    places = sorted(places)[:limit]
    entries = read_entries(connection, [place.position for place in places])
    return [(place, entries[place.position]) for place in places]


def read_entries(connection: Connection, positions: Sequence[int]) -> dict[int, Entry]:
    """Ledger entries by position, with their authors' proofs."""
    if not positions:
        return {}
    columns = tables.ledger.c
    batches = tables.batches.c
    rows = connection.execute(
        sa.select(
            columns.position, columns.letter_id, columns.kind, columns.author, columns.letter_digest,
            columns.leaf_hash, columns.admitted_at_us, columns.common_version, columns.batch,
            columns.batch_index, columns.header, columns.payload, columns.extras, columns.flags,
            batches.suite, batches.key_id, batches.size, batches.root, batches.signature, batches.digests,
        )
        .join(tables.batches, columns.batch == batches.batch)
        .where(columns.position.in_(positions))
    )  # fmt: skip
    trees: dict[int, BatchTree] = {}
    found: dict[int, Entry] = {}
    for (
        position, letter_id, kind, author, digest, leaf_hash, admitted, version, batch, index, header,
        payload, extras, flags, suite, key_id, size, root, signature, all_digests,
    ) in rows:  # fmt: skip
        tree = trees.get(batch)
        if tree is None:
            tree = trees[batch] = batch_tree(all_digests)
        found[position] = Entry(
            Leaf(position, admitted, version, digest), leaf_hash, letter_id, kind, author, header, payload,
            extras, flags, BatchProof(suite, key_id, size, root, signature), index, tree.path(index),
        )  # fmt: skip
    return found


def batch_tree(all_digests: bytes) -> BatchTree:
    """An author's batch tree, from the letter digests that were stored with it."""
    return BatchTree(
        [
            digests.batch_leaf(all_digests[start : start + _DIGEST])
            for start in range(0, len(all_digests), _DIGEST)
        ]
    )


def respond(
    department: str,
    previous: Place,
    deliveries: Sequence[tuple[Place, Entry]],
    head: Head,
    checkpoint: str,
    multiproof: Sequence[bytes],
) -> service_pb.DeliverResponse:
    """The message that delivers these entries under a signed head."""
    response = service_pb.DeliverResponse(checkpoint=checkpoint, tree_size=head.size, multiproof=multiproof)
    batches: dict[tuple[str, bytes], int] = {}
    for place, entry in deliveries:
        delivery = response.deliveries.add()
        delivery.cursor.at, delivery.cursor.position = place
        delivery.previous.at, delivery.previous.position = previous
        previous = place
        leaf = entry.leaf
        delivery.leaf.position = leaf.position
        delivery.leaf.admitted_at_us = leaf.admitted_at_us
        delivery.leaf.common_version = leaf.common_version
        delivery.leaf.letter_digest = leaf.letter_digest
        if entry.flags:
            delivery.flags.extend(entry.flags.split(","))
        if entry.author == department:
            delivery.receipt.letter_id = entry.letter_id
            continue
        if entry.extras:
            delivery.envelope.CopyFrom(rebuild(entry.header, entry.payload, entry.extras))
        else:
            delivery.envelope.header = entry.header
            delivery.envelope.payload = entry.payload
        delivery.envelope.proof.leaf_index = entry.leaf_index
        delivery.envelope.proof.path.extend(entry.path)
        proof = entry.batch
        key = (proof.key_id, proof.root)
        known = batches.get(key)
        if known is None:
            known = batches[key] = len(batches)
            response.batches.append(
                pb.AuthorProof(
                    suite=pb.Suite.ValueType(proof.suite), key_id=proof.key_id, tree_size=proof.size,
                    root=proof.root, signature=proof.signature,
                )
            )  # fmt: skip
        delivery.batch = known
    return response


def positions_of(deliveries: Sequence[tuple[Place, Entry]]) -> list[int]:
    """The rising positions among deliveries, each once."""
    return sorted({place.position for place, _ in deliveries})


def read_leaves(connection: Connection, start: int, end: int) -> list[Leaf]:
    """The leaves from `start` to below `end`."""
    columns = tables.ledger.c
    rows = connection.execute(
        sa.select(columns.position, columns.admitted_at_us, columns.common_version, columns.letter_digest)
        .where(columns.position >= start, columns.position < end)
        .order_by(columns.position)
    )
    return [Leaf(row.position, row.admitted_at_us, row.common_version, row.letter_digest) for row in rows]
