"""A manifest says what a file is, and nothing else passes for it."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.errors import InvalidField
from services.exchange.digests import CHUNK_SIZE, ManifestInvalid
from services.exchange.evidence import (
    Manifest,
    chunk_size,
    chunks_of_file,
    chunks_of_store,
    manifest_of,
    spoilt_chunks,
    verify_whole,
)
from services.exchange.evidence_store import FRAME_SIZE, FolderStore
from tests.unit.exchange.evidence_samples import files_below, fill, manifest_for, sample


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE])
async def test_a_manifest_is_made_by_streaming(tmp_path: Path, size: int) -> None:
    """Around every boundary the manifest is that of the bytes, and its chunks are the bytes."""
    data = sample(size)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    manifest = await manifest_of(path)
    assert manifest == manifest_for(data, file_name="photo.jpg")
    manifest.check()
    open_chunk = chunks_of_file(path)
    frames = [list(open_chunk(index)) for index in range(len(manifest.chunks))]
    assert b"".join(frame for chunk in frames for frame in chunk) == data
    assert all(0 < len(frame) <= FRAME_SIZE for chunk in frames for frame in chunk)
    assert [sum(map(len, chunk)) for chunk in frames] == [
        manifest.chunk_size(index) for index in range(len(frames))
    ]


def test_chunks_have_their_sizes() -> None:
    """All chunks are full but the last; others do not exist."""
    assert [chunk_size(CHUNK_SIZE + 1, index) for index in (0, 1)] == [CHUNK_SIZE, 1]
    with pytest.raises(IndexError):
        chunk_size(CHUNK_SIZE, 1)


def test_a_manifest_survives_the_wire() -> None:
    """Every field comes out as it went in."""
    manifest = replace(
        manifest_for(b"abc"),
        collected_by="王某",
        collected_at=datetime(2025, 3, 4, 5, 6, 7, 8, tzinfo=UTC),
        collected_place="河畔路 1 号",
    )
    assert Manifest.from_wire(pb.Manifest.FromString(manifest.to_wire().SerializeToString())) == manifest


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("manifest.root", {"root": bytes(32)}),
        ("manifest.root", {"size": 4}),
        ("manifest.chunks", {"chunks": [bytes(32)] * 2}),
        ("manifest.chunks", {"chunks": [b"short"]}),
        ("manifest.chunks", {"size": 9 * 1024 * 1024}),
        ("manifest.digest", {"digest": b"short"}),
        ("manifest.size", {"size": 64 * 1024**3 + 1}),
    ],
)
def test_an_inconsistent_manifest_names_its_field(field: str, wrong: dict[str, object]) -> None:
    """Sizes, counts and root must fit together."""
    message = manifest_for(b"abc").to_wire()
    for name in wrong:
        message.ClearField(name)  # type: ignore[arg-type]
    message.MergeFrom(pb.Manifest(**wrong))  # type: ignore[arg-type]
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.from_wire(message)
    assert caught.value.field == field
    assert caught.value.reason == "MANIFEST_INVALID"


def test_a_single_chunk_is_the_whole() -> None:
    """A file of one chunk whose two digests differ is refused before any byte comes."""
    other = hashlib.sha256(b"other").digest()
    true = manifest_for(b"abc")
    forged = replace(true, digest=other, root=_root(3, other, true.chunks))
    with pytest.raises(ManifestInvalid) as caught:
        forged.check()
    assert caught.value.field == "manifest.digest"


def test_a_moment_outside_the_calendar_is_refused() -> None:
    """A timestamp of the year 300,000 is an invalid field, not a fault."""
    message = manifest_for(b"abc").to_wire()
    message.collected_at.seconds = 10**13
    with pytest.raises(InvalidField) as caught:
        Manifest.from_wire(message)
    assert caught.value.field == "manifest.collected_at"


def test_the_whole_is_verified_over_its_chunks(tmp_path: Path) -> None:
    """Chunks that are each right but together not what is claimed are refused, and none is called spoilt."""
    store = FolderStore(tmp_path)
    manifest = fill(store, sample(CHUNK_SIZE + 1))
    verify_whole(store, manifest)
    other = hashlib.sha256(b"other").digest()
    forged = replace(manifest, digest=other, root=_root(manifest.size, other, manifest.chunks))
    with pytest.raises(ManifestInvalid):
        verify_whole(store, forged)
    assert spoilt_chunks(store, forged) == []


def test_what_the_disk_spoilt_is_named(tmp_path: Path) -> None:
    """Changed and lost chunks are found by index."""
    store = FolderStore(tmp_path)
    manifest = fill(store, sample(2 * CHUNK_SIZE + 1))
    files = {file.name: file for file in files_below(tmp_path)}
    files[manifest.chunks[0].hex()].unlink()
    files[manifest.chunks[2].hex()].write_bytes(b"?")
    with pytest.raises(ManifestInvalid):
        verify_whole(store, manifest)
    assert spoilt_chunks(store, manifest) == [0, 2]
    assert (
        b"".join(chunks_of_store(store, manifest)(1))
        == sample(2 * CHUNK_SIZE + 1)[CHUNK_SIZE : 2 * CHUNK_SIZE]
    )


def _root(size: int, digest: bytes, chunks: tuple[bytes, ...]) -> bytes:
    context = b"liandong/manifest/v1\0"
    return hashlib.sha256(context + size.to_bytes(8, "big") + digest + b"".join(chunks)).digest()
