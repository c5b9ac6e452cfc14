"""Writing together: begin, save, hold, take over; files of a sheet and links for photographs.

One person has a sheet in hand at a time, as long as their page is there. Who saves without having it in hand, or on
an earlier revision, overwrites nothing: what differs is told field by field.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog
import uuid_utils
from sqlalchemy import Connection

from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import LimitExceeded, NotFound
from services.gateway.sheets import store
from services.gateway.sheets.model import (
    BEAT_EVERY,
    CAPTURE_FOR,
    CAPTURE_PHOTOS,
    KEPT_FOR,
    MOST_FILES,
    MOST_SHEETS,
    Capture,
    CaptureFull,
    CaptureOver,
    CaptureTaken,
    Changed,
    Fields,
    File,
    Lists,
    NotHeld,
    Person,
    Sheet,
    checked,
    together,
    unsaved,
)

T = TypeVar("T")

_SECRET_BYTES: Final = 32
_SHOWN: Final = 100
_log = structlog.get_logger(__name__)


class Sheets:
    """The sheets of one gateway.

    Args:
        database: The gateway's own.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- sheets ---------------------------------------------------------------------------------

    async def begin(
        self, department: str, person: Person, procedure: str, act: str, *, case_id: str = ""
    ) -> Sheet:
        """A new sheet; one that the person began and left empty is taken again.

        Raises:
            LimitExceeded: The department has too many unfinished ones.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Sheet:
            known = None if case_id else store.find_untouched(connection, department, person, procedure, act)
            if known is not None:
                return known
            store.forget(connection, now - KEPT_FOR)
            if store.count(connection, department) >= MOST_SHEETS:
                raise LimitExceeded(f"The department has {MOST_SHEETS} unfinished drafts; finish some first.")
            sheet = Sheet(
                id=uuid_utils.uuid7().hex, department=department, procedure=procedure, act=act, fields={},
                revision=0, begun_by=person, begun_at=now, changed_by=person, changed_at=now, case_id=case_id,
            )  # fmt: skip
            store.add(connection, sheet)
            return sheet

        return await self._write(work)

    async def get(self, department: str, sheet_id: str) -> Sheet:
        """A department's sheet.

        Raises:
            NotFound: It has none of that id.
        """
        return _there(await self._read(lambda connection: store.find(connection, department, sheet_id)))

    async def of_letter(self, department: str, letter_id: str) -> Sheet:
        """The sheet that a letter was made of.

        Raises:
            NotFound: It was made of none here.
        """
        found = await self._read(lambda connection: store.find_of_letter(connection, department, letter_id))
        return _there(found)

    async def unfinished(self, department: str, person: Person) -> Lists:
        """The sheets that wait, the person's own and those of colleagues; the newest of each."""
        found = await self._read(lambda connection: store.unfinished(connection, department, MOST_SHEETS))
        own = [each for each in found if person in (each.begun_by, each.holder)]
        others = [each for each in found if each not in own]
        return Lists(tuple(own[:_SHOWN]), tuple(others[:_SHOWN]))

    async def save(
        self,
        department: str,
        sheet_id: str,
        person: Person,
        revision: int,
        fields: Mapping[str, tuple[str, ...]],
        *,
        insisted: Collection[str] = (),
        seen: int = -1,
    ) -> Sheet:
        """Save what a page holds; what somebody else saved meanwhile in other fields is kept.

        Args:
            department: Whose sheet.
            sheet_id: Which.
            person: Who saves.
            revision: The one that the page was begun on.
            fields: All fields of the page.
            insisted: Fields in which the page is to stand, though they were changed meanwhile.
            seen: The revision whose differences were shown when that was said.

        Raises:
            Changed: Fields differ that were changed on both sides; or somebody else has it in hand. Nothing
                was saved.
            LimitExceeded: It is larger than any letter.
        """
        mine, now = checked(fields), self._clock.now()

        def work(connection: Connection) -> Sheet:
            sheet = _there(store.find(connection, department, sheet_id, lock=True))
            # what was said of another revision than this one was said of something else
            stands = frozenset(insisted) if sheet.revision == seen else frozenset()
            before: Fields | None = sheet.fields
            if revision != sheet.revision:
                before = store.fields_of(connection, sheet_id, revision)
            merged = together(before, mine, sheet.fields, stands)
            if sheet.held_by_other(person, now):
                raise Changed(sheet, unsaved(before or {}, mine, sheet.fields))
            if merged.differences:
                raise Changed(sheet, merged.differences)
            if sheet.holder is None or sheet.holder.id != person.id:
                self._give(connection, sheet, person, taken_from="")
            if merged.fields != sheet.fields:
                store.save(connection, sheet, merged.fields, person, now)
                store.change(connection, sheet_id, done=False)
            return _there(store.find(connection, department, sheet_id))

        return await self._write(work)

    async def hold(self, department: str, sheet_id: str, person: Person) -> Sheet:
        """Take a sheet in hand if nobody else has it; returns it either way."""
        now = self._clock.now()

        def work(connection: Connection) -> Sheet:
            sheet = _there(store.find(connection, department, sheet_id, lock=True))
            if sheet.held_by_other(person, now):
                return sheet
            self._give(connection, sheet, person, taken_from="")
            return _there(store.find(connection, department, sheet_id))

        return await self._write(work)

    async def take_over(self, department: str, sheet_id: str, person: Person) -> Sheet:
        """Take a sheet out of somebody's hand; their page is told who has it."""

        def work(connection: Connection) -> Sheet:
            sheet = _there(store.find(connection, department, sheet_id, lock=True))
            other = sheet.holder.name if sheet.holder and sheet.holder.id != person.id else ""
            self._give(connection, sheet, person, taken_from=other)
            return _there(store.find(connection, department, sheet_id))

        taken = await self._write(work)
        _log.info("sheet.taken_over", sheet=sheet_id, by=person.id)
        return taken

    async def beat(self, department: str, sheet_id: str, person: Person) -> Sheet:
        """The person's page is there; a holder's hold goes on."""
        sheet = await self.get(department, sheet_id)
        now = self._clock.now()
        seen = sheet.holder_seen_at
        if sheet.holder is None or (sheet.holder.id == person.id and seen and now - seen >= BEAT_EVERY):
            return await self.hold(department, sheet_id, person)
        return sheet

    async def check_held(self, department: str, sheet_id: str, person: Person) -> Sheet:
        """The sheet, for somebody who changes what belongs to it.

        Raises:
            NotHeld: Somebody else has it in hand.
        """
        sheet = await self.get(department, sheet_id)
        if sheet.held_by_other(person, self._clock.now()):
            raise NotHeld
        return sheet

    async def reserve_case(self, sheet_id: str, case_id: str) -> None:
        """Which case it is going to open: kept before it is opened, so that it is opened once."""
        await self._write(lambda connection: store.change(connection, sheet_id, case_id=case_id))

    async def prepared(
        self, sheet: Sheet, case_id: str, letter_id: str, warnings: Sequence[tuple[str, str]]
    ) -> None:
        """A letter was made of a revision."""
        kept = json.dumps([list(each) for each in warnings], ensure_ascii=False)
        await self._write(
            lambda connection: store.change(
                connection, sheet.id, case_id=case_id, letter_id=letter_id, prepared=sheet.revision, warnings=kept
            )
        )  # fmt: skip

    async def finish(self, sheet_id: str) -> None:
        """It was handed on: it waits no more, and takes no more photographs."""

        def work(connection: Connection) -> None:
            store.change(connection, sheet_id, done=True, holder="", holder_name="", taken_from="")
            store.close_captures(connection, sheet_id)

        await self._write(work)

    async def discard(self, department: str, sheet_id: str, person: Person) -> None:
        """Throw it away.

        Raises:
            NotHeld: Somebody else has it in hand.
        """
        await self.check_held(department, sheet_id, person)
        await self._write(lambda connection: store.remove(connection, sheet_id))

    def _give(self, connection: Connection, sheet: Sheet, person: Person, taken_from: str) -> None:
        kept = sheet.taken_from if sheet.holder and sheet.holder.id == person.id else ""
        store.change(
            connection, sheet.id, holder=person.id, holder_name=person.name,
            holder_seen_at_us=microseconds(self._clock.now()), taken_from=taken_from or kept,
        )  # fmt: skip

    # -- files ----------------------------------------------------------------------------------

    async def files(self, sheet_id: str) -> list[File]:
        """The files of a sheet."""
        return await self._read(lambda connection: store.list_files(connection, sheet_id))

    async def file(self, sheet_id: str, file_id: str) -> File:
        """A file of a sheet.

        Raises:
            NotFound: The sheet has none of that id.
        """
        found = await self._read(lambda connection: store.find_file(connection, file_id))
        if found is None or found.sheet != sheet_id:
            raise NotFound("The draft has no such file.", field="file")
        return found

    async def add_file(
        self, sheet_id: str, person: Person, *, kind: str, name: str, size: int, by_phone: bool = False
    ) -> File:
        """A file that is to come.

        Raises:
            LimitExceeded: The sheet has as many as a letter can have.
        """
        file = File(
            id=uuid_utils.uuid7().hex, sheet=sheet_id, kind=kind, name=name, size=size, added_by=person,
            by_phone=by_phone, added_at=self._clock.now(),
        )  # fmt: skip

        def work(connection: Connection) -> None:
            if len(store.list_files(connection, sheet_id)) >= MOST_FILES:
                raise LimitExceeded(f"A letter has at most {MOST_FILES} materials.", field="files")
            store.add_file(connection, file)

        await self._write(work)
        return file

    async def arrived(self, file: File, root: bytes, digest: bytes, size: int, media_type: str) -> File:
        """All of a file is at the node."""
        await self._write(
            lambda connection: store.change_file(
                connection, file.id, root=root, digest=digest, size=size, media_type=media_type
            )
        )
        return replace(file, root=root, digest=digest, size=size, media_type=media_type)

    async def set_kind(self, file: File, kind: str) -> None:
        """Say what a file is."""
        await self._write(lambda connection: store.change_file(connection, file.id, kind=kind))

    async def remove_file(self, file: File) -> None:
        """Take a file off the sheet."""
        await self._write(lambda connection: store.remove_file(connection, file.id))

    # -- links for photographs ------------------------------------------------------------------

    async def open_capture(
        self, sheet: Sheet, made_by: Person, kind: str, *, acr: str, session: str
    ) -> tuple[Capture, str]:
        """A link for photographs; earlier ones of the sheet end. Returns it and what stands in it."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        capture = Capture(
            id=uuid_utils.uuid7().hex, sheet=sheet.id, kind=kind, made_by=made_by.id, acr=acr, session=session,
            expires_at=self._clock.now() + CAPTURE_FOR,
        )  # fmt: skip

        def work(connection: Connection) -> None:
            store.close_captures(connection, sheet.id)
            store.add_capture(connection, capture, _digest(secret))

        await self._write(work)
        return capture, secret

    async def captures(self, sheet_id: str) -> list[Capture]:
        """The links of a sheet that are still good."""
        now = self._clock.now()
        return await self._read(lambda connection: store.open_captures(connection, sheet_id, now))

    async def close_captures(self, sheet_id: str) -> None:
        """End the links of a sheet."""
        await self._write(lambda connection: store.close_captures(connection, sheet_id))

    async def capture_of(self, secret: str, device: str) -> Capture:
        """The link that a telephone shows; the first telephone keeps it.

        Args:
            secret: What stands in the link.
            device: What the telephone's cookie holds.

        Raises:
            CaptureOver: It is not known, was closed or has expired.
            CaptureTaken: Another telephone has it.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Capture:
            found = store.find_capture(connection, _digest(secret))
            if found is None or found.is_over(now):
                raise CaptureOver
            if found.device == _digest(device):
                return found
            if found.device or not store.take_device(connection, found.id, _digest(device)):
                raise CaptureTaken
            return replace(found, device=_digest(device))

        return await self._write(work)

    async def count_photo(self, capture: Capture) -> None:
        """One more photograph comes.

        Raises:
            CaptureFull: It has taken as many as it takes.
        """
        if not await self._write(
            lambda connection: store.count_photo(connection, capture.id, CAPTURE_PHOTOS)
        ):
            raise CaptureFull

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)


def _there(sheet: Sheet | None) -> Sheet:
    if sheet is None:
        raise NotFound("There is no such draft.", field="sheet")
    return sheet


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
