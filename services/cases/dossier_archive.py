"""The form of a dossier: a ZIP file written as a stream, and the names in it.

Nothing is compressed and nothing is sought back for, so what is held in memory is one piece and the list
of names.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final

FORMAT: Final = "liandong-dossier"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
CHECKPOINT: Final = "checkpoint.txt"
HEADER: Final = "header.bin"
PAYLOAD: Final = "payload.bin"
EXTRAS: Final = "extras.bin"
PROOF: Final = "proof.bin"
LEAF: Final = "leaf.bin"
PATH: Final = "path.bin"
EVIDENCE_MANIFEST: Final = "manifest.bin"

FRAME: Final = 1024 * 1024
_SIGNED: Final = b"liandong/dossier/v1\0"


def signed_bytes(manifest: bytes) -> bytes:
    """What the department that makes a dossier signs: the manifest, which holds the digest of every file."""
    return _SIGNED + manifest


def chunk_name(folder: str, index: int) -> str:
    """The name of a chunk of evidence."""
    return f"{folder}/{index:06}.chunk"


class _Sink:
    """What the ZIP writer writes to: no seeking, no telling."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: Any) -> int:
        """Take bytes."""
        self.written += data
        return len(data)

    def flush(self) -> None:
        """Nothing lies behind."""

    def close(self) -> None:
        """Nothing is held open."""


class Archive:
    """A ZIP file that is taken away while it is written.

    Attributes:
        digests: Name to SHA-256 of every file so far, hexadecimal.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)

    def add(self, name: str, data: bytes) -> None:
        """Write a file."""
        with self.open(name) as file:
            file.write(data)

    @contextmanager
    def open(self, name: str, *, large: bool = False) -> Iterator[_File]:
        """Write a file piece by piece; `large` where it may have more than 2 GiB."""
        with self._zip.open(zipfile.ZipInfo(name), "w", force_zip64=large) as entry:
            file = _File(entry)
            yield file
        self.digests[name] = file.digest.hexdigest()

    def close(self) -> None:
        """Write the list of names, which ends the file."""
        self._zip.close()

    def frames(self, *, rest: bool = False) -> Iterator[bytes]:
        """What was written and not taken yet, in whole frames; with `rest` what is left over too."""
        written = self._sink.written
        while len(written) >= FRAME or (rest and written):
            yield bytes(written[:FRAME])
            del written[:FRAME]


class _File:
    def __init__(self, entry: Any) -> None:
        self._entry = entry
        self.digest = sha256()

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self._entry.write(data)
