"""The trees, judged by the recursive definitions of RFC 9162 written down once more."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange import merkle
from services.exchange.merkle import BadProof, BatchTree, RightEdge

LEAVES = [hashlib.sha256(b"\0" + str(number).encode()).digest() for number in range(300)]
SIZES = st.integers(1, 300)
quick = settings(max_examples=60, deadline=None)


def split(size: int) -> int:
    """The largest power of two below a size."""
    return int(1 << ((size - 1).bit_length() - 1))


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = split(len(leaves))
    return hashlib.sha256(b"\1" + tree_hash(leaves[:middle]) + tree_hash(leaves[middle:])).digest()


def audit_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    if index < middle:
        return [*audit_path(index, leaves[:middle]), tree_hash(leaves[middle:])]
    return [*audit_path(index - middle, leaves[middle:]), tree_hash(leaves[:middle])]


def subproof(first: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if first == len(leaves):
        return [] if known else [tree_hash(leaves)]
    middle = split(len(leaves))
    if first <= middle:
        return [*subproof(first, leaves[:middle], known=known), tree_hash(leaves[middle:])]
    return [*subproof(first - middle, leaves[middle:], known=False), tree_hash(leaves[:middle])]


def maximal_subtrees(indices: set[int], leaves: Sequence[bytes], start: int = 0) -> list[bytes]:
    """The roots of the maximal subtrees that hold none of the indices, from left to right."""
    if not indices.intersection(range(start, start + len(leaves))):
        return [tree_hash(leaves)] if leaves else []
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    return maximal_subtrees(indices, leaves[:middle], start) + maximal_subtrees(
        indices, leaves[middle:], start + middle
    )


class Store:
    """Complete subtrees by coordinate, as a store keeps them."""

    def __init__(self, size: int) -> None:
        self.edge, completed = RightEdge().append(LEAVES[:size])
        self.hashes = {(0, index): leaf for index, leaf in enumerate(LEAVES[:size])}
        self.hashes |= {(level, index): value for level, index, value in completed}

    def lookup(self, level: int, index: int) -> bytes:
        return self.hashes[level, index]


def flip(value: bytes, bit: int) -> bytes:
    """The value with one bit turned over."""
    flipped = bytearray(value)
    flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
    return bytes(flipped)


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    """The published roots over Certificate Transparency's sample leaves come out."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    entries.append("606162636465666768696a6b6c6d6e6f")
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(entry)).digest() for entry in entries]

    assert BatchTree(leaves[:size]).root.hex() == root
    assert RightEdge().append(leaves[:size])[0].root.hex() == root


@given(st.integers(0, 300), st.integers(0, 300))
@quick
def test_appending_in_any_portions_gives_the_tree_of_all(size: int, cut: int) -> None:
    """However the leaves are grouped, root and stored subtrees are the same."""
    cut = min(cut, size)
    edge, early = RightEdge().append(LEAVES[:cut])
    edge, late = RightEdge.decode(edge.encode()).append(LEAVES[cut:size])

    assert edge.root == BatchTree(LEAVES[:size]).root == tree_hash(LEAVES[:size])
    assert early + late == RightEdge().append(LEAVES[:size])[1]
    assert all(
        value == tree_hash(LEAVES[index << level : (index + 1) << level])
        for level, index, value in early + late
    )
    assert len(early + late) == size - size.bit_count()


def test_appending_leaves_the_old_edge_as_it_was() -> None:
    """A transaction that fails after appending goes on from the edge it had."""
    edge, _ = RightEdge().append(LEAVES[:5])
    before = (edge.size, edge.root)

    edge.append(LEAVES[5:9])

    assert (edge.size, edge.root) == before


@pytest.mark.parametrize("encoding", [b"", b"\0" * 7, b"\0" * 8 + b"x" * 32, b"\0" * 7 + b"\1", b"\0" * 40])
def test_other_bytes_are_no_right_edge(encoding: bytes) -> None:
    """Size and number of peaks must fit."""
    with pytest.raises(ValueError, match=r"edge|peaks"):
        RightEdge.decode(encoding)


@given(st.data())
@quick
def test_inclusion_proofs_are_those_of_the_definition(data: st.DataObject) -> None:
    """Batch tree, store and RFC agree, and the proof verifies."""
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    store = Store(size)

    path = merkle.inclusion_proof(index, size, store.lookup)

    assert path == audit_path(index, LEAVES[:size]) == BatchTree(LEAVES[:size]).path(index)
    merkle.verify_inclusion(LEAVES[index], index, size, path, store.edge.root)


@given(st.data())
@quick
def test_an_inclusion_proof_with_any_flipped_bit_fails(data: st.DataObject) -> None:
    """Leaf, path and root are bound bit by bit; index and size by the shape or the root."""
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    tree = BatchTree(LEAVES[:size])
    parts = [LEAVES[index], tree.root, *tree.path(index)]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flip(parts[place], data.draw(st.integers(0, 255)))

    with pytest.raises(BadProof):
        merkle.verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    if size > 1:
        other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
        with pytest.raises(BadProof):
            merkle.verify_inclusion(LEAVES[index], other, size, tree.path(index), tree.root)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_proof_is_made_or_taken_outside_the_tree(index: int, size: int) -> None:
    """An index that is not in the tree is the caller's mistake, or a forger's attempt."""
    with pytest.raises(IndexError):
        merkle.inclusion_subtrees(index, size)
    with pytest.raises(IndexError):
        BatchTree(LEAVES[:size]).path(index)
    with pytest.raises(BadProof):
        merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


def test_a_path_too_long_or_too_short_fails() -> None:
    """Each level has exactly the siblings that the shape demands."""
    tree = BatchTree(LEAVES[:7])
    path = tree.path(6)
    for wrong in (path[:-1], [*path, path[0]], [path[0][:31], path[1]], []):
        with pytest.raises(BadProof):
            merkle.verify_inclusion(LEAVES[6], 6, 7, wrong, tree.root)


@given(st.data())
@quick
def test_consistency_proofs_are_those_of_the_definition(data: st.DataObject) -> None:
    """Store and RFC agree, and the proof verifies."""
    second = data.draw(SIZES)
    first = data.draw(st.integers(1, second))
    store = Store(second)

    path = merkle.consistency_proof(first, second, store.lookup)

    assert path == subproof(first, LEAVES[:second], known=True)
    merkle.verify_consistency(first, tree_hash(LEAVES[:first]), second, store.edge.root, path)


@given(st.data())
@quick
def test_a_consistency_proof_with_any_flipped_bit_fails(data: st.DataObject) -> None:
    """Both roots and every hash are bound."""
    second = data.draw(SIZES)
    first = data.draw(st.integers(1, second))
    store = Store(second)
    parts = [tree_hash(LEAVES[:first]), store.edge.root]
    parts += merkle.consistency_proof(first, second, store.lookup)
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flip(parts[place], data.draw(st.integers(0, 255)))

    with pytest.raises(BadProof):
        merkle.verify_consistency(first, parts[0], second, parts[1], parts[2:])


def test_a_rewritten_ledger_is_not_consistent() -> None:
    """A tree in which one old leaf was replaced cannot be proved to continue the old one."""
    forged = [*LEAVES[:2], LEAVES[99], *LEAVES[3:9]]
    proof = subproof(5, forged, known=True)

    with pytest.raises(BadProof):
        merkle.verify_consistency(5, tree_hash(LEAVES[:5]), 9, tree_hash(forged), proof)


def test_every_tree_continues_the_empty_one_and_itself() -> None:
    """There is nothing to prove, and a proof all the same is refused."""
    root = tree_hash(LEAVES[:5])
    empty = merkle.EMPTY_ROOT
    assert merkle.consistency_subtrees(0, 5) == merkle.consistency_subtrees(5, 5) == []
    merkle.verify_consistency(0, empty, 5, root, [])
    merkle.verify_consistency(5, root, 5, root, [])
    merkle.verify_consistency(0, empty, 0, empty, [])
    for first, old, second, new, path in [
        (0, root, 5, root, []),
        (5, LEAVES[0], 5, root, []),
        (0, empty, 0, root, []),
        (5, root, 5, root, [LEAVES[0]]),
        (6, root, 5, root, []),
        (3, root, 5, root, []),
    ]:
        with pytest.raises(BadProof):
            merkle.verify_consistency(first, old, second, new, path)
    with pytest.raises(ValueError, match="continue"):
        merkle.consistency_subtrees(6, 5)


@given(st.data())
@quick
def test_multiproofs_are_the_maximal_subtrees_without_delivered_leaves(data: st.DataObject) -> None:
    """Store and definition agree, and the root comes out."""
    size = data.draw(st.integers(0, 300))
    indices = data.draw(st.sets(st.integers(0, size - 1), max_size=40)) if size else set()
    store = Store(size)

    hashes = merkle.multiproof(sorted(indices), size, store.lookup)

    assert hashes == maximal_subtrees(indices, LEAVES[:size])
    leaves = {index: LEAVES[index] for index in indices}
    merkle.verify_multiproof(leaves, size, hashes, store.edge.root)


@given(st.data())
@quick
def test_a_multiproof_with_any_flipped_bit_fails(data: st.DataObject) -> None:
    """Every leaf, every hash and the root are bound; one hash more or less fails too."""
    size = data.draw(SIZES)
    indices = sorted(data.draw(st.sets(st.integers(0, size - 1), max_size=40)))
    store = Store(size)
    hashes = merkle.multiproof(indices, size, store.lookup)
    parts = [store.edge.root, *(LEAVES[index] for index in indices), *hashes]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flip(parts[place], data.draw(st.integers(0, 255)))
    leaves = dict(zip(indices, parts[1 : len(indices) + 1], strict=True))

    with pytest.raises(BadProof):
        merkle.verify_multiproof(leaves, size, parts[len(indices) + 1 :], parts[0])
    genuine = {index: LEAVES[index] for index in indices}
    with pytest.raises(BadProof):
        merkle.verify_multiproof(genuine, size, [*hashes, LEAVES[0]], store.edge.root)
    if hashes:
        with pytest.raises(BadProof):
            merkle.verify_multiproof(genuine, size, hashes[:-1], store.edge.root)


@pytest.mark.parametrize("indices", [[3, 3], [4, 2], [-1], [7], [6, 7], [8]])
def test_indices_of_a_multiproof_rise_within_the_tree(indices: list[int]) -> None:
    """Anything else is the caller's mistake, or a forger's attempt."""
    with pytest.raises(IndexError):
        merkle.multiproof_subtrees(indices, 7)
    if len(set(indices)) == 1 and indices[0] not in range(7):
        with pytest.raises(BadProof):
            merkle.root_from_multiproof({indices[0]: LEAVES[0]}, 7, [])


def test_two_steps_read_each_complete_subtree_once() -> None:
    """The coordinates are a set for one query; assembling them gives what lookups give."""
    store = Store(299)
    subtrees = merkle.multiproof_subtrees([7, 130], 299)

    needed = merkle.coordinates(subtrees)

    hashes = merkle.assemble(subtrees, {coordinate: store.hashes[coordinate] for coordinate in needed})
    assert hashes == merkle.multiproof([7, 130], 299, store.lookup)
    with pytest.raises(KeyError):
        merkle.assemble(subtrees, {})


def test_a_proof_in_a_huge_tree_needs_few_subtrees() -> None:
    """About twice the binary logarithm: what a proof costs hardly grows with the ledger."""
    size = 2**40 - 1
    for index in (0, 12345678901, size - 1):
        assert len(merkle.coordinates(merkle.inclusion_subtrees(index, size))) <= 80
        assert len(merkle.coordinates(merkle.multiproof_subtrees([index], size))) <= 80
