"""Evidence to test with: bytes that compress to nothing, and a store into which faults are queued."""

import errno
import hashlib
import random
from collections import Counter, deque
from collections.abc import Generator
from pathlib import Path

from typing_extensions import override

from services.exchange.digests import CHUNK_SIZE, manifest_root
from services.exchange.evidence import Manifest
from services.exchange.evidence_store import EvidenceStore, FolderStore

MIB = 1024 * 1024


def sample(size: int, seed: int = 1) -> bytes:
    """So many bytes, always the same for a seed."""
    return random.Random(seed).randbytes(size)


def manifest_for(data: bytes, **told: str) -> Manifest:
    """The manifest of bytes, made without the code under test."""
    chunks = tuple(
        hashlib.sha256(data[at : at + CHUNK_SIZE]).digest() for at in range(0, len(data), CHUNK_SIZE)
    )
    digest = hashlib.sha256(data).digest()
    return Manifest(
        root=manifest_root(len(data), digest, chunks),
        digest=digest,
        size=len(data),
        chunks=chunks,
        **{"media_type": "application/octet-stream", "file_name": "sample.bin", **told},  # type: ignore[arg-type]
    )


def fill(store: EvidenceStore, data: bytes) -> Manifest:
    """Put all chunks of some bytes into a store."""
    manifest = manifest_for(data)
    for index, digest in enumerate(manifest.chunks):
        writer = store.writer(digest, manifest.chunk_size(index))
        writer.append(data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
        writer.commit()
    return manifest


def whole(store: EvidenceStore, manifest: Manifest) -> bytes:
    """The bytes of a manifest as a store has them."""
    return b"".join(frame for chunk in manifest.chunks for frame in store.frames(chunk))


class FaultyStore(FolderStore):
    """The real store; a queued error is raised by the next write or settling. Counts what is done."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.folder = path
        self.write_faults: deque[OSError | None] = deque()
        self.settle_faults: deque[OSError | None] = deque()
        self.written = 0
        self.settled: Counter[str] = Counter()
        self.read_from: list[int] = []

    @override
    def write(self, descriptor: int, frame: bytes) -> None:
        if self.write_faults and (fault := self.write_faults.popleft()) is not None:
            super().write(descriptor, frame[: len(frame) // 2])
            raise fault
        super().write(descriptor, frame)
        self.written += len(frame)

    @override
    def frames(self, digest: bytes, offset: int = 0) -> Generator[bytes, None, None]:
        self.read_from.append(offset)
        return super().frames(digest, offset)

    @override
    def settle(self, descriptor: int, temporary: Path, place: Path) -> None:
        if self.settle_faults and (fault := self.settle_faults.popleft()) is not None:
            raise fault
        super().settle(descriptor, temporary, place)
        self.settled[place.name] += 1


def disk_full() -> OSError:
    """What the system says when a disk is full."""
    return OSError(errno.ENOSPC, "No space left on device")


def files_below(folder: Path) -> list[Path]:
    """All files in a folder, however deep."""
    return sorted(file for file in folder.rglob("*") if file.is_file())
