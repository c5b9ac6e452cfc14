"""What every request of `/api/v1` goes through first: request id, caller, limit, scope."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import uuid_utils
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.common.errors import LiandongError, LimitExceeded
from services.gateway.callers import Caller
from services.gateway.rest.limits import RateLimit
from services.gateway.rest.scopes import check_scope
from services.gateway.rest.transcoding import MEDIA_TYPE

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a JSON body; evidence goes another way."""
LINES: Final = "application/x-ndjson"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{7,63}")


class TooLarge(LimitExceeded):
    """The body is larger than this interface takes."""

    status = 413


class UnknownMediaType(LiandongError):
    """The body is of a kind that is not taken."""

    reason = "MALFORMED"
    code = "INVALID_ARGUMENT"
    status = 415


class Callers(Protocol):
    """Where a caller is found."""

    async def caller_of(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            LiandongError: Nobody known, or no longer.
        """


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in.

    Attributes:
        caller: Who calls.
        request_id: The caller's own, or ours.
    """

    caller: Caller
    request_id: str


Served = Callable[[Request, Visit], Awaitable[Response]]


class Entrance:
    """The way in for all callers of a gateway.

    Args:
        callers: Who calls.
        limit: How often one caller may call.
    """

    def __init__(self, callers: Callers, limit: RateLimit) -> None:
        self._callers = callers
        self._limit = limit

    def guard(self, scope: str, served: Served, action: str) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that only those reach who may.

        Args:
            scope: That a caller needs.
            served: What is done then.
            action: What that is, for the audit.
        """

        async def endpoint(request: Request) -> Response:
            given = request.headers.get("x-request-id", "")
            request_id = given if _REQUEST_ID.fullmatch(given) else uuid_utils.uuid7().hex
            request.state.request_id, request.state.action = request_id, action
            caller = await self._callers.caller_of(request)
            request.state.caller = caller
            self._limit.take(caller.key)
            check_scope(scope, caller)
            response = await served(request, Visit(caller, request_id))
            response.headers["X-Request-Id"] = request_id
            return response

        return endpoint


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """A body as it comes.

    Raises:
        LiandongError: The caller went away in the middle.
    """
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise LiandongError("The caller is gone.", reason="MALFORMED") from None


def declared_length(request: Request) -> int | None:
    """How many bytes are to come, where the caller says it."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else None


async def json_body(request: Request) -> bytes:
    """A JSON body, whole.

    Raises:
        TooLarge: More than `BODY_LIMIT`.
        UnknownMediaType: It says that it is something else.
    """
    if (declared_length(request) or 0) > BODY_LIMIT:
        raise TooLarge
    kept = bytearray()
    async for piece in pieces_of(request):
        kept += piece
        if len(kept) > BODY_LIMIT:
            raise TooLarge
    if kept and media_type_of(request) != MEDIA_TYPE:
        raise UnknownMediaType(f"The body is to be {MEDIA_TYPE}.")
    return bytes(kept)


async def lines_of(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The lines of a body as they come; empty ones are left out.

    Raises:
        TooLarge: One has more than `BODY_LIMIT`, or all together more than `limit`.
    """
    kept = bytearray()
    size = 0
    async for piece in pieces_of(request):
        size += len(piece)
        kept += piece
        *whole, rest = bytes(kept).split(b"\n") if b"\n" in piece else (bytes(kept),)
        if size > limit or len(rest) > BODY_LIMIT:
            raise TooLarge
        for line in whole:
            if line.strip():
                yield line
        kept = bytearray(rest)
    if kept.strip():
        yield bytes(kept)


def media_type_of(request: Request) -> str:
    """What the caller says the body is, JSON where it says nothing."""
    return request.headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
