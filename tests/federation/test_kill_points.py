"""Deaths between two named lines: what was committed goes on, what was not never was.

Registry and nodes run in this process, over real TLS and real databases, so that a test can let one of them
die exactly where it means. Dying is leaving everything as it is: no drain, no answer, no acknowledgement.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.common.clock import SystemClock
from services.exchange import tables
from services.exchange.outbox import Outbox, SignedBatch
from services.exchange.session import Command, OutboxItem
from services.node.bootstrap import HostedDepartment, migrate_department
from services.node.settings import HostedSettings
from services.registry.bootstrap import Registry, init
from services.registry.handlers.exchange import ExchangeHandlers
from services.registry.region import load_region
from services.registry.settings import RegistrySettings
from tests.federation.books import examine, settle
from tests.federation.correspondent import Correspondent, Journal
from tests.federation.district import HEALTH, MARKET, REGISTRY, Federation, free_range, until

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("federation")]

HOST = "127.0.0.1"


@dataclass
class House(Federation):
    """A registry and two nodes in this process.

    Attributes:
        hosted: The nodes, by department.
    """

    registry: Registry = field(init=False)
    settings: RegistrySettings = field(init=False)
    hosted: dict[str, HostedDepartment] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)

    async def start_registry(self) -> None:
        """Start it over its data."""
        self.registry = Registry(self.settings)
        await self.registry.start()

    async def start_node(self, name: str) -> None:
        """Start a node over its data, and wait until its link is up."""
        folder = self.plan.folder / name
        settings = HostedSettings(
            name=name,
            folder=folder,
            listen=self.parties[name].address,
            database_url=demo.database(self.plan, name, folder),
        )
        await asyncio.to_thread(migrate_department, settings.database)
        hosted = await asyncio.to_thread(HostedDepartment, settings, SystemClock())
        await hosted.start()
        self.hosted[name] = hosted
        await self.parties[name].ready()

    async def lose_registry(self) -> None:
        """It dies."""
        await self.registry.stop(0)

    async def lose_node(self, name: str) -> None:
        """It dies: nothing is drained, nothing told."""
        hosted = self.hosted.pop(name)
        for task in hosted._tasks:
            task.cancel()
        await asyncio.gather(*hosted._tasks, return_exceptions=True)
        await hosted.server.stop(0)
        if hosted._channel is not None:
            await hosted._channel.close(None)
        await hosted._completion.close()
        await asyncio.to_thread(hosted.department.committer.close)
        hosted.database.close()

    def correspondent(self, name: str, other: str) -> Correspondent:
        """A department's client."""
        return Correspondent(self.parties[name], other, self.journal, Random(0))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Registry and nodes, joined and linked."""
    ports = iter(range(first := free_range(4), first + 4))
    plan = Plan(tmp_path, departments=2, base_port=0, database_url="")
    made = House(plan, District(tmp_path))
    folder = tmp_path / REGISTRY
    folder.mkdir()
    made.settings = RegistrySettings(
        region="qinghe",
        database_url=demo.database(plan, REGISTRY, folder),
        data_dir=folder,
        listen=f"{HOST}:{next(ports)}",
        enrolment_listen=f"{HOST}:{next(ports)}",
        replica="replica-1",
    )
    region = load_region(demo.REGION_FILE).entries
    credentials = await asyncio.to_thread(init, made.settings, region)
    district = made.district
    district.registry_address = made.settings.listen
    district.enrolment_address = made.settings.enrolment_listen
    district.registry_addresses = [made.settings.listen]
    operator = credentials.operator("test", datetime.now(UTC))
    await made.start_registry()
    try:
        for name in (HEALTH, MARKET):
            await demo.join(plan, district, operator, name, (name, name), next(ports))
            await made.start_node(name)
        yield made
    finally:
        for party in district.parties.values():
            await party.close()
        for name in list(made.hosted):
            await made.lose_node(name)
        await made.lose_registry()


@pytest.fixture
async def sender(house: House) -> AsyncIterator[Correspondent]:
    """The one whose letters are watched, with a case that was transferred already."""
    made = house.correspondent(HEALTH, MARKET)
    await made.bring_evidence()
    (case_id,) = await made.open_cases(1)
    await made.transfer(case_id)
    await settle(house)
    yield made
    await made.party.close()


async def correct(sender: Correspondent, house: House) -> str:
    """Send one more letter of the case, to both, and return its id."""
    (transfer,) = [each for each in house.journal.letters.values() if each.act == "transfer"]
    (answer,) = await sender.send([sender.draft("correct", transfer.case_id, transfer.letter_id)])
    return answer.letter_id


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
