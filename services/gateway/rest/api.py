"""`/api/v1`: every route of the contracts, served by one function.

A request goes: request id, caller, scope, limit, body, message, call, answer. Unary answers are JSON
with an ETag; changes come as server-sent events; files as they are. Errors are problem+json.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import structlog
import uuid_utils
from fastapi import FastAPI
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse

from services.common.errors import LiandongError, LimitExceeded, Stale
from services.gateway.callers import Caller
from services.gateway.calls import Calls
from services.gateway.rest.limits import RateLimit
from services.gateway.rest.openapi import DOCUMENT
from services.gateway.rest.routes import PREFIX, Kind, Route, pieces, routes
from services.gateway.rest.scopes import check_scope
from services.gateway.rest.transcoding import MEDIA_TYPE, json_of, request_of

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a JSON body; evidence goes another way."""
FILE_TIMEOUT_S: Final = 600.0
PULSE_S: Final = 15.0
"""A comment is sent on a silent stream of events, so that a proxy keeps it open."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{7,63}")
_FILE_NAME: Final = re.compile(r'[\x00-\x1f"\\/]')

_log = structlog.get_logger(__name__)


class Callers(Protocol):
    """Where a caller is found."""

    async def caller_of(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            LiandongError: Nobody known, or no longer.
        """


class Api:
    """The services of all departments that the gateway stands in front of.

    Args:
        callers: Who calls.
        calls: The services.
        limit: How often one caller may call.
    """

    def __init__(
        self,
        callers: Callers,
        calls: Calls,
        limit: RateLimit,
    ) -> None:
        self._callers = callers
        self._calls = calls
        self._limit = limit

    def install(self, app: FastAPI) -> None:
        """Add all routes to an app, and the document that describes them."""

        async def described(_request: Request) -> Response:
            return FileResponse(DOCUMENT, media_type=MEDIA_TYPE)

        app.add_route(f"{PREFIX}/openapi.json", described, methods=["GET"])
        readable = {each.path: each for each in routes() if each.verb == "GET" and each.kind is Kind.MESSAGE}
        for route in routes():
            app.add_route(
                route.path, self._endpoint(route, readable), methods=[route.verb], name=route.operation
            )

    def _endpoint(
        self, route: Route, readable: Mapping[str, Route]
    ) -> Callable[[Request], Awaitable[Response]]:
        resource = readable.get(route.path.rpartition(":")[0] or route.path)

        async def endpoint(request: Request) -> Response:
            given = request.headers.get("x-request-id", "")
            request_id = given if _REQUEST_ID.fullmatch(given) else uuid_utils.uuid7().hex
            request.state.request_id, request.state.action = request_id, route.operation
            caller = await self._callers.caller_of(request)
            request.state.caller = caller
            self._limit.take(caller.key)
            check_scope(route, caller)
            message = request_of(
                route, request.path_params, request.query_params.multi_items(), await _body(request)
            )
            _idempotent(route, message, request.headers.get("idempotency-key", ""))
            wanted = request.headers.get("if-match")
            if wanted is not None and resource is not None and route.verb != "GET":
                await self._unchanged(resource, request, caller, wanted)
            if route.kind is Kind.MESSAGE:
                found = await self._calls.call(
                    caller, message, route.response, request_id=request_id, route=route
                )
                response = _answer(route, found, request.headers.get("if-none-match", ""))
            elif route.kind is Kind.EVENTS:
                response = await self._events(route, message, caller, request_id)
            else:
                response = await self._file(route, message, caller, request_id)
            response.headers["X-Request-Id"] = request_id
            return response

        return endpoint

    async def _unchanged(self, resource: Route, request: Request, caller: Caller, wanted: str) -> None:
        """The object that is acted on is the one that the caller saw."""
        message = request_of(resource, request.path_params, (), b"")
        found = await self._calls.call(
            caller, message, resource.response, request_id=request.state.request_id, route=resource
        )
        if wanted != "*" and _etag(json_of(found)) not in _tags(wanted):
            raise Changed

    async def _events(self, route: Route, message: Message, caller: Caller, request_id: str) -> Response:
        stream = self._calls.stream(caller, message, route.response, request_id=request_id, route=route)
        return StreamingResponse(_events(stream), media_type="text/event-stream")

    async def _file(self, route: Route, message: Message, caller: Caller, request_id: str) -> Response:
        field = pieces(route.method.output_type)
        assert field is not None
        stream = self._calls.stream(
            caller, message, route.response, request_id=request_id, route=route, timeout_s=FILE_TIMEOUT_S
        )
        # what is refused is refused before anything is sent
        first = await anext(stream, None)

        async def content() -> AsyncIterator[bytes]:
            if first is not None:
                yield getattr(first, field.name)
            async for each in stream:
                yield getattr(each, field.name)

        media_type = getattr(first, "media_type", "") or "application/octet-stream"
        response = StreamingResponse(content(), media_type=media_type)
        name = _FILE_NAME.sub("_", getattr(first, "file_name", ""))
        if name:
            quoted = "".join(f"%{byte:02X}" for byte in name.encode())
            response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quoted}"
        return response


class Changed(Stale):
    """The object changed since it was read; read it again."""

    status = 412


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        raise TooLarge
    kept = bytearray()
    try:
        async for piece in request.stream():
            kept += piece
            if len(kept) > BODY_LIMIT:
                raise TooLarge
    except ClientDisconnect:
        raise LiandongError("The caller is gone.", reason="MALFORMED") from None
    media_type = request.headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
    if kept and media_type != MEDIA_TYPE:
        raise UnknownMediaType(f"The body is to be {MEDIA_TYPE}.")
    return bytes(kept)


class TooLarge(LimitExceeded):
    """The body is larger than this interface takes."""

    status = 413


class UnknownMediaType(LiandongError):
    """The body is of a kind that is not taken."""

    reason = "MALFORMED"
    code = "INVALID_ARGUMENT"
    status = 415


def _idempotent(route: Route, message: Message, key: str) -> None:
    """The header stands for the field, where there is one and the body gives none."""
    if key and "idempotency_key" in route.method.input_type.fields_by_name:
        current: Any = message
        if not current.idempotency_key:
            current.idempotency_key = key


def _answer(route: Route, found: Message, known: str) -> Response:
    content = json_of(found)
    headers = {}
    if route.verb == "GET":
        headers = {"ETag": _etag(content), "Cache-Control": "private, no-cache"}
        if headers["ETag"] in _tags(known):
            return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _tags(header: str) -> frozenset[str]:
    return frozenset(each.strip().removeprefix("W/") for each in header.split(","))


async def _events(stream: AsyncGenerator[Message]) -> AsyncIterator[bytes]:
    """Each message an event; a comment where nothing happens; the reason where it ends."""
    coming: asyncio.Task[Message] | None = None
    try:
        # a first sign, so that the other side knows that it listens
        yield b": listening\n\n"
        while True:
            coming = coming or asyncio.ensure_future(anext(stream))
            done, _ = await asyncio.wait([coming], timeout=PULSE_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                found = coming.result()
            except StopAsyncIteration:
                return
            except LiandongError as error:
                yield b"event: end\ndata: " + error.reason.encode() + b"\n\n"
                return
            coming = None
            yield b"data: " + json_of(found) + b"\n\n"
    finally:
        if coming is not None:
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, LiandongError):
                await coming
        await stream.aclose()
