"""Errors as problem+json (RFC 9457): the one place of the gateway that writes them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"

_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Let every error of an app be answered here."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, headers=dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> JSONResponse:
    _log.error("gateway.failed", path=request.url.path, exc_info=error)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR)


def _problem(status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)
