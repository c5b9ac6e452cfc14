"""The public site (公开信息): what one department has published, for everybody, without a log-in.

What is shown is the node's to say, by acts of publication; this is one page for each of its answers. Nothing is kept of
visitors but how often an address asks, in memory.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from google.protobuf.message import Message
from liandong.cases.v1 import public_service_pb2 as pb

from services.common.errors import NotFound
from services.gateway.accounts.model import TOKEN_ACR
from services.gateway.callers import Caller
from services.gateway.rest.limits import TooManyCalls
from services.gateway.web.filters import at
from services.gateway.web.page import Anybody, Page

M = TypeVar("M", bound=Message)
router = APIRouter()
_PAGE: Final = 20
_FEED: Final = 50
_ATOM: Final = "http://www.w3.org/2005/Atom"
KINDS: Final = {
    "text": pb.PUBLISHED_KIND_TEXT,
    "result": pb.PUBLISHED_KIND_RESULT,
    "draw-notice": pb.PUBLISHED_KIND_DRAW_NOTICE,
    "draw": pb.PUBLISHED_KIND_DRAW,
}
_NAMES: Final = {number: name for name, number in KINDS.items()}
_DRAWS: Final = frozenset({pb.PUBLISHED_KIND_DRAW_NOTICE, pb.PUBLISHED_KIND_DRAW})
_IPV6: Final = 64


class NothingPublic(NotFound):
    """This gateway publishes for no department."""


@router.get("/public")
async def home(
    page: Anybody,
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Annotated[str, Query(max_length=20)] = "",
    token: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """What was published, with a search."""
    await _visit(page)
    found = pb.ListPublishedResponse()
    if page.site.public_department:
        asked = pb.ListPublishedRequest(
            kind=KINDS.get(kind, pb.PUBLISHED_KIND_UNSPECIFIED),
            text=q.strip(),
            page_size=_PAGE,
            page_token=token,
        )
        found = await _ask(page, asked, pb.ListPublishedResponse)
    return page.render(
        "public.html", found=found, q=q, kind=kind if kind in KINDS else "", kinds=list(KINDS), names=_NAMES,
        department=page.site.public_department,
    )  # fmt: skip


@router.get("/public/items/{letter_id}")
async def item(page: Anybody, letter_id: str) -> Response:
    """One text, result or draw."""
    await _visit(page)
    return await _item(page, letter_id)


@router.get("/public/draws/{letter_id}")
async def one_draw(page: Anybody, letter_id: str) -> Response:
    """One draw, to be repeated."""
    await _visit(page)
    return await _item(page, letter_id)


@router.get("/public/draws")
async def draws(page: Anybody) -> Response:
    """Where anybody repeats a draw from its files, which stay in the browser."""
    await _visit(page)
    return page.render("public_draw.html", item=None, draw=None, department=page.site.public_department)


@router.get("/public/feed.xml")
async def feed(page: Anybody) -> Response:
    """The newest publications, as a feed (RFC 4287)."""
    await _visit(page)
    found = await _ask(page, pb.ListPublishedRequest(page_size=_FEED), pb.ListPublishedResponse)
    title = f"{page.name_of(page.site.public_department)} · {page.t('public.title')}"
    content = atom(
        _base(page), title, [(each, page.t(f"public.kind_{_NAMES[each.kind]}")) for each in found.published]
    )
    return Response(content, media_type="application/atom+xml")


@router.get("/public/heads")
async def heads(page: Anybody) -> Response:
    """The newest signed head of the ledger, for programs: who keeps them sees that nothing is rewritten."""
    await _visit(page)
    if not page.site.public_department:
        raise NothingPublic
    note = await page.site.calls.head(page.site.public_department)
    origin, size, root, *_ = note.split("\n")
    return JSONResponse({"origin": origin, "size": int(size), "root": root, "checkpoint": note})


@router.get("/public/complaints")
async def complaints(page: Anybody) -> Response:
    """Where one asks how a complaint stands."""
    await _visit(page)
    return page.render("public_status.html", found=None, wrong="", department=page.site.public_department)


@router.post("/public/complaints")
async def complaint(page: Anybody) -> Response:
    """How it stands; a wrong number is answered like a wrong code, and nobody tries often."""
    try:
        page.site.public_tries.take(_address(page))
    except TooManyCalls as error:
        minutes = -(-error.retry_after_ms // 60_000)
        return _status(page, None, page.t("public.too_often", minutes=minutes), 429)
    number, code = page.text_of("number")[:40], page.text_of("code")[:40]
    if not number or not code:
        return _status(page, None, page.t("public.both"), 400)
    try:
        asked = pb.GetStatusByCodeRequest(number=number, code=code)
        found = await _ask(page, asked, pb.GetStatusByCodeResponse)
    except NotFound:
        return _status(page, None, page.t("public.not_known"), 404)
    return _status(page, found, "", 200)


def atom(base: str, title: str, entries: list[tuple[pb.Published, str]]) -> bytes:
    """A feed of publications, each with the word for its kind."""
    ET.register_namespace("", _ATOM)
    root = ET.Element(f"{{{_ATOM}}}feed")

    def add(parent: ET.Element, name: str, text: str = "", **more: str) -> ET.Element:
        made = ET.SubElement(parent, f"{{{_ATOM}}}{name}", more)
        made.text = "".join(each for each in text if each.isprintable()) or None
        return made

    add(root, "id", f"{base}/public")
    add(root, "title", title)
    add(root, "link", rel="self", href=f"{base}/public/feed.xml")
    add(root, "link", rel="alternate", href=f"{base}/public")
    newest = max((each.published_at.seconds for each, _ in entries), default=0)
    add(
        root,
        "updated",
        _time(next((e for e, _ in entries if e.published_at.seconds == newest), pb.Published())),
    )
    for each, word in entries:
        entry = add(root, "entry")
        add(entry, "id", f"urn:uuid:{each.letter_id}")
        # of a draw the method is no headline
        add(entry, "title", word if each.kind in _DRAWS else each.title or word)
        add(entry, "updated", _time(each))
        add(entry, "category", term=_NAMES[each.kind], label=word)
        add(entry, "link", rel="alternate", href=f"{base}/public/items/{each.letter_id}")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _time(each: pb.Published) -> str:
    moment = at(each.published_at)
    return moment.isoformat(timespec="seconds") if moment else "1970-01-01T00:00:00+00:00"


async def _item(page: Page, letter_id: str) -> Response:
    if len(letter_id) != 36:  # noqa: PLR2004 - a UUID
        raise NotFound("Nothing of that id was published.")
    found = await _ask(page, pb.GetPublishedRequest(letter_id=letter_id), pb.GetPublishedResponse)
    context: dict[str, Any] = {"item": found, "names": _NAMES, "department": page.site.public_department}
    if not found.HasField("draw"):
        web = urlsplit(found.address).scheme in {"http", "https"}
        return page.render("public_item.html", **context, web=web)
    pairs = [{"object": each.object, "officers": list(each.officers)} for each in found.draw.pairs]
    published = json.dumps(pairs, ensure_ascii=False, separators=(",", ":")) if pairs else ""
    return page.render("public_draw.html", **context, draw=found.draw, published=published)


def _status(page: Page, found: pb.GetStatusByCodeResponse | None, wrong: str, status: int) -> Response:
    return page.render(
        "public_status.html", status=status, found=found, wrong=wrong, department=page.site.public_department
    )


async def _ask(page: Page, request: Message, answer: type[M]) -> M:
    department = page.site.public_department
    if not department:
        raise NothingPublic
    return await page.site.calls.call(_system(department), request, answer, request_id=page.request_id)


def _system(department: str) -> Caller:
    return Caller(
        department=department, subject="gateway", name="gateway", roles=("system",), acr=TOKEN_ACR, service=True,
        scopes=frozenset(), key="gateway",
    )  # fmt: skip


async def _visit(page: Page) -> None:
    """Count a visit, and know what the department is called, though nobody is logged in."""
    page.site.public_visits.take(_address(page))
    if page.site.public_department:
        await page.site.directory.refresh(_system(page.site.public_department))


def _address(page: Page) -> str:
    """Whose visits are counted together: an address, of IPv6 the network of which one has all."""
    client = page.request.client
    try:
        found = ipaddress.ip_address(client.host if client else "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((int(found), _IPV6), strict=False))


def _base(page: Page) -> str:
    return page.site.public_url.rstrip("/") or str(page.request.base_url).rstrip("/")
