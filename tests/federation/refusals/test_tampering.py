"""What was changed on its way: batches, letters, evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2 as evidence
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.exchange.digests import manifest_root, sha256
from tests.builders.departments import Sent
from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import reason_of, refusal
from tests.federation.refusals.attacker import Attacker
from tests.federation.refusals.case_letters import Case, altered, sent
from tests.federation.refusals.offered import EVIDENCE

pytestmark = MARKS


async def test_a_tampered_batch_is_refused(attacker: Attacker, case: Case) -> None:
    """Signature, root, size, key, order: what does not fit ends the stream, typed."""
    signer = attacker.signer(HEALTH)
    letter, second = sent(signer, case), sent(signer, case)

    def batch(change: Callable[[exchange.SubmitRequest], None]) -> exchange.SubmitRequest:
        request = signer.batch(letter, second)
        change(request)
        return request

    def signature(request: exchange.SubmitRequest) -> None:
        request.proof.signature = bytes([request.proof.signature[0] ^ 1]) + request.proof.signature[1:]

    def root(request: exchange.SubmitRequest) -> None:
        request.proof.root = bytes(32)

    def size(request: exchange.SubmitRequest) -> None:
        request.proof.tree_size = 1

    def order(request: exchange.SubmitRequest) -> None:
        request.envelopes.reverse()

    def fewer(request: exchange.SubmitRequest) -> None:
        del request.envelopes[1]

    def header(request: exchange.SubmitRequest) -> None:
        request.envelopes[0].header += b"\x08\x01"

    def key(request: exchange.SubmitRequest) -> None:
        request.proof.key_id = attacker.signer(MARKET).key_id

    def suite(request: exchange.SubmitRequest) -> None:
        request.proof.suite = envelopes.SUITE_SM2_SM3_SM4

    expected = {
        signature: ("BAD_SIGNATURE", ""),
        root: ("BAD_PROOF", "proof.root"),
        size: ("BAD_PROOF", "proof.root"),
        order: ("BAD_PROOF", "proof.root"),
        fewer: ("BAD_PROOF", "proof.root"),
        header: ("BAD_PROOF", "proof.root"),
        key: ("BAD_SIGNATURE", "proof.key_id"),
        suite: ("SUITE_UNSUPPORTED", ""),
    }
    async with attacker.unchanged():
        for change, (reason, field) in expected.items():
            answer = await attacker.submit_batch(HEALTH, batch(change))
            found, at = refusal(answer)
            assert found == reason, change.__name__
            assert field in ("", at), change.__name__


async def test_a_tampered_letter_is_refused(attacker: Attacker, case: Case) -> None:
    """Payload, assertions and content are bound to the header that is signed, and it stands alone in its refusal."""
    signer = attacker.signer(HEALTH)

    def changed(change: Callable[[envelopes.Envelope], None]) -> Sent:
        letter = sent(signer, case)
        change(letter.envelope)
        return letter

    def payload(envelope: envelopes.Envelope) -> None:
        envelope.payload += b"\x08"

    def fewer(envelope: envelopes.Envelope) -> None:
        del envelope.assertions[0]

    def swapped(envelope: envelopes.Envelope) -> None:
        envelope.assertions[0] = envelope.assertions[1]

    async with attacker.unchanged():
        for change, field in (
            (payload, "payload_digest"),
            (fewer, "assertion_digests"),
            (swapped, "assertion_digests[0]"),
        ):
            assert await attacker.refused(HEALTH, changed(change)) == ("DIGEST_MISMATCH", field)

        def body(_header: envelopes.Header, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
            content.body_digest = bytes(32)

        wrong = altered(signer, sent(signer, case), body)
        assert await attacker.refused(HEALTH, wrong) == ("DIGEST_MISMATCH", "act.content.body_digest")
        arrival = signer.arrival({case.at: bytes(32), 2**64 - 1: bytes(32)})
        assert await attacker.refused(HEALTH, arrival) == ("DIGEST_MISMATCH", "arrival.letters")


async def test_tampered_evidence_is_refused(attacker: Attacker) -> None:
    """At node and registry: wrong root, sizes or counts, wrong bytes, other people's evidence."""
    content = b"evidence" * 1000
    digest = sha256(content)
    good = evidence.Manifest(
        root=manifest_root(len(content), digest, [digest]), digest=digest, size=len(content), chunks=[digest]
    )
    sides = ((attacker.registry(HEALTH), ""), (attacker.node(HEALTH), attacker.token(HEALTH)))
    put, chunk = EVIDENCE.methods_by_name["PutManifest"], EVIDENCE.methods_by_name["PutChunk"]
    look, read = EVIDENCE.methods_by_name["GetManifest"], EVIDENCE.methods_by_name["GetChunk"]

    def manifest(**changes: Any) -> bytes:
        made = evidence.Manifest()
        made.CopyFrom(good)
        for name, value in changes.items():
            if name == "chunks":
                made.chunks[:] = value
            else:
                setattr(made, name, value)
        return evidence.PutManifestRequest(manifest=made).SerializeToString()

    for door, token in sides:
        assert isinstance(await attacker.call(door, put, manifest(), token), bytes)
    other = sha256(b"x")
    bad = {
        manifest(root=other): "manifest.root",
        manifest(size=len(content) + 1): "manifest.root",
        manifest(chunks=[other]): "manifest.root",
        manifest(digest=other, root=manifest_root(len(content), other, [digest])): "manifest.digest",
        manifest(chunks=[digest, digest]): "manifest.chunks",
        manifest(chunks=[]): "manifest.chunks",
    }

    def frames(*pieces: bytes, index: int = 0, root: bytes = good.root) -> list[bytes]:
        made = [evidence.PutChunkRequest(frame=piece) for piece in pieces]
        made[0].root, made[0].index = root, index
        return [each.SerializeToString() for each in made]

    mismatch = ("CHUNK_MISMATCH", "manifest.chunks[0]")
    wrong = [
        (frames(content[:-1] + b"X"), *mismatch),
        (frames(content[:-1]), *mismatch),
        (frames(content, b"X"), *mismatch),
        (frames(content, index=1), "INVALID_FIELD", "index"),
        (frames(content[:9], b""), "INVALID_FIELD", "frame"),
        (frames(b"x" * (1024 * 1024 + 1)), "LIMIT_EXCEEDED", "frame"),
    ]
    unheard = frames(content, root=other)
    async with attacker.unchanged():
        for door, token in sides:
            for data, field in bad.items():
                answer = await attacker.call(door, put, data, token)
                assert refusal(answer) == ("MANIFEST_INVALID", field)
            for stream, reason, field in wrong:
                answer = await attacker.call(door, chunk, stream, token)
                assert refusal(answer) == (reason, field)
            assert reason_of(await attacker.call(door, chunk, unheard, token)) == "NOT_FOUND"
            pending = await attacker.call(door, read, evidence.GetChunkRequest(root=good.root), token)
            assert reason_of(pending) == "EVIDENCE_PENDING"
        for method, request in (
            (look, evidence.GetManifestRequest(root=good.root)),
            (read, evidence.GetChunkRequest(root=good.root)),
        ):
            answer = await attacker.call(attacker.registry(MARKET), method, request)
            assert reason_of(answer) == "NOT_FOUND"
