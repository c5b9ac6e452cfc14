"""Complaints that the public writes (网上投诉): one form without script, off unless the operator names who takes them in.

A complaint goes to that department's node as a person's entry does. What was typed stays on the page until the node has
said that it is registered; sent twice, it is registered once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2
from starlette.datastructures import FormData, UploadFile

from services.common.errors import Conflict, LiandongError, NotFound
from services.gateway.evidence.bringing import About, SlowSender, Uploads
from services.gateway.evidence.kinds import HEAD
from services.gateway.evidence.names import harmless
from services.gateway.proxies import check_origin
from services.gateway.rest.limits import TooManyCalls
from services.gateway.web import intake_form, sheet_uploads
from services.gateway.web.access import Anybody, SignedIn, of, own_form
from services.gateway.web.intake_form import NotFresh, TooFast
from services.gateway.web.page import Page
from services.gateway.web.public_asking import system, taken, visit

router = APIRouter()
_log = structlog.get_logger(__name__)
_TRAP: Final = "website"
"""A field that people do not see, and programs fill in."""
_MATERIAL: Final = "source-material"
_NAMELESS: Final = "photograph"
_READ_S: Final = 180
_BUSY_MS: Final = 5_000


class NothingTakenIn(NotFound):
    """Complaints are not taken in here; call 12345."""


@router.get("/public/complaints/new")
async def blank(page: Anybody) -> Response:
    """The form; or where to turn."""
    await visit(page)
    return _shown(page, intake_form.typed({}), {})


@router.post("/public/complaints/new")
async def take(request: Request) -> Response:
    """A complaint.

    Raises:
        NothingTakenIn: This gateway takes none in.
        TooManyCalls: Too many forms are being read.
        SlowSender: The form did not come in time.
    """
    page = await of(request)
    check_origin(request, page.site.public_url)
    await visit(page)
    if not page.site.public_intake:
        raise NothingTakenIn
    if page.site.public_forms.locked():
        # who waits in line holds a connection; better they come again
        raise TooManyCalls(retry_after_ms=_BUSY_MS)
    async with page.site.public_forms:
        page.form = await _form(request)
        try:
            if page.session is not None:
                own_form(page)
            return await _take(page)
        finally:
            await page.form.close()


@router.get("/cases/{case_id}/writer")
async def ask_for_writer(page: SignedIn, case_id: str) -> Response:
    """Where one asks who wrote a complaint."""
    return page.render("intake_writer.html", case_id=case_id, found=None)


@router.post("/cases/{case_id}/writer")
async def writer(page: SignedIn, case_id: str) -> Response:
    """Who wrote a complaint on the public site; that somebody read it is noted."""
    found = await page.ask(pb.GetComplaintContactRequest(case_id=case_id), pb.GetComplaintContactResponse)
    return page.render("intake_writer.html", case_id=case_id, found=found)


async def _form(request: Request) -> FormData:
    try:
        async with asyncio.timeout(_READ_S):
            return await sheet_uploads.from_form(request, intake_form.FORM_LIMIT, intake_form.PHOTOGRAPHS + 1)
    except TimeoutError:
        raise SlowSender from None


async def _take(page: Page) -> Response:
    values, word = intake_form.typed(page.form), page.text_of("word")
    if page.text_of(_TRAP):
        return _shown(page, values, {"": page.t("intake.trap")}, 400)
    try:
        key = page.site.public_words.check(word, page.now)
    except NotFresh:
        return _shown(page, values, {"": page.t("intake.not_fresh")}, 400)
    except TooFast:
        return _shown(page, values, {"": page.t("intake.too_fast")}, 400, word)
    request = intake_form.request_of(values, page.site.public_intake_code, f"public-{key}")
    wrong = intake_form.wrong_in(request, page.language)
    files = _chosen(page)
    wrong |= await _wrong_with(page, files)
    if wrong:
        return _shown(page, values, wrong, 400, word)
    try:
        taken(page.site.public_complaints, page)
        taken(page.site.public_all_complaints, page, "")
    except TooManyCalls as error:
        minutes = -(-error.retry_after_ms // 60_000)
        return _shown(page, values, {"": page.t("intake.too_often", minutes=minutes)}, 429, word)
    return await _send(page, request, files, values, word)


async def _send(
    page: Page, request: pb.TakeComplaintRequest, files: list[UploadFile], values: dict[str, str], word: str
) -> Response:
    """Photographs first, then the complaint that names them."""
    caller = system(page.site.public_intake)
    try:
        for each in files:
            request.photographs.append(await _brought(page, each))
        done = await page.site.calls.call(
            caller, request, pb.TakeComplaintResponse, request_id=page.request_id
        )
    except Conflict:
        # another text under the same word: the first one is registered
        return _shown(page, values, {"": page.t("intake.sent_already")}, 409)
    except LiandongError as error:
        if error.reason == "IDENTIFIER_INVALID":
            return _shown(page, values, {"unit_code": page.why(error)}, 400, word)
        _log.warning("intake.not_taken", reason=error.reason, code=error.code)
        return _shown(page, values, {"": page.t("intake.away")}, 503, word)
    return page.render("intake_done.html", number=done.number, code=done.code)


async def _brought(page: Page, file: UploadFile) -> envelope_pb2.Material:
    upstream, acting = page.site.calls.acting(system(page.site.public_intake), page.request_id)

    kind = intake_form.photograph_kind(await _head(file))
    about = About(file_name=harmless(file.filename or "", _NAMELESS), media_type=kind)
    await file.seek(0)
    content = sheet_uploads.in_pieces(file)
    manifest = await _uploads(page).take(upstream, acting, content, about, file.size)
    return envelope_pb2.Material(
        kind=_MATERIAL, manifest_root=manifest.root, digest=manifest.digest, size=manifest.size,
        media_type=manifest.media_type,
    )  # fmt: skip


def _chosen(page: Page) -> list[UploadFile]:
    return [
        each for each in page.form.getlist("photographs") if isinstance(each, UploadFile) and each.filename
    ]


async def _wrong_with(page: Page, files: list[UploadFile]) -> dict[str, str]:
    largest = intake_form.PHOTOGRAPH_LIMIT // (1024 * 1024)
    if len(files) > intake_form.PHOTOGRAPHS:
        return {"photographs": page.t("intake.too_many", most=intake_form.PHOTOGRAPHS)}
    for each in files:
        if (each.size or 0) > intake_form.PHOTOGRAPH_LIMIT:
            return {"photographs": page.t("intake.too_large", largest=largest)}
        if not intake_form.photograph_kind(await _head(each)):
            return {"photographs": page.t("intake.no_photograph")}
    return {}


async def _head(file: UploadFile) -> bytes:
    await file.seek(0)
    return await file.read(HEAD)


def _uploads(page: Page) -> Uploads:
    assert page.site.public_photographs is not None
    return page.site.public_photographs


def _shown(
    page: Page, values: dict[str, str], wrong: dict[str, str], status: int = 200, word: str = ""
) -> Response:
    """The form with what was typed; a word of an earlier showing stays, so that it is the same complaint."""
    department = page.site.public_intake
    if not department:
        return page.render("intake_closed.html")
    return page.render(
        "intake.html", status=status, values=values, wrong=wrong, trap=_TRAP, department=department,
        word=word or page.site.public_words.word(page.now), accept=intake_form.ACCEPT,
        chosen=_chosen(page), most=intake_form.PHOTOGRAPHS, largest=intake_form.PHOTOGRAPH_LIMIT // (1024 * 1024),
    )  # fmt: skip
