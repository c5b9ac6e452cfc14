"""One department's Deliver stream: what comes next, how much of it fits, when to say that we are alive.

The client grants letters and bytes and the stream never sends more, so that a reader that does not read
holds no memory here beyond one message.

Letters go at once. Receipts and Arrivals, which change nothing that the department waits for, wait a moment
for company: at the other end each message is a transaction.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, NamedTuple

from liandong.exchange.v1 import exchange_service_pb2 as pb

from services.common.db import Database
from services.registry import mailboxes
from services.registry.ledger import Head
from services.registry.recent import Entry, Place
from services.registry.replica import Replica

LETTERS: Final = 256
"""Letters in a message."""
BYTES: Final = 1024 * 1024
"""Bytes in a message, unless a single letter has more."""
SIGN_OF_LIFE_S: Final = 20.0
RECEIPTS_WAIT_S: Final = 0.05
"""How long receipts and Arrivals wait for something to go with."""
_MOST_CREDIT: Final = 1 << 40
_OVERHEAD: Final = 512
"""Bytes that a delivery costs beside the letter: cursors, leaf, path."""


class _Page(NamedTuple):
    """What the next message may hold.

    Attributes:
        deliveries: Places and letters.
        size: Their bytes.
        until: Everything up to here was looked at.
        full: No more would fit.
    """

    deliveries: list[tuple[Place, Entry]]
    size: int
    until: Place
    full: bool


_NOTHING: Final = _Page([], 0, Place(-1, -1), full=False)


class Delivery:
    """The state of one stream; used by one task, `grant` and `end` by another of the same loop.

    Args:
        database: The registry's.
        replica: What this process remembers.
        department: Whose mailbox.
        first: The message that opened the stream.
    """

    def __init__(
        self, database: Database, replica: Replica, department: str, first: pb.DeliverRequest
    ) -> None:
        self._database = database
        self._replica = replica
        self._department = department
        self._cursor = (
            Place(first.start.at, first.start.position) if first.HasField("start") else Place(-1, -1)
        )
        # read up to here: beyond the cursor where nothing was for the department
        self._scanned = self._cursor
        self._letters = first.grant_letters
        self._bytes = first.grant_bytes
        self._ended = False
        self._waiting_since = math.inf
        self._woken = replica.subscribe()
        # said at once: the node learns that it is heard, and how far its clock is off
        self._alive_at = asyncio.get_running_loop().time() - SIGN_OF_LIFE_S

    def grant(self, letters: int, size: int) -> None:
        """Take more credit."""
        self._letters = min(self._letters + letters, _MOST_CREDIT)
        self._bytes = min(self._bytes + size, _MOST_CREDIT)
        self._woken.set()

    def end(self) -> None:
        """The client sends nothing more: `next` answers None."""
        self._ended = True
        self._woken.set()

    def close(self) -> None:
        """Stop being woken."""
        self._replica.unsubscribe(self._woken)

    async def next(self) -> pb.DeliverResponse | None:
        """The next message, waited for if need be; None once the client ended the stream."""
        loop = asyncio.get_running_loop()
        while not self._ended:
            self._woken.clear()
            page = await self._read(self._replica.head)
            now = loop.time()
            wait = min(self._alive_at + SIGN_OF_LIFE_S, self._due(page, now)) - now
            if wait > 0:
                await self._wait(wait)
                continue
            # only now: a head under which nothing is delivered needs no signature
            head, checkpoint = self._replica.checkpoint()
            deliveries = page.deliveries
            proof = await self._prove(deliveries, head)
            response = mailboxes.respond(self._department, self._cursor, deliveries, head, checkpoint, proof)
            if deliveries:
                self._cursor, self._scanned = deliveries[-1][0], page.until
                self._letters -= len(deliveries)
                self._bytes -= page.size
                response.charged_bytes = page.size
            self._waiting_since = math.inf
            self._alive_at = loop.time()
            return response
        return None

    def _due(self, page: _Page, now: float) -> float:
        """When to send a page."""
        if not page.deliveries:
            return math.inf
        if page.full or any(
            each.author != self._department and each.kind != "arrival" for _, each in page.deliveries
        ):
            return now
        self._waiting_since = min(self._waiting_since, now)
        return self._waiting_since + RECEIPTS_WAIT_S

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _read(self, head: Head) -> _Page:
        limit, after, end = min(self._letters, LETTERS), self._scanned, head.size
        newest = Place(end - 1, end - 1)
        if limit <= 0 or after >= newest:
            return _NOTHING
        found = self._replica.recent.read(self._department, after, limit, end)
        if found is None:
            common = self._replica.common_positions
            found = await asyncio.to_thread(
                self._database.read,
                lambda each: mailboxes.read(each, common, self._department, after, limit, end),
            )
        if not found:
            self._scanned = newest
            return _NOTHING
        count, size = self._fitting(found)
        if count == len(found) < limit:
            return _Page(found, size, newest, full=False)
        return _Page(found[:count], size, found[count - 1][0], full=True)

    def _fitting(self, found: list[tuple[Place, Entry]]) -> tuple[int, int]:
        """How many credit and one message hold, and their bytes."""
        count = used = 0
        for _, entry in found:
            size = len(entry.header) + len(entry.payload) + len(entry.extras) + _OVERHEAD
            if used + size > self._bytes or (count and used + size > BYTES):
                break
            used += size
            count += 1
        return count, used

    async def _prove(self, deliveries: list[tuple[Place, Entry]], head: Head) -> list[bytes]:
        if not deliveries:
            return [head.edge.root] if head.size else []
        hashes, positions = self._replica.hashes, mailboxes.positions_of(deliveries)
        proof = hashes.prove_from_memory(positions, head.size)
        if proof is None:
            proof = await asyncio.to_thread(
                self._database.read, lambda each: hashes.multiproof(each, positions, head.size)
            )
        return proof
