"""A node's side of joining and staying: keys, certificate and the files that hold them.

A node's identity is a folder of five files:

    tls.key  tls.crt   its TLS key and certificate, replaced together every fifteen days
    ca.crt             whom it trusts
    sign.key           its `sign` key, as long as the membership lasts
    node.json          who it is and where its registry is

Files appear whole or not at all. `sign.key` is written before the token is redeemed, so that a node that
dies while joining asks again with the same key and gets the same answer; `node.json` comes last and says
that the node is a member.
"""

import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.enrolment.v1 import enrolment_service_pb2 as pb
from liandong.enrolment.v1 import enrolment_service_pb2_grpc as rpc

from services.common.channel import open_channel, remote_errors
from services.common.clock import Clock, SystemClock
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.authority import CERTIFICATE_LIFETIME, signing_request, validity
from services.exchange.joining import InvitationText, join_message, renew_message
from services.exchange.keys import KeyRole

RENEW_WHEN_LEFT: Final = CERTIFICATE_LIFETIME / 2
_TIMEOUT_S: Final = 30
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
_NEXT: Final = ".tls.crt.next"

R = TypeVar("R")


class NotJoined(LiandongError):
    """This folder holds no membership: join with an invitation first."""

    code = "FAILED_PRECONDITION"


class AlreadyJoined(LiandongError):
    """This folder holds a membership already: join into an empty one."""

    code = "ALREADY_EXISTS"


@dataclass(frozen=True, slots=True)
class Membership:
    """What `node.json` says.

    Attributes:
        department: Whose node this is.
        sign_key_id: Id of its `sign` key in the directory.
        registry: Address of the registry's main port, `host:port`.
        enrolment: Address of its enrolment port.
        registry_name: The registry's name, such as `registry.qinghe`.
        log_id: The name of its ledger.
        registry_key: Its Ed25519 public key, hexadecimal; checkpoints are verified with it.
        registry_key_id: The id of that key.
        hosts: Host names and addresses that the node's certificate is for.
    """

    department: str
    sign_key_id: str
    registry: str
    enrolment: str
    registry_name: str
    log_id: str
    registry_key: str
    registry_key_id: str
    hosts: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads `node.json`.

        Raises:
            NotJoined: There is none.
            ValueError: It is damaged.
        """
        try:
            content: dict[str, Any] = json.loads((folder / "node.json").read_text(encoding="utf-8"))
            return cls(**{**content, "hosts": tuple(content["hosts"])})
        except FileNotFoundError as error:
            raise NotJoined from error
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"{folder / 'node.json'} is damaged") from error


class EnrolmentClient:
    """One node's membership, in a folder.

    Args:
        folder: Where its files are; made if need be, for its owner only.
        clock: To date requests with and to see what is due.
        server_name: The DNS name that the registry's certificate must hold, where it is not the host.
    """

    def __init__(self, folder: Path, *, clock: Clock | None = None, server_name: str = "") -> None:
        self.folder = folder
        self._clock = clock or SystemClock()
        self._server_name = server_name
        finish_replacement(folder)

    @property
    def tls(self) -> TlsFiles:
        """The node's TLS files, for servers and channels."""
        return TlsFiles(self.folder / "ca.crt", self.folder / "tls.crt", self.folder / "tls.key")

    @property
    def membership(self) -> Membership:
        """What `node.json` says; see `Membership.load`."""
        return Membership.load(self.folder)

    async def join(
        self, invitation: str, *, hosts: Iterable[str] = (), issuers: Iterable[entries.Issuer] = ()
    ) -> Membership:
        """Redeems an invitation; repeating it after a lost answer is harmless.

        Args:
            invitation: The line that the registry's operator sent.
            hosts: Host names and addresses under which the node will be reached.
            issuers: Issuers of actor assertions that the department accepts.

        Raises:
            InvitationInvalid: The text is none.
            AlreadyJoined: The folder holds a membership.
            LiandongError: What the registry answered, or `Unavailable`.
        """
        text = InvitationText.parse(invitation)
        sign_key = self._begin(text)
        tls_key, request = _tls_request()
        names = tuple(hosts)
        answer = await self._call(
            text.enrolment,
            lambda stub: stub.Join(
                pb.JoinRequest(
                    token=text.token,
                    department=text.department,
                    tls_request=request,
                    sign_public_key=keys.public_key_bytes(sign_key),
                    proof=sign_key.sign(join_message(text.token, request)),
                    issuers=issuers,
                    hosts=names,
                ),
                timeout=_TIMEOUT_S,
            ),
        )
        _keep(self.folder, tls_key, answer.certificate, answer.ca)
        membership = Membership(
            department=text.department,
            sign_key_id=answer.sign_key_id,
            registry=answer.registry_address,
            enrolment=text.enrolment,
            registry_name=answer.registry.name,
            log_id=answer.registry.log_id,
            registry_key=answer.registry.key.public_key.hex(),
            registry_key_id=answer.registry.key.key_id,
            hosts=names,
        )
        content = json.dumps(asdict(membership), ensure_ascii=False, indent=2) + "\n"
        write_file(self.folder / "node.json", content.encode(), _PUBLIC)
        return membership

    async def renew_if_due(self, now: datetime | None = None) -> bool:
        """Renews the node's certificate once half of its life is over.

        The old pair of files stays in use until both new ones are there; servers and channels notice.

        Returns:
            Whether it was renewed.

        Raises:
            NotJoined: There is no membership.
            LiandongError: What the registry answered, or `Unavailable`: try again later.
        """
        membership = self.membership
        _, not_after = validity(self.tls.cert.read_bytes())
        if not_after - (now or self._clock.now()) > RENEW_WHEN_LEFT:
            return False
        tls_key, request = _tls_request()
        answer = await self._renew(membership, "node", request, membership.hosts)
        _keep(self.folder, tls_key, answer.certificate, answer.ca)
        return True

    async def client_certificate(self, kind: str, folder: Path) -> TlsFiles:
        """Gets a certificate for a further client of the department, with a key of its own.

        Args:
            kind: `gateway`, or `system/NAME`.
            folder: Where `tls.key`, `tls.crt` and `ca.crt` are put; made if need be.

        Raises:
            NotJoined: There is no membership.
            LiandongError: What the registry answered, or `Unavailable`.
        """
        tls_key, request = _tls_request()
        answer = await self._renew(self.membership, kind, request, ())
        _keep(folder, tls_key, answer.certificate, answer.ca)
        return TlsFiles(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")

    async def diagnose(self, certificate: bytes | None = None) -> pb.DiagnoseResponse:
        """Asks the registry what it thinks of a certificate, by default the node's own.

        Raises:
            NotJoined: There is no membership.
            LiandongError: `Unavailable`, if the registry is not reached.
        """
        shown = self.tls.cert.read_bytes() if certificate is None else certificate
        return await self._call(
            self.membership.enrolment,
            lambda stub: stub.Diagnose(pb.DiagnoseRequest(certificate=shown), timeout=_TIMEOUT_S),
        )

    async def _renew(
        self, membership: Membership, kind: str, request: bytes, hosts: tuple[str, ...]
    ) -> pb.RenewResponse:
        now = self._clock.now()
        sign_key = keys.load_sign_key(self.folder / "sign.key")
        stamp = Timestamp()
        stamp.FromDatetime(now)
        return await self._call(
            membership.enrolment,
            lambda stub: stub.Renew(
                pb.RenewRequest(
                    department=membership.department,
                    tls_request=request,
                    kind=kind,
                    requested_at=stamp,
                    sign_key_id=membership.sign_key_id,
                    proof=sign_key.sign(renew_message(membership.department, kind, now, request)),
                    hosts=hosts,
                ),
                timeout=_TIMEOUT_S,
            ),
        )

    async def _call(self, address: str, ask: "Callable[[rpc.EnrolmentServiceAsyncStub], Awaitable[R]]") -> R:
        channel = open_channel(address, self.tls, server_name=self._server_name, present_certificate=False)
        async with channel:
            with remote_errors():
                return await ask(rpc.EnrolmentServiceStub(channel))

    def _begin(self, text: InvitationText) -> Ed25519PrivateKey:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (self.folder / "node.json").exists():
            raise AlreadyJoined
        path = self.folder / "sign.key"
        if not path.exists():
            try:
                keys.save_private_key(path, keys.generate(KeyRole.SIGN))
            except FileExistsError:
                # the key that came first is the one that joins; of the other nobody heard
                raise AlreadyJoined("Another process joins with this folder right now.") from None
        # the invitation came by a way the operator trusts: its trust root holds from the first call on
        write_file(self.folder / "ca.crt", text.ca.encode(), _PUBLIC)
        return keys.load_sign_key(path)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Replaces a file whole, on the disk when this returns.

    Raises:
        OSError: It cannot be written; the old one is untouched.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _tls_request() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = keys.generate(KeyRole.TLS)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, signing_request(key)


def _keep(folder: Path, tls_key: ec.EllipticCurvePrivateKey, certificate: bytes, ca: bytes) -> None:
    encoded = tls_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(folder / "ca.crt", ca, _PUBLIC)
    # two files cannot change at once: with the new certificate laid down first, whoever finds the new key
    # beside the old certificate can finish what a lost power supply left
    write_file(folder / _NEXT, certificate, _PUBLIC)
    write_file(folder / "tls.key", encoded, _PRIVATE)
    (folder / _NEXT).replace(folder / "tls.crt")


def finish_replacement(folder: Path) -> None:
    """Finishes, or drops, a replacement of key and certificate that was cut off between the two."""
    waiting = folder / _NEXT
    if not waiting.exists():
        return
    try:
        TlsFiles(folder / "ca.crt", waiting, folder / "tls.key").read()
    except (OSError, ValueError):
        waiting.unlink()
    else:
        waiting.replace(folder / "tls.crt")
