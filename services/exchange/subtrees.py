"""Which subtrees a proof consists of: the arithmetic of RFC 9162 trees, without a single hash.

A *coordinate* (level, index) names the complete subtree over the 2^level leaves from
index * 2^level on; level 0 are the leaves. Complete subtrees never change, so a store keeps them
under that key for ever. Any other subtree lies at the tree's right edge and folds complete ones; a
*subtree* is therefore written as its coordinates from left to right.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

Coordinate = tuple[int, int]
Subtree = tuple[Coordinate, ...]


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
    level = trailing_zeros(first)
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
            level = gap_level(position, stop, size)
            end = position + (1 << level)
            subtrees.append(_subtree(position, min(end, size)))
            position = end
        position = stop + 1
    return subtrees


def coordinates(subtrees: Iterable[Subtree]) -> set[Coordinate]:
    """The complete subtrees that a store has to read for `assemble`."""
    return set(chain.from_iterable(subtrees))


def gap_level(position: int, stop: int, size: int) -> int:
    """The level of the largest subtree that begins at `position` and ends before the leaf `stop`.

    Up to the tree's end it may be one that is not complete.
    """
    level = trailing_zeros(position) if position else (size - 1).bit_length()
    return level if stop == size else min(level, (stop - position).bit_length() - 1)


def trailing_zeros(number: int) -> int:
    """The level of the largest complete subtree that ends, or begins, at a number above 0."""
    return (number & -number).bit_length() - 1


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
