"""The outbox in memory: what is sent next, in which order, and what waits.

The table is the truth. Two lanes are served in turn: `fresh`, what is recorded while the link is up, and
the backlog, what a reconnection finds, read page by page. A fresh letter whose case also stands in the
backlog waits until the backlog is through, so that within a case the order of recording holds. When more
is recorded than `fresh` may hold, the rest stays in the table and becomes the next backlog.

A letter that the registry put off holds back the later ones of its case and nobody else's.

Letters wait for nothing. Arrivals, for which nobody waits, wait a moment for company: what a department is
sent one by one is answered in one batch, which costs the registry one group and everybody one delivery.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as pb
from sqlalchemy import Connection

from services.exchange import digests, keys, tables
from services.exchange.department import Department
from services.exchange.letters import BATCH_BYTES
from services.exchange.merkle import BatchTree
from services.exchange.session import REFUSED, OutboxItem

BATCH_LETTERS: Final = 128
FRESH_LIMIT: Final = 8_192
ARRIVALS_WAIT_S: Final = 0.05
"""How long an Arrival waits for a batch to go with."""
PAGE: Final = 512
_PROOFS: Final = 50_000
_SHARE: Final = BATCH_BYTES - 16 * 1024
_LONGEST_PAUSE_S: Final = 60.0
_MAX_DOUBLINGS: Final = 6


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """Letters under one signature."""

    items: tuple[OutboxItem, ...]
    request: pb.SubmitRequest


@dataclass(slots=True)
class Backlog:
    """A range of the table that is being sent: above `after`, up to `until`.

    Attributes:
        cases: Cases with letters in it; fresh letters of these wait.
        page: What was read and not sent yet.
    """

    after: int
    until: int
    cases: frozenset[str] = frozenset()
    page: deque[OutboxItem] | None = None

    @property
    def done(self) -> bool:
        """Everything was read and taken."""
        return self.after >= self.until and not self.page


class Outbox:
    """What one department's link sends next. Used from one event loop, but for `offer` and `proof_of`."""

    def __init__(self, department: Department) -> None:
        self._department = department
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._backlog = Backlog(0, 0)
        self._fresh: deque[OutboxItem] = deque()
        self._later: deque[OutboxItem] = deque()
        self._overflow_after: int | None = None
        self._released: deque[OutboxItem] = deque()
        self._held: dict[str, list[OutboxItem]] = {}
        self._attempts: dict[str, int] = {}
        self._fresh_first = False
        self._generation = 0
        # what an earlier process recorded it may have shown to the registry, too
        self._shown_until = 0
        self._proofs: OrderedDict[str, tuple[envelopes.AuthorProof, BatchTree, int]] = OrderedDict()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that sends."""
        self._loop = loop

    def offer(self, items: Sequence[OutboxItem]) -> None:
        """Take what was just recorded and is durable; from the writer's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take_in, list(items))

    def _take_in(self, items: Sequence[OutboxItem]) -> None:
        for item in items:
            if item.sequence <= self._backlog.until or self._overflow_after is not None:
                continue  # the table brings it
            if len(self._fresh) >= FRESH_LIMIT:
                self._overflow_after = item.sequence - 1
                continue
            self._fresh.append(item)
        if any(item.case_id is not None for item in items):
            self._more.set()
        elif self._waking is None and self._loop is not None:
            self._waking = self._loop.call_later(ARRIVALS_WAIT_S, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._more.set()

    async def restart(self) -> None:
        """A new connection: everything that has no receipt is sent again, oldest first."""
        if self._generation == 0:
            self._shown_until = self._department.sequence
        self._generation += 1
        for memory in (self._fresh, self._later, self._released, self._held):
            memory.clear()
        self._overflow_after = None
        await self._begin_backlog(0)

    async def _begin_backlog(self, after: int) -> None:
        # durable before it is counted: every row up to here is there to be read
        until = self._department.sequence
        self._backlog = Backlog(after, until)
        cases = await self._department.read(lambda connection: cases_in(connection, after, until))
        self._backlog.cases = frozenset(cases)
        self._more.set()

    async def take(self) -> SignedBatch:
        """The next batch; waits until there is one."""
        while True:
            self._more.clear()
            items = await self._gather()
            if items:
                return self._sign(items)
            if self._backlog.done and not (self._fresh or self._released or self._later):
                await self._more.wait()

    async def _gather(self) -> list[OutboxItem]:
        await self._read_on()
        items: list[OutboxItem] = []
        size = 0
        page = self._backlog.page if self._backlog.page is not None else deque()
        lanes = [self._fresh, page] if self._fresh_first else [page, self._fresh]
        self._fresh_first = not self._fresh_first
        for lane in (self._released, *lanes):
            while lane and len(items) < BATCH_LETTERS:
                item = lane[0]
                length = len(item.header) + len(item.payload) + len(item.extras)
                if items and size + length > _SHARE:
                    return items
                lane.popleft()
                if lane is self._fresh and not self._backlog.done and item.case_id in self._backlog.cases:
                    self._later.append(item)
                elif item.case_id is not None and item.case_id in self._held:
                    self._held[item.case_id].append(item)
                else:
                    items.append(item)
                    size += length
        return items

    async def _read_on(self) -> None:
        """Keep a page of the backlog at hand; when it is through, begin what waited for it."""
        backlog = self._backlog
        if backlog.page:
            return
        if backlog.after < backlog.until:
            after, until = backlog.after, backlog.until
            page = await self._department.read(lambda connection: read_page(connection, after, until, PAGE))
            backlog.page = deque(page)
            backlog.after = page[-1].sequence if len(page) == PAGE else backlog.until
            return
        if self._later:
            self._fresh.extendleft(reversed(self._later))
            self._later.clear()
        elif self._overflow_after is not None and not self._fresh:
            after, self._overflow_after = self._overflow_after, None
            await self._begin_backlog(after)

    def _sign(self, items: list[OutboxItem]) -> SignedBatch:
        department = self._department
        tree = BatchTree([digests.batch_leaf(digests.letter_digest(item.header)) for item in items])
        proof = envelopes.AuthorProof(
            suite=envelopes.SUITE_ED25519_SHA256_AES256GCM,
            key_id=department.sign_key_id,
            tree_size=tree.size,
            root=tree.root,
            signature=keys.sign_batch(department.sign_key, department.sign_key_id, tree.size, tree.root),
        )
        request = pb.SubmitRequest(proof=proof)
        for index, item in enumerate(items):
            envelope = request.envelopes.add()
            if item.extras:
                envelope.ParseFromString(item.extras)
            envelope.header = item.header
            envelope.payload = item.payload
            self._proofs[item.letter_id] = (proof, tree, index)
        if len(self._proofs) > _PROOFS:
            self._shown_until = self._department.sequence
        while len(self._proofs) > _PROOFS:
            self._proofs.popitem(last=False)
        return SignedBatch(tuple(items), request)

    def proof_of(self, letter_id: str) -> bytes:
        """The author's proof of a letter that was sent, empty if it is no longer known here."""
        known = self._proofs.pop(letter_id, None)
        if known is None:
            return b""
        proof, tree, index = known
        own = envelopes.AuthorProof()
        own.CopyFrom(proof)
        own.leaf_index = index
        own.path.extend(tree.path(index))
        return own.SerializeToString()

    # -- answers --------------------------------------------------------------------------------

    def answered(self, item: OutboxItem) -> None:
        """It was admitted, and its receipt will come down; or it is refused for good."""
        self._attempts.pop(item.letter_id, None)

    def put_off(self, item: OutboxItem, seconds: float) -> int:
        """Try it again later, its case waiting for it; returns how often it was put off."""
        attempts = self._attempts[item.letter_id] = self._attempts.get(item.letter_id, 0) + 1
        delay = min(max(seconds, 0.05) * 2 ** min(attempts - 1, _MAX_DOUBLINGS), _LONGEST_PAUSE_S)
        if item.case_id is not None:
            self._held.setdefault(item.case_id, []).append(item)
        asyncio.get_running_loop().call_later(delay, self._release, item, self._generation)
        return attempts

    def _release(self, item: OutboxItem, generation: int) -> None:
        if generation != self._generation:
            return  # the connection it belonged to is gone, and the table brought it again
        if item.case_id is None:
            self._released.append(item)
        else:
            held = self._held.pop(item.case_id, [])
            self._released.extend(sorted(held, key=lambda each: each.sequence))
        self._more.set()

    def not_submitted(self, case_ids: Iterable[str | None]) -> frozenset[str]:
        """Letters of these cases at hand that the registry cannot have seen, on no connection before either.

        What it may have seen it may have admitted: only it can say what became of that.
        """
        wanted = {each for each in case_ids if each is not None}
        lanes = (self._fresh, self._later, self._backlog.page or (), *self._held.values())
        waiting = [item for lane in lanes for item in lane if item.case_id in wanted]
        return frozenset(
            item.letter_id
            for item in waiting
            if item.sequence > self._shown_until and item.letter_id not in self._proofs
        )

    def drop(self, letter_ids: Iterable[str]) -> None:
        """These were refused here: they are not sent any more."""
        dropped = set(letter_ids)
        if not dropped:
            return
        for lane in (self._fresh, self._later, self._released, self._backlog.page):
            if lane:
                kept = [item for item in lane if item.letter_id not in dropped]
                lane.clear()
                lane.extend(kept)
        for case_id, held in self._held.items():
            self._held[case_id] = [item for item in held if item.letter_id not in dropped]


def read_page(connection: Connection, after: int, until: int, limit: int) -> list[OutboxItem]:
    """Outbox rows above a sequence and up to another, oldest first."""
    own = tables.letters.c
    rows = connection.execute(
        sa.select(own.sequence, own.letter_id, own.case_id, own.header, own.payload, own.extras)
        .where(own.sequence > after, own.sequence <= until)
        .order_by(own.sequence)
        .limit(limit)
    )
    return [OutboxItem(*row) for row in rows]


def cases_in(connection: Connection, after: int, until: int) -> list[str]:
    """Cases with letters in a range of the outbox."""
    outbox = tables.outbox.c
    return list(
        connection.execute(
            sa.select(outbox.case_id)
            .where(outbox.sequence > after, outbox.sequence <= until, outbox.case_id.is_not(None))
            .distinct()
        ).scalars()
    )


def refused_among(connection: Connection, letter_ids: Iterable[str]) -> list[str]:
    """Which of these letters were refused."""
    letters = tables.letters.c
    return list(
        connection.execute(
            sa.select(letters.letter_id).where(
                letters.letter_id.in_(list(letter_ids)), letters.disposition == REFUSED
            )
        ).scalars()
    )
