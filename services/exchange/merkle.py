"""Merkle trees in the shape of RFC 9162, 2.1, kept and proved by their complete subtrees.

A *coordinate* (level, index) names the complete subtree over the 2^level leaves from
index * 2^level on; level 0 are the leaf hashes. Complete subtrees never change, so a store keeps
them under that key for ever. Any other subtree lies at the tree's right edge and folds complete
ones; a *subtree* is therefore written as its coordinates from left to right.

Each proof comes in two steps, so that a store answers with one query: the subtrees it consists of
(`inclusion_subtrees`, `consistency_subtrees`, `multiproof_subtrees`), then their hashes from the
coordinates that were read (`coordinates`, `assemble`). The short forms (`inclusion_proof`, ...) do
both with a lookup. Appending needs the right edge alone and reads nothing (`RightEdge`).

Verification raises `BadProof` and returns nothing, so that a result which nobody looks at cannot
let a forged proof pass.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Final, Self

from services.common.errors import LiandongError

Coordinate = tuple[int, int]
Subtree = tuple[Coordinate, ...]
Lookup = Callable[[int, int], bytes]

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256().digest()
_NODE: Final = b"\x01"
_U64: Final = struct.Struct(">Q")


class BadProof(LiandongError):
    """A Merkle path does not lead to the signed root."""

    reason = "BAD_PROOF"
    code = "INVALID_ARGUMENT"


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162, 2.1.1)."""
    return sha256(_NODE + left + right).digest()


class BatchTree:
    """A tree that is whole in memory: a batch, the records of a payload.

    Attributes:
        size: Leaves in the tree.
        root: Root hash; that of the empty tree is SHA-256 of nothing.
    """

    __slots__ = ("_rows", "root", "size")

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        row = list(leaf_hashes)
        rows = [row]
        while len(row) > 1:
            pairs = iter(row)
            above = [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
            # An odd last node moves up as it is: this alone gives the shape of RFC 9162.
            if len(row) & 1:
                above.append(row[-1])
            row = above
            rows.append(row)
        self._rows = rows
        self.size = len(leaf_hashes)
        self.root = row[0] if row else EMPTY_ROOT

    def path(self, index: int) -> list[bytes]:
        """The inclusion proof of a leaf: sibling hashes from the leaf up (RFC 9162, 2.1.3.1).

        Raises:
            IndexError: No leaf has that index.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"no leaf {index} in a tree of {self.size}")
        path = []
        for row in self._rows:
            sibling = index ^ 1
            if sibling < len(row):
                path.append(row[sibling])
            index >>= 1
        return path


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The right edge of an append-only tree: all that appending needs.

    `peaks` are the hashes of the complete subtrees that make up the tree, from left to right, one
    per set bit of `size`. A value: a transaction that fails leaves the old edge as it was.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"{len(self.peaks)} peaks do not make a tree of {self.size} leaves")
        if not _are_hashes(self.peaks):
            raise ValueError(f"a hash has {HASH_SIZE} bytes")

    def append(self, leaf_hashes: Iterable[bytes]) -> tuple[Self, list[tuple[int, int, bytes]]]:
        """Appends leaves.

        Returns:
            The new edge, and the complete subtrees of level 1 and up that the leaves finished, as
            (level, index, hash); with the leaf hashes these are what a store must keep.
        """
        size, peaks = self.size, list(self.peaks)
        completed = []
        for leaf in leaf_hashes:
            value, level, index = leaf, 0, size
            while index & 1:
                value = sha256(_NODE + peaks.pop() + value).digest()
                index >>= 1
                level += 1
                completed.append((level, index, value))
            peaks.append(value)
            size += 1
        return type(self)(size, tuple(peaks)), completed

    @property
    def root(self) -> bytes:
        """Root hash of the tree."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT

    def encode(self) -> bytes:
        """Size in 8 bytes, big endian, then the peaks."""
        return b"".join((_U64.pack(self.size), *self.peaks))

    @classmethod
    def decode(cls, encoding: bytes) -> Self:
        """The edge that `encode` wrote.

        Raises:
            ValueError: The bytes are no encoded edge.
        """
        if len(encoding) % HASH_SIZE != _U64.size:
            raise ValueError("the bytes are no right edge")
        (size,) = _U64.unpack_from(encoding)
        starts = range(_U64.size, len(encoding), HASH_SIZE)
        return cls(size, tuple(encoding[start : start + HASH_SIZE] for start in starts))


def inclusion_subtrees(index: int, size: int) -> list[Subtree]:
    """The subtrees whose hashes are the inclusion proof of a leaf (RFC 9162, 2.1.3.1).

    Raises:
        IndexError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    return _siblings(0, index, size)


def consistency_subtrees(first: int, second: int) -> list[Subtree]:
    """The subtrees whose hashes prove that one tree continues another (RFC 9162, 2.1.4.1).

    Between equal sizes, and from the empty tree, there is nothing to prove.

    Raises:
        ValueError: The first tree is larger than the second.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} cannot continue one of {first}")
    if first in (0, second):
        return []
    level = _trailing_zeros(first)
    index = (first >> level) - 1
    # A first tree that is one complete subtree is known to the verifier by its root.
    known: list[Subtree] = [((level, index),)] if index else []
    return known + _siblings(level, index, size=second)


def multiproof_subtrees(indices: Sequence[int], size: int) -> list[Subtree]:
    """The subtrees whose hashes, together with some leaves, give the root.

    Args:
        indices: The leaves that the verifier has, strictly rising; may be empty.
        size: Leaves in the tree.

    Returns:
        The maximal subtrees that hold none of these leaves, from left to right.

    Raises:
        IndexError: An index is not in the tree, or not above the one before it.
    """
    subtrees: list[Subtree] = []
    position = 0
    for stop in chain(indices, (size,)):
        if not position <= stop <= size:
            raise IndexError(f"indices are to rise and to be below {size}")
        while position < stop:
            level = _gap_level(position, stop, size)
            end = position + (1 << level)
            subtrees.append(_subtree(position, min(end, size)))
            position = end
        position = stop + 1
    return subtrees


def coordinates(subtrees: Iterable[Subtree]) -> set[Coordinate]:
    """The complete subtrees that a store has to read for `assemble`."""
    return set(chain.from_iterable(subtrees))


def assemble(subtrees: Iterable[Subtree], hashes: Mapping[Coordinate, bytes]) -> list[bytes]:
    """The hashes of subtrees, in their order.

    Raises:
        KeyError: A complete subtree is missing from `hashes`.
    """
    return [_fold([hashes[coordinate] for coordinate in subtree]) for subtree in subtrees]


def inclusion_proof(index: int, size: int, lookup: Lookup) -> list[bytes]:
    """The inclusion proof of a leaf, by one lookup(level, index) per complete subtree."""
    return _resolve(inclusion_subtrees(index, size), lookup)


def consistency_proof(first: int, second: int, lookup: Lookup) -> list[bytes]:
    """The consistency proof between two sizes, by one lookup(level, index) per complete subtree."""
    return _resolve(consistency_subtrees(first, second), lookup)


def multiproof(indices: Sequence[int], size: int, lookup: Lookup) -> list[bytes]:
    """The multiproof of several leaves, by one lookup(level, index) per complete subtree."""
    return _resolve(multiproof_subtrees(indices, size), lookup)


def root_from_path(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which an inclusion proof leads (RFC 9162, 2.1.3.2).

    Raises:
        BadProof: The path has not the shape of a proof for this index and size.
    """
    if not 0 <= index < size or not _are_hashes((leaf_hash, *path)):
        raise BadProof
    value, node, last = leaf_hash, index, size - 1
    for sibling in path:
        if last == 0:
            raise BadProof
        if node & 1 or node == last:
            value = sha256(_NODE + sibling + value).digest()
            # An odd last node came up unpaired from every level at which it had no sibling.
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            value = sha256(_NODE + value + sibling).digest()
        node >>= 1
        last >>= 1
    if last:
        raise BadProof
    return value


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Checks that a leaf is in a tree (RFC 9162, 2.1.3.2).

    Raises:
        BadProof: It is not proved.
    """
    if root_from_path(leaf_hash, index, size, path) != root:
        raise BadProof


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> None:
    """Checks that the tree of size `second` continues that of size `first` (RFC 9162, 2.1.4.2).

    Raises:
        BadProof: It is not proved.
    """
    if not 0 <= first <= second or not _are_hashes((first_root, second_root, *path)):
        raise BadProof
    if first in (0, second):
        known_root = second_root if first else EMPTY_ROOT
        if path or first_root != known_root or (second == 0 and second_root != EMPTY_ROOT):
            raise BadProof
        return
    node, last = first - 1, second - 1
    while node & 1:
        node >>= 1
        last >>= 1
    hashes = iter(path) if node else chain((first_root,), path)
    old = new = next(hashes, b"")
    for sibling in hashes:
        if last == 0:
            raise BadProof
        if node & 1 or node == last:
            old = sha256(_NODE + sibling + old).digest()
            new = sha256(_NODE + sibling + new).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = sha256(_NODE + new + sibling).digest()
        node >>= 1
        last >>= 1
    if last or old != first_root or new != second_root:
        raise BadProof


def root_from_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes]) -> bytes:
    """The root to which some leaves and the subtrees between them lead.

    One sweep from left to right: leaves and proof hashes tile the tree, and each tile is merged
    with its left neighbours as far as it closes their parents.

    Args:
        leaves: Leaf hashes by index.
        size: Leaves in the tree.
        hashes: The proof, as `multiproof` makes it.

    Raises:
        BadProof: The proof has not the shape for these leaves and this size.
    """
    indices = sorted(leaves)
    if not _are_hashes(hashes) or not _are_hashes(leaves.values()):
        raise BadProof
    if size < 0 or (indices and (indices[0] < 0 or indices[-1] >= size)):
        raise BadProof
    supply = iter(hashes)
    tiles: list[bytes] = []
    position = 0
    for stop in chain(indices, (size,)):
        while position < stop:
            level = _gap_level(position, stop, size)
            value = next(supply, b"")
            if not value:
                raise BadProof
            node = position >> level
            while node & 1:
                value = sha256(_NODE + tiles.pop() + value).digest()
                node >>= 1
            tiles.append(value)
            position += 1 << level
        if stop == size:
            break
        value, node = leaves[stop], stop
        while node & 1:
            value = sha256(_NODE + tiles.pop() + value).digest()
            node >>= 1
        tiles.append(value)
        position = stop + 1
    if next(supply, b""):
        raise BadProof
    return _fold(tiles) if tiles else EMPTY_ROOT


def verify_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes], root: bytes) -> None:
    """Checks that all of these leaves are in a tree.

    Raises:
        BadProof: It is not proved.
    """
    if root_from_multiproof(leaves, size, hashes) != root:
        raise BadProof


def _siblings(level: int, index: int, size: int) -> list[Subtree]:
    """The siblings of a node and of its ancestors, from the node up."""
    subtrees = []
    while 1 << level < size:
        start = (index ^ 1) << level
        if start < size:
            subtrees.append(_subtree(start, min(start + (1 << level), size)))
        index >>= 1
        level += 1
    return subtrees


def _subtree(start: int, stop: int) -> Subtree:
    """The complete subtrees that tile the leaves from `start` to below `stop`, the largest first."""
    tiles = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        tiles.append((level, start >> level))
        start += 1 << level
    return tuple(tiles)


def _gap_level(position: int, stop: int, size: int) -> int:
    """The level of the largest subtree that begins at `position` and ends before the leaf `stop`.

    Up to the tree's end it may be one that is not complete.
    """
    level = _trailing_zeros(position) if position else (size - 1).bit_length()
    return level if stop == size else min(level, (stop - position).bit_length() - 1)


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees of falling size: the smaller ones are joined first."""
    value = hashes[-1]
    for left in hashes[-2::-1]:
        value = sha256(_NODE + left + value).digest()
    return value


def _are_hashes(values: Iterable[bytes]) -> bool:
    """Whether all are 32 bytes: else two neighbours could share out their bytes differently."""
    return all(len(value) == HASH_SIZE for value in values)


def _resolve(subtrees: list[Subtree], lookup: Lookup) -> list[bytes]:
    return assemble(subtrees, {coordinate: lookup(*coordinate) for coordinate in coordinates(subtrees)})
