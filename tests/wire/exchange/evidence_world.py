"""A registry's evidence service on a real port, departments that call it, and a wire that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import grpc.aio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from liandong.exchange.v1 import evidence_service_pb2 as pb
from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceStub

from services.common.channel import open_channel
from services.common.db import Database
from services.common.permissions import Rule
from services.common.server import Server
from services.common.tls import TlsFiles
from services.exchange.authority import Authority
from services.exchange.evidence import Manifest
from services.exchange.evidence_access import DepartmentAccess, EvidenceUse
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_handlers import EvidenceHandlers
from services.exchange.evidence_records import EvidenceRecords, department_reader, grant
from services.exchange.evidence_store import EvidenceStore, FolderStore
from services.exchange.evidence_tables import metadata
from tests.unit.exchange.evidence_samples import FaultyStore, files_below, fill

if TYPE_CHECKING:
    from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceAsyncStub

AUTHOR, RECIPIENT, STRANGER = "health.qinghe", "justice.qinghe", "water.qinghe"
SERVICE = pb.DESCRIPTOR.services_by_name["EvidenceService"]
RULES = {f"/{SERVICE.full_name}/{method.name}": Rule(kinds=frozenset({"node"})) for method in SERVICE.methods}


class Identities:
    """Certificates by one authority, in files.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = Authority.create("test", datetime.now(UTC))

    def files(self, department: str, kind: str = "node") -> TlsFiles:
        """The identity of one peer."""
        folder = self._folder / f"{department}-{kind}"
        folder.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        files.ca.write_bytes(self._authority.pem)
        uri = f"liandong://{department}/{kind}"
        files.cert.write_bytes(
            self._authority.issue(key.public_key(), uri, datetime.now(UTC), ["localhost", "127.0.0.1"])
        )
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def open_records(folder: Path) -> EvidenceRecords:
    """A fresh database in a folder."""
    database = Database(f"sqlite:///{folder / 'evidence.sqlite'}")
    database.write(metadata.create_all)
    return EvidenceRecords(database)


class EvidenceRegistry:
    """The registry's side.

    Args:
        folder: Where its database is.
        store: Where its chunks are.
        tls: Its identity.
    """

    def __init__(self, folder: Path, store: EvidenceStore, tls: TlsFiles) -> None:
        self.store = store
        self.records = open_records(folder)
        self.uses: list[EvidenceUse] = []
        self.completed: list[tuple[bytes, str]] = []
        self.completion = Completion(
            store, self.records, lambda _, root, holder: self.completed.append((root, holder))
        )
        self.handlers = EvidenceHandlers(
            store,
            self.records,
            DepartmentAccess(self.records.database, self.uses.append),
            self.completion,
        )
        self.server = Server("127.0.0.1:0", tls, department="registry.qinghe", rules=RULES)
        self.server.add(self.handlers, SERVICE)

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(0)
        await self.completion.close()
        self.records.database.close()

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server.port}"

    def used(self, action: str) -> list[EvidenceUse]:
        """The uses of one kind, oldest first."""
        return [use for use in self.uses if use.action == action]


@asynccontextmanager
async def calling(
    target: str, tls: TlsFiles, options: tuple[tuple[str, int], ...] = ()
) -> AsyncIterator["EvidenceServiceAsyncStub"]:
    """A department's stub."""
    async with open_channel(target, tls, options=options) as channel:
        yield stub_of(channel)


def stub_of(channel: grpc.aio.Channel) -> "EvidenceServiceAsyncStub":
    """The stub over a channel."""
    return EvidenceServiceStub(channel)


class Wire:
    """A TCP relay to a server that can be cut, at once or when so many bytes have gone to the server."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.partition(":")
        self._port = int(port)
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.bytes_up = 0
        self.cuts = 0
        self.cut_at_up: int | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def target(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Tear every connection."""
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for pump in (self._pump(reader, far_writer, up=True), self._pump(far_reader, writer, up=False)):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if up:
                    self.bytes_up += len(data)
                if self.cut_at_up is not None and self.bytes_up >= self.cut_at_up:
                    self.cut_at_up = None
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()


class EvidenceWorld:
    """A registry, an author with a store of its own, a recipient and a stranger.

    Args:
        folder: Where everything is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FaultyStore(folder / "registry" / "store")
        self.source = FolderStore(folder / "source")
        self.identities = Identities(folder / "tls")
        self.author = self.identities.files(AUTHOR)
        self.recipient = self.identities.files(RECIPIENT)
        self.stranger = self.identities.files(STRANGER)
        self.registry = EvidenceRegistry(
            folder / "registry", self.store, self.identities.files("registry.qinghe", "registry")
        )

    async def __aenter__(self) -> Self:
        await self.registry.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.__aexit__()

    def let_read(self, manifest: Manifest, department: str = RECIPIENT) -> None:
        """What the registry does when it admits a letter by the author."""
        self.registry.records.database.write(
            lambda connection: grant(connection, [manifest.root], [department_reader(department)], AUTHOR)
        )

    def held(self, data: bytes) -> Manifest:
        """Evidence that the author brought, and the recipient may read, before the test begins."""
        manifest = fill(self.store, data)
        self.registry.records.register(manifest, AUTHOR)
        self.registry.records.mark_present(manifest.root, AUTHOR, range(len(manifest.chunks)))
        self.let_read(manifest)
        return manifest

    def incoming(self) -> list[Path]:
        """What the registry has begun to write."""
        return files_below(self.folder / "registry" / "store" / "incoming")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in another task."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)
