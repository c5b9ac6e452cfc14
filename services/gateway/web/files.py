"""Files that a service streams, as answers to a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from fastapi.responses import Response, StreamingResponse
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from services.gateway.evidence.names import disposition, harmless
from services.gateway.rest.routes import pieces
from services.gateway.web.page import Page


async def download(
    page: Page, request: Message, answer: type[Message], name: str, media_type: str
) -> Response:
    """A file as a service streams it.

    Args:
        page: Who asks.
        request: The call.
        answer: Each part of its answer.
        name: Of the file.
        media_type: Of its content.

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

    headers = {"Content-Disposition": disposition(harmless(name, "file"), inline=False)}
    return StreamingResponse(content(), media_type=media_type, headers=headers)
