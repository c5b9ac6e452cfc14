"""Where a node is wired: each hosted department with its database, desk, link, evidence and port."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import grpc.aio
import structlog
from liandong.cases.v1 import (
    case_service_pb2,
    document_service_pb2,
    duty_service_pb2,
    handling_service_pb2,
    import_service_pb2,
    subject_service_pb2,
)
from liandong.directory.v1 import code_service_pb2, directory_service_pb2
from liandong.exchange.v1 import (
    evidence_service_pb2,
    evidence_service_pb2_grpc,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
)
from liandong.oversight.v1 import (
    oversight_service_pb2_grpc,
    subject_index_service_pb2,
    subject_index_service_pb2_grpc,
)
from liandong.sharing.v1 import sharing_service_pb2

from services.cases.desk import Desk
from services.cases.handlers import CaseHandlers, HandlingHandlers
from services.cases.handlers.duties import DutyHandlers
from services.cases.handlers.imports import ImportHandlers
from services.cases.handlers.subjects import SubjectHandlers
from services.cases.parked import ParkedRetrier
from services.common import interpreter
from services.common.caller import Actor, Caller
from services.common.channel import open_channel, remote_errors
from services.common.clock import Clock, SystemClock
from services.common.config import ConfigurationError
from services.common.db import Database
from services.common.errors import LiandongError
from services.common.server import Server
from services.documents import fonts
from services.documents.handlers import DocumentHandlers
from services.documents.rendering import Renderer
from services.exchange import actors
from services.exchange.actors import ActorFacts
from services.exchange.code_handlers import CodeHandlers
from services.exchange.department import Department
from services.exchange.directory import Directory
from services.exchange.directory_handlers import DirectoryHandlers
from services.exchange.enrolment_client import EnrolmentClient
from services.exchange.evidence_access import CaseAccess, EvidenceUse
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_handlers import EvidenceHandlers
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from services.exchange.evidence_transfer import EvidencePuller, EvidencePusher
from services.exchange.keys import load_sign_key
from services.exchange.link import Link
from services.exchange.subject_tokens import FILE_NAME, SubjectKeys, SubjectKeysInvalid
from services.node.entries import follow
from services.node.own_marks import own_events
from services.node.permissions import RULES
from services.node.settings import HostedSettings, NodeSettings
from services.node.subjects import bulletins_naming
from services.notices.deliverer import Deliverer
from services.notices.feed import Feed
from services.notices.handlers import NotificationHandlers
from services.notices.model import Hours
from services.notices.outside import channels_of
from services.notices.permissions import SERVICE as NOTICES
from services.procedures.law import region_of
from services.sharing.feature import Shelf
from services.sharing.handlers import SharingHandlers

_log = structlog.get_logger(__name__)

_RENEWAL_CHECK: Final = timedelta(hours=1)
_DRAIN_S: Final = 10.0
_QUESTION_S: Final = 2.0
"""How long a drafter waits to hear of cases elsewhere."""
_GRACE_S: Final = 600.0
"""As long as one chunk of evidence may take on a channel that is given up."""


class HostedDepartment:
    """One department of this process, from its folder to its port.

    Args:
        settings: What the operator says of it.
        clock: For everything in it.
        registry_server_name: The DNS name in the registry's certificate, where it is not the host.
        registries: Addresses of the registry's replicas; those told at joining if empty.
        renderer: Makes files of letters; one of its own if None.
        traces: Whether calls open spans.
    """

    def __init__(
        self,
        settings: HostedSettings,
        clock: Clock,
        registry_server_name: str = "",
        registries: Sequence[str] = (),
        *,
        renderer: Renderer | None = None,
        traces: bool = False,
    ) -> None:
        self.settings = settings
        self._traces = traces
        self._renderer = renderer or Renderer()
        self._clock = clock
        self._server_name = registry_server_name
        self.enrolment = EnrolmentClient(settings.folder, clock=clock, server_name=registry_server_name)
        membership = self.enrolment.membership
        self.database = Database(settings.database, exclusive=settings.database.startswith("sqlite"))
        self.department = Department(
            name=membership.department,
            registry=membership.registry_name,
            log_id=membership.log_id,
            database=self.database,
            clock=clock,
            sign_key=load_sign_key(settings.folder / "sign.key"),
            sign_key_id=membership.sign_key_id,
            registry_key=bytes.fromhex(membership.registry_key),
            registry_key_id=membership.registry_key_id,
            directory=Directory.empty(region_of(membership.registry_name)),
            subject_keys=_subject_keys(settings.folder),
        )
        self.desk = Desk()
        self.shelf = Shelf()
        self.department.features = {"act": self.desk.feature, "item": self.shelf.feature}
        addresses = tuple(registries) or tuple(membership.registry.split(","))
        self._registry, self._registries = addresses[0], itertools.cycle(addresses)
        self._closing: set[asyncio.Future[None]] = set()
        self.link = Link(self.department, self._connect_link, clock)
        self._channel: grpc.aio.Channel | None = None
        self._evidence()
        self._tasks: list[asyncio.Task[None]] = []
        self.server: Server

    def _connect(self) -> grpc.aio.Channel:
        return open_channel(self._registry, self.enrolment.tls, server_name=self._server_name)

    def _connect_link(self) -> grpc.aio.Channel:
        """A channel for the link; each to the next replica, and evidence goes where the link goes."""
        address = next(self._registries)
        if address != self._registry:
            self._registry = address
            self._let_go()
        return self._connect()

    def _registry_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = self._connect()
        return self._channel

    def _let_go(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            closing = asyncio.ensure_future(channel.close(_GRACE_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _evidence(self) -> None:
        store = FolderStore(self.settings.folder / "evidence")
        records = EvidenceRecords(self.database)

        def stub() -> Any:
            return evidence_service_pb2_grpc.EvidenceServiceStub(self._registry_channel())

        self.pusher = EvidencePusher(store, records, stub, clock=self._clock)
        self.puller = EvidencePuller(self.department.name, store, records, stub, clock=self._clock)
        self.desk.evidence_recorded = self._wake_evidence
        self.shelf.evidence_recorded = self._wake_evidence
        self._store, self._records = store, records

    def _wake_evidence(self) -> None:
        loop = self._loop
        loop.call_soon_threadsafe(self.pusher.wake)
        loop.call_soon_threadsafe(self.puller.wake)

    async def start(self) -> int:
        """Serve and connect; returns the port."""
        self._loop = asyncio.get_running_loop()
        department, clock = self.department, self._clock
        await asyncio.to_thread(department.start)
        server = Server(
            self.settings.listen,
            self.enrolment.tls,
            department=department.name,
            rules=RULES,
            verify_actor=actors.verify_with(lambda: department.verifier, clock),
            is_revoked=self._is_revoked,
            clock=clock,
            traces=self._traces,
        )
        handlers = CaseHandlers(
            department, self.desk, clock, prove=self._prove, evidence=self._store, ask=self._open_cases
        )
        server.add(handlers, case_service_pb2.DESCRIPTOR.services_by_name["CaseService"])
        server.add(
            DutyHandlers(department, clock), duty_service_pb2.DESCRIPTOR.services_by_name["DutyService"]
        )
        server.add(
            DocumentHandlers(department, self._renderer),
            document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"],
        )
        server.add(
            HandlingHandlers(department, self.desk, prove=self._prove, evidence=self._store),
            handling_service_pb2.DESCRIPTOR.services_by_name["HandlingService"],
        )
        server.add(
            SharingHandlers(department, self.shelf),
            sharing_service_pb2.DESCRIPTOR.services_by_name["SharingService"],
        )
        server.add(
            DirectoryHandlers(
                lambda: department.directory, lambda version: follow(department, version), clock
            ),
            directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
        )
        server.add(
            SubjectHandlers(department, bulletins_naming),
            subject_service_pb2.DESCRIPTOR.services_by_name["SubjectService"],
        )
        server.add(
            ImportHandlers(department), import_service_pb2.DESCRIPTOR.services_by_name["ImportService"]
        )
        server.add(
            CodeHandlers(lambda: department.directory, self.database, clock),
            code_service_pb2.DESCRIPTOR.services_by_name["CodeService"],
        )
        deliverer, feed = self._notices()
        server.add(NotificationHandlers(self.database, deliverer.channels, clock, self._audit), NOTICES)
        access = CaseAccess(
            self.database, self._record_use, holder_of=_holder, visible_cases=lambda *arguments: arguments[3]
        )
        self._completion = Completion(self._store, self._records)
        server.add(
            EvidenceHandlers(self._store, self._records, access, self._completion),
            evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"],
        )
        self.server = server
        port = await server.start()
        retrier = ParkedRetrier(department)
        for work in (
            self.link.run(), self.pusher.run(), self.puller.run(), retrier.run(), self._renew(), deliverer.run(),
            feed.run(),
        ):  # fmt: skip
            self._tasks.append(asyncio.create_task(self._guard(work)))
        return port

    async def _audit(self, method: str) -> None:
        await self.department.run(lambda session: session.audit(method))

    def _notices(self) -> tuple[Deliverer, Feed]:
        settings, department = self.settings.notices, self.department
        deliverer = Deliverer(
            self.database,
            channels_of(settings, self._clock),
            Hours(settings.digest_at, settings.quiet_from, settings.quiet_until),
            lambda: department.directory.law.calendar(department.name),
            self._clock,
            attempts=settings.attempts,
        )

        def oversight() -> Any:
            return oversight_service_pb2_grpc.OversightServiceStub(self._registry_channel())

        feed = Feed(
            department.name,
            self.database,
            lambda: department.directory,
            oversight,
            self._clock,
            deliverer.wake,
            lambda connection, since, now: own_events(
                connection, department.name, department.directory.law, since, now
            ),
        )
        return deliverer, feed

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            # a background task that ends is a node that silently stopped a part of its work
            _log.exception("node.task_ended", department=self.department.name)
            raise

    async def stop(self) -> None:
        """Drain: take no new calls, commit what is queued, close."""
        await self.server.stop(_DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._completion.close()
        await asyncio.to_thread(self.department.committer.close, _DRAIN_S)
        if self._channel is not None:
            await self._channel.close(None)
        for closing in self._closing:
            closing.cancel()
        self.database.close()

    async def _renew(self) -> None:
        while True:
            try:
                if await self.enrolment.renew_if_due():
                    _log.info("node.renewed", department=self.department.name)
                    self._let_go()
            except LiandongError as error:
                _log.warning("node.renewal", department=self.department.name, reason=error.reason)
            await asyncio.sleep(_RENEWAL_CHECK.total_seconds())

    async def _prove(self, position: int, size: int) -> tuple[list[bytes], str]:
        stub = exchange_service_pb2_grpc.ExchangeServiceStub(self._registry_channel())
        answer = await stub.GetInclusionProof(
            exchange_service_pb2.GetInclusionProofRequest(position=position, tree_size=size), timeout=10
        )
        return list(answer.path), answer.checkpoint

    async def _open_cases(self, tokens: Sequence[bytes]) -> list[tuple[int, str, str]]:
        stub = subject_index_service_pb2_grpc.SubjectIndexServiceStub(self._registry_channel())
        request = subject_index_service_pb2.FindOpenCasesRequest(tokens=tokens)
        with remote_errors():
            answer = await stub.FindOpenCases(request, timeout=_QUESTION_S)
        return [(each.token, each.department, each.procedure) for each in answer.cases]

    def _is_revoked(self, caller: Caller) -> bool:
        return self.department.directory.certificate_revoked(
            caller.department, caller.serial, caller.not_after
        )

    def _record_use(self, use: EvidenceUse) -> None:
        self.department.committer.submit_blocking(
            lambda session: session.audit(f"Evidence.{use.action}", "", use.root.hex()), 30
        )


class Node:
    """A node process: its departments, started and stopped together."""

    def __init__(self, settings: NodeSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        clock = clock or SystemClock()
        printing = settings.documents
        renderer = Renderer(printing.fonts, at_once=printing.at_once, limit_s=printing.limit_s)
        self.departments = [
            HostedDepartment(
                each,
                clock,
                settings.registry_server_name,
                settings.registries,
                renderer=renderer,
                traces=bool(settings.telemetry.traces_endpoint),
            )
            for each in settings.departments
        ]

    async def start(self) -> dict[str, int]:
        """Start all; returns the port of each department."""
        interpreter.tune()
        await asyncio.to_thread(fonts.report, self.settings.documents.fonts)
        return {each.department.name: await each.start() for each in self.departments}

    async def stop(self) -> None:
        """Stop all."""
        await asyncio.gather(*(each.stop() for each in self.departments))


def _subject_keys(folder: Path) -> SubjectKeys:
    try:
        return SubjectKeys.load(folder / FILE_NAME)
    except SubjectKeysInvalid as error:
        raise ConfigurationError([str(error)]) from None


def _holder(caller: Caller, actor: Actor | None) -> str:
    del caller
    return actor.subject if isinstance(actor, ActorFacts) else ""
