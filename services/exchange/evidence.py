"""What a file is and which chunks make it up: the manifest, made by streaming and checked by streaming.

The root names the evidence everywhere. It covers size, digest of the whole and digests of the chunks; the
descriptive fields (who collected it, when, where, the file's name) are outside it.
"""

import hashlib
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.errors import InvalidField, LiandongError, NotFound
from services.exchange.digests import CHUNK_SIZE, ManifestInvalid, chunk_count, manifest_root
from services.exchange.evidence_store import FRAME_SIZE, ChunkMismatch, EvidenceStore, check_wanted, off_loop

MAX_CHUNKS: Final = 8192

OpenChunk = Callable[[int], Generator[bytes, None, None]]
"""Opens a chunk by its index: its bytes in frames of at most `FRAME_SIZE`. Blocks; called in threads."""


class EvidencePending(LiandongError):
    """Chunks of the evidence have not all arrived, or the whole is being verified; try again."""

    reason = "EVIDENCE_PENDING"
    code = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file as evidence.

    Attributes:
        root: The name of the evidence everywhere.
        digest: SHA-256 of the whole.
        size: Bytes of the whole.
        chunks: SHA-256 of each chunk of 8 MiB, the last one shorter.
        media_type: Media type.
        file_name: Name without any path.
        collected_by: Who collected it.
        collected_at: When, aware.
        collected_place: Where.
    """

    root: bytes
    digest: bytes
    size: int
    chunks: tuple[bytes, ...]
    media_type: str = ""
    file_name: str = ""
    collected_by: str = ""
    collected_at: datetime | None = None
    collected_place: str = ""

    @classmethod
    def from_wire(cls, message: pb.Manifest) -> Self:
        """The manifest that a message holds, checked.

        Raises:
            ManifestInvalid: See `check`.
            InvalidField: `collected_at` is no moment of the calendar.
        """
        manifest = cls(
            root=message.root,
            digest=message.digest,
            size=message.size,
            chunks=tuple(message.chunks),
            media_type=message.media_type,
            file_name=message.file_name,
            collected_by=message.collected_by,
            collected_at=_moment(message) if message.HasField("collected_at") else None,
            collected_place=message.collected_place,
        )
        manifest.check()
        return manifest

    def to_wire(self) -> pb.Manifest:
        """The message for it."""
        message = pb.Manifest(
            root=self.root,
            digest=self.digest,
            size=self.size,
            chunks=self.chunks,
            media_type=self.media_type,
            file_name=self.file_name,
            collected_by=self.collected_by,
            collected_place=self.collected_place,
        )
        if self.collected_at is not None:
            message.collected_at.FromDatetime(self.collected_at)
        return message

    def check(self) -> None:
        """Check sizes, counts and root.

        Raises:
            ManifestInvalid: They do not fit; `field` names which.
        """
        if manifest_root(self.size, self.digest, self.chunks) != self.root:
            raise ManifestInvalid("The root is not that of size, digest and chunks.", field="manifest.root")
        if len(self.chunks) <= 1 and self.digest != (self.chunks[0] if self.chunks else sha256().digest()):
            raise ManifestInvalid(field="manifest.digest")

    def chunk_size(self, index: int) -> int:
        """Bytes of a chunk."""
        return chunk_size(self.size, index)


def chunk_size(size: int, index: int) -> int:
    """Bytes of one chunk of a file of `size` bytes.

    Raises:
        IndexError: The file has no such chunk.
    """
    if not 0 <= index < chunk_count(size):
        raise IndexError(f"{size} bytes have no chunk {index}")
    return min(CHUNK_SIZE, size - index * CHUNK_SIZE)


async def manifest_of(
    path: Path,
    *,
    media_type: str = "application/octet-stream",
    file_name: str | None = None,
    collected_by: str = "",
    collected_at: datetime | None = None,
    collected_place: str = "",
) -> Manifest:
    """The manifest of a file, read once in a thread with constant memory.

    Args:
        path: The file.
        media_type: Media type.
        file_name: Name to give it; that of the path when None.
        collected_by: Who collected it.
        collected_at: When, aware.
        collected_place: Where.

    Raises:
        ManifestInvalid: The file has more than 64 GiB.
        OSError: The file cannot be read.
    """
    size, digest, chunks = await off_loop(_digests_of, path)
    return Manifest(
        root=manifest_root(size, digest, chunks),
        digest=digest,
        size=size,
        chunks=tuple(chunks),
        media_type=media_type,
        file_name=path.name if file_name is None else file_name,
        collected_by=collected_by,
        collected_at=collected_at,
        collected_place=collected_place,
    )


def chunks_of_file(path: Path) -> OpenChunk:
    """Opens the chunks of a file as it lies."""

    def open_chunk(index: int) -> Generator[bytes, None, None]:
        with path.open("rb", buffering=0) as file:
            file.seek(index * CHUNK_SIZE)
            left = CHUNK_SIZE
            while left and (frame := file.read(min(FRAME_SIZE, left))):
                left -= len(frame)
                yield frame

    return open_chunk


def chunks_of_store(store: EvidenceStore, manifest: Manifest) -> OpenChunk:
    """Opens the chunks of a manifest from a store."""
    return lambda index: store.frames(manifest.chunks[index])


def verify_whole(store: EvidenceStore, manifest: Manifest) -> None:
    """Check that the chunks together have the digest of the whole, by streaming over them; blocks.

    Raises:
        ManifestInvalid: They have not, or are not all here; `spoilt_chunks` tells why.
        StorageFailed: The storage cannot be read.
    """
    if len(manifest.chunks) <= 1 and all(store.has(chunk, manifest.size) for chunk in manifest.chunks):
        return  # `Manifest.check` saw that the two digests are one
    whole = sha256()
    for chunk in manifest.chunks:
        if not _hash_chunk(store, chunk, whole):
            break
    if whole.digest() != manifest.digest:
        raise ManifestInvalid("The chunks do not have the digest of the whole.", field="manifest.digest")


def spoilt_chunks(store: EvidenceStore, manifest: Manifest) -> list[int]:
    """The chunks that the storage has lost, or whose bytes have changed in it; blocks.

    Raises:
        StorageFailed: The storage cannot be read.
    """
    spoilt = []
    for index, chunk in enumerate(manifest.chunks):
        found = sha256()
        if not _hash_chunk(store, chunk, found) or found.digest() != chunk:
            spoilt.append(index)
    return spoilt


def mismatch_at(index: int) -> ChunkMismatch:
    """The error of one chunk of a manifest."""
    return ChunkMismatch(
        f"The bytes of chunk {index} do not have the digest that the manifest names.",
        field=chunk_field(index),
    )


def chunk_field(index: int) -> str:
    """Path of a chunk in a manifest."""
    return f"manifest.chunks[{index}]"


def _moment(message: pb.Manifest) -> datetime:
    try:
        return message.collected_at.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidField(field="manifest.collected_at") from None


def _hash_chunk(store: EvidenceStore, chunk: bytes, into: "hashlib._Hash") -> bool:
    try:
        for frame in store.frames(chunk):
            check_wanted()
            into.update(frame)
    except NotFound:
        return False
    return True


def _digests_of(path: Path) -> tuple[int, bytes, Sequence[bytes]]:
    whole, chunk, chunks = sha256(), sha256(), list[bytes]()
    size = 0
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while frame := file.read(FRAME_SIZE - size % FRAME_SIZE):
            whole.update(frame)
            chunk.update(frame)
            size += len(frame)
            if size % CHUNK_SIZE == 0:
                chunks.append(chunk.digest())
                chunk = sha256()
    if size % CHUNK_SIZE:
        chunks.append(chunk.digest())
    return size, whole.digest(), chunks
