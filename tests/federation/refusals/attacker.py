"""What somebody hostile has at hand: raw calls, certificates and assertions of any making, letters of their own.

The attacker may even hold a member's keys: what the registry refuses does not rest on nodes being well behaved.
Every attempt is made against real processes, and `unchanged` sees that it left nothing behind.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import grpc.aio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.directory.v1 import directory_service_pb2_grpc as directory_stubs
from liandong.enrolment.v1 import enrolment_service_pb2 as enrolment
from liandong.enrolment.v1 import enrolment_service_pb2_grpc as enrolment_stubs
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2_grpc as evidence_stubs
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import exchange_service_pb2_grpc as exchange_stubs

from services.cli.demo.party import Party
from services.common.channel import open_channel, remote_errors
from services.common.tls import TlsFiles
from services.exchange.authority import Authority
from services.exchange.evidence import chunks_of_file, manifest_of
from services.exchange.evidence_client import upload
from services.exchange.keys import load_sign_key
from services.registry.credentials import Credentials
from tests.builders.departments import Sent, Signer
from tests.federation.district import HEALTH, Federation
from tests.federation.refusals.answers import Refused, answered, word_of

EVERYONE: Final = ["clerk", "leader-in-charge", "section-head", "auditor", "liaison", "system"]
"""All roles at once, for what is refused whoever asks."""
LONG_AGO: Final = datetime.now(UTC) - timedelta(days=60)
_TIMEOUT_S: Final = 30
_NOT_COUNTED: Final = frozenset(
    {"audit", "evidence_uses", "refusals", "sqlite_sequence", "act_index", "act_index_end", "notice_feed"}
)
"""Who tried what, and judged refusals, are to be noted; the registry indexes what the ledger holds, and a node notes how
far it has read alerts, in their own time."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port, and the certificate under which it is called.

    Attributes:
        presented: Whether the certificate is shown, or only kept to verify the server.
    """

    address: str
    tls: TlsFiles
    presented: bool = True


@dataclass(slots=True)
class Attacker:
    """Everything that can be tried against a federation."""

    world: Federation
    folder: Path
    _channels: dict[tuple[str, Path | None], grpc.aio.Channel] = field(default_factory=dict)

    # -- who ------------------------------------------------------------------------------------

    def party(self, name: str) -> Party:
        """A department, with everything that it has."""
        return self.world.parties[name]

    def node_tls(self, name: str) -> TlsFiles:
        """The certificate of a department's node."""
        folder = self.party(name).folder
        return TlsFiles(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")

    def node(self, name: str) -> Door:
        """A department's node, called by its own systems."""
        party = self.party(name)
        return Door(party.address, party.tls)

    def registry(self, name: str) -> Door:
        """The registry, called by a department's node."""
        return Door(self.world.district.registry_address, self.node_tls(name))

    def operator(self) -> Door:
        """The registry, called by its operator."""
        district = self.world.district
        assert district.operator is not None
        return Door(district.registry_address, district.operator)

    def enrolment(self) -> Door:
        """The enrolment port, where nobody has a certificate yet."""
        return Door(self.world.district.enrolment_address, self.party(HEALTH).tls, presented=False)

    def authority(self) -> Authority:
        """The region's own, for certificates that it would not make."""
        return Credentials.load(self.world.plan.folder / "registry", "registry.qinghe").authority

    def certificate(
        self, uri: str, authority: Authority | None = None, *, made: datetime | None = None
    ) -> TlsFiles:
        """A certificate for whoever; made long ago, it has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = authority or self.authority()
        pem = issuer.issue(key.public_key(), uri, made or datetime.now(UTC), ["127.0.0.1", "localhost"])
        files = TlsFiles(*(self.folder / f"{uuid4().hex}.{kind}" for kind in ("ca", "crt", "key")))
        files.ca.write_bytes(self.authority().pem)
        files.cert.write_bytes(pem)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def token(
        self,
        department: str,
        role: str = "clerk",
        *,
        key: Ed25519PrivateKey | None = None,
        header: Mapping[str, Any] | None = None,
        signature: bytes | None = None,
        **claims: Any,
    ) -> str:
        """An assertion as one likes it; `None` leaves a claim out."""
        party = self.party(department)
        now = int(datetime.now(UTC).timestamp())
        payload: dict[str, Any] = {
            "iss": party.issuer,
            "sub": f"{role}@{department}",
            "name": "张三",
            "aud": department,
            "roles": [role],
            "acr": "test",
            "iat": now,
            "exp": now + 300,
            "jti": uuid4().hex,
            **claims,
        }
        payload = {claim: value for claim, value in payload.items() if value is not None}
        signed = b".".join(
            base64url(json.dumps(each).encode())
            for each in (header or {"alg": "EdDSA", "typ": "JWT"}, payload)
        )
        made = (key or party.key).sign(signed) if signature is None else signature
        return (signed + b"." + base64url(made)).decode()

    def signer(self, name: str) -> Signer:
        """A department's node and issuer, in the attacker's hands."""
        party = self.party(name)
        signer = Signer(name, sign_key=load_sign_key(party.folder / "sign.key"), issuer_key=party.key)
        signer.issuer = party.issuer
        return signer

    # -- calls ----------------------------------------------------------------------------------

    def channel(self, door: Door) -> grpc.aio.Channel:
        """A channel, kept until the end. It sends more than the product's own clients would."""
        key = (door.address, door.tls.cert if door.presented else None)
        if key not in self._channels:
            size = 64 * 1024 * 1024
            unbounded = (("grpc.max_send_message_length", size), ("grpc.max_metadata_size", size))
            self._channels[key] = open_channel(
                door.address, door.tls, present_certificate=door.presented, options=unbounded
            )
        return self._channels[key]

    async def call(
        self,
        door: Door,
        method: MethodDescriptor,
        data: Message | bytes | Sequence[bytes] = b"",
        token: str = "",
        *metadata: tuple[str, str],
        wait_s: float = _TIMEOUT_S,
    ) -> bytes | Refused:
        """Call a method with bytes: the first answer's bytes, or how it was refused; nothing while it says nothing.

        Args:
            door: Where, and as whom.
            method: What is called.
            data: A message, bytes in the place of one, or those of a stream of them.
            token: The assertion that comes with it, if there is one.
            metadata: What else comes with it.
            wait_s: How long to listen to a stream that says nothing.
        """
        assert method.containing_service is not None
        path = f"/{method.containing_service.full_name}/{method.name}"
        channel: Any = self.channel(door)
        make = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }[method.client_streaming, method.server_streaming]
        if isinstance(data, Message):
            data = data.SerializeToString()
        messages = [data] if isinstance(data, bytes) else list(data)
        if token:
            metadata = (actor(token), *metadata)

        async def ask() -> bytes:
            call = make(path)(
                iter(messages) if method.client_streaming else messages[0],
                metadata=metadata,
                timeout=_TIMEOUT_S,
            )
            try:
                async with asyncio.timeout(wait_s):
                    answer = await (call.read() if method.server_streaming else call)
            except TimeoutError:
                return b""
            finally:
                call.cancel()
            return answer if isinstance(answer, bytes) else b""

        return await answered(ask)

    async def case_call(self, name: str, method: str, request: Message, token: str = "") -> bytes | Refused:
        """CaseService of a department, from its own system."""
        descriptor = cases.DESCRIPTOR.services_by_name["CaseService"].methods_by_name[method]
        return await self.call(self.node(name), descriptor, request, token or self.token(name))

    async def submit(self, name: str, *letters: Sent) -> list[exchange.Outcome] | Refused:
        """Submit letters with a department's keys."""
        return await self.submit_batch(name, self.signer(name).batch(*letters))

    async def submit_batch(
        self, name: str, *batches: exchange.SubmitRequest
    ) -> list[exchange.Outcome] | Refused:
        """Submit batches under a department's certificate; the outcomes of all of them."""
        stub = exchange_stubs.ExchangeServiceStub(self.channel(self.registry(name)))

        async def ask() -> list[exchange.Outcome]:
            stream = stub.Submit(iter(batches), timeout=_TIMEOUT_S)
            return [outcome async for response in stream for outcome in response.outcomes]

        return await answered(ask)

    async def refused(self, name: str, *letters: Sent) -> tuple[str, str]:
        """Submit letters of which the last must not be admitted: its reason and field."""
        outcomes = await self.submit(name, *letters)
        assert not isinstance(outcomes, Refused), outcomes
        outcome = outcomes[-1]
        assert outcome.disposition != exchange.DISPOSITION_ADMITTED, f"{letters[-1].header} was admitted"
        return word_of(outcome.reason), outcome.field

    async def evidence(self, name: str, kind: str, content: bytes) -> envelopes.Material:
        """Bring evidence to the registry as a department, past its node."""
        path = self.folder / uuid4().hex
        path.write_bytes(content)
        manifest = await manifest_of(path)
        stub = evidence_stubs.EvidenceServiceStub(self.channel(self.registry(name)))
        await upload(stub, manifest, chunks_of_file(path))
        return envelopes.Material(
            kind=kind, manifest_root=manifest.root, digest=manifest.digest, size=manifest.size
        )

    async def diagnose(self, tls: TlsFiles) -> str:
        """What the enrolment port says of a certificate."""
        answer = await enrolment_stubs.EnrolmentServiceStub(self.channel(self.enrolment())).Diagnose(
            enrolment.DiagnoseRequest(certificate=tls.cert.read_bytes()), timeout=_TIMEOUT_S
        )
        assert not answer.accepted
        assert answer.message
        return word_of(answer.reason)

    async def publish(self, request: Message) -> None:
        """Publish a common entry as an operator."""
        stub: Any = directory_stubs.DirectoryServiceStub(self.channel(self.operator()))
        with remote_errors():
            await stub.PublishEntry(request, timeout=_TIMEOUT_S)

    # -- what is left behind --------------------------------------------------------------------

    def counts(self) -> dict[str, dict[str, int]]:
        """Rows of every table of every database."""
        return {name: table_sizes(self._database(name)) for name in ("registry", *self.world.parties)}

    def ledger(self) -> int:
        """Leaves in the ledger."""
        return table_sizes(self._database("registry"))["ledger"]

    def _database(self, name: str) -> Path:
        return self.world.plan.folder / name / f"{name}.sqlite3"

    async def calm(self) -> dict[str, dict[str, int]]:
        """Wait until nothing is on its way; what there is then."""
        before: dict[str, dict[str, int]] = {}
        for _ in range(300):
            now = self.counts()
            if now == before and not any(tables.get("outbox") for tables in now.values()):
                return now
            before = now
            await asyncio.sleep(0.15)
        raise TimeoutError("letters are still on their way")

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Whatever is tried within: no row is left of it, and every process lives and answers."""
        before = await self.calm()
        yield
        self.world.district.check()
        for party in self.world.parties.values():
            await party.cases.GetNodeState(
                cases.GetNodeStateRequest(), metadata=party.actor("system"), timeout=_TIMEOUT_S
            )
        after = await self.calm()
        grown = {
            f"{name} {table}": (before[name].get(table, 0), count)
            for name, tables in after.items()
            for table, count in tables.items()
            if before[name].get(table, 0) != count
        }
        assert not grown, f"rows before and after: {grown}"

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close(None)


def actor(token: str) -> tuple[str, str]:
    """The metadata that an assertion comes in."""
    return "liandong-actor", token


def table_sizes(database: Path) -> dict[str, int]:
    """Rows by table, in one snapshot."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if name not in _NOT_COUNTED
        }


def base64url(data: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")
