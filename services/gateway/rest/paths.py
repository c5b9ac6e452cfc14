"""Paths with the verbs that each knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, request_response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class Paths:
    """Endpoints by path and verb.

    Each path is one route for all verbs. So a verb that it does not know is answered with all that it does, and what is
    `/drafts/{letter_id}:send` is never taken for a `/drafts/{letter_id}`, whatever the verb. Of two paths that fit the
    first is meant.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Endpoint]] = {}

    def add(self, path: str, verb: str, endpoint: Endpoint) -> None:
        """Add an endpoint; what serves `GET` serves `HEAD`, too."""
        verbs = self._known.setdefault(path, {})
        verbs[verb] = endpoint
        if verb == "GET":
            verbs["HEAD"] = endpoint

    def install(self, app: Starlette) -> None:
        """Add all of them to an app."""
        app.router.routes.extend(Route(path, _Path(verbs)) for path, verbs in self._known.items())


class _Path:
    """One path: no function, since a route of a function knows `GET` alone."""

    def __init__(self, verbs: Mapping[str, Endpoint]) -> None:
        self._verbs = verbs
        self._serve = request_response(self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        endpoint = self._verbs.get(request.method)
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._verbs))})
        return await endpoint(request)
