"""Frames keep their rules, and who stalls or takes too much is cut, so that memory stays bounded."""

import asyncio

import grpc.aio
import pytest
from liandong.exchange.v1 import evidence_service_pb2 as pb

from services.common.channel import remote_errors
from services.common.errors import (
    InvalidField,
    LiandongError,
    LimitExceeded,
    NotFound,
    Unavailable,
)
from services.exchange.evidence_handlers import STREAMS_PER_DEPARTMENT
from tests.unit.exchange.evidence_samples import (
    MIB,
    manifest_for,
    sample,
)
from tests.wire.exchange.evidence_world import EvidenceWorld, calling, until


async def send(stub: object, *requests: pb.PutChunkRequest) -> pb.PutChunkResponse:
    with remote_errors():
        call = stub.PutChunk()  # type: ignore[attr-defined]
        try:
            for request in requests:
                await call.write(request)
            await call.done_writing()
        except asyncio.InvalidStateError:
            pass
        response: pb.PutChunkResponse = await call
        return response


async def test_frames_keep_their_rules(evidence: EvidenceWorld) -> None:
    """The first frame names manifest and chunk, later ones hold bytes; none is above 1 MiB."""
    data = sample(MIB + 1)
    manifest = manifest_for(data)
    named = pb.PutChunkRequest(root=manifest.root, index=0, frame=data[:MIB])
    async with calling(evidence.registry.target, evidence.author) as stub:
        await stub.PutManifest(pb.PutManifestRequest(manifest=manifest.to_wire()))
        wrong: list[tuple[str, list[pb.PutChunkRequest]]] = [
            ("root", []),
            ("root", [pb.PutChunkRequest(frame=b"a")]),
            ("frame", [named, named]),
            ("frame", [named, pb.PutChunkRequest()]),
            ("index", [pb.PutChunkRequest(root=manifest.root, index=1, frame=b"a")]),
            ("index", [pb.PutChunkRequest(root=manifest.root, index=2**32 - 1, frame=b"a")]),
        ]
        for field, requests in wrong:
            with pytest.raises(InvalidField) as caught:
                await send(stub, *requests)
            assert caught.value.field == field
        with pytest.raises(LimitExceeded) as too_long:
            await send(stub, pb.PutChunkRequest(root=manifest.root, frame=data))
        assert too_long.value.field == "frame"
        with pytest.raises(NotFound):
            await send(stub, pb.PutChunkRequest(root=bytes(32), frame=b"a"))
        answer = await send(stub, named, pb.PutChunkRequest(frame=data[MIB:]))
        assert answer.missing_count == 0
        assert (await send(stub, named)).missing_count == 0, "a chunk that is here is answered at once"


async def test_a_sender_that_stalls_is_cut(evidence: EvidenceWorld) -> None:
    """A frame that does not come in time ends the call, and its slot and file are free again."""
    evidence.registry.handlers._frame_timeout_s = 0.3
    manifest = manifest_for(sample(MIB))
    async with calling(evidence.registry.target, evidence.author) as stub:
        await stub.PutManifest(pb.PutManifestRequest(manifest=manifest.to_wire()))
        call = stub.PutChunk()
        await call.write(pb.PutChunkRequest(root=manifest.root, frame=b"a"))
        with pytest.raises(LiandongError) as caught, remote_errors():
            await call
    assert caught.value.reason == "SLOW_READER"
    await until(lambda: not evidence.incoming())


async def drain(call: object) -> None:
    with remote_errors():
        while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
            pass


async def test_a_reader_that_does_not_read_is_cut(evidence: EvidenceWorld) -> None:
    """A frame that is not taken in time ends the call; the server holds no more than a few frames for it."""
    evidence.registry.handlers._frame_timeout_s = 0.3
    manifest = evidence.held(sample(8 * MIB))
    options = (("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0))
    async with calling(evidence.registry.target, evidence.recipient, options) as stub:
        call = stub.GetChunk(pb.GetChunkRequest(root=manifest.root))
        await call.read()
        await until(lambda: not evidence.registry.handlers._streams.total())
        with pytest.raises(LiandongError) as caught:
            await drain(call)
    assert caught.value.reason == "SLOW_READER"


async def test_a_department_has_few_streams_at_once(evidence: EvidenceWorld) -> None:
    """Too many chunks at once are answered UNAVAILABLE with a time, so that memory stays bounded."""
    manifest = manifest_for(sample(MIB))
    async with calling(evidence.registry.target, evidence.author) as stub:
        await stub.PutManifest(pb.PutManifestRequest(manifest=manifest.to_wire()))
        calls = [stub.PutChunk() for _ in range(STREAMS_PER_DEPARTMENT)]
        for call in calls:
            await call.write(pb.PutChunkRequest(root=manifest.root, frame=b"a"))
        await until(lambda: len(evidence.incoming()) == len(calls))
        with pytest.raises(Unavailable) as caught:
            await send(stub, pb.PutChunkRequest(root=manifest.root, frame=b"a"))
        assert caught.value.retry_after_ms > 0
        for call in calls:
            call.cancel()
