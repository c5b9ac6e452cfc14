"""How a department becomes a member and stays one.

An operator invites a department that is listed in the directory; the invitation holds a one-time token.
Who redeems it shows possession of two fresh keys: the `sign` key goes into the department's directory
entry, the TLS key is certified. From then on the `sign` key asks for every further certificate.

Everything that can be refused is refused before the token is taken, and taking it binds it to the `sign`
key that asked: a node that lost the answer asks again with the same key and gets it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.clock import Clock
from services.common.errors import (
    CertificateExpired,
    CertificateRevoked,
    ClockSkew,
    InvalidField,
    LiandongError,
    Unavailable,
)
from services.exchange import keys
from services.exchange.authority import Authority, PeerKind, PeerName, peer_identity, requested_key
from services.exchange.directory import Directory
from services.exchange.joining import InvitationText, NotKeyHolder, TokenInvalid, join_message, renew_message
from services.exchange.keys import BadSignature, KeyRole
from services.registry.commands import Change
from services.registry.enrolment_store import EnrolmentStore, Invitation, IssuedCertificate
from services.registry.hosts import checked_hosts, host_of
from services.registry.membership import joined

INVITATION_LIFETIME: Final = timedelta(hours=72)
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
RENEWAL_GRACE: Final = timedelta(days=30)
"""How long after its end a certificate may still be renewed: a department may be offline that long."""

_TOKEN_SIZE: Final = 32
_MAY_STAY: Final = frozenset({pb.DEPARTMENT_STATUS_ACTIVE, pb.DEPARTMENT_STATUS_SUSPENDED})
_MAY_JOIN: Final = frozenset({pb.DEPARTMENT_STATUS_LISTED, pb.DEPARTMENT_STATUS_ACTIVE})

Publish = Callable[[Change], Awaitable[object]]
"""Puts the entry that a change gives into the ledger and returns once it is applied (`Publisher`)."""


class UnknownDepartment(LiandongError):
    """No department of that name is in the directory."""

    reason = "UNKNOWN_DEPARTMENT"
    code = "NOT_FOUND"


class DepartmentInactive(LiandongError):
    """The department is not active in the directory: ask the registry's operator."""

    reason = "DEPARTMENT_INACTIVE"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True, slots=True)
class Join:
    """A node's request to become its department's; the fields are those of `JoinRequest`."""

    token: str
    department: str
    tls_request: bytes
    sign_public_key: bytes
    proof: bytes
    issuers: tuple[pb.Issuer, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewal:
    """A node's request for a certificate; the fields are those of `RenewRequest`."""

    department: str
    tls_request: bytes
    kind: str
    requested_at: datetime
    sign_key_id: str
    proof: bytes
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """What a node that joined is given. `certificate` and `ca` are PEM."""

    certificate: bytes
    ca: bytes
    sign_key_id: str
    registry: pb.RegistryIdentity
    registry_address: str


class Enrolment:
    """The registry's side of joining and staying.

    Args:
        store: Invitations and certificates.
        authority: Issues the certificates.
        clock: The registry's clock.
        current: The newest directory.
        publish: See `Publish`; afterwards `current` shows the entry. Two that join at once, also at two
            replicas, are listed one after the other, each in sight of the one before.
        registry_address: The main port, `host:port`, as departments reach it.
        enrolment_address: The enrolment port.
    """

    def __init__(
        self,
        *,
        store: EnrolmentStore,
        authority: Authority,
        clock: Clock,
        current: Callable[[], Directory],
        publish: Publish,
        registry_address: str,
        enrolment_address: str,
    ) -> None:
        self._store = store
        self._authority = authority
        self._clock = clock
        self._current = current
        self._publish = publish
        self._registry_address = registry_address
        self._enrolment_address = enrolment_address
        self._reserved = (host_of(registry_address), host_of(enrolment_address))

    async def invite(
        self, department: str, lifetime: timedelta = INVITATION_LIFETIME
    ) -> tuple[str, datetime]:
        """Makes a one-time token for a department.

        Returns:
            The invitation's text, which nobody can be shown again, and its end.

        Raises:
            UnknownDepartment: It is not in the directory.
            DepartmentInactive: It is suspended or left.
        """
        _joinable(department, self._current())
        token = secrets.token_urlsafe(_TOKEN_SIZE)
        now = self._clock.now()
        invitation = Invitation(token_digest(token), department, now, now + lifetime)
        await asyncio.to_thread(self._store.add_invitation, invitation)
        text = InvitationText(
            department, self._registry_address, self._enrolment_address, self._authority.pem.decode(), token
        )
        return str(text), invitation.expires_at

    async def invitations(self) -> list[Invitation]:
        """The newest invitations, newest first."""
        return await asyncio.to_thread(self._store.invitations)

    async def join(self, request: Join) -> Membership:
        """Redeems a token.

        Raises:
            TokenInvalid: It is unknown, expired, another department's, or another key redeemed it.
            BadSignature: The proof is not by the `sign` key.
            CertificateRevoked: The `sign` key was revoked.
            NotKeyHolder: The `sign` key was replaced since.
            RequestInvalid: The TLS request is none.
            InvalidField: A host is refused.
            UnknownDepartment: The department left the directory.
            DepartmentInactive: It is suspended or left.
        """
        now = self._clock.now()
        digest = token_digest(request.token)
        invitation = await asyncio.to_thread(self._store.invitation, digest)
        if invitation is None or invitation.department != request.department:
            raise TokenInvalid
        if invitation.expires_at <= now:
            raise TokenInvalid(f"The invitation ended on {invitation.expires_at:%Y-%m-%d %H:%M} UTC.")
        message = join_message(request.token, request.tls_request)
        keys.Ed25519Scheme().verify(request.sign_public_key, request.proof, message)
        hosts = checked_hosts(request.hosts, reserved=self._reserved)
        requested_key(request.tls_request)
        directory = self._current()
        _joinable(request.department, directory)
        sign_key_id = keys.key_id(request.department, KeyRole.SIGN, request.sign_public_key)
        _check_usable(sign_key_id, request.sign_public_key, directory)
        registry = directory.registry()
        if registry is None:
            raise Unavailable
        if not await asyncio.to_thread(self._store.redeem, digest, request.sign_public_key, now):
            raise TokenInvalid("The invitation was used before, with another key.")
        await self._list(request, sign_key_id)
        peer = PeerName(request.department, PeerKind.NODE)
        certificate = await self._certify(request.tls_request, peer, hosts)
        return Membership(certificate, self._authority.pem, sign_key_id, registry, self._registry_address)

    async def renew(self, request: Renewal) -> tuple[bytes, bytes]:
        """Certifies a TLS key for a member.

        Returns:
            Certificate and trust root, PEM.

        Raises:
            ClockSkew: The request was not made now.
            UnknownDepartment: The department is not in the directory.
            DepartmentInactive: It never joined, or left.
            NotKeyHolder: The proof is not by a current `sign` key of the department.
            CertificateRevoked: The key, or the node's newest certificate, was revoked.
            CertificateExpired: The node's newest certificate ended more than `RENEWAL_GRACE` ago.
            RequestInvalid: The TLS request is none.
            InvalidField: A host is refused.
        """
        now = self._clock.now()
        if abs(now - request.requested_at) > CLOCK_TOLERANCE:
            raise ClockSkew(
                f"The request says {request.requested_at:%H:%M:%S} UTC; here it is {now:%H:%M:%S}."
            )
        directory = self._current()
        self._verify(request, directory, now)
        department = directory.department(request.department)
        if department is None:
            raise UnknownDepartment
        if department.status not in _MAY_STAY:
            raise DepartmentInactive
        newest = await asyncio.to_thread(self._store.newest_certificate, request.department, PeerKind.NODE)
        if newest is None or newest.not_after + RENEWAL_GRACE < now:
            raise CertificateExpired("The certificate ended too long ago to be renewed: join again.")
        if directory.certificate_revoked(request.department, newest.serial, newest.not_after):
            raise CertificateRevoked("The node's certificate was revoked: join again.")
        peer = peer_name(request.department, request.kind)
        if request.hosts and peer.kind is not PeerKind.NODE:
            raise InvalidField("Only a node's certificate names hosts.", field="hosts")
        hosts = checked_hosts(request.hosts, reserved=self._reserved)
        return await self._certify(request.tls_request, peer, hosts), self._authority.pem

    def _verify(self, request: Renewal, directory: Directory, now: datetime) -> None:
        if directory.revoked(request.sign_key_id):
            raise CertificateRevoked("The sign key was revoked: join again.")
        public_key = directory.sign_key(request.sign_key_id, now)
        if public_key is None or not request.sign_key_id.startswith(f"{request.department}/"):
            raise NotKeyHolder
        message = renew_message(request.department, request.kind, request.requested_at, request.tls_request)
        try:
            keys.Ed25519Scheme().verify(public_key, request.proof, message)
        except BadSignature as error:
            raise NotKeyHolder from error

    async def _list(self, request: Join, sign_key_id: str) -> None:
        def change(directory: Directory, now: datetime) -> pb.CommonEntry | None:
            # asked again: since `join` looked, another replica may have let a node in, or an operator suspended
            before = _joinable(request.department, directory)
            _check_usable(sign_key_id, request.sign_public_key, directory)
            after = joined(before, sign_key_id, request.sign_public_key, request.issuers, now)
            return pb.CommonEntry(department=after) if after != before else None

        await self._publish(change)

    async def _certify(self, tls_request: bytes, peer: PeerName, hosts: tuple[str, ...]) -> bytes:
        certificate = self._authority.sign_request(tls_request, peer.uri, self._clock.now(), hosts)
        identity = peer_identity(certificate)
        kind = f"{peer.kind}/{peer.name}" if peer.name else str(peer.kind)
        issued = IssuedCertificate(identity.serial, peer.department, kind, identity.not_after, certificate)
        await asyncio.to_thread(self._store.add_certificate, issued)
        return certificate


def _joinable(name: str, directory: Directory) -> pb.Department:
    department = directory.department(name)
    if department is None:
        raise UnknownDepartment
    if department.status not in _MAY_JOIN:
        raise DepartmentInactive
    return department


def _check_usable(sign_key_id: str, public_key: bytes, directory: Directory) -> None:
    if directory.revoked(sign_key_id):
        raise CertificateRevoked("This sign key was revoked: make a new one and join with it.")
    known = directory.trust.keys.get(sign_key_id)
    if known is not None and (known.valid_until is not None or known.public_key != public_key):
        # a replaced key could else be put back by repeating the join that once listed it
        raise NotKeyHolder("This sign key was replaced: make a new one and join with it.")


def peer_name(department: str, kind: str) -> PeerName:
    """The holder of a certificate of kind `node`, `gateway` or `system/NAME`.

    Raises:
        InvalidField: There is no such kind for members.
    """
    word, _, name = kind.partition("/")
    try:
        peer = PeerName(department, PeerKind(word), name)
    except ValueError as error:
        raise InvalidField(f"{kind!r} is no kind of certificate.", field="kind") from error
    if peer.kind not in (PeerKind.NODE, PeerKind.GATEWAY, PeerKind.SYSTEM) or (
        bool(name) != (peer.kind is PeerKind.SYSTEM)
    ):
        raise InvalidField(f"{kind!r} is no kind of certificate for members.", field="kind")
    return peer


def token_digest(token: str) -> bytes:
    """What is kept of a token. Random as it is, it needs no slow hash."""
    return sha256(token.encode()).digest()
