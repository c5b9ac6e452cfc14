"""What the outbox knows of earlier connections: what was shown once may be admitted, whatever was heard."""

from collections.abc import Iterator

import pytest
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases

from services.common.clock import ManualClock
from services.exchange import outbox as module
from services.exchange.outbox import Outbox
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def market(sqlite_url: str) -> Iterator[Node]:
    """The node of the receiver, with a case that it may sign for and then send on about."""
    with node(sqlite_url, Ledger(ManualClock(MONDAY))) as made:
        yield made


def two_letters(market: Node) -> tuple[str, str, str]:
    """Two own letters of one case on their way: case, first, second."""
    case_id, _ = market.ledger.transferred()
    market.take()
    first = market.record(cases.ActDraft(case_id=case_id, act="sign-for", sign_for=bodies.SignFor()))
    dispute = cases.ActDraft(
        case_id=case_id,
        act="correct",
        amended_letter=first.letter_id,
        correction=bodies.Correction(text="签收人更正。"),
    )
    return case_id, first.letter_id, market.record(dispute).letter_id


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
