"""A throw-away authority and a real server with mutual TLS on a free port."""

import datetime as dt
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.common.channel import open_channel
from services.common.clock import ManualClock
from services.common.server import Server
from services.common.tls import TlsFiles

from .echo import DESCRIPTOR, RULES, Client, Echo


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, name: str, *uris: str, lifetime: dt.timedelta = dt.timedelta(days=1)) -> TlsFiles:
        """A key and a certificate for localhost with these URIs; an existing one of that name is replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            _builder(name, self.certificate.subject, key, lifetime)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        files = TlsFiles(self.folder / "ca.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")
        files.ca.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
        return files


def _builder(
    name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that only this test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("Test authority", None, key, dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(tmp_path, key, certificate)


@dataclass
class Wire:
    """A running server, its servicer, and a client that is the node of another department."""

    server: Server
    echo: Echo
    client: Client
    clock: ManualClock
    authority: Authority
    revoked: set[str]


@pytest_asyncio.fixture
async def wire(authority: Authority) -> AsyncIterator[Wire]:
    """One department's server with mutual TLS on a free port."""
    clock, revoked, echo = ManualClock(dt.datetime.now(dt.UTC)), set[str](), Echo()
    server = Server(
        "127.0.0.1:0",
        authority.issue("server", "liandong://health.qinghe/node"),
        department="health.qinghe",
        rules=RULES,
        clock=clock,
        is_revoked=lambda caller: caller.department in revoked,
    )
    server.add(echo, DESCRIPTOR)
    await server.start()
    tls = authority.issue("client", "liandong://police.qinghe/node/one")
    async with open_channel(f"127.0.0.1:{server.port}", tls) as channel:
        yield Wire(server, echo, Client(channel), clock, authority, revoked)
    echo.gate.set()
    await server.stop(0.5)
