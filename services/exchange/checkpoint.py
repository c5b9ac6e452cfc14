"""Signed heads of the ledger: C2SP tlog-checkpoint in a C2SP signed-note.

The note text is origin (the log id), size, root in Base64 and one extension line `epoch N`. Any
replica may sign the same state again, and witnesses may add lines of their own; a reader looks only
at signatures by keys that it knows for this log.

See https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.errors import LiandongError
from services.exchange.digests import DIGEST_SIZE
from services.exchange.keys import BadSignature, Suite, public_key_bytes, signature_scheme

MAX_NOTE_SIZE: Final = 128 * 1024
MAX_SIGNATURES: Final = 64

_ED25519_NOTE: Final = b"\x01"
_KEY_HASH_SIZE: Final = 4
_DASH: Final = "\u2014 "
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class CheckpointInvalid(LiandongError):
    """The text is no signed head of a ledger."""

    reason = "MALFORMED"
    code = "INVALID_ARGUMENT"


class ForeignCheckpoint(LiandongError):
    """The head is not one of this ledger."""

    reason = "HEAD_UNKNOWN"
    code = "INVALID_ARGUMENT"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head: the state of a ledger at one size.

    `epoch` counts restarts of the ledger after a loss, 1 at first.
    """

    log_id: str
    epoch: int
    size: int
    root: bytes

    def text(self) -> str:
        """The note text that is signed, with its last newline."""
        root = base64.b64encode(self.root).decode()
        return f"{self.log_id}\n{self.size}\n{root}\nepoch {self.epoch}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line: who says to have signed, the hash of the key, the signature."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A head as it was read, nothing verified. `text` is what the signatures are over."""

    checkpoint: Checkpoint
    text: bytes
    signatures: tuple[NoteSignature, ...]


def note_key_hash(name: str, public_key: bytes) -> bytes:
    """The key id of an Ed25519 key in a signed note, 4 bytes (signed-note, "Signatures")."""
    return sha256(name.encode() + b"\n" + _ED25519_NOTE + public_key).digest()[:_KEY_HASH_SIZE]


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note of a head, under the log id as key name.

    Raises:
        ValueError: The log id cannot be a key name, or a part is out of range.
    """
    name = checkpoint.log_id
    if not _is_key_name(name) or checkpoint.epoch < 1 or checkpoint.size < 0:
        raise ValueError("log id, epoch or size cannot stand in a checkpoint")
    if len(checkpoint.root) != DIGEST_SIZE:
        raise ValueError(f"a root has {DIGEST_SIZE} bytes")
    text = checkpoint.text()
    line = base64.b64encode(note_key_hash(name, public_key_bytes(key)) + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {line}\n"


def parse_checkpoint(note: str) -> SignedCheckpoint:
    """Reads a signed head without verifying it.

    Raises:
        CheckpointInvalid: The note has not the form of a signed head, or is not one of a Liandong
            ledger, which names its epoch.
    """
    if len(note) > MAX_NOTE_SIZE or _CONTROL.search(note) or not note.endswith("\n"):
        raise CheckpointInvalid
    body, blank, tail = note.rpartition("\n\n")
    lines = body.split("\n")
    if not blank or not all(lines):
        raise CheckpointInvalid
    match lines:
        case [origin, size, root, extension, *_]:
            epoch = extension.removeprefix("epoch ")
        case _:
            raise CheckpointInvalid
    if epoch == extension or not _NUMBER.fullmatch(epoch) or not _NUMBER.fullmatch(size) or epoch == "0":
        raise CheckpointInvalid
    digest = _decode_base64(root)
    if len(digest) != DIGEST_SIZE:
        raise CheckpointInvalid
    signatures = tail.removesuffix("\n").split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise CheckpointInvalid
    return SignedCheckpoint(
        Checkpoint(origin, int(epoch), int(size), digest),
        f"{body}\n".encode(),
        tuple(_parse_signature(line) for line in signatures),
    )


def verify_checkpoint(note: str, log_id: str, public_keys: Iterable[bytes]) -> Checkpoint:
    """The head in a note that a known key of this ledger has signed.

    Args:
        note: The signed note.
        log_id: The ledger that the head is to be of.
        public_keys: The keys that may sign for the ledger, Ed25519, raw: more than one while a key
            is being replaced.

    Raises:
        CheckpointInvalid: The text is no signed head.
        ForeignCheckpoint: It is a head of another ledger.
        BadSignature: No known key signed it, or a signature by one does not verify.
    """
    signed = parse_checkpoint(note)
    if signed.checkpoint.log_id != log_id:
        raise ForeignCheckpoint
    known = {note_key_hash(log_id, key): key for key in public_keys}
    scheme = signature_scheme(Suite.ED25519_SHA256_AES256GCM)
    verified = False
    for line in signed.signatures:
        key = known.get(line.key_hash) if line.name == log_id else None
        if key is not None:
            scheme.verify(key, line.signature, signed.text)
            verified = True
    if not verified:
        raise BadSignature
    return signed.checkpoint


def _parse_signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_key_name(name):
        raise CheckpointInvalid
    value = _decode_base64(encoded)
    if len(value) <= _KEY_HASH_SIZE:
        raise CheckpointInvalid
    return NoteSignature(name, value[:_KEY_HASH_SIZE], value[_KEY_HASH_SIZE:])


def _decode_base64(text: str) -> bytes:
    """Standard Base64 with padding (RFC 4648, 4), in its one canonical spelling."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointInvalid from error
    # Stray bits in the last character would be a second spelling of the same head.
    if base64.b64encode(value).decode() != text:
        raise CheckpointInvalid
    return value


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)
