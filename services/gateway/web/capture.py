"""Photographs from a telephone: a link adds them to one draft, without a log-in, for a quarter of an hour.

Whoever holds the link can do nothing else: see no field of the draft, no file but the photographs that came by it.
They are brought in the name of the person who made the link, whose session must still be there.
"""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.common.errors import InvalidField, LiandongError, NotFound
from services.common.titles import material_title
from services.gateway.accounts.callers import caller_of
from services.gateway.accounts.model import Session
from services.gateway.callers import Caller
from services.gateway.evidence.reading import open_range
from services.gateway.sheets.model import (
    CAPTURE_PHOTOS,
    Capture,
    CaptureOver,
    CaptureTaken,
    File,
    Person,
    Sheet,
)
from services.gateway.sheets.sheets import Sheets
from services.gateway.web import sheet_uploads
from services.gateway.web.page import Page
from services.gateway.web.procedures import say
from services.gateway.web.site import Site

router = APIRouter(prefix="/capture/{secret}")
COOKIE: Final = "liandong-capture"
_LARGEST: Final = 32 * 1024 * 1024
_COOKIE_BYTES: Final = 24
_LONGEST_SECRET: Final = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """A telephone with a good link.

    Attributes:
        page: Without anybody logged in, whatever else the telephone's browser holds.
        capture: The link.
        sheet: Where photographs go.
        caller: In whose name.
        person: The same, as files name it.
        device: What the telephone's cookie holds.
    """

    page: Page
    capture: Capture
    sheet: Sheet
    caller: Caller
    person: Person
    device: str

    @property
    def sheets(self) -> Sheets:
        """The gateway's sheets."""
        assert self.page.site.sheets is not None
        return self.page.site.sheets

    async def photos(self) -> list[File]:
        """The photographs that came by this link."""
        found = await self.sheets.files(self.sheet.id)
        began = self.capture.id
        return [each for each in found if each.by_phone and each.id > began]


async def visit(request: Request, secret: str) -> Visit:
    """The telephone that shows a link.

    Raises:
        CaptureOver: The link is not known or no longer good.
        CaptureTaken: Another telephone has it.
    """
    site: Site = request.app.state.site
    if site.sheets is None or site.accounts is None or len(secret) > _LONGEST_SECRET:
        raise CaptureOver
    device = request.cookies.get(COOKIE) or secrets.token_urlsafe(_COOKIE_BYTES)
    capture = await site.sheets.capture_of(secret, device)
    session = await _session(site, capture)
    sheet = await site.sheets.get(session.account.department, capture.sheet)
    person = Person(session.account.id, session.account.name)
    return Visit(Page(request, site, None, FormData()), capture, sheet, caller_of(session), person, device)


Visiting = Annotated[Visit, Depends(visit)]


@router.get("")
async def look(request: Request, secret: str) -> Response:
    """The telephone's page; the first telephone that opens it keeps the link."""
    try:
        visiting = await visit(request, secret)
    except (CaptureOver, CaptureTaken) as error:
        page = Page(request, request.app.state.site, None, FormData())
        taken = isinstance(error, CaptureTaken)
        return page.render("capture_over.html", status=404, taken=taken)
    page = visiting.page
    response = page.render("capture.html", **await _context(visiting, secret))
    response.set_cookie(
        COOKIE,
        visiting.device,
        max_age=3600,
        path="/capture",
        httponly=True,
        secure=page.secure,
        samesite="lax",
    )
    return response


@router.get("/code.svg")
async def code(request: Request, secret: str) -> Response:
    """The link as a picture that a telephone reads; the link's maker shows it."""
    import segno  # noqa: PLC0415 - few pages draw one

    if len(secret) > _LONGEST_SECRET:
        raise CaptureOver
    site: Site = request.app.state.site
    base = (site.public_url or str(request.base_url)).rstrip("/")
    drawn = io.BytesIO()
    segno.make(f"{base}/capture/{secret}", error="m").save(drawn, kind="svg", scale=6, border=4, light="#fff")
    return Response(drawn.getvalue(), media_type="image/svg+xml")


@router.get("/photos")
async def photos(visiting: Visiting, secret: str) -> Response:
    """What came, as it is now."""
    return visiting.page.render("capture_photos.html", **await _context(visiting, secret))


@router.get("/photos/{file_id}")
async def photo(visiting: Visiting, file_id: str) -> Response:
    """One photograph that came by this link."""
    file = next((each for each in await visiting.photos() if each.id == file_id and each.is_there), None)
    if file is None:
        raise NotFound("There is no such photograph.")
    page = visiting.page
    upstream, acting = page.site.calls.acting(visiting.caller, page.request_id)
    return await open_range(upstream, acting, file.root, page.request.headers)


@router.post("/photos")
async def add(visiting: Visiting, secret: str) -> Response:
    """Photographs without script, in one form."""
    page = visiting.page
    form = await sheet_uploads.from_form(page.request)
    try:
        for each in form.getlist("files"):
            if not isinstance(each, str) and each.filename:
                await _admit(visiting, each.size or 0)
        await sheet_uploads.add_from_form(
            page.site, visiting.sheets, visiting.sheet, form, visiting.person, visiting.caller, page.request_id,
            kind=visiting.capture.kind, by_phone=True,
        )  # fmt: skip
    finally:
        await form.close()
    return page.go(f"/capture/{secret}", "capture.added")


@router.post("/uploads")
async def begin(visiting: Visiting) -> Response:
    """A photograph is to come, in parts."""
    await _admit(visiting, 0)
    page = visiting.page
    return await sheet_uploads.begin(
        page.request, page.site, visiting.sheets, visiting.sheet, visiting.person, kind=visiting.capture.kind
    )


@router.get("/uploads/{file_id}")
async def come(visiting: Visiting, file_id: str) -> Response:
    """How much of it has come."""
    return await sheet_uploads.come(visiting.page.site, await _own(visiting, file_id))


@router.put("/uploads/{file_id}")
async def take(visiting: Visiting, file_id: str, offset: Annotated[int, Query(ge=0)]) -> Response:
    """One part of it."""
    page, file = visiting.page, await _own(visiting, file_id)
    if file.size > _LARGEST:
        raise InvalidField("A photograph has at most 32 MiB.", field="size")
    return await sheet_uploads.take(
        page.request, page.site, visiting.sheets, file, visiting.caller, page.request_id, offset
    )


async def _own(visiting: Visit, file_id: str) -> File:
    found = next((each for each in await visiting.photos() if each.id == file_id), None)
    if found is None:
        raise NotFound("There is no such photograph.")
    return found


async def _admit(visiting: Visit, size: int) -> None:
    if size > _LARGEST:
        raise InvalidField("A photograph has at most 32 MiB.", field="size")
    await visiting.sheets.count_photo(visiting.capture)


async def _session(site: Site, capture: Capture) -> Session:
    """The session in which the link was made, if it still is."""
    assert site.accounts is not None
    try:
        sessions = await site.accounts.sessions(capture.made_by)
    except LiandongError:
        sessions = []
    found = next((each for each in sessions if each.id == capture.session), None)
    if found is None or found.account.disabled:
        raise CaptureOver
    return found


async def _context(visiting: Visit, secret: str) -> dict[str, Any]:
    page = visiting.page
    found = await visiting.photos()
    return {
        "secret": secret,
        "capture": visiting.capture,
        "photos": found,
        "kind": say(material_title(visiting.capture.kind), page.language),
        "left": CAPTURE_PHOTOS - visiting.capture.photos,
        "minutes": max(1, int((visiting.capture.expires_at - page.now).total_seconds() // 60)),
    }
