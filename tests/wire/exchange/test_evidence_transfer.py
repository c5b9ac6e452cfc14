"""Evidence between departments and the registry over mutual TLS, with the wire cut where it hurts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.exchange.evidence_client import chunks_of_file, download, manifest_of, upload
from services.exchange.evidence_records import department_reader, grant
from services.exchange.evidence_store import FolderStore
from tests.unit.exchange.evidence_samples import (
    MIB,
    FaultyStore,
    sample,
    whole,
)
from tests.wire.exchange.evidence_world import EvidenceRegistry, Identities, calling

AUTHOR = "health.qinghe"
RECIPIENT = "justice.qinghe"


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path / "tls")


@pytest.fixture
async def registry(tmp_path: Path, identities: Identities) -> AsyncIterator[EvidenceRegistry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    tls = identities.files("registry.qinghe", "registry")
    async with EvidenceRegistry(folder, FaultyStore(folder / "store"), tls) as running:
        yield running


async def test_a_file_arrives_whole(
    registry: EvidenceRegistry, identities: Identities, tmp_path: Path
) -> None:
    data = sample(20 * MIB + 5)
    path = tmp_path / "photo.bin"
    path.write_bytes(data)
    manifest = await manifest_of(path)
    seen: list[tuple[int, int]] = []
    async with calling(registry.target, identities.files(AUTHOR)) as stub:
        await upload(stub, manifest, chunks_of_file(path), lambda done, size: seen.append((done, size)))
    assert seen[-1] == (len(data), len(data))
    assert registry.completed == [(manifest.root, AUTHOR)]
    registry.records.database.write(
        lambda connection: grant(connection, [manifest.root], [department_reader(RECIPIENT)], AUTHOR)
    )
    store = FolderStore(tmp_path / "recipient")
    async with calling(registry.target, identities.files(RECIPIENT)) as stub:
        received = await download(stub, manifest.root, store)
    assert received == manifest
    assert whole(store, manifest) == data
