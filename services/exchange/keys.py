"""A department's keys: their roles, files and ids, and the signature over a batch.

Every role has a key of its own, versioned in the directory: `tls` is ECDSA P-256, because the TLS
of grpcio rejects Ed25519; `sign` is Ed25519; `seal` and `recovery` are X25519 for HPKE (RFC 9180).
Private keys never leave the process that made them, except into a file of mode 0600.

Signatures go through a suite, so that a national one can stand beside; numbers are those of
`liandong.exchange.v1.Suite`.
"""

import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from services.common.errors import LiandongError
from services.exchange.digests import MAX_KEY_ID_SIZE, batch_message

PrivateKey = Ed25519PrivateKey | X25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | X25519PublicKey | ec.EllipticCurvePublicKey

_OTHERS: Final = 0o077
_KEY_ID: Final = re.compile(r"(?P<department>[a-z0-9.-]+)/(?P<role>[a-z]+)/(?P<fingerprint>[0-9a-f]{8})")


class BadSignature(LiandongError):
    """The signature does not verify under the named key."""

    reason = "BAD_SIGNATURE"
    code = "INVALID_ARGUMENT"


class SuiteUnsupported(LiandongError):
    """The cryptographic suite is not accepted here."""

    reason = "SUITE_UNSUPPORTED"
    code = "INVALID_ARGUMENT"


class KeyFileInvalid(LiandongError):
    """The file holds no private key of the expected role, or others than its owner may read it."""


class KeyRole(enum.StrEnum):
    """What a key is for; a key serves one role only."""

    TLS = "tls"
    SIGN = "sign"
    SEAL = "seal"
    RECOVERY = "recovery"


class Suite(enum.IntEnum):
    """The algorithms of signature, digest and cipher, named together."""

    ED25519_SHA256_AES256GCM = 1
    SM2_SM3_SM4 = 2


@dataclass(frozen=True, slots=True)
class KeyId:
    """The parts of a key id, `<department>/<role>/<8 hex of the SHA-256 of the public key>`."""

    department: str
    role: KeyRole
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.department}/{self.role}/{self.fingerprint}"


def generate(role: KeyRole) -> PrivateKey:
    """A new private key of the algorithm that the role takes."""
    if role is KeyRole.SIGN:
        return Ed25519PrivateKey.generate()
    if role is KeyRole.TLS:
        return ec.generate_private_key(ec.SECP256R1())
    return X25519PrivateKey.generate()


def public_key_bytes(key: PrivateKey | PublicKey) -> bytes:
    """The public key as the directory holds it.

    Returns:
        32 raw bytes for Ed25519 and X25519 (RFC 8032, RFC 7748), DER SubjectPublicKeyInfo (RFC 5480)
        for P-256.
    """
    public = key if isinstance(key, PublicKey) else key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return public.public_bytes_raw()


def key_id(department: str, role: KeyRole, public_key: bytes) -> str:
    """The id under which a key stands in the directory, in proofs and in wraps.

    Raises:
        ValueError: The department's name is too long for the 64 bytes of a key id.
    """
    name = str(KeyId(department, role, sha256(public_key).hexdigest()[:8]))
    if len(name.encode()) > MAX_KEY_ID_SIZE:
        raise ValueError(f"the key id {name} has more than {MAX_KEY_ID_SIZE} bytes")
    return name


def parse_key_id(name: str) -> KeyId:
    """The parts of a key id.

    Raises:
        ValueError: The name is no key id.
    """
    match = _KEY_ID.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no key id")
    return KeyId(match["department"], KeyRole(match["role"]), match["fingerprint"])


def save_private_key(path: Path, key: PrivateKey) -> None:
    """Writes a private key as PEM PKCS #8 that only its owner may read.

    The file appears whole or not at all, and is on the disk when this returns.

    Raises:
        FileExistsError: A key is never overwritten.
        OSError: The file cannot be written.
    """
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails where a key stands already.
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load_private_key(path: Path, role: KeyRole) -> PrivateKey:
    """Reads the private key of a role.

    Raises:
        KeyFileInvalid: Others may read the file, or it holds no key of that role's algorithm.
        OSError: The file cannot be read.
    """
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise KeyFileInvalid(f"{path} may be read by others than its owner; set its mode to 0600.")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileInvalid(f"{path} holds no private key in PEM without a passphrase.") from error
    if role is KeyRole.SIGN and isinstance(key, Ed25519PrivateKey):
        return key
    if role is KeyRole.TLS and isinstance(key, ec.EllipticCurvePrivateKey) and is_p256(key.curve):
        return key
    if role in (KeyRole.SEAL, KeyRole.RECOVERY) and isinstance(key, X25519PrivateKey):
        return key
    raise KeyFileInvalid(f"{path} holds no key of the algorithm that role {role} takes.")


def load_sign_key(path: Path) -> Ed25519PrivateKey:
    """Reads a `sign` key; see `load_private_key`."""
    key = load_private_key(path, KeyRole.SIGN)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def load_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Reads a `tls` key; see `load_private_key`."""
    key = load_private_key(path, KeyRole.TLS)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def is_p256(curve: ec.EllipticCurve) -> bool:
    """Whether a curve is the one that TLS keys are on."""
    return isinstance(curve, ec.SECP256R1)


class SignatureScheme(Protocol):
    """How one suite signs."""

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        """The signature of a message."""

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> None:
        """Raises `BadSignature` unless the signature is that of the message."""


class Ed25519Scheme:
    """Ed25519 (RFC 8032)."""

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("this suite signs with Ed25519 keys")
        return key.sign(message)

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> None:
        """Raises `BadSignature` unless the signature is that of the message."""
        try:
            _ed25519_public_key(public_key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise BadSignature from error


_SCHEMES: Final[Mapping[int, SignatureScheme]] = {Suite.ED25519_SHA256_AES256GCM: Ed25519Scheme()}


def signature_scheme(suite: int) -> SignatureScheme:
    """How a suite signs.

    Raises:
        SuiteUnsupported: The suite is reserved, or its number unknown.
    """
    scheme = _SCHEMES.get(suite)
    if scheme is None:
        raise SuiteUnsupported(field="proof.suite")
    return scheme


def sign_batch(
    key: PrivateKey, key_id: str, size: int, root: bytes, *, suite: int = Suite.ED25519_SHA256_AES256GCM
) -> bytes:
    """The author's signature over a batch.

    Args:
        key: The author's `sign` key.
        key_id: Its id.
        size: Leaves in the batch.
        root: Root of the batch tree.
        suite: The suite that the proof will name.

    Raises:
        SuiteUnsupported: The suite is not accepted here.
    """
    return signature_scheme(suite).sign(key, batch_message(suite, key_id, size, root))


def verify_batch(
    public_key: bytes,
    key_id: str,
    size: int,
    root: bytes,
    signature: bytes,
    *,
    suite: int = Suite.ED25519_SHA256_AES256GCM,
) -> None:
    """Checks the author's signature over a batch.

    Args:
        public_key: The key that the directory holds under `key_id`.
        key_id: The id that the proof names.
        size: Leaves in the batch, by the proof.
        root: Root of the batch tree, by the proof.
        signature: The signature.
        suite: The suite that the proof names.

    Raises:
        BadSignature: It does not verify.
        SuiteUnsupported: The suite is not accepted here.
    """
    scheme = signature_scheme(suite)
    try:
        message = batch_message(suite, key_id, size, root)
    except ValueError as error:
        raise BadSignature from error
    scheme.verify(public_key, signature, message)


@lru_cache(maxsize=4096)
def _ed25519_public_key(public_key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public_key)
