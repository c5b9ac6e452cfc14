"""A Deliver stream: what goes at once, and what waits for company."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from liandong.exchange.v1 import exchange_service_pb2 as pb

from services.registry import delivery as module
from services.registry.delivery import Delivery
from tests.builders.departments import HEALTH, MARKET, new_id
from tests.builders.registry import Bench

_SOON_S = 0.2
_IN_TIME_S = 20


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may wait waits for ever."""
    monkeypatch.setattr(module, "RECEIPTS_WAIT_S", 3600)


@contextlib.asynccontextmanager
async def stream(registry: Bench, department: str, size: int = 1_000_000) -> AsyncIterator[Delivery]:
    """A department's stream from now on, its first sign of life taken."""
    newest = registry.replica.head.size - 1
    registry.replica.attach(asyncio.get_running_loop())
    start = pb.Cursor(at=newest, position=newest)
    first = pb.DeliverRequest(start=start, grant_letters=100, grant_bytes=size)
    delivery = Delivery(registry.database, registry.replica, department, first)
    try:
        assert not await places(delivery)
        yield delivery
    finally:
        delivery.close()


async def places(delivery: Delivery) -> list[int]:
    """The positions that the next message brings."""
    async with asyncio.timeout(_IN_TIME_S):
        response = await delivery.next()
    assert response is not None
    return [each.cursor.position for each in response.deliveries]


async def submitted(registry: Bench, case_id: str) -> int:
    """A new case between two departments; returns the letter's position."""
    letter = registry.health.act(case_id, "register", parties={HEALTH: "sender", MARKET: "receiver"})
    return await asyncio.to_thread(registry.position, registry.health, letter)


async def test_a_letter_goes_at_once(registry: Bench, patient: None) -> None:
    """However patient the stream is with receipts."""
    async with stream(registry, MARKET) as delivery:
        position = await submitted(registry, new_id())
        assert await places(delivery) == [position]


async def test_receipts_wait_for_company_but_not_for_ever(registry: Bench) -> None:
    """An author is told without anything else to be told."""
    async with stream(registry, HEALTH) as delivery:
        position = await submitted(registry, new_id())
        assert await places(delivery) == [position]


async def test_receipts_go_with_the_next_letter_of_another(registry: Bench, patient: None) -> None:
    """One message in the order of the ledger, instead of one for each."""
    async with stream(registry, HEALTH) as delivery:
        own = [await submitted(registry, new_id()) for _ in range(3)]
        waiting = asyncio.create_task(places(delivery))
        assert not (await asyncio.wait({waiting}, timeout=_SOON_S))[0]
        entry = registry.market.entry(number_word="市监")
        await asyncio.to_thread(registry.publish, entry)
        assert await waiting == [*own, own[-1] + 1]


async def test_what_credit_does_not_cover_is_not_announced(registry: Bench, patient: None) -> None:
    """A stream whose reader has no credit left says nothing, and goes on where it was with new credit."""
    async with stream(registry, MARKET, size=1) as delivery:
        position = await submitted(registry, new_id())
        waiting = asyncio.create_task(places(delivery))
        assert not (await asyncio.wait({waiting}, timeout=_SOON_S))[0]
        delivery.grant(0, 1_000_000)
        assert await waiting == [position]
