"""The ordered file of a closed case (归档): contents list, letters on pages, how they were handled, the dossier.

Letters stand in the order of the ledger; pages are counted through. The package is written as a stream, so that
what is held in memory is one letter and the list of contents.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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
from services.cases.handling.pages import PlainPages, Readable, Renderer
from services.common.clock import from_microseconds
from services.common.errors import NotFound
from services.exchange.department import Department
from services.exchange.letters import moment
from services.exchange.session import find_letter
from services.procedures.calendar import ZONE

CONTENTS_JSON: Final = "contents.json"
CONTENTS_CSV: Final = "contents.csv"
DOSSIER: Final = "dossier.zip"
_COLUMNS: Final = ("序号", "文号", "责任者", "题名", "日期", "起页", "止页", "文件", "SHA-256")


@dataclass(frozen=True, slots=True)
class Filed:
    """A line of the contents list.

    Attributes:
        first_page: Counted through the file from 1.
    """

    ordinal: int
    number: str
    author: str
    title: str
    date: str
    first_page: int
    last_page: int
    file: str
    digest: str


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


class CaseFile:
    """Files closed cases.

    Args:
        department: Whose.
        dossier: Makes their dossiers.
        renderer: Puts letters on pages; plain text without.
    """

    def __init__(self, department: Department, dossier: Dossier, renderer: Renderer | None = None) -> None:
        self._department = department
        self._dossier = dossier
        self._renderer = renderer or PlainPages()

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

    async def frames(self, closed: Closed, retention: str) -> AsyncIterator[bytes]:
        """The package, at most 1 MiB at a time."""
        archive, filed, page = Archive(), list[Filed](), 1
        for ordinal, letter_id in enumerate(closed.dossier.letters, start=1):
            row = await self._department.read(partial(find_letter, letter_id=letter_id))
            readable = self._readable(row)
            rendered = await asyncio.to_thread(self._renderer.render, readable)
            name = f"letters/{ordinal:04}{rendered.suffix}"
            archive.add(name, rendered.data)
            last = page + rendered.pages - 1
            filed.append(
                Filed(
                    ordinal, row.number, self._name(row.author), readable.title,
                    _day(from_microseconds(row.occurred_at_us)), page, last, name, archive.digests[name],
                )
            )  # fmt: skip
            page = last + 1
            for frame in archive.frames():
                yield frame
        for ordinal, document in enumerate(closed.documents, start=1):
            shown = MessageToDict(document, preserving_proto_field_name=True)
            archive.add(f"handling/{ordinal:04}.json", _json(shown))
        with archive.open(DOSSIER, large=True) as file:
            async for piece in self._dossier.frames(closed.dossier):
                file.write(piece)
                for frame in archive.frames():
                    yield frame
        self._contents(archive, closed, filed, retention)
        archive.close()
        for frame in archive.frames(rest=True):
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

    def _contents(self, archive: Archive, closed: Closed, filed: list[Filed], retention: str) -> None:
        """The contents list, for people and for programs; it names the digest of every file."""
        written = io.StringIO()
        table = csv.writer(written)
        table.writerow(_COLUMNS)
        for each in filed:
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
                    "retention": retention,
                    "archived_at": department.clock.now().isoformat(),
                    "pages": filed[-1].last_page if filed else 0,
                    "letters": [dict(zip(Filed.__slots__, _line(each), strict=True)) for each in filed],
                    "files": dict(archive.digests),
                }
            ),
        )

    def _name(self, department: str) -> str:
        known = self._department.directory.departments.get(department)
        return known.title.zh if known else department


def _line(filed: Filed) -> tuple[object, ...]:
    return tuple(getattr(filed, name) for name in Filed.__slots__)


def _plain(value: object) -> object:
    """What a spreadsheet would take for a formula is text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _day(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d}"
