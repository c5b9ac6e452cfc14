"""A head follows another only if the ledger grew, or was opened anew over all that was seen of it."""

from dataclasses import replace

import pytest

from services.exchange import merkle
from services.exchange.checkpoint import Checkpoint
from services.exchange.continuity import EpochNotContinued, HeadGoesBack, check_continued, must_be_proved
from services.exchange.digests import Leaf
from services.exchange.merkle import BadProof, BatchTree

LEAVES = [Leaf(index, index, 0, bytes([index]) * 32).hash() for index in range(12)]
OTHERS = [*LEAVES[:6], *(Leaf(index, index, 1, bytes(32)).hash() for index in range(6, 12))]


def head(size: int, epoch: int = 1, leaves: list[bytes] = LEAVES) -> Checkpoint:
    return Checkpoint("liandong.qinghe", epoch, size, BatchTree(leaves[:size]).root)


def path(first: int, second: int, leaves: list[bytes] = LEAVES) -> list[bytes]:
    subtrees = merkle.consistency_subtrees(first, second)
    tree = BatchTree(leaves[:second])
    return merkle.assemble(
        subtrees, {(level, index): tree._rows[level][index] for level, index in merkle.coordinates(subtrees)}
    )


def test_within_an_epoch_a_ledger_grows() -> None:
    """A proof now and then is enough: one finds every fork before it."""
    assert not must_be_proved(None, head(3))
    for size in (4, 5, 12):
        assert not must_be_proved(head(4), head(size))
    for shown in (head(3), replace(head(4), root=bytes(32))):
        with pytest.raises(HeadGoesBack):
            must_be_proved(head(4), shown)
    check_continued(head(4), head(12), path(4, 12))
    with pytest.raises(BadProof):
        check_continued(head(8), head(12, leaves=OTHERS), path(8, 12, OTHERS))


def test_an_older_epoch_is_never_gone_back_to() -> None:
    """However large it is."""
    with pytest.raises(HeadGoesBack, match="epoch 1; epoch 2 was seen"):
        must_be_proved(head(4, epoch=2), head(12))


@pytest.mark.parametrize("size", [4, 6, 8])
def test_a_new_epoch_is_followed_with_a_proof_alone(size: int) -> None:
    """Also at the same size, where within an epoch equal roots would do."""
    known, new = head(4), head(size, epoch=2)
    assert must_be_proved(known, new)
    check_continued(known, new, path(4, size))
    if size > 4:
        with pytest.raises(EpochNotContinued):
            check_continued(known, new, [])


def test_who_saw_more_than_the_new_epoch_holds_stays_away() -> None:
    """A shorter ledger, a longer one that went on otherwise, and the same size with other leaves."""
    with pytest.raises(EpochNotContinued, match="does not continue the 8 leaves of epoch 1") as refused:
        must_be_proved(head(8), head(6, epoch=2))
    assert refused.value.reason == "HEAD_UNKNOWN"
    for size in (8, 12):
        new = head(size, epoch=2, leaves=OTHERS)
        assert must_be_proved(head(8), new)
        with pytest.raises(EpochNotContinued, match="epoch 1"):
            check_continued(head(8), new, path(8, size, OTHERS))


def test_who_saw_nothing_has_nothing_to_be_continued() -> None:
    """The empty ledger is the beginning of every epoch."""
    assert not must_be_proved(head(0), head(5, epoch=2))
