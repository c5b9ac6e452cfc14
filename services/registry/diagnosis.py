"""Why a certificate is not accepted: what a failed TLS handshake cannot say."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.errors import LiandongError
from services.exchange.authority import Authority, PeerKind, peer_identity
from services.exchange.directory import Directory


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the registry thinks of a certificate. `reason` is empty where it is accepted."""

    reason: str
    message: str
    department: str = ""
    not_after: datetime | None = None

    @property
    def accepted(self) -> bool:
        """Whether the registry would accept it."""
        return not self.reason


def diagnose(certificate_pem: bytes, authority: Authority, directory: Directory, now: datetime) -> Diagnosis:
    """Says what is wrong with a certificate and what to do about it.

    Args:
        certificate_pem: The certificate, or a chain that begins with it.
        authority: This registry's.
        directory: The newest.
        now: The registry's clock.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certificate.verify_directly_issued_by(authority.certificate)
        peer = peer_identity(certificate_pem)
    except (ValueError, TypeError, InvalidSignature, LiandongError):
        return Diagnosis(
            "UNKNOWN_CERTIFICATE", "This registry did not issue it: join, and use the certificate you get."
        )
    reason, message = _judge(peer.department, peer.kind, directory)
    if directory.certificate_revoked(peer.department, peer.serial, peer.not_after):
        reason, message = "CERTIFICATE_REVOKED", "It was revoked: ask the operator for a new invitation."
    elif peer.not_after <= now:
        reason, message = "CERTIFICATE_EXPIRED", f"It ended on {peer.not_after:%Y-%m-%d %H:%M} UTC: renew it."
    return Diagnosis(reason, message, peer.department, peer.not_after)


def _judge(name: str, kind: PeerKind, directory: Directory) -> tuple[str, str]:
    if kind in (PeerKind.REGISTRY, PeerKind.OPERATOR):
        return "", "It is accepted."
    department = directory.department(name)
    if department is None:
        return "UNKNOWN_DEPARTMENT", f"No department is called {name}."
    if department.status != pb.DEPARTMENT_STATUS_ACTIVE:
        status = pb.DepartmentStatus.Name(department.status).removeprefix("DEPARTMENT_STATUS_").lower()
        return "DEPARTMENT_INACTIVE", f"{name} is {status}: ask the registry's operator."
    return "", "It is accepted."
