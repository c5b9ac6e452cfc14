"""A department's CaseService on a real port with mutual TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from liandong.cases.v1 import (
    case_service_pb2,
    handling_service_pb2,
    import_service_pb2,
    public_service_pb2,
    subject_service_pb2,
)
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from liandong.cases.v1.duty_service_pb2_grpc import DutyServiceStub
from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceStub

from services.cases.handlers import CaseHandlers, HandlingHandlers
from services.cases.handlers.duties import DUTY_RULES, SERVICE, DutyHandlers
from services.cases.handlers.imports import ImportHandlers
from services.cases.handlers.public import PublicHandlers
from services.cases.handlers.subjects import SubjectHandlers
from services.cases.permissions import IMPORT_RULES, PUBLIC_RULES, RULES, SUBJECT_RULES
from services.common.channel import open_channel
from services.common.clock import ManualClock
from services.common.server import Server
from services.documents.binding import CaseBinder
from services.documents.handlers import DocumentHandlers
from services.documents.permissions import RULES as DOCUMENT_RULES
from services.documents.permissions import SERVICE as DOCUMENTS
from services.documents.rendering import Renderer
from services.exchange import actors
from services.exchange.evidence_store import FolderStore
from tests.builders.departments import MARKET
from tests.builders.ledger import MONDAY, Ledger, Node, node
from tests.wire.exchange.evidence_world import Identities

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub
    from liandong.cases.v1.duty_service_pb2_grpc import DutyServiceAsyncStub
    from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceAsyncStub


class Port:
    """The port, the node behind it, and how it is called."""

    def __init__(
        self,
        market: Node,
        server: Server,
        handlers: CaseHandlers,
        handling: HandlingHandlers,
        subjects: SubjectHandlers,
        identities: Identities,
        store: FolderStore,
        renderer: Renderer,
    ) -> None:
        self.handlers = handlers
        self.handling_handlers = handling
        self.subject_handlers = subjects
        self.store = store
        self.renderer = renderer
        self.node = market
        self.ledger = market.ledger
        self._server = server
        self._identities = identities

    @asynccontextmanager
    async def calling(
        self, department: str = "", kind: str = "gateway"
    ) -> "AsyncIterator[CaseServiceAsyncStub]":
        """A stub with a certificate, by default that of the department's own gateway."""
        async with self.channel(department, kind) as channel:
            yield CaseServiceStub(channel)

    @asynccontextmanager
    async def channel(self, department: str = "", kind: str = "gateway") -> AsyncIterator[grpc.aio.Channel]:
        """A channel with a certificate, likewise."""
        tls = self._identities.files(department or self.node.department.name, kind)
        async with open_channel(f"127.0.0.1:{self._server.port}", tls) as channel:
            yield channel

    @asynccontextmanager
    async def calling_duties(
        self, department: str = "", kind: str = "gateway"
    ) -> "AsyncIterator[DutyServiceAsyncStub]":
        """The same for DutyService."""
        tls = self._identities.files(department or self.node.department.name, kind)
        async with open_channel(f"127.0.0.1:{self._server.port}", tls) as channel:
            yield DutyServiceStub(channel)

    @asynccontextmanager
    async def handling(self) -> "AsyncIterator[tuple[CaseServiceAsyncStub, HandlingServiceAsyncStub]]":
        """Stubs of both services with the certificate of the department's own gateway."""
        tls = self._identities.files(self.node.department.name, "gateway")
        async with open_channel(f"127.0.0.1:{self._server.port}", tls) as channel:
            yield CaseServiceStub(channel), HandlingServiceStub(channel)

    def as_(self, role: str) -> tuple[tuple[str, str], ...]:
        """Metadata of somebody in a role."""
        return (("liandong-actor", self.node.signer.assertion(role).decode()),)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    """The receiver's port."""
    async with open_port(tmp_path, Ledger(ManualClock(MONDAY)), Identities(tmp_path)) as found:
        yield found


@asynccontextmanager
async def open_port(
    tmp_path: Path, ledger: Ledger, identities: Identities, name: str = MARKET
) -> AsyncIterator[Port]:
    """The port of a department."""
    with node(f"sqlite:///{tmp_path / f'{name}.sqlite'}", ledger, name) as market:
        department = market.department
        server = Server(
            "127.0.0.1:0",
            identities.files(department.name),
            department=department.name,
            rules={**RULES, **SUBJECT_RULES, **PUBLIC_RULES, **IMPORT_RULES, **DUTY_RULES, **DOCUMENT_RULES},
            verify_actor=actors.verify_with(lambda: department.verifier, ledger.clock),
        )
        handlers = CaseHandlers(department, market.desk, ledger.clock, ledger.prove)
        store, renderer = FolderStore(tmp_path / f"{name}-evidence"), Renderer()
        server.add(handlers, case_service_pb2.DESCRIPTOR.services_by_name["CaseService"])
        server.add(DutyHandlers(department, ledger.clock), SERVICE)
        server.add(DocumentHandlers(department, renderer), DOCUMENTS)
        handling = HandlingHandlers(
            department, market.desk, prove=ledger.prove, evidence=store, binder=CaseBinder(renderer)
        )
        server.add(
            handling,
            handling_service_pb2.DESCRIPTOR.services_by_name["HandlingService"],
        )
        subjects = SubjectHandlers(department)
        server.add(subjects, subject_service_pb2.DESCRIPTOR.services_by_name["SubjectService"])
        server.add(
            PublicHandlers(department), public_service_pb2.DESCRIPTOR.services_by_name["PublicService"]
        )
        server.add(
            ImportHandlers(department), import_service_pb2.DESCRIPTOR.services_by_name["ImportService"]
        )
        await server.start()
        yield Port(market, server, handlers, handling, subjects, identities, store, renderer)
        await server.stop(0.5)
