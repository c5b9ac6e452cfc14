"""What proves a letter, checked here and anew each time, with the keys that the directory lists.

What a node answers is believed in nothing but the directory: whether the digests belong together, whether the
author's key signed them, and whether the ledger's signed head holds the letter is computed in this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from liandong.directory.v1 import common_entry_pb2 as directory
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common.clock import from_microseconds
from services.common.errors import LiandongError
from services.exchange import digests, keys
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.digests import Leaf
from services.exchange.letters import open_letter
from services.exchange.merkle import root_from_path, verify_inclusion


class Step(StrEnum):
    """What is checked."""

    CONTENT = "content"
    AUTHOR = "author"
    LEAF = "leaf"
    HEAD = "head"
    INCLUDED = "included"


class Result(StrEnum):
    """What came of it."""

    HOLDS = "holds"
    FAILS = "fails"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of a letter.

    Attributes:
        results: Of each step, in their order.
        letter_digest: SHA-256 by which the letter is known everywhere.
        leaf_hash: By which the ledger's tree knows it; empty while it is in none.
        position: Its place.
        key_id: The author's key; empty without a proof.
        head_size: Leaves under the head that holds it; 0 where none was had.
        head_root: Its root.
        reason: Why something fails; empty if nothing does.
    """

    results: dict[Step, Result]
    letter_digest: bytes = b""
    leaf_hash: bytes = b""
    position: int = -1
    key_id: str = ""
    head_size: int = 0
    head_root: bytes = b""
    reason: str = ""

    @property
    def holds(self) -> bool:
        """All of it was checked, and all of it holds."""
        return all(each is Result.HOLDS for each in self.results.values())

    @property
    def fails(self) -> bool:
        """Something does not hold."""
        return Result.FAILS in self.results.values()


class _Unproved(LiandongError):
    """The leaf is that of another letter."""

    reason = "BAD_PROOF"


class _Unlisted(LiandongError):
    """The author had no such key when the letter was admitted."""

    reason = "BAD_SIGNATURE"


def check(
    envelope: pb.Envelope,
    leaf: exchange.Leaf | None,
    listed: Iterable[directory.PublicKey],
    inclusion: exchange.GetInclusionProofResponse | None,
    log_id: str,
    registry_keys: Sequence[bytes],
) -> Proof:
    """Check a letter.

    Args:
        envelope: As the node has it, with the author's proof.
        leaf: Its place in the ledger; None while it has none.
        listed: Keys of its author in the directory.
        inclusion: The registry's proof; None where it could not be asked.
        log_id: The ledger's name.
        registry_keys: Keys that sign its heads; none where they are not known.
    """
    results = dict.fromkeys(Step, Result.UNASKED)
    found: dict[str, object] = {"letter_digest": digests.letter_digest(envelope.header)}
    step = Step.CONTENT
    try:
        letter = open_letter(envelope)
        results[step], step = Result.HOLDS, Step.AUTHOR
        at = from_microseconds(leaf.admitted_at_us) if leaf is not None else None
        _check_author(envelope.proof, letter.digest, letter.header.author, listed, at)
        results[step], step = Result.HOLDS, Step.LEAF
        found["key_id"] = envelope.proof.key_id
        if leaf is not None:
            own = Leaf(leaf.position, leaf.admitted_at_us, leaf.common_version, leaf.letter_digest)
            if own.letter_digest != letter.digest:
                raise _Unproved
            results[step] = Result.HOLDS
            found |= {"leaf_hash": own.hash(), "position": own.position}
            if inclusion is not None and registry_keys:
                step = Step.HEAD
                head = verify_checkpoint(inclusion.checkpoint, log_id, registry_keys)
                results[step], step = Result.HOLDS, Step.INCLUDED
                verify_inclusion(own.hash(), own.position, head.size, list(inclusion.path), head.root)
                results[step] = Result.HOLDS
                found |= {"head_size": head.size, "head_root": head.root}
    except LiandongError as error:
        results[step] = Result.FAILS
        found["reason"] = error.reason
    return Proof(results, **found)  # type: ignore[arg-type]


def _check_author(
    proof: pb.AuthorProof,
    digest: bytes,
    author: str,
    listed: Iterable[directory.PublicKey],
    at: datetime | None,
) -> None:
    """The author's key, as it was listed when the letter was admitted, signed the batch that holds it."""
    if keys.parse_key_id(proof.key_id).department != author:
        raise _Unlisted("It was signed by another department than its author.")
    key = next((each for each in listed if each.key_id == proof.key_id and _is_valid(each, at)), None)
    if key is None:
        raise _Unlisted
    if (
        root_from_path(digests.batch_leaf(digest), proof.leaf_index, proof.tree_size, list(proof.path))
        != proof.root
    ):
        raise _Unlisted("The author's batch does not hold it.")
    keys.verify_batch(
        key.public_key, proof.key_id, proof.tree_size, proof.root, proof.signature, suite=proof.suite
    )


def _is_valid(key: directory.PublicKey, at: datetime | None) -> bool:
    if at is None:
        return not key.HasField("valid_until")
    begins = not key.HasField("valid_from") or key.valid_from.ToDatetime(UTC) <= at
    return begins and (not key.HasField("valid_until") or at < key.valid_until.ToDatetime(UTC))
