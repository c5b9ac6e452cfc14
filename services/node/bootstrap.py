"""Where a node is wired: each hosted department with its database, desk, link, evidence and port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from services.cases.desk import Desk
from services.cases.handling.seal_http import HttpSeal
from services.common import interpreter
from services.common.background import keep_up
from services.common.caller import Caller
from services.common.clock import Clock, SystemClock
from services.common.config import ConfigurationError
from services.common.db import Database
from services.common.server import Server
from services.documents import fonts
from services.documents.rendering import Renderer
from services.exchange import actors
from services.exchange.department import Department
from services.exchange.directory import Directory
from services.exchange.enrolment_client import EnrolmentClient
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from services.exchange.evidence_transfer import EvidencePuller, EvidencePusher
from services.exchange.keys import load_sign_key
from services.exchange.link import Link
from services.exchange.subject_tokens import FILE_NAME, SubjectKeys, SubjectKeysInvalid
from services.node import wiring
from services.node.permissions import RULES
from services.node.settings import HostedSettings, NodeSettings
from services.node.upstream import Upstream
from services.procedures.law import region_of
from services.sharing.feature import Shelf

_log = structlog.get_logger(__name__)

_DRAIN_S: Final = 10.0


class HostedDepartment:
    """One department of this process, from its folder to its port.

    Args:
        settings: What the operator says of it.
        clock: For everything in it.
        registry_server_name: The DNS name in the registry's certificate, where it is not the host.
        registries: Addresses of the registry's replicas; those told at joining if empty.
        renderer: Makes files of letters; one of its own if None.
        traces: Whether calls open spans.

    Attributes:
        department: What it records and applies.
        upstream: Its way to the registry.
        parts: What its services and tasks are made of.
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
        self._clock = clock
        self.enrolment = EnrolmentClient(settings.folder, clock=clock, server_name=registry_server_name)
        membership = self.enrolment.membership
        self.database = Database(settings.database, exclusive=settings.database.startswith("sqlite"))
        department = self.department = Department(
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
        desk, shelf = Desk(), Shelf()
        department.features = {"act": desk.feature, "item": shelf.feature}
        desk.evidence_recorded = shelf.evidence_recorded = self._wake_evidence
        addresses = tuple(registries) or tuple(membership.registry.split(","))
        upstream = self.upstream = Upstream(self.enrolment, registry_server_name, addresses)
        chunks, manifests = FolderStore(settings.folder / "evidence"), EvidenceRecords(self.database)
        self.parts = wiring.Parts(
            clock=clock,
            department=department,
            desk=desk,
            shelf=shelf,
            link=Link(department, upstream.connect, clock),
            upstream=upstream,
            renderer=renderer or Renderer(),
            chunks=chunks,
            manifests=manifests,
            completion=Completion(chunks, manifests),
            pusher=EvidencePusher(chunks, manifests, upstream.evidence, clock=clock),
            puller=EvidencePuller(department.name, chunks, manifests, upstream.evidence, clock=clock),
            seal=HttpSeal(settings.seal) if settings.seal.url else None,
            deliverer=wiring.deliverer(settings.notices, department, clock),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.server: Server

    def _wake_evidence(self) -> None:
        loop = self._loop
        loop.call_soon_threadsafe(self.parts.pusher.wake)
        loop.call_soon_threadsafe(self.parts.puller.wake)

    async def start(self) -> int:
        """Serve and connect; returns the port."""
        self._loop = asyncio.get_running_loop()
        department = self.department
        await asyncio.to_thread(department.start)
        self.server = Server(
            self.settings.listen,
            self.enrolment.tls,
            department=department.name,
            rules=RULES,
            verify_actor=actors.verify_with(lambda: department.verifier, self._clock),
            is_revoked=self._is_revoked,
            clock=self._clock,
            traces=self._traces,
        )
        for service, handlers in wiring.OFFERED:
            self.server.add(handlers(self.parts), service)
        port = await self.server.start()
        for name, work in wiring.BACKGROUND.items():
            self._tasks.append(asyncio.create_task(keep_up(work(self.parts), f"{department.name}/{name}")))
        return port

    async def stop(self) -> None:
        """Drain: take no new calls, commit what is queued, close."""
        await self.server.stop(_DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.parts.completion.close()
        await asyncio.to_thread(self.department.committer.close, _DRAIN_S)
        await self.upstream.close()
        if self.parts.seal is not None:
            self.parts.seal.close()
        self.database.close()

    def _is_revoked(self, caller: Caller) -> bool:
        return self.department.directory.certificate_revoked(
            caller.department, caller.serial, caller.not_after
        )


class Node:
    """A node process: its departments, started and stopped together."""

    def __init__(self, settings: NodeSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        clock = clock or SystemClock()
        printing = settings.documents
        renderer = Renderer(
            printing.fonts,
            at_once=printing.at_once,
            limit_s=printing.limit_s,
            binding_s=printing.binding_s,
        )
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
        self._tidying = asyncio.create_task(interpreter.tidy())
        await asyncio.to_thread(fonts.report, self.settings.documents.fonts)
        return {each.department.name: await each.start() for each in self.departments}

    async def stop(self) -> None:
        """Stop all."""
        self._tidying.cancel()
        await asyncio.gather(*(each.stop() for each in self.departments))


def _subject_keys(folder: Path) -> SubjectKeys:
    try:
        return SubjectKeys.load(folder / FILE_NAME)
    except SubjectKeysInvalid as error:
        raise ConfigurationError([str(error)]) from None
