"""Errors as problem+json (RFC 9457): the one place of the gateway that writes them.

`type` is `urn:liandong:reason:REASON`, the same reasons as over gRPC (docs/errors.md); `detail` is the
service's own sentence. Beside them stand `reason`, `request_id`, and where there is something to say
`field`, `violations` and `retry_after_ms`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from services.common.errors import LiandongError, LimitExceeded
from services.gateway.audit import Audit, Event
from services.gateway.callers import Caller
from services.gateway.proxies import origin_of

MEDIA_TYPE: Final = "application/problem+json"
STATUSES: Final = {
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "OUT_OF_RANGE": HTTPStatus.BAD_REQUEST,
    "FAILED_PRECONDITION": HTTPStatus.CONFLICT,
    "ALREADY_EXISTS": HTTPStatus.CONFLICT,
    "ABORTED": HTTPStatus.CONFLICT,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "UNIMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
}
"""What a gRPC status is over HTTP; any other is an internal error."""
_OF_REASONS: Final = {"EVIDENCE_PENDING": HTTPStatus.CONFLICT}
"""Where the reason says more than the gRPC status: it is for the caller to bring the rest."""
_OF_FORM: Final = frozenset({"MALFORMED", "LIMIT_EXCEEDED"})
"""Reasons that say that a request has not the form of the contract, as `violations` do."""
_OF_CONTENT: Final = frozenset({"check_digit", "extension.schema", "extension.json", "extension.body"})
"""Rules that are none of the contract's form: what has it may break them."""

_REFUSALS: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED"})

_log = structlog.get_logger(__name__)


def install(app: FastAPI, audit: Audit | None = None) -> None:
    """Let every error of an app be answered here.

    Args:
        app: The app.
        audit: Where refusals are noted.
    """
    app.state.audit = audit
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(LiandongError, said)
    app.add_exception_handler(Exception, failed)


def answer(error: LiandongError, request_id: str = "", status: int = 0) -> JSONResponse:
    """What a service, or the gateway in its place, says was wrong.

    Args:
        error: What was said.
        request_id: Of the HTTP request.
        status: Where the error has a status of its own.
    """
    known = _OF_REASONS.get(error.reason) or STATUSES.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    chosen = HTTPStatus(status or known)
    formless = {each.rule for each in error.violations} - _OF_CONTENT or error.reason in _OF_FORM
    if chosen is HTTPStatus.BAD_REQUEST and not formless:
        # it has the form that the document says, and is refused for what it says
        chosen = HTTPStatus.UNPROCESSABLE_ENTITY
    content: dict[str, Any] = {
        "type": f"urn:liandong:reason:{error.reason}",
        "title": chosen.phrase,
        "status": int(chosen),
        "detail": error.message,
        "reason": error.reason,
        "request_id": error.request_id or request_id,
    }
    if error.field:
        content["field"] = error.field
    if error.violations:
        content["violations"] = [
            {"field": each.field, "rule": each.rule, "message": each.message} for each in error.violations
        ]
    headers = {"X-Request-Id": str(content["request_id"]), **getattr(error, "headers", {})}
    if error.retry_after_ms:
        content["retry_after_ms"] = error.retry_after_ms
        headers["Retry-After"] = seconds(error.retry_after_ms)
    if chosen is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="liandong"'
    return JSONResponse(content, int(chosen), headers, media_type=MEDIA_TYPE)


def seconds(milliseconds: int) -> str:
    """A wait as `Retry-After` says it: whole seconds, none too early."""
    return str(max(1, -(-milliseconds // 1000)))


def note_refusal(request: Request, error: LiandongError, about: str = "") -> None:
    """Note in the audit that somebody was refused; a mere mistake in what was sent is none.

    Args:
        request: In which; to be called on the event loop.
        error: What they were told.
        about: What it was about, beside the path.
    """
    audit: Audit | None = request.app.state.audit
    if audit is None or not (error.code in _REFUSALS or isinstance(error, LimitExceeded)):
        return
    caller: Caller | None = getattr(request.state, "caller", None)
    # who holds a link with a secret in it is let in: it is for nobody else to read
    path = request.url.path.replace(str(request.path_params.get("secret") or "\n"), "…")
    audit.refused(
        Event(
            action=getattr(request.state, "action", "") or getattr(request.scope.get("route"), "name", ""),
            result=error.reason,
            department=caller.department if caller is not None else "",
            who=caller.who if caller is not None else "",
            about=f"{path} {about}".strip(),
            origin=origin_of(request),
            request_id=getattr(request.state, "request_id", ""),
        )
    )


async def said(request: Request, error: Exception) -> Response:
    """The answer to a service's refusal."""
    assert isinstance(error, LiandongError)
    note_refusal(request, error)
    return answer(error, getattr(request.state, "request_id", ""), getattr(error, "status", 0))


async def refused(_request: Request, error: Exception) -> Response:
    """The answer where there is no such path or method."""
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, headers=dict(error.headers or {}))


async def malformed(_request: Request, _error: Exception) -> JSONResponse:
    """The answer where a part of the address or of the query has not its form."""
    return _problem(HTTPStatus.BAD_REQUEST)


async def failed(request: Request, error: Exception) -> Response:
    """The answer to a fault of ours."""
    _log.error("gateway.failed", path=request.url.path, exc_info=error)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR)


def _problem(status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)
