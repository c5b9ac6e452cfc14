"""The exchange over real TLS: letters are submitted, delivered, and proved."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from liandong.exchange.v1 import reason_pb2
from sqlalchemy import Connection

from services.common.faults import ConstraintBroken
from services.exchange import digests, merkle
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.keys import public_key_bytes
from services.registry import group, tables
from services.registry.recent import Place
from tests.builders.departments import HEALTH, LOG_ID, MARKET, new_id
from tests.wire.registry.conftest import World


async def test_a_whole_case_is_submitted_and_delivered(world: World) -> None:
    """From registration to closing: both sides get everything in one order, with every proof."""
    health, market = world.health, world.market
    case_id = new_id()
    first = await health.admit(health.opening(case_id))
    transfer = health.signer.act(
        case_id, "transfer", parties={MARKET: "receiver"}, recipients=[MARKET], based_on=first,
        materials=["transfer-letter", "source-material", "preliminary-evidence"],
        approved_by=["leader-in-charge"], by_person=True,
    )  # fmt: skip
    at = await health.admit(transfer)
    arrival = market.signer.arrival({at: transfer.digest})
    sign = market.signer.act(case_id, "sign-for", based_on=at)
    ((arrived, signed),) = await market.submit([arrival, sign])
    accept = market.signer.act(case_id, "accept", based_on=signed.position, materials=["acceptance-notice"])
    progress = market.signer.act(case_id, "progress", predecessor=accept.letter_id)
    outcome = market.signer.act(
        case_id, "outcome", predecessor=progress.letter_id, materials=["outcome-letter"], outcome_code="01"
    )
    batches = await market.submit([accept], [progress, outcome])
    positions = [each.position for batch in batches for each in batch]
    assert positions == list(range(positions[0], positions[0] + 3))
    close = health.signer.act(case_id, "close", based_on=positions[-1], approved_by=["section-head"])
    last = await health.admit(close)

    common = world.common
    letters = [first, at, arrived.position, signed.position, *positions, last]
    sender = await world.drain(health, len(common) + len(letters))
    receiver = await world.drain(market, len(common) + len(letters))
    assert [place.position for place in sender.places] == [*common, *letters]
    assert sorted(sender.receipts) == sorted([first, at, last])
    assert sorted(receiver.receipts) == sorted([arrived.position, signed.position, *positions])
    # the past of the case came when the transfer named the receiver
    assert Place(at, first) in receiver.places
    assert receiver.letters[at] == transfer.letter_id
    assert world.registry.replica.cases[case_id].state == "closed"


async def test_an_arrival_of_a_letter_to_others_is_refused(world: World) -> None:
    """Typed, with the letter in its field, and the same when it comes again."""
    letter = world.health.opening()
    at = await world.health.admit(letter)
    claim = world.market.signer.arrival({at: letter.digest})
    for (outcome,) in await world.market.submit([claim], [claim]):
        assert outcome.disposition == service_pb.DISPOSITION_REFUSED
        assert reason_pb2.Reason.Name(outcome.reason) == "REASON_NOT_ADDRESSED"
        assert outcome.field == "arrival.letters[0]"


async def test_a_submitted_batch_is_answered_again(world: World) -> None:
    """The same outcome for the same letters, over another stream, in another batch."""
    letters = [world.health.opening() for _ in range(3)]
    (first,) = await world.health.submit(letters)
    again = await world.health.submit(letters[:1], letters[1:])
    assert [each for batch in again for each in batch] == first


async def test_outcomes_say_what_is_wrong_with_which_letter(world: World) -> None:
    """Good letters of a batch are admitted beside one that is no letter and one that is put off."""
    broken = world.health.opening()
    broken.envelope.payload = b"other"
    ahead = world.health.opening(signed_at=world.registry.clock.now() + timedelta(minutes=7))
    (outcomes,) = await world.health.submit([world.health.opening(), broken, ahead, world.health.opening()])
    assert [each.disposition for each in outcomes] == [
        service_pb.DISPOSITION_ADMITTED,
        service_pb.DISPOSITION_REFUSED,
        service_pb.DISPOSITION_RETRY,
        service_pb.DISPOSITION_ADMITTED,
    ]
    assert outcomes[1].reason == reason_pb2.REASON_DIGEST_MISMATCH
    assert outcomes[2].reason == reason_pb2.REASON_CLOCK_AHEAD
    assert outcomes[2].retry_after_ms > 0


async def test_a_letter_that_cannot_be_stored_is_found_in_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is halved until it stands alone: it is put off, all others are admitted."""
    letters = [world.health.opening() for _ in range(7)]
    write = group.Group.write

    def poisoned(self: group.Group, *rest: Any) -> None:
        if any(entry.letter_id == letters[4].letter_id for entry in self.entries):
            raise ConstraintBroken
        write(self, *rest)

    monkeypatch.setattr(group.Group, "write", poisoned)
    (outcomes,) = await world.health.submit(letters)
    assert [each.disposition for each in outcomes] == [
        service_pb.DISPOSITION_RETRY if index == 4 else service_pb.DISPOSITION_ADMITTED for index in range(7)
    ]
    assert [each.letter_id for each in outcomes] == [each.letter_id for each in letters]
    monkeypatch.undo()
    delivered = await world.drain(world.health, len(world.common) + 6)
    assert len(delivered.receipts) == 6


async def test_an_outage_is_in_the_ledger_before_the_letters_of_the_one_who_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was away brings the absence with it, by whichever stream it comes."""
    await world.health.admit(world.health.opening())
    async with asyncio.timeout(5):
        while not world.registry.database.read(_disconnected):  # noqa: ASYNC110 - a row, no event
            await asyncio.sleep(0.02)
    version = world.registry.replica.directory.version
    monkeypatch.setattr(world.registry.links, "_away_after", timedelta(0))
    position = await world.health.admit(world.health.opening())
    directory = world.registry.replica.directory
    assert directory.version == version + 1
    (outage,) = directory.outages
    assert outage.department == HEALTH
    assert directory.position < position


def _disconnected(connection: Connection) -> bool:
    column = tables.cursors.c
    return bool(
        connection.execute(sa.select(column.disconnected_us).where(column.department == HEALTH)).scalar()
    )


async def test_heads_and_proofs_verify(world: World) -> None:
    """Inclusion and consistency for any member, under the signed head; leaves without bodies."""
    stub, key = world.market.stub, public_key_bytes(world.registry.credentials.sign_key)
    old = verify_checkpoint((await stub.GetHead(service_pb.GetHeadRequest())).checkpoint, LOG_ID, [key])
    letter = world.health.opening()
    position = await world.health.admit(letter)
    proof = await stub.GetInclusionProof(service_pb.GetInclusionProofRequest(position=position))
    head = verify_checkpoint(proof.checkpoint, LOG_ID, [key])
    leaf = digests.leaf_hash(
        digests.encode_leaf(
            proof.leaf.position,
            proof.leaf.admitted_at_us,
            proof.leaf.common_version,
            proof.leaf.letter_digest,
        )
    )
    assert proof.leaf.letter_digest == letter.digest
    merkle.verify_inclusion(leaf, position, proof.tree_size, proof.path, head.root)
    path = await stub.GetConsistencyProof(service_pb.GetConsistencyProofRequest(first_size=old.size))
    merkle.verify_consistency(old.size, old.root, path.second_size, head.root, path.path)
    listed = await stub.ListLeaves(service_pb.ListLeavesRequest(start=position, limit=5))
    assert [each.letter_digest for each in listed.leaves] == [letter.digest]
    beyond = await stub.ListLeaves(service_pb.ListLeavesRequest(start=10**9))
    assert not beyond.leaves
