"""A real registry on free ports, and two departments with certificates of its authority."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.db import Database
from services.registry.bootstrap import Registry, init
from services.registry.recent import Place
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, Signer
from tests.builders.exchange_client import Delivered, DeliverStream, NodeClient, certificate, node_client
from tests.builders.registry import bring_evidence, region_entries, registry_settings


@dataclass
class World:
    """A registry and its members."""

    registry: Registry
    signers: dict[str, Signer]
    folder: Path
    health: NodeClient
    market: NodeClient

    @property
    def common(self) -> Sequence[int]:
        """Positions of the common entries, which everybody gets."""
        return self.registry.replica.common_positions

    async def drain(self, client: NodeClient, count: int, start: Place | None = None) -> Delivered:
        """Everything that a department is to get, as a new stream gives it."""
        delivered = Delivered(self.registry, self.signers)
        if start is not None:
            delivered.previous = start
        stream = DeliverStream(client, start)
        stream.grant()
        await delivered.gather(stream, count)
        stream.end()
        return delivered


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The registry's process as it runs, on SQLite."""
    signers = {name: Signer(name) for name in (HEALTH, MARKET, JUSTICE, WATER)}
    settings = registry_settings(sqlite_url, tmp_path)
    await asyncio.to_thread(init, settings, region_entries(signers.values()))
    database = Database(sqlite_url)
    for name in (HEALTH, MARKET):
        database.write(lambda connection, name=name: bring_evidence(connection, name))  # type: ignore[misc]
    database.close()
    async with Registry(settings) as registry:
        tls = {name: certificate(registry, tmp_path / "tls", name) for name in (HEALTH, MARKET)}
        async with (
            node_client(registry, signers[HEALTH], tls[HEALTH]) as health,
            node_client(registry, signers[MARKET], tls[MARKET]) as market,
        ):
            yield World(registry, signers, tmp_path, health, market)
