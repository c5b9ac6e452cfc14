"""ExchangeService: letters up, letters and receipts down, proofs on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import grpc.aio
import structlog

from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2
from services.common.caller import caller
from services.common.clock import Clock
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.common.errors import LiandongError, LimitExceeded, NotFound
from services.exchange import digests, keys, letters
from services.exchange.keys import BadSignature
from services.exchange.merkle import BadProof, BatchTree
from services.registry import mailboxes
from services.registry.admission import Admitted, Batch, Publication, Result
from services.registry.judgement import Answer
from services.registry.recent import BatchProof, Entry, Place
from services.registry.replica import Replica

_log = structlog.get_logger(__name__)

_BATCHES_IN_FLIGHT: Final = 4
_DELIVER_LETTERS: Final = 256
_DELIVER_BYTES: Final = 1024 * 1024
_WRITE_TIMEOUT_S: Final = 30
_POLL_S: Final = 2.0
_SIGN_OF_LIFE_S: Final = 20.0

Committer = GroupCommitter[Batch | Publication, tuple[Result, ...]]


class LinkWatch(Protocol):
    """Notes which departments are there."""

    async def connected(self, department: str) -> None:
        """A department's link came up; called before its first delivery."""
        ...

    async def seen(self, department: str, cursor: Place) -> None:
        """It acknowledged up to here."""
        ...

    async def disconnected(self, department: str) -> None:
        """Its link went down."""
        ...


class SlowReader(LiandongError):
    """The stream's reader did not take what it had granted credit for."""

    reason = "SLOW_READER"
    code = "DEADLINE_EXCEEDED"


class ExchangeHandlers:
    """The exchange as the nodes see it."""

    def __init__(
        self, database: Database, replica: Replica, committer: Committer, links: LinkWatch, clock: Clock
    ) -> None:
        self._database = database
        self._replica = replica
        self._committer = committer
        self._links = links
        self._clock = clock

    # -- up -------------------------------------------------------------------------------------

    async def Submit(
        self, requests: AsyncIterator[pb.SubmitRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.SubmitResponse]:
        """Admit batches; a few at once are in flight, answered in order."""
        author = caller().department
        waiting: deque[tuple[int, Batch, asyncio.Future[tuple[Result, ...]]]] = deque()
        upcoming: asyncio.Task[pb.SubmitRequest] | None = asyncio.ensure_future(anext(requests))
        try:
            while upcoming is not None or waiting:
                if upcoming is not None and len(waiting) < _BATCHES_IN_FLIGHT:
                    first = [upcoming, waiting[0][2]] if waiting else [upcoming]
                    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                    if upcoming.done():
                        try:
                            request = upcoming.result()
                        except StopAsyncIteration:
                            upcoming = None
                            continue
                        batch = self._batch(author, request)
                        waiting.append((request.sequence, batch, self._committer.submit(batch)))
                        upcoming = asyncio.ensure_future(anext(requests))
                        continue
                sequence, batch, future = waiting[0]
                results = await future
                waiting.popleft()
                yield _submit_response(sequence, batch.letter_ids, results)
        finally:
            if upcoming is not None:
                upcoming.cancel()
                with contextlib.suppress(BaseException):
                    await upcoming

    def _batch(self, author: str, request: pb.SubmitRequest) -> Batch:
        """Verify a batch's signature and open its letters.

        Raises:
            LimitExceeded: More bytes than a batch may have.
            BadSignature: The batch is not signed by a current key of its author.
            BadProof: The signed root is not that of these letters.
        """
        envelopes = request.envelopes
        if sum([len(each.header) + len(each.payload) for each in envelopes]) > letters.BATCH_BYTES:
            raise LimitExceeded(f"A batch has at most {letters.BATCH_BYTES} bytes.", field="envelopes")
        proof = request.proof
        all_digests = [digests.letter_digest(each.header) for each in envelopes]
        tree = BatchTree([digests.batch_leaf(each) for each in all_digests])
        if proof.root != tree.root or proof.tree_size != tree.size:
            raise BadProof(field="proof.root")
        holder = keys.parse_key_id(proof.key_id).department if "/" in proof.key_id else ""
        public_key = self._replica.directory.sign_key(proof.key_id, self._clock.now())
        if holder != author or public_key is None:
            raise BadSignature(f"{proof.key_id} is no current key of {author}.", field="proof.key_id")
        keys.verify_batch(public_key, proof.key_id, tree.size, tree.root, proof.signature, suite=proof.suite)
        opened: list[letters.Letter | Answer] = []
        ids: list[str] = []
        for index, envelope in enumerate(envelopes):
            try:
                letter = letters.open_letter(envelope)
            except LiandongError as error:
                opened.append(Answer(error.reason, f"envelopes[{index}].{error.field}".rstrip("."), error.message))
                ids.append(f"#{index}")
            else:
                opened.append(letter)
                ids.append(letter.letter_id)
        stored = BatchProof(proof.suite, proof.key_id, tree.size, tree.root, proof.signature)
        return Batch(author, tuple(opened), tuple(ids), tree, stored, b"".join(all_digests))

    # -- down -----------------------------------------------------------------------------------

    async def Deliver(
        self, requests: AsyncIterator[pb.DeliverRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Deliver as far as credit goes, woken by every commit."""
        department = caller().department
        first = await anext(requests)
        credit = _Credit(first.grant_letters, first.grant_bytes)
        cursor = Place(first.start.at, first.start.position) if first.HasField("start") else Place(-1, -1)
        woken = self._replica.subscribe()
        reader = asyncio.ensure_future(self._take_credit(requests, credit, woken, department))
        await self._links.connected(department)
        try:
            quiet_since = self._clock.now().timestamp()
            while not reader.done():
                woken.clear()
                deliveries = await self._next(department, cursor, min(credit.letters, _DELIVER_LETTERS))
                if not deliveries:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(woken.wait(), _POLL_S)
                    if self._clock.now().timestamp() - quiet_since < _SIGN_OF_LIFE_S and quiet_since:
                        continue
                deliveries = _fitting(deliveries, credit)
                response = await self._response(department, cursor, deliveries)
                response.registry_time.CopyFrom(letters.timestamp(self._clock.now()))
                try:
                    await asyncio.wait_for(context.write(response), _WRITE_TIMEOUT_S)
                except TimeoutError:
                    raise SlowReader from None
                quiet_since = self._clock.now().timestamp()
                if deliveries:
                    cursor = deliveries[-1][0]
            await reader
        finally:
            self._replica.unsubscribe(woken)
            reader.cancel()
            with contextlib.suppress(BaseException):
                await reader
            await self._links.disconnected(department)

    async def _take_credit(
        self, requests: AsyncIterator[pb.DeliverRequest], credit: _Credit, woken: asyncio.Event, department: str
    ) -> None:
        async for request in requests:
            credit.letters += request.grant_letters
            credit.size += request.grant_bytes
            if request.HasField("acknowledged"):
                await self._links.seen(department, Place(request.acknowledged.at, request.acknowledged.position))
            woken.set()
        woken.set()

    async def _next(self, department: str, cursor: Place, limit: int) -> list[tuple[Place, Entry]]:
        if limit <= 0:
            return []
        found = self._replica.recent.read(department, cursor, limit)
        if found is not None:
            return found
        return await asyncio.to_thread(
            self._database.read,
            lambda connection: mailboxes.read(connection, self._replica, department, cursor, limit),
        )

    async def _response(
        self, department: str, cursor: Place, deliveries: list[tuple[Place, Entry]]
    ) -> pb.DeliverResponse:
        head, checkpoint = self._replica.checkpoint()
        hashes = self._replica.hashes
        proof: list[bytes] | None = []
        if deliveries:
            proof = hashes.prove_from_memory(mailboxes.positions_of(deliveries), head.size)
        if proof is None:
            proof = await asyncio.to_thread(
                self._database.read, lambda connection: mailboxes.prove(connection, hashes, deliveries, head.size)
            )
        return mailboxes.respond(department, cursor, deliveries, head, checkpoint, proof)

    # -- proofs ---------------------------------------------------------------------------------

    async def GetHead(self, request: pb.GetHeadRequest, context: object) -> pb.GetHeadResponse:
        """The newest signed head."""
        return pb.GetHeadResponse(checkpoint=self._replica.checkpoint()[1])

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: object
    ) -> pb.GetInclusionProofResponse:
        """Prove a position to those who may see it: every member may, since a leaf is a digest."""
        head, checkpoint = self._replica.checkpoint()
        size = request.tree_size or head.size
        if not request.position < size <= head.size:
            raise NotFound("No such position under that head.", field="position")

        def work(connection: Any) -> pb.GetInclusionProofResponse:
            path = self._replica.hashes.inclusion(connection, request.position, size)
            entry = mailboxes.read_entries(connection, [request.position])[request.position]
            return pb.GetInclusionProofResponse(
                leaf=_leaf(entry), tree_size=size, path=path, checkpoint=checkpoint
            )

        return await asyncio.to_thread(self._database.read, work)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: object
    ) -> pb.GetConsistencyProofResponse:
        """Prove that one head continues another."""
        head, checkpoint = self._replica.checkpoint()
        second = request.second_size or head.size
        if not request.first_size <= second <= head.size:
            raise NotFound("No such size in this ledger.", field="first_size")
        path = await asyncio.to_thread(
            self._database.read,
            lambda connection: self._replica.hashes.consistency(connection, request.first_size, second),
        )
        return pb.GetConsistencyProofResponse(path=path, second_size=second, checkpoint=checkpoint)

    async def ListLeaves(self, request: pb.ListLeavesRequest, context: object) -> pb.ListLeavesResponse:
        """Leaves of a range, for auditors and witnesses."""
        head, checkpoint = self._replica.checkpoint()
        end = min(request.start + (request.limit or 1000), head.size)
        rows = await asyncio.to_thread(
            self._database.read, lambda connection: mailboxes.read_leaves(connection, request.start, end)
        )
        return pb.ListLeavesResponse(leaves=[_wire_leaf(leaf) for leaf in rows], checkpoint=checkpoint)


class _Credit:
    """What a client still takes."""

    __slots__ = ("letters", "size")

    def __init__(self, letters_: int, size: int) -> None:
        self.letters = letters_
        self.size = size


def _fitting(deliveries: list[tuple[Place, Entry]], credit: _Credit) -> list[tuple[Place, Entry]]:
    """As many as credit and one message hold; takes them off the credit."""
    budget = min(credit.size, _DELIVER_BYTES)
    count = used = 0
    for _, entry in deliveries:
        size = len(entry.header) + len(entry.payload) + len(entry.extras) + 512
        if used + size > budget and (count or size > credit.size):
            break
        used += size
        count += 1
    credit.letters -= count
    credit.size -= used
    return deliveries[:count]


def _submit_response(
    sequence: int, letter_ids: tuple[str, ...], results: tuple[Result, ...]
) -> pb.SubmitResponse:
    response = pb.SubmitResponse(sequence=sequence)
    for letter_id, result in zip(letter_ids, results, strict=True):
        outcome = response.outcomes.add(letter_id=letter_id)
        if isinstance(result, Admitted):
            outcome.disposition = pb.DISPOSITION_ADMITTED
            outcome.position = result.position
        else:
            outcome.disposition = pb.DISPOSITION_RETRY if result.retry_after_ms else pb.DISPOSITION_REFUSED
            outcome.reason = reason_pb2.Reason.Value(f"REASON_{result.reason}")
            outcome.field = result.field
            outcome.message = result.message
            outcome.retry_after_ms = result.retry_after_ms
    return response


def _leaf(entry: Entry) -> pb.Leaf:
    return _wire_leaf(entry.leaf)


def _wire_leaf(leaf: digests.Leaf) -> pb.Leaf:
    return pb.Leaf(
        position=leaf.position,
        admitted_at_us=leaf.admitted_at_us,
        common_version=leaf.common_version,
        letter_digest=leaf.letter_digest,
    )


