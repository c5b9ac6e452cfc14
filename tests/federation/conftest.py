"""What tests with several processes share."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.registry.bootstrap import init
from services.registry.region import load_region
from services.registry.settings import RegistrySettings
from tests.builders import postgresql
from tests.federation.books import settle
from tests.federation.correspondent import Correspondent
from tests.federation.district import DATABASES, HEALTH, MARKET, REGISTRY, free_range
from tests.federation.house import HOST, House


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line at the end of the run: seeds and figures."""
    return lambda line: record_property("told", line)


@pytest.fixture(scope="session")
def spare_prefixes() -> list[str]:
    """What the names of empty databases begin with, of a registry and departments that no test uses now."""
    return []


@pytest.fixture
def postgresql_urls(postgresql_server: str, spare_prefixes: list[str]) -> Iterator[str]:
    """A URL with `{name}`: an empty database for the registry and one for each department."""
    names = [each.replace(".", "_") for each in DATABASES]
    if spare_prefixes:
        prefix = spare_prefixes.pop()
    else:
        prefix = f"test_{secrets.token_hex(4)}_"
        for name in names:
            postgresql.create(postgresql_server, prefix + name)
    yield postgresql.url_of(postgresql_server, prefix + "{name}")
    for name in names:
        postgresql.empty(postgresql.url_of(postgresql_server, prefix + name))
    spare_prefixes.append(prefix)


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
