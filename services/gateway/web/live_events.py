"""`/live`: changes to a browser, as server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.common.errors import Unauthenticated
from services.gateway.web.access import SignedIn
from services.gateway.web.live import PULSE_S
from services.gateway.web.page import Page

router = APIRouter()


@router.get("/live")
async def live(page: SignedIn, oversight: Annotated[bool, Query()] = False) -> Response:
    """What changed, by kind: `cases`, `work`, `oversight`, and a `pulse` in silence; ends when the session does."""
    return page.site.streams.answer(page.caller.key, _events(page, oversight=oversight))


async def _events(page: Page, *, oversight: bool) -> AsyncIterator[bytes]:
    async with page.site.live.listening(page.caller, oversight=oversight) as listener:
        yield b": listening\n\n"
        while True:
            changed = await listener.wait(PULSE_S)
            if not changed:
                # an event, as the page hears no comments: it shows when it has heard nothing for two of them
                yield b"event: pulse\ndata:\n\n"
                if await _is_over(page):
                    return
            for kind, what in changed.items():
                yield f"event: {kind}\ndata: {what}\n\n".encode()


async def _is_over(page: Page) -> bool:
    assert page.site.accounts is not None
    try:
        await page.site.accounts.peek(page.secret)
    except Unauthenticated:
        return True
    return False
