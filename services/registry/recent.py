"""The newest part of ledger and mailboxes in memory: delivering what was just admitted reads no table.

A cache with one rule: it holds everything from `start` on, or nothing. What does not continue it, because
another replica appended meanwhile or a commit's fate was unknown, empties it first.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.exchange.digests import Leaf

_KEPT: Final = 8192
"""Positions remembered: seconds of full load; streams further behind read the tables."""
_KEPT_BYTES: Final = 64 * 1024 * 1024


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
    leaf_index: int
    path: list[bytes]


class Place(NamedTuple):
    """A place in a mailbox: the position that caused the delivery, and the letter's own."""

    at: int
    position: int


class Recent:
    """What was admitted from `start` on. Written by the committer's thread, read by the loop's."""

    def __init__(self, start: int) -> None:
        self._gate = threading.Lock()
        self._reset(start)

    def _reset(self, start: int) -> None:
        self.start = start
        self._entries: dict[int, Entry] = {}
        self._size = 0
        self._boxes: dict[str, list[Place]] = {}
        self._common: list[Place] = []

    @property
    def end(self) -> int:
        """The position after the last one remembered."""
        return self.start + len(self._entries)

    def extend(
        self, entries: Sequence[Entry], places: Iterable[tuple[str, int, int]], common: Iterable[int]
    ) -> None:
        """Add what a durable commit appended; forget the oldest beyond the limit."""
        with self._gate:
            if entries and entries[0].leaf.position != self.end:
                self._reset(entries[0].leaf.position)
            for entry in entries:
                self._entries[entry.leaf.position] = entry
                self._size += _size(entry)
            for department, at, position in places:
                box = self._boxes.get(department)
                if box is None:
                    box = self._boxes[department] = []
                elif box[0].at < self.start:
                    del box[: bisect_right(box, Place(self.start - 1, self.start - 1))]
                # letters of a case's past come after the act that causes them was noted
                if box and box[-1] > (at, position):
                    box.insert(bisect_right(box, (at, position)), Place(at, position))
                else:
                    box.append(Place(at, position))
            self._common.extend([Place(position, position) for position in common])
            while len(self._entries) > _KEPT or self._size > _KEPT_BYTES:
                self._size -= _size(self._entries.pop(self.start))
                self.start += 1

    def clear(self, start: int) -> None:
        """Forget everything; the next entry remembered is `start`."""
        with self._gate:
            self._reset(start)

    def read(self, department: str, after: Place, limit: int, end: int) -> list[tuple[Place, Entry]] | None:
        """The next deliveries after a place and below `end`, None if they are not all in memory."""
        with self._gate:
            if after < (self.start - 1, self.start - 1) or end > self.end:
                return None
            places = _between(self._boxes.get(department, ()), after, end, limit)
            common = _between(self._common, after, end, limit)
            if common:
                places = sorted([*places, *common])[:limit]
            entries = self._entries
            try:
                return [(place, entries[place.position]) for place in places]
            except KeyError:
                return None  # a letter of a case's past, delivered because a department joined

    def delivered(self, department: str, positions: Sequence[int]) -> set[int]:
        """Those of these rising positions whose letters went to a department when they were admitted.

        Only for the committer's thread. What is missing may still have gone to it: before `start`, or later
        with the act that brought the department into a case.
        """
        box = self._boxes.get(department, ())
        found: set[int] = set()
        index = 0
        for position in positions:
            place = (position, position)
            # what one delivery brought stands side by side: the next place is nearly always the one wanted
            if index < len(box) and box[index] != place:
                index = bisect_left(box, place, index)
            if index == len(box):
                break
            if box[index] == place:
                found.add(position)
                index += 1
        return found

    def entry(self, position: int) -> Entry | None:
        """One entry, None if it is not in memory."""
        return self._entries.get(position)


def _between(box: Sequence[Place], after: Place, end: int, limit: int) -> list[Place]:
    first = bisect_right(box, after)
    found = box[first : first + limit]
    while found and found[-1].at >= end:
        found = found[:-1]
    return list(found)


def _size(entry: Entry) -> int:
    return len(entry.header) + len(entry.payload) + len(entry.extras) + 512
