"""A file of evidence as an HTTP answer: whole or a part, from the node's chunks as they are taken.

The REST interface and the pages answer with the same function. Of the file one frame is in memory. The
node says at each chunk whether the caller may read, and writes it down.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Final, cast

from liandong.exchange.v1 import evidence_service_pb2 as pb
from starlette.responses import Response, StreamingResponse

from services.common.errors import FieldViolation, InvalidField
from services.exchange.digests import CHUNK_SIZE, DIGEST_SIZE
from services.exchange.evidence import EvidencePending, chunk_field
from services.gateway.evidence.names import INLINE, disposition, harmless, media_type_of, told_type
from services.gateway.evidence.ranges import Part, is_known, part_of
from services.gateway.upstream import Metadata, Upstream

Acting = Callable[[], Metadata]
"""Who asks, said anew for each call: an assertion lives two minutes, a large file takes longer."""

CHUNK_TIMEOUT_S: Final = 600.0
_PENDING_MS: Final = 5000
_SERVICE: Final = "/liandong.exchange.v1.EvidenceService"
_POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
"""A file in a frame of our own pages: it is shown, and runs nothing."""


def name_of(root: bytes) -> str:
    """A root as it stands in a path: Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(root).rstrip(b"=").decode()


def root_of(name: str) -> bytes:
    """The root that stands in a path.

    Raises:
        InvalidField: It is none.
    """
    try:
        found = base64.b64decode(name.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        found = b""
    if len(found) != DIGEST_SIZE or name_of(found) != name:
        told = "A root is 32 bytes in Base64 for URLs, without padding."
        raise InvalidField(told, field="root", violations=[FieldViolation("root", "form", told)])
    return found


async def look(upstream: Upstream, acting: Acting, root: bytes) -> pb.GetManifestResponse:
    """A manifest and which chunks are missing.

    Raises:
        NotFound: There is none, or the caller may not read it.
    """
    answer = await upstream.call(
        f"{_SERVICE}/GetManifest",
        pb.GetManifestRequest(root=root),
        pb.GetManifestResponse.FromString,
        metadata=acting(),
    )
    return cast("pb.GetManifestResponse", answer)


async def open_range(
    upstream: Upstream, acting: Acting, root: bytes, headers: Mapping[str, str], *, head: bool = False
) -> Response:
    """The answer to a request for a file.

    Args:
        upstream: The node.
        acting: Who asks.
        root: Which evidence.
        headers: Of the request: `Range`, `If-Range`, `If-None-Match` are heeded.
        head: Only what would be answered.

    Raises:
        NotFound: There is none, or the caller may not read it.
        RangeNotSatisfiable: It has no such bytes.
        EvidencePending: What is wanted of it is not here yet.
    """
    found = await look(upstream, acting, root)
    manifest = found.manifest
    tag = f'"{manifest.digest.hex()}"'
    own = {"ETag": tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if is_known(headers, tag):
        return Response(status_code=304, headers=own)
    part = part_of(headers, manifest.size, tag)
    wanted = range(part.start // CHUNK_SIZE, -(-part.end // CHUNK_SIZE))
    lacking = next((each for each in found.missing if each in wanted), None)
    if lacking is not None:
        raise EvidencePending(field=chunk_field(lacking), retry_after_ms=_PENDING_MS)
    kind = media_type_of(manifest.media_type)
    own |= {
        "Content-Type": told_type(kind),
        "Content-Disposition": disposition(
            harmless(manifest.file_name, name_of(root)), inline=kind in INLINE
        ),
        "Content-Length": str(part.length),
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
    }
    if part.partial:
        own["Content-Range"] = part.content_range
    status = 206 if part.partial else 200
    if head:
        return Response(status_code=status, headers=own)
    frames = _frames(upstream, acting, root, part)
    # what is refused is refused before anything is sent
    first = await anext(frames, b"")
    return StreamingResponse(_all(first, frames), status, own)


async def _all(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for each in rest:
            yield each


async def _frames(upstream: Upstream, acting: Acting, root: bytes, part: Part) -> AsyncGenerator[bytes]:
    """The bytes of a part; a chunk that breaks off ends the answer early, and the client asks for the rest."""
    at = part.start
    while at < part.end:
        index, offset = divmod(at, CHUNK_SIZE)
        stream = upstream.stream(
            f"{_SERVICE}/GetChunk",
            pb.GetChunkRequest(root=root, index=index, offset=offset),
            pb.GetChunkResponse.FromString,
            metadata=acting(),
            timeout_s=CHUNK_TIMEOUT_S,
        )
        before = at
        async with aclosing(stream):
            async for each in stream:
                frame = cast("pb.GetChunkResponse", each).frame[: part.end - at]
                at += len(frame)
                yield frame
                if at == part.end < part.size and at % CHUNK_SIZE:
                    return  # in the middle of a chunk: what follows of it is not wanted
        if at == before:
            raise EvidencePending(field=chunk_field(index))
