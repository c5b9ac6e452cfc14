"""The web application: health for machines, a status page for people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Protocol
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.types import ASGIApp

from services.common.clock import Clock
from services.gateway import problems
from services.gateway.audit import Audit
from services.gateway.headers import SecurityHeaders
from services.gateway.languages import LANGUAGES, TAGS, Language, choose, words
from services.gateway.rest.api import Api
from services.gateway.status import DepartmentStatus

ZONE: Final = ZoneInfo("Asia/Shanghai")
_FOLDER: Final = Path(__file__).parent


class Statuses(Protocol):
    """Where the pages learn how the departments are."""

    async def statuses(self) -> tuple[DepartmentStatus, ...]:
        """How all departments are."""

    async def close(self) -> None:
        """Let go of what is open."""


def create_app(
    statuses: Statuses,
    clock: Clock,
    language: Language = "zh",
    api: Api | None = None,
    audit: Audit | None = None,
) -> ASGIApp:
    """The application.

    Args:
        statuses: Where it learns how the departments are; closed at the end.
        clock: The time.
        language: Spoken to browsers that ask for none we have.
        api: The services over REST; without one only the status is shown.
        audit: Where refusals are noted.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await statuses.close()

    app = FastAPI(title="Liandong", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app, audit)
    app.mount("/static", StaticFiles(directory=_FOLDER / "static"), name="static")
    if api is not None:
        api.install(app)
    _routes(app, statuses, clock, language)
    # around everything: answers to faults are written outside of what the app calls its middleware
    return SecurityHeaders(app)


def _routes(app: FastAPI, statuses: Statuses, clock: Clock, fallback: Language) -> None:
    templates = Jinja2Templates(env=_environment())

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """This process runs."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """People can work: every node serves."""
        found = await statuses.statuses()
        ready = all(each.ready for each in found)
        departments = [{"name": each.name, "node": each.node, "link": each.link.state} for each in found]
        return JSONResponse({"ready": ready, "departments": departments}, 200 if ready else 503)

    @app.get("/")
    async def status(
        request: Request,
        lang: Annotated[str | None, Query()] = None,
        accept_language: Annotated[str | None, Header()] = None,
    ) -> HTMLResponse:
        """The departments, their nodes and links."""
        chosen = choose(lang, accept_language, fallback)
        other = next(each for each in LANGUAGES if each != chosen)
        context: dict[str, Any] = {
            "tag": TAGS[chosen],
            "other": other,
            "other_tag": TAGS[other],
            "words": words(chosen),
            "departments": await statuses.statuses(),
            "title_of": _title_of(chosen),
            "now": clock.now(),
        }
        headers = {"Content-Language": TAGS[chosen], "Vary": "Accept-Language"}
        return templates.TemplateResponse(request, "status.html", context, headers=headers)


def _title_of(language: Language) -> Callable[[DepartmentStatus], str]:
    return lambda status: status.titles[LANGUAGES.index(language)] or status.name


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("services.gateway"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment


def _moment(value: datetime) -> str:
    """Local time as people of the region write it."""
    return value.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
