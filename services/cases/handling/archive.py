"""The ordered file of a closed case (归档): contents list, everything on pages, how it was handled, the dossier.

Letters stand in the order of the ledger; pages are counted through. A binder makes one PDF of them with all that has
pages beside them; where nobody binds, or plain text is asked for, they are pages of text. The package is written as
a stream, so that what is held in memory is one letter and the list of contents.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from google.protobuf.json_format import MessageToDict
from google.protobuf.text_format import MessageToString
from liandong.cases.v1 import handling_service_pb2 as handling_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies
from services.cases import tables as case_tables
from services.cases.compose import Refused
from services.cases.dossier import Contents, Dossier
from services.cases.dossier_archive import Archive
from services.cases.handling.binding import About, Binder, Filed, Kind
from services.cases.handling.gathering import Gatherer
from services.cases.handling.pages import Readable, plain_pages
from services.common.clock import from_microseconds
from services.common.errors import NotFound
from services.exchange.department import Department
from services.exchange.evidence import Manifest
from services.exchange.evidence_store import EvidenceStore
from services.exchange.letters import moment
from services.exchange.session import find_letter
from services.procedures.calendar import ZONE

CASE_PDF: Final = "case.pdf"
CONTENTS_JSON: Final = "contents.json"
CONTENTS_CSV: Final = "contents.csv"
DOSSIER: Final = "dossier.zip"
_COLUMNS: Final = (
    "序号", "类别", "文号", "责任者", "题名", "日期", "起页", "止页", "文件", "SHA-256", "另行保管",
)  # fmt: skip
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,8}")
_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed case, ready to be filed.

    Attributes:
        documents: How each letter was handled here.
    """

    case_id: str
    title: str
    procedure: str
    dossier: Contents
    documents: tuple[handling_pb.GetDocumentResponse, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a case is to be filed.

    Attributes:
        retention: `PERMANENT`, `30_YEARS`, `10_YEARS`.
        language: Of the words around, `zh` or `en`.
        plain: Pages of plain text, although there is a binder.
    """

    retention: str
    language: str = "zh"
    plain: bool = False


class CaseFile:
    """Files closed cases.

    Args:
        department: Whose.
        dossier: Makes their dossiers.
        binder: Binds them into one file; pages of plain text without.
        store: Where the chunks of evidence lie; None where there is none.
        evidence: Also the evidence of the letters is put on pages.
    """

    def __init__(
        self,
        department: Department,
        dossier: Dossier,
        binder: Binder | None = None,
        store: EvidenceStore | None = None,
        *,
        evidence: bool = False,
    ) -> None:
        self._department = department
        self._dossier = dossier
        self._binder = binder
        self._store = store
        self._evidence = evidence

    def closed(
        self,
        connection: Connection,
        case_id: str,
        documents: Callable[[Connection, str], list[handling_pb.GetDocumentResponse]],
    ) -> Closed:
        """What there is to file of a case.

        Raises:
            NotFound: No such case is here.
            Refused: It is not closed yet.
        """
        cases = case_tables.cases.c
        row = connection.execute(
            sa.select(cases.title, cases.procedure, cases.closed).where(cases.case_id == case_id)
        ).first()
        if row is None:
            raise NotFound("No case of that id is here.", field="case_id")
        if not row.closed:
            raise Refused(
                "A case is archived when it is closed.", reason="NOT_PERMITTED_IN_STATE", field="case_id"
            )
        contents = self._dossier.contents(connection, case_id)
        return Closed(case_id, row.title, row.procedure, contents, tuple(documents(connection, case_id)))

    async def frames(self, closed: Closed, wanted: Wanted) -> AsyncGenerator[bytes]:
        """The package, at most 1 MiB at a time.

        Raises:
            LiandongError: It cannot be bound; the reason says why.
        """
        archive, placed = Archive(), _Placed()
        on_pages = self._plain if self._binder is None or wanted.plain else self._bound
        async with aclosing(on_pages(archive, closed, wanted, placed)) as frames:
            async for frame in frames:
                yield frame
        for ordinal, document in enumerate(closed.documents, start=1):
            shown = MessageToDict(document, preserving_proto_field_name=True)
            archive.add(f"handling/{ordinal:04}.json", _json(shown))
        with archive.open(DOSSIER, large=True) as file:
            async for piece in self._dossier.frames(closed.dossier):
                file.write(piece)
                for frame in archive.frames():
                    yield frame
        self._contents(archive, closed, placed, wanted)
        archive.close()
        for frame in archive.frames(rest=True):
            yield frame

    async def _plain(
        self, archive: Archive, closed: Closed, _wanted: Wanted, placed: _Placed
    ) -> AsyncGenerator[bytes]:
        """Each letter as a file of plain text."""
        for ordinal, letter_id in enumerate(closed.dossier.letters, start=1):
            row = await self._department.read(partial(find_letter, letter_id=letter_id))
            readable = self._readable(row)
            text, pages = await asyncio.to_thread(plain_pages, readable)
            name = f"letters/{ordinal:04}.txt"
            archive.add(name, text)
            first, placed.pages = placed.pages + 1, placed.pages + pages
            placed.filed += (
                Filed(
                    ordinal, Kind.LETTER, row.number, self._name(row.author), readable.title,
                    _day(from_microseconds(row.occurred_at_us)), first, placed.pages, name,
                    archive.digests[name],
                ),
            )  # fmt: skip
            for frame in archive.frames():
                yield frame

    async def _bound(
        self, archive: Archive, closed: Closed, wanted: Wanted, placed: _Placed
    ) -> AsyncGenerator[bytes]:
        """Everything that has pages as one file."""
        assert self._binder is not None
        with tempfile.TemporaryDirectory(prefix="liandong-archive-") as made:
            folder = Path(made)
            handled = {each.document.letter_id: each for each in closed.documents}
            gatherer = Gatherer(
                self._department, closed.case_id, handled, self._store, folder, evidence=self._evidence
            )
            ids = closed.dossier.letters
            letters = (
                await gatherer.gather(ordinal, letter_id) for ordinal, letter_id in enumerate(ids, start=1)
            )
            about = About(
                closed.case_id, closed.title, closed.procedure, wanted.retention, wanted.language, len(ids)
            )
            bound = await self._binder.bind(self._department, about, letters, folder, CASE_PDF)
            placed.filed, placed.before, placed.pages = bound.filed, bound.before, bound.pages
            with bound.path.open("rb") as source, archive.open(CASE_PDF, large=True) as file:
                while piece := await asyncio.to_thread(source.read, _PIECE):
                    file.write(piece)
                    for frame in archive.frames():
                        yield frame
        if self._evidence and self._store is not None:
            for manifest in gatherer.attached.values():
                async with aclosing(self._original(archive, self._store, manifest)) as frames:
                    async for frame in frames:
                        yield frame

    @staticmethod
    async def _original(archive: Archive, store: EvidenceStore, manifest: Manifest) -> AsyncGenerator[bytes]:
        """A file that lies beside a step, whole; what the store has lost is listed as absent already."""
        sizes = [manifest.chunk_size(index) for index in range(len(manifest.chunks))]
        if not all(map(store.has, manifest.chunks, sizes)):
            return
        suffix = Path(manifest.file_name).suffix
        name = f"beside/{manifest.digest.hex()}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        with archive.open(name, large=True) as file:
            for chunk in manifest.chunks:
                pieces = store.frames(chunk)
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    file.write(piece)
                    for frame in archive.frames():
                        yield frame

    def _readable(self, row: Any) -> Readable:
        header = pb.Header.FromString(row.header)
        content = pb.ActContent.FromString(header.act.content)
        law = self._department.directory.law
        procedure = law.procedure(content.procedure, content.procedure_version)
        act = procedure.acts.get(content.act) if procedure else None
        approvals = [
            f"{each.role}：{each.name}"
            + (f"（代 {each.acting_for_name}）" if each.acting_for_name else "")
            + f" {_day(moment(each.approved_at))}"
            for each in header.act.approvals
        ]
        facts = (
            f"文号：{row.number}",
            f"责任者：{self._name(row.author)}",
            f"经办：{header.actor.name}",
            f"签发：{'；'.join(approvals)}",
            f"日期：{_day(from_microseconds(row.signed_at_us))}",
            f"账本位置：{'' if row.position is None else row.position}",
            f"状态：{row.disposition}",
        )
        body = bodies.draft_with(content.body_type, row.payload)
        text = MessageToString(body, as_utf8=True) if body is not None else content.body_type
        return Readable(row.letter_id, act.title.zh if act else content.act, facts, text)

    def _contents(self, archive: Archive, closed: Closed, placed: _Placed, wanted: Wanted) -> None:
        """The contents list, for people and for programs; it names the digest of every file."""
        written = io.StringIO()
        table = csv.writer(written)
        table.writerow(_COLUMNS)
        for each in placed.filed:
            table.writerow([_plain(value) for value in _line(each)])
        # the mark by which spreadsheets know UTF-8
        archive.add(CONTENTS_CSV, b"\xef\xbb\xbf" + written.getvalue().encode())
        department = self._department
        archive.add(
            CONTENTS_JSON,
            _json(
                {
                    "case_id": closed.case_id,
                    "title": closed.title,
                    "procedure": closed.procedure,
                    "department": department.name,
                    "retention": wanted.retention,
                    "archived_at": department.clock.now().isoformat(),
                    "pages_before": placed.before,
                    "pages": placed.pages,
                    "contents": [
                        dict(zip(Filed.__slots__, _line(each), strict=True)) for each in placed.filed
                    ],
                    "files": dict(archive.digests),
                }
            ),
        )

    def _name(self, department: str) -> str:
        known = self._department.directory.departments.get(department)
        return known.title.zh if known else department


@dataclass(slots=True)
class _Placed:
    """What stands where, as far as it is known."""

    filed: tuple[Filed, ...] = ()
    before: int = 0
    pages: int = 0


def _line(filed: Filed) -> tuple[object, ...]:
    return tuple(getattr(filed, name) for name in Filed.__slots__)


def _plain(value: object) -> object:
    """What a spreadsheet would take for a formula is text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _day(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d}"
