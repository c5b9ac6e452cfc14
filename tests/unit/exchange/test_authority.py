from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from services.exchange import authority
from services.exchange.authority import (
    Authority,
    PeerKind,
    PeerName,
    RequestInvalid,
    UnknownCertificate,
    peer_identity,
    signing_request,
)

NOW = datetime(2026, 8, 10, 9, 30, tzinfo=UTC)
NODE = "liandong://health.qinghe/node"
KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = Authority.create("liandong.qinghe", NOW)


def load(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def names(pem: bytes) -> x509.SubjectAlternativeName:
    return load(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def request(key: Any, *uris: str) -> bytes:
    """A signing request that asks for more than it will get."""
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if uris:
        general = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    algorithm = None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def test_a_server_certificate_is_verified_under_its_hosts() -> None:
    """A strict verifier builds the chain for the DNS name and the address, and for client use."""
    pem = ISSUER.issue(KEY.public_key(), NODE, NOW, ["node.health.qinghe", "127.0.0.1", "::1"])

    policy = PolicyBuilder().store(Store([ISSUER.certificate])).time(NOW + timedelta(days=1))
    policy.build_server_verifier(x509.DNSName("node.health.qinghe")).verify(load(pem), [])
    policy.build_server_verifier(x509.IPAddress(ip_address("::1"))).verify(load(pem), [])
    policy.build_client_verifier().verify(load(pem), [])


def test_a_certificate_lives_30_days_and_serves_both_uses() -> None:
    """It is valid a little early, for clocks that are behind."""
    pem = ISSUER.issue(KEY.public_key(), NODE, NOW)

    usages = load(pem).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert authority.validity(pem) == (NOW - timedelta(minutes=5), NOW + timedelta(days=30))
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert authority.fingerprint(pem) == load(pem).fingerprint(hashes.SHA256())


@pytest.mark.parametrize(
    ("uri", "department", "kind", "name"),
    [
        (NODE, "health.qinghe", PeerKind.NODE, ""),
        ("liandong://health.qinghe/gateway", "health.qinghe", PeerKind.GATEWAY, ""),
        ("liandong://a-1.b.c/system/petition-office", "a-1.b.c", PeerKind.SYSTEM, "petition-office"),
        ("liandong://liandong.qinghe/registry", "liandong.qinghe", PeerKind.REGISTRY, ""),
        ("liandong://health.qinghe/operator/wang", "health.qinghe", PeerKind.OPERATOR, "wang"),
    ],
)
def test_a_peer_is_who_its_certificate_names(uri: str, department: str, kind: PeerKind, name: str) -> None:
    """Department, kind and name come from the one URI; serial and end from the certificate."""
    pem = ISSUER.issue(KEY.public_key(), uri, NOW)

    peer = peer_identity(pem)

    assert (peer.department, peer.kind, peer.name) == (department, kind, name)
    assert int(peer.serial, 16) == load(pem).serial_number
    assert peer.not_after == NOW + timedelta(days=30)
    assert PeerName(department, kind, name).uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://health.qinghe/node",
        "liandong://health/node",
        "liandong://Health.qinghe/node",
        "liandong://health.qinghe",
        "liandong://health.qinghe/other",
        "liandong://health.qinghe/system",
        "liandong://health.qinghe/node/",
        "liandong://health.qinghe/system/a/b",
        "liandong://health.qinghe/node?x",
        "liandong://health.qinghe/node\n",
        "liandong://" + "a" * 114 + ".qinghe/node",
    ],
)
def test_no_certificate_is_issued_for_another_name(uri: str) -> None:
    """The form is strict, so that no two spellings name one peer."""
    with pytest.raises(ValueError, match=r".+"):
        ISSUER.issue(KEY.public_key(), uri, NOW)


@pytest.mark.parametrize("host", ["", "*.qinghe", "a b", "Ä.qinghe", "-a.qinghe"])
def test_no_certificate_is_issued_for_what_is_no_host(host: str) -> None:
    """Wildcards neither."""
    with pytest.raises(ValueError, match="host name"):
        ISSUER.issue(KEY.public_key(), NODE, NOW, [host])


def test_nothing_but_the_key_is_taken_from_a_request() -> None:
    """A node that asks for the registry's name, or to be an authority, gets its own name only."""
    pem = ISSUER.sign_request(request(KEY, "liandong://liandong.qinghe/registry"), NODE, NOW, ["localhost"])

    certificate = load(pem)
    assert certificate.public_key() == KEY.public_key()
    assert names(pem).get_values_for_type(x509.UniformResourceIdentifier) == [NODE]
    assert names(pem).get_values_for_type(x509.DNSName) == ["localhost"]
    assert certificate.subject.rfc4514_string() == "CN=health.qinghe"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_request_shows_possession_and_no_name() -> None:
    """Our own request is accepted, and empty but for the key."""
    csr = signing_request(KEY)

    assert authority.requested_key(csr) == KEY.public_key()
    assert not x509.load_pem_x509_csr(csr).subject.rdns


def tampered() -> bytes:
    """A request with the last bits of its signature changed."""
    der = bytearray(x509.load_pem_x509_csr(request(KEY)).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "csr",
    [
        b"",
        b"garbage",
        ISSUER.pem,
        tampered(),
        request(ec.generate_private_key(ec.SECP384R1())),
        request(Ed25519PrivateKey.generate()),
    ],
)
def test_a_request_without_proof_or_with_another_curve_is_refused(csr: bytes) -> None:
    """Garbage, another object, a broken signature, another algorithm."""
    with pytest.raises(RequestInvalid) as refusal:
        ISSUER.sign_request(csr, NODE, NOW)

    assert refusal.value.reason == "MALFORMED"


def foreign(*general: x509.GeneralName) -> bytes:
    """A certificate with any names at all."""
    subject = x509.Name([])
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=KEY.public_key(),
        serial_number=1,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(days=1),
    )
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=True)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"garbage",
        ISSUER.pem,
        foreign(),
        foreign(x509.DNSName("health.qinghe")),
        foreign(x509.UniformResourceIdentifier("https://example.com")),
        foreign(x509.UniformResourceIdentifier(NODE), x509.UniformResourceIdentifier(NODE)),
    ],
)
def test_a_certificate_that_names_no_department_is_unknown(pem: bytes) -> None:
    """None, or more than one, of our URIs."""
    with pytest.raises(UnknownCertificate) as refusal:
        peer_identity(pem)

    assert refusal.value.reason == "UNKNOWN_CERTIFICATE"


def test_an_authority_is_loaded_with_its_own_key_only() -> None:
    """A mixed-up pair would issue certificates that nobody can verify."""
    assert Authority.load(ISSUER.pem, ISSUER.key).pem == ISSUER.pem
    with pytest.raises(ValueError, match="key"):
        Authority.load(ISSUER.pem, KEY)


def test_a_certificate_of_another_authority_does_not_verify() -> None:
    """Same names, another key."""
    other = Authority.create("liandong.qinghe", NOW)
    pem = other.issue(KEY.public_key(), NODE, NOW)
    policy = PolicyBuilder().store(Store([ISSUER.certificate])).time(NOW)

    with pytest.raises(x509.verification.VerificationError):
        policy.build_client_verifier().verify(load(pem), [])


def test_names_are_values() -> None:
    """A changed copy is checked again."""
    with pytest.raises(ValueError, match="named"):
        replace(PeerName("health.qinghe", PeerKind.SYSTEM, "a"), name="")
