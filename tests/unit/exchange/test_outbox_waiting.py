"""What the outbox sends at once, and what waits for company."""

import asyncio
from collections.abc import Iterator

import pytest
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.clock import ManualClock
from services.exchange import outbox as module
from services.exchange.outbox import Outbox, SignedBatch
from services.exchange.session import DepartmentSession, new_id
from tests.builders.ledger import MONDAY, Ledger, Node, node

_SOON_S = 0.2
_IN_TIME_S = 20


@pytest.fixture
def market(sqlite_url: str) -> Iterator[Node]:
    """The node of a department."""
    with node(sqlite_url, Ledger(ManualClock(MONDAY))) as made:
        yield made


async def connected(market: Node) -> Outbox:
    """The department's outbox, on a new connection and with nothing in it."""
    outbox = Outbox(market.department)
    outbox.attach(asyncio.get_running_loop())
    market.department.offer = outbox.offer
    await outbox.restart()
    return outbox


def arrival(market: Node) -> None:
    """Record that a letter came."""
    market.run(lambda session: session.record_arrival([(1, bytes(32))]))


def letter(market: Node) -> None:
    """Record a letter, whatever it says."""
    actor = pb.Actor(name="系统", subject="system-1", role="system", service=True)

    def command(session: DepartmentSession) -> None:
        header = session.header(new_id(), actor, "", b"", ())
        header.act.content = b"content"
        session.record(header, b"", (), case_id=new_id())

    market.run(command)


def kinds(batch: SignedBatch) -> list[str | None]:
    """What kinds of letters a batch holds."""
    return [pb.Header.FromString(each.header).WhichOneof("kind") for each in batch.items]


async def test_arrivals_wait_and_go_with_the_next_letter(
    market: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch for all of them; the letter itself waits for nothing."""
    monkeypatch.setattr(module, "ARRIVALS_WAIT_S", 3600)
    outbox = await connected(market)
    taking = asyncio.create_task(outbox.take())
    arrival(market)
    arrival(market)
    assert not (await asyncio.wait({taking}, timeout=_SOON_S))[0]
    letter(market)
    async with asyncio.timeout(_IN_TIME_S):
        assert kinds(await taking) == ["arrival", "arrival", "act"]


async def test_arrivals_go_also_where_nothing_else_does(market: Node) -> None:
    """A department that only receives answers what it was sent."""
    outbox = await connected(market)
    for _ in range(2):
        taking = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        arrival(market)
        async with asyncio.timeout(_IN_TIME_S):
            assert kinds(await taking) == ["arrival"]
