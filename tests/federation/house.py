"""Registry and two nodes in the test's process, so that a test can let one of them die exactly where it means."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.common.clock import SystemClock
from services.node.bootstrap import HostedDepartment
from services.node.migrating import migrate_department
from services.node.settings import HostedSettings
from services.registry.bootstrap import Registry, init
from services.registry.region import load_region
from services.registry.settings import RegistrySettings
from tests.builders.ports import free_range
from tests.federation.correspondent import Correspondent, Journal
from tests.federation.district import REGISTRY, Federation

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
        await hosted.upstream.close()
        await hosted.parts.completion.close()
        await asyncio.to_thread(hosted.department.committer.close)
        hosted.database.close()

    def correspondent(self, name: str, other: str) -> Correspondent:
        """A department's client."""
        return Correspondent(self.parties[name], other, self.journal, Random(0))


@contextlib.asynccontextmanager
async def living(folder: Path, departments: Sequence[str]) -> AsyncIterator[House]:
    """A registry and departments of the demo's region, joined and linked.

    Args:
        folder: For their data.
        departments: Which.
    """
    ports = iter(range(first := free_range(2 + len(departments)), first + 2 + len(departments)))
    plan = Plan(folder, departments=len(departments), base_port=0, database_url="")
    made = House(plan, District(folder))
    data = folder / REGISTRY
    data.mkdir()
    made.settings = RegistrySettings(
        region="qinghe",
        database_url=demo.database(plan, REGISTRY, data),
        data_dir=data,
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
        for name in departments:
            await demo.join(plan, district, operator, name, (name, name), next(ports))
            await made.start_node(name)
        yield made
    finally:
        for party in district.parties.values():
            await party.close()
        for name in list(made.hosted):
            await made.lose_node(name)
        await made.lose_registry()


async def correct(sender: Correspondent, house: House) -> str:
    """Send one more letter of the case, to both, and return its id."""
    (transfer,) = [each for each in house.journal.letters.values() if each.act == "transfer"]
    (answer,) = await sender.send([sender.draft("correct", transfer.case_id, transfer.letter_id)])
    return answer.letter_id
