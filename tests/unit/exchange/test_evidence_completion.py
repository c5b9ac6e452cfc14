"""Evidence is complete when its chunks together are what the manifest claims, and only then."""

import asyncio
import hashlib
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from services.common.db import Database
from services.common.errors import NotFound, StorageFailed
from services.exchange.digests import CHUNK_SIZE, ManifestInvalid, manifest_root
from services.exchange.evidence import EvidencePending, Manifest
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_records import EvidenceRecords, HeldManifest
from services.exchange.evidence_store import FolderStore
from services.exchange.evidence_tables import metadata
from tests.unit.exchange.evidence_samples import files_below, fill, sample

HOLDER = "health.qinghe"


class SlowStore(FolderStore):
    """The real store, whose reads wait until they are let go; counts the chunks read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go_on = threading.Event()
        self.go_on.set()
        self.fails = False
        self.reads = 0

    @override
    def frames(self, digest: bytes, offset: int = 0) -> Generator[bytes, None, None]:
        self.go_on.wait(5)
        self.reads += 1
        if self.fails:
            raise StorageFailed
        yield from super().frames(digest, offset)


@pytest.fixture
def store(tmp_path: Path) -> SlowStore:
    return SlowStore(tmp_path / "store")


@pytest.fixture
def records(sqlite_url: str) -> Iterator[EvidenceRecords]:
    database = Database(sqlite_url)
    database.write(metadata.create_all)
    yield EvidenceRecords(database)
    database.close()


@pytest.fixture
def manifest(store: SlowStore) -> Manifest:
    """Two chunks, both in the store."""
    return fill(store, sample(CHUNK_SIZE + 9))


def all_here(records: EvidenceRecords, manifest: Manifest) -> HeldManifest:
    records.register(manifest, HOLDER)
    records.mark_present(manifest.root, HOLDER, range(len(manifest.chunks)))
    return records.manifest(manifest.root, HOLDER)


async def test_what_is_right_becomes_complete(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """Completeness and what follows from it are one transaction, and happen once."""
    told: list[tuple[bytes, str]] = []
    completion = Completion(store, records, lambda _, root, holder: told.append((root, holder)))
    assert (await completion.settle(all_here(records, manifest))).complete
    assert (await completion.settle(records.manifest(manifest.root, HOLDER))).complete
    assert told == [(manifest.root, HOLDER)]


async def test_what_lacks_chunks_is_left_alone(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """Nothing is read before all is here."""
    held = records.register(manifest, HOLDER)
    assert await Completion(store, records).settle(held) == held
    assert store.reads == 0


async def test_a_wrong_claim_is_forgotten(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """Right chunks under a wrong digest of the whole: refused, and the manifest is gone."""
    other = hashlib.sha256(b"other").digest()
    forged = replace(manifest, digest=other, root=manifest_root(manifest.size, other, manifest.chunks))
    with pytest.raises(ManifestInvalid) as caught:
        await Completion(store, records).settle(all_here(records, forged))
    assert caught.value.field == "manifest.digest"
    with pytest.raises(NotFound):
        records.manifest(forged.root, HOLDER)


async def test_what_the_disk_spoilt_is_asked_for_anew(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest, tmp_path: Path
) -> None:
    """A spoilt chunk is missing again; the manifest is not blamed."""
    held = all_here(records, manifest)
    next(file for file in files_below(tmp_path) if file.name == manifest.chunks[1].hex()).write_bytes(b"?")
    assert (await Completion(store, records).settle(held)).missing == (1,)


async def test_verifying_happens_once_and_outlives_who_asked(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """Who asks in vain is told to ask again; the work goes on and is not doubled."""
    completion = Completion(store, records)
    held = all_here(records, manifest)
    store.go_on.clear()
    for _ in range(2):
        with pytest.raises(EvidencePending) as caught:
            await completion.settle(held, patience_s=0.01)
        assert caught.value.retry_after_ms > 0
    asked = asyncio.create_task(completion.settle(held))
    await asyncio.sleep(0)
    asked.cancel()
    store.go_on.set()
    assert (await completion.settle(held)).complete
    assert store.reads == 2


async def test_a_failing_disk_decides_nothing(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """An unreadable disk is an error of now; the next who asks begins again."""
    completion = Completion(store, records)
    held = all_here(records, manifest)
    store.fails = True
    with pytest.raises(StorageFailed):
        await completion.settle(held)
    store.fails = False
    assert (await completion.settle(held)).complete


async def test_closing_stops_verifying(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """Nothing runs on behind a stopped server."""
    completion = Completion(store, records)
    store.go_on.clear()
    with pytest.raises(EvidencePending):
        await completion.settle(all_here(records, manifest), patience_s=0.01)
    asyncio.get_running_loop().call_later(0.05, store.go_on.set)
    await completion.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_closes_waits_for_no_more_than_what_is_being_read(
    store: SlowStore, records: EvidenceRecords, manifest: Manifest
) -> None:
    """A file of many GiB is not read to its end for a process that stops."""
    store.go_on.clear()
    completion = Completion(store, records)
    settling = asyncio.create_task(completion.settle(all_here(records, manifest)))
    await asyncio.sleep(0.2)
    closing = asyncio.create_task(completion.close())
    await asyncio.sleep(0.1)
    store.go_on.set()
    await closing
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert store.reads == 1
    assert not records.manifest(manifest.root, HOLDER).complete
