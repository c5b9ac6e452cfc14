"""What proves a letter is computed, and shows every touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common.clock import ManualClock
from services.exchange import keys
from services.gateway.proofs import Proof, Result, Step, check
from tests.builders.departments import LOG_ID
from tests.builders.ledger import Ledger


@dataclass
class Given:
    """A letter with everything that proves it, to be touched."""

    envelope: pb.Envelope
    leaf: exchange.Leaf
    listed: list[directory.PublicKey]
    inclusion: exchange.GetInclusionProofResponse
    registry_key: bytes

    def checked(self) -> Proof:
        """What comes of it."""
        return check(self.envelope, self.leaf, self.listed, self.inclusion, LOG_ID, [self.registry_key])


@pytest.fixture
def given() -> Given:
    """A transfer in a ledger."""
    ledger = Ledger(ManualClock(datetime(2026, 3, 2, 1, tzinfo=UTC)))
    _, position = ledger.transferred()
    entry = ledger.entries[position]
    envelope = pb.Envelope()
    envelope.CopyFrom(entry.envelope)
    envelope.proof.CopyFrom(entry.batch)
    envelope.proof.MergeFrom(entry.path)
    key = directory.PublicKey(
        key_id=ledger.health.key_id, role=directory.KEY_ROLE_SIGN,
        public_key=keys.public_key_bytes(ledger.health.sign_key),
    )  # fmt: skip
    leaf = exchange.Leaf(
        position=position, admitted_at_us=entry.leaf.admitted_at_us,
        common_version=entry.leaf.common_version, letter_digest=entry.leaf.letter_digest,
    )  # fmt: skip
    checkpoint, _ = ledger.checkpoint()
    inclusion = exchange.GetInclusionProofResponse(
        leaf=leaf, tree_size=len(ledger.entries), path=ledger.tree().path(position), checkpoint=checkpoint
    )
    return Given(envelope, leaf, [key], inclusion, keys.public_key_bytes(ledger.registry.sign_key))


def test_a_letter_of_the_ledger_is_proved(given: Given) -> None:
    """Content, signature, leaf, head and place, with the figures that others can compare."""
    proof = given.checked()
    assert proof.holds
    assert not proof.fails
    assert (proof.position, proof.head_size) == (given.leaf.position, given.inclusion.tree_size)
    assert proof.letter_digest == given.leaf.letter_digest
    assert len(proof.leaf_hash) == len(proof.head_root) == 32


def _payload(given: Given) -> None:
    given.envelope.payload += b"\x0a\x01x"


def _signature(given: Given) -> None:
    given.envelope.proof.signature = bytes(64)


def _batch(given: Given) -> None:
    given.envelope.proof.root = bytes(32)


def _unlisted(given: Given) -> None:
    given.listed.clear()


def _replaced(given: Given) -> None:
    given.listed[0].valid_until.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))


def _other_leaf(given: Given) -> None:
    given.leaf.letter_digest = bytes(32)


def _other_time(given: Given) -> None:
    given.leaf.admitted_at_us += 1


def _stranger(given: Given) -> None:
    given.registry_key = bytes(32)


@pytest.mark.parametrize(
    ("touch", "step"),
    [
        (_payload, Step.CONTENT), (_signature, Step.AUTHOR), (_batch, Step.AUTHOR), (_unlisted, Step.AUTHOR),
        (_replaced, Step.AUTHOR), (_other_leaf, Step.LEAF), (_other_time, Step.INCLUDED), (_stranger, Step.HEAD),
    ],
)  # fmt: skip
def test_a_touch_is_found_where_it_is(given: Given, touch: Callable[[Given], None], step: Step) -> None:
    """What was checked before it holds; what comes after it is not claimed."""
    touch(given)
    proof = given.checked()
    steps = list(Step)
    assert proof.fails
    assert proof.reason
    assert proof.results[step] is Result.FAILS
    assert all(proof.results[each] is Result.HOLDS for each in steps[: steps.index(step)])
    assert all(proof.results[each] is Result.UNASKED for each in steps[steps.index(step) + 1 :])


def test_without_the_registry_the_rest_holds(given: Given) -> None:
    """And it is said that it is the rest only."""
    proof = check(given.envelope, given.leaf, given.listed, None, LOG_ID, [given.registry_key])
    assert not proof.holds
    assert not proof.fails
    assert proof.results[Step.LEAF] is Result.HOLDS
    assert proof.results[Step.INCLUDED] is Result.UNASKED
