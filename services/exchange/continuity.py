"""Which head may follow which: a ledger only grows, and what it lost it lost in plain sight (docs/wire.md, Heads).

Within an epoch a head continues every one before it. A new epoch is opened after a loss, over what was brought
back: it continues the heads of before only up to where it was opened. The number of the epoch is signed with
the head, but that a registry says that it starts anew proves nothing: whoever has seen more than the new epoch
holds stays with what was seen, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.common.errors import LiandongError
from services.exchange.checkpoint import Checkpoint, ForeignCheckpoint
from services.exchange.merkle import BadProof, verify_consistency


class HeadGoesBack(LiandongError):
    """The registry shows an older head than before, or two heads of one size."""

    reason = "STALE"
    code = "ABORTED"


class EpochNotContinued(ForeignCheckpoint):
    """The ledger was opened anew without what was seen of it here: tell the registry's operator."""


def must_be_proved(known: Checkpoint | None, head: Checkpoint) -> bool:
    """Whether a verified head may follow another only with a consistency proof, at once.

    Between heads of one epoch a proof now and then is enough: each finds every fork before it. Over the
    beginning of an epoch there is no such later proof to wait for.

    Args:
        known: The last head verified, None if there is none.
        head: The head that is to follow; of the same ledger.

    Raises:
        HeadGoesBack: It is of an older epoch, smaller, or another one of the same size.
        EpochNotContinued: It is of a newer epoch and smaller than what was seen.
    """
    if known is None:
        return False
    if head.epoch < known.epoch:
        raise HeadGoesBack(f"The registry shows epoch {head.epoch}; epoch {known.epoch} was seen before.")
    if head.epoch > known.epoch:
        if head.size < known.size:
            raise EpochNotContinued(_lost(known, head))
        return known.size > 0
    if head.size < known.size:
        raise HeadGoesBack("The registry shows an older head than before.")
    if head.size == known.size and head.root != known.root:
        raise HeadGoesBack("The registry shows two heads of one size.")
    return False


def check_continued(known: Checkpoint, head: Checkpoint, path: Sequence[bytes]) -> None:
    """Check a consistency proof between two heads of a ledger, of whichever epochs.

    Raises:
        BadProof: Within an epoch the ledger was rewritten, or the proof is wrong.
        EpochNotContinued: The newer epoch does not hold what the known head is over.
    """
    try:
        verify_consistency(known.size, known.root, head.size, head.root, list(path))
    except BadProof as error:
        if head.epoch == known.epoch:
            raise
        raise EpochNotContinued(_lost(known, head)) from error


def _lost(known: Checkpoint, head: Checkpoint) -> str:
    return (
        f"Epoch {head.epoch} of {head.log_id} does not continue the {known.size} leaves of epoch {known.epoch}"
        " that were seen here."
    )
