"""Evidence between departments and the registry over mutual TLS, with the wire cut where it hurts."""

import asyncio
import hashlib
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import stamina
from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.channel import remote_errors
from services.common.errors import (
    InvalidField,
    NotFound,
    PermissionDenied,
    StorageFailed,
)
from services.exchange.digests import CHUNK_SIZE, ManifestInvalid, manifest_root
from services.exchange.evidence import EvidencePending, chunks_of_store
from services.exchange.evidence_client import chunks_of_file, download, manifest_of, upload
from services.exchange.evidence_store import ChunkMismatch, FolderStore
from tests.unit.exchange.evidence_samples import (
    MIB,
    FaultyStore,
    disk_full,
    files_below,
    fill,
    manifest_for,
    sample,
    whole,
)
from tests.wire.exchange.evidence_world import AUTHOR, RECIPIENT, EvidenceWorld, Wire, calling, until

SLACK = MIB
"""TLS, HTTP/2 and handshakes, on top of the bytes of evidence."""


async def test_a_file_arrives_whole(evidence: EvidenceWorld) -> None:
    """From a file through the registry into a folder; every use is written down with who and what."""
    data = sample(20 * MIB + 5)
    path = evidence.folder / "photo.bin"
    path.write_bytes(data)
    manifest = await manifest_of(path, collected_by="王某")
    seen: list[tuple[int, int]] = []
    async with calling(evidence.registry.target, evidence.author) as stub:
        await upload(stub, manifest, chunks_of_file(path), lambda done, size: seen.append((done, size)))
        await upload(stub, manifest, chunks_of_file(path))
    assert seen[0] == (0, len(data))
    assert seen[-1] == (len(data), len(data))
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]
    assert sorted(use.index or 0 for use in evidence.registry.used("write")) == [0, 1, 2]
    evidence.let_read(manifest)
    store = FolderStore(evidence.folder / "recipient")
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        assert await download(stub, manifest.root, store) == manifest
    assert await asyncio.to_thread(whole, store, manifest) == data
    reads = evidence.registry.used("read")
    assert {(use.caller.department, use.holder, use.root) for use in reads} == {
        (RECIPIENT, AUTHOR, manifest.root)
    }


async def test_an_empty_file_arrives(evidence: EvidenceWorld) -> None:
    """No chunk at all is complete at once."""
    manifest = manifest_for(b"")
    store = FolderStore(evidence.folder / "none")
    async with calling(evidence.registry.target, evidence.author) as stub:
        await upload(stub, manifest, chunks_of_store(store, manifest))
        assert await download(stub, manifest.root, store) == manifest
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]


async def test_a_cut_upload_sends_only_what_did_not_arrive(evidence: EvidenceWorld) -> None:
    """Cut in the middle of a chunk: durable chunks are not sent again, at most two begun ones are."""
    size, cut_at = 32 * MIB, 20 * MIB
    manifest = fill(evidence.source, sample(size))
    async with Wire(evidence.registry.target) as wire, calling(wire.target, evidence.author) as stub:
        wire.cut_at_up = cut_at
        seen: list[int] = []
        await upload(
            stub, manifest, chunks_of_store(evidence.source, manifest), lambda done, _: seen.append(done)
        )
        assert wire.cuts == 1
        assert wire.bytes_up < cut_at + size - CHUNK_SIZE + SLACK
    assert set(evidence.store.settled.values()) == {1}
    assert evidence.store.written < size + 2 * CHUNK_SIZE
    assert seen[-1] == size
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]
    await until(lambda: not evidence.incoming())


async def test_a_killed_upload_goes_on_in_the_next_process(evidence: EvidenceWorld) -> None:
    """What arrived before stays: a new upload asks first and sends the rest."""
    size = 32 * MIB
    manifest = fill(evidence.source, sample(size))
    async with Wire(evidence.registry.target) as wire:
        async with calling(wire.target, evidence.author) as stub:
            killed = asyncio.create_task(upload(stub, manifest, chunks_of_store(evidence.source, manifest)))
            await until(lambda: bool(evidence.registry.used("write")))
            killed.cancel()
            with suppress(asyncio.CancelledError):
                await killed
        arrived = evidence.store.settled.copy()
        assert 1 <= len(arrived) < 4
        before = wire.bytes_up
        async with calling(wire.target, evidence.author) as stub:
            seen: list[int] = []
            await upload(
                stub, manifest, chunks_of_store(evidence.source, manifest), lambda done, _: seen.append(done)
            )
        assert seen[0] >= CHUNK_SIZE
        assert wire.bytes_up - before < size - CHUNK_SIZE + SLACK
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]


async def test_a_cut_download_goes_on_within_the_chunk(evidence: EvidenceWorld) -> None:
    """Cut twice in one chunk: what was kept is not asked for again, and no byte is written twice."""
    data = sample(8 * MIB)
    manifest = evidence.held(data)
    store = FaultyStore(evidence.folder / "recipient")
    seen: list[int] = []
    cut_after: list[int] = []
    async with Wire(evidence.registry.target) as wire, calling(wire.target, evidence.recipient) as stub:

        def progress(done: int, _: int) -> None:
            seen.append(done)
            if done >= (wire.cuts + 1) * 2 * MIB and wire.cuts < 2:
                wire.cut()
                cut_after.append(done)

        await download(stub, manifest.root, store, progress)
    offsets = evidence.store.read_from
    assert len(offsets) == 3
    assert offsets[0] == 0
    # what had reached us when the wire was cut is kept too
    assert offsets[1] >= cut_after[0] >= 2 * MIB
    assert offsets[2] >= cut_after[1] >= 4 * MIB
    assert store.written == len(data)
    assert seen == sorted(seen)
    assert seen[-1] == len(data)
    assert await asyncio.to_thread(whole, store, manifest) == data


async def test_a_download_begun_before_fetches_the_rest(evidence: EvidenceWorld) -> None:
    """Chunks that are here from an earlier process are not asked for."""
    data = sample(20 * MIB)
    manifest = evidence.held(data)
    store = FolderStore(evidence.folder / "recipient")
    fill(store, data[: 8 * MIB])
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        await download(stub, manifest.root, store)
    assert sorted(use.index or 0 for use in evidence.registry.used("read")) == [1, 2]


async def test_a_spoilt_chunk_at_home_is_fetched_anew(evidence: EvidenceWorld) -> None:
    """A chunk that our own disk changed is found when the whole is verified."""
    data = sample(9 * MIB)
    manifest = evidence.held(data)
    store = FolderStore(evidence.folder / "recipient")
    fill(store, data)
    file = next(
        each for each in files_below(evidence.folder / "recipient") if each.name == manifest.chunks[1].hex()
    )
    file.write_bytes(bytes(MIB))
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        await download(stub, manifest.root, store)
    assert await asyncio.to_thread(whole, store, manifest) == data


async def test_a_tampered_upload_is_refused(evidence: EvidenceWorld) -> None:
    """Bytes that are not those of the manifest: CHUNK_MISMATCH names the chunk, nothing is kept."""
    data = sample(9 * MIB)
    manifest = manifest_for(data)

    def open_chunk(index: int) -> Generator[bytes, None, None]:
        chunk = data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        yield chunk[:MIB] if index == 0 else bytes(len(chunk))
        for at in range(MIB, len(chunk), MIB):
            yield chunk[at : at + MIB]

    async with calling(evidence.registry.target, evidence.author) as stub:
        with pytest.raises(ChunkMismatch) as caught:
            await upload(stub, manifest, open_chunk)
    assert caught.value.field == "manifest.chunks[1]"
    assert "1" in caught.value.message
    assert manifest.chunks[1].hex() not in evidence.store.settled
    assert evidence.registry.completed == []
    await until(lambda: not evidence.incoming())


@pytest.mark.parametrize("size", [MIB - 1, MIB + 1], ids=["too few", "too many"])
async def test_a_chunk_of_another_size_is_refused(evidence: EvidenceWorld, size: int) -> None:
    """A chunk that ends early or goes on is no chunk of the manifest."""
    manifest = manifest_for(sample(MIB))

    def open_chunk(_: int) -> Generator[bytes, None, None]:
        yield sample(MIB)[:size]
        if size > MIB:
            yield b"more"

    async with calling(evidence.registry.target, evidence.author) as stub:
        with pytest.raises(ChunkMismatch) as caught:
            await upload(stub, manifest, open_chunk)
    assert caught.value.field == "manifest.chunks[0]"


async def test_a_tampered_download_is_refused(evidence: EvidenceWorld) -> None:
    """A chunk changed on the registry's disk does not pass the recipient."""
    manifest = evidence.held(sample(MIB))
    (file,) = files_below(evidence.folder / "registry" / "store")
    file.write_bytes(bytes(MIB))
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        with pytest.raises(ChunkMismatch) as caught:
            await download(stub, manifest.root, FolderStore(evidence.folder / "recipient"))
    assert caught.value.field == "manifest.chunks[0]"
    assert files_below(evidence.folder / "recipient") == []


async def test_a_wrong_manifest_is_refused(evidence: EvidenceWorld) -> None:
    """A root that is not that of its parts is refused with its field, before any byte."""
    manifest = replace(manifest_for(b"abc"), root=hashlib.sha256(b"other").digest())
    async with calling(evidence.registry.target, evidence.author) as stub:
        with pytest.raises(ManifestInvalid) as caught, remote_errors():
            await stub.PutManifest(pb.PutManifestRequest(manifest=manifest.to_wire()))
        assert caught.value.field == "manifest.root"
        with pytest.raises(InvalidField) as invalid, remote_errors():
            await stub.PutManifest(
                pb.PutManifestRequest(manifest=replace(manifest, file_name="../etc/passwd").to_wire())
            )
        assert invalid.value.field == "manifest.file_name"


async def test_a_false_digest_of_the_whole_is_refused(evidence: EvidenceWorld) -> None:
    """Chunks that are right one by one but not together: refused at the last one, and forgotten."""
    true = fill(evidence.source, sample(9 * MIB))
    digest = hashlib.sha256(b"another file").digest()
    false = replace(true, digest=digest, root=manifest_root(true.size, digest, true.chunks))
    async with calling(evidence.registry.target, evidence.author) as stub:
        with pytest.raises(ManifestInvalid) as caught:
            await upload(stub, false, chunks_of_store(evidence.source, false))
        assert caught.value.field == "manifest.digest"
        with pytest.raises(NotFound), remote_errors():
            await stub.GetManifest(pb.GetManifestRequest(root=false.root))
    assert evidence.registry.completed == []


async def test_a_full_disk_is_waited_out(evidence: EvidenceWorld) -> None:
    """The registry's disk is full for a moment: nothing half is kept, and the upload then succeeds."""
    evidence.store.write_faults.extend([None, disk_full()])
    evidence.store.settle_faults.append(disk_full())
    manifest = fill(evidence.source, sample(9 * MIB))
    with stamina.set_testing(True, attempts=8):
        async with calling(evidence.registry.target, evidence.author) as stub:
            await upload(stub, manifest, chunks_of_store(evidence.source, manifest))
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]
    await until(lambda: not evidence.incoming())


async def test_our_own_full_disk_is_told(evidence: EvidenceWorld) -> None:
    """Who downloads onto a full disk learns that at once, and what was complete stays."""
    manifest = evidence.held(sample(MIB))
    store = FaultyStore(evidence.folder / "recipient")
    store.write_faults.append(disk_full())
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        with pytest.raises(StorageFailed):
            await download(stub, manifest.root, store)
        assert files_below(evidence.folder / "recipient") == []
        await download(stub, manifest.root, store)


async def test_a_foreign_caller_reads_nothing(evidence: EvidenceWorld) -> None:
    """A department that no letter names is told that there is nothing; a gateway may not even ask."""
    manifest = evidence.held(sample(MIB))
    async with calling(evidence.registry.target, evidence.stranger) as stub:
        with pytest.raises(NotFound):
            await download(stub, manifest.root, FolderStore(evidence.folder / "stranger"))
        with pytest.raises(NotFound), remote_errors():
            await stub.GetChunk(pb.GetChunkRequest(root=manifest.root)).read()
    assert evidence.registry.used("look") == []
    assert evidence.registry.used("read") == []
    async with calling(evidence.registry.target, evidence.identities.files(RECIPIENT, "gateway")) as stub:
        with pytest.raises(PermissionDenied):
            await download(stub, manifest.root, FolderStore(evidence.folder / "gateway"))


async def test_knowing_a_digest_opens_nothing(evidence: EvidenceWorld) -> None:
    """Who registers the manifest of a file that is here must bring its bytes before reading any."""
    manifest = evidence.held(sample(MIB))
    async with calling(evidence.registry.target, evidence.stranger) as stub:
        with remote_errors():
            response = await stub.PutManifest(pb.PutManifestRequest(manifest=manifest.to_wire()))
        assert list(response.missing) == [0]
        with pytest.raises(EvidencePending), remote_errors():
            await stub.GetChunk(pb.GetChunkRequest(root=manifest.root)).read()


async def test_what_is_not_yet_here_is_pending(evidence: EvidenceWorld) -> None:
    """A recipient fetches the chunks that came and is told that others are to follow."""
    data = sample(9 * MIB)
    manifest = evidence.held(data)
    evidence.registry.records.mark_missing(manifest.root, AUTHOR, [1])
    store = FolderStore(evidence.folder / "recipient")
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        with pytest.raises(EvidencePending) as caught:
            await download(stub, manifest.root, store)
        assert caught.value.field == "manifest.chunks[1]"
        assert store.has(manifest.chunks[0], CHUNK_SIZE)
        evidence.registry.records.mark_present(manifest.root, AUTHOR, [1])
        await download(stub, manifest.root, store)
    assert [use.index for use in evidence.registry.used("read")] == [0, 1]


async def test_a_lost_chunk_is_missing_again(evidence: EvidenceWorld, tmp_path: Path) -> None:
    """A chunk gone from the registry's disk is noticed when it is read, and the author's upload mends it."""
    manifest = evidence.held(sample(MIB))
    fill(evidence.source, sample(MIB))
    evidence.store._place_of(manifest.chunks[0]).unlink()
    store = FolderStore(tmp_path / "recipient")
    async with calling(evidence.registry.target, evidence.recipient) as stub:
        with pytest.raises(EvidencePending):
            await download(stub, manifest.root, store)
        async with calling(evidence.registry.target, evidence.author) as author:
            await upload(author, manifest, chunks_of_store(evidence.source, manifest))
        await download(stub, manifest.root, store)
