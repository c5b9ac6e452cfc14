"""Files on their way to a node.

A node wants the manifest before the first chunk, since that is what it checks every chunk against; of a file
that comes in one request it is known after the last byte. So the file lies for that long in a folder of the
gateway, without a name there: nothing of it is left when the process ends, however it ends. A caller that
makes the manifest itself sends chunk after chunk, and nothing lies here.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from liandong.exchange.v1 import evidence_service_pb2 as pb
from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceStub

from services.common.channel import ENDED_WHILE_WRITTEN
from services.common.errors import LiandongError, LimitExceeded, StorageFailed, Unavailable
from services.exchange.digests import CHUNK_SIZE, manifest_root
from services.exchange.evidence import Manifest
from services.exchange.evidence_client import upload
from services.exchange.evidence_store import FRAME_SIZE, ChunkMismatch
from services.gateway.evidence.names import harmless, media_type_of
from services.gateway.evidence.reading import CHUNK_TIMEOUT_S, Acting
from services.gateway.upstream import Upstream

if TYPE_CHECKING:
    # a class for type checkers only
    from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceAsyncStub

PIECE_TIMEOUT_S: Final = 60.0
"""The longest wait for the next bytes of a file."""
ATTEMPTS: Final = 4
"""How often a call to the node is tried: somebody waits at a page, and is told within a few seconds."""
_WRITTEN_AT_ONCE: Final = 1024 * 1024
_RETRY_AFTER_MS: Final = 5000
_NAMELESS: Final = "file"


class FileTooLarge(LimitExceeded):
    """The file is larger than this gateway takes."""

    status = 413


class SlowSender(LiandongError):
    """The next bytes did not come in time."""

    reason = "SLOW_READER"
    code = "DEADLINE_EXCEEDED"
    status = 408


class OtherBytes(LiandongError):
    """What came is not what its digest says."""

    reason = "DIGEST_MISMATCH"
    code = "INVALID_ARGUMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of a file.

    Attributes:
        file_name: As the sender calls it; made harmless.
        media_type: Its kind.
        collected_by: Who collected it.
        collected_at: When, aware.
        collected_place: Where.
        digest: SHA-256 that the sender knows, to be compared; None for none.
    """

    file_name: str = ""
    media_type: str = ""
    collected_by: str = ""
    collected_at: datetime | None = None
    collected_place: str = ""
    digest: bytes | None = None


class Uploads:
    """Files that come in one request.

    Args:
        limit: Bytes of one file.
        at_once: How many at a time; together with `limit` what the folder must hold.
        folder: Where they lie meanwhile; that of the system for temporary files when None.
    """

    def __init__(self, limit: int, at_once: int, folder: Path | None = None) -> None:
        self.limit = limit
        self._at_once = at_once
        self._folder = folder
        self._running = 0

    async def take(
        self,
        upstream: Upstream,
        acting: Acting,
        pieces: AsyncIterator[bytes],
        about: About,
        declared: int | None = None,
    ) -> Manifest:
        """Bring a file to a node; returns when all of it is there and verified.

        Args:
            upstream: The node.
            acting: Who brings it.
            pieces: The bytes, as they come.
            about: What is said of it.
            declared: How many bytes are to come, where that is known.

        Raises:
            FileTooLarge: It is larger than `limit`.
            SlowSender: Nothing more came.
            OtherBytes: They have not the digest that was named.
            StorageFailed: The folder is full.
            Unavailable: Too many at once, or the node is out of reach.
            LiandongError: What the node says.
        """
        if declared is not None and declared > self.limit:
            raise FileTooLarge(f"At most {self.limit} bytes.")
        if self._running >= self._at_once:
            raise Unavailable("Too many files are on their way; try again.", retry_after_ms=_RETRY_AFTER_MS)
        self._running += 1
        try:
            with await asyncio.to_thread(self._open) as file:
                manifest = await self._spool(file, pieces, about)
                await upload(stub_of(upstream, acting), manifest, _chunks(file), attempts=ATTEMPTS)
                return manifest
        finally:
            self._running -= 1

    def _open(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(dir=self._folder, buffering=0)
        except OSError as error:
            raise StorageFailed(f"The gateway cannot keep the file: {error.strerror}.") from None

    async def _spool(self, file: IO[bytes], pieces: AsyncIterator[bytes], about: About) -> Manifest:
        whole, chunk, chunks = sha256(), sha256(), list[bytes]()
        size = 0

        def write(data: bytes) -> None:
            nonlocal chunk, size
            view = memoryview(data)
            whole.update(view)
            while view:
                taken = view[: CHUNK_SIZE - size % CHUNK_SIZE]
                chunk.update(taken)
                size += len(taken)
                view = view[len(taken) :]
                if size % CHUNK_SIZE == 0:
                    chunks.append(chunk.digest())
                    chunk = sha256()
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                raise StorageFailed(f"The gateway cannot keep the file: {error.strerror}.") from None

        kept = bytearray()
        async for piece in in_time(pieces):
            kept += piece
            if size + len(kept) > self.limit:
                raise FileTooLarge(f"At most {self.limit} bytes.")
            if len(kept) >= _WRITTEN_AT_ONCE:
                await asyncio.to_thread(write, bytes(kept))
                kept.clear()
        await asyncio.to_thread(write, bytes(kept))
        if size % CHUNK_SIZE:
            chunks.append(chunk.digest())
        digest = whole.digest()
        if about.digest not in {None, digest}:
            raise OtherBytes(f"The SHA-256 of what came is {digest.hex()}.", field="content-digest")
        return Manifest(
            root=manifest_root(size, digest, chunks),
            digest=digest,
            size=size,
            chunks=tuple(chunks),
            media_type=media_type_of(about.media_type),
            file_name=harmless(about.file_name, _NAMELESS),
            collected_by=about.collected_by,
            collected_at=about.collected_at,
            collected_place=about.collected_place,
        )


async def put_chunk(
    upstream: Upstream, acting: Acting, root: bytes, index: int, pieces: AsyncIterator[bytes]
) -> pb.PutChunkResponse:
    """Bring one chunk of a manifest that the node has; answered when it is durable.

    Raises:
        FileTooLarge: More bytes than a chunk has.
        SlowSender: Nothing more came.
        ChunkMismatch: They are not those that the manifest names.
        LiandongError: What else the node says.
    """
    size = 0
    source = in_time(pieces)

    async def frames() -> AsyncIterator[pb.PutChunkRequest]:
        nonlocal size
        first = True
        async for piece in source:
            for at in range(0, len(piece), FRAME_SIZE):
                frame = piece[at : at + FRAME_SIZE]
                size += len(frame)
                if size > CHUNK_SIZE:
                    raise FileTooLarge(f"A chunk has at most {CHUNK_SIZE} bytes.")
                yield (
                    pb.PutChunkRequest(root=root, index=index, frame=frame)
                    if first
                    else pb.PutChunkRequest(frame=frame)
                )
                first = False
        if first:
            yield pb.PutChunkRequest(root=root, index=index)

    async def put(requests: AsyncIterator[pb.PutChunkRequest]) -> pb.PutChunkResponse:
        answer = await upstream.send(
            "/liandong.exchange.v1.EvidenceService/PutChunk",
            requests,
            pb.PutChunkResponse.FromString,
            metadata=acting(),
            timeout_s=CHUNK_TIMEOUT_S,
        )
        return cast("pb.PutChunkResponse", answer)

    async def only_named() -> AsyncIterator[pb.PutChunkRequest]:
        yield pb.PutChunkRequest(root=root, index=index)

    try:
        answer = await put(frames())
    except Unavailable as lost:
        # an answer before the end may be lost by the framework; a chunk that is there, or that is refused
        # whatever its bytes, needs none to be answered again
        if lost.message != ENDED_WHILE_WRITTEN:
            raise
        try:
            answer = await put(only_named())
        except ChunkMismatch:
            raise lost from None
    async for piece in source:
        # the node had it already: the rest is taken, so that the caller can hear that
        size += len(piece)
        if size > CHUNK_SIZE:
            raise FileTooLarge(f"A chunk has at most {CHUNK_SIZE} bytes.")
    return answer


async def in_time(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Bytes as they come, as long as they do.

    Raises:
        SlowSender: Nothing more came.
    """
    while True:
        try:
            async with asyncio.timeout(PIECE_TIMEOUT_S):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise SlowSender from None
        if piece is None:
            return
        yield piece


def _chunks(file: IO[bytes]) -> Any:
    """Opens chunks of a file without a name; several may be read at a time."""

    def open_chunk(index: int) -> Generator[bytes, None, None]:
        at, end = index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE
        while at < end and (frame := os.pread(file.fileno(), min(FRAME_SIZE, end - at), at)):
            at += len(frame)
            yield frame

    return open_chunk


def stub_of(upstream: Upstream, acting: Acting) -> EvidenceServiceAsyncStub:
    """A node's evidence service in somebody's name."""
    return cast("EvidenceServiceAsyncStub", _Acting(EvidenceServiceStub(upstream.channel()), acting))


class _Acting:
    """A stub whose every call says who acts."""

    def __init__(self, stub: object, acting: Acting) -> None:
        self._stub = stub
        self._acting = acting

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stub, name)
        return lambda *arguments, **options: method(*arguments, **options, metadata=self._acting())
