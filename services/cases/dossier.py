"""The dossier: everything of one case in one file that anyone can verify offline.

It holds the case's letters as they travelled, the author's proof and the ledger's leaf of each, inclusion
proofs under one signed head, and the common entries that say whose keys the signatures are. Where the
registry cannot be asked for proofs the dossier is made without them and says so. `dossier_verify` checks it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
import structlog
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import dossier_archive as archives
from services.cases.dossier_archive import Archive
from services.common.errors import NotFound
from services.exchange import tables
from services.exchange.checkpoint import Checkpoint, verify_checkpoint
from services.exchange.department import Department
from services.exchange.digests import Leaf
from services.exchange.evidence_records import HeldManifest, case_reader, read_manifest, readable_holder
from services.exchange.evidence_store import EvidenceStore
from services.exchange.letters import manifest_roots
from services.exchange.merkle import verify_inclusion
from services.exchange.session import find_letter

Prove = Callable[[int, int], Awaitable[tuple[list[bytes], str]]]
"""Asks the registry for the path of a position under the head of a size (0: the newest), and its newest head."""

_LETTERS: Final = 20_000
"""Letters of one case in a dossier."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dossier will hold.

    Attributes:
        letters: Ids in ledger order, those without a position last.
        entries: Version and letter id of the common entries that tell the authors' keys.
        evidence: Manifests of the case's evidence, by root; None where it is not here.
    """

    case_id: str
    letters: tuple[str, ...]
    entries: tuple[tuple[int, str], ...]
    evidence: dict[bytes, HeldManifest | None]


@dataclass(frozen=True, slots=True)
class Head:
    """The signed head that everything is proved under."""

    note: str
    checkpoint: Checkpoint


class Dossier:
    """Makes dossiers of a department's cases.

    Args:
        department: Whose.
        prove: Asks the registry for inclusion proofs; None where it cannot be asked.
        evidence: Where the chunks of evidence lie; None to leave evidence out.
    """

    def __init__(self, department: Department, prove: Prove | None, evidence: EvidenceStore | None) -> None:
        self._department = department
        self._prove = prove
        self._evidence = evidence

    def contents(self, connection: Connection, case_id: str) -> Contents:
        """What the dossier of a case will hold.

        Raises:
            NotFound: No letter of that case is here.
        """
        letters = tables.letters.c
        rows = connection.execute(
            sa.select(letters.letter_id, letters.author, letters.header)
            .where(letters.case_id == case_id, letters.kind == "act")
            .order_by(letters.position.is_(None), letters.position, letters.signed_at_us)
            .limit(_LETTERS)
        )
        ids: list[str] = []
        authors = {self._department.name}
        evidence: dict[bytes, HeldManifest | None] = {}
        for letter_id, author, header in rows:
            ids.append(letter_id)
            authors.add(author)
            if self._evidence is not None:
                content = pb.ActContent.FromString(pb.Header.FromString(header).act.content)
                for root in manifest_roots(content):
                    evidence[root] = _held(connection, root, case_id)
        if not ids:
            raise NotFound("No case of that id is here.", field="case_id")
        return Contents(case_id, tuple(ids), tuple(_entries(connection, authors)), evidence)

    async def frames(self, contents: Contents) -> AsyncIterator[bytes]:
        """The file, at most 1 MiB at a time.

        Raises:
            BadProof: The registry shows a path that does not lead to its own head.
        """
        archive = Archive()
        head = await self._head(contents)
        manifest = self._manifest(contents, head)
        if head is not None:
            archive.add(archives.CHECKPOINT, head.note.encode())
        for version, letter_id in contents.entries:
            folder = f"entries/{version:08}"
            row, is_proved = await self._letter(archive, folder, letter_id, head)
            manifest["entries"].append(
                {"folder": folder, "version": version, "position": row.position, "proved": is_proved}
            )
            for frame in archive.frames():
                yield frame
        for number, letter_id in enumerate(contents.letters, start=1):
            folder = f"letters/{number:06}"
            row, is_proved = await self._letter(archive, folder, letter_id, head)
            manifest["letters"].append(
                {
                    "folder": folder,
                    "letter_id": letter_id,
                    "act": row.act,
                    "author": row.author,
                    "number": row.number,
                    "disposition": row.disposition,
                    "position": row.position,
                    "proved": is_proved,
                }
            )
            for frame in archive.frames():
                yield frame
        for root, held in contents.evidence.items():
            folder = f"evidence/{root.hex()}"
            is_complete = held is not None and held.complete
            manifest["evidence"].append({"folder": folder, "root": root.hex(), "complete": is_complete})
            if held is not None and is_complete:
                async for frame in self._chunks(archive, folder, held):
                    yield frame
        self._sign(archive, manifest)
        for frame in archive.frames(rest=True):
            yield frame

    def _manifest(self, contents: Contents, head: Head | None) -> dict[str, Any]:
        department = self._department
        return {
            "format": archives.FORMAT,
            "version": archives.FORMAT_VERSION,
            "case_id": contents.case_id,
            "department": department.name,
            "registry": department.registry,
            "region": department.directory.region,
            "log_id": department.log_id,
            "made_at": department.clock.now().isoformat(),
            "signed_by": department.sign_key_id,
            "inclusion": (
                f"proved under the head of {head.checkpoint.size} letters"
                if head is not None
                else "not proved: the registry could not be asked when this was made"
            ),
            "entries": [],
            "letters": [],
            "evidence": [],
        }

    async def _head(self, contents: Contents) -> Head | None:
        """The head to prove under: the newest one that is verified here, else the registry's own."""
        department = self._department
        if self._prove is None:
            return None
        if department.head is not None and department.checkpoint:
            return Head(department.checkpoint, department.head)
        position = next((position for position in await self._positions(contents)), None)
        answer = await self._ask(position, 0) if position is not None else None
        if answer is None:
            return None
        keys = [each.key.public_key for each in department.directory.registries.values()]
        note = answer[1]
        checkpoint = verify_checkpoint(note, department.log_id, keys or [department.registry_key])
        return Head(note, checkpoint)

    async def _positions(self, contents: Contents) -> list[int]:
        letters = tables.letters.c
        query = sa.select(letters.position).where(
            letters.letter_id.in_(contents.letters[:1]), letters.position.is_not(None)
        )
        return await self._department.read(lambda connection: list(connection.execute(query).scalars()))

    async def _ask(self, position: int, size: int) -> tuple[list[bytes], str] | None:
        if self._prove is None:
            return None
        try:
            return await self._prove(position, size)
        except Exception as error:  # noqa: BLE001 - whatever keeps the registry away, the letters are here
            _log.warning("dossier.unproved", position=position, error=str(error))
            # the next would only wait as long for the same answer
            self._prove = None
            return None

    async def _letter(
        self, archive: Archive, folder: str, letter_id: str, head: Head | None
    ) -> tuple[Any, bool]:
        """Write a letter; returns its row and whether its place in the ledger is proved."""
        row = await self._department.read(lambda connection: find_letter(connection, letter_id))
        archive.add(f"{folder}/{archives.HEADER}", row.header)
        archive.add(f"{folder}/{archives.PAYLOAD}", row.payload)
        archive.add(f"{folder}/{archives.EXTRAS}", row.extras)
        archive.add(f"{folder}/{archives.PROOF}", row.proof)
        if row.position is None:
            return row, False
        leaf = Leaf(row.position, row.admitted_at_us, row.common_version, row.letter_digest)
        archive.add(f"{folder}/{archives.LEAF}", leaf.encode())
        if head is None or row.position >= head.checkpoint.size:
            return row, False
        answer = await self._ask(row.position, head.checkpoint.size)
        if answer is None:
            return row, False
        path = answer[0]
        verify_inclusion(leaf.hash(), row.position, head.checkpoint.size, path, head.checkpoint.root)
        archive.add(f"{folder}/{archives.PATH}", b"".join(path))
        return row, True

    async def _chunks(self, archive: Archive, folder: str, held: HeldManifest) -> AsyncIterator[bytes]:
        """Write evidence, each chunk piece by piece."""
        assert self._evidence is not None
        manifest = held.manifest
        archive.add(f"{folder}/{archives.EVIDENCE_MANIFEST}", manifest.to_wire().SerializeToString())
        for index, digest in enumerate(manifest.chunks):
            pieces = self._evidence.frames(digest)
            with archive.open(archives.chunk_name(folder, index)) as file:
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    file.write(piece)
                    for frame in archive.frames():
                        yield frame

    def _sign(self, archive: Archive, manifest: dict[str, Any]) -> None:
        manifest["files"] = dict(archive.digests)
        written = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        archive.add(archives.MANIFEST, written)
        archive.add(archives.SIGNATURE, self._department.sign_key.sign(archives.signed_bytes(written)))
        archive.close()


def _held(connection: Connection, root: bytes, case_id: str) -> HeldManifest | None:
    holder = readable_holder(connection, root, [case_reader(case_id)])
    return None if holder is None else read_manifest(connection, root, holder)


def _entries(connection: Connection, authors: set[str]) -> Iterator[tuple[int, str]]:
    """The common entries that tell keys of the registry and of these departments, in their order."""
    entries, letters = tables.common_entries.c, tables.letters.c
    rows = connection.execute(
        sa.select(entries.version, entries.entry, letters.letter_id)
        .join(tables.letters, letters.position == entries.position)
        .order_by(entries.version)
    )
    for version, written, letter_id in rows:
        entry = directory_pb.CommonEntry.FromString(written)
        if (
            entry.HasField("registry")
            or entry.department.name in authors
            or entry.revocation.department in authors
        ):
            yield version, letter_id
