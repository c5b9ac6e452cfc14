"""Common phrases (常用语): the product's own, and those that a person keeps."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response

from services.common.errors import LiandongError, NotFound
from services.gateway.phrases import LONGEST, MOST, Phrases
from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page

router = APIRouter()
SHIPPED = ("agree", "agree_send", "read", "as_proposed", "section", "strict", "quick", "complete", "evidence")


def _store(page: Page) -> Phrases:
    if page.site.phrases is None:
        raise NotFound("This gateway keeps no phrases.")
    return page.site.phrases


async def phrases_of(page: Page) -> list[str]:
    """Phrases to choose from: the person's own first."""
    assert page.session is not None
    own = await asyncio.to_thread(_store(page).of, page.session.account.id)
    return [text for _, text in own] + [page.t(f"phrases.shipped_{each}") for each in SHIPPED]


@router.get("/phrases")
async def phrases(page: SignedIn) -> Response:
    """The person's own phrases."""
    return await _show(page)


@router.post("/phrases")
async def add(page: SignedIn) -> Response:
    """Keep one more."""
    assert page.session is not None
    try:
        await asyncio.to_thread(_store(page).add, page.session.account.id, page.text_of("text"))
    except LiandongError as error:
        full = error.reason == "LIMIT_EXCEEDED"
        words = page.t("phrases.full", most=MOST) if full else page.t("phrases.wrong", longest=LONGEST)
        return await _show(page, words)
    return page.go("/phrases", "phrases.added")


@router.post("/phrases/remove")
async def remove(page: SignedIn) -> Response:
    """Keep one no longer."""
    assert page.session is not None
    await asyncio.to_thread(_store(page).remove, page.session.account.id, page.text_of("id"))
    return page.go("/phrases", "phrases.removed")


async def _show(page: Page, wrong: str = "") -> Response:
    assert page.session is not None
    own = await asyncio.to_thread(_store(page).of, page.session.account.id)
    return page.render(
        "phrases.html", status=400 if wrong else 200, own=own, wrong={"text": wrong} if wrong else {},
        text=page.text_of("text"), longest=LONGEST, shipped=SHIPPED,
    )  # fmt: skip
