"""A link whose connection fails in part: it must notice, and connect again.

The registry here is a script over a real connection: it does what a broken one, a cut line or a full
disk would do at exactly the moment that hurts.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2
from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2_grpc as stubs

from services.common.clock import ManualClock
from services.exchange import link as module
from services.exchange import outbox
from services.exchange.link import BATCHES_IN_FLIGHT, Link
from services.exchange.merkle import consistency_proof
from services.exchange.session import DepartmentSession, new_id
from tests.builders.ledger import MONDAY, Ledger, Node, node

Stream = AsyncIterator[Any]
Context = Any
SOON_S = 10.0


class Script(stubs.ExchangeServiceServicer):
    """A registry: what it does on each stream, and how often each was opened.

    Attributes:
        deliver: What is sent down on the first stream, before it ends or goes silent.
        submit: What happens to the first stream up.
        delivers: Streams down so far.
        submits: Streams up so far.
        again: The stream down was opened a second time: the link has noticed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.deliver: Callable[[Stream, Context], Stream] | None = None
        self.submit: Callable[[Stream, Context], Stream] | None = None
        self.delivers = 0
        self.submits = 0
        self.again = asyncio.Event()

    def head(self) -> pb.DeliverResponse:
        """A sign of life."""
        checkpoint, _ = self.ledger.checkpoint()
        response = pb.DeliverResponse(checkpoint=checkpoint, tree_size=len(self.ledger.entries))
        response.registry_time.FromDatetime(self.ledger.clock.now())
        return response

    async def GetConsistencyProof(  # noqa: N802 - generated
        self, request: pb.GetConsistencyProofRequest, context: Context
    ) -> pb.GetConsistencyProofResponse:
        tree = self.ledger.tree()
        path = consistency_proof(
            request.first_size, request.second_size, lambda level, index: tree._rows[level][index]
        )
        return pb.GetConsistencyProofResponse(path=path)

    async def Deliver(self, request_iterator: Stream, context: Context) -> Stream:  # noqa: N802 - generated
        self.delivers += 1
        if self.delivers > 1:
            self.again.set()
        elif self.deliver is not None:
            async for response in self.deliver(request_iterator, context):
                yield response
            return
        while True:
            yield self.head()
            await asyncio.sleep(0.05)

    async def Submit(self, request_iterator: Stream, context: Context) -> Stream:  # noqa: N802 - generated
        self.submits += 1
        if self.submits == 1 and self.submit is not None:
            async for response in self.submit(request_iterator, context):
                yield response
            return
        async for _ in request_iterator:
            pass


@pytest.fixture
def ledger() -> Ledger:
    """What the registry has entered."""
    return Ledger(ManualClock(MONDAY))


@pytest.fixture
def market(sqlite_url: str, ledger: Ledger) -> Iterator[Node]:
    """The node whose link is tried."""
    with node(sqlite_url, ledger) as made:
        yield made


@pytest.fixture
def script(ledger: Ledger) -> Script:
    """The registry that it is linked to."""
    return Script(ledger)  # type: ignore[abstract]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one letter; a failed connection is tried again at once."""
    monkeypatch.setattr(outbox, "BATCH_LETTERS", 1)
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.05)


@asynccontextmanager
async def linked(market: Node, script: Script) -> AsyncIterator[None]:
    server = grpc.aio.server()
    stubs.add_ExchangeServiceServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    link = Link(
        market.department, lambda: grpc.aio.insecure_channel(f"127.0.0.1:{port}"), market.ledger.clock
    )
    running = asyncio.create_task(link.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=SOON_S)
        await server.stop(0)


def letters(market: Node, count: int) -> None:
    """Own letters of different cases in the outbox, whatever they say."""
    actor = envelope_pb2.Actor(name="系统", subject="system-1", role="system", service=True)

    def command(session: DepartmentSession) -> None:
        for _ in range(count):
            case_id, letter_id = new_id(), new_id()
            header = session.header(letter_id, actor, "", b"", ())
            header.act.content = case_id.encode()
            session.record(header, b"", (), case_id=case_id)

    market.run(command)


async def test_a_stream_that_ends_with_every_batch_unanswered_is_begun_anew(
    market: Node, script: Script
) -> None:
    """The window is closed, so nothing is sent that would show it; the stream down lives on."""
    letters(market, BATCHES_IN_FLIGHT + 2)

    async def submit(requests: Stream, context: Context) -> Stream:
        for _ in range(BATCHES_IN_FLIGHT):
            await anext(aiter(requests))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        yield pb.SubmitResponse()

    script.submit = submit
    async with linked(market, script):
        await asyncio.wait_for(script.again.wait(), SOON_S)


async def test_batches_that_are_never_answered_are_sent_on_a_new_connection(
    market: Node, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection lives, signs of life come down, and the stream up is dead."""
    monkeypatch.setattr(module, "SILENCE", timedelta(seconds=0.3))
    letters(market, 1)

    async def submit(requests: Stream, context: Context) -> Stream:
        async for _ in requests:
            pass
        yield pb.SubmitResponse()

    script.submit = submit
    async with linked(market, script):
        await asyncio.wait_for(script.again.wait(), SOON_S)


async def test_a_stream_that_ends_while_the_writer_is_behind_is_begun_anew(
    market: Node, ledger: Ledger, script: Script
) -> None:
    """More came down than was applied yet: the reader waits for room, and who makes it fails."""
    responses = []
    for year in range(2027, 2033):
        after = len(ledger.entries) - 1
        calendar = directory_pb.CalendarYear(region="qinghe", year=year, holidays=["01-01"])
        ledger.common(directory_pb.CommonEntry(calendar=calendar))
        response = ledger.deliveries(market.department.name, after, ())
        response.registry_time.FromDatetime(ledger.clock.now())
        responses.append(response)
    busy, free, ended = threading.Event(), threading.Event(), asyncio.Event()

    def occupy(_session: DepartmentSession) -> None:
        busy.set()
        free.wait(SOON_S)

    async def deliver(requests: Stream, context: Context) -> Stream:
        for response in responses:
            yield response
        # all of it is on its way before the end is
        await asyncio.sleep(0.3)
        ended.set()

    script.deliver = deliver
    occupied = asyncio.ensure_future(market.department.committer.submit(occupy))
    await asyncio.to_thread(busy.wait, SOON_S)
    async with linked(market, script):
        await asyncio.wait_for(ended.wait(), SOON_S)
        await asyncio.sleep(0.2)
        free.set()
        await asyncio.wait_for(script.again.wait(), SOON_S)
        await occupied
