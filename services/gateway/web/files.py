"""Files that a service streams, as answers to a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, cast
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from services.gateway.rest.routes import pieces
from services.gateway.web.page import Page

_BEFORE_DOT: Final = 120


async def download(
    page: Page, request: Message, answer: type[Message], name: str, media_type: str, *, inline: bool = False
) -> Response:
    """A file as a service streams it.

    Args:
        page: Who asks.
        request: The call.
        answer: Each part of its answer.
        name: Of the file.
        media_type: Of its content.
        inline: Shown in the page; else saved. Only for what cannot run.

    Raises:
        LiandongError: Refused before anything was sent.
    """
    field = pieces(cast("Descriptor", answer.DESCRIPTOR))
    if field is None:
        raise TypeError(f"{answer.DESCRIPTOR.full_name} is no part of a file.")
    stream = page.stream(request, answer)
    first = await anext(stream, None)

    async def content() -> AsyncIterator[bytes]:
        if first is not None:
            yield getattr(first, field.name)
        async for each in stream:
            yield getattr(each, field.name)

    shown = "inline" if inline else "attachment"
    headers = {"Content-Disposition": f"{shown}; filename*=UTF-8''{quote(harmless(name))}"}
    return StreamingResponse(content(), media_type=media_type, headers=headers)


def harmless(name: str) -> str:
    """A file's name without what a path, a header or a terminal could take for its own."""
    kept = "".join(each if each.isprintable() and each not in '/\\:*?"<>|' else "_" for each in name)
    return kept.strip(". ")[:_BEFORE_DOT] or "file"
