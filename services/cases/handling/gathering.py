"""What lies beside the letters of a case, fetched to be put on pages: one file at a time, checked on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from liandong.cases.v1 import handling_service_pb2 as handling_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases.handling.binding import Beside, Kind, Separate, ToBind
from services.common.errors import NotFound, StorageFailed
from services.exchange.department import Department
from services.exchange.evidence import Manifest
from services.exchange.evidence_records import HeldManifest, case_reader, read_manifest, readable_holder
from services.exchange.evidence_store import EvidenceStore, off_loop
from services.exchange.letters import moment
from services.exchange.session import find_letter

PAGED: Final = frozenset({"application/pdf", "image/png", "image/jpeg"})
"""What has pages."""
LARGEST: Final = 128 * 1024 * 1024
"""Bytes of one file that is put on pages; a larger one is kept separately."""
ALL: Final = 512 * 1024 * 1024
"""Bytes of all files that are put on pages of one case, counted in its order."""
_RETRY_AFTER_MS: Final = 5_000
_log = structlog.get_logger(__name__)
_ANNOUNCED: Final = bytes(32)


class Gatherer:
    """Brings what lies beside the letters of one case into a folder.

    Attributes:
        attached: What lies beside their steps and is here in full, so far, by root.

    Args:
        department: Whose.
        case_id: The case.
        handled: How its letters were handled, by letter.
        store: Where the chunks lie; None where there is none.
        folder: Where the files go.
        evidence: Also the evidence of the letters, not only what lies beside their steps.
    """

    def __init__(
        self,
        department: Department,
        case_id: str,
        handled: Mapping[str, handling_pb.GetDocumentResponse],
        store: EvidenceStore | None,
        folder: Path,
        *,
        evidence: bool,
    ) -> None:
        self._department = department
        self._case_id = case_id
        self._handled = handled
        self._store = store
        self._folder = folder
        self._evidence = evidence
        self.attached: dict[bytes, Manifest] = {}
        self._taken = 0
        self._seen: dict[bytes, Beside] = {}

    async def gather(self, ordinal: int, letter_id: str) -> ToBind:
        """A letter with all that goes with it.

        Raises:
            StorageFailed: The folder takes no more, or the store cannot be read.
        """
        handled = self._handled.get(letter_id)

        def read(connection: Connection) -> list[tuple[Beside, HeldManifest | None]]:
            header = pb.Header.FromString(find_letter(connection, letter_id).header)
            content = pb.ActContent.FromString(header.act.content)
            found = [_attached(each) for each in handled.attachments] if handled else []
            found += [_material(each) for each in content.materials if each.manifest_root != _ANNOUNCED]
            return [(each, self._held(connection, each.root)) for each in found]

        beside = [await self._fetched(*each) for each in await self._department.read(read)]
        return ToBind(ordinal, letter_id, handled, tuple(beside))

    def _held(self, connection: Connection, root: bytes) -> HeldManifest | None:
        holder = readable_holder(connection, root, [case_reader(self._case_id)])
        return None if holder is None else read_manifest(connection, root, holder)

    async def _fetched(self, each: Beside, held: HeldManifest | None) -> Beside:
        if held is not None:
            told = held.manifest
            each = replace(
                each,
                file_name=told.file_name, media_type=told.media_type, size=told.size, digest=told.digest,
            )  # fmt: skip
        if each.kind is Kind.ATTACHMENT and held is not None and held.complete:
            self.attached[each.root] = held.manifest
        before = self._seen.get(each.root)
        if before is not None:
            return replace(each, path=before.path, separate=before.separate)
        if each.kind is Kind.MATERIAL and not self._evidence:
            return replace(each, separate=Separate.LEFT_OUT)
        found = self._seen[each.root] = await self._brought(each, held)
        return found

    async def _brought(self, each: Beside, held: HeldManifest | None) -> Beside:
        if each.media_type.partition(";")[0].strip().lower() not in PAGED:
            return replace(each, separate=Separate.MEDIA)
        if held is None or not held.complete or self._store is None:
            return replace(each, separate=Separate.ABSENT)
        if each.size > LARGEST or self._taken + each.size > ALL:
            return replace(each, separate=Separate.LARGE)
        path = self._folder / f"{len(self._seen):06}.scan"
        try:
            whole = await off_loop(_written, self._store, held.manifest, path)
        except NotFound:
            return replace(each, separate=Separate.ABSENT)
        except OSError as error:
            _log.error("archive.storage", errno=error.errno, text=error.strerror)
            raise StorageFailed(retry_after_ms=_RETRY_AFTER_MS) from None
        if not whole:
            return replace(each, separate=Separate.UNREADABLE)
        self._taken += each.size
        return replace(each, path=path)


def _written(store: EvidenceStore, manifest: Manifest, path: Path) -> bool:
    """Write a file from its chunks; answers whether it is what its manifest says."""
    found = sha256()
    with path.open("wb") as file:
        for chunk in manifest.chunks:
            for frame in store.frames(chunk):
                found.update(frame)
                file.write(frame)
    return found.digest() == manifest.digest


def _attached(view: handling_pb.AttachmentView) -> Beside:
    what = handling_pb.AttachmentKind.Name(view.kind).removeprefix("ATTACHMENT_KIND_")
    at: datetime = moment(view.attached_at)
    return Beside(
        Kind.ATTACHMENT, view.manifest_root, what, view.note, "", "", 0, b"", view.attached_by.name, at
    )


def _material(material: pb.Material) -> Beside:
    return Beside(
        Kind.MATERIAL, material.manifest_root, material.kind, "", "", material.media_type, material.size,
        material.digest,
    )  # fmt: skip
