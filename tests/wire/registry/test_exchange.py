"""The exchange over real TLS: a case submitted and delivered, every limit passed by one, streams ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from liandong.exchange.v1 import reason_pb2
from sqlalchemy import Connection

from services.common.channel import open_channel
from services.common.errors import CertificateRevoked, LiandongError, PermissionDenied
from services.common.faults import ConstraintBroken
from services.common.permissions import missing_rows, rows_without_method
from services.exchange import digests, merkle
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.keys import public_key_bytes
from services.exchange.letters import BATCH_BYTES, BATCH_LETTERS, LETTER_LIMIT
from services.registry import delivery, group, tables
from services.registry.handlers import exchange
from services.registry.permissions import ENROLMENT_RULES, ENROLMENT_SERVICES, MAIN_RULES, MAIN_SERVICES
from services.registry.recent import Place
from tests.builders.departments import HEALTH, LOG_ID, MARKET, WATER, Sent, new_id
from tests.builders.exchange_client import Delivered, DeliverStream, NodeClient, certificate, node_client
from tests.wire.registry.conftest import World

ENOUGH = 1000


def opening(client: NodeClient, **changes: object) -> Sent:
    return client.signer.act(new_id(), "register", parties={HEALTH: "sender"}, **changes)  # type: ignore[arg-type]


async def drain(world: World, client: NodeClient, count: int, start: Place | None = None) -> Delivered:
    """Everything that a department is to get, as a new stream gives it."""
    delivered = Delivered(world.registry, world.signers)
    if start is not None:
        delivered.previous = start
    stream = DeliverStream(client, start)
    stream.grant(ENOUGH)
    while len(delivered.places) < count:
        delivered.take(await stream.read())
    stream.end()
    return delivered


async def test_a_whole_case_is_submitted_and_delivered(world: World) -> None:
    """From registration to closing: both sides get everything in one order, with every proof."""
    health, market = world.health, world.market
    case_id = new_id()
    at = await health.admit(health.signer.act(case_id, "register", parties={HEALTH: "sender"}))
    first = at
    transfer = health.signer.act(
        case_id, "transfer", parties={MARKET: "receiver"}, recipients=[MARKET], based_on=at,
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

    common = world.registry.replica.common_positions
    letters = [first, at, arrived.position, signed.position, *positions, last]
    sender = await drain(world, health, len(common) + len(letters))
    receiver = await drain(world, market, len(common) + len(letters))
    assert [place.position for place in sender.places] == [*common, *letters]
    assert sorted(sender.receipts) == sorted([first, at, last])
    assert sorted(receiver.receipts) == sorted([arrived.position, signed.position, *positions])
    # the past of the case came when the transfer named the receiver
    assert Place(at, first) in receiver.places
    assert receiver.letters[at] == transfer.letter_id
    assert world.registry.replica.cases[case_id].state == "closed"


async def test_a_submitted_batch_is_answered_again(world: World) -> None:
    """The same outcome for the same letters, over another stream, in another batch."""
    letters = [opening(world.health) for _ in range(3)]
    (first,) = await world.health.submit(letters)
    again = await world.health.submit(letters[:1], letters[1:])
    assert [each for batch in again for each in batch] == first


async def test_outcomes_say_what_is_wrong_with_which_letter(world: World) -> None:
    """Good letters of a batch are admitted beside one that is no letter and one that is put off."""
    broken = opening(world.health)
    broken.envelope.payload = b"other"
    ahead = opening(world.health, signed_at=world.registry.clock.now() + timedelta(minutes=7))
    (outcomes,) = await world.health.submit([opening(world.health), broken, ahead, opening(world.health)])
    assert [each.disposition for each in outcomes] == [
        service_pb.DISPOSITION_ADMITTED,
        service_pb.DISPOSITION_REFUSED,
        service_pb.DISPOSITION_RETRY,
        service_pb.DISPOSITION_ADMITTED,
    ]
    assert outcomes[1].reason == reason_pb2.REASON_DIGEST_MISMATCH
    assert outcomes[2].reason == reason_pb2.REASON_CLOCK_AHEAD
    assert outcomes[2].retry_after_ms > 0


async def test_heads_and_proofs_verify(world: World) -> None:
    """Inclusion and consistency for any member, under the signed head; leaves without bodies."""
    stub, key = world.market.stub, public_key_bytes(world.registry.credentials.sign_key)
    old = verify_checkpoint((await stub.GetHead(service_pb.GetHeadRequest())).checkpoint, LOG_ID, [key])
    letter = opening(world.health)
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


# -- every limit, passed by one ---------------------------------------------------------------------


async def refused(client: NodeClient, *letters: Sent) -> LiandongError:
    with pytest.raises(LiandongError) as found:
        await client.send(client.signer.batch(*letters))
    return found.value


async def test_a_batch_has_at_most_256_letters(world: World) -> None:
    """256 are taken, 257 are refused with the field."""
    letters = [opening(world.health) for _ in range(BATCH_LETTERS + 1)]
    error = await refused(world.health, *letters)
    assert (error.reason, error.field) == ("LIMIT_EXCEEDED", "envelopes")
    (outcomes,) = await world.health.submit(letters[:BATCH_LETTERS])
    assert {each.disposition for each in outcomes} == {service_pb.DISPOSITION_ADMITTED}


async def test_a_batch_has_at_most_so_many_bytes(world: World) -> None:
    """Exactly 1.25 MiB are taken, one byte more is refused."""
    letters = [opening(world.health, payload=bytes(LETTER_LIMIT - 8192)) for _ in range(5)]
    room = BATCH_BYTES - sum(each.envelope.ByteSize() for each in letters)
    assert 0 < room < LETTER_LIMIT
    for extra, reason in ((1, "LIMIT_EXCEEDED"), (0, "")):
        size = room + extra
        last = opening(world.health, payload=bytes(1))
        while (difference := size - last.envelope.ByteSize()) != 0:
            last = opening(world.health, payload=bytes(len(last.envelope.payload) + difference))
        if reason:
            assert (await refused(world.health, *letters, last)).reason == reason
        else:
            (outcomes,) = await world.health.submit([*letters, last])
            assert {each.disposition for each in outcomes} == {service_pb.DISPOSITION_ADMITTED}


async def test_a_letter_has_at_most_256_kib(world: World) -> None:
    """One byte more refuses the letter, not the batch."""
    largest = opening(world.health, payload=bytes(LETTER_LIMIT))
    larger = opening(world.health, payload=bytes(LETTER_LIMIT + 1))
    (outcomes,) = await world.health.submit([largest, larger])
    assert outcomes[0].disposition == service_pb.DISPOSITION_ADMITTED
    assert outcomes[1].reason == reason_pb2.REASON_LIMIT_EXCEEDED


async def test_a_message_has_at_most_2_mib(world: World) -> None:
    """It is refused by us, typed, and the connection lives on."""
    letters = [opening(world.health, payload=bytes(LETTER_LIMIT)) for _ in range(8)]
    error = await refused(world.health, *letters)
    assert (error.reason, error.code) == ("LIMIT_EXCEEDED", "INVALID_ARGUMENT")
    await world.health.admit(opening(world.health))


async def test_metadata_has_at_most_16_kib(world: World) -> None:
    """Likewise."""
    request = world.health.signer.batch(opening(world.health))
    with pytest.raises(LiandongError) as found:
        await world.health.send(request, metadata=(("padding", "x" * 16 * 1024),))
    assert (found.value.reason, found.value.field) == ("LIMIT_EXCEEDED", "metadata")
    await world.health.admit(opening(world.health))


# -- who may ----------------------------------------------------------------------------------------


def test_every_rpc_has_a_row() -> None:
    """And no row is left over."""
    assert missing_rows(MAIN_RULES, MAIN_SERVICES) == []
    assert rows_without_method(MAIN_RULES, MAIN_SERVICES) == []
    assert missing_rows(ENROLMENT_RULES, ENROLMENT_SERVICES) == []
    assert rows_without_method(ENROLMENT_RULES, ENROLMENT_SERVICES) == []


@pytest.mark.parametrize("kind", ["gateway", "system/hospital", "operator/ops"])
async def test_only_a_node_submits(world: World, kind: str) -> None:
    """Other certificates of the same department may look at heads and nothing more."""
    tls = certificate(world.registry, world.folder / "tls", HEALTH, kind)
    async with node_client(world.registry, world.signers[HEALTH], tls) as client:
        with pytest.raises(PermissionDenied):
            await client.send(client.signer.batch(opening(client)))
        assert (await client.stub.GetHead(service_pb.GetHeadRequest())).checkpoint


async def test_a_batch_signed_by_another_is_refused(world: World) -> None:
    """Whoever's certificate it comes under, the key is its own."""
    request = world.health.signer.batch(opening(world.health))
    with pytest.raises(LiandongError) as found:
        await world.market.send(request)
    assert found.value.reason == "BAD_SIGNATURE"
    request.proof.signature = bytes(64)
    with pytest.raises(LiandongError) as found:
        await world.health.send(request)
    assert found.value.reason == "BAD_SIGNATURE"
    request.proof.root = bytes(32)
    with pytest.raises(LiandongError) as found:
        await world.health.send(request)
    assert found.value.reason == "BAD_PROOF"


async def test_a_bad_batch_ends_the_stream_after_the_answers_before_it(world: World) -> None:
    """What was promised before is still said."""
    good = world.health.signer.batch(opening(world.health))
    bad = world.health.signer.batch(opening(world.health), sequence=2)
    bad.proof.signature = bytes(64)

    async def source() -> AsyncIterator[service_pb.SubmitRequest]:
        yield good
        yield bad

    call = world.health.stub.Submit(source(), timeout=20)
    answer = await call.read()
    assert answer.outcomes[0].disposition == service_pb.DISPOSITION_ADMITTED
    assert (await call.code()).name == "INVALID_ARGUMENT"


async def test_a_revoked_certificate_ends_its_streams(world: World) -> None:
    """Within two seconds, typed; other departments' streams go on."""
    stream, other = DeliverStream(world.health), DeliverStream(world.market)
    stream.grant(ENOUGH)
    other.grant(ENOUGH)
    await stream.read()
    await other.read()
    revocation = directory_pb.Revocation(department=HEALTH, reason="lost")
    await world.registry.publisher.publish(directory_pb.CommonEntry(revocation=revocation))
    begin = time.monotonic()
    assert isinstance(await stream.ended(), CertificateRevoked)
    assert time.monotonic() - begin < 2
    assert (await other.read()).deliveries
    with pytest.raises(CertificateRevoked):
        await world.health.send(world.health.signer.batch(opening(world.health)))
    other.end()


# -- streams ----------------------------------------------------------------------------------------


async def test_nothing_is_sent_beyond_the_credit(world: World) -> None:
    """Letter by letter, and byte by byte; what is granted later comes later."""
    delivered = Delivered(world.registry, world.signers)
    stream = DeliverStream(world.health)
    stream.grant(2)
    delivered.take(await stream.read())
    assert len(delivered.places) == 2
    with pytest.raises(TimeoutError):
        await stream.read(0.3)
    stream = DeliverStream(world.health, delivered.previous)
    stream.grant(ENOUGH, 2000)
    delivered.take(await stream.read())
    taken = len(delivered.places)
    assert 2 < taken < len(world.registry.replica.common_positions)
    stream.grant(0, 1 << 24)
    while len(delivered.places) < len(world.registry.replica.common_positions):
        delivered.take(await stream.read())
    stream.end()


async def test_a_delivery_follows_its_admission_at_once(world: World) -> None:
    """The stream is woken by the commit, not by a clock."""
    count = len(world.registry.replica.common_positions)
    delivered = Delivered(world.registry, world.signers)
    stream = DeliverStream(world.health)
    stream.grant(ENOUGH)
    while len(delivered.places) < count:
        delivered.take(await stream.read())
    begin = time.monotonic()
    position = await world.health.admit(opening(world.health))
    delivered.take(await stream.read())
    assert delivered.receipts.keys() == {position}
    assert time.monotonic() - begin < 1
    stream.end()


async def test_a_silent_stream_gives_signs_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty message with head and time, provable like any other."""
    monkeypatch.setattr(delivery, "SIGN_OF_LIFE_S", 0.2)
    start = Place(10**6, 10**6)
    delivered = Delivered(world.registry, world.signers)
    stream = DeliverStream(world.health, start)
    stream.grant(0)
    for _ in range(2):
        response = await stream.read()
        assert not response.deliveries
        assert response.HasField("registry_time")
        delivered.take(response)
    stream.end()


async def test_a_reader_that_does_not_read_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It granted credit and takes nothing: the stream ends, and the reader learns why when it reads on."""
    monkeypatch.setattr(exchange, "WRITE_TIMEOUT_S", 0.3)
    case_id, large = new_id(), bytes(LETTER_LIMIT)
    at = await world.health.admit(world.health.signer.act(case_id, "register", parties={HEALTH: "sender"}))
    letter = world.health.signer.act(
        case_id, "transfer", parties={MARKET: "receiver"}, based_on=at, payload=large,
        materials=["transfer-letter", "source-material", "preliminary-evidence"],
        approved_by=["leader-in-charge"],
    )  # fmt: skip
    at = await world.health.admit(letter)
    for _ in range(9):
        letter = world.health.signer.act(
            case_id, "correct", amended_letter=letter.letter_id, based_on=at, payload=large
        )
        at = await world.health.admit(letter)
    waiting = world.registry.replica._waiting
    before = len(waiting)
    # small windows: else the client's own buffers take megabytes before the registry feels anything
    options = (("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0))
    tls = certificate(world.registry, world.folder / "tls", MARKET)
    async with open_channel(world.registry.address, tls, options=options) as channel:
        stream = DeliverStream(NodeClient(world.registry, world.signers[MARKET], channel))
        stream.grant(ENOUGH, 1 << 28)
        await stream.read()
        assert len(waiting) == before + 1
        async with asyncio.timeout(10):
            while len(waiting) > before:  # noqa: ASYNC110 - nothing says that a handler ended
                await asyncio.sleep(0.02)
        assert (await stream.ended()).reason == "SLOW_READER"


async def test_a_cursor_goes_on_where_it_was(world: World) -> None:
    """After a break nothing is missing and nothing comes twice."""
    await world.health.admit(opening(world.health))
    count = len(world.registry.replica.common_positions)
    first = await drain(world, world.health, count + 1)
    position = await world.health.admit(opening(world.health))
    second = await drain(world, world.health, 1, first.previous)
    assert [place.position for place in second.places] == [position]


async def test_a_stranger_in_the_directory_gets_the_common_entries(world: World) -> None:
    """A department that takes part in nothing yet."""
    tls = certificate(world.registry, world.folder / "tls", WATER)
    async with node_client(world.registry, world.signers[WATER], tls) as client:
        await world.health.admit(opening(world.health))
        common = world.registry.replica.common_positions
        delivered = await drain(world, client, len(common))
        assert sorted(delivered.letters) == common


async def test_a_letter_that_cannot_be_stored_is_found_in_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is halved until it stands alone: it is put off, all others are admitted."""
    letters = [opening(world.health) for _ in range(7)]
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
    delivered = await drain(world, world.health, len(world.registry.replica.common_positions) + 6)
    assert len(delivered.receipts) == 6


async def test_an_outage_is_in_the_ledger_before_the_letters_of_the_one_who_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was away brings the absence with it, by whichever stream it comes."""
    await world.health.admit(opening(world.health))
    async with asyncio.timeout(5):
        while not world.registry.database.read(_disconnected):  # noqa: ASYNC110 - a row, no event
            await asyncio.sleep(0.02)
    version = world.registry.replica.directory.version
    monkeypatch.setattr(world.registry.links, "_away_after", timedelta(0))
    position = await world.health.admit(opening(world.health))
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
