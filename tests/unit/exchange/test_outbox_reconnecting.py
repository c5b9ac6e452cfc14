"""What the outbox knows of earlier connections: what was shown once may be admitted, whatever was heard."""

import asyncio
from collections.abc import Iterator

import pytest
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.clock import ManualClock
from services.exchange import outbox as module
from services.exchange.outbox import Outbox
from services.exchange.session import DepartmentSession, OutboxItem, new_id
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def market(sqlite_url: str) -> Iterator[Node]:
    """The node of a department."""
    with node(sqlite_url, Ledger(ManualClock(MONDAY))) as made:
        yield made


def two_letters(market: Node) -> tuple[str, str, str]:
    """Two own letters of one case on their way, whatever they say: case, first, second."""
    case_id, first, second = new_id(), new_id(), new_id()
    actor = pb.Actor(name="系统", subject="system-1", role="system", service=True)

    def command(session: DepartmentSession) -> None:
        for letter_id in (first, second):
            header = session.header(letter_id, actor, "", b"", ())
            header.act.content = case_id.encode()
            session.record(header, b"", (), case_id=case_id)

    market.run(command)
    return case_id, first, second


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one letter."""
    monkeypatch.setattr(module, "BATCH_LETTERS", 1)


async def test_what_was_never_sent_may_be_decided_here(market: Node, one_by_one: None) -> None:
    """It follows a refused letter, and the registry has not seen it."""
    outbox = Outbox(market.department)
    await outbox.restart()
    case_id, first, second = two_letters(market)
    await outbox._begin_backlog(0)
    batch = await outbox.take()
    assert [each.letter_id for each in batch.items] == [first]
    assert outbox.not_submitted([case_id]) == {second}


async def test_what_an_earlier_connection_showed_is_the_registrys_to_decide(
    market: Node, one_by_one: None
) -> None:
    """The connection broke before the answer: the letter may be admitted, and is not refused here."""
    outbox = Outbox(market.department)
    await outbox.restart()
    case_id, first, _ = two_letters(market)
    await outbox._begin_backlog(0)
    await outbox.take()
    await outbox.take()
    await outbox.restart()
    assert [each.letter_id for each in (await outbox.take()).items] == [first]
    assert outbox.not_submitted([case_id]) == frozenset()


async def test_so_is_what_an_earlier_process_recorded(market: Node, one_by_one: None) -> None:
    """Nobody remembers what of it was sent before the node died."""
    case_id, first, _ = two_letters(market)
    outbox = Outbox(market.department)
    await outbox.restart()
    assert [each.letter_id for each in (await outbox.take()).items] == [first]
    assert outbox.not_submitted([case_id]) == frozenset()


async def test_what_waits_for_the_backlog_does_not_wait_for_a_letter_put_off(
    market: Node, one_by_one: None
) -> None:
    """The backlog is through when all that is left of it is held: fresh letters of its other cases go."""
    outbox = Outbox(market.department)
    await outbox.restart()
    other, first, second = two_letters(market)
    _, put_off, _ = two_letters(market)
    await outbox._begin_backlog(0)
    taken = [(await outbox.take()).items[0] for _ in range(3)]
    assert [each.letter_id for each in taken] == [first, second, put_off]
    outbox.put_off(taken[-1], 60)
    fresh = OutboxItem(99, new_id(), other, b"", b"", b"")
    outbox._take_in([fresh])
    assert (await asyncio.wait_for(outbox.take(), 5)).items == (fresh,)
