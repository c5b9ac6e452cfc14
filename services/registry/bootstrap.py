"""Where the registry is wired, and nothing else: settings in, a running registry out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from sqlalchemy import Connection

from services.common import interpreter
from services.common.background import keep_up
from services.common.caller import Caller
from services.common.clock import Clock, SystemClock
from services.common.committer import GroupCommitter
from services.common.config import ConfigurationError
from services.common.db import Database
from services.common.migrations import migrate, pending
from services.common.server import Server, server_tls_only
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.directory import Directory
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from services.registry import ledger, wiring
from services.registry.admission import AdmissionSession
from services.registry.commands import Command, Result
from services.registry.credentials import Credentials
from services.registry.enrolment import Enrolment
from services.registry.enrolment_store import EnrolmentStore
from services.registry.handlers.exchange import ExchangeHandlers
from services.registry.hosts import host_of
from services.registry.indicators import catalogue
from services.registry.link_watch import LinkWatch
from services.registry.oversight_hub import OversightHub
from services.registry.permissions import ENROLMENT_RULES, MAIN_RULES
from services.registry.publishing import Publisher, publication
from services.registry.replica import Replica
from services.registry.settings import RegistrySettings

_log = structlog.get_logger(__name__)

T = TypeVar("T")

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "registry_version"
GROUP: Final = 8
"""Batches in one transaction: the most that one of them waits for the others."""
_DRAIN_S: Final = 10.0
_RENEWAL_CHECK_S: Final = 3600.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def init(
    settings: RegistrySettings, entries: Sequence[directory_pb.CommonEntry] = (), clock: Clock | None = None
) -> Credentials:
    """Make a new registry: keys, tables, ledger, its identity and a region's entries.

    May be repeated after it was interrupted, and to publish further entries: what is there stays.

    Args:
        settings: What the operator says.
        entries: What the ledger starts with, such as `region.load_region(path).entries`.
        clock: The time.

    Raises:
        ConfigurationError: The files in the data folder are not usable.
        LiandongError: The database is not usable, or an entry was published with other content before.
    """
    clock = clock or SystemClock()
    credentials = Credentials.create(settings.data_dir, settings.name, clock.now())
    migrate(settings.database_url, MIGRATIONS, version_table=VERSION_TABLE)
    database = Database(settings.database_url, exclusive=_is_sqlite(settings))
    try:
        database.write(lambda connection: ledger.create(connection, settings.log_id))
        replica = _replica(settings, credentials, database)
        beginning = publication(
            replica, identity(settings, credentials), f"registry/{credentials.sign_key_id}"
        )
        # by content: what did not change since the last time is there already
        further = [publication(replica, entry, f"init/{_digest(entry)}") for entry in entries]

        def work(connection: Connection) -> None:
            session = AdmissionSession(connection, replica, clock)
            for each in (beginning, *further):
                session.decide(each)
            session.prepare()
            session.flush()

        database.write(work)
    finally:
        database.close()
    return credentials


def at_ledger(settings: RegistrySettings, work: Callable[[Connection, Replica], T]) -> T:
    """Do something to a ledger in one transaction, as an operator's command; blocks.

    Args:
        settings: What the operator says.
        work: Gets the transaction, and the ledger as it was before.

    Raises:
        ConfigurationError: `init` was not run, or the keys are not usable.
        DatabaseInUse: On SQLite, the registry runs.
        LiandongError: The database is not usable, or what the work raised; nothing was changed.
    """
    credentials = Credentials.load(settings.data_dir, settings.name)
    database = Database(settings.database_url, exclusive=_is_sqlite(settings))
    try:
        replica = _replica(settings, credentials, database)
        return database.write(lambda connection: work(connection, replica))
    finally:
        database.close()


def identity(settings: RegistrySettings, credentials: Credentials) -> directory_pb.CommonEntry:
    """The first common entry: who the registry is."""
    key = directory_pb.PublicKey(
        key_id=credentials.sign_key_id,
        role=directory_pb.KEY_ROLE_SIGN,
        public_key=keys.public_key_bytes(credentials.sign_key),
    )
    return directory_pb.CommonEntry(
        registry=directory_pb.RegistryIdentity(
            name=settings.name, log_id=settings.log_id, epoch=1, key=key, region=settings.region
        )
    )


class Registry:
    """One process of a registry. `async with Registry(settings)` starts and stops it.

    Args:
        settings: What the operator says.
        clock: The time.

    Attributes:
        address: Main port as departments reach it; once started.
        enrolment_address: Enrolment port, likewise.
        replica: What it remembers.
        publisher: Puts common entries into the ledger.
        enrolment: Invites departments.
        links: Notes which departments are there.
    """

    def __init__(self, settings: RegistrySettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.address = ""
        self.enrolment_address = ""
        self.database: Database
        self.credentials: Credentials
        self.replica: Replica
        self.publisher: Publisher
        self.enrolment: Enrolment
        self.links: LinkWatch
        self._committer: GroupCommitter[Command, tuple[Result, ...]] | None = None
        self._parts: wiring.Parts | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[Server] = []

    async def start(self) -> None:
        """Open the database, load what is remembered, listen on both ports.

        Raises:
            ConfigurationError: `init` or a migration was not run, or the keys are not usable.
            DatabaseInUse: Another process holds the SQLite database.
            OSError: An address cannot be listened on.
        """
        settings = self.settings
        self.credentials = Credentials.load(settings.data_dir, settings.name)
        if pending(settings.database_url, MIGRATIONS, version_table=VERSION_TABLE, target="pre@head"):
            raise ConfigurationError(["database_url: its tables are of an older version; run `migrate`."])
        interpreter.tune()
        self.database = Database(settings.database_url, exclusive=_is_sqlite(settings))
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self.settings
        self.replica = await asyncio.to_thread(_replica, settings, self.credentials, self.database)
        self.replica.attach(asyncio.get_running_loop())
        if self.replica.head.held_since_us is not None:
            _log.warning("registry.held", size=self.replica.head.size)
        committer = self._committer = _committer(self.database, self.replica, self.clock)
        self.publisher = Publisher(self.database, self.replica, committer)
        self.links = LinkWatch(
            self.database, self.replica.name, self._directory, self.clock, self.publisher.publish_outage
        )
        indicators = catalogue.load(Path(settings.indicators) if settings.indicators else None)
        tls = self._server_certificate()
        main = Server(
            settings.listen,
            tls,
            department=settings.name,
            rules=MAIN_RULES,
            is_revoked=self._is_revoked,
            clock=self.clock,
            traces=bool(settings.telemetry.traces_endpoint),
        )
        joining = server_tls_only(
            settings.enrolment_listen,
            tls,
            department=settings.name,
            rules=ENROLMENT_RULES,
            clock=self.clock,
        )
        self.address = settings.address or _reached(settings.listen, main.bind())
        self.enrolment_address = settings.enrolment_address or _reached(
            settings.enrolment_listen, joining.bind()
        )
        self.enrolment = Enrolment(
            store=EnrolmentStore(self.database),
            authority=self.credentials.authority,
            clock=self.clock,
            current=self._directory,
            publish=self.publisher.publish_change,
            registry_address=self.address,
            enrolment_address=self.enrolment_address,
        )
        store, records = FolderStore(settings.data_dir / "evidence"), EvidenceRecords(self.database)
        parts = self._parts = wiring.Parts(
            settings=settings,
            clock=self.clock,
            database=self.database,
            credentials=self.credentials,
            replica=self.replica,
            committer=committer,
            publisher=self.publisher,
            links=self.links,
            hub=OversightHub(self.database, self._directory, self.clock),
            indicators=indicators,
            enrolment=self.enrolment,
            exchange=ExchangeHandlers(self.database, self.replica, committer, self.links, self.clock),
            chunks=store,
            manifests=records,
            completion=Completion(store, records),
        )
        for server, offers in ((main, wiring.MAIN), (joining, wiring.ENROLMENT)):
            for service, handlers in offers:
                server.add(handlers(parts), service)
        for name, work in wiring.BACKGROUND.items():
            self._run(work(parts), name)
        self._run(self._renew_certificate, "certificate")
        self._servers = [main, joining]
        for server in self._servers:
            await server.start()

    async def stop(self, grace_s: float = _DRAIN_S) -> None:
        """Take no new calls, end open ones, commit what waits, close the database."""
        if self._parts is not None:
            self._parts.exchange.drain()
        await asyncio.gather(*(server.stop(grace_s) for server in self._servers))
        self._servers = []
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._parts is not None:
            await self._parts.completion.close()
        if self._committer is not None:
            await asyncio.to_thread(self._committer.close)
        await asyncio.to_thread(self.database.close)

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT, then stop with grace."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        async with self:
            _log.info("registry.started", address=self.address, enrolment=self.enrolment_address)
            await asked.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _directory(self) -> Directory:
        return self.replica.directory

    def _is_revoked(self, caller: Caller) -> bool:
        return self.replica.directory.certificate_revoked(caller.department, caller.serial, caller.not_after)

    def _server_certificate(self) -> TlsFiles:
        settings = self.settings
        named = [host_of(each) for each in (settings.address, settings.enrolment_address) if each]
        hosts = dict.fromkeys((*named, *settings.hosts, *_LOOPBACK))
        return self.credentials.server(settings.replica, hosts, self.clock.now())

    # -- in the background ----------------------------------------------------------------------

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._tasks.append(asyncio.create_task(keep_up(work, name), name=f"registry-{name}"))

    async def _renew_certificate(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_CHECK_S)
            # servers see by themselves that the files were replaced
            await asyncio.to_thread(self._server_certificate)


def _replica(settings: RegistrySettings, credentials: Credentials, database: Database) -> Replica:
    replica = Replica(
        settings.replica, settings.name, settings.region, credentials.sign_key, credentials.sign_key_id
    )
    database.read(replica.load)
    return replica


def _committer(
    database: Database, replica: Replica, clock: Clock
) -> GroupCommitter[Command, tuple[Result, ...]]:
    return GroupCommitter(
        database,
        lambda connection: AdmissionSession(connection, replica, clock),
        max_group=GROUP,
        name="admission",
    )


def _digest(entry: directory_pb.CommonEntry) -> str:
    return sha256(entry.SerializeToString(deterministic=True)).hexdigest()


def _is_sqlite(settings: RegistrySettings) -> bool:
    return settings.database_url.startswith("sqlite")


def _reached(listen: str, port: int) -> str:
    host = host_of(listen)
    return f"{'127.0.0.1' if host in ('', '0.0.0.0', '::') else host}:{port}"  # noqa: S104 - compared, not bound


__all__ = ["Registry", "RegistrySettings", "identity", "init"]
