"""A file of evidence: shown in place where a browser can show it harmlessly, else only to be kept."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response

from services.common.errors import Malformed
from services.gateway.evidence.names import INLINE, harmless, media_type_of
from services.gateway.evidence.reading import look, name_of, open_range, root_of
from services.gateway.web.access import SignedIn
from services.gateway.web.case import CaseId
from services.gateway.web.sheet_uploads import brought, pieces_of

router = APIRouter()
Root = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{43}$")]
_LONGEST_NAME: Final = 400
_MOST_DIGITS: Final = 15
_KINDS: Final = ("image", "audio", "video")


@router.post("/evidence")
async def bring(
    page: SignedIn, name: Annotated[str, Query(min_length=1, max_length=_LONGEST_NAME)]
) -> Response:
    """A file that a form is to name; the body is its bytes, by which its kind is known. Answers `{root}`."""
    told = page.request.headers.get("content-length", "")
    if not told.isascii() or not told.isdigit():
        raise Malformed("Say how large the file is.")
    manifest = await brought(page, name, int(told[:_MOST_DIGITS]), pieces_of(page.request))
    return JSONResponse({"root": name_of(manifest.root)}, 201)


@router.get("/cases/{case_id}/evidence/{root}")
async def preview(page: SignedIn, case_id: CaseId, root: Root) -> Response:
    """What it is, and the file itself in the page."""
    upstream, acting = page.site.calls.acting(page.caller, page.request_id)
    found = await look(upstream, acting, root_of(root))
    manifest = found.manifest
    kind = media_type_of(manifest.media_type)
    return page.render(
        "evidence.html",
        case_id=case_id,
        manifest=manifest,
        missing=len(found.missing),
        file_name=harmless(manifest.file_name, name_of(manifest.root)),
        shown_as=shown_as(kind),
        media_type=kind,
        source=f"/cases/{case_id}/evidence/{root}/content",
    )


@router.api_route("/cases/{case_id}/evidence/{root}/content", methods=["GET", "HEAD"])
async def content(page: SignedIn, case_id: CaseId, root: Root) -> Response:  # noqa: ARG001 - of the address
    """Its bytes, whole or a part."""
    upstream, acting = page.site.calls.acting(page.caller, page.request_id)
    request = page.request
    return await open_range(upstream, acting, root_of(root), request.headers, head=request.method == "HEAD")


def shown_as(kind: str) -> str:
    """The element that shows it; empty for what is only kept."""
    if kind not in INLINE:
        return ""
    if kind == "application/pdf":
        return "pdf"
    return next((each for each in _KINDS if kind.startswith(f"{each}/")), "")
