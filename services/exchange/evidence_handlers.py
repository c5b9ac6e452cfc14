"""The evidence service of nodes and of the registry.

A chunk is held in memory one frame at a time, and a caller has few streams at once, so that memory does not
depend on the size of evidence nor on how slowly somebody sends or reads it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, Literal

import structlog
from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.caller import actor_or_none, caller
from services.common.errors import InvalidField, LiandongError, NotFound, Unavailable
from services.common.interceptors.around import Context
from services.exchange.digests import DIGEST_SIZE
from services.exchange.evidence import EvidencePending, Manifest, chunk_field, mismatch_at
from services.exchange.evidence_access import Access, EvidenceUse
from services.exchange.evidence_completion import Completion
from services.exchange.evidence_records import EvidenceRecords, HeldManifest
from services.exchange.evidence_store import ChunkMismatch, EvidenceStore, off_loop

FRAME_TIMEOUT_S: Final = 60.0
"""The longest wait for one frame to come or to be taken: 4 KiB/s with the frames that our client sends."""
STREAMS: Final = 64
STREAMS_PER_DEPARTMENT: Final = 16
_RETRY_AFTER_MS: Final = 1000
_MISSING_AFTER_MS: Final = 5000
_log = structlog.get_logger(__name__)


class SlowFrame(LiandongError):
    """A frame was not sent, or not taken, in time."""

    reason = "SLOW_READER"
    code = "DEADLINE_EXCEEDED"


class EvidenceHandlers:
    """The evidence service over a store.

    Args:
        store: Where the chunks lie.
        records: Manifests and grants.
        access: Who may write and read.
        completion: Verifies what is all here.
        frame_timeout_s: The longest wait for a frame.
    """

    def __init__(
        self,
        store: EvidenceStore,
        records: EvidenceRecords,
        access: Access,
        completion: Completion,
        *,
        frame_timeout_s: float = FRAME_TIMEOUT_S,
    ) -> None:
        self._store = store
        self._records = records
        self._access = access
        self._completion = completion
        self._frame_timeout_s = frame_timeout_s
        self._streams: Counter[str] = Counter()

    async def PutManifest(
        self,
        request: pb.PutManifestRequest,
        context: Context,
    ) -> pb.PutManifestResponse:
        """Register a manifest and answer which chunks are missing.

        Raises:
            ManifestInvalid: Sizes, counts, root or the digest of the whole are wrong.
            EvidencePending: All is here and being verified.
        """
        manifest = Manifest.from_wire(request.manifest)
        holder = await self._may_write(manifest.root)
        held = await off_loop(self._records.register, manifest, holder)
        await self._record("register", manifest.root, holder)
        held = await self._completion.settle(held)
        return pb.PutManifestResponse(missing=held.missing)

    async def GetManifest(
        self,
        request: pb.GetManifestRequest,
        context: Context,
    ) -> pb.GetManifestResponse:
        """Answer a manifest and which of its chunks are missing.

        Raises:
            NotFound: There is none, or the caller may not read it.
        """
        holder = await self._may_read(request.root)
        await self._record("look", request.root, holder)
        held = await off_loop(self._records.manifest, request.root, holder)
        return pb.GetManifestResponse(manifest=held.manifest.to_wire(), missing=held.missing)

    async def PutChunk(
        self,
        requests: AsyncIterator[pb.PutChunkRequest],
        context: Context,
    ) -> pb.PutChunkResponse:
        """Take a chunk; answered when it is durable.

        Raises:
            ChunkMismatch: Its bytes are not those that the manifest names; nothing is kept.
            StorageFailed: The storage is full or failing; nothing is kept.
            SlowFrame: A frame did not come in time.
        """
        first = await self._next(requests)
        if first is None or len(first.root) != DIGEST_SIZE:
            raise InvalidField("The first frame names the manifest.", field="root")
        root, index = first.root, first.index
        with self._stream():
            holder = await self._may_write(root)
            chunk = await off_loop(self._records.chunk, root, holder, index)
            if chunk.present:
                return pb.PutChunkResponse(missing_count=chunk.missing_count)
            try:
                await self._receive(requests, first, chunk.digest, chunk.size)
            except ChunkMismatch as error:
                if error.message == ChunkMismatch.default_message():
                    raise mismatch_at(index) from None
                raise ChunkMismatch(f"Chunk {index}: {error.message}", field=chunk_field(index)) from None
            missing = await off_loop(self._records.mark_present, root, holder, [index])
            await self._record("write", root, holder, index)
        if not missing:
            missing = await self._settled(root, holder)
        return pb.PutChunkResponse(missing_count=missing)

    async def GetChunk(self, request: pb.GetChunkRequest, context: Context) -> None:
        """Send a chunk from an offset on.

        Raises:
            NotFound: There is none, or the caller may not read it.
            EvidencePending: The chunk is not here yet.
            SlowFrame: A frame was not taken in time.
        """
        root, index = request.root, request.index
        with self._stream():
            holder = await self._may_read(root)
            chunk = await off_loop(self._records.chunk, root, holder, index)
            if not chunk.present:
                raise EvidencePending(field=chunk_field(index), retry_after_ms=_MISSING_AFTER_MS)
            if request.offset > chunk.size:
                raise InvalidField(f"The chunk has {chunk.size} bytes.", field="offset")
            await self._record("read", root, holder, index)
            frames = self._store.frames(chunk.digest, request.offset)
            try:
                while frame := await off_loop(next, frames, b""):
                    await self._write(context, frame)
            except NotFound:
                # the disk lost it: from now on it is missing, and who asks what is missing brings it again
                _log.error("evidence.lost", root=root.hex(), index=index)
                await off_loop(self._records.mark_missing, root, holder, [index])
                raise EvidencePending(field=chunk_field(index), retry_after_ms=_MISSING_AFTER_MS) from None
            finally:
                await off_loop(frames.close)

    async def _receive(
        self,
        requests: AsyncIterator[pb.PutChunkRequest],
        first: pb.PutChunkRequest,
        digest: bytes,
        size: int,
    ) -> None:
        writer = self._store.writer(digest, size)
        try:
            request: pb.PutChunkRequest | None = first
            while request is not None:
                if request is not first and (request.root or request.index or not request.frame):
                    raise InvalidField("Frames after the first hold bytes and nothing else.", field="frame")
                await off_loop(writer.append, request.frame)
                request = await self._next(requests)
            await off_loop(writer.commit)
        finally:
            await off_loop(writer.discard)

    async def _settled(self, root: bytes, holder: str) -> int:
        held: HeldManifest = await off_loop(self._records.manifest, root, holder)
        try:
            held = await self._completion.settle(held)
        except EvidencePending:
            return 0  # the chunk is durable, which is what was asked; `PutManifest` tells of the whole
        return len(held.missing)

    async def _next(self, requests: AsyncIterator[pb.PutChunkRequest]) -> pb.PutChunkRequest | None:
        try:
            async with asyncio.timeout(self._frame_timeout_s):
                return await anext(requests, None)
        except TimeoutError:
            raise SlowFrame("A frame was not sent in time.") from None

    async def _write(self, context: Context, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._frame_timeout_s):
                await context.write(pb.GetChunkResponse(frame=frame))
        except TimeoutError:
            raise SlowFrame("A frame was not taken in time.") from None

    @contextmanager
    def _stream(self) -> Iterator[None]:
        department = caller().department
        if self._streams[department] >= STREAMS_PER_DEPARTMENT or self._streams.total() >= STREAMS:
            raise Unavailable("Too many chunks are on their way.", retry_after_ms=_RETRY_AFTER_MS)
        self._streams[department] += 1
        try:
            yield
        finally:
            self._streams[department] -= 1

    async def _may_write(self, root: bytes) -> str:
        return await off_loop(self._access.may_write, caller(), actor_or_none(), root)

    async def _may_read(self, root: bytes) -> str:
        return await off_loop(self._access.may_read, caller(), actor_or_none(), root)

    async def _record(
        self,
        action: Literal["register", "write", "look", "read"],
        root: bytes,
        holder: str,
        index: int | None = None,
    ) -> None:
        use = EvidenceUse(caller(), actor_or_none(), action, root, holder, index)
        await off_loop(self._access.record, use)
