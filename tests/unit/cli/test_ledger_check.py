"""A recomputed ledger is the one that was signed, from the first leaf on, or it is refused."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.ledger_check import Recomputation, _of_ledger
from services.exchange.checkpoint import Checkpoint
from services.exchange.digests import Leaf
from services.exchange.merkle import BadProof, BatchTree

LOG = "liandong.qinghe"


def leaves(count: int) -> list[Leaf]:
    return [Leaf(index, 1_000 + index, index // 3, sha256(b"%d" % index).digest()) for index in range(count)]


def head(count: int) -> Checkpoint:
    return Checkpoint(LOG, 1, count, BatchTree([each.hash() for each in leaves(count)]).root)


def recompute(every: list[Leaf]) -> None:
    found = Recomputation()
    found.feed(every)
    found.finish(head(len(every)))


@given(
    size=st.integers(0, 70),
    page=st.integers(1, 20),
    earlier=st.lists(st.integers(0, 70), max_size=5),
)
def test_any_paging_gives_the_signed_root(size: int, page: int, earlier: list[int]) -> None:
    """And every head of before is met on the way."""
    before = [head(each) for each in earlier if each <= size]
    found = Recomputation(before)
    every = leaves(size)
    for start in range(0, size, page):
        found.feed(every[start : start + page])
    assert sorted(found.finish(head(size)), key=lambda each: each.size) == sorted(
        before, key=lambda each: each.size
    )


def test_a_changed_leaf_is_seen() -> None:
    """Whatever of it changed."""
    for change in ({"admitted_at_us": 1_004}, {"common_version": 2}, {"letter_digest": bytes(32)}):
        every = leaves(8)
        every[5] = replace(every[5], **change)
        with pytest.raises(BadProof, match=r"root|goes back"):
            recompute(every)


def test_a_rewritten_past_is_seen() -> None:
    """The new root may be signed, the old one was too."""
    old = replace(head(5), root=bytes(32))
    found = Recomputation([old])
    with pytest.raises(BadProof, match="head of 5 leaves that was signed before, in epoch 1, had another"):
        found.feed(leaves(8))


def test_a_shortened_ledger_is_seen() -> None:
    """Nothing recorded vanishes."""
    found = Recomputation([head(9)])
    found.feed(leaves(8))
    with pytest.raises(BadProof, match="A head of 9 leaves was signed before in epoch 1; now there are 8"):
        found.finish(head(8))


def test_heads_of_an_older_epoch_are_continued_or_named() -> None:
    """A ledger that was opened anew holds what it was opened over; what it lost is never passed over."""
    now = replace(head(8), epoch=2)
    assert _of_ledger([head(5), replace(head(8), epoch=2)], now) == [head(5), now]
    found = Recomputation([head(5)])
    found.feed(leaves(8))
    assert found.finish(now) == (head(5),)
    lost = Recomputation([head(9)])
    lost.feed(leaves(8))
    with pytest.raises(BadProof, match=r"signed before in epoch 1; now .* 8 in epoch 2"):
        lost.finish(now)
    with pytest.raises(BadProof, match="that was signed before, in epoch 1, had another root"):
        Recomputation([replace(head(7), root=bytes(32))]).feed(leaves(8))
    with pytest.raises(BadProof, match="epoch 2, is not one of this ledger"):
        _of_ledger([now], head(8))


def test_leaves_stand_where_they_say() -> None:
    """A page of another place is not taken."""
    with pytest.raises(BadProof, match="leaf at 0 says that it stands at 1"):
        Recomputation().feed(leaves(3)[1:])
