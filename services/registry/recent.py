"""The newest part of ledger and mailboxes in memory, so that a delivery right after its admission reads no table.

A cache with one rule: it holds everything from `start` on, or nothing. When another replica appended
meanwhile, or a commit's fate was unknown, it is emptied and starts again at the new end.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from services.exchange.digests import Leaf

_KEPT: Final = 8192
"""Positions remembered: seconds of full load; streams further behind read the tables."""


class BatchProof(NamedTuple):
    """The author's signature over a batch, as stored."""

    suite: int
    key_id: str
    size: int
    root: bytes
    signature: bytes


class Entry(NamedTuple):
    """An admitted letter with everything that its delivery needs."""

    leaf: Leaf
    leaf_hash: bytes
    letter_id: str
    kind: str
    author: str
    header: bytes
    payload: bytes
    extras: bytes
    flags: str
    batch: BatchProof
    index: int
    path: list[bytes]


class Place(NamedTuple):
    """A place in a mailbox: the position that caused the delivery, and the letter's own."""

    at: int
    position: int


class Recent:
    """What was admitted from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._entries: dict[int, Entry] = {}
        self._boxes: defaultdict[str, deque[Place]] = defaultdict(deque)
        self._common: deque[Place] = deque()

    def extend(
        self, entries: Iterable[Entry], places: Iterable[tuple[str, int, int]], common: Iterable[int]
    ) -> None:
        """Add what a durable commit appended; forget the oldest beyond the limit."""
        for entry in entries:
            self._entries[entry.leaf.position] = entry
        for department, at, position in places:
            self._boxes[department].append(Place(at, position))
        self._common.extend(Place(position, position) for position in common)
        while len(self._entries) > _KEPT:
            del self._entries[self.start]
            self.start += 1

    def read(self, department: str, after: Place, limit: int) -> list[tuple[Place, Entry]] | None:
        """The next deliveries after a place, None if they are not all in memory."""
        if after.at < self.start - 1:
            return None
        places = self._after(self._boxes[department], after, limit)
        places += self._after(self._common, after, limit)
        places.sort()
        found = []
        for place in places[:limit]:
            entry = self._entries.get(place.position)
            if entry is None:
                return None  # a letter of a case's past, delivered because a department joined
            found.append((place, entry))
        return found

    def entry(self, position: int) -> Entry | None:
        """One entry, None if it is not in memory."""
        return self._entries.get(position)

    def _after(self, box: deque[Place], after: Place, limit: int) -> list[Place]:
        while box and box[0].at < self.start:
            box.popleft()
        # streams read near the end: walk from there
        newer: list[Place] = []
        for place in reversed(box):
            if place <= after:
                break
            newer.append(place)
        newer.reverse()
        return newer[:limit]
