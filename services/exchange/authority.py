"""The registry's certificate authority for TLS, and who a peer is by its certificate.

Certificates are ECDSA P-256 (grpcio's TLS rejects Ed25519) and live 30 days. A certificate names
its holder by exactly one URI SAN, `liandong://<department>/<kind>[/<name>]`; a server's also names
hosts. Of a signing request only the public key is believed: names come from the registry's own
directory.
"""

import enum
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.common.errors import LiandongError, Unauthenticated
from services.exchange.keys import is_p256

CERTIFICATE_LIFETIME: Final = timedelta(days=30)
AUTHORITY_LIFETIME: Final = timedelta(days=3650)
# A node whose clock is off by no more than is tolerated can use a certificate at once.
BACKDATED: Final = timedelta(minutes=5)

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_IDENTITY: Final = re.compile(
    rf"liandong://(?P<department>{_LABEL}(?:\.{_LABEL})+)/(?P<kind>[a-z]+)"
    r"(?:/(?P<name>[a-z0-9][a-z0-9-]{0,59}))?"
)
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_DEPARTMENT: Final = 120
_MAX_COMMON_NAME: Final = 64


class RequestInvalid(LiandongError):
    """The signing request is no PKCS #10 in PEM with a P-256 key that signed it."""

    reason = "MALFORMED"
    code = "INVALID_ARGUMENT"


class UnknownCertificate(Unauthenticated):
    """The certificate names no department."""


class PeerKind(enum.StrEnum):
    """What a certificate's holder is."""

    NODE = "node"
    GATEWAY = "gateway"
    SYSTEM = "system"
    REGISTRY = "registry"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class PeerName:
    """Who a certificate is for. `name` tells holders of one kind apart; a system always has one."""

    department: str
    kind: PeerKind
    name: str = ""

    def __post_init__(self) -> None:
        if not _IDENTITY.fullmatch(self.uri) or len(self.department) > _MAX_DEPARTMENT:
            raise ValueError(f"{self.uri} names no department")
        if self.kind is PeerKind.SYSTEM and not self.name:
            raise ValueError("a system is named")

    @property
    def uri(self) -> str:
        """The URI SAN."""
        return f"liandong://{self.department}/{self.kind}" + (f"/{self.name}" if self.name else "")

    @classmethod
    def parse(cls, uri: str) -> Self:
        """The name in a URI SAN.

        Raises:
            ValueError: The URI is none of ours.
        """
        match = _IDENTITY.fullmatch(uri)
        if match is None:
            raise ValueError(f"{uri} names no department")
        return cls(match["department"], PeerKind(match["kind"]), match["name"] or "")


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who a verified certificate says the peer is. `serial` is lowercase hexadecimal."""

    department: str
    kind: PeerKind
    name: str
    serial: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str, now: datetime) -> Self:
        """A new authority for ten years.

        Args:
            name: Its common name, such as the log id.
            now: The present.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_MAX_COMMON_NAME])])
        public = key.public_key()
        certificate = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate_pem: bytes, key: ec.EllipticCurvePrivateKey) -> Self:
        """The authority of a stored certificate and key.

        Raises:
            ValueError: The bytes are no certificate, or the key is not that of the certificate.
        """
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(certificate, key)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM: what peers trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        uri: str,
        now: datetime,
        sans: Iterable[str] = (),
        *,
        lifetime: timedelta = CERTIFICATE_LIFETIME,
    ) -> bytes:
        """Issues a certificate for client and server use.

        Args:
            public_key: The holder's key, P-256.
            uri: The holder's name; see `PeerName`.
            now: The present.
            sans: Host names and IP addresses under which the holder serves; none for a pure client.
            lifetime: How long it is valid.

        Returns:
            The certificate in PEM.

        Raises:
            ValueError: The URI is none of ours, or a host name is not one.
        """
        peer = PeerName.parse(uri)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(peer.uri)]
        names.extend(_host(san) for san in sans)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, peer.department[:_MAX_COMMON_NAME])])
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder(
                subject_name=subject, issuer_name=self.certificate.subject, public_key=public_key
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def sign_request(
        self,
        csr_pem: bytes,
        uri: str,
        now: datetime,
        sans: Iterable[str] = (),
        *,
        lifetime: timedelta = CERTIFICATE_LIFETIME,
    ) -> bytes:
        """Issues a certificate for the public key of a signing request, and for nothing else in it.

        Arguments as for `issue`.

        Raises:
            RequestInvalid: The request is malformed, its key not P-256, or not signed by that key.
            ValueError: The URI is none of ours, or a host name is not one.
        """
        return self.issue(requested_key(csr_pem), uri, now, sans, lifetime=lifetime)


def signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request (PKCS #10, PEM) that shows nothing but the possession of a key."""
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def requested_key(csr_pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a signing request.

    Raises:
        RequestInvalid: The request is malformed, its key not P-256, or not signed by that key.
    """
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        key = request.public_key()
        genuine = request.is_signature_valid
    except Exception as error:
        # The parser raises errors of several families for hostile bytes; all mean the same here.
        raise RequestInvalid from error
    if not genuine or not isinstance(key, ec.EllipticCurvePublicKey) or not is_p256(key.curve):
        raise RequestInvalid
    return key


@lru_cache(maxsize=4096)
def peer_identity(certificate_pem: bytes) -> PeerIdentity:
    """Who a certificate that TLS has verified says the peer is.

    Raises:
        UnknownCertificate: It does not name exactly one of ours by its URI SAN.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        peer = PeerName.parse(uri)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise UnknownCertificate from error
    serial = f"{certificate.serial_number:x}"
    return PeerIdentity(peer.department, peer.kind, peer.name, serial, certificate.not_valid_after_utc)


def fingerprint(certificate_pem: bytes) -> bytes:
    """SHA-256 of a certificate's DER.

    Raises:
        ValueError: The bytes are no certificate.
    """
    return x509.load_pem_x509_certificate(certificate_pem).fingerprint(hashes.SHA256())


def validity(certificate_pem: bytes) -> tuple[datetime, datetime]:
    """From when until when a certificate is valid, in UTC.

    Raises:
        ValueError: The bytes are no certificate.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name):
            raise ValueError(f"{name} is no host name") from None
        return x509.DNSName(name)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
