"""`/api/v1`: every route of the contracts, served by one function.

A request goes: request id, caller, scope, limit, body, message, call, answer. Unary answers are JSON
with an ETag; changes come as server-sent events; files as they are. Errors are problem+json.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol

from buf.validate import validate_pb2
from fastapi import FastAPI
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from services.common.edge import validate
from services.common.errors import LiandongError, Stale
from services.gateway.calls import Calls
from services.gateway.evidence.names import disposition, harmless
from services.gateway.rest.entrance import (
    LINES,
    Entrance,
    Visit,
    json_body,
    lines_of,
    media_type_of,
)
from services.gateway.rest.forms import wrong
from services.gateway.rest.limits import Streams
from services.gateway.rest.openapi import DOCUMENT
from services.gateway.rest.paths import Paths
from services.gateway.rest.routes import PREFIX, Kind, Route, pieces, routes
from services.gateway.rest.scopes import scope_of
from services.gateway.rest.transcoding import MEDIA_TYPE, json_of, request_of

FILE_TIMEOUT_S: Final = 600.0
LINES_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a body of many lines."""
PULSE_S: Final = 15.0
"""A comment is sent on a silent stream of events, so that a proxy keeps it open."""


class Installable(Protocol):
    """Endpoints that are no RPC."""

    def install(self, paths: Paths) -> None:
        """Add them."""


class Api:
    """The services of all departments that the gateway stands in front of.

    Args:
        entrance: Who is let in.
        calls: The services of all departments.
        streams: How many a caller may hold open.
        further: Routes that are no RPC.
        own: Services of the gateway itself, by name: their RPCs are methods that take request and caller.
    """

    def __init__(
        self,
        entrance: Entrance,
        calls: Calls,
        streams: Streams,
        *further: Installable,
        own: Mapping[str, object] | None = None,
    ) -> None:
        self._entrance = entrance
        self._calls = calls
        self._streams = streams
        self._further = further
        self._own = own or {}

    def install(self, app: FastAPI) -> None:
        """Add all paths to an app, and the document that describes them."""

        async def described(_request: Request) -> Response:
            return FileResponse(DOCUMENT, media_type=MEDIA_TYPE)

        paths = Paths()
        paths.add(f"{PREFIX}/openapi.json", "GET", described)
        for each in self._further:
            each.install(paths)
        readable = {each.path: each for each in routes() if each.verb == "GET" and each.kind is Kind.MESSAGE}
        for route in routes():
            if not route.here or route.method.containing_service.name in self._own:
                paths.add(route.path, route.verb, self._endpoint(route, readable))
        paths.install(app)

    def _endpoint(
        self, route: Route, readable: Mapping[str, Route]
    ) -> Callable[[Request], Awaitable[Response]]:
        resource = readable.get(route.path.rpartition(":")[0] or route.path)

        async def served(request: Request, visit: Visit) -> Response:
            query = request.query_params.multi_items()
            if route.method.client_streaming:
                return await self._send(route, request, visit)
            once = _once(route, request.headers.get("idempotency-key"))
            message = request_of(route, request.path_params, query, await json_body(request), once)
            wanted = request.headers.get("if-match")
            if wanted is not None and resource is not None and not resource.here and route.verb != "GET":
                await self._unchanged(resource, request, visit, wanted)
            if route.here:
                validate(message)
                own = getattr(self._own[route.method.containing_service.name], route.method.name)
                return _answer(
                    route, await own(message, visit.caller), request.headers.get("if-none-match", "")
                )
            if route.kind is Kind.MESSAGE:
                found = await self._call(route, message, visit)
                return _answer(route, found, request.headers.get("if-none-match", ""))
            if route.kind is Kind.EVENTS:
                stream = self._stream(route, message, visit, None)
                return self._streams.answer(visit.caller.key, _events(stream))
            return await self._file(route, message, visit)

        return self._entrance.guard(scope_of(route), served, route.operation)

    async def _call(self, route: Route, message: Message, visit: Visit) -> Message:
        return await self._calls.call(
            visit.caller, message, route.response, request_id=visit.request_id, route=route
        )

    async def _send(self, route: Route, request: Request, visit: Visit) -> Response:
        """One message as JSON, or many as lines of JSON, which are sent on as they come."""

        async def messages() -> AsyncIterator[Message]:
            if media_type_of(request) == LINES:
                async for line in lines_of(request, LINES_LIMIT):
                    yield request_of(route, {}, (), line)
            else:
                yield request_of(route, {}, (), await json_body(request))

        found = await self._calls.send(
            visit.caller, route, messages(), route.response, request_id=visit.request_id,
            timeout_s=FILE_TIMEOUT_S,
        )  # fmt: skip
        return Response(json_of(found), media_type=MEDIA_TYPE)

    def _stream(
        self, route: Route, message: Message, visit: Visit, timeout_s: float | None
    ) -> AsyncGenerator[Message]:
        return self._calls.stream(
            visit.caller, message, route.response, request_id=visit.request_id, route=route,
            timeout_s=timeout_s,
        )  # fmt: skip

    async def _unchanged(self, resource: Route, request: Request, visit: Visit, wanted: str) -> None:
        """The object that is acted on is the one that the caller saw."""
        found = await self._call(resource, request_of(resource, request.path_params, (), b""), visit)
        if wanted != "*" and _etag(json_of(found)) not in _tags(wanted):
            raise Changed

    async def _file(self, route: Route, message: Message, visit: Visit) -> Response:
        field = pieces(route.method.output_type)
        assert field is not None
        stream = self._stream(route, message, visit, FILE_TIMEOUT_S)
        # what is refused is refused before anything is sent
        first = await anext(stream, None)

        async def content() -> AsyncIterator[bytes]:
            if first is not None:
                yield getattr(first, field.name)
            async for each in stream:
                yield getattr(each, field.name)

        media_type = getattr(first, "media_type", "") or "application/octet-stream"
        response = StreamingResponse(content(), media_type=media_type)
        name = harmless(getattr(first, "file_name", ""), "")
        if name:
            response.headers["Content-Disposition"] = disposition(name, inline=False)
        return response


class Changed(Stale):
    """The object changed since it was read; read it again."""

    status = 412


def _once(route: Route, key: str | None) -> dict[str, str]:
    """The field that the header stands for, where there is one."""
    field = route.method.input_type.fields_by_name.get("idempotency_key")
    if key is None or field is None:
        return {}
    rules = field.GetOptions().Extensions[validate_pb2.field].string
    if not rules.min_len <= len(key) <= rules.max_len:
        raise wrong(field.name, f"It has {rules.min_len} to {rules.max_len} characters.")
    return {field.name: key}


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
