"""A chunk is in a store whole, under its digest, or not at all."""

import asyncio
import errno
import fcntl
import hashlib
import os
import threading
from pathlib import Path

import pytest

from services.common.errors import NotFound, StorageFailed
from services.exchange.evidence_store import FRAME_SIZE, ChunkMismatch, FolderStore, off_loop
from tests.unit.exchange.evidence_samples import MIB, FaultyStore, disk_full, files_below, sample


def put(store: FolderStore, data: bytes, *, digest: bytes = b"", size: int = 0) -> bytes:
    digest = digest or hashlib.sha256(data).digest()
    writer = store.writer(digest, size or len(data))
    try:
        for at in range(0, len(data), FRAME_SIZE):
            writer.append(data[at : at + FRAME_SIZE])
        writer.commit()
    finally:
        writer.discard()
    return digest


def test_a_chunk_is_read_back_in_frames(tmp_path: Path) -> None:
    """What was committed is there after a restart, in frames of a bounded size."""
    data = sample(2 * MIB + 7)
    digest = put(FolderStore(tmp_path / "deep" / "store"), data)
    store = FolderStore(tmp_path / "deep" / "store")
    frames = list(store.frames(digest))
    assert b"".join(frames) == data
    assert max(map(len, frames)) == FRAME_SIZE
    assert store.has(digest, len(data))
    assert not store.has(digest, len(data) + 1)


def test_a_chunk_is_read_from_an_offset(tmp_path: Path) -> None:
    """Reading starts where a download was cut."""
    store = FolderStore(tmp_path)
    data = sample(MIB + 11)
    digest = put(store, data)
    assert b"".join(store.frames(digest, 5)) == data[5:]
    assert list(store.frames(digest, len(data))) == []


def test_a_chunk_lies_under_its_digest(tmp_path: Path) -> None:
    """Names are made of digests only, fanned out; a name of another form is refused."""
    store = FolderStore(tmp_path)
    name = put(store, b"abc").hex()
    assert files_below(tmp_path) == [tmp_path / "chunks" / name[:2] / name]
    with pytest.raises(ValueError, match="32 bytes"):
        store.has(b"../../etc/passwd", 1)


@pytest.mark.parametrize(
    ("sent", "size"), [(b"abd", 3), (b"ab", 3), (b"abcd", 3)], ids=["other", "too few", "too many"]
)
def test_wrong_bytes_are_not_kept(tmp_path: Path, sent: bytes, size: int) -> None:
    """Other bytes, fewer or more than announced: refused, and no file is left."""
    store = FolderStore(tmp_path)
    with pytest.raises(ChunkMismatch):
        put(store, sent, digest=hashlib.sha256(b"abc").digest(), size=size)
    assert files_below(tmp_path) == []


def test_a_writer_given_up_leaves_nothing(tmp_path: Path) -> None:
    """A cut upload leaves no file."""
    store = FolderStore(tmp_path)
    writer = store.writer(hashlib.sha256(b"abc").digest(), 3)
    writer.append(b"a")
    assert writer.offset == 1
    writer.discard()
    writer.discard()
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("where", ["write", "settle"])
def test_a_full_disk_keeps_nothing_half(tmp_path: Path, where: str) -> None:
    """A disk full while writing or while syncing is STORAGE; the same chunk succeeds later."""
    store = FaultyStore(tmp_path)
    (store.write_faults if where == "write" else store.settle_faults).append(disk_full())
    data = sample(MIB + 1)
    with pytest.raises(StorageFailed) as caught:
        put(store, data)
    assert caught.value.reason == "STORAGE"
    assert caught.value.is_retryable
    assert "space" not in caught.value.message
    assert files_below(tmp_path) == []
    assert store.has(put(store, data), len(data))


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A file where the folder should be stops the start with a typed error."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageFailed):
        FolderStore(tmp_path / "taken")


def test_a_missing_chunk_is_not_found(tmp_path: Path) -> None:
    """Reading what is not there says so."""
    with pytest.raises(NotFound):
        next(FolderStore(tmp_path).frames(bytes(32)))


def test_leftovers_are_removed_at_the_start(tmp_path: Path) -> None:
    """A half-written file of a killed process goes; one that a living replica writes stays."""
    FolderStore(tmp_path)
    dead = tmp_path / "incoming" / "dead"
    alive = tmp_path / "incoming" / "alive"
    dead.write_bytes(b"half")
    with alive.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        FolderStore(tmp_path)
        assert files_below(tmp_path) == [alive]
    FolderStore(tmp_path)
    assert files_below(tmp_path) == []


def test_writing_again_mends_a_spoilt_chunk(tmp_path: Path) -> None:
    """A chunk that the disk has changed is replaced by checked bytes."""
    store = FolderStore(tmp_path)
    digest = put(store, b"abc")
    (file,) = files_below(tmp_path)
    file.write_bytes(b"xyz")
    put(store, b"abc")
    assert b"".join(store.frames(digest)) == b"abc"


def test_two_writers_of_one_chunk_both_succeed(tmp_path: Path) -> None:
    """The same evidence comes from two departments at once."""
    store = FolderStore(tmp_path)
    digest = hashlib.sha256(b"abc").digest()
    writers = [store.writer(digest, 3), store.writer(digest, 3)]
    for writer in writers:
        writer.append(b"abc")
    for writer in writers:
        writer.commit()
    assert b"".join(store.frames(digest)) == b"abc"


def test_an_unreadable_store_is_a_storage_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the system never leave as they are."""
    store = FolderStore(tmp_path)

    def fail(*_: object, **__: object) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(StorageFailed):
        store.has(bytes(32), 1)


async def test_cancelled_work_is_waited_for() -> None:
    """Who cancels blocking work gets control only when the thread has ended."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(5)
        ended.set()

    task = asyncio.create_task(off_loop(work))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
