"""A department that signs: keys, assertions, headers and batches as a node makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.cases.v1 import bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb
from uuid_utils import uuid7

from services.common.clock import Clock, SystemClock
from services.exchange import digests, keys
from services.exchange.assertions import Claims, Purpose, issue
from services.exchange.keys import KeyRole
from services.exchange.letters import timestamp
from services.exchange.merkle import BatchTree

SUITE = pb.SUITE_ED25519_SHA256_AES256GCM
REGISTRY = "registry.qinghe"
LOG_ID = "liandong.qinghe"
HEALTH = "health.qinghe"
MARKET = "market.qinghe"
JUSTICE = "justice.qinghe"
WATER = "water.qinghe"


def new_id() -> str:
    """A UUIDv7."""
    return str(uuid7())


def root_of(kind: str, author: str) -> bytes:
    """The manifest root under which these tests keep a material of an author."""
    return sha256(f"{kind} of {author}".encode()).digest()


@dataclass
class Sent:
    """An envelope, and the header that it was made of."""

    header: pb.Header
    envelope: pb.Envelope

    @property
    def letter_id(self) -> str:
        return self.header.letter_id

    @property
    def digest(self) -> bytes:
        return digests.letter_digest(self.envelope.header)


@dataclass
class Signer:
    """A department's node and its issuer of assertions."""

    name: str
    clock: Clock = field(default_factory=SystemClock)
    sign_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    issuer_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @cached_property
    def key_id(self) -> str:
        return keys.key_id(self.name, KeyRole.SIGN, keys.public_key_bytes(self.sign_key))

    @cached_property
    def issuer(self) -> str:
        return f"https://login.{self.name}"

    def entry(self, **changes: object) -> directory_pb.CommonEntry:
        """The department's entry in the directory, active, with its keys."""
        word = self.name.partition(".")[0]
        department = directory_pb.Department(
            name=self.name,
            title=directory_pb.Title(zh="部门", en=word.title()),
            level=directory_pb.LEVEL_DISTRICT,
            status=directory_pb.DEPARTMENT_STATUS_ACTIVE,
            keys=[
                directory_pb.PublicKey(
                    key_id=self.key_id,
                    role=directory_pb.KEY_ROLE_SIGN,
                    public_key=keys.public_key_bytes(self.sign_key),
                )
            ],
            issuers=[
                directory_pb.Issuer(issuer=self.issuer, public_key=keys.public_key_bytes(self.issuer_key))
            ],
        )
        for name, value in changes.items():
            setattr(department, name, value)
        return directory_pb.CommonEntry(department=department)

    # -- people -----------------------------------------------------------------------------------

    def assertion(
        self,
        role: str,
        content: bytes | None = None,
        purpose: Purpose = Purpose.ACT,
        *,
        service: bool = False,
        audience: str = "",
        subject: str = "",
        certificate: str = "",
    ) -> bytes:
        """An assertion by the department's issuer; bound to a content, or its digest, if one is given."""
        now = self.clock.now().replace(microsecond=0)
        return issue(
            self.issuer_key,
            Claims(
                issuer=self.issuer,
                subject=subject or f"{role}-1",
                name="张三",
                audience=audience or self.name,
                roles=(role,),
                acr="urn:example:loa:2",
                issued_at=now,
                expires_at=now + timedelta(minutes=5),
                token_id=new_id(),
                content_digest=_digest_of(content),
                purpose=purpose,
                service=service,
                certificate=certificate,
            ),
        )

    @cached_property
    def session(self) -> bytes:
        """The assertion under which a system of the department sends everything."""
        return self.assertion("system", service=True)

    # -- letters ----------------------------------------------------------------------------------

    def act(
        self,
        case_id: str,
        act: str,
        *,
        procedure: str = "case-transfer",
        parties: Mapping[str, str] | None = None,
        recipients: Sequence[str] = (),
        materials: Sequence[str | pb.Material] = (),
        approved_by: Sequence[str] = (),
        based_on: int | None = None,
        predecessor: str = "",
        by_person: bool = False,
        payload: bytes | None = None,
        observed: pb.ObservedHead | None = None,
        occurred_at: datetime | None = None,
        signed_at: datetime | None = None,
        letter_id: str = "",
        item_code: str = "",
        author: str = "",
        body_type: str = "liandong.cases.v1.Discovery",
        schema_digest: bytes = b"",
        **fields: object,
    ) -> Sent:
        """One act; `parties` maps departments to roles."""
        signed = signed_at or self.clock.now()
        body = bodies_pb2.Discovery().SerializeToString() if payload is None else payload
        content = pb.ActContent(
            case_id=case_id,
            home_registry=REGISTRY,
            procedure=procedure,
            procedure_version=1,
            act=act,
            parties=[pb.Party(role=role, department=name) for name, role in (parties or {}).items()],
            recipients=recipients,
            occurred_at=timestamp(occurred_at or signed - timedelta(hours=1)),
            urgency=pb.URGENCY_ORDINARY,
            materials=[kind if isinstance(kind, pb.Material) else self.material(kind) for kind in materials],
            body_type=body_type,
            body_digest=digests.sha256(body),
            item_code=item_code,
            **fields,  # type: ignore[arg-type]
        )
        frozen = content.SerializeToString()
        assertions, approvals = [], []
        for role in approved_by:
            assertions.append(self.assertion(role, frozen, Purpose.APPROVE))
            approvals.append(
                pb.Approval(
                    role=role,
                    name="张三",
                    subject=f"{role}-1",
                    approved_at=timestamp(signed),
                    assertion_digest=digests.sha256(assertions[-1]),
                )
            )
        role = "clerk" if by_person else "system"
        assertions.append(self.assertion("clerk", frozen, Purpose.SEND) if by_person else self.session)
        header = pb.Header(
            letter_id=letter_id or new_id(),
            author=author or self.name,
            suite=SUITE,
            payload_type=content.body_type,
            payload_digest=digests.sha256(body),
            schema_digest=schema_digest,
            assertion_digests=[digests.sha256(each) for each in assertions],
            actor=pb.Actor(name="张三", subject=f"{role}-1", role=role, service=not by_person),
            signed_at=timestamp(signed),
            act=pb.ActHeader(content=frozen, approvals=approvals, predecessor=predecessor),
        )
        if based_on is not None:
            header.act.based_on.CopyFrom(pb.LedgerPosition(log_id=LOG_ID, epoch=1, position=based_on))
        return self.seal(header, body, assertions, observed)

    def material(self, kind: str, root: bytes | None = None) -> pb.Material:
        """A material; without a root the one that these tests keep for the kind."""
        return pb.Material(
            kind=kind,
            manifest_root=root_of(kind, self.name) if root is None else root,
            digest=sha256(kind.encode()).digest(),
            size=1,
        )

    def arrival(self, letters: Mapping[int, bytes]) -> Sent:
        """The node's word that letters came, by position and digest."""
        header = self._header(b"")
        for position, digest in sorted(letters.items()):
            header.arrival.letters.add(position=position, letter_digest=digest)
        return self.seal(header, b"")

    def item(
        self,
        act: "pb.ItemAct.ValueType",
        category: str,
        item_id: str = "",
        bulletin: sharing_pb.Bulletin | None = None,
        **fields: object,
    ) -> Sent:
        """A letter about a shared item, or a subscription."""
        payload = b"" if act in (pb.ITEM_ACT_SUBSCRIBE, pb.ITEM_ACT_UNSUBSCRIBE) else b"bulletin"
        if bulletin is not None:
            payload = bulletin.SerializeToString()
        header = self._header(payload)
        header.payload_type = bulletin.DESCRIPTOR.full_name if bulletin is not None else ""
        header.item.CopyFrom(
            pb.ItemHeader(
                act=act,
                category=category,
                item_id=item_id,
                formed_at=timestamp(self.clock.now() - timedelta(hours=1)),
                **fields,  # type: ignore[arg-type]
            )
        )
        return self.seal(header, payload)

    def seal(
        self,
        header: pb.Header,
        payload: bytes,
        assertions: Sequence[bytes] = (),
        observed: pb.ObservedHead | None = None,
    ) -> Sent:
        """Freeze a header."""
        if observed is not None:
            header.observed_head.CopyFrom(observed)
        envelope = pb.Envelope(header=header.SerializeToString(), payload=payload, assertions=assertions)
        return Sent(header, envelope)

    def batch(self, *letters: Sent, sequence: int = 1) -> service_pb.SubmitRequest:
        """Letters signed together."""
        tree = BatchTree([digests.batch_leaf(each.digest) for each in letters])
        return service_pb.SubmitRequest(
            sequence=sequence,
            envelopes=[each.envelope for each in letters],
            proof=pb.AuthorProof(
                suite=SUITE,
                key_id=self.key_id,
                tree_size=tree.size,
                root=tree.root,
                signature=keys.sign_batch(self.sign_key, self.key_id, tree.size, tree.root),
            ),
        )

    def _header(self, payload: bytes) -> pb.Header:
        return pb.Header(
            letter_id=new_id(),
            author=self.name,
            suite=SUITE,
            payload_digest=digests.sha256(payload),
            actor=pb.Actor(name="node", subject="node", role="node", service=True),
            signed_at=timestamp(self.clock.now()),
        )


def _digest_of(content: bytes | None) -> bytes | None:
    if content is None or len(content) == digests.DIGEST_SIZE:
        return content
    return digests.content_digest(content)
