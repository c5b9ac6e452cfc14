"""What a node offers for a department and what it does by itself: a row each, and where each gets what it needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import ServiceDescriptor
from liandong.cases.v1 import (
    case_service_pb2,
    document_service_pb2,
    duty_service_pb2,
    handling_service_pb2,
    import_service_pb2,
    public_service_pb2,
    subject_service_pb2,
)
from liandong.directory.v1 import code_service_pb2, directory_service_pb2
from liandong.exchange.v1 import evidence_service_pb2
from liandong.notices.v1 import notification_service_pb2
from liandong.sharing.v1 import sharing_service_pb2

from services.cases.desk import Desk
from services.cases.handlers import CaseHandlers, HandlingHandlers
from services.cases.handlers.duties import DutyHandlers
from services.cases.handlers.imports import ImportHandlers
from services.cases.handlers.public import PublicHandlers
from services.cases.handlers.subjects import SubjectHandlers
from services.cases.handling.seal_http import HttpSeal
from services.cases.parked import ParkedRetrier
from services.common.caller import Actor, Caller
from services.common.clock import Clock
from services.documents.binding import CaseBinder
from services.documents.handlers import DocumentHandlers
from services.documents.rendering import Renderer
from services.exchange.actors import ActorFacts
from services.exchange.code_handlers import CodeHandlers
from services.exchange.department import Department
from services.exchange.directory import Directory
from services.exchange.directory_handlers import DirectoryHandlers
from services.exchange.evidence_access import CaseAccess, EvidenceUse
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_handlers import EvidenceHandlers
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from services.exchange.evidence_transfer import EvidencePuller, EvidencePusher
from services.exchange.link import Link
from services.node.entries import follow
from services.node.own_marks import own_events
from services.node.subjects import bulletins_naming
from services.node.upstream import Upstream
from services.notices.deliverer import Deliverer
from services.notices.feed import Feed
from services.notices.handlers import NotificationHandlers
from services.notices.model import Hours
from services.notices.outside import channels_of
from services.notices.settings import NoticeSettings
from services.sharing.feature import Shelf
from services.sharing.handlers import SharingHandlers

_AUDIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What services and tasks of one department are made of."""

    clock: Clock
    department: Department
    desk: Desk
    shelf: Shelf
    link: Link
    upstream: Upstream
    renderer: Renderer
    chunks: FolderStore
    manifests: EvidenceRecords
    completion: Completion
    pusher: EvidencePusher
    puller: EvidencePuller
    seal: HttpSeal | None
    deliverer: Deliverer

    def directory(self) -> Directory:
        """The newest directory that came."""
        return self.department.directory


class Offer(NamedTuple):
    """A service, and what answers its calls."""

    service: ServiceDescriptor
    handlers: Callable[[Parts], object]


def deliverer(settings: NoticeSettings, department: Department, clock: Clock) -> Deliverer:
    """Sends messages to the department's people, as its operator has set it."""
    return Deliverer(
        department.database,
        channels_of(settings, clock),
        Hours(settings.digest_at, settings.quiet_from, settings.quiet_until),
        lambda: department.directory.law.calendar(department.name),
        clock,
        attempts=settings.attempts,
    )


def _cases(parts: Parts) -> CaseHandlers:
    return CaseHandlers(
        parts.department,
        parts.desk,
        parts.clock,
        prove=parts.upstream.prove,
        evidence=parts.chunks,
        ask=parts.upstream.open_cases,
    )


def _handling(parts: Parts) -> HandlingHandlers:
    return HandlingHandlers(
        parts.department,
        parts.desk,
        parts.seal,
        prove=parts.upstream.prove,
        evidence=parts.chunks,
        binder=CaseBinder(parts.renderer),
    )


def _directory(parts: Parts) -> DirectoryHandlers:
    return DirectoryHandlers(parts.directory, lambda version: follow(parts.department, version), parts.clock)


def _notices(parts: Parts) -> NotificationHandlers:
    async def audit(method: str) -> None:
        await parts.department.run(lambda session: session.audit(method))

    return NotificationHandlers(parts.department.database, parts.deliverer.channels, parts.clock, audit)


def _evidence(parts: Parts) -> EvidenceHandlers:
    def record(use: EvidenceUse) -> None:
        parts.department.committer.submit_blocking(
            lambda session: session.audit(f"Evidence.{use.action}", "", use.root.hex()), _AUDIT_S
        )

    access = CaseAccess(
        parts.department.database, record, holder_of=_holder, visible_cases=lambda *arguments: arguments[3]
    )
    return EvidenceHandlers(parts.chunks, parts.manifests, access, parts.completion)


def _holder(caller: Caller, actor: Actor | None) -> str:
    del caller
    return actor.subject if isinstance(actor, ActorFacts) else ""


OFFERED: Final = (
    Offer(case_service_pb2.DESCRIPTOR.services_by_name["CaseService"], _cases),
    Offer(
        duty_service_pb2.DESCRIPTOR.services_by_name["DutyService"],
        lambda parts: DutyHandlers(parts.department, parts.clock),
    ),
    Offer(
        document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"],
        lambda parts: DocumentHandlers(parts.department, parts.renderer),
    ),
    Offer(handling_service_pb2.DESCRIPTOR.services_by_name["HandlingService"], _handling),
    Offer(
        sharing_service_pb2.DESCRIPTOR.services_by_name["SharingService"],
        lambda parts: SharingHandlers(parts.department, parts.shelf),
    ),
    Offer(directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"], _directory),
    Offer(
        subject_service_pb2.DESCRIPTOR.services_by_name["SubjectService"],
        lambda parts: SubjectHandlers(parts.department, bulletins_naming, parts.upstream.open_cases),
    ),
    Offer(
        public_service_pb2.DESCRIPTOR.services_by_name["PublicService"],
        lambda parts: PublicHandlers(parts.department),
    ),
    Offer(
        import_service_pb2.DESCRIPTOR.services_by_name["ImportService"],
        lambda parts: ImportHandlers(parts.department),
    ),
    Offer(
        code_service_pb2.DESCRIPTOR.services_by_name["CodeService"],
        lambda parts: CodeHandlers(parts.directory, parts.department.database, parts.clock),
    ),
    Offer(notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"], _notices),
    Offer(evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"], _evidence),
)
"""What a department's port offers."""


Work = Callable[[], Coroutine[Any, Any, None]]
"""Called for each beginning: work that fails is begun anew."""


def _feed(parts: Parts) -> Work:
    department = parts.department
    feed = Feed(
        department.name,
        department.database,
        parts.directory,
        parts.upstream.oversight,
        parts.clock,
        parts.deliverer.wake,
        lambda connection, since, now: own_events(
            connection, department.name, department.directory.law, since, now
        ),
    )
    return feed.run


BACKGROUND: Final[Mapping[str, Callable[[Parts], Work]]] = {
    "link": lambda parts: parts.link.run,
    "pusher": lambda parts: parts.pusher.run,
    "puller": lambda parts: parts.puller.run,
    "parked": lambda parts: ParkedRetrier(parts.department).run,
    "renewal": lambda parts: parts.upstream.renew,
    "deliverer": lambda parts: parts.deliverer.run,
    "feed": _feed,
}
"""What it does by itself until it is stopped."""
