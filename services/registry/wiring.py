"""What a registry offers and what it does by itself: a row each, and where each gets what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import ServiceDescriptor
from liandong.directory.v1 import code_service_pb2, directory_service_pb2
from liandong.enrolment.v1 import enrolment_service_pb2
from liandong.exchange.v1 import evidence_service_pb2, exchange_service_pb2
from liandong.oversight.v1 import indicator_service_pb2, oversight_service_pb2, subject_index_service_pb2

from services.common import interpreter
from services.common.clock import Clock
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.exchange.code_handlers import CodeHandlers
from services.exchange.directory import Directory
from services.exchange.directory_handlers import DirectoryHandlers
from services.exchange.evidence_access import DepartmentAccess
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_handlers import EvidenceHandlers
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from services.registry.certificates import CertificateWatch
from services.registry.commands import Command, Result
from services.registry.credentials import Credentials
from services.registry.duty_keeper import DutyKeeper
from services.registry.enrolment import Enrolment
from services.registry.evidence_audit import EvidenceAudit
from services.registry.following import Follower
from services.registry.handlers.enrolment import EnrolmentHandlers, InvitationHandlers
from services.registry.handlers.exchange import ExchangeHandlers
from services.registry.handlers.indicators import IndicatorHandlers
from services.registry.handlers.oversight import OversightHandlers
from services.registry.handlers.subjects import SubjectIndexHandlers
from services.registry.indicators.act_index import ActIndexer
from services.registry.indicators.catalogue import Catalogue
from services.registry.indicators.freeze import Freezer
from services.registry.link_watch import LinkWatch
from services.registry.marks import MarkScheduler
from services.registry.oversight_hub import OversightHub
from services.registry.publishing import Publisher
from services.registry.recompute import Recomputation
from services.registry.replica import Replica
from services.registry.settings import RegistrySettings


@dataclass(frozen=True, slots=True)
class Parts:
    """What services and tasks of one registry process are made of."""

    settings: RegistrySettings
    clock: Clock
    database: Database
    credentials: Credentials
    replica: Replica
    committer: GroupCommitter[Command, tuple[Result, ...]]
    publisher: Publisher
    links: LinkWatch
    hub: OversightHub
    indicators: Catalogue
    enrolment: Enrolment
    exchange: ExchangeHandlers
    chunks: FolderStore
    manifests: EvidenceRecords
    completion: Completion

    def directory(self) -> Directory:
        """The newest directory."""
        return self.replica.directory


class Offer(NamedTuple):
    """A service, and what answers its calls."""

    service: ServiceDescriptor
    handlers: Callable[[Parts], object]


def _directory(parts: Parts) -> DirectoryHandlers:
    publisher = parts.publisher
    return DirectoryHandlers(
        parts.directory, publisher.watch, parts.clock, publisher.publish, publisher.publish_all
    )


def _evidence(parts: Parts) -> EvidenceHandlers:
    access = DepartmentAccess(parts.database, EvidenceAudit(parts.database, parts.clock).record)
    return EvidenceHandlers(parts.chunks, parts.manifests, access, parts.completion)


MAIN: Final = (
    Offer(
        exchange_service_pb2.DESCRIPTOR.services_by_name["ExchangeService"],
        lambda parts: parts.exchange,
    ),
    Offer(
        evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"],
        _evidence,
    ),
    Offer(
        directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
        _directory,
    ),
    Offer(
        code_service_pb2.DESCRIPTOR.services_by_name["CodeService"],
        lambda parts: CodeHandlers(parts.directory, parts.database, parts.clock),
    ),
    Offer(
        enrolment_service_pb2.DESCRIPTOR.services_by_name["InvitationService"],
        lambda parts: InvitationHandlers(parts.enrolment),
    ),
    Offer(
        oversight_service_pb2.DESCRIPTOR.services_by_name["OversightService"],
        lambda parts: OversightHandlers(
            parts.database, parts.directory, parts.clock, parts.hub, parts.replica.wake
        ),
    ),
    Offer(
        indicator_service_pb2.DESCRIPTOR.services_by_name["IndicatorService"],
        lambda parts: IndicatorHandlers(parts.database, parts.directory, parts.clock, parts.indicators),
    ),
    Offer(
        subject_index_service_pb2.DESCRIPTOR.services_by_name["SubjectIndexService"],
        lambda parts: SubjectIndexHandlers(parts.database, parts.directory, parts.clock),
    ),
)
"""What the main port offers."""

ENROLMENT: Final = (
    Offer(
        enrolment_service_pb2.DESCRIPTOR.services_by_name["EnrolmentService"],
        lambda parts: EnrolmentHandlers(
            parts.enrolment, parts.credentials.authority, parts.directory, parts.clock
        ),
    ),
)
"""What the enrolment port offers."""


Work = Callable[[], Coroutine[Any, Any, None]]
"""Called for each beginning: work that fails is begun anew."""


def _duties(parts: Parts) -> Work:
    keeper = DutyKeeper(parts.database, parts.directory, parts.clock)
    return partial(keeper.run, parts.replica.subscribe())


def _marks(parts: Parts) -> Work:
    scheduler = MarkScheduler(parts.database, parts.directory, parts.clock, on_alerts=parts.replica.wake)
    return partial(scheduler.run, asyncio.Event())


def _certificates(parts: Parts) -> Work:
    watch = CertificateWatch(parts.database, parts.directory, parts.clock, on_alerts=parts.replica.wake)
    return partial(watch.run, parts.replica.subscribe())


def _freezer(parts: Parts) -> Work:
    delay = timedelta(hours=parts.settings.freeze_after_hours)
    return Freezer(parts.database, parts.directory, parts.indicators, parts.clock, delay=delay).run


async def _calendar(parts: Parts, woken: asyncio.Event) -> None:
    """Index open obligations anew when a calendar comes, and once at start."""
    recomputation = Recomputation(parts.database, parts.directory)
    law = parts.directory().law
    await asyncio.to_thread(recomputation.run)
    while True:
        await woken.wait()
        woken.clear()
        before, law = law, parts.directory().law
        old, new = before.calendar(before.registry), law.calendar(law.registry)
        if old is not new:
            await asyncio.to_thread(recomputation.after, old, new)


BACKGROUND: Final[Mapping[str, Callable[[Parts], Work]]] = {
    "follower": lambda parts: Follower(parts.database, parts.replica, parts.committer).run,
    "links": lambda parts: parts.links.run,
    "oversight": lambda parts: partial(parts.hub.run, parts.replica.subscribe()),
    "marks": _marks,
    "duties": _duties,
    "certificates": _certificates,
    "act-index": lambda parts: partial(
        ActIndexer(parts.database, parts.directory).run, parts.replica.subscribe()
    ),
    "freezer": _freezer,
    "calendar": lambda parts: partial(_calendar, parts, parts.replica.subscribe()),
    "memory": lambda _: interpreter.tidy,
}
"""What it does by itself until it is stopped."""
