"""Exactly once: letters flow while nodes, registry and links die, and afterwards every book agrees.

`LIANDONG_TEST_SEED=N` repeats the choices of a run; what the machine's timing decided cannot be repeated.
"""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.federation.books import examine
from tests.federation.campaign import Campaign, Faults
from tests.federation.district import HEALTH, JUSTICE, MARKET, federation

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("federation")]

Tell = Callable[[str], None]

DEPARTMENTS = (HEALTH, MARKET, JUSTICE)
TWO = (HEALTH, MARKET)
"""Without the office: starting a process is what a short run spends most of its time on."""
LETTERS = 200
SHORT = Faults()
LONG = Faults(node_kills=4, registry_kills=6, cuts=40, stalls=15, slows=10, longest_stall_s=5)
MANY = 2_000


async def campaign(
    folder: Path,
    tell: Tell,
    letters: int,
    faults: Faults,
    *,
    url: str = "",
    replicas: int = 1,
    departments: Sequence[str] = DEPARTMENTS,
) -> None:
    """Run a campaign and examine what it left."""
    seed = int(os.environ.get("LIANDONG_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    tell(f"seed={seed}:")
    async with federation(folder, departments, database_url=url, replicas=replicas) as made:
        running = Campaign(made, seed, letters, faults=faults)
        try:
            tell(await running.run())
            await examine(made, running.journal)
        except BaseException:
            tell("\n".join(running.happened))
            raise


async def test_every_recorded_letter_is_applied_once_on_sqlite(tmp_path: Path, tell: Tell) -> None:
    """Whatever is killed or cut: admitted or refused in its author's sight, once, in order, everywhere."""
    await campaign(tmp_path, tell, LETTERS, SHORT)


@pytest.mark.postgresql
async def test_every_recorded_letter_is_applied_once_on_postgresql(
    tmp_path: Path, tell: Tell, postgresql_urls: str
) -> None:
    """The same on PostgreSQL."""
    await campaign(tmp_path, tell, LETTERS, SHORT, url=postgresql_urls, departments=TWO)


@pytest.mark.postgresql
async def test_every_recorded_letter_is_applied_once_with_two_registry_processes(
    tmp_path: Path, tell: Tell, postgresql_urls: str
) -> None:
    """The same with two processes over one ledger; a node goes to the other when its own is gone."""
    await campaign(tmp_path, tell, LETTERS, SHORT, url=postgresql_urls, replicas=2, departments=TWO)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_thousand_letters_on_sqlite(tmp_path: Path, tell: Tell) -> None:
    """The long form."""
    await campaign(tmp_path, tell, MANY, LONG)


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("replicas", [1, 2])
async def test_two_thousand_letters_on_postgresql(
    tmp_path: Path, tell: Tell, postgresql_urls: str, replicas: int
) -> None:
    """The long form, with one registry process and with two."""
    faults = replace(LONG, registry_kills=LONG.registry_kills // replicas)
    await campaign(tmp_path, tell, MANY, faults, url=postgresql_urls, replicas=replicas)
