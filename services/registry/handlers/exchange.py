"""ExchangeService: letters up, letters and receipts down, proofs on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol, TypeVar

import grpc.aio
from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2
from sqlalchemy import Connection

from services.common.caller import caller
from services.common.clock import Clock
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.common.errors import Internal, InvalidField, LiandongError, NotFound
from services.exchange import letters
from services.exchange.digests import Leaf
from services.registry import mailboxes
from services.registry.commands import Batch, Command, Result
from services.registry.delivery import Delivery
from services.registry.intake import authenticate_people, halves, open_batch
from services.registry.judgement import Answer
from services.registry.replica import Replica

BATCHES_IN_FLIGHT: Final = 4
WRITE_TIMEOUT_S: Final = 30.0
"""The longest wait for a reader. The status after it waits behind what the reader left, in little memory."""
_CANNOT_JUDGE_MS: Final = 60_000
_OPENED_AT_ONCE: Final = 4
"""Letters whose opening takes less than handing them to a thread and back."""
_LEAVES: Final = 1000

Committer = GroupCommitter[Command, tuple[Result, ...]]
Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class Links(Protocol):
    """Notes which departments are there."""

    async def connected(self, department: str) -> None:
        """A stream of the department begins; returns when an outage that it ends is in the ledger."""
        ...

    async def settle(self, department: str) -> None:
        """Letters of it are about to be judged; returns at once unless the ledger was held when it came."""
        ...

    async def seen(self, department: str, place: tuple[int, int]) -> None:
        """The department has everything up to this place of its mailbox."""
        ...

    async def disconnected(self, department: str) -> None:
        """A stream of it ended."""
        ...


class SlowReader(LiandongError):
    """The stream's reader did not take what it had granted credit for."""

    reason = "SLOW_READER"
    code = "DEADLINE_EXCEEDED"


class ExchangeHandlers:
    """The exchange as the nodes see it.

    Args:
        database: The registry's.
        replica: What this process remembers.
        committer: Admits.
        links: Notes who is there.
        clock: The time.
    """

    def __init__(
        self,
        database: Database,
        replica: Replica,
        committer: Committer,
        links: Links,
        clock: Clock,
    ) -> None:
        self._database = database
        self._replica = replica
        self._committer = committer
        self._links = links
        self._clock = clock
        self._taking: set[asyncio.Task[None]] = set()
        self._draining = False

    def drain(self) -> None:
        """End the streams calmly: take nothing more, answer what was taken. Nodes connect elsewhere, or later."""
        self._draining = True
        for each in self._taking:
            each.cancel()

    async def _take(self, taking: asyncio.Task[None]) -> None:
        """See how the taking of requests ended."""
        try:
            await taking
        except asyncio.CancelledError:
            if not self._draining:
                raise

    async def Submit(self, requests: AsyncIterator[pb.SubmitRequest], context: Context) -> None:
        """Admit batches: a few at once are on their way, answered in order.

        A batch that is refused as a whole ends the stream, after the answers to those before it.
        """
        author = caller().department
        await self._links.connected(author)
        answers: asyncio.Queue[tuple[int, Batch, asyncio.Future[tuple[Result, ...]]] | None] = asyncio.Queue()
        free = asyncio.Semaphore(BATCHES_IN_FLIGHT)

        async def take() -> None:
            try:
                await free.acquire()
                async for request in requests:
                    if len(request.envelopes) <= _OPENED_AT_ONCE:
                        batch = self._open(author, request)
                    else:
                        # milliseconds of work for a full batch, in which deliveries go on
                        batch = await asyncio.to_thread(self._open, author, request)
                    await self._links.settle(author)
                    answers.put_nowait((request.sequence, batch, self._committer.submit(batch)))
                    await free.acquire()
            finally:
                answers.put_nowait(None)

        taking = asyncio.create_task(take())
        self._taking.add(taking)
        try:
            while (waiting := await answers.get()) is not None:
                sequence, batch, future = waiting
                results = await self._outcome(batch, future)
                await self._write(context, _submit_response(sequence, batch, results))
                free.release()
            await self._take(taking)
        finally:
            self._taking.discard(taking)
            await _end(taking)
            while not answers.empty():
                left = answers.get_nowait()
                if left is not None:
                    left[2].cancel()
            await self._links.disconnected(author)

    def _open(self, author: str, request: pb.SubmitRequest) -> Batch:
        directory = self._replica.directory
        batch = open_batch(author, request, directory, self._clock.now())
        authenticate_people(batch, self._replica.verifier(author, directory))
        return batch

    async def _outcome(self, batch: Batch, future: asyncio.Future[tuple[Result, ...]]) -> tuple[Result, ...]:
        """The results of a batch; one that cannot be written is halved until the poisoned letter is alone."""
        try:
            return await future
        except (Internal, InvalidField) as error:
            if len(batch.letters) == 1:
                return (Answer(error.reason, error.field, error.message, _CANNOT_JUDGE_MS),)
            results: tuple[Result, ...] = ()
            for half in halves(batch):
                results += await self._outcome(half, self._committer.submit(half))
            return results

    async def Deliver(self, requests: AsyncIterator[pb.DeliverRequest], context: Context) -> None:
        """Deliver as far as credit goes, woken by every commit."""
        department = caller().department
        first = await anext(requests, None)
        if first is None:
            return
        await self._links.connected(department)
        delivery = Delivery(self._database, self._replica, department, first)

        async def take() -> None:
            try:
                async for request in requests:
                    delivery.grant(request.grant_letters, request.grant_bytes)
                    if request.HasField("acknowledged"):
                        place = request.acknowledged
                        await self._links.seen(department, (place.at, place.position))
            finally:
                delivery.end()

        taking = asyncio.create_task(take())
        self._taking.add(taking)
        try:
            while (response := await delivery.next()) is not None:
                response.registry_time.CopyFrom(letters.timestamp(self._clock.now()))
                await self._write(context, response)
            await self._take(taking)
        finally:
            self._taking.discard(taking)
            delivery.close()
            await _end(taking)
            await self._links.disconnected(department)

    async def _write(self, context: Context, response: pb.SubmitResponse | pb.DeliverResponse) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await context.write(response)
        except TimeoutError:
            raise SlowReader from None

    # -- proofs ---------------------------------------------------------------------------------

    async def GetHead(self, _request: pb.GetHeadRequest, _context: Context) -> pb.GetHeadResponse:
        """The newest signed head."""
        return pb.GetHeadResponse(checkpoint=self._replica.checkpoint()[1])

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, _context: Context
    ) -> pb.GetInclusionProofResponse:
        """Prove a position to any member: a leaf is a digest and tells nothing."""
        head, checkpoint = self._replica.checkpoint()
        position, size = request.position, request.tree_size or head.size
        if not position < size <= head.size:
            raise NotFound("No such position under that head.", field="position")

        def work(connection: Connection) -> pb.GetInclusionProofResponse:
            (leaf,) = mailboxes.read_leaves(connection, position, position + 1)
            path = self._replica.hashes.inclusion(connection, position, size)
            return pb.GetInclusionProofResponse(
                leaf=_leaf(leaf), tree_size=size, path=path, checkpoint=checkpoint
            )

        return await self._read(work)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, _context: Context
    ) -> pb.GetConsistencyProofResponse:
        """Prove that one head continues another."""
        head, checkpoint = self._replica.checkpoint()
        first, second = request.first_size, request.second_size or head.size
        if not first <= second <= head.size:
            raise NotFound("No such size in this ledger.", field="first_size")
        path = await self._read(lambda each: self._replica.hashes.consistency(each, first, second))
        return pb.GetConsistencyProofResponse(path=path, second_size=second, checkpoint=checkpoint)

    async def ListLeaves(self, request: pb.ListLeavesRequest, _context: Context) -> pb.ListLeavesResponse:
        """Leaves of a range, for auditors and witnesses."""
        head, checkpoint = self._replica.checkpoint()
        start = min(request.start, head.size)
        end = min(start + (request.limit or _LEAVES), head.size)
        leaves = await self._read(lambda each: mailboxes.read_leaves(each, start, end))
        return pb.ListLeavesResponse(leaves=[_leaf(each) for each in leaves], checkpoint=checkpoint)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, whatever it was; its error was raised already or is moot."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _submit_response(sequence: int, batch: Batch, results: tuple[Result, ...]) -> pb.SubmitResponse:
    response = pb.SubmitResponse(sequence=sequence)
    for letter, result in zip(batch.letters, results, strict=True):
        outcome = response.outcomes.add(letter_id="" if isinstance(letter, Answer) else letter.letter_id)
        if not isinstance(result, Answer):
            outcome.disposition = pb.DISPOSITION_ADMITTED
            outcome.position = result.position
            continue
        outcome.disposition = pb.DISPOSITION_RETRY if result.retry_after_ms else pb.DISPOSITION_REFUSED
        outcome.reason = reason_pb2.Reason.Value(f"REASON_{result.reason}")
        outcome.field = result.field
        outcome.message = result.message
        outcome.retry_after_ms = result.retry_after_ms
    return response


def _leaf(leaf: Leaf) -> pb.Leaf:
    return pb.Leaf(
        position=leaf.position,
        admitted_at_us=leaf.admitted_at_us,
        common_version=leaf.common_version,
        letter_digest=leaf.letter_digest,
    )
