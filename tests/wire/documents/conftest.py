"""A department's DocumentService and CaseService on a real port with mutual TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from liandong.cases.v1 import case_service_pb2, document_service_pb2
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceStub

from services.cases.handlers import CaseHandlers
from services.common.channel import open_channel
from services.common.clock import ManualClock
from services.common.server import Server
from services.documents.handlers import DocumentHandlers
from services.documents.rendering import Renderer
from services.exchange import actors
from services.node.permissions import RULES
from tests.builders.departments import HEALTH
from tests.builders.ledger import MONDAY, Ledger, Node, node
from tests.wire.exchange.evidence_world import Identities

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub
    from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceAsyncStub


class Press:
    """The sender's port, the node behind it, and how it is called."""

    def __init__(self, sender: Node, server: Server, identities: Identities, renderer: Renderer) -> None:
        self.node = sender
        self.ledger = sender.ledger
        self.renderer = renderer
        self._server = server
        self._identities = identities

    @asynccontextmanager
    async def calling(
        self, department: str = HEALTH, kind: str = "gateway"
    ) -> "AsyncIterator[tuple[DocumentServiceAsyncStub, CaseServiceAsyncStub]]":
        """Stubs with a certificate, by default that of the department's own gateway."""
        tls = self._identities.files(department, kind)
        async with open_channel(f"127.0.0.1:{self._server.port}", tls) as channel:
            yield DocumentServiceStub(channel), CaseServiceStub(channel)

    def as_(self, role: str) -> tuple[tuple[str, str], ...]:
        """Metadata of somebody in a role."""
        return (("liandong-actor", self.node.signer.assertion(role).decode()),)


@pytest.fixture
async def press(tmp_path: Path) -> AsyncIterator[Press]:
    """The sender's port."""
    ledger = Ledger(ManualClock(MONDAY))
    identities = Identities(tmp_path)
    with node(f"sqlite:///{tmp_path / 'node.sqlite'}", ledger, HEALTH) as sender:
        department = sender.department
        server = Server(
            "127.0.0.1:0",
            identities.files(department.name),
            department=department.name,
            rules=RULES,
            verify_actor=actors.verify_with(lambda: department.verifier, ledger.clock),
        )
        renderer = Renderer()
        server.add(
            DocumentHandlers(department, renderer),
            document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"],
        )
        server.add(
            CaseHandlers(department, sender.desk, ledger.clock, ledger.prove),
            case_service_pb2.DESCRIPTOR.services_by_name["CaseService"],
        )
        await server.start()
        yield Press(sender, server, identities, renderer)
        await server.stop(0.5)
