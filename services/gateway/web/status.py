"""How the departments are, for everybody; and whether people can work, for machines."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.gateway.languages import LANGUAGES
from services.gateway.web.access import Anybody
from services.gateway.web.page import LANGUAGE_COOKIE, own_path

router = APIRouter()
_YEAR_S = 365 * 86400


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """This process runs."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """People can work: every node serves."""
    found = await request.app.state.site.statuses.statuses()
    ready = all(each.ready for each in found)
    departments = [{"name": each.name, "node": each.node, "link": each.link.state} for each in found]
    return JSONResponse({"ready": ready, "departments": departments}, 200 if ready else 503)


@router.get("/status")
async def status(page: Anybody) -> HTMLResponse:
    """The departments, their nodes and links."""
    found = await page.site.statuses.statuses()
    index = LANGUAGES.index(page.language)
    titles = {each.name: each.titles[index] or each.name for each in found}
    return page.render("status.html", departments=found, titles=titles)


@router.get("/language")
async def language(page: Anybody, to: str = "", next: str = "/") -> Response:  # noqa: A002 - as it stands in the address
    """Speak another language from now on."""
    target = own_path(next)
    response = RedirectResponse(target, 303)
    if to in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, to, max_age=_YEAR_S, httponly=True, secure=page.secure, samesite="lax"
        )
    return response
