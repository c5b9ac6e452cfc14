"""Files on their way to a sheet: begun, taken part by part, brought to the node; from a desk and from a telephone."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Final

import uuid_utils
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from services.common.errors import InvalidField, Malformed, NotFound
from services.exchange.evidence import Manifest
from services.gateway.callers import Caller
from services.gateway.evidence.bringing import About
from services.gateway.evidence.names import harmless
from services.gateway.evidence.parts import PART, OtherKind, OtherOffset, Spool
from services.gateway.sheets.model import File, Person, Sheet
from services.gateway.sheets.sheets import Sheets
from services.gateway.web.access import FormTooLarge, for_people, glancing, own_form
from services.gateway.web.page import Page
from services.gateway.web.site import Site

FORM_FILES: Final = 64 * 1024 * 1024
"""Bytes of all files that come in one form, where there is no script."""
_LONGEST_SAID: Final = 4096
_LONGEST_KIND: Final = 60
_MOST_IN_FORM: Final = 20
_NAMELESS: Final = "file"
_PIECE: Final = 1024 * 1024


def spool_of(site: Site) -> Spool:
    """Where files lie on their way.

    Raises:
        NotFound: This gateway knows nobody.
    """
    if site.spool is None:
        raise NotFound("This gateway knows no accounts.")
    return site.spool


async def begin(
    request: Request, site: Site, sheets: Sheets, sheet: Sheet, person: Person, *, kind: str = ""
) -> JSONResponse:
    """A file is to come: `{kind, name, size}`; answers its id and how much is sent at a time."""
    said = await _said(request)
    name, size = said.get("name"), said.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Malformed("Say name and size of the file.")
    spool, chosen, plain = (
        spool_of(site),
        kind or kind_in(str(said.get("kind", ""))),
        harmless(name, _NAMELESS),
    )
    await spool.begin(size)
    for each in await sheets.files(sheet.id):
        same = (each.name, each.size, each.kind, each.added_by) == (plain, size, chosen, person)
        if same and not each.is_there and await spool.is_idle(each.id, each.added_at):
            # it broke off for good, and comes again from the beginning: perhaps it was changed meanwhile
            await spool.forget(each.id)
            return JSONResponse({"id": each.id, "offset": 0, "part": PART}, 201)
    file = await sheets.add_file(sheet.id, person, kind=chosen, name=plain, size=size, by_phone=bool(kind))
    return JSONResponse({"id": file.id, "offset": 0, "part": PART}, 201)


async def come(site: Site, file: File) -> JSONResponse:
    """How much of a file has come."""
    offset = file.size if file.is_there else await spool_of(site).come(file.id)
    return JSONResponse({"offset": offset, "there": file.is_there, "part": PART})


async def take(
    request: Request,
    site: Site,
    sheets: Sheets,
    file: File,
    caller: Caller,
    request_id: str,
    offset: int,
) -> JSONResponse:
    """One part of a file; with the last one it goes to the node."""
    parts = spool_of(site)
    if file.is_there:
        return await come(site, file)
    try:
        have = await parts.append(file.id, offset, file.size, pieces_of(request))
    except OtherOffset as error:
        return JSONResponse({"offset": error.offset, "there": False, "part": PART}, 409)
    if have < file.size:
        return JSONResponse({"offset": have, "there": False, "part": PART})
    await bring(site, sheets, file, caller, request_id)
    return JSONResponse({"offset": have, "there": True, "part": PART})


async def bring(site: Site, sheets: Sheets, file: File, caller: Caller, request_id: str) -> File:
    """A file that has come goes to the node of the caller's department."""
    upstream, acting = site.calls.acting(caller, request_id)
    about = About(file_name=file.name, collected_by=file.added_by.name, collected_at=file.added_at)
    only = "image/" if file.by_phone else ""
    try:
        manifest = await spool_of(site).bring(file.id, file.size, upstream, acting, about, only)
    except OtherKind:
        await sheets.remove_file(file)
        raise
    return await sheets.arrived(file, manifest.root, manifest.digest, manifest.size, manifest.media_type)


async def with_files(request: Request) -> AsyncIterator[Page]:
    """A page whose form has files; it is of one of our pages."""
    page = await glancing(request)
    for_people(page)
    page.form = await from_form(request)
    try:
        own_form(page)
        yield page
    finally:
        await page.form.close()


WithFiles = Annotated[Page, Depends(with_files)]


async def brought(page: Page, name: str, size: int, pieces: AsyncIterator[bytes]) -> Manifest:
    """A file that is of no sheet goes to the node in the person's name; its kind is read off its bytes.

    Raises:
        LiandongError: It is too large, or the node does not take it.
    """
    parts, file_id = spool_of(page.site), uuid_utils.uuid7().hex
    await parts.begin(size)
    try:
        await parts.append(file_id, 0, size, pieces)
        upstream, acting = page.site.calls.acting(page.caller, page.request_id)
        about = About(
            file_name=harmless(name, _NAMELESS), collected_by=page.caller.name, collected_at=page.now
        )
        return await parts.bring(file_id, size, upstream, acting, about)
    finally:
        await parts.forget(file_id)


async def in_pieces(upload: UploadFile) -> AsyncIterator[bytes]:
    """A file of a form, as it is read."""
    while piece := await upload.read(_PIECE):
        yield piece


async def from_form(request: Request, limit: int = FORM_FILES, most: int = _MOST_IN_FORM) -> FormData:
    """A form with files, within limits.

    Args:
        request: With the form.
        limit: Bytes of all of it.
        most: Files.

    Raises:
        FormTooLarge: It has more bytes than are taken without script.
        Malformed: It is no such form.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Malformed("This takes a form with files.")

    async def bounded() -> AsyncGenerator[bytes, None]:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise FormTooLarge(
                    f"Without script, files of one form have at most {limit >> 20} MiB together."
                )
            yield piece

    try:
        parser = MultiPartParser(request.headers, bounded(), max_files=most, max_fields=_MOST_IN_FORM)
        return await parser.parse()
    except MultiPartException as error:
        raise Malformed(error.message) from None
    except ClientDisconnect:
        raise Malformed("The sender is gone.") from None


async def add_from_form(
    site: Site,
    sheets: Sheets,
    sheet: Sheet,
    form: FormData,
    person: Person,
    caller: Caller,
    request_id: str,
    *,
    kind: str = "",
    by_phone: bool = False,
) -> int:
    """Bring the files of a form to the node; returns how many."""
    parts, count = spool_of(site), 0
    for each in form.getlist("files"):
        if isinstance(each, str) or not each.filename:
            continue
        size = each.size or 0
        await parts.begin(size)
        file = await sheets.add_file(
            sheet.id, person, kind=kind or kind_in(str(form.get("kind", ""))),
            name=harmless(each.filename, _NAMELESS), size=size, by_phone=by_phone,
        )  # fmt: skip
        await parts.append(file.id, 0, size, in_pieces(each))
        await bring(site, sheets, file, caller, request_id)
        count += 1
    return count


def kind_in(said: str) -> str:
    """A kind of material as it may stand in a letter.

    Raises:
        InvalidField: It is none.
    """
    plain = said.replace("-", "")
    if not plain.isascii() or not plain.isalnum() or not said[:1].islower() or len(said) > _LONGEST_KIND:
        raise InvalidField("Say what kind of material it is.", field="kind")
    return said


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """A body as it comes; when the sender is gone, what came is what there is."""
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        return


async def _said(request: Request) -> dict[str, object]:
    kept = bytearray()
    async for piece in request.stream():
        kept += piece
        if len(kept) > _LONGEST_SAID:
            raise FormTooLarge
    try:
        found = json.loads(bytes(kept))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Malformed("Say name and size of the file.")
    return found
