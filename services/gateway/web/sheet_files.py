"""Files of a draft: brought from the desk, looked at, named, taken off; and the code for a telephone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.common.titles import material_title
from services.gateway.evidence.reading import open_range
from services.gateway.sheets.model import Sheet
from services.gateway.web import sheet_uploads
from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page
from services.gateway.web.procedures import say
from services.gateway.web.sheet_uploads import WithFiles
from services.gateway.web.sheet_view import base_context, person_of, sheets_of, shown

router = APIRouter(prefix="/new/sheets/{sheet_id}")


@router.get("/files")
async def files(page: SignedIn, sheet_id: str) -> Response:
    """The materials, as they are now."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    return page.render("sheet_files_changed.html", **base_context(page, await shown(page, sheet)))


@router.post("/files")
async def add(page: WithFiles, sheet_id: str) -> Response:
    """Files without script, all in one form."""
    sheet = await _held(page, sheet_id)
    await sheet_uploads.add_from_form(
        page.site, sheets_of(page), sheet, page.form, person_of(page), page.caller, page.request_id
    )
    return page.go(f"/new/sheets/{sheet_id}#materials", "sheet.files_added")


@router.get("/files/{file_id}")
async def look(page: SignedIn, sheet_id: str, file_id: str) -> Response:
    """One file, from the node."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    file = await sheets_of(page).file(sheet.id, file_id)
    upstream, acting = page.site.calls.acting(page.caller, page.request_id)
    return await open_range(upstream, acting, file.root, page.request.headers)


@router.post("/files/{file_id}")
async def change(page: SignedIn, sheet_id: str, file_id: str) -> Response:
    """Say what a file is, or take it off."""
    sheet = await _held(page, sheet_id)
    file = await sheets_of(page).file(sheet.id, file_id)
    if page.text_of("do") == "remove":
        await sheets_of(page).remove_file(file)
        await sheet_uploads.spool_of(page.site).forget(file.id)
    else:
        await sheets_of(page).set_kind(file, sheet_uploads.kind_in(page.text_of("kind")))
    if page.is_fragment:
        return page.render("sheet_files_changed.html", **base_context(page, await shown(page, sheet)))
    return page.go(f"/new/sheets/{sheet_id}#materials")


@router.post("/uploads")
async def begin(page: SignedIn, sheet_id: str) -> Response:
    """A file is to come, in parts."""
    sheet = await _held(page, sheet_id)
    return await sheet_uploads.begin(page.request, page.site, sheets_of(page), sheet, person_of(page))


@router.get("/uploads/{file_id}")
async def come(page: SignedIn, sheet_id: str, file_id: str) -> Response:
    """How much of it has come."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    return await sheet_uploads.come(page.site, await sheets_of(page).file(sheet.id, file_id))


@router.put("/uploads/{file_id}")
async def take(page: SignedIn, sheet_id: str, file_id: str, offset: Annotated[int, Query(ge=0)]) -> Response:
    """One part of it."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    file = await sheets_of(page).file(sheet.id, file_id)
    return await sheet_uploads.take(
        page.request, page.site, sheets_of(page), file, page.caller, page.request_id, offset
    )


@router.post("/captures")
async def open_capture(page: SignedIn, sheet_id: str) -> Response:
    """A code for a telephone."""
    assert page.session is not None
    sheet = await _held(page, sheet_id)
    kind = sheet_uploads.kind_in(page.text_of("kind"))
    capture, secret = await sheets_of(page).open_capture(
        sheet, person_of(page), kind, acr=page.session.acr, session=page.session.id
    )
    base = (page.site.public_url or str(page.request.base_url)).rstrip("/")
    return page.render(
        "sheet_capture.html",
        sheet=sheet,
        capture=capture,
        kind=say(material_title(kind), page.language),
        link=f"{base}/capture/{secret}",
        picture=f"/capture/{secret}/code.svg",
    )


@router.post("/captures/close")
async def close_captures(page: SignedIn, sheet_id: str) -> Response:
    """The code is good no more."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    await sheets_of(page).close_captures(sheet.id)
    return page.go(f"/new/sheets/{sheet_id}#materials")


async def _held(page: Page, sheet_id: str) -> Sheet:
    return await sheets_of(page).check_held(page.caller.department, sheet_id, person_of(page))
