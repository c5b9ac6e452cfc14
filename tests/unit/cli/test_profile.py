"""As whom a command calls: from a federation file or from parts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from services.cli.profile import Profile, operator_files, read_federation
from services.common.config import ConfigurationError
from services.common.errors import ActorInvalid
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.assertions import ContentMismatch, Purpose, Verifier
from services.exchange.authority import Authority
from services.exchange.keys import KeyRole

HEALTH = "health.qinghe"
NOW = datetime(2026, 2, 24, 9, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    """A federation of one department and one person."""
    (tmp_path / "health").mkdir()
    keys.save_private_key(tmp_path / "health" / "issuer.key", keys.generate(KeyRole.SIGN))
    file = tmp_path / "federation.json"
    content = {
        "ca": "ca.crt",
        "registry": {"address": "localhost:1", "enrolment_address": "localhost:2"},
        "departments": [
            {
                "name": HEALTH,
                "title": "卫健局",
                "address": "localhost:3",
                "certificate": "health/tls.crt",
                "key": "health/tls.key",
                "actors": [
                    {"role": "clerk", "name": "王芳", "issuer": "demo", "key": "health/issuer.key"},
                    {
                        "role": "clerk",
                        "name": "李强",
                        "issuer": "demo",
                        "key": "health/issuer.key",
                        "subject": "li",
                    },
                    {"role": "system", "name": "业务系统", "issuer": "demo", "key": "health/issuer.key"},
                ],
            }
        ],
        "gateway": {"url": "", "accounts": []},
    }
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def verifier(federation: Path) -> Verifier:
    key = keys.load_sign_key(federation.parent / "health" / "issuer.key")
    return Verifier({"demo": keys.public_key_bytes(key)}, HEALTH)


def test_a_federation_names_everything(federation: Path) -> None:
    """Paths are relative to the file; the first person of the role acts."""
    profile = Profile.from_federation(federation, f"{HEALTH}:clerk")
    folder = federation.parent
    assert profile.tls == TlsFiles(folder / "ca.crt", folder / "health/tls.crt", folder / "health/tls.key")
    assert (profile.address, profile.registry, profile.enrolment) == (
        "localhost:3",
        "localhost:1",
        "localhost:2",
    )
    assert profile.actor is not None
    assert (profile.actor.name, profile.actor.subject) == ("王芳", f"clerk@{HEALTH}")


def test_persons_of_one_role_are_told_apart(federation: Path) -> None:
    """By their names; a subject that is given is kept."""
    profile = Profile.from_federation(federation, f"{HEALTH}:clerk:李强")
    assert profile.actor is not None
    assert profile.actor.subject == "li"


def test_an_assertion_is_what_a_node_accepts(federation: Path) -> None:
    """For its department, in its role, for at most five minutes."""
    profile = Profile.from_federation(federation, f"{HEALTH}:clerk")
    assertion = verifier(federation).verify(profile.assertion(NOW), NOW)
    assert (assertion.audience, assertion.roles, assertion.name) == (HEALTH, ("clerk",), "王芳")
    assert assertion.expires_at - assertion.issued_at == timedelta(minutes=5)
    assert not assertion.service


def test_an_assertion_is_bound_to_a_content(federation: Path) -> None:
    """What approves one draft approves no other."""
    profile = Profile.from_federation(federation, f"{HEALTH}:clerk")
    token = profile.assertion(NOW, purpose=Purpose.APPROVE, content_digest=bytes(32))
    assert verifier(federation).verify(token, NOW, bytes(32), Purpose.APPROVE).content_digest == bytes(32)
    with pytest.raises(ContentMismatch):
        verifier(federation).verify(token, NOW, b"1" * 32)


def test_a_system_says_that_it_is_one(federation: Path) -> None:
    """It may send, it cannot approve."""
    profile = Profile.from_federation(federation, f"{HEALTH}:system")
    assert verifier(federation).verify(profile.assertion(NOW), NOW).service
    with pytest.raises(ActorInvalid):
        profile.assertion(NOW, purpose=Purpose.APPROVE, content_digest=bytes(32))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("police.qinghe:clerk", "no department is called police.qinghe; there are health.qinghe"),
        (f"{HEALTH}:principal", r"no actor principal ; there are clerk \(王芳\), clerk \(李强\), system"),
        (f"{HEALTH}:clerk:赵", "no actor clerk 赵"),
        ("operator", "operator"),
    ],
)
def test_what_is_not_in_the_file_is_said(federation: Path, named: str, said: str) -> None:
    """With what there is instead."""
    with pytest.raises(ConfigurationError, match=said):
        Profile.from_federation(federation, named)


def test_a_department_without_a_role_has_no_actor(federation: Path) -> None:
    """Enough for the directory and the ledger; nobody acts."""
    profile = Profile.from_federation(federation, HEALTH)
    assert profile.actor is None
    with pytest.raises(ConfigurationError, match="No actor"):
        profile.assertion(NOW)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"departments": 1}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    """A file that is no federation stops the command with its name."""
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"other\.json"):
        read_federation(file)


def test_the_certificate_names_the_department(tmp_path: Path) -> None:
    """With parts given by themselves nobody has to repeat it."""
    authority = Authority.create("registry.qinghe", NOW)
    key = keys.generate(KeyRole.TLS)
    certificate = authority.issue(key.public_key(), f"liandong://{HEALTH}/system/cli", NOW)  # type: ignore[arg-type]
    (tmp_path / "tls.crt").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    tls = TlsFiles(tmp_path / "ca.crt", tmp_path / "tls.crt", tmp_path / "tls.key")
    assert Profile.from_parts(tls, address="localhost:3").department == HEALTH
    missing = TlsFiles(tmp_path / "ca.crt", tmp_path / "none.crt", tmp_path / "tls.key")
    with pytest.raises(ConfigurationError, match=r"none\.crt"):
        Profile.from_parts(missing)


def test_an_operator_is_found_in_the_registrys_folder(tmp_path: Path) -> None:
    """By the name of its file; without one the way to it is said."""
    with pytest.raises(ConfigurationError, match="registry operator"):
        operator_files(tmp_path)
    (tmp_path / "operator-anna.crt").touch()
    assert operator_files(tmp_path).key == tmp_path / "operator-anna.key"
