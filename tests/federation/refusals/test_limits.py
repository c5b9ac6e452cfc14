"""Every limit: what is at it is taken, what is one above it is refused."""

from __future__ import annotations

from collections.abc import Callable

from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.exchange import letters
from services.exchange.digests import sha256
from tests.builders.departments import Sent, new_id
from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import Refused, reasons, refusal
from tests.federation.refusals.attacker import Attacker, base64url
from tests.federation.refusals.case_letters import Case, altered, sent, transfer
from tests.federation.refusals.offered import CASES, EXCHANGE

pytestmark = MARKS


async def test_every_limit_of_a_letter_is_kept(attacker: Attacker, case: Case) -> None:
    """At the limit a letter is judged by its rules, one byte or piece above it is LIMIT_EXCEEDED."""
    signer = attacker.signer(HEALTH)

    def of_size(size: int) -> Sent:
        # judged last, so that what fits is refused for another reason
        return sent(signer, case, payload=bytes(size), approved_by=())

    def content(size: int) -> Sent:
        letter = sent(signer, case, approved_by=())

        def alter(_header: object, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
            while content.ByteSize() < size - 700:
                content.copies.add(department=HEALTH, clause="条" * 200)
            content.copies.add(department=HEALTH, clause="x")
            missing = size - content.ByteSize()
            content.copies[-1].clause += "x" * (missing - 2 if missing > 128 else missing)
            content.copies[-1].clause += "x" * (size - content.ByteSize())

        return altered(signer, letter, alter)

    def approvals(header: envelopes.Header, _content: object, _tokens: list[bytes]) -> None:
        for _ in range(13):
            header.act.approvals.add().CopyFrom(header.act.approvals[0])

    over = ("LIMIT_EXCEEDED", "payload")
    async with attacker.unchanged():
        assert (await attacker.refused(HEALTH, of_size(letters.LETTER_LIMIT)))[0] == "APPROVAL_MISSING"
        assert await attacker.refused(HEALTH, of_size(letters.LETTER_LIMIT + 1)) == over
        outcomes = await attacker.submit(HEALTH, content(letters.CONTENT_LIMIT + 1))
        assert not isinstance(outcomes, Refused)
        assert (reasons(outcomes), outcomes[0].field) == (["LIMIT_EXCEEDED"], "act.content")
        many = altered(signer, sent(signer, case), approvals)
        assert await attacker.refused(HEALTH, many) == ("LIMIT_EXCEEDED", "act.approvals")
        arrived = signer.arrival(dict.fromkeys(range(513), bytes(32)))
        assert await attacker.refused(HEALTH, arrived) == ("LIMIT_EXCEEDED", "arrival.letters")
        records = signer.item(envelopes.ITEM_ACT_PUBLISH, "no.such", new_id(), record_count=501)
        assert await attacker.refused(HEALTH, records) == ("INVALID_FIELD", "item.record_count")
        for size, reason in ((letters.BATCH_LIMIT, "UNKNOWN_CATEGORY"), (letters.LETTER_LIMIT + 1, over[0])):
            batch = signer.item(
                envelopes.ITEM_ACT_PUBLISH,
                "no.such",
                new_id(),
                record_count=1 if reason == "UNKNOWN_CATEGORY" else 0,
            )
            header = envelopes.Header.FromString(batch.envelope.header)
            header.payload_digest = sha256(bytes(size))
            assert (await attacker.refused(HEALTH, signer.seal(header, bytes(size))))[0] == reason


async def test_every_limit_of_a_batch_is_kept(attacker: Attacker, case: Case) -> None:
    """Letters, bytes, assertions, wraps, headers, messages: one more is LIMIT_EXCEEDED and ends the stream."""
    signer = attacker.signer(HEALTH)
    small = sent(signer, case, approved_by=())

    def wide(change: Callable[[envelopes.Envelope], None]) -> exchange.SubmitRequest:
        envelope = envelopes.Envelope()
        envelope.CopyFrom(small.envelope)
        change(envelope)
        return signer.batch(Sent(small.header, envelope))

    def assertion(envelope: envelopes.Envelope) -> None:
        envelope.assertions[:] = [b"x"] * 17

    def long_assertion(envelope: envelopes.Envelope) -> None:
        envelope.assertions[:] = [b"x" * 4097]

    def wraps(envelope: envelopes.Envelope) -> None:
        envelope.wraps.extend([envelopes.KeyWrap(department=HEALTH, key_id="k")] * 129)

    def header(envelope: envelopes.Envelope) -> None:
        envelope.header += bytes(letters.HEADER_LIMIT + 1 - len(envelope.header))

    def payload(envelope: envelopes.Envelope) -> None:
        envelope.payload = bytes(letters.BATCH_LIMIT + 1)

    def batch(*sizes: int) -> exchange.SubmitRequest:
        made = [sent(signer, case, approved_by=(), payload=bytes(size)) for size in sizes]
        return signer.batch(*made)

    quarter = letters.LETTER_LIMIT
    full = batch(quarter, quarter, quarter, quarter, 1000)
    room = letters.BATCH_BYTES - sum(each.ByteSize() for each in full.envelopes)
    fits = batch(quarter, quarter, quarter, quarter, 1000 + room)
    while (size := sum(each.ByteSize() for each in fits.envelopes)) != letters.BATCH_BYTES:
        room += letters.BATCH_BYTES - size
        fits = batch(quarter, quarter, quarter, quarter, 1000 + room)
    over = batch(quarter, quarter, quarter, quarter, 1001 + room)
    too_many = signer.batch(small)
    too_many.envelopes.extend([small.envelope] * 256)
    tries = [
        (too_many, "envelopes"),
        (over, "envelopes"),
        (wide(assertion), "envelopes[0].assertions"),
        (wide(long_assertion), "envelopes[0].assertions[0]"),
        (wide(wraps), "envelopes[0].wraps"),
        (wide(header), "envelopes[0].header"),
        (wide(payload), "envelopes[0].payload"),
    ]
    async with attacker.unchanged():
        outcomes = await attacker.submit_batch(HEALTH, fits)
        assert not isinstance(outcomes, Refused)
        assert set(reasons(outcomes)) == {"APPROVAL_MISSING"}
        for request, field in tries:
            answer = await attacker.submit_batch(HEALTH, request)
            assert refusal(answer) == ("LIMIT_EXCEEDED", field)


async def test_every_limit_of_a_call_is_kept(attacker: Attacker) -> None:
    """A message and its metadata, up to our limit, above it, and above the framework's; at node and registry."""
    sides = (
        (attacker.registry(HEALTH), EXCHANGE.methods_by_name["GetHead"], ""),
        (attacker.node(HEALTH), CASES.methods_by_name["GetNodeState"], attacker.token(HEALTH)),
    )
    two, four = 2 * 1024 * 1024, 4 * 1024 * 1024

    def message(size: int) -> bytes:
        # an unknown field of bytes: the message takes anything else
        return b"\xfa\x7f" + varint(size - 6) + bytes(size - 6)

    async with attacker.unchanged():
        for door, method, token in sides:
            assert isinstance(await attacker.call(door, method, message(two), token), bytes)
            for size in (two + 1, four + 1):
                answer = await attacker.call(door, method, message(size), token)
                assert isinstance(answer, Refused)
                assert answer.reason == "LIMIT_EXCEEDED", size
                assert answer.code == ("INVALID_ARGUMENT" if size < four else "RESOURCE_EXHAUSTED")
            for size in (16 * 1024 + 1, 65 * 1024, 1024 * 1024):
                answer = await attacker.call(door, method, b"", token, ("x-long", "a" * size))
                assert isinstance(answer, Refused)
                assert answer.reason == "LIMIT_EXCEEDED", size
                assert (answer.field == "metadata") is (size < 64 * 1024)


def varint(number: int) -> bytes:
    """In four bytes, whatever the number."""
    return bytes([number >> shift & 0x7F | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21)])


async def test_the_node_records_nothing_that_the_registry_could_not_open(
    attacker: Attacker, case: Case
) -> None:
    """An oversized body or act, or one approval too many, is refused before it blocks the department's outbox."""
    health, system = attacker.party(HEALTH), attacker.token(HEALTH, "system", service=True)

    def send(draft: cases.ActDraft) -> cases.SendActRequest:
        return cases.SendActRequest(draft=draft, idempotency_key="large")

    large = bodies.ExtensionBody(schema="x", json="大" * 90_000)
    copies = [envelopes.Copy(department=MARKET, clause="条" * 200)] * 64
    draft = await health.prepare(transfer(case, reason_code="many-approvals"))
    digest = base64url(draft.content_digest).decode()
    roles = [f"leader-{number}" for number in range(13)]

    async def approve(role: str) -> bytes | Refused:
        leader = attacker.token(
            HEALTH, role, roles=["leader-in-charge", role], purpose="approve", content_digest=digest
        )
        request = cases.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role=role
        )
        return await attacker.case_call(HEALTH, "ApproveLetter", request, leader)

    for role in roles[:12]:
        assert isinstance(await approve(role), bytes)
    async with attacker.unchanged():
        answer = await attacker.case_call(
            HEALTH, "SendAct", send(transfer(case, extension_body=large)), system
        )
        assert refusal(answer) == ("LIMIT_EXCEEDED", "draft.extension_body")
        answer = await attacker.case_call(HEALTH, "SendAct", send(transfer(case, copies=copies)), system)
        assert refusal(answer) == ("LIMIT_EXCEEDED", "draft")
        answer = await approve(roles[12])
        assert refusal(answer) == ("LIMIT_EXCEEDED", "role")
