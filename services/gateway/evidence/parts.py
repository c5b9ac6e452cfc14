"""Files that come in parts, and go on after a cut where they were.

What has come of a file lies in a folder of the gateway under the file's id; its length is what has come. When it
is all there, its kind is read off its bytes and it is brought to the node, chunk by chunk; then nothing of it is
left here. A gateway that was set up anew asks for the file from the beginning.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from services.common.errors import InvalidField, LiandongError, StorageFailed, Unavailable
from services.exchange.evidence import Manifest, chunks_of_file, manifest_of
from services.exchange.evidence_client import upload
from services.gateway.evidence.bringing import ATTEMPTS, About, FileTooLarge, in_time, stub_of
from services.gateway.evidence.kinds import kind_of
from services.gateway.evidence.names import harmless
from services.gateway.evidence.reading import Acting
from services.gateway.upstream import Upstream

PART: Final = 4 * 1024 * 1024
"""Bytes that a browser sends at a time."""
_IDLE_S: Final = 60
_LEFT_FOR_S: Final = 24 * 3600
_SPARE: Final = 256 * 1024 * 1024
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NAMELESS: Final = "file"
_RETRY_AFTER_MS: Final = 3000


class OtherOffset(LiandongError):
    """The part does not begin where the last one ended; ask how much has come."""

    reason = "STALE"
    code = "ABORTED"

    offset = 0


class Incomplete(LiandongError):
    """Not all of the file has come."""

    reason = "EVIDENCE_PENDING"
    code = "FAILED_PRECONDITION"


class OtherKind(InvalidField):
    """The file is not of a kind that is taken here."""


class Spool:
    """Files on their way from browsers.

    Args:
        limit: Bytes of one file.
        at_once: How many are brought to nodes at a time.
        folder: Where they lie meanwhile; one of its own that is gone with the process when None.
    """

    def __init__(self, limit: int, at_once: int, folder: Path | None = None) -> None:
        self.limit = limit
        self._own = folder is None
        self._folder = folder / "parts" if folder else Path(tempfile.mkdtemp(prefix="liandong-parts-"))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._bringing = asyncio.Semaphore(at_once)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Let go of the folder, if it is ours alone."""
        if self._own:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def begin(self, size: int) -> None:
        """Check that a file of a size can come; sweeps what was left.

        Raises:
            FileTooLarge: It is larger than this gateway takes.
            StorageFailed: The folder has no room for it.
        """
        if size > self.limit:
            raise FileTooLarge(f"At most {self.limit} bytes.", field="size")
        await asyncio.to_thread(self._sweep)
        if shutil.disk_usage(self._folder).free < size + _SPARE:
            raise StorageFailed("The gateway has no room for this file.")

    async def come(self, file_id: str) -> int:
        """How many bytes of a file have come."""
        path = self._path(file_id)
        return await asyncio.to_thread(lambda: path.stat().st_size if path.exists() else 0)

    async def is_idle(self, file_id: str, begun_at: datetime) -> bool:
        """Nothing of a file has come for a minute."""
        path = self._path(file_id)
        last = await asyncio.to_thread(
            lambda: path.stat().st_mtime if path.exists() else begun_at.timestamp()
        )
        return time.time() - last > _IDLE_S

    async def append(self, file_id: str, offset: int, size: int, pieces: AsyncIterator[bytes]) -> int:
        """Take a part; returns how many bytes have come. What came of a part that is cut off stays.

        Args:
            file_id: Which file.
            offset: Where the part begins.
            size: Bytes of the whole, as was said at first.
            pieces: The bytes, as they come.

        Raises:
            OtherOffset: It begins elsewhere; `offset` says how much has come.
            FileTooLarge: More came than the whole has.
            SlowSender: Nothing more came.
            StorageFailed: The folder is full.
        """
        path = self._path(file_id)
        lock = self._locks.setdefault(file_id, asyncio.Lock())
        async with lock:
            have = await self.come(file_id)
            if offset != have:
                error = OtherOffset(f"So many bytes have come: {have}.", field="offset")
                error.offset = have
                raise error
            async for piece in in_time(pieces):
                have += len(piece)
                if have > size:
                    raise FileTooLarge(f"The file has {size} bytes.", field="size")
                await asyncio.to_thread(_write, path, piece)
            return have

    async def bring(
        self, file_id: str, size: int, upstream: Upstream, acting: Acting, about: About, only: str = ""
    ) -> Manifest:
        """Bring a file to the node, once all of it has come; nothing of it stays here then.

        Args:
            file_id: Which file.
            size: Bytes of the whole.
            upstream: The node.
            acting: Who brings it.
            about: What is said of it.
            only: What its kind has to begin with, such as `image/`.

        Raises:
            Incomplete: Not all of it has come.
            OtherKind: By its bytes it is of another kind; it is thrown away.
            Unavailable: The node is out of reach, or too many files are brought at once.
            LiandongError: What the node says.
        """
        path = self._path(file_id)
        lock = self._locks.setdefault(file_id, asyncio.Lock())
        async with lock:
            if await self.come(file_id) != size:
                raise Incomplete
            try:
                async with asyncio.timeout(30):
                    await self._bringing.acquire()
            except TimeoutError:
                raise Unavailable(
                    "Too many files are on their way; try again.", retry_after_ms=_RETRY_AFTER_MS
                ) from None
            try:
                if not path.exists():
                    await asyncio.to_thread(path.touch)
                name = harmless(about.file_name, _NAMELESS)
                kind = await asyncio.to_thread(kind_of, path, name)
                if not kind.startswith(only):
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                    raise OtherKind
                manifest = await manifest_of(
                    path,
                    media_type=kind,
                    file_name=name,
                    collected_by=about.collected_by,
                    collected_at=about.collected_at,
                    collected_place=about.collected_place,
                )
                await upload(stub_of(upstream, acting), manifest, chunks_of_file(path), attempts=ATTEMPTS)
            finally:
                self._bringing.release()
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return manifest

    async def forget(self, file_id: str) -> None:
        """Throw away what has come of a file."""
        await asyncio.to_thread(self._path(file_id).unlink, missing_ok=True)

    def _path(self, file_id: str) -> Path:
        if not _ID.fullmatch(file_id):
            raise ValueError("the id of a file is 32 hexadecimal digits")
        return self._folder / file_id

    def _sweep(self) -> None:
        for each in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - each.stat().st_mtime > _LEFT_FOR_S:
                    each.unlink()


def _write(path: Path, piece: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFailed(f"The gateway cannot keep the file: {error.strerror}.") from None
