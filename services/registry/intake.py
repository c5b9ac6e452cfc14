"""From a submitted message to a batch that can be judged: its signature is verified, its letters opened."""

from __future__ import annotations

import contextlib
from datetime import datetime

from liandong.exchange.v1 import exchange_service_pb2 as pb

from services.common.errors import LiandongError, LimitExceeded
from services.exchange import digests, keys, letters
from services.exchange.assertions import Verifier
from services.exchange.directory import Directory
from services.exchange.keys import BadSignature, KeyRole
from services.exchange.letters import Letter
from services.exchange.merkle import BadProof, BatchTree
from services.registry.commands import Batch
from services.registry.group import Signed
from services.registry.judgement import Answer
from services.registry.recent import BatchProof


def open_batch(author: str, request: pb.SubmitRequest, directory: Directory, now: datetime) -> Batch:
    """Verify a batch's signature and open its letters.

    Raises:
        LimitExceeded: More bytes than a batch may have.
        BadSignature: The batch is not signed by a current key of its author.
        BadProof: The signed root is not that of these letters.
        SuiteUnsupported: The suite is not accepted here.
    """
    envelopes, proof = request.envelopes, request.proof
    if sum([each.ByteSize() for each in envelopes]) > letters.BATCH_BYTES:
        raise LimitExceeded(f"A batch has at most {letters.BATCH_BYTES} bytes.", field="envelopes")
    headers = [digests.letter_digest(each.header) for each in envelopes]
    tree = BatchTree([digests.batch_leaf(each) for each in headers])
    if proof.root != tree.root or proof.tree_size != tree.size:
        raise BadProof(field="proof.root")
    public_key = directory.sign_key(proof.key_id, now) if _is_own(proof.key_id, author) else None
    if public_key is None:
        raise BadSignature(f"{proof.key_id} is no current key of {author}.", field="proof.key_id")
    keys.verify_batch(public_key, proof.key_id, tree.size, tree.root, proof.signature, suite=proof.suite)
    opened: list[Letter | Answer] = []
    for envelope in envelopes:
        try:
            opened.append(letters.open_letter(envelope))
        except LiandongError as error:
            opened.append(Answer(error.reason, error.field, error.message))
    signed = Signed(
        tree,
        BatchProof(proof.suite, proof.key_id, tree.size, tree.root, proof.signature),
        b"".join(headers),
    )
    return Batch(author, tuple(opened), signed)


def authenticate_people(batch: Batch, verifier: Verifier) -> None:
    """Verify the signatures of a batch's assertions ahead, so that nobody waits for it under the head's lock.

    The verifier remembers what it verified; what is wrong is found again, and said, when the letter is judged.
    """
    for letter in batch.letters:
        if isinstance(letter, Letter) and letter.facts is not None:
            for token in letter.envelope.assertions:
                with contextlib.suppress(LiandongError):
                    verifier.verify(token, letter.facts.signed_at)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """A batch of several letters taken apart; each stays provable under the author's one signature."""
    middle = len(batch.letters) // 2
    return (
        Batch(batch.author, batch.letters[:middle], batch.signed, batch.first),
        Batch(batch.author, batch.letters[middle:], batch.signed, batch.first + middle),
    )


def _is_own(key_id: str, author: str) -> bool:
    return key_id.startswith(f"{author}/{KeyRole.SIGN}/")
