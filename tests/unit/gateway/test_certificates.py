"""Which certificates are good for logging in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.common.clock import ManualClock
from services.gateway.accounts.certificates import CertificateRefused, Certificates
from services.gateway.settings import CertificateSettings
from tests.builders.authority import Authority, Issued


@dataclass
class Gate:
    """What judges them."""

    authority: Authority
    clock: ManualClock
    folder: Path
    certificates: Certificates

    def judge(self, issued: Issued) -> str:
        """The serial that is known."""
        return self.certificates.judge(quote(issued.pem)).serial


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """With an authority and its list."""
    authority = Authority("清河区政务外网 CA")
    (tmp_path / "ca.pem").write_bytes(authority.root.pem)
    (tmp_path / "crl.pem").write_bytes(authority.crl())
    clock = ManualClock(datetime.now(UTC))
    settings = CertificateSettings(ca_file=tmp_path / "ca.pem", crl_file=tmp_path / "crl.pem")
    return Gate(authority, clock, tmp_path, Certificates(settings, clock))


def test_a_persons_certificate_is_known_by_authority_and_number(gate: Gate) -> None:
    """And says whose it is."""
    issued = gate.authority.person("陈慧")
    found = gate.certificates.judge(quote(issued.pem))
    assert found.issuer == "CN=清河区政务外网 CA,C=CN"
    assert found.serial == f"{issued.certificate.serial_number:x}"
    assert "陈慧" in found.title


def test_what_is_not_valid_now_is_refused(gate: Gate) -> None:
    """Expired, or not yet valid."""
    gate.judge(gate.authority.person("陈慧"))
    with pytest.raises(CertificateRefused):
        gate.judge(gate.authority.person("陈慧", until=gate.clock.now() - timedelta(seconds=1)))
    issued = gate.authority.person("陈慧")
    gate.clock.advance(timedelta(days=-3))
    with pytest.raises(CertificateRefused):
        gate.judge(issued)


def test_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so(gate: Gate) -> None:
    """Without a restart."""
    issued, other = gate.authority.person("陈慧"), gate.authority.person("陈慧")
    gate.judge(issued)
    gate.authority.revoke(issued)
    (gate.folder / "crl.pem").write_bytes(gate.authority.crl())
    with pytest.raises(CertificateRefused):
        gate.judge(issued)
    gate.judge(other)


@pytest.mark.parametrize("list_", ["old", "foreign", "gone", "garbage"])
def test_without_a_current_list_nobody_gets_in_by_a_new_one(gate: Gate, list_: str) -> None:
    """A list that is old is none; one that cannot be read leaves the one before in force."""
    issued = gate.authority.person("陈慧")
    gate.judge(issued)
    path = gate.folder / "crl.pem"
    if list_ == "old":
        path.write_bytes(gate.authority.crl(gate.clock.now() - timedelta(days=1)))
        with pytest.raises(CertificateRefused):
            gate.judge(issued)
        return
    if list_ == "gone":
        path.unlink()
    else:
        path.write_bytes(Authority(gate.authority.name).crl() if list_ == "foreign" else b"-----BEGIN")
    gate.judge(issued)
    gate.clock.advance(timedelta(days=366))
    with pytest.raises(CertificateRefused):
        gate.judge(issued)


def test_another_authority_of_the_same_name_is_another_one(gate: Gate) -> None:
    """Names are anybody's, keys are not; nor is a certificate its own authority."""
    twin = Authority(gate.authority.name)
    for issued in (
        twin.person("陈慧"),
        twin.root,
        gate.authority.person("陈慧", usage=ExtendedKeyUsageOID.SERVER_AUTH),
    ):
        with pytest.raises(CertificateRefused):
            gate.judge(issued)


def test_what_is_no_certificate_is_refused(gate: Gate) -> None:
    """Nothing, garbage, two of them, too much, and one whose bytes were changed."""
    issued = gate.authority.person("陈慧")
    changed = bytearray(issued.pem)
    changed[len(changed) // 2] ^= 1
    for escaped in (
        "", "(null)", "%FF%FE", quote(issued.pem * 2), quote(issued.pem) + "A" * 20_000,
        quote(bytes(changed)), quote(issued.pem[:200]),
    ):  # fmt: skip
        with pytest.raises(CertificateRefused):
            gate.certificates.judge(escaped)


def test_a_file_that_holds_no_authority_stops_the_start(tmp_path: Path) -> None:
    """As does a list of nobody's."""
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    (tmp_path / "crl.pem").write_bytes(Authority().crl())
    clock = ManualClock()
    with pytest.raises(ValueError):  # noqa: PT011 - of the library
        Certificates(CertificateSettings(ca_file=tmp_path / "ca.pem"), clock)
    (tmp_path / "ca.pem").write_bytes(authority.root.pem)
    with pytest.raises(ValueError, match="no list"):
        Certificates(CertificateSettings(ca_file=tmp_path / "ca.pem", crl_file=tmp_path / "crl.pem"), clock)
