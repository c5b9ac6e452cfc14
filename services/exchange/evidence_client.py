"""Evidence over the wire, seen from the one who sends or fetches: ask what is missing, move only that.

An upload that is cut goes on with the chunks that did not arrive; a download goes on within the chunk, from
the byte at which it was cut. A program holds one frame for each of two chunks, whatever the size of the
evidence. Transient failures are tried again with growing pauses; as long as bytes move, it goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import grpc.aio
from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.channel import liandong_error
from services.common.errors import LiandongError, Unavailable
from services.exchange.digests import ManifestInvalid
from services.exchange.evidence import (
    EvidencePending,
    Manifest,
    OpenChunk,
    chunk_field,
    chunks_of_file,
    chunks_of_store,
    manifest_of,
    mismatch_at,
    spoilt_chunks,
    verify_whole,
)
from services.exchange.evidence_store import ChunkMismatch, ChunkWriter, EvidenceStore, off_loop

if TYPE_CHECKING:
    # a class for type checkers only
    from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceAsyncStub

__all__ = ["Progress", "chunks_of_file", "chunks_of_store", "download", "manifest_of", "upload"]

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of the whole, as they grow."""

IN_FLIGHT: Final = 2
ATTEMPTS: Final = 8
CALL_TIMEOUT_S: Final = 30.0
CHUNK_TIMEOUT_S: Final = 600.0
FRAME_TIMEOUT_S: Final = 60.0
_ROUNDS: Final = 3
_VERIFY_ASKED: Final = 90
_TRANSIENT: Final = frozenset({"UNAVAILABLE", "SLOW_READER"})
_PAUSE_S: Final = 0.2
_MAX_PAUSE_S: Final = 15.0


class _Moved:
    """Bytes that are there, told to whoever watches."""

    def __init__(self, done: int, size: int, progress: Progress | None) -> None:
        self._done = done
        self._size = size
        self._progress = progress
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._size)


async def upload(
    stub: "EvidenceServiceAsyncStub",
    manifest: Manifest,
    open_chunk: OpenChunk,
    progress: Progress | None = None,
    attempts: int = ATTEMPTS,
) -> None:
    """Bring evidence to a server, as far as it is not there yet; returns when it is all there and verified.

    Args:
        stub: The server.
        manifest: What to bring.
        open_chunk: Where the bytes are, such as `chunks_of_file` or `chunks_of_store`.
        progress: Told of every frame sent; goes back where a chunk must be sent again.
        attempts: How often each call is tried while its failure is transient; eight take about half a minute.

    Raises:
        ManifestInvalid: The server finds the manifest inconsistent.
        ChunkMismatch: The bytes are not those that the manifest names: the file has changed.
        LiandongError: The server refuses, or stays out of reach.
    """
    missing = await _missing_at(stub, manifest, attempts)
    for _ in range(_ROUNDS):
        if not missing:
            break
        size = sum(manifest.chunk_size(index) for index in missing)
        moved = _Moved(manifest.size - size, manifest.size, progress)

        async def send(index: int, moved: _Moved = moved) -> None:
            await _retrying(lambda: _send_chunk(stub, manifest, index, open_chunk, moved), attempts)

        await _each(missing, send)
        # asked again: only that tells whether the whole was verified
        missing = await _missing_at(stub, manifest, attempts)
    if missing:
        raise EvidencePending(field=chunk_field(missing[0]))


async def download(
    stub: "EvidenceServiceAsyncStub",
    root: bytes,
    store: EvidenceStore,
    progress: Progress | None = None,
) -> Manifest:
    """Fetch evidence into a store, as far as it is not there yet, and verify the whole.

    Args:
        stub: The server.
        root: What to fetch.
        store: Where to put it.
        progress: Told of every frame that is kept.

    Returns:
        The manifest; the store holds all of its chunks.

    Raises:
        NotFound: The server has it not, or not for us.
        EvidencePending: The server has not all of it yet; what it has was fetched.
        ManifestInvalid: The manifest is not the one of that root, or claims a wrong digest of the whole.
        ChunkMismatch: The server's bytes are not those that the manifest names.
        StorageFailed: Our storage is full or failing.
        LiandongError: The server refuses, or stays out of reach.
    """
    asked = pb.GetManifestRequest(root=root)

    async def ask() -> pb.GetManifestResponse:
        return await stub.GetManifest(asked, timeout=CALL_TIMEOUT_S)

    response = await _retrying(ask)
    manifest = Manifest.from_wire(response.manifest)
    if manifest.root != root:
        raise ManifestInvalid("The server answers with another manifest.", field="manifest.root")
    needed = await off_loop(_absent, store, manifest)
    pending = set(needed).intersection(response.missing)
    await _fetch(stub, manifest, [index for index in needed if index not in pending], store, progress)
    if pending:
        raise EvidencePending(field=chunk_field(min(pending)))
    try:
        await off_loop(verify_whole, store, manifest)
    except ManifestInvalid:
        # a chunk that lay here before may have been spoilt by the disk: then the manifest is not to blame
        spoilt = await off_loop(spoilt_chunks, store, manifest)
        if not spoilt:
            raise
        await _fetch(stub, manifest, spoilt, store, progress)
        await off_loop(verify_whole, store, manifest)
    return manifest


async def _missing_at(stub: "EvidenceServiceAsyncStub", manifest: Manifest, attempts: int) -> list[int]:
    request = pb.PutManifestRequest(manifest=manifest.to_wire())

    async def ask() -> pb.PutManifestResponse:
        return await stub.PutManifest(request, timeout=CALL_TIMEOUT_S)

    for _ in range(_VERIFY_ASKED):
        # the server waits a while itself before it says so
        with suppress(EvidencePending):
            return list((await _retrying(ask, attempts)).missing)
    raise EvidencePending


def _absent(store: EvidenceStore, manifest: Manifest) -> list[int]:
    return [
        index
        for index, chunk in enumerate(manifest.chunks)
        if not store.has(chunk, manifest.chunk_size(index))
    ]


async def _fetch(
    stub: "EvidenceServiceAsyncStub",
    manifest: Manifest,
    indexes: Sequence[int],
    store: EvidenceStore,
    progress: Progress | None,
) -> None:
    moved = _Moved(manifest.size - sum(map(manifest.chunk_size, indexes)), manifest.size, progress)

    async def fetch(index: int) -> None:
        writer = store.writer(manifest.chunks[index], manifest.chunk_size(index))
        try:
            await _fetch_chunk(stub, manifest, index, writer, moved)
        finally:
            await off_loop(writer.discard)

    await _each(indexes, fetch)


async def _fetch_chunk(
    stub: "EvidenceServiceAsyncStub", manifest: Manifest, index: int, writer: ChunkWriter, moved: _Moved
) -> None:
    size = manifest.chunk_size(index)

    async def go_on() -> None:
        start = writer.offset
        request = pb.GetChunkRequest(root=manifest.root, index=index, offset=start)
        call = stub.GetChunk(request, timeout=CHUNK_TIMEOUT_S)
        try:
            while True:
                async with asyncio.timeout(FRAME_TIMEOUT_S):
                    response = await call.read()
                if not isinstance(response, pb.GetChunkResponse):
                    break
                await off_loop(writer.append, response.frame)
                moved.add(len(response.frame))
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            # bytes came: what is left is asked for anew, with all attempts before it
            if writer.offset == start or not _is_transient(_typed(error)):
                raise
        finally:
            call.cancel()
        if writer.offset == start:
            raise TimeoutError("The stream ended before the chunk did.")

    try:
        while writer.offset < size:
            await _retrying(go_on)
        await off_loop(writer.commit)
    except ChunkMismatch:
        raise mismatch_at(index) from None


async def _send_chunk(
    stub: "EvidenceServiceAsyncStub", manifest: Manifest, index: int, open_chunk: OpenChunk, moved: _Moved
) -> None:
    sent = 0
    call = stub.PutChunk(timeout=CHUNK_TIMEOUT_S)
    frames = open_chunk(index)
    try:
        root = manifest.root
        while frame := await off_loop(next, frames, b""):
            async with asyncio.timeout(FRAME_TIMEOUT_S):
                await call.write(pb.PutChunkRequest(root=root, index=0 if sent else index, frame=frame))
            root = b""
            sent += len(frame)
            moved.add(len(frame))
        await call.done_writing()
    except asyncio.InvalidStateError:
        pass  # the server has answered before the end: the chunk was there, or is refused
    except BaseException:
        call.cancel()
        moved.add(-sent)
        raise
    finally:
        await off_loop(frames.close)
    try:
        await call
    except BaseException:
        moved.add(-sent)
        raise
    moved.add(manifest.chunk_size(index) - sent)


async def _each(indexes: Iterable[int], work: Callable[[int], Awaitable[None]]) -> None:
    queue = iter(indexes)

    async def worker() -> None:
        for index in queue:
            await work(index)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _retrying(work: Callable[[], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
    """Run a remote call again while its failure is transient; its errors come out as ours."""
    import stamina  # noqa: PLC0415 - an idle node moves no evidence

    try:
        async for attempt in stamina.retry_context(
            on=_pause_before_next,
            attempts=attempts,
            timeout=None,
            wait_initial=_PAUSE_S,
            wait_max=_MAX_PAUSE_S,
            wait_jitter=_PAUSE_S,
        ):
            with attempt:
                return await work()
    except (grpc.aio.AioRpcError, TimeoutError) as error:
        raise _typed(error) from error
    raise AssertionError("unreachable")


def _pause_before_next(error: Exception) -> bool | float:
    if not isinstance(error, (grpc.aio.AioRpcError, TimeoutError)):
        return False  # our own: a full disk is for whoever called us to wait for
    typed = _typed(error)
    if not _is_transient(typed):
        return False
    return typed.retry_after_ms / 1000 if typed.retry_after_ms else True


def _typed(error: grpc.aio.AioRpcError | TimeoutError) -> LiandongError:
    if isinstance(error, TimeoutError):
        return Unavailable("The other side did not go on in time.")
    return liandong_error(error)


def _is_transient(error: LiandongError) -> bool:
    if isinstance(error, EvidencePending):
        return False
    # an internal error without a request id is the framework's: the connection was torn
    torn = error.reason == "INTERNAL" and not error.request_id
    return error.is_retryable or torn or error.reason in _TRANSIENT
