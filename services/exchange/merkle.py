"""Merkle trees in the shape of RFC 9162, 2.1, kept and proved by their complete subtrees.

Appending needs the right edge alone and reads nothing (`RightEdge`). Each proof comes in two steps,
so that a store answers with one query: the subtrees it consists of (`inclusion_subtrees`,
`consistency_subtrees`, `multiproof_subtrees`), then their hashes from the coordinates that were
read (`coordinates`, `assemble`). The short forms (`inclusion_proof`, ...) do both with a lookup.

Verification raises `BadProof` and returns nothing, so that a result which nobody looks at cannot
let a forged proof pass.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Final, Self

from services.common.errors import LiandongError
from services.exchange.subtrees import (
    Coordinate,
    Subtree,
    consistency_subtrees,
    coordinates,
    gap_level,
    inclusion_subtrees,
    multiproof_subtrees,
    trailing_zeros,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "BadProof",
    "BatchTree",
    "Coordinate",
    "Lookup",
    "RightEdge",
    "Subtree",
    "assemble",
    "consistency_proof",
    "consistency_subtrees",
    "coordinates",
    "inclusion_proof",
    "inclusion_subtrees",
    "multiproof",
    "multiproof_subtrees",
    "node_hash",
    "root_from_multiproof",
    "root_from_path",
    "verify_consistency",
    "verify_inclusion",
    "verify_multiproof",
]

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
    value = leaf_hash
    for is_left, sibling in _turns(index, size - 1, path):
        value = node_hash(sibling, value) if is_left else node_hash(value, sibling)
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
    level = trailing_zeros(first)
    node, last = (first >> level) - 1, (second - 1) >> level
    # The first tree's last complete subtree; if that is the whole tree, the proof leaves it out.
    old = new = path[0] if node and path else first_root
    for is_left, sibling in _turns(node, last, path[1:] if node else path):
        if is_left:
            old = node_hash(sibling, old)
        new = node_hash(sibling, new) if is_left else node_hash(new, sibling)
    if old != first_root or new != second_root:
        raise BadProof


def root_from_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes]) -> bytes:
    """The root to which some leaves and the subtrees between them lead.

    One sweep from left to right, in which leaves and proof hashes tile the tree.

    Args:
        leaves: Leaf hashes by index.
        size: Leaves in the tree.
        hashes: The proof, as `multiproof` makes it.

    Raises:
        BadProof: The proof has not the shape for these leaves and this size.
    """
    indices = sorted(leaves)
    if size < 0 or (indices and not 0 <= indices[0] <= indices[-1] < size):
        raise BadProof
    if not _are_hashes(hashes) or not _are_hashes(leaves.values()):
        raise BadProof
    supply = iter(hashes)
    tiles: list[bytes] = []
    position = 0
    for stop in chain(indices, (size,)):
        while position < stop:
            level = gap_level(position, stop, size)
            value = next(supply, b"")
            if not value:
                raise BadProof
            _lay(tiles, position >> level, value)
            position += 1 << level
        if stop < size:
            _lay(tiles, stop, leaves[stop])
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


def _turns(node: int, last: int, path: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
    """The siblings on the way up from a node, each with whether it stands to the left.

    `last` is the last node of the same level: without a right neighbour it moves up as it is.
    Raises BadProof where the path has not one hash per sibling.
    """
    supply = iter(path)
    while last:
        if node & 1 or node < last:
            sibling = next(supply, b"")
            if not sibling:
                raise BadProof
            yield bool(node & 1), sibling
        node >>= 1
        last >>= 1
    if next(supply, b""):
        raise BadProof


def _lay(tiles: list[bytes], node: int, value: bytes) -> None:
    """Lays a subtree beside its left neighbours, merging it with those whose parents it closes."""
    while node & 1:
        value = sha256(_NODE + tiles.pop() + value).digest()
        node >>= 1
    tiles.append(value)


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
