"""Bulletins: what other departments share, what one's own does, and what it is subscribed to."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.sharing.v1 import sharing_service_pb2 as pb

from services.common.errors import LiandongError
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import ZONE, day, moment
from services.gateway.web.page import Page, said
from services.gateway.web.tables import Cell, Table, cells, page_url

router = APIRouter()


@router.get("/sharing")
async def bulletins(
    page: SignedIn,
    category: Annotated[str, Query(max_length=80)] = "",
    author: Annotated[str, Query(max_length=120)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    token: Annotated[str, Query(alias="page", max_length=200)] = "",
) -> Response:
    """Bulletins, newest first, and the catalogue with what the department is subscribed to."""
    request = pb.ListBulletinsRequest(
        category=category, author=author, query=q, page_size=30, page_token=token
    )
    found, catalogue = await asyncio.gather(
        page.ask(request, pb.ListBulletinsResponse),
        page.ask(pb.ListCatalogueRequest(), pb.ListCatalogueResponse),
    )
    titles = {each.category: page.title(each) for each in catalogue.entries}
    next_url = page_url("/sharing", found.next_page_token, category=category, author=author, q=q)
    return page.render(
        "sharing.html",
        bulletins=found.bulletins,
        catalogue=catalogue.entries,
        titles=titles,
        chosen={"category": category, "author": author, "q": q},
        next_url=next_url,
    )


@router.get("/sharing/new")
async def new(page: SignedIn) -> Response:
    """Where a bulletin is written."""
    return await _form(page, {})


@router.post("/sharing/new")
async def publish(page: SignedIn) -> Response:
    """Publish one; the same form sent twice is one bulletin."""
    request = pb.PublishBulletinRequest(
        category=page.text_of("category"),
        bulletin=_bulletin(page),
        recipients=[each for each in page.form.getlist("recipients") if isinstance(each, str)],
        restricted=page.text_of("restricted") == "yes",
        idempotency_key=page.text_of("key"),
    )
    try:
        formed = datetime.fromisoformat(page.text_of("formed_at")).replace(tzinfo=ZONE)
    except ValueError:
        return await _form(page, {"formed_at": page.t("sharing.no_time")})
    request.formed_at.FromDatetime(formed)
    try:
        answer = (await page.ask(request, pb.PublishBulletinResponse)).answer
    except LiandongError as error:
        return await _form(page, dict(said(error)))
    return page.go(f"/sharing/{answer.item_id}", "sharing.published")


@router.get("/sharing/{item_id}")
async def bulletin(page: SignedIn, item_id: str) -> Response:
    """One bulletin with its earlier revisions; who opens it has read it."""
    return await _shown(page, item_id, {})


@router.post("/sharing/{item_id}/correct")
async def correct(page: SignedIn, item_id: str) -> Response:
    """Publish a new revision of one's own."""
    request = pb.CorrectBulletinRequest(
        item_id=item_id, bulletin=_bulletin(page), idempotency_key=page.text_of("key")
    )
    try:
        await page.ask(request, pb.CorrectBulletinResponse)
    except LiandongError as error:
        return await _shown(page, item_id, dict(said(error)))
    return page.go(f"/sharing/{item_id}", "sharing.corrected")


@router.post("/sharing/{item_id}/withdraw")
async def withdraw(page: SignedIn, item_id: str) -> Response:
    """Withdraw one's own."""
    request = pb.WithdrawBulletinRequest(
        item_id=item_id, reason=page.text_of("reason"), idempotency_key=page.text_of("key")
    )
    try:
        await page.ask(request, pb.WithdrawBulletinResponse)
    except LiandongError as error:
        return await _shown(page, item_id, dict(said(error)))
    return page.go(f"/sharing/{item_id}", "sharing.withdrawn_done")


@router.post("/sharing/subscriptions/{category}")
async def subscribe(page: SignedIn, category: str) -> Response:
    """Subscribe to a category, or end it."""
    wanted = page.text_of("subscribed") == "yes"
    await page.ask(
        pb.SubscribeRequest(category=category, subscribed=wanted, idempotency_key=page.request_id),
        pb.SubscribeResponse,
    )
    return page.go("/sharing", "sharing.subscribed_done" if wanted else "sharing.ended_done")


def _bulletin(page: Page) -> pb.Bulletin:
    return pb.Bulletin(
        title=page.text_of("title"),
        text=page.text_of("text"),
        late_reason=page.text_of("late_reason"),
        change_note=page.text_of("change_note"),
    )


async def _form(page: Page, wrong: dict[str, str]) -> Response:
    catalogue = await page.ask(pb.ListCatalogueRequest(), pb.ListCatalogueResponse)
    typed: dict[str, Any] = {
        name: page.text_of(name)
        for name in ("category", "title", "text", "late_reason", "formed_at", "restricted")
    }
    typed["formed_at"] = typed["formed_at"] or page.now.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")
    typed["recipients"] = page.form.getlist("recipients")
    others = [each for each in page.site.directory.departments if each != page.caller.department]
    return page.render(
        "sharing_new.html",
        status=400 if wrong else 200,
        catalogue=catalogue.entries,
        others=others,
        typed=typed,
        wrong=_short(wrong),
        key=page.text_of("key") or page.request_id,
    )


async def _shown(page: Page, item_id: str, wrong: dict[str, str]) -> Response:
    found = await page.ask(pb.GetBulletinRequest(item_id=item_id), pb.GetBulletinResponse)
    earlier = Table(
        title=page.t("sharing.earlier"),
        columns=[page.t(f"sharing.{each}") for each in ("revision", "title", "change_note", "admitted")],
        rows=[
            cells(
                Cell(str(each.revision), tone="number"), each.bulletin.title, each.bulletin.change_note,
                moment(each.admitted_at),
            )
            for each in found.earlier
        ],
    )  # fmt: skip
    return page.render(
        "sharing_one.html",
        status=400 if wrong else 200,
        it=found.bulletin,
        own=found.bulletin.author == page.caller.department,
        earlier=earlier,
        wrong=_short(wrong),
        key=page.request_id,
        formed=day(found.bulletin.formed_at),
    )


def _short(wrong: dict[str, str]) -> dict[str, str]:
    """Faults by the names of the form's fields: `bulletin.title` is `title` there."""
    return {name.rpartition(".")[2]: words for name, words in wrong.items()}
