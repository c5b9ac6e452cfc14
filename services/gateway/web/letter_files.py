"""Letters and drafts as files that people print: streamed as the node makes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from fastapi.responses import Response
from liandong.cases.v1 import document_service_pb2 as documents
from starlette.responses import StreamingResponse

from services.common.errors import NotFound
from services.gateway.evidence.names import disposition, harmless
from services.gateway.web.page import Page

FORMATS: Final = {"pdf": documents.FORMAT_PDF, "docx": documents.FORMAT_DOCX}
SHEETS: Final = {
    "letter": documents.SHEET_LETTER,
    "official": documents.SHEET_OFFICIAL,
    "approval": documents.SHEET_APPROVAL,
    "materials": documents.SHEET_MATERIALS,
    "receipt": documents.SHEET_RECEIPT,
    "service": documents.SHEET_SERVICE,
    "due-time": documents.SHEET_DUE_TIME,
}
_POLICY: Final = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""It is shown in a frame of our own pages, and runs nothing."""


async def rendered(page: Page, letter_id: str) -> Response:
    """One sheet of a letter or draft, as the query says which.

    Raises:
        NotFound: There is no such letter, sheet or format.
        LiandongError: The node cannot make it.
    """
    query = page.request.query_params
    sheet, kind = query.get("sheet", "letter"), query.get("format", "pdf")
    if sheet not in SHEETS or kind not in FORMATS:
        raise NotFound
    pieces = page.stream(
        documents.RenderLetterRequest(
            letter_id=letter_id, sheet=SHEETS[sheet], format=FORMATS[kind], language=page.language
        ),
        documents.RenderLetterResponse,
    )
    # what is refused is refused before anything is sent
    first = await anext(pieces)
    headers = {
        "Content-Disposition": disposition(harmless(first.file_name, letter_id), inline=kind == "pdf"),
        "Content-Length": str(first.size),
        "Content-Security-Policy": _POLICY,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return StreamingResponse(_all(first, pieces), headers=headers, media_type=first.media_type)


async def _all(
    first: documents.RenderLetterResponse, rest: AsyncGenerator[documents.RenderLetterResponse]
) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first.chunk
        async for each in rest:
            yield each.chunk
