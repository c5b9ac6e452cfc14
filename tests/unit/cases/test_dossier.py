"""A dossier proves its case to whoever has the registry's key, and shows when it was touched."""

import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import SignFor

from services.cases.dossier_verify import Report, verify_dossier
from services.cases.handlers.reading import ReadingHandlers
from services.common.errors import NotFound
from services.exchange import evidence_records, keys
from services.exchange.digests import CHUNK_SIZE, manifest_root
from services.exchange.evidence import Manifest
from services.exchange.evidence_records import EvidenceRecords
from services.exchange.evidence_store import FolderStore
from tests.builders.departments import HEALTH, Signer, new_id
from tests.builders.ledger import Ledger, Node


class Stream:
    """The context of a streamed answer."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    async def write(self, message: pb.GetDossierResponse) -> None:
        self.frames.append(message.frame)


@pytest.fixture
def verify(ledger: Ledger) -> Callable[[Path], Report]:
    """Verifies with the registry's key."""
    return lambda path: verify_dossier(path, keys.public_key_bytes(ledger.registry.sign_key))


async def made(reading: ReadingHandlers, case_id: str, folder: Path, *, evidence: bool = False) -> Path:
    stream = Stream()
    await reading.GetDossier(pb.GetDossierRequest(case_id=case_id, include_evidence=evidence), stream)
    assert all(0 < len(frame) <= 1024 * 1024 for frame in stream.frames)
    path = folder / "dossier.zip"
    path.write_bytes(b"".join(stream.frames))
    return path


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The file with each part changed, or dropped where the change is None."""
    touched = path.with_name("touched.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(touched, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return touched


async def test_a_dossier_proves_every_letter(
    market: Node, reading: ReadingHandlers, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """Both parties' letters, own ones with their own proof, under the signed head."""
    case_id, _ = ledger.transferred()
    market.take()
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.exchange()
    market.act_as("clerk")
    path = await made(reading, case_id, tmp_path)
    report = verify(path)
    assert (report.case_id, report.letters, report.problems, report.unproved) == (case_id, 3, (), ())


async def test_pending_letters_are_in_it_unproved(
    market: Node, reading: ReadingHandlers, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """What is not admitted is shown as such, and spoils nothing."""
    case_id, _ = ledger.transferred()
    market.take()
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.act_as("clerk")
    report = verify(await made(reading, case_id, tmp_path))
    assert (report.valid, report.unproved) == (True, ("letters/000003",))


async def test_offline_it_says_what_it_cannot_prove(
    market: Node, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """Without the registry authorship holds, and every place is named as unproved."""
    case_id, _ = ledger.transferred()
    market.take()
    market.act_as("clerk")

    async def cut(position: int, size: int) -> tuple[list[bytes], str]:
        raise OSError("no route")

    for prove in (None, cut):
        reading = ReadingHandlers(market.department, market.desk, prove)
        report = verify(await made(reading, case_id, tmp_path))
        assert report.valid
        assert {"letters/000001", "letters/000002"} <= set(report.unproved)


async def test_a_restarted_node_still_proves_its_own_letters(
    market: Node, reading: ReadingHandlers, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """The batch that a letter was sent in is forgotten; the node signs it again when the receipt comes."""
    recorded = market.register("食品过期")
    market.submit()
    market.outbox._proofs.clear()
    market.take()
    market.act_as("clerk")
    report = verify(await made(reading, recorded.case_id, tmp_path))
    assert (report.problems, report.unproved) == ((), ())


async def test_tampering_anywhere_is_found(
    market: Node, reading: ReadingHandlers, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """A bit of any file, a file more or less."""
    case_id, _ = ledger.transferred()
    market.exchange()
    market.act_as("clerk")
    path = await made(reading, case_id, tmp_path)
    assert verify(path).valid
    with zipfile.ZipFile(path) as archive:
        parts = [name for name in archive.namelist() if archive.getinfo(name).file_size]

    def flipped(wanted: str) -> Callable[[str, bytes], bytes | None]:
        return lambda name, data: data if name != wanted else data[:-1] + bytes([data[-1] ^ 1])

    def dropped(wanted: str) -> Callable[[str, bytes], bytes | None]:
        return lambda name, data: data if name != wanted else None

    for name in parts:
        assert not verify(rewritten(path, flipped(name))).valid, name
        assert not verify(rewritten(path, dropped(name))).valid, name
    touched = rewritten(path, lambda _, data: data)
    with zipfile.ZipFile(touched, "a") as archive:
        archive.writestr("letters/000003/header.bin", b"more")
    assert not verify(touched).valid
    cut = path.with_name("cut.zip")
    cut.write_bytes(path.read_bytes()[:-100])
    assert not verify(cut).valid


async def test_a_maker_cannot_forge_another_departments_letter(
    market: Node, reading: ReadingHandlers, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """Even signed by the maker, letters must be their authors', and in the ledger."""
    case_id, position = ledger.transferred()
    market.take()
    letter_id = ledger.entries[position].letter_id
    forged = Signer(HEALTH, ledger.clock).act(case_id, "transfer", letter_id=letter_id)
    from services.exchange import tables  # noqa: PLC0415 - used once

    market.database.write(
        lambda connection: connection.execute(
            tables.letters.update()
            .where(tables.letters.c.letter_id == letter_id)
            .values(header=forged.envelope.header, payload=forged.envelope.payload)
        )
    )
    market.act_as("clerk")
    report = verify(await made(reading, case_id, tmp_path))
    assert {each.where for each in report.problems} == {"letters/000002"}


async def test_another_registrys_key_proves_nothing(
    market: Node, reading: ReadingHandlers, ledger: Ledger, tmp_path: Path
) -> None:
    """The reader's own copy of the key decides."""
    case_id, _ = ledger.transferred()
    market.take()
    market.act_as("clerk")
    path = await made(reading, case_id, tmp_path)
    other = Signer("registry.qinghe").sign_key
    assert not verify_dossier(path, keys.public_key_bytes(other)).valid


async def test_evidence_is_in_it_chunk_by_chunk(
    market: Node, ledger: Ledger, verify: Callable[[Path], Report], tmp_path: Path
) -> None:
    """More than one chunk, each checked; a chunk that was touched is found."""
    data = bytes(range(256)) * (CHUNK_SIZE // 256) + b"the end"
    chunks = (sha256(data[:CHUNK_SIZE]).digest(), sha256(data[CHUNK_SIZE:]).digest())
    whole = sha256(data).digest()
    manifest = Manifest(manifest_root(len(data), whole, chunks), whole, len(data), chunks)
    store, case_id = FolderStore(tmp_path / "evidence"), new_id()
    for digest, part in zip(chunks, (data[:CHUNK_SIZE], data[CHUNK_SIZE:]), strict=True):
        writer = store.writer(digest, len(part))
        writer.append(part)
        writer.commit()
        writer.discard()
    records = EvidenceRecords(market.database)
    records.register(manifest, market.department.name)
    market.database.write(
        lambda connection: evidence_records.mark_complete(connection, manifest.root, market.department.name)
    )
    notice = pb.ActDraft(case_id=case_id, act="register", procedure="case-transfer")
    notice.discovery.title = notice.discovery.facts = "有证据"
    notice.materials.add(kind="photo", manifest_root=manifest.root, digest=whole, size=len(data))
    market.record(notice)
    market.exchange()
    market.act_as("clerk")
    reading = ReadingHandlers(market.department, market.desk, ledger.prove, store)
    path = await made(reading, case_id, tmp_path, evidence=True)
    report = verify(path)
    assert (report.problems, report.unproved) == ((), ())
    assert path.stat().st_size > len(data)
    chunk = f"evidence/{manifest.root.hex()}/000000.chunk"
    touched = rewritten(path, lambda name, data: data if name != chunk else b"\x01" + data[1:])
    assert {each.where for each in verify(touched).problems} >= {chunk}


async def test_no_dossier_of_a_case_that_is_not_here(market: Node, reading: ReadingHandlers) -> None:
    """Not found, before the first byte."""
    market.act_as("clerk")
    with pytest.raises(NotFound):
        await reading.GetDossier(pb.GetDossierRequest(case_id=new_id()), Stream())
