"""Where the bytes of evidence lie: chunks, each under the SHA-256 of what it holds.

A chunk exists under its digest whole or not at all: it is written to a file of its own, hashed on the way,
synced, renamed, and the folder is synced. Writing one that exists replaces it by bytes that were checked just
now, which repairs a chunk that the disk has spoilt. Names are made from digests only, never from anything a
caller says.

Every method blocks; from asyncio use `off_loop`.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn, ParamSpec, Protocol, TypeVar
from uuid import uuid4

import structlog

from services.common.errors import LiandongError, NotFound, StorageFailed
from services.exchange.digests import CHUNK_SIZE, DIGEST_SIZE

P = ParamSpec("P")
T = TypeVar("T")

FRAME_SIZE: Final = 256 * 1024
"""What is read and sent of a chunk at once. The wire allows 1 MiB, which is no faster; a cut loses the frame
that is on its way, and a slow link must get one through before anything counts."""

_RETRY_AFTER_MS: Final = 5000
_log = structlog.get_logger(__name__)


_given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


class GivenUp(Exception):
    """Nobody wants the result of this work any more."""


class ChunkMismatch(LiandongError):
    """The chunk's bytes do not have the digest that its manifest names."""

    reason = "CHUNK_MISMATCH"
    code = "INVALID_ARGUMENT"


class ChunkWriter(Protocol):
    """One chunk on its way into a store; `discard` it in the end, committed or not."""

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        ...

    def append(self, frame: bytes) -> None:
        """Take the next bytes.

        Raises:
            ChunkMismatch: They are more than the chunk has.
            StorageFailed: The storage is full or failing.
        """
        ...

    def commit(self) -> None:
        """Make the chunk durable.

        Raises:
            ChunkMismatch: Size or digest are not those announced; nothing is kept.
            StorageFailed: The storage is full or failing; nothing is kept.
        """
        ...

    def discard(self) -> None:
        """Keep nothing that was not committed; repeating it is harmless."""
        ...


class EvidenceStore(Protocol):
    """Chunks by their digest."""

    def has(self, digest: bytes, size: int) -> bool:
        """Whether the chunk is here in full."""
        ...

    def writer(self, digest: bytes, size: int) -> ChunkWriter:
        """Begin a chunk of `size` bytes that hash to `digest`; takes nothing yet, and does not block."""
        ...

    def frames(self, digest: bytes, offset: int = 0) -> Generator[bytes, None, None]:
        """The bytes of a chunk from an offset on, at most `FRAME_SIZE` at a time.

        Raises:
            NotFound: No such chunk is here.
            StorageFailed: The storage cannot be read.
        """
        ...


class FolderStore:
    """Chunks in a folder, which replicas may share.

    Args:
        path: The folder; made if missing. Files that a killed process left half written are removed.

    Raises:
        StorageFailed: The folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._chunks = path / "chunks"
        self._incoming = path / "incoming"
        try:
            for folder in (path, self._chunks, self._incoming):
                self._make_folder(folder)
            self._remove_leftovers()
        except OSError as error:
            _failed(error)

    def has(self, digest: bytes, size: int) -> bool:
        """Whether the chunk is here in full."""
        try:
            return self._place_of(digest).stat().st_size == size
        except FileNotFoundError:
            return False
        except OSError as error:
            _failed(error)

    def writer(self, digest: bytes, size: int) -> "FolderWriter":
        """Begin a chunk; see `EvidenceStore.writer`."""
        return FolderWriter(self, self._incoming / uuid4().hex, self._place_of(digest), digest, size)

    def frames(self, digest: bytes, offset: int = 0) -> Generator[bytes, None, None]:
        """The bytes of a chunk from an offset on; see `EvidenceStore.frames`."""
        try:
            with self._place_of(digest).open("rb", buffering=0) as file:
                file.seek(offset)
                while frame := file.read(FRAME_SIZE):
                    yield frame
        except FileNotFoundError:
            raise NotFound("No such chunk is here.") from None
        except OSError as error:
            _failed(error)

    def write(self, descriptor: int, frame: bytes) -> None:
        """Write all of a frame."""
        view = memoryview(frame)
        while view:
            view = view[os.write(descriptor, view) :]

    def settle(self, descriptor: int, temporary: Path, place: Path) -> None:
        """Sync a written file and give it its name, durably."""
        os.fsync(descriptor)
        self._make_folder(place.parent)
        temporary.replace(place)
        _sync_folder(place.parent)

    def _place_of(self, digest: bytes) -> Path:
        if len(digest) != DIGEST_SIZE:
            raise ValueError(f"a digest has {DIGEST_SIZE} bytes, not {len(digest)}")
        name = digest.hex()
        return self._chunks / name[:2] / name

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            return
        except FileNotFoundError:
            self._make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)

    def _remove_leftovers(self) -> None:
        for file in self._incoming.iterdir():
            descriptor = os.open(file, os.O_RDWR)
            try:
                # a writer that lives, here or in another replica, holds its lock
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink(missing_ok=True)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


class FolderWriter:
    """One chunk on its way into a folder; see `ChunkWriter`."""

    def __init__(self, store: FolderStore, temporary: Path, place: Path, digest: bytes, size: int) -> None:
        if not 0 < size <= CHUNK_SIZE:
            raise ValueError(f"a chunk has 1 to {CHUNK_SIZE} bytes, not {size}")
        self._store = store
        self._temporary = temporary
        self._place = place
        self._digest = digest
        self._size = size
        self._hash = sha256()
        self._offset = 0
        self._descriptor = -1

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._offset

    def append(self, frame: bytes) -> None:
        """Take the next bytes; see `ChunkWriter.append`."""
        if self._offset + len(frame) > self._size:
            raise ChunkMismatch(f"The chunk has {self._size} bytes; more were sent.")
        try:
            if self._offset == 0:
                self._open()
            self._store.write(self._descriptor, frame)
        except OSError as error:
            self.discard()
            _failed(error)
        self._hash.update(frame)
        self._offset += len(frame)

    def commit(self) -> None:
        """Make the chunk durable; see `ChunkWriter.commit`."""
        if self._offset != self._size:
            self.discard()
            raise ChunkMismatch(f"The chunk has {self._size} bytes; {self._offset} were sent.")
        if self._hash.digest() != self._digest:
            self.discard()
            raise ChunkMismatch
        try:
            self._store.settle(self._descriptor, self._temporary, self._place)
        except OSError as error:
            _failed(error)
        finally:
            self.discard()

    def discard(self) -> None:
        """Keep nothing that was not committed; repeating it is harmless."""
        if self._descriptor < 0:
            return
        self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> None:
        # only now: a caller that is cancelled while it asks for a writer has nothing to discard
        if self._descriptor < 0:
            self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)


def check_wanted() -> None:
    """To be called now and then by work of `off_loop` that only reads, and may take minutes.

    Raises:
        GivenUp: Whoever asked for it was cancelled, and waits for it to end.
    """
    given_up = _given_up.get()
    if given_up is not None and given_up.is_set():
        raise GivenUp


async def off_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread; when cancelled, wait for it to end first.

    `asyncio.to_thread` alone would return while the thread still writes, and the caller's clean-up would
    close the file under it. Work that takes long asks with `check_wanted` whether to go on.
    """
    given_up = threading.Event()
    before = _given_up.set(given_up)
    try:
        # takes the context along as it is now
        task = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    finally:
        _given_up.reset(before)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        given_up.set()
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # looked at, so that it is not reported as lost
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> NoReturn:
    _log.error("evidence.storage", error=type(error).__name__, errno=error.errno, text=error.strerror)
    raise StorageFailed(retry_after_ms=_RETRY_AFTER_MS) from None
