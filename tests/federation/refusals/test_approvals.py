"""An approval is believed for exactly what was approved, at the registry and at the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import reason_pb2

from services.exchange.assertions import Purpose
from services.exchange.digests import content_digest, sha256
from tests.builders.departments import Sent
from tests.federation.district import HEALTH
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import refusal
from tests.federation.refusals.attacker import Attacker, base64url
from tests.federation.refusals.case_letters import Case, altered, sent, transfer

pytestmark = MARKS


async def test_the_registry_believes_no_approval_but_of_exactly_this_content(
    attacker: Attacker, case: Case
) -> None:
    """Not of another content, not for another purpose, not by a system, not in a role that was not given."""
    signer = attacker.signer(HEALTH)

    def approval(token: Callable[[bytes], bytes]) -> Sent:
        def alter(header: envelopes.Header, _content: object, tokens: list[bytes]) -> None:
            tokens[0] = token(header.act.content)
            header.act.approvals[0].assertion_digest = sha256(tokens[0])

        return altered(signer, sent(signer, case), alter)

    def system(content: bytes) -> bytes:
        digest = base64url(content_digest(content)).decode()
        claims: dict[str, Any] = {"service": True, "purpose": "approve", "content_digest": digest}
        return attacker.token(HEALTH, "leader-in-charge", sub="leader-in-charge-1", **claims).encode()

    def later(_header: object, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
        content.reason_code = "changed-after-it-was-approved"

    def sealed(header: envelopes.Header, _content: object, _tokens: list[bytes]) -> None:
        header.sealed = True

    def elsewhere(_header: object, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
        content.home_registry = "registry.elsewhere"

    def unseen(header: envelopes.Header, _content: object, _tokens: list[bytes]) -> None:
        header.observed_head.log_id = "liandong.qinghe"
        header.observed_head.epoch, header.observed_head.size = 1, 2**64 - 1
        header.observed_head.root = bytes(32)

    leader, approve = "leader-in-charge", Purpose.APPROVE
    at = "act.approvals[0]"
    tries = [
        (approval(lambda content: signer.assertion(leader, content + b"x", approve)), "CONTENT_MISMATCH", ""),
        (approval(lambda content: signer.assertion(leader)), "CONTENT_MISMATCH", ""),
        (approval(lambda content: signer.assertion(leader, content, Purpose.SEND)), "ACTOR_INVALID", ""),
        (approval(system), "ACTOR_INVALID", ""),
        (approval(lambda content: signer.assertion("clerk", content, approve)), "ROLE_NOT_PERMITTED", at),
        (altered(signer, sent(signer, case), later), "CONTENT_MISMATCH", ""),
        (altered(signer, sent(signer, case), sealed), "SEALING_NOT_ENABLED", "sealed"),
        (altered(signer, sent(signer, case), elsewhere), "WRONG_REGISTRY", "act.content.home_registry"),
        (altered(signer, sent(signer, case), unseen), "HEAD_UNKNOWN", "observed_head"),
    ]
    async with attacker.unchanged():
        for letter, reason, field in tries:
            assert await attacker.refused(HEALTH, letter) == (reason, field)


async def test_the_node_sends_only_what_was_approved(attacker: Attacker, case: Case) -> None:
    """Approval and sending mean one content: in the request, in the assertion, by a person, in a role given."""
    health = attacker.party(HEALTH)
    draft, other = (
        await health.prepare(transfer(case)),
        await health.prepare(transfer(case, reason_code="other")),
    )
    assert [each.reason for each in draft.findings] == [reason_pb2.REASON_APPROVAL_MISSING]
    assert draft.content_digest != other.content_digest

    def bound(role: str, digest: bytes, purpose: str, **claims: Any) -> str:
        return attacker.token(
            HEALTH, role, purpose=purpose, content_digest=base64url(digest).decode(), **claims
        )

    leader, digest = "leader-in-charge", draft.content_digest
    approve = cases.ApproveLetterRequest(letter_id=draft.letter_id, content_digest=digest, role=leader)
    wrong = cases.ApproveLetterRequest(
        letter_id=draft.letter_id, content_digest=other.content_digest, role=leader
    )
    principal = cases.ApproveLetterRequest(letter_id=draft.letter_id, content_digest=digest, role="principal")
    send = cases.SendLetterRequest(letter_id=draft.letter_id, content_digest=digest)
    missend = cases.SendLetterRequest(letter_id=draft.letter_id, content_digest=other.content_digest)
    mismatch = ("CONTENT_MISMATCH", "content_digest")
    tries = [
        ("ApproveLetter", approve, bound(leader, other.content_digest, "approve"), mismatch),
        ("ApproveLetter", approve, bound(leader, digest, "send"), mismatch),
        ("ApproveLetter", approve, attacker.token(HEALTH, leader), mismatch),
        ("ApproveLetter", approve, attacker.token(HEALTH, leader, service=True), mismatch),
        ("ApproveLetter", wrong, bound(leader, other.content_digest, "approve"), mismatch),
        ("ApproveLetter", approve, bound(leader, digest, "approve", service=True), ("ACTOR_INVALID", "")),
        ("ApproveLetter", approve, bound("clerk", digest, "approve"), ("ROLE_NOT_PERMITTED", "")),
        ("ApproveLetter", principal, bound(leader, digest, "approve"), ("ROLE_NOT_PERMITTED", "role")),
        ("SendLetter", send, bound("clerk", digest, "send"), ("APPROVAL_MISSING", "draft.approvals")),
        ("SendLetter", send, bound("clerk", digest, "approve"), mismatch),
        ("SendLetter", send, attacker.token(HEALTH), mismatch),
        ("SendLetter", missend, bound("clerk", other.content_digest, "send"), mismatch),
        ("SendLetter", missend, attacker.token(HEALTH, "system", service=True), mismatch),
    ]
    async with attacker.unchanged():
        for method, request, token, expected in tries:
            assert refusal(await attacker.case_call(HEALTH, method, request, token)) == expected
    await health.approve(draft, leader)
    later = cases.PrepareLetterRequest(draft=transfer(case, reason_code="new"), replaces=draft.letter_id)
    assert isinstance(await attacker.case_call(HEALTH, "PrepareLetter", later), bytes)
    async with attacker.unchanged():
        answer = await attacker.case_call(HEALTH, "SendLetter", send, bound("clerk", digest, "send"))
        assert refusal(answer) == ("LETTER_FINAL", "letter_id")
