"""Mailboxes: what each department is still to get, from the tables as from memory."""

import pytest
from liandong.exchange.v1 import envelope_pb2 as pb

from services.exchange import digests, keys, merkle
from services.exchange.keys import public_key_bytes
from services.exchange.letters import open_letter
from services.registry import mailboxes
from services.registry.recent import Entry, Place
from tests.builders.departments import HEALTH, MARKET, WATER, new_id
from tests.builders.registry import CATEGORY, Bench

BEGINNING = Place(-1, -1)


def stored(
    registry: Bench, department: str, after: Place = BEGINNING, limit: int = 1000, end: int | None = None
) -> list[tuple[Place, Entry]]:
    common = registry.replica.common_positions
    size = registry.replica.head.size if end is None else end
    return registry.database.read(
        lambda connection: mailboxes.read(connection, common, department, after, limit, size)
    )


def remembered(
    registry: Bench, department: str, after: Place, limit: int = 1000
) -> list[tuple[Place, Entry]]:
    found = registry.replica.recent.read(department, after, limit, registry.replica.head.size)
    assert found is not None
    return found


def story(registry: Bench) -> Place:
    """Some of everything; returns the place before it."""
    before = Place(registry.replica.head.size - 1, registry.replica.head.size - 1)
    registry.position(registry.market, registry.market.item(pb.ITEM_ACT_SUBSCRIBE, CATEGORY))
    registry.accepted()
    registry.publish(registry.water.entry(number_word="清水"))
    case_id, at = registry.sent()
    item = registry.health.item(pb.ITEM_ACT_PUBLISH, CATEGORY, new_id(), revision=1)
    sign = registry.health.act(case_id, "recall", based_on=at, approved_by=["leader-in-charge"])
    registry.submit(registry.health, item, sign)
    return before


@pytest.mark.parametrize("department", [HEALTH, MARKET, WATER])
def test_tables_and_memory_say_the_same(registry: Bench, department: str) -> None:
    """Every delivery with every part of it, common entries in between."""
    before = story(registry)
    assert stored(registry, department, before) == remembered(registry, department, before)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_join_without_gap_or_repetition(registry: Bench, limit: int) -> None:
    """Wherever a page ends, also inside the past of a case, the next goes on there."""
    before = story(registry)
    for read in (stored, remembered):
        whole = [place for place, _ in read(registry, MARKET, before)]
        paged: list[Place] = []
        after = before
        while page := read(registry, MARKET, after, limit):
            assert len(page) <= limit
            paged += [place for place, _ in page]
            after = paged[-1]
        assert paged == whole == sorted(whole)


def test_everyone_gets_every_common_entry(registry: Bench) -> None:
    """A department that nobody wrote to as well."""
    story(registry)
    found = stored(registry, WATER)
    assert [place.position for place, _ in found] == registry.replica.common_positions
    assert {entry.kind for _, entry in found} == {"common"}


def test_nothing_at_or_beyond_the_end_is_read(registry: Bench) -> None:
    """The reader's head bounds letters and common entries alike."""
    before = story(registry)
    for end in range(before.at + 2, registry.replica.head.size + 1):
        found = stored(registry, MARKET, before, end=end)
        assert all(place.at < end for place, _ in found)
        assert found == [each for each in stored(registry, MARKET, before) if each[0].at < end]


def test_a_delivery_proves_itself(registry: Bench) -> None:
    """Author's signature over the batch, path to the letter, leaf, multiproof to the signed head."""
    before = story(registry)
    deliveries = stored(registry, MARKET, before)
    head, checkpoint = registry.replica.checkpoint()
    positions = mailboxes.positions_of(deliveries)
    proof = registry.database.read(
        lambda connection: registry.replica.hashes.multiproof(connection, positions, head.size)
    )
    response = mailboxes.respond(MARKET, before, deliveries, head, checkpoint, proof)
    leaves = {}
    previous = before
    for delivery in response.deliveries:
        assert (delivery.previous.at, delivery.previous.position) == previous
        previous = Place(delivery.cursor.at, delivery.cursor.position)
        leaf = delivery.leaf
        leaves[leaf.position] = digests.leaf_hash(
            digests.encode_leaf(leaf.position, leaf.admitted_at_us, leaf.common_version, leaf.letter_digest)
        )
        if delivery.HasField("receipt"):
            continue
        letter = open_letter(delivery.envelope)
        assert letter.digest == leaf.letter_digest
        batch = response.batches[delivery.batch]
        path, index = delivery.envelope.proof.path, delivery.envelope.proof.leaf_index
        merkle.verify_inclusion(digests.batch_leaf(letter.digest), index, batch.tree_size, path, batch.root)
        signer = registry.signers.get(letter.header.author)
        key = signer.sign_key if signer else registry.replica.sign_key
        keys.verify_batch(
            public_key_bytes(key),
            batch.key_id,
            batch.tree_size,
            batch.root,
            batch.signature,
            suite=batch.suite,
        )
    merkle.verify_multiproof(leaves, response.tree_size, list(response.multiproof), head.edge.root)


def test_an_own_letter_comes_as_its_receipt(registry: Bench) -> None:
    """The author has the bytes; the place in the ledger is what it lacks."""
    before = Place(registry.replica.head.size - 1, registry.replica.head.size - 1)
    _, at = registry.registered()
    head, checkpoint = registry.replica.checkpoint()
    response = mailboxes.respond(HEALTH, before, stored(registry, HEALTH, before), head, checkpoint, [])
    (delivery,) = response.deliveries
    assert delivery.HasField("receipt")
    assert delivery.leaf.position == at
    assert not response.batches
