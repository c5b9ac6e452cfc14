"""Deaths between two named lines: what was committed goes on, what was not never was.

Registry and nodes run in this process, over real TLS and real databases, so that a test can let one of them
die exactly where it means. Dying is leaving everything as it is: no drain, no answer, no acknowledgement.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from services.exchange import tables
from services.exchange.outbox import Outbox, SignedBatch
from services.exchange.session import Command, OutboxItem
from services.registry.handlers.exchange import ExchangeHandlers
from tests.federation.books import examine, settle
from tests.federation.correspondent import Correspondent
from tests.federation.district import HEALTH, MARKET, until
from tests.federation.house import House, correct

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("federation")]


async def arrived_once(house: House, letter_id: str) -> None:
    """Everything is settled, the letter is in the ledger and in both books once, and all books agree."""
    await settle(house)
    books = await examine(house, house.journal)
    assert [each.letter_id for each in books.ledger].count(letter_id) == 1
    for letters in books.letters.values():
        (row,) = [each for each in letters if each.letter_id == letter_id]
        assert row.disposition == "ADMITTED"
    # and the receiver said once that it came
    (position,) = [each.position for each in books.ledger if each.letter_id == letter_id]
    arrivals = house.rows(HEALTH, sa.select(tables.arrivals).where(tables.arrivals.c.department == MARKET))
    assert len([each for each in arrivals if each.first_at <= position <= each.last_at]) == 1


async def test_the_node_dies_after_recording_before_its_link_is_told(
    house: House, sender: Correspondent
) -> None:
    """The outbox is a table: the next start finds the letter."""

    def deaf(items: Sequence[OutboxItem]) -> None:
        del items

    house.hosted[HEALTH].department.offer = deaf
    letter_id = await correct(sender, house)
    await house.lose_node(HEALTH)
    assert len(house.rows(HEALTH, sa.select(tables.outbox))) == 1
    await house.start_node(HEALTH)
    await arrived_once(house, letter_id)


async def test_the_node_dies_between_signing_a_batch_and_sending_it(
    house: House, sender: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter is signed anew, in another batch, and stays the same letter with a valid proof."""
    signed = asyncio.Event()
    take = Outbox.take

    async def hold(self: Outbox) -> SignedBatch:
        batch = await take(self)
        if self._department.name == HEALTH:
            signed.set()
            await asyncio.Event().wait()
        return batch

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "take", hold)
        # the link waits in the take of before: that one still goes out
        first = await correct(sender, house)
        second = await correct(sender, house)
        await asyncio.wait_for(signed.wait(), 20)
        await house.lose_node(HEALTH)
    await house.start_node(HEALTH)
    await arrived_once(house, first)
    await arrived_once(house, second)


async def test_the_registry_dies_after_its_commit_before_answering(
    house: House, sender: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter is sent again, and gets the position that it has."""

    async def mute(self: ExchangeHandlers, *arguments: Any) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(ExchangeHandlers, "_write", mute)
        size = house.registry.replica.head.size
        letter_id = await correct(sender, house)

        async def committed() -> str:
            return "" if house.registry.replica.head.size > size else "not committed"

        await until(committed, 20)
        position = house.registry.replica.head.size - 1
        await house.lose_registry()
    await house.start_registry()
    await arrived_once(house, letter_id)
    (row,) = house.rows(HEALTH, sa.select(tables.letters).where(tables.letters.c.letter_id == letter_id))
    assert row.position == position


async def test_the_node_dies_after_applying_before_acknowledging(house: House, sender: Correspondent) -> None:
    """Its cursor moved with what it applied: nothing comes twice, and its Arrival goes out once."""
    department = house.hosted[MARKET].department
    submit = department.committer.submit

    def unheard(command: Command) -> asyncio.Future[Any]:
        # committed, but nobody ever hears of it
        held = submit(command)
        held.add_done_callback(lambda done: done.exception())
        return asyncio.get_running_loop().create_future()

    with contextlib.ExitStack() as stack:
        department.committer.submit = unheard  # type: ignore[method-assign]
        stack.callback(setattr, department.committer, "submit", submit)
        department.offer = lambda items: None
        letter_id = await correct(sender, house)
        wanted = sa.select(tables.letters).where(tables.letters.c.letter_id == letter_id)

        async def applied() -> str:
            rows = await asyncio.to_thread(house.rows, MARKET, wanted)
            return "" if rows else "not applied"

        await until(applied, 20)
        await house.lose_node(MARKET)
    await house.start_node(MARKET)
    await arrived_once(house, letter_id)
