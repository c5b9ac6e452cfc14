"""The printed letter as a material of itself: receivers who file paper get it as a file, and nobody has to make it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import document_service_pb2 as documents

from services.common.errors import LiandongError, LimitExceeded
from services.gateway.web.page import Page
from services.gateway.web.sheet_uploads import brought

_LARGEST: Final = 32 * 1024 * 1024


async def prepare(
    page: Page, draft: cases.ActDraft, kinds: Sequence[str], replaces: str = "", key: str = ""
) -> cases.DraftView:
    """Freeze an act whose printed letter is its own material.

    The letter is frozen without it, printed, and frozen again with it.

    Args:
        page: Who asks.
        draft: The act; the materials are added to it.
        kinds: Of material that the printed letter is; none freezes the draft as it is.
        replaces: The draft that it takes the place of.
        key: Idempotency key; under one that served already, nothing is left behind.

    Raises:
        LiandongError: The node refuses it.
        LimitExceeded: The printed letter is too large.
    """
    if not kinds:
        return await _frozen(page, draft, replaces, key)
    bare = await _frozen(page, draft, replaces)
    try:
        await _attach(page, draft, bare.letter_id, kinds)
        return await _frozen(page, draft, bare.letter_id, key)
    except LiandongError:
        if not replaces:
            # nobody is to find a draft that nobody meant to leave
            await page.ask(cases.DiscardDraftRequest(letter_id=bare.letter_id), cases.DiscardDraftResponse)
        raise


async def render(page: Page, letter_id: str) -> tuple[bytes, str]:
    """A letter as PDF, and what the file is called.

    Raises:
        NotFound: There is no such letter.
        LimitExceeded: It is too large to be shown.
    """
    kept, name = bytearray(), ""
    request = documents.RenderLetterRequest(letter_id=letter_id, format=documents.FORMAT_PDF)
    async for each in page.stream(request, documents.RenderLetterResponse):
        name = name or each.file_name
        kept += each.chunk
        if len(kept) > _LARGEST:
            raise LimitExceeded("The letter is too large to be shown.")
    return bytes(kept), name


async def _frozen(page: Page, draft: cases.ActDraft, replaces: str, key: str = "") -> cases.DraftView:
    request = cases.PrepareLetterRequest(draft=draft, replaces=replaces, idempotency_key=key)
    return (await page.ask(request, cases.PrepareLetterResponse)).draft


async def _attach(page: Page, draft: cases.ActDraft, letter_id: str, kinds: Sequence[str]) -> None:
    content, name = await render(page, letter_id)

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    manifest = await brought(page, name, len(content), pieces())
    for kind in kinds:
        draft.materials.add(
            kind=kind, manifest_root=manifest.root, digest=manifest.digest, size=manifest.size,
            media_type=manifest.media_type,
        )  # fmt: skip
