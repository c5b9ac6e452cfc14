"""A registry's side of enrolment over a real database; only the ledger is replaced by a list."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2 as pb
from sqlalchemy import Connection

from services.common.clock import ManualClock
from services.common.db import Database
from services.exchange import keys
from services.exchange.authority import Authority, signing_request
from services.exchange.directory import Directory
from services.exchange.joining import InvitationText, join_message, renew_message
from services.exchange.keys import KeyRole
from services.registry.commands import Change
from services.registry.enrolment import Enrolment, Join, Renewal
from services.registry.enrolment_store import EnrolmentStore
from services.registry.tables import metadata

HEALTH, POLICE = "health.qinghe", "police.qinghe"
STATUS = pb.DepartmentStatus
REGISTRY_KEY = b"r" * 32


@dataclass
class World:
    """The registry as enrolment sees it; `published` is what went into the ledger."""

    store: EnrolmentStore
    clock: ManualClock
    authority: Authority
    directory: Directory = field(default_factory=lambda: Directory.empty("qinghe"))
    published: list[pb.CommonEntry] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    registry_address: str = "registry.example.cn:7000"
    enrolment_address: str = "registry.example.cn:7001"

    def __post_init__(self) -> None:
        name = "registry.qinghe"
        key = pb.PublicKey(
            key_id=keys.key_id(name, KeyRole.SIGN, REGISTRY_KEY),
            role=pb.KEY_ROLE_SIGN,
            public_key=REGISTRY_KEY,
        )
        self.put(registry=pb.RegistryIdentity(name=name, log_id="liandong.qinghe", epoch=1, key=key))
        for department in (HEALTH, POLICE):
            self.enter(department, pb.DEPARTMENT_STATUS_LISTED)
        self.published.clear()
        self.enrolment = Enrolment(
            store=self.store,
            authority=self.authority,
            clock=self.clock,
            current=lambda: self.directory,
            publish=self.publish,
            registry_address=self.registry_address,
            enrolment_address=self.enrolment_address,
        )

    async def publish(self, change: Change) -> None:
        """Fails as often as `failures` says, then admits."""
        if self.failures:
            raise self.failures.pop(0)
        entry = change(self.directory, self.clock.now())
        if entry is not None:
            self.apply(entry)

    def apply(self, entry: pb.CommonEntry) -> tuple[int, int]:
        version = self.directory.version + 1
        now = self.clock.now()
        self.directory = self.directory.apply(entry, version=version, position=version - 1, admitted_at=now)
        self.published.append(entry)
        return version, version - 1

    def put(self, **entry: object) -> None:
        self.apply(pb.CommonEntry(**entry))  # type: ignore[arg-type]

    def enter(self, name: str, status: pb.DepartmentStatus.ValueType) -> None:
        """Publishes the department with this status, otherwise as it is."""
        department = pb.Department(name=name, title=pb.Title(zh="局", en="Bureau"))
        known = self.directory.department(name)
        if known is not None:
            department.CopyFrom(known)
        department.status = status
        self.put(department=department)

    async def invite(self, department: str = HEALTH) -> InvitationText:
        text, _ = await self.enrolment.invite(department)
        return InvitationText.parse(text)


@dataclass
class Node:
    """A node with its keys."""

    department: str = HEALTH
    sign: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    tls: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> bytes:
        return keys.public_key_bytes(self.sign)

    @property
    def sign_key_id(self) -> str:
        return keys.key_id(self.department, KeyRole.SIGN, self.public)

    def join(self, token: str, hosts: tuple[str, ...] = ("node.example.cn",), **changes: object) -> Join:
        request = signing_request(self.tls)
        fields: dict[str, object] = {
            "token": token,
            "department": self.department,
            "tls_request": request,
            "sign_public_key": self.public,
            "proof": self.sign.sign(join_message(token, request)),
            "hosts": hosts,
        }
        return Join(**{**fields, **changes})  # type: ignore[arg-type]

    def renewal(
        self, at: datetime, kind: str = "node", signer: Ed25519PrivateKey | None = None, **changes: object
    ) -> Renewal:
        request = signing_request(self.tls)
        message = renew_message(self.department, kind, at, request)
        fields: dict[str, object] = {
            "department": self.department,
            "tls_request": request,
            "kind": kind,
            "requested_at": at,
            "sign_key_id": self.sign_key_id,
            "proof": (signer or self.sign).sign(message),
        }
        return Renewal(**{**fields, **changes})  # type: ignore[arg-type]


@contextmanager
def database(url: str) -> Iterator[Database]:
    """A database with the registry's tables."""
    opened = Database(url)

    def create(connection: Connection) -> None:
        metadata.create_all(connection)

    opened.write(create)
    try:
        yield opened
    finally:
        opened.close()


def now() -> datetime:
    """The present without microseconds, as certificates have none."""
    return datetime.now(UTC).replace(microsecond=0)


def new_world(opened: Database, clock: ManualClock) -> World:
    """A registry with two listed departments."""
    return World(EnrolmentStore(opened), clock, Authority.create("liandong.qinghe", clock.now()))
