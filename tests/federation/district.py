"""A small district of real processes whose connections can be cut and whose processes can be killed.

Every department's node reaches every registry process through a proxy of the test's own, so that one link
is broken and no other: reset, left half open, or slowed down. A killed process gets SIGKILL and is started
again with the same settings and data.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.cli.demo.party import Party
from services.cli.demo.processes import Process
from services.common.db import Database
from services.registry.region import load_region
from tests.builders.ports import free_range

HEALTH: Final = "health.qinghe"
MARKET: Final = "market.qinghe"
JUSTICE: Final = "justice.qinghe"
"""The office of case transfer in the demo's region."""
REGISTRY: Final = "registry"
DATABASES: Final = (REGISTRY, HEALTH, MARKET, JUSTICE)
_HOST: Final = "127.0.0.1"
_CHUNK: Final = 64 * 1024
# closing with this resets the connection instead of ending it in order
_RESET: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Passes TCP on to one address, until told otherwise.

    Args:
        target: `host:port` of a registry process.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.address = ""

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, _HOST, 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._pumps:
            task.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        self._writers.clear()

    def stall(self) -> None:
        """Leave connections half open: they stand, new ones are taken, and nothing passes."""
        self._flowing.clear()

    def slow(self, seconds: float) -> None:
        """Hold back each piece for so long."""
        self._delay = seconds

    def heal(self) -> None:
        """Pass on again what comes, what was held back first."""
        self._delay = 0.0
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        host, _, port = self._target.rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flowing.wait()
                sink.write(piece)
                await sink.drain()
        except OSError:
            sink.transport.abort()
        finally:
            self._writers.discard(sink)
            sink.close()


@dataclass(slots=True)
class Federation:
    """A running district.

    Attributes:
        plan: What it was made by.
        district: Parties, processes, addresses.
        proxies: By department, one for each registry process.
        kills: How many processes were killed, by name.
    """

    plan: Plan
    district: District
    proxies: dict[str, list[Proxy]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)

    @property
    def parties(self) -> dict[str, Party]:
        """Departments by name."""
        return self.district.parties

    def processes(self, name: str) -> list[Process]:
        """A department's node, or the registry's processes."""
        return [
            each
            for each in self.district.processes
            if each.name == name or (name == REGISTRY and each.name.startswith("registry-"))
        ]

    async def kill(self, process: Process, pause_s: float = 0.0) -> None:
        """Kill a process with SIGKILL and start it again, with the same data; returns when it listens."""
        self.kills[process.name] = self.kills.get(process.name, 0) + 1
        await process.kill()
        await asyncio.sleep(pause_s)
        await process.start()
        for address in self._addresses(process):
            await process.listening(address)

    def _addresses(self, process: Process) -> list[str]:
        if process.name in self.parties:
            return [self.parties[process.name].address]
        return [self.district.registry_addresses[int(process.name.rpartition("-")[2]) - 1]]

    def heal(self) -> None:
        """Let everything pass."""
        for proxies in self.proxies.values():
            for each in proxies:
                each.heal()

    def database(self, name: str) -> Database:
        """The database of a department, or of the registry, to be read by the test itself."""
        return Database(demo.database(self.plan, name, self.plan.folder / name), pool_size=1)

    def rows(self, name: str, query: sa.Select[Any]) -> Sequence[Any]:
        """What a query gives in the database of a department or of the registry."""
        database = self.database(name)
        try:
            return database.read(lambda connection: connection.execute(query).all())
        finally:
            database.close()

    async def stop(self) -> None:
        """End everything at once; what is to be looked at was looked at."""
        for party in self.parties.values():
            await party.close()
        await asyncio.gather(*(each.kill() for each in self.district.processes))
        for proxies in self.proxies.values():
            for each in proxies:
                await each.stop()


@contextlib.asynccontextmanager
async def federation(
    folder: Path, departments: Sequence[str], *, database_url: str = "", replicas: int = 1
) -> AsyncIterator[Federation]:
    """Start a registry and departments, each in a process of its own, with a proxy in each link.

    Args:
        folder: For their data.
        departments: Of the demo's region.
        database_url: PostgreSQL URL with `{name}`; SQLite files if empty.
        replicas: Registry processes.
    """
    plan = Plan(
        folder=folder,
        departments=len(departments),
        base_port=free_range(len(departments) + 2 * replicas),
        database_url=database_url,
        own_process=tuple(departments),
        replicas=replicas,
    )
    made = Federation(plan, District(folder))
    try:
        await _build(made, departments)
        yield made
    finally:
        await made.stop()


async def _build(made: Federation, departments: Sequence[str]) -> None:
    plan, district = made.plan, made.district
    taking = iter(range(plan.base_port, plan.base_port + 100))
    (plan.folder / "logs").mkdir(parents=True, exist_ok=True)
    district.operator = await demo.start_registries(plan, district, taking)
    region = await asyncio.to_thread(load_region, demo.REGION_FILE)
    titles = {each.department.name: each.department.title for each in region.entries}
    for name in departments:
        title = titles[name]
        await demo.join(plan, district, district.operator, name, (title.zh, title.en), next(taking))
    await asyncio.gather(*(_start_node(made, index, name) for index, name in enumerate(departments)))


async def _start_node(made: Federation, index: int, name: str) -> None:
    """Start a node whose registry addresses are its own proxies', beginning with another one each."""
    addresses = made.district.registry_addresses
    turned = [addresses[(index + each) % len(addresses)] for each in range(len(addresses))]
    proxies = made.proxies[name] = [Proxy(each) for each in turned]
    for proxy in proxies:
        await proxy.start()
    part = District(
        made.plan.folder,
        registry_addresses=[each.address for each in proxies],
        parties={name: made.parties[name]},
    )
    await demo.start_nodes(made.plan, part, [name], lambda *_: None)
    made.district.processes += part.processes


async def until(check: Callable[[], Awaitable[str]], seconds: float, pause_s: float = 0.1) -> None:
    """Wait until a check has nothing to say.

    Raises:
        TimeoutError: It still has; with what it says.
    """
    deadline = time.monotonic() + seconds
    while said := await check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s: {said}")
        await asyncio.sleep(pause_s)
