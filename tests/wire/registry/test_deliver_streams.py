"""A Deliver stream: credit, signs of life, slow readers, cursors."""

import asyncio
import time

import pytest

from services.common.channel import open_channel
from services.exchange.letters import LETTER_LIMIT
from services.registry import delivery
from services.registry.handlers import exchange
from services.registry.recent import Place
from tests.builders.departments import MARKET, WATER, new_id
from tests.builders.exchange_client import Delivered, DeliverStream, NodeClient, certificate, node_client
from tests.wire.registry.conftest import World


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
    stream.grant(size=2000)
    delivered.take(await stream.read())
    taken = len(delivered.places)
    assert 2 < taken < len(world.common)
    stream.grant(0)
    await delivered.gather(stream, len(world.common))
    stream.end()


async def test_a_delivery_follows_its_admission_at_once(world: World) -> None:
    """The stream is woken by the commit, not by a clock."""
    delivered = Delivered(world.registry, world.signers)
    stream = DeliverStream(world.health)
    stream.grant()
    await delivered.gather(stream, len(world.common))
    begin = time.monotonic()
    position = await world.health.admit(world.health.opening())
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
    at = await world.health.admit(world.health.opening(case_id))
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
        stream.grant(size=1 << 28)
        await stream.read()
        assert len(waiting) == before + 1
        async with asyncio.timeout(10):
            while len(waiting) > before:  # noqa: ASYNC110 - nothing says that a handler ended
                await asyncio.sleep(0.02)
        assert (await stream.ended()).reason == "SLOW_READER"


async def test_a_cursor_goes_on_where_it_was(world: World) -> None:
    """After a break nothing is missing and nothing comes twice."""
    await world.health.admit(world.health.opening())
    first = await world.drain(world.health, len(world.common) + 1)
    position = await world.health.admit(world.health.opening())
    second = await world.drain(world.health, 1, first.previous)
    assert [place.position for place in second.places] == [position]


async def test_a_stranger_in_the_directory_gets_the_common_entries(world: World) -> None:
    """A department that takes part in nothing yet."""
    tls = certificate(world.registry, world.folder / "tls", WATER)
    async with node_client(world.registry, world.signers[WATER], tls) as client:
        await world.health.admit(world.health.opening())
        delivered = await world.drain(client, len(world.common))
        assert sorted(delivered.letters) == world.common
