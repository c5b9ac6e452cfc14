"""Help: what each area is for, how a transfer and an approval go, keys, browsers, whom to ask."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from services.gateway.web.access import Anybody
from services.gateway.web.page import AREAS

router = APIRouter()
TRANSFER = 7
APPROVAL = 5
KEYS = ("slash", "tab", "enter", "escape", "skip")


@router.get("/help")
async def guide(page: Anybody) -> Response:
    """For everybody, logged in or not."""
    return page.render(
        "help.html", areas=[name for name, _ in AREAS], transfer=TRANSFER, approval=APPROVAL, keys=KEYS
    )
