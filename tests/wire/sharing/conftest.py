"""A department's SharingService on a real port with mutual TLS, and people who call it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from liandong.sharing.v1 import sharing_service_pb2 as pb
from liandong.sharing.v1.sharing_service_pb2_grpc import SharingServiceStub

from services.common.channel import open_channel, remote_errors
from services.common.server import Server
from services.exchange import actors
from services.exchange.assertions import Claims, issue
from services.exchange.letters import timestamp
from services.exchange.session import new_id
from services.sharing.handlers import SharingHandlers
from services.sharing.permissions import RULES, SERVICE
from tests.unit.sharing.sharing_world import HEALTH, ISSUER, NEWS, World, bulletin
from tests.wire.exchange.evidence_world import Identities

if TYPE_CHECKING:
    from liandong.sharing.v1.sharing_service_pb2_grpc import SharingServiceAsyncStub


@dataclass(frozen=True)
class Person:
    """Somebody who acts through the department's gateway."""

    subject: str = "u-17"
    name: str = "王芳"
    roles: Sequence[str] = ("section-head", "clerk")
    service: bool = False


CLERK = Person()
READER = Person("u-18", "赵敏", ("officer",))


class Port:
    """The department's port, and how it is called."""

    def __init__(self, world: World, server: Server, identities: Identities) -> None:
        self.world = world
        self.server = server
        self.identities = identities
        self.stub: SharingServiceAsyncStub

    @asynccontextmanager
    async def calling(self, department: str, kind: str) -> "AsyncIterator[SharingServiceAsyncStub]":
        """A stub with a certificate."""
        tls = self.identities.files(department, kind)
        async with open_channel(f"127.0.0.1:{self.server.port}", tls) as channel:
            yield SharingServiceStub(channel)

    def metadata(self, person: Person = CLERK) -> tuple[tuple[str, str], ...]:
        """A fresh assertion, as the gateway sends one with each call."""
        now = self.world.clock.now().replace(microsecond=0)
        claims = Claims(
            issuer=f"gateway.{HEALTH}", subject=person.subject, name=person.name, audience=HEALTH,
            roles=tuple(person.roles), acr="pwd", issued_at=now, expires_at=now + timedelta(minutes=5),
            token_id=new_id(), service=person.service,
        )  # fmt: skip
        return (("liandong-actor", issue(ISSUER, claims).decode()),)

    async def call(self, method: str, request: Any, person: Person = CLERK) -> Any:
        """One call as a person."""
        with remote_errors():
            return await getattr(self.stub, method)(request, metadata=self.metadata(person), timeout=20)

    async def publish(self, **changed: Any) -> pb.SharingAnswer:
        request = publication(self.world, **changed)
        answer: pb.SharingAnswer = (await self.call("PublishBulletin", request)).answer
        return answer


def publication(world: World, **changed: Any) -> pb.PublishBulletinRequest:
    """A bulletin on what was formed an hour ago."""
    fields: dict[str, Any] = {
        "category": NEWS,
        "bulletin": bulletin(),
        "formed_at": timestamp(world.clock.now() - timedelta(hours=1)),
    } | changed
    return pb.PublishBulletinRequest(**fields)


@pytest.fixture
async def port(database_url: str, tmp_path: Path) -> AsyncIterator[Port]:
    """The department's port, called by its gateway."""
    world = World(database_url)
    department = world.department
    identities = Identities(tmp_path / "tls")
    server = Server(
        "127.0.0.1:0",
        identities.files(HEALTH, "node"),
        department=HEALTH,
        rules=RULES,
        verify_actor=actors.verify_with(lambda: department.verifier, world.clock),
    )
    server.add(SharingHandlers(department, world.shelf), SERVICE)
    await server.start()
    made = Port(world, server, identities)
    async with made.calling(HEALTH, "gateway") as stub:
        made.stub = stub
        yield made
    await server.stop(0.2)
    world.close()
