"""Every limit of a submission, passed by one."""

from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from liandong.exchange.v1 import reason_pb2

from services.exchange.letters import BATCH_BYTES, BATCH_LETTERS, LETTER_LIMIT
from tests.wire.registry.conftest import World


async def test_a_batch_has_at_most_256_letters(world: World) -> None:
    """256 are taken, 257 are refused with the field."""
    letters = [world.health.opening() for _ in range(BATCH_LETTERS + 1)]
    error = await world.health.refused(world.health.signer.batch(*letters))
    assert (error.reason, error.field) == ("LIMIT_EXCEEDED", "envelopes")
    (outcomes,) = await world.health.submit(letters[:BATCH_LETTERS])
    assert {each.disposition for each in outcomes} == {service_pb.DISPOSITION_ADMITTED}


async def test_a_batch_has_at_most_so_many_bytes(world: World) -> None:
    """Exactly 1.25 MiB are taken, one byte more is refused."""
    letters = [world.health.opening(payload=bytes(LETTER_LIMIT - 8192)) for _ in range(5)]
    room = BATCH_BYTES - sum(each.envelope.ByteSize() for each in letters)
    assert 0 < room < LETTER_LIMIT
    for extra, reason in ((1, "LIMIT_EXCEEDED"), (0, "")):
        size = room + extra
        last = world.health.opening(payload=bytes(1))
        while (difference := size - last.envelope.ByteSize()) != 0:
            last = world.health.opening(payload=bytes(len(last.envelope.payload) + difference))
        if reason:
            error = await world.health.refused(world.health.signer.batch(*letters, last))
            assert error.reason == reason
        else:
            (outcomes,) = await world.health.submit([*letters, last])
            assert {each.disposition for each in outcomes} == {service_pb.DISPOSITION_ADMITTED}


async def test_a_letter_has_at_most_256_kib(world: World) -> None:
    """One byte more refuses the letter, not the batch."""
    largest = world.health.opening(payload=bytes(LETTER_LIMIT))
    larger = world.health.opening(payload=bytes(LETTER_LIMIT + 1))
    (outcomes,) = await world.health.submit([largest, larger])
    assert outcomes[0].disposition == service_pb.DISPOSITION_ADMITTED
    assert outcomes[1].reason == reason_pb2.REASON_LIMIT_EXCEEDED


async def test_a_message_has_at_most_2_mib(world: World) -> None:
    """It is refused by us, typed, and the connection lives on."""
    letters = [world.health.opening(payload=bytes(LETTER_LIMIT)) for _ in range(8)]
    error = await world.health.refused(world.health.signer.batch(*letters))
    assert (error.reason, error.code) == ("LIMIT_EXCEEDED", "INVALID_ARGUMENT")
    await world.health.admit(world.health.opening())


async def test_metadata_has_at_most_16_kib(world: World) -> None:
    """Likewise."""
    request = world.health.signer.batch(world.health.opening())
    error = await world.health.refused(request, metadata=(("padding", "x" * 16 * 1024),))
    assert (error.reason, error.field) == ("LIMIT_EXCEEDED", "metadata")
    await world.health.admit(world.health.opening())
