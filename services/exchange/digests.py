"""What is hashed, and under which context.

Every digest that two parties must agree on starts with a context string of its own, so that bytes
which mean one thing can never be shown as another. Header, payload and content are hashed as the
exact bytes that travelled; nothing here parses or re-serialises them, because protobuf
serialisation is not canonical.

Tree hashing follows RFC 9162, 2.1.1: a leaf is hashed behind 0x00, a node behind 0x01. The batch
tree and the ledger differ in what their leaves hold, so that a path in one proves nothing in the
other.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

from services.common.errors import LiandongError
from services.common.records import record

DIGEST_SIZE: Final = 32
CHUNK_SIZE: Final = 8 * 1024 * 1024
MAX_EVIDENCE_SIZE: Final = 64 * 1024 * 1024 * 1024
MAX_KEY_ID_SIZE: Final = 200

LETTER_CONTEXT: Final = b"liandong/letter/v1\0"
CONTENT_CONTEXT: Final = b"liandong/content/v1\0"
BATCH_CONTEXT: Final = b"liandong/batch/v1\0"
BATCH_LEAF_CONTEXT: Final = b"liandong/batch-leaf/v1\0"
LEAF_CONTEXT: Final = b"liandong/leaf/v1\0"
MANIFEST_CONTEXT: Final = b"liandong/manifest/v1\0"

_LEAF_PREFIX: Final = b"\x00"
_BATCH_LEAF_PREFIX: Final = _LEAF_PREFIX + BATCH_LEAF_CONTEXT
_LEAF: Final = struct.Struct(">QqQ32s")
_U64: Final = struct.Struct(">Q")


class ManifestInvalid(LiandongError):
    """The manifest is not consistent in sizes, counts or root."""

    reason = "MANIFEST_INVALID"
    code = "INVALID_ARGUMENT"


@record(frozen=True, slots=True)
class Leaf:
    """A leaf of the ledger: which letter stands where, since when, under which common entries.

    `admitted_at_us` counts microseconds since 1970 UTC by the registry's database clock;
    `common_version` is the number of the last common entry below the position, 0 for none.
    """

    position: int
    admitted_at_us: int
    common_version: int
    letter_digest: bytes

    def encode(self) -> bytes:
        """The encoding that is hashed; see `encode_leaf`."""
        return encode_leaf(self.position, self.admitted_at_us, self.common_version, self.letter_digest)

    def hash(self) -> bytes:
        """The hash by which the ledger's tree knows this leaf."""
        return leaf_hash(self.encode())


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4): of payloads, assertions, chunks, whole files, schemas."""
    return hashlib.sha256(data).digest()


def letter_digest(header: bytes) -> bytes:
    """The digest by which a letter is known everywhere: of its frozen header bytes.

    Assertions are inside it through the digests that the header holds, the payload through
    `payload_digest`. Proof and wraps are outside, so that a retry in another batch keeps the digest.
    """
    return hashlib.sha256(LETTER_CONTEXT + header).digest()


def content_digest(content: bytes) -> bytes:
    """The digest of an act's frozen content: what approvals and signatures of people carry."""
    return hashlib.sha256(CONTENT_CONTEXT + content).digest()


def batch_leaf(digest: bytes) -> bytes:
    """The leaf hash of a letter in its author's batch tree.

    Args:
        digest: The letter digest, 32 bytes.
    """
    return hashlib.sha256(_BATCH_LEAF_PREFIX + _sized(digest)).digest()


def batch_message(suite: int, key_id: str, size: int, root: bytes) -> bytes:
    """The bytes that an author signs for a batch: never a bare root.

    Args:
        suite: The suite's number on the wire.
        key_id: Id of the author's `sign` key, at most 64 bytes of UTF-8.
        size: Leaves in the batch.
        root: Root of the batch tree.

    Raises:
        ValueError: A part is out of the range that the encoding can hold.
    """
    name = key_id.encode()
    if not 1 <= len(name) <= MAX_KEY_ID_SIZE:
        raise ValueError(f"a key id has 1 to {MAX_KEY_ID_SIZE} bytes, not {len(name)}")
    if not 0 <= size < 1 << 64:
        raise ValueError(f"a batch cannot have {size} leaves")
    return BATCH_CONTEXT + bytes((suite, len(name))) + name + _U64.pack(size) + _sized(root)


def encode_leaf(position: int, admitted_at_us: int, common_version: int, letter_digest: bytes) -> bytes:
    """The fixed encoding of a leaf of the ledger, 73 bytes.

    Args:
        position: Index in the ledger.
        admitted_at_us: Microseconds since 1970 UTC.
        common_version: Number of the last common entry below the position.
        letter_digest: The letter's digest, 32 bytes.

    Raises:
        ValueError: The digest is not 32 bytes.
        struct.error: A number does not fit into 8 bytes.
    """
    return LEAF_CONTEXT + _LEAF.pack(position, admitted_at_us, common_version, _sized(letter_digest))


def decode_leaf(encoding: bytes) -> Leaf:
    """The leaf that an encoding stands for.

    Raises:
        ValueError: The bytes are no encoded leaf.
    """
    if len(encoding) != len(LEAF_CONTEXT) + _LEAF.size or not encoding.startswith(LEAF_CONTEXT):
        raise ValueError("the bytes are no encoded leaf")
    return Leaf(*_LEAF.unpack_from(encoding, len(LEAF_CONTEXT)))


def leaf_hash(encoding: bytes) -> bytes:
    """The hash of an encoded leaf in the ledger's tree (RFC 9162, 2.1.1)."""
    return hashlib.sha256(_LEAF_PREFIX + encoding).digest()


def chunk_count(size: int) -> int:
    """How many chunks of 8 MiB hold so many bytes; an empty file has none."""
    return -(-size // CHUNK_SIZE)


def manifest_root(size: int, digest: bytes, chunks: Sequence[bytes]) -> bytes:
    """The root of an evidence manifest: the name of the evidence everywhere.

    Args:
        size: Bytes of the whole.
        digest: SHA-256 of the whole.
        chunks: SHA-256 of each chunk, in order.

    Raises:
        ManifestInvalid: Size and number of chunks do not fit, or a digest is not 32 bytes.
    """
    if not 0 <= size <= MAX_EVIDENCE_SIZE:
        raise ManifestInvalid(f"Evidence has at most {MAX_EVIDENCE_SIZE} bytes.", field="manifest.size")
    if len(chunks) != chunk_count(size):
        raise ManifestInvalid(
            f"{size} bytes make {chunk_count(size)} chunks, not {len(chunks)}.", field="manifest.chunks"
        )
    if len(digest) != DIGEST_SIZE:
        raise ManifestInvalid("A digest has 32 bytes.", field="manifest.digest")
    if any(len(chunk) != DIGEST_SIZE for chunk in chunks):
        raise ManifestInvalid("A digest has 32 bytes.", field="manifest.chunks")
    return hashlib.sha256(b"".join((MANIFEST_CONTEXT, _U64.pack(size), digest, *chunks))).digest()


def _sized(digest: bytes) -> bytes:
    """The digest itself; a shorter one would silently be padded into another meaning."""
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"a digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    return digest
