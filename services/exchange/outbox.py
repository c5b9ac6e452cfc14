"""The outbox in memory: what is to be sent, in which order, and what waits.

The table is the truth; this is its newest part. `fresh` holds what was recorded since the connection
began, bounded; beyond the bound letters stay in the table and come by the backlog. A letter that the
registry put off holds back the later ones of its case and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as pb
from services.exchange import digests, keys, tables
from services.exchange.department import REFUSED, Department, OutboxItem
from services.exchange.letters import BATCH_BYTES
from services.exchange.merkle import BatchTree

BATCH_LETTERS: Final = 128
_FRESH_LIMIT: Final = 8_192
_PAGE: Final = 512
_PROOFS: Final = 50_000
_SHARE: Final = BATCH_BYTES - 16 * 1024


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """Letters under one signature."""

    items: tuple[OutboxItem, ...]
    request: pb.SubmitRequest


class Outbox:
    """What one department's link sends next."""

    def __init__(self, department: Department) -> None:
        self._department = department
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more = asyncio.Event()
        self._fresh: deque[OutboxItem] = deque()
        self._backlog: deque[OutboxItem] = deque()
        self._behind = False
        self._read_up_to = 0
        self._flying: dict[str, OutboxItem] = {}
        self._answered: set[str] = set()
        self._held: dict[str, deque[OutboxItem]] = {}
        self._attempts: dict[str, int] = {}
        self._turn = False
        self._proofs: OrderedDict[str, tuple[envelopes.AuthorProof, BatchTree, int]] = OrderedDict()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that sends."""
        self._loop = loop

    def offer(self, items: Sequence[OutboxItem]) -> None:
        """Take what was just recorded; from the writer's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take_in, list(items))

    def _take_in(self, items: Sequence[OutboxItem]) -> None:
        if self._behind or len(self._fresh) + len(items) > _FRESH_LIMIT:
            # they are in the table; reading it in order brings them
            self._behind = True
        else:
            self._fresh.extend(items)
        self._more.set()

    async def restart(self) -> None:
        """A new connection: everything that has no receipt is sent again, oldest first."""
        self._fresh.clear()
        self._backlog.clear()
        self._flying.clear()
        self._held.clear()
        self._answered.clear()
        self._behind = True
        self._read_up_to = 0
        self._more.set()

    async def take(self) -> SignedBatch:
        """The next batch; waits until there is one."""
        while True:
            items = await self._gather()
            if items:
                return self._sign(items)
            self._more.clear()
            if not self._fresh and not self._backlog and not self._behind:
                await self._more.wait()

    async def _gather(self) -> list[OutboxItem]:
        if self._behind and not self._backlog:
            await self._read_on()
        lanes = [self._fresh, self._backlog] if self._turn else [self._backlog, self._fresh]
        self._turn = not self._turn
        # letters of a case that also stands in the backlog must not overtake it
        behind = (
            {each.case_id for each in self._backlog if each.case_id}
            if self._fresh and self._backlog
            else set()
        )
        items: list[OutboxItem] = []
        size = 0
        for lane in lanes:
            kept: deque[OutboxItem] = deque()
            while lane and len(items) < BATCH_LETTERS:
                item = lane[0]
                bytes_ = len(item.header) + len(item.payload) + len(item.extras)
                if items and size + bytes_ > _SHARE:
                    break
                lane.popleft()
                if item.letter_id in self._flying or item.letter_id in self._answered:
                    continue
                if lane is self._fresh and item.case_id in behind:
                    kept.append(item)
                    continue
                if item.case_id is not None and item.case_id in self._held:
                    self._held[item.case_id].append(item)
                    continue
                items.append(item)
                size += bytes_
            lane.extendleft(reversed(kept))
        for item in items:
            self._flying[item.letter_id] = item
        return items

    async def _read_on(self) -> None:
        """The next page of the table."""
        after = self._read_up_to
        page = await self._department.read(lambda connection: read_page(connection, after, _PAGE))
        if page:
            self._read_up_to = page[-1].sequence
            self._backlog.extend(page)
        if len(page) < _PAGE:
            # what is recorded from now on is offered; what was recorded meanwhile stands above the last row read
            newest = self._department.sequence
            if self._read_up_to >= newest or not page:
                self._behind = False

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

    def admitted(self, item: OutboxItem) -> None:
        """Its receipt will come down."""
        self._done(item)

    def refused(self, item: OutboxItem) -> None:
        """It is refused for good."""
        self._done(item)

    def _done(self, item: OutboxItem) -> None:
        self._flying.pop(item.letter_id, None)
        self._attempts.pop(item.letter_id, None)
        if self._behind or self._backlog:
            # a page that was read before may still hold it
            self._answered.add(item.letter_id)
        elif self._answered:
            self._answered.clear()

    def put_off(self, item: OutboxItem, seconds: float) -> int:
        """Try it again later, its case waiting for it; returns how often it was put off."""
        self._flying.pop(item.letter_id, None)
        attempts = self._attempts[item.letter_id] = self._attempts.get(item.letter_id, 0) + 1
        delay = min(seconds * 2 ** min(attempts - 1, 6), 60.0)
        if item.case_id is not None:
            held = self._held.setdefault(item.case_id, deque())
            held.appendleft(item)
        if self._loop is not None:
            self._loop.call_later(delay, self._release, item)
        return attempts

    def _release(self, item: OutboxItem) -> None:
        if item.case_id is None:
            self._backlog.appendleft(item)
        else:
            held = sorted(self._held.pop(item.case_id, ()), key=lambda each: each.sequence)
            self._backlog.extendleft(reversed(held))
        self._more.set()

    def not_submitted(self, case_ids: Iterable[str | None]) -> frozenset[str]:
        """Letters of these cases that the registry has not been shown since the connection began."""
        wanted = set(case_ids)
        waiting = [item for lane in (self._fresh, self._backlog) for item in lane if item.case_id in wanted]
        waiting += [item for case_id in wanted if case_id in self._held for item in self._held[case_id]]
        return frozenset(item.letter_id for item in waiting if item.letter_id not in self._attempts)

    def drop_refused(self, letter_ids: Iterable[str]) -> None:
        """These were refused here: they are not sent any more."""
        dropped = set(letter_ids)
        if not dropped:
            return
        self._answered |= dropped
        self._fresh = deque(item for item in self._fresh if item.letter_id not in dropped)
        self._backlog = deque(item for item in self._backlog if item.letter_id not in dropped)


def read_page(connection: Connection, after: int, limit: int) -> list[OutboxItem]:
    """Outbox rows above a sequence, oldest first."""
    outbox, letters = tables.outbox.c, tables.letters.c
    rows = connection.execute(
        sa.select(
            outbox.sequence, outbox.letter_id, outbox.case_id, letters.header, letters.payload, letters.extras
        )
        .join(tables.letters, letters.letter_id == outbox.letter_id)
        .where(outbox.sequence > after)
        .order_by(outbox.sequence)
        .limit(limit)
    )
    return [OutboxItem(*row) for row in rows]


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
