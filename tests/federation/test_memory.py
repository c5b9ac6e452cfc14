"""What a node's process keeps resident, as the kernel counts it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from services.cli.bench import load
from services.cli.bench.cost import resident_memory
from services.cli.demo import district as demo
from tests.federation.district import HEALTH, MARKET, Federation, federation

MIB: Final = 2**20
IDLE_MIB: Final = 130
GROWN_MIB: Final = 3
QUIET_S: Final = 25.0
"""In which a process finds that a busy time is over, see `interpreter.tidy`."""


async def test_an_idle_node_stays_small(tmp_path: Path) -> None:
    """A node on SQLite that joined, followed the ledger and was called stays under 130 MiB."""
    async with federation(tmp_path, (HEALTH,)) as world:
        # the federation is made when the node's link is up and its directory answers
        assert _resident(world, HEALTH) < IDLE_MIB


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_node_gives_back_what_a_busy_time_took(tmp_path: Path) -> None:
    """After the first thousand letters the next ones leave nothing behind in either node."""
    async with federation(tmp_path, (HEALTH, MARKET)) as world:
        sender, receiver = world.parties[HEALTH], world.parties[MARKET]
        cases = await load.open_cases(sender, receiver, 50)
        inbox = demo.database(world.plan, HEALTH, tmp_path / HEALTH)
        seen: list[dict[str, float]] = []
        for count in (1_000, 4_000):
            await load.throughput(receiver, sender, inbox, cases, count)
            await asyncio.sleep(QUIET_S)
            seen.append({name: _resident(world, name) for name in (HEALTH, MARKET)})
        first, last = seen
        assert not [name for name in last if last[name] - first[name] > GROWN_MIB], seen


def _resident(world: Federation, name: str) -> float:
    (process,) = world.processes(name)
    return resident_memory(process.pid) / MIB
