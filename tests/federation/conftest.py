"""What tests with several processes share."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import postgresql
from tests.federation.books import settle
from tests.federation.correspondent import Correspondent
from tests.federation.district import DATABASES, HEALTH, MARKET
from tests.federation.house import House, living


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
    async with living(tmp_path, (HEALTH, MARKET)) as made:
        yield made


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
