"""The registry as it is run: several replicas over one database, and a process that ends when it is asked to."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from services.registry.bootstrap import Registry, init
from tests.builders.departments import HEALTH, MARKET, Signer
from tests.builders.exchange_client import Delivered, DeliverStream, certificate, node_client
from tests.builders.registry import region_entries, registry_settings


@pytest.mark.postgresql
async def test_what_one_replica_admits_another_delivers(postgresql_url: str, tmp_path: Path) -> None:
    """At once, with every proof, in one order, though both admit."""
    signers = {name: Signer(name) for name in (HEALTH, MARKET)}
    settings = [registry_settings(postgresql_url, tmp_path, name) for name in ("a", "b")]
    await asyncio.to_thread(init, settings[0], region_entries(signers.values()))
    async with Registry(settings[0]) as first, Registry(settings[1]) as second:
        tls = certificate(first, tmp_path / "tls", HEALTH)
        async with (
            node_client(first, signers[HEALTH], tls) as here,
            node_client(second, signers[HEALTH], tls) as there,
        ):
            delivered = Delivered(second, signers)
            stream = DeliverStream(there)
            stream.grant()
            await delivered.gather(stream, len(first.replica.common_positions))
            positions = []
            for number in range(6):
                client = (here, there)[number % 2]
                positions.append(await client.admit(client.opening()))
            while len(delivered.receipts) < len(positions):
                delivered.take(await stream.read(3))
            stream.end()
            assert sorted(delivered.receipts) == positions
            assert positions == list(range(positions[0], positions[0] + len(positions)))


async def test_a_process_ends_in_calm(sqlite_url: str, tmp_path: Path) -> None:
    """It serves until SIGTERM, ends with 0, and leaves a database that opens again."""
    settings = registry_settings(sqlite_url, tmp_path)
    init(settings, region_entries([Signer(HEALTH)]))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LIANDONG_REGION": settings.region,
        "LIANDONG_DATABASE_URL": settings.database_url,
        "LIANDONG_DATA_DIR": str(settings.data_dir),
        "LIANDONG_LISTEN": "127.0.0.1:0",
        "LIANDONG_ENROLMENT_LISTEN": "127.0.0.1:0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.registry", "run",
        env=environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    lines = []
    async with asyncio.timeout(60):
        while (line := await process.stderr.readline()) and b"registry.started" not in line:
            lines.append(line)
        assert line, b"".join(lines).decode()
        process.send_signal(signal.SIGTERM)
        await process.stderr.read()
        assert await process.wait() == 0
    async with Registry(settings) as again:
        assert again.replica.directory.department(HEALTH) is not None
