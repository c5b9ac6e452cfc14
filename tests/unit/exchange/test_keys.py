import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.exchange import keys
from services.exchange.keys import BadSignature, KeyRole, Suite, SuiteUnsupported

ROOT = b"\7" * 32
KEY_ID = "health.qinghe/sign/00000000"


@pytest.mark.parametrize(
    ("role", "algorithm", "size"),
    [
        (KeyRole.TLS, ec.EllipticCurvePrivateKey, 91),
        (KeyRole.SIGN, ed25519.Ed25519PrivateKey, 32),
        (KeyRole.SEAL, x25519.X25519PrivateKey, 32),
        (KeyRole.RECOVERY, x25519.X25519PrivateKey, 32),
    ],
)
def test_a_saved_key_of_each_role_is_loaded_again(
    tmp_path: Path, role: KeyRole, algorithm: type[keys.PrivateKey], size: int
) -> None:
    """Each role has its algorithm; the file is for its owner only and holds the same key."""
    key = keys.generate(role)
    path = tmp_path / f"{role}.pem"

    keys.save_private_key(path, key)
    loaded = keys.load_private_key(path, role)

    assert isinstance(loaded, algorithm)
    assert keys.public_key_bytes(loaded) == keys.public_key_bytes(key.public_key())
    assert len(keys.public_key_bytes(key)) == size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A private key that is gone cannot be had again."""
    path = tmp_path / "sign.pem"
    keys.save_private_key(path, keys.generate(KeyRole.SIGN))
    before = path.read_bytes()

    with pytest.raises(FileExistsError):
        keys.save_private_key(path, keys.generate(KeyRole.SIGN))

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The message says which file and what to do."""
    path = tmp_path / "sign.pem"
    keys.save_private_key(path, keys.generate(KeyRole.SIGN))
    path.chmod(0o640)

    with pytest.raises(keys.KeyFileInvalid, match="0600"):
        keys.load_sign_key(path)


def test_a_file_without_a_key_of_the_role_is_refused(tmp_path: Path) -> None:
    """Garbage, and a key of another algorithm or curve."""
    path = tmp_path / "key.pem"
    others: list[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    ]
    contents = [b"", b"garbage"]
    contents += [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in others]
    path.touch(0o600)
    for content in contents:
        path.write_bytes(content)
        for role in KeyRole:
            with pytest.raises(keys.KeyFileInvalid):
                keys.load_private_key(path, role)


def test_the_typed_loaders_give_their_algorithm(tmp_path: Path) -> None:
    """What signs is Ed25519, what speaks TLS is P-256."""
    keys.save_private_key(tmp_path / "sign", keys.generate(KeyRole.SIGN))
    keys.save_private_key(tmp_path / "tls", keys.generate(KeyRole.TLS))

    assert isinstance(keys.load_sign_key(tmp_path / "sign"), ed25519.Ed25519PrivateKey)
    assert isinstance(keys.load_tls_key(tmp_path / "tls"), ec.EllipticCurvePrivateKey)


def test_a_key_id_names_department_role_and_key() -> None:
    """The id can be taken apart again."""
    name = keys.key_id("health.qinghe", KeyRole.SIGN, b"\1" * 32)

    assert name == "health.qinghe/sign/72cd6e84"
    assert keys.parse_key_id(name) == keys.KeyId("health.qinghe", KeyRole.SIGN, "72cd6e84")


@pytest.mark.parametrize(
    "name", ["", "a.b/sign", "a.b/other/00000000", "a.b/sign/0000000G", "/sign/00000000"]
)
def test_other_names_are_no_key_ids(name: str) -> None:
    """Parts, role and fingerprint are checked."""
    with pytest.raises(ValueError, match=r".+"):
        keys.parse_key_id(name)


def test_a_key_id_fits_into_200_bytes() -> None:
    """A department's name can be too long for it."""
    with pytest.raises(ValueError, match="200 bytes"):
        keys.key_id("a" * 190 + ".qinghe", KeyRole.RECOVERY, b"\1" * 32)


def test_a_batch_signature_verifies_under_its_key() -> None:
    """It is 64 bytes and bound to every part of the batch."""
    key = keys.generate(KeyRole.SIGN)
    public = keys.public_key_bytes(key)
    signature = keys.sign_batch(key, KEY_ID, 3, ROOT)

    keys.verify_batch(public, KEY_ID, 3, ROOT, signature)

    assert len(signature) == 64
    stranger = keys.public_key_bytes(keys.generate(KeyRole.SIGN))
    for arguments in [
        (stranger, KEY_ID, 3, ROOT, signature),
        (public, "other.qinghe/sign/00000000", 3, ROOT, signature),
        (public, KEY_ID, 4, ROOT, signature),
        (public, KEY_ID, 3, b"\6" * 32, signature),
        (public, KEY_ID, 3, ROOT, bytes(64)),
        (public, KEY_ID, 3, ROOT, signature[:-1]),
        (public[:-1], KEY_ID, 3, ROOT, signature),
        (public, "x" * 65, 3, ROOT, signature),
        (public, KEY_ID, -1, ROOT, signature),
        (public, KEY_ID, 3, ROOT[:-1], signature),
    ]:
        with pytest.raises(BadSignature):
            keys.verify_batch(*arguments)


@pytest.mark.parametrize("suite", [0, Suite.SM2_SM3_SM4, 3, 255])
def test_suites_not_implemented_are_refused_by_name(suite: int) -> None:
    """The national suite is reserved; unknown numbers fare the same."""
    key = keys.generate(KeyRole.SIGN)
    with pytest.raises(SuiteUnsupported) as refusal:
        keys.sign_batch(key, KEY_ID, 1, ROOT, suite=suite)
    with pytest.raises(SuiteUnsupported):
        keys.verify_batch(keys.public_key_bytes(key), KEY_ID, 1, ROOT, bytes(64), suite=suite)

    assert refusal.value.reason == "SUITE_UNSUPPORTED"


def test_only_a_sign_key_signs() -> None:
    """A key of another role is the caller's mistake."""
    with pytest.raises(TypeError):
        keys.sign_batch(keys.generate(KeyRole.SEAL), KEY_ID, 1, ROOT)
