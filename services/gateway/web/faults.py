"""What a person reads when something is wrong: a page in place of problem+json, or the way to log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.common.errors import LiandongError
from services.gateway import problems
from services.gateway.rest.routes import PREFIX
from services.gateway.web.access import NewPasswordWanted, of
from services.gateway.web.page import LoginWanted

_TEXTS: Final = {
    HTTPStatus.NOT_FOUND: ("problem.not_found", "problem.not_found_text"),
    HTTPStatus.FORBIDDEN: ("problem.forbidden", "problem.forbidden_text"),
    HTTPStatus.TOO_MANY_REQUESTS: ("problem.too_many", "problem.too_many_text"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("problem.unavailable", "problem.unavailable_text"),
    HTTPStatus.GATEWAY_TIMEOUT: ("problem.unavailable", "problem.unavailable_text"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("problem.failed", "problem.failed_text"),
}
_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Answer people with pages, and everything below `/api` as before."""
    app.add_exception_handler(LoginWanted, _log_in)
    app.add_exception_handler(NewPasswordWanted, _change_password)
    app.add_exception_handler(LiandongError, _for_people(_said, problems.said))
    app.add_exception_handler(HTTPException, _for_people(_refused, problems.refused))
    app.add_exception_handler(RequestValidationError, _for_people(_not_found, problems.malformed))
    app.add_exception_handler(Exception, _for_people(_failed, problems.failed))


Handler = Callable[[Request, Exception], Response]
PageHandler = Callable[[Request, Exception], Awaitable[Response]]
Answer = Callable[[Request, Exception], Coroutine[Any, Any, Response]]


def _for_people(page: PageHandler, otherwise: Answer) -> Answer:
    async def handler(request: Request, error: Exception) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers
        if request.url.path.startswith(PREFIX) or not wants_page:
            return await otherwise(request, error)
        return await page(request, error)

    return handler


def _log_in(request: Request, _error: Exception) -> Response:
    if "hx-request" in request.headers or "text/html" not in request.headers.get("accept", ""):
        # the page is loaded again, and then the browser is sent on
        return Response(status_code=401)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/login" if here == "/" or request.method != "GET" else f"/login?next={quote(here)}"
    return RedirectResponse(target, 303)


def _change_password(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/account/password", 303)


async def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, LiandongError)
    problems.note_refusal(request, error)
    status = HTTPStatus(
        getattr(error, "status", 0) or problems.STATUSES.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    )
    return await _shown(request, status, error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _shown(request, HTTPStatus(error.status_code))


async def _not_found(request: Request, _error: Exception) -> Response:
    """A part of the address or of the query has not its form."""
    return await _shown(request, HTTPStatus.NOT_FOUND)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("gateway.failed", path=request.url.path, exc_info=error)
    return await _shown(request, HTTPStatus.INTERNAL_SERVER_ERROR)


async def _shown(request: Request, status: HTTPStatus, error: LiandongError | None = None) -> Response:
    page = await of(request)
    title, text = _TEXTS.get(status, ("", ""))
    again_ms = error.retry_after_ms if error else 0
    response = page.render(
        "problem.html",
        status=status,
        heading=page.t(title) if title else status.phrase,
        explanation=page.t(text) if text else "",
        # "too much" is said of what somebody sends: of how often, the heading says it
        message=page.why(error) if error and status != HTTPStatus.TOO_MANY_REQUESTS else "",
        reason=error.reason if error else "",
        request_id=error.request_id if error else "",
    )
    if again_ms:
        response.headers["Retry-After"] = problems.seconds(again_ms)
    return response
