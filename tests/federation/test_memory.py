"""What a node's process keeps resident, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.cli.bench.cost import resident_memory
from tests.federation.district import HEALTH, Federation, federation

MIB: Final = 2**20
IDLE_MIB: Final = 130


async def test_an_idle_node_stays_small(tmp_path: Path) -> None:
    """A node on SQLite that joined, followed the ledger and was called stays under 130 MiB."""
    async with federation(tmp_path, (HEALTH,)) as world:
        # the federation is made when the node's link is up and its directory answers
        assert _resident(world, HEALTH) < IDLE_MIB


def _resident(world: Federation, name: str) -> float:
    (process,) = world.processes(name)
    return resident_memory(process.pid) / MIB
