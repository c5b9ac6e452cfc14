"""Rows of sheets, their revisions, files and links. Every function runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.gateway.sheets import tables
from services.gateway.sheets.model import REVISIONS, Capture, Fields, File, Person, Sheet

_SHEETS: Final = tables.sheets.c
_REVISIONS: Final = tables.revisions.c
_FILES: Final = tables.files.c
_CAPTURES: Final = tables.captures.c


def add(connection: Connection, sheet: Sheet) -> None:
    """Add a sheet."""
    connection.execute(
        tables.sheets.insert().values(
            id=sheet.id, department=sheet.department, procedure=sheet.procedure, act=sheet.act,
            fields=_json(sheet.fields), revision=sheet.revision, begun_by=sheet.begun_by.id,
            begun_name=sheet.begun_by.name, begun_at_us=microseconds(sheet.begun_at),
            changed_by=sheet.changed_by.id, changed_name=sheet.changed_by.name,
            changed_at_us=microseconds(sheet.changed_at), holder="", holder_name="", holder_seen_at_us=0,
            taken_from="", case_id=sheet.case_id, letter_id="", prepared=-1, warnings="[]", done=False,
        )
    )  # fmt: skip


def find(connection: Connection, department: str, sheet_id: str, *, lock: bool = False) -> Sheet | None:
    """A department's sheet."""
    query = sa.select(tables.sheets).where(_SHEETS.id == sheet_id, _SHEETS.department == department)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _sheet_of(row)


def find_of_letter(connection: Connection, department: str, letter_id: str) -> Sheet | None:
    """The sheet that a letter was made of."""
    query = sa.select(tables.sheets).where(_SHEETS.letter_id == letter_id, _SHEETS.department == department)
    row = connection.execute(query).first()
    return None if row is None else _sheet_of(row)


def find_untouched(
    connection: Connection, department: str, person: Person, procedure: str, act: str
) -> Sheet | None:
    """A sheet that the person began and wrote nothing into."""
    query = sa.select(tables.sheets).where(
        _SHEETS.department == department, _SHEETS.begun_by == person.id, _SHEETS.revision == 0,
        _SHEETS.procedure == procedure, _SHEETS.act == act, _SHEETS.done.is_(False), _SHEETS.case_id == "",
    )  # fmt: skip
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _sheet_of(row)


def unfinished(connection: Connection, department: str, limit: int) -> list[Sheet]:
    """A department's sheets that were not handed on, the newest first; such as nobody wrote into are left out."""
    query = sa.select(tables.sheets).where(
        _SHEETS.department == department, _SHEETS.done.is_(False), _SHEETS.revision > 0
    )
    return [
        _sheet_of(row)
        for row in connection.execute(query.order_by(_SHEETS.changed_at_us.desc()).limit(limit))
    ]


def count(connection: Connection, department: str) -> int:
    """How many sheets of a department are unfinished."""
    query = sa.select(sa.func.count()).where(_SHEETS.department == department, _SHEETS.done.is_(False))
    return int(connection.execute(query).scalar_one())


def forget(connection: Connection, before: datetime) -> int:
    """Throw away sheets that nobody changed since; returns how many."""
    gone = sa.delete(tables.sheets).where(_SHEETS.changed_at_us < microseconds(before))
    return connection.execute(gone).rowcount


def change(connection: Connection, sheet_id: str, **values: Any) -> None:
    """Set columns of a sheet."""
    connection.execute(sa.update(tables.sheets).where(_SHEETS.id == sheet_id).values(**values))


def remove(connection: Connection, sheet_id: str) -> None:
    """Throw a sheet away, with everything of it."""
    connection.execute(sa.delete(tables.sheets).where(_SHEETS.id == sheet_id))


def save(connection: Connection, before: Sheet, fields: Fields, person: Person, now: datetime) -> None:
    """Save fields as the next revision, and keep the one before to compare with."""
    connection.execute(
        tables.revisions.insert().values(
            sheet=before.id, revision=before.revision, fields=_json(before.fields)
        )
    )
    connection.execute(
        sa.delete(tables.revisions).where(
            _REVISIONS.sheet == before.id, _REVISIONS.revision <= before.revision - REVISIONS
        )
    )
    change(
        connection, before.id, fields=_json(fields), revision=before.revision + 1, changed_by=person.id,
        changed_name=person.name, changed_at_us=microseconds(now),
    )  # fmt: skip


def fields_of(connection: Connection, sheet_id: str, revision: int) -> Fields | None:
    """What an earlier revision held; None if it is not kept any more."""
    query = sa.select(_REVISIONS.fields).where(_REVISIONS.sheet == sheet_id, _REVISIONS.revision == revision)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else _fields(found)


# -- files ------------------------------------------------------------------------------------------


def add_file(connection: Connection, file: File) -> None:
    """Add a file."""
    connection.execute(
        tables.files.insert().values(
            id=file.id, sheet=file.sheet, kind=file.kind, name=file.name, size=file.size,
            media_type=file.media_type, root=file.root, digest=file.digest, added_by=file.added_by.id,
            added_name=file.added_by.name, by_phone=file.by_phone, added_at_us=microseconds(file.added_at),
        )
    )  # fmt: skip


def list_files(connection: Connection, sheet_id: str) -> list[File]:
    """The files of a sheet, the oldest first."""
    query = sa.select(tables.files).where(_FILES.sheet == sheet_id).order_by(_FILES.added_at_us, _FILES.id)
    return [_file_of(row) for row in connection.execute(query)]


def find_file(connection: Connection, file_id: str) -> File | None:
    """A file."""
    row = connection.execute(sa.select(tables.files).where(_FILES.id == file_id)).first()
    return None if row is None else _file_of(row)


def change_file(connection: Connection, file_id: str, **values: Any) -> None:
    """Set columns of a file."""
    connection.execute(sa.update(tables.files).where(_FILES.id == file_id).values(**values))


def remove_file(connection: Connection, file_id: str) -> None:
    """Throw a file away; what the node has of it stays there."""
    connection.execute(sa.delete(tables.files).where(_FILES.id == file_id))


# -- links for photographs --------------------------------------------------------------------------


def add_capture(connection: Connection, capture: Capture, digest: bytes) -> None:
    """Add a link."""
    connection.execute(
        tables.captures.insert().values(
            id=capture.id, digest=digest, sheet=capture.sheet, kind=capture.kind, made_by=capture.made_by,
            acr=capture.acr, session=capture.session, expires_at_us=microseconds(capture.expires_at),
            device=capture.device, photos=capture.photos, closed=capture.closed,
        )
    )  # fmt: skip


def find_capture(connection: Connection, digest: bytes) -> Capture | None:
    """A link by what it holds."""
    row = connection.execute(sa.select(tables.captures).where(_CAPTURES.digest == digest)).first()
    return None if row is None else _capture_of(row)


def open_captures(connection: Connection, sheet_id: str, now: datetime) -> list[Capture]:
    """The links of a sheet that are still good."""
    query = sa.select(tables.captures).where(
        _CAPTURES.sheet == sheet_id,
        _CAPTURES.closed.is_(False),
        _CAPTURES.expires_at_us > microseconds(now),
    )
    return [_capture_of(row) for row in connection.execute(query)]


def take_device(connection: Connection, capture_id: str, device: bytes) -> bool:
    """Give a link to the first telephone; False if another has it."""
    taken = sa.update(tables.captures).where(_CAPTURES.id == capture_id, _CAPTURES.device == b"")
    return connection.execute(taken.values(device=device)).rowcount == 1


def count_photo(connection: Connection, capture_id: str, most: int) -> bool:
    """One more photograph; False if there were as many as may be."""
    counted = sa.update(tables.captures).where(_CAPTURES.id == capture_id, _CAPTURES.photos < most)
    return connection.execute(counted.values(photos=_CAPTURES.photos + 1)).rowcount == 1


def close_captures(connection: Connection, sheet_id: str) -> None:
    """End all links of a sheet."""
    closed = sa.update(tables.captures).where(_CAPTURES.sheet == sheet_id)
    connection.execute(closed.values(closed=True))


# -- rows -------------------------------------------------------------------------------------------


def _json(fields: Fields) -> str:
    return json.dumps({name: list(said) for name, said in fields.items()}, ensure_ascii=False)


def _fields(text: str) -> Fields:
    return {name: tuple(said) for name, said in json.loads(text).items()}


def _sheet_of(row: Any) -> Sheet:
    warnings: Sequence[Sequence[str]] = json.loads(row.warnings)
    return Sheet(
        id=row.id, department=row.department, procedure=row.procedure, act=row.act, fields=_fields(row.fields),
        revision=row.revision, begun_by=Person(row.begun_by, row.begun_name),
        begun_at=from_microseconds(row.begun_at_us), changed_by=Person(row.changed_by, row.changed_name),
        changed_at=from_microseconds(row.changed_at_us),
        holder=Person(row.holder, row.holder_name) if row.holder else None,
        holder_seen_at=from_microseconds(row.holder_seen_at_us) if row.holder else None,
        taken_from=row.taken_from, case_id=row.case_id, letter_id=row.letter_id, prepared=row.prepared,
        warnings=tuple((each[0], each[1]) for each in warnings), done=row.done,
    )  # fmt: skip


def _file_of(row: Any) -> File:
    return File(
        id=row.id, sheet=row.sheet, kind=row.kind, name=row.name, size=row.size, media_type=row.media_type,
        root=bytes(row.root), digest=bytes(row.digest), added_by=Person(row.added_by, row.added_name),
        by_phone=row.by_phone, added_at=from_microseconds(row.added_at_us),
    )  # fmt: skip


def _capture_of(row: Any) -> Capture:
    return Capture(
        id=row.id, sheet=row.sheet, kind=row.kind, made_by=row.made_by, acr=row.acr, session=row.session,
        expires_at=from_microseconds(row.expires_at_us), device=bytes(row.device), photos=row.photos,
        closed=row.closed,
    )  # fmt: skip
