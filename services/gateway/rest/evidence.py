"""Files of evidence over `/api/v1`: in one request, in chunks, and out again, whole or a part.

These are streams of bytes, not messages, so they stand here by hand and not in the contracts.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final

from liandong.exchange.v1 import evidence_service_pb2 as pb
from starlette.requests import Request
from starlette.responses import Response

from services.exchange.digests import DIGEST_SIZE
from services.gateway.calls import Calls
from services.gateway.evidence.bringing import About, Uploads, put_chunk
from services.gateway.evidence.reading import name_of, open_range, root_of
from services.gateway.rest.entrance import Entrance, Visit, declared_length, pieces_of
from services.gateway.rest.forms import wrong
from services.gateway.rest.paths import Paths
from services.gateway.rest.routes import PREFIX
from services.gateway.rest.transcoding import MEDIA_TYPE, json_of

READ: Final = "evidence:read"
WRITE: Final = "evidence:write"
FILES: Final = f"{PREFIX}/evidence:upload"
CONTENT: Final = f"{PREFIX}/evidence/{{root}}/content"
CHUNK: Final = f"{PREFIX}/evidence/{{root}}/chunks/{{index}}"
TOLD: Final = {"fileName": 200, "collectedBy": 100, "collectedAt": 40, "collectedPlace": 200}
"""Parameters of an upload, and how long each may be."""
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?:,|$)")
_INDEX: Final = re.compile(r"\d{1,4}", re.ASCII)


class EvidenceRoutes:
    """The routes.

    Args:
        entrance: Who is let in.
        calls: The way to nodes.
        uploads: Takes files that come in one request.
    """

    def __init__(self, entrance: Entrance, calls: Calls, uploads: Uploads) -> None:
        self._entrance = entrance
        self._calls = calls
        self._uploads = uploads

    def install(self, paths: Paths) -> None:
        """Add them."""
        guard = self._entrance.guard
        paths.add(FILES, "POST", guard(WRITE, self._upload, "Evidence.Upload"))
        paths.add(CHUNK, "PUT", guard(WRITE, self._put_chunk, "Evidence.PutChunk"))
        paths.add(CONTENT, "GET", guard(READ, self._content, "Evidence.Read"))

    async def _upload(self, request: Request, visit: Visit) -> Response:
        upstream, acting = self._calls.acting(visit.caller, visit.request_id)
        manifest = await self._uploads.take(
            upstream, acting, pieces_of(request), _about(request), declared_length(request)
        )
        found = pb.GetManifestResponse(manifest=manifest.to_wire())
        place = f"{PREFIX}/evidence/{name_of(manifest.root)}"
        return Response(json_of(found), 201, {"Location": place}, MEDIA_TYPE)

    async def _put_chunk(self, request: Request, visit: Visit) -> Response:
        root, index = root_of(request.path_params["root"]), request.path_params["index"]
        if not _INDEX.fullmatch(index):
            raise wrong("index", "Chunks are counted from 0.")
        upstream, acting = self._calls.acting(visit.caller, visit.request_id)
        answer = await put_chunk(upstream, acting, root, int(index), pieces_of(request))
        return Response(json_of(answer), media_type=MEDIA_TYPE)

    async def _content(self, request: Request, visit: Visit) -> Response:
        root = root_of(request.path_params["root"])
        upstream, acting = self._calls.acting(visit.caller, visit.request_id)
        return await open_range(upstream, acting, root, request.headers, head=request.method == "HEAD")


def _about(request: Request) -> About:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in TOLD:
            raise wrong(name, "There is no parameter of this name.")
        if name in given:
            raise wrong(name, "This parameter is given more than once.")
        if len(value) > TOLD[name] or "\0" in value:
            raise wrong(name, f"At most {TOLD[name]} characters, none of them NUL.")
        given[name] = value
    return About(
        file_name=given.get("fileName", ""),
        media_type=request.headers.get("content-type", ""),
        collected_by=given.get("collectedBy", ""),
        collected_at=_moment(given["collectedAt"]) if "collectedAt" in given else None,
        collected_place=given.get("collectedPlace", ""),
        digest=_digest(request.headers.get("content-digest", "")),
    )


def _moment(given: str) -> datetime:
    try:
        found = datetime.fromisoformat(given)
        if found.tzinfo is None or "T" not in given.upper():
            raise wrong("collectedAt", "A time has its date and its offset, as in RFC 3339.")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong("collectedAt", "This is no time of RFC 3339.") from None


def _digest(given: str) -> bytes | None:
    """The SHA-256 of a `Content-Digest` (RFC 9530); other algorithms are passed over."""
    found = _DIGEST.search(given)
    if found is None:
        return None
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        raise wrong("content-digest", "The digest is no Base64.") from None
    if len(digest) != DIGEST_SIZE:
        raise wrong("content-digest", f"A SHA-256 has {DIGEST_SIZE} bytes.")
    return digest
