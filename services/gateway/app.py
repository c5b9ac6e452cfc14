"""The web application: pages for people, REST for systems, health for machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from services.gateway import problems
from services.gateway.headers import SecurityHeaders
from services.gateway.rest.api import Api
from services.gateway.static_files import Static
from services.gateway.web import faults
from services.gateway.web.site import Site, routers


def create_app(site: Site, api: Api | None = None) -> ASGIApp:
    """The application.

    Args:
        site: What the pages are made with; closed at the end.
        api: The services over REST; without one only the status is shown.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await site.live.close()
        await site.statuses.close()
        if site.spool is not None:
            site.spool.close()

    app = FastAPI(title="Liandong", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    problems.install(app, site.parts.audit if site.parts is not None else None)
    faults.install(app)
    app.mount("/static", Static(), name="static")
    if api is not None:
        api.install(app)
    for each in routers():
        app.include_router(each)
    # around everything: answers to faults are written outside of what the app calls its middleware
    return SecurityHeaders(app)
