"""The public site (公开信息): what departments have published, for everybody, without a log-in.

What is shown is the nodes' to say, by acts of publication; this is one page for each of their answers. Nothing is kept of
visitors but how often an address asks, in memory.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, RedirectResponse, Response
from google.protobuf.message import Message
from liandong.cases.v1 import public_service_pb2 as pb

from services.common.errors import NotFound
from services.gateway.rest.limits import TooManyCalls
from services.gateway.web.access import Anybody
from services.gateway.web.bodies import parts
from services.gateway.web.filters import at
from services.gateway.web.page import Page
from services.gateway.web.public_asking import NothingPublic, address, ask_all, visit
from services.gateway.web.public_feed import Item, atom

router = APIRouter()
_PAGE: Final = 20
_FEED: Final = 50
_FEED_KEPT: Final = "public, max-age=300"
_FURTHEST: Final = 2**63 - 1
KINDS: Final = {
    "penalty": pb.PUBLISHED_KIND_PENALTY,
    "permit": pb.PUBLISHED_KIND_PERMIT,
    "withdrawal": pb.PUBLISHED_KIND_WITHDRAWAL,
    "text": pb.PUBLISHED_KIND_TEXT,
    "result": pb.PUBLISHED_KIND_RESULT,
    "draw-notice": pb.PUBLISHED_KIND_DRAW_NOTICE,
    "draw": pb.PUBLISHED_KIND_DRAW,
}
_NAMES: Final = {number: name for name, number in KINDS.items()}
_DRAWS: Final = frozenset({pb.PUBLISHED_KIND_DRAW_NOTICE, pb.PUBLISHED_KIND_DRAW})
_NOT_SHOWN: Final = frozenset(
    {"real_name", "real_name_basis", "change_note", "decided_at", "valid_from", "valid_until"}
)
"""Fields of a decision that stand elsewhere on its page, or are for those who approve it."""


class Shown(NamedTuple):
    """One line of the list."""

    department: str
    kind: str
    headline: str
    published: pb.Published


@router.get("/public")
async def home(
    page: Anybody,
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Annotated[str, Query(max_length=20)] = "",
    department: Annotated[str, Query(max_length=120)] = "",
    before: Annotated[int, Query(ge=0, le=_FURTHEST)] = 0,
) -> Response:
    """What was published, with a search."""
    await visit(page)
    all_of = page.site.public_departments
    chosen = (department,) if department in all_of else all_of
    asked = pb.ListPublishedRequest(
        kind=KINDS.get(kind, pb.PUBLISHED_KIND_UNSPECIFIED), text=q.strip(), page_size=_PAGE, before_position=before
    )  # fmt: skip
    answers = await ask_all(page, chosen, asked, pb.ListPublishedResponse)
    found = _newest(page, answers.said)
    more = len(found) > _PAGE or any(each.next_page_token for each in answers.said.values())
    context: dict[str, Any] = {
        "q": q.strip(), "kind": kind if kind in KINDS else "",
        "department": department if department in all_of else "",
    }  # fmt: skip
    found = found[:_PAGE]
    following = {**context, "before": found[-1].published.position} if more and found else None
    return page.render(
        "public.html", found=found, kinds=list(KINDS), departments=all_of,
        away_names=page.names([page.name_of(each) for each in answers.away]),
        following=following, intake=bool(page.site.public_intake), **context,
    )  # fmt: skip


@router.get("/public/items/{letter_id}")
async def item(page: Anybody, letter_id: str) -> Response:
    """One text, result, decision or draw."""
    return await _item(page, letter_id)


@router.get("/public/draws/{letter_id}")
async def one_draw(page: Anybody, letter_id: str) -> Response:
    """One draw, to be repeated."""
    return await _item(page, letter_id)


@router.get("/public/draws")
async def draws(page: Anybody) -> Response:
    """Where anybody repeats a draw from its files, which stay in the browser."""
    await visit(page)
    return page.render("public_draw.html", item=None, draw=None, department="")


@router.get("/public/feed.xml")
async def feed(page: Anybody) -> Response:
    """The newest publications, as a feed."""
    await visit(page)
    departments = page.site.public_departments
    if not departments:
        raise NothingPublic
    asked = pb.ListPublishedRequest(page_size=_FEED)
    answers = await ask_all(page, departments, asked, pb.ListPublishedResponse)
    if not answers.said:
        answers.one()
    found = _newest(page, answers.said)[:_FEED]
    names = page.name_of(departments[0]) if len(departments) == 1 else ""
    title = f"{names} · {page.t('public.title')}" if names else page.t("public.title")
    items = [
        Item(each.published, each.kind, page.t(f"public.kind_{each.kind}"), each.headline, page.name_of(each.department))
        for each in found
    ]  # fmt: skip
    headers = {"Cache-Control": _FEED_KEPT, "Vary": "Accept-Language, Cookie"}
    return Response(atom(_base(page), title, items), media_type="application/atom+xml", headers=headers)


@router.get("/public/heads")
async def heads(page: Anybody) -> Response:
    """The newest signed head of the ledger, for programs: who keeps them sees that nothing is rewritten."""
    await visit(page)
    if not page.site.public_departments:
        raise NothingPublic
    note = await page.site.calls.head(page.site.public_departments[0])
    origin, size, root, *_ = note.split("\n")
    return JSONResponse({"origin": origin, "size": int(size), "root": root, "checkpoint": note})


@router.get("/public/complaints")
async def complaints(page: Anybody) -> Response:
    """Where one asks how a complaint stands."""
    await visit(page)
    return _status(page, None, "", 200)


@router.post("/public/complaints")
async def complaint(page: Anybody) -> Response:
    """How it stands; a wrong number is answered like a wrong code, and nobody tries often."""
    try:
        page.site.public_tries.take(address(page))
    except TooManyCalls as error:
        minutes = -(-error.retry_after_ms // 60_000)
        return _status(page, None, page.t("public.too_often", minutes=minutes), 429)
    number, code = page.text_of("number")[:40], page.text_of("code")[:40]
    if not number or not code:
        return _status(page, None, page.t("public.both"), 400)
    asked = pb.GetStatusByCodeRequest(number=number, code=code)
    try:
        answers = await ask_all(page, _followed(page), asked, pb.GetStatusByCodeResponse, kept=False)
        _, found = answers.one()
    except NotFound:
        return _status(page, None, page.t("public.not_known"), 404)
    return _status(page, found, "", 200)


def headline(page: Page, kind: str, each: pb.Published) -> str:
    """What a publication is called in lists."""
    word = page.t(f"public.kind_{kind}")
    if each.kind in _DRAWS:
        # of a draw the method is no headline
        return word
    if each.kind == pb.PUBLISHED_KIND_WITHDRAWAL:
        return page.t("public.withdrawn_decision", number=each.number)
    return page.t("public.decision", party=each.party, title=each.title) if each.party else each.title or word


def _newest(page: Page, said: dict[str, pb.ListPublishedResponse]) -> list[Shown]:
    """What departments published, laid together, newest first."""
    found = [
        Shown(department, _NAMES[each.kind], headline(page, _NAMES[each.kind], each), each)
        for department, answer in said.items()
        for each in answer.published
        if each.kind in _NAMES
    ]
    return sorted(found, key=lambda each: each.published.position, reverse=True)


async def _item(page: Page, letter_id: str) -> Response:
    await visit(page)
    if len(letter_id) != 36:  # noqa: PLR2004 - a UUID
        raise NotFound("Nothing of that id was published.")
    asked = pb.GetPublishedRequest(letter_id=letter_id)
    answers = await ask_all(page, page.site.public_departments, asked, pb.GetPublishedResponse)
    department, found = answers.one()
    about = found.published
    if about.letter_id != letter_id:
        # a decision that was corrected or withdrawn since
        return RedirectResponse(f"/public/items/{about.letter_id}", 303)
    kind = _NAMES.get(about.kind, "text")
    context: dict[str, Any] = {
        "item": found, "kind": kind, "department": department, "heading": headline(page, kind, about)
    }  # fmt: skip
    decision: Message | None = None
    if found.HasField("penalty"):
        decision = found.penalty
    elif found.HasField("permit"):
        decision = found.permit
    if decision is not None:
        return page.render(
            "public_decision.html", **context, decision=decision, expired=_expired(page, found),
            parts=parts(decision, page.language, _NOT_SHOWN), last_day=_last_day(about),
        )  # fmt: skip
    if not found.HasField("draw"):
        web = urlsplit(found.address).scheme in {"http", "https"}
        return page.render("public_item.html", **context, web=web)
    pairs = [{"object": each.object, "officers": list(each.officers)} for each in found.draw.pairs]
    published = json.dumps(pairs, ensure_ascii=False, separators=(",", ":")) if pairs else ""
    return page.render("public_draw.html", **context, draw=found.draw, published=published)


def _last_day(about: pb.Published) -> datetime | None:
    """The last day on which a penalty is shown: its term ends before the due time, which is a midnight."""
    until = at(about.shown_until) if about.HasField("shown_until") else None
    return until - timedelta(seconds=1) if until is not None else None


def _expired(page: Page, found: pb.GetPublishedResponse) -> bool:
    """A permit that is not valid any more."""
    until = at(found.permit.valid_until) if found.permit.HasField("valid_until") else None
    return until is not None and until <= page.now


def _followed(page: Page) -> tuple[str, ...]:
    """Departments whose cases are followed here."""
    return tuple(
        dict.fromkeys(each for each in (*page.site.public_departments, page.site.public_intake) if each)
    )


def _status(page: Page, found: pb.GetStatusByCodeResponse | None, wrong: str, status: int) -> Response:
    return page.render(
        "public_status.html", status=status, found=found, wrong=wrong, offered=bool(_followed(page)),
        intake=bool(page.site.public_intake),
    )  # fmt: skip


def _base(page: Page) -> str:
    return page.site.public_url.rstrip("/") or str(page.request.base_url).rstrip("/")
