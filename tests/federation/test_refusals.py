"""What must be refused, tried against real processes: each with its documented reason, nothing stored, all alive."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import case_service_pb2_grpc as case_stubs
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.enrolment.v1 import enrolment_service_pb2 as enrolment
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2 as evidence
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.sharing.v1 import sharing_service_pb2 as sharing

from services.cli.demo.story import evidence_material
from services.common.tls import TlsFiles
from services.exchange import letters
from services.exchange.assertions import Purpose
from services.exchange.authority import Authority, signing_request
from services.exchange.digests import content_digest, manifest_root, sha256
from services.exchange.joining import InvitationText, join_message
from services.exchange.letters import timestamp
from tests.builders.departments import Sent, Signer, new_id
from tests.federation.attacker import LONG_AGO, Attacker, Refused, base64url, reasons
from tests.federation.district import HEALTH, JUSTICE, MARKET, federation
from tests.federation.hostile import fill

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("refusals"),
    pytest.mark.timeout(300),
]

MATERIALS: Final = ("transfer-letter", "source-material", "preliminary-evidence")
EVERYONE: Final = ["clerk", "leader-in-charge", "section-head", "auditor", "liaison", "system"]
UNIT: Final = "91110000600037341L"
CITIZEN: Final = "11010519491231002X"


def service_of(module: Any, name: str) -> ServiceDescriptor:
    found = module.DESCRIPTOR.services_by_name[name]
    assert isinstance(found, ServiceDescriptor)
    return found


CASES: Final = service_of(cases, "CaseService")
SHARING: Final = service_of(sharing, "SharingService")
DIRECTORY: Final = service_of(directory, "DirectoryService")
EVIDENCE: Final = service_of(evidence, "EvidenceService")
EXCHANGE: Final = service_of(exchange, "ExchangeService")
OVERSIGHT: Final = service_of(oversight, "OversightService")
ENROLMENT: Final = service_of(enrolment, "EnrolmentService")
INVITATION: Final = service_of(enrolment, "InvitationService")
CHANNELZ: Final = service_of(channelz_pb2, "Channelz")
NODE: Final = (CASES, SHARING, EVIDENCE, DIRECTORY)
REGISTRY: Final = (EXCHANGE, EVIDENCE, DIRECTORY, INVITATION, OVERSIGHT)


@dataclass(frozen=True, slots=True)
class Case:
    """A case that health has registered, with materials for its transfer.

    Attributes:
        at: Its only position.
        letter: The letter that opened it.
        materials: Complete at health's node and at the registry.
    """

    case_id: str
    at: int
    letter: envelopes.Envelope
    materials: tuple[envelopes.Material, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacker]:
    """Three departments and their registry, and somebody who means them ill."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "attacks").mkdir()
    async with federation(folder / "district", (HEALTH, MARKET, JUSTICE)) as world:
        for party in world.parties.values():
            await party.ready()
        made = Attacker(world, folder / "attacks")
        try:
            yield made
        finally:
            await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def case(attacker: Attacker) -> Case:
    """A registered case, ready to be transferred."""
    health = attacker.party(HEALTH)
    answer = await health.act(
        cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery())
    )
    letter = await health.settled(answer)
    materials = []
    for kind in MATERIALS:
        text = f"{kind} 的内容"
        materials.append(await evidence_material(health, kind, text))
        brought = await attacker.evidence(HEALTH, kind, text.encode())
        assert brought.manifest_root == materials[-1].manifest_root
    found = await health.cases.GetLetter(
        cases.GetLetterRequest(letter_id=answer.letter_id), metadata=health.actor("clerk"), timeout=30
    )
    return Case(answer.case_id, letter.position.position, found.envelope, tuple(materials))


def discovery(**changes: Any) -> bodies.Discovery:
    fields: dict[str, Any] = {"title": "餐具消毒单位涉嫌违法案", "facts": "未附消毒合格证明。", **changes}
    return bodies.Discovery(**fields)


def transfer(case: Case, **changes: Any) -> cases.ActDraft:
    """What health may send, but for the changes."""
    fields: dict[str, Any] = {
        "case_id": case.case_id,
        "act": "transfer",
        "parties": [envelopes.Party(role="receiver", department=MARKET)],
        "materials": case.materials,
        "transfer_letter": bodies.TransferLetter(title="案件", facts="事实。", competence="职责。"),
        **changes,
    }
    return cases.ActDraft(**fields)


def opening(**changes: Any) -> cases.ActDraft:
    """What opens a case, but for the changes."""
    fields: dict[str, Any] = {
        "procedure": "case-transfer",
        "act": "register",
        "discovery": discovery(),
        **changes,
    }
    return cases.ActDraft(**fields)


def sent(signer: Signer, case: Case, **changes: Any) -> Sent:
    """The same as a letter that never saw health's node."""
    fields: dict[str, Any] = {
        "parties": {MARKET: "receiver"},
        "recipients": [MARKET],
        "materials": case.materials,
        "approved_by": ["leader-in-charge"],
        "based_on": case.at,
        **changes,
    }
    return signer.act(fields.pop("case_id", case.case_id), fields.pop("act", "transfer"), **fields)


def altered(
    signer: Signer,
    letter: Sent,
    alter: Callable[[envelopes.Header, envelopes.ActContent, list[bytes]], None],
) -> Sent:
    """A letter changed by somebody who can sign the batch, but not always for the people in it."""
    header = envelopes.Header.FromString(letter.envelope.header)
    content = envelopes.ActContent.FromString(header.act.content)
    tokens = list(letter.envelope.assertions)
    before = content.SerializeToString()
    alter(header, content, tokens)
    if content.SerializeToString() != before:
        header.act.content = content.SerializeToString()
    header.assertion_digests[:] = [sha256(each) for each in tokens]
    return signer.seal(header, letter.envelope.payload, tokens)


def refusal(answer: bytes | Refused) -> tuple[str, str]:
    assert isinstance(answer, Refused), "it was not refused"
    return answer.reason, answer.field


# -- who calls --------------------------------------------------------------------------------------


async def test_a_forged_sender_is_refused(attacker: Attacker, case: Case) -> None:
    """A member cannot speak for another: not by the header, not by another's signature under its own certificate."""
    market = attacker.signer(MARKET)
    async with attacker.unchanged():
        forged = sent(market, case, author=HEALTH)
        assert await attacker.refused(MARKET, forged) == ("FORGED_AUTHOR", "author")
        health = attacker.signer(HEALTH)
        borrowed = await attacker.submit_batch(MARKET, health.batch(sent(health, case)))
        assert isinstance(borrowed, Refused)
        assert (borrowed.reason, borrowed.field) == ("BAD_SIGNATURE", "proof.key_id")


@pytest.mark.parametrize("service", [*NODE, CHANNELZ], ids=lambda each: each.name)
async def test_no_certificate_of_another_department_calls_a_node(
    attacker: Attacker, service: ServiceDescriptor
) -> None:
    """Neither gateway nor system nor node of it, on any call, though the assertion is genuine; nor our own node."""
    health, token = attacker.party(HEALTH), attacker.token(HEALTH, roles=EVERYONE)
    foreign = [
        attacker.certificate(f"liandong://{MARKET}/{kind}") for kind in ("gateway", "system/x", "node")
    ]
    own = attacker.node_tls(HEALTH)
    async with attacker.unchanged():
        for method in service.methods:
            for tls in foreign:
                answer = await attacker.call(health.address, tls, method, b"", ("liandong-actor", token))
                # at a node nobody publishes
                expected = "CALLER_NOT_PERMITTED" if method.name == "PublishEntry" else "FOREIGN_DEPARTMENT"
                assert refusal(answer)[0] == expected, method.full_name
            if service not in (DIRECTORY, CHANNELZ):
                answer = await attacker.call(health.address, own, method, b"", ("liandong-actor", token))
                assert refusal(answer)[0] == "CALLER_NOT_PERMITTED", method.full_name


@pytest.mark.parametrize("service", [CASES, SHARING, EVIDENCE], ids=lambda each: each.name)
async def test_no_actor_of_another_department_acts_here(
    attacker: Attacker, service: ServiceDescriptor
) -> None:
    """Its issuer is not listed here, and its assertion is for another audience; without one nobody acts."""
    health = attacker.party(HEALTH)
    tokens = {
        attacker.token(MARKET, roles=EVERYONE): "ACTOR_INVALID",
        attacker.token(MARKET, roles=EVERYONE, aud=HEALTH): "ACTOR_INVALID",
        attacker.token(MARKET, roles=EVERYONE, aud=HEALTH, iss=health.issuer): "ACTOR_INVALID",
    }
    async with attacker.unchanged():
        for method in service.methods:
            for token, reason in tokens.items():
                answer = await attacker.call(
                    health.address, health.tls, method, b"", ("liandong-actor", token)
                )
                assert refusal(answer)[0] == reason, method.full_name
            answer = await attacker.call(health.address, health.tls, method)
            assert refusal(answer)[0] == "ACTOR_MISSING", method.full_name


async def test_at_the_registry_each_calls_what_its_certificate_is_for(attacker: Attacker) -> None:
    """Letters and evidence go between nodes and registry, invitations and common entries are its operators'."""
    district = attacker.world.district
    assert district.operator is not None
    clients = [attacker.certificate(f"liandong://{HEALTH}/{kind}") for kind in ("gateway", "system/x")]
    publish = DIRECTORY.methods_by_name["PublishEntry"]
    links = [EXCHANGE.methods_by_name[name] for name in ("Submit", "Deliver")]
    refused = [
        *((tls, each) for tls in (*clients, district.operator) for each in (*EVIDENCE.methods, *links)),
        *(
            (tls, each)
            for tls in (*clients, attacker.node_tls(HEALTH))
            for each in (*INVITATION.methods, publish)
        ),
    ]
    async with attacker.unchanged():
        for tls, method in refused:
            answer = await attacker.call(district.registry_address, tls, method)
            assert refusal(answer)[0] == "CALLER_NOT_PERMITTED", method.full_name


async def test_a_certificate_that_is_not_the_registrys_or_has_ended_opens_no_connection(
    attacker: Attacker,
) -> None:
    """TLS refuses without a word; the enrolment port says why. Without a certificate there is no connection either."""
    foreign = attacker.certificate(
        f"liandong://{HEALTH}/system/x", Authority.create("else", datetime.now(UTC))
    )
    ended = attacker.certificate(f"liandong://{HEALTH}/system/x", made=LONG_AGO)
    genuine = attacker.party(HEALTH).tls
    head = EXCHANGE.methods_by_name["GetHead"]
    state = CASES.methods_by_name["GetNodeState"]
    actor = ("liandong-actor", attacker.token(HEALTH))
    async with attacker.unchanged():
        for address, method in (
            (attacker.world.district.registry_address, head),
            (attacker.party(HEALTH).address, state),
        ):
            for tls, present in ((foreign, True), (ended, True), (genuine, False)):
                answer = await attacker.call(address, tls, method, b"", actor, present=present)
                assert isinstance(answer, Refused)
                assert answer.code == "UNAVAILABLE"
        assert await attacker.diagnose(foreign) == "UNKNOWN_CERTIFICATE"
        assert await attacker.diagnose(ended) == "CERTIFICATE_EXPIRED"


async def test_a_revoked_certificate_is_refused_and_its_streams_end(attacker: Attacker) -> None:
    """At node and registry, typed; what it had open ends within two seconds of the entry's coming."""
    tls = attacker.certificate(f"liandong://{HEALTH}/system/lost")
    health, registry = attacker.party(HEALTH), attacker.world.district.registry_address
    actor = ("liandong-actor", attacker.token(HEALTH))
    head = EXCHANGE.methods_by_name["GetHead"]
    assert isinstance(await attacker.call(registry, tls, head), bytes)
    watch = case_stubs.CaseServiceStub(attacker.channel(health.address, tls)).WatchCases(
        cases.WatchCasesRequest(), metadata=(actor,)
    )
    await watch.initial_metadata()
    serial = f"{x509.load_pem_x509_certificate(tls.cert.read_bytes()).serial_number:x}"
    revocation = entries.Revocation(department=HEALTH, serials=[serial])
    await attacker.publish(directory.PublishEntryRequest(entry=entries.CommonEntry(revocation=revocation)))
    assert await asyncio.wait_for(watch.code(), 5) is not None
    assert Refused.of(await ended_with(watch)).reason == "CERTIFICATE_REVOKED"
    async with attacker.unchanged():
        assert refusal(await attacker.call(registry, tls, head))[0] == "CERTIFICATE_REVOKED"
        state = CASES.methods_by_name["GetNodeState"]
        assert (
            refusal(await attacker.call(health.address, tls, state, b"", actor))[0] == "CERTIFICATE_REVOKED"
        )
        assert await attacker.diagnose(tls) == "CERTIFICATE_REVOKED"


async def ended_with(stream: Any) -> Any:
    try:
        await stream.read()
    except Exception as error:  # noqa: BLE001 - the framework's, looked at by the caller
        return error
    raise AssertionError("the stream ended well")


def assertions(attacker: Attacker) -> dict[str, tuple[str, str]]:
    """Assertions that nobody may act under, each with the reason."""
    now = int(datetime.now(UTC).timestamp())
    key = attacker.party(HEALTH).key.public_key().public_bytes_raw()
    good = attacker.token(HEALTH).encode()
    head, body, _ = good.split(b".")
    hs256 = base64url(b'{"alg":"HS256"}') + b"." + body
    return {
        "ended": (attacker.token(HEALTH, iat=now - 400, exp=now - 100), "ACTOR_EXPIRED"),
        "from the future": (attacker.token(HEALTH, iat=now + 120, exp=now + 300), "ACTOR_EXPIRED"),
        "too long": (attacker.token(HEALTH, exp=now + 301), "ACTOR_EXPIRED"),
        "ends before it begins": (attacker.token(HEALTH, exp=now - 1), "ACTOR_EXPIRED"),
        "for market": (attacker.token(HEALTH, aud=MARKET), "ACTOR_INVALID"),
        "for two": (attacker.token(HEALTH, aud=[HEALTH, MARKET]), "ACTOR_INVALID"),
        "by nobody": (attacker.token(HEALTH, iss="https://login.example"), "ACTOR_INVALID"),
        "by another key": (attacker.token(HEALTH, key=Ed25519PrivateKey.generate()), "ACTOR_INVALID"),
        "unsigned": (attacker.token(HEALTH, header={"alg": "none"}, signature=b""), "ACTOR_INVALID"),
        "by HMAC of the public key": (
            (hs256 + b"." + base64url(hmac_sha256(key, hs256))).decode(),
            "ACTOR_INVALID",
        ),
        "another algorithm": (attacker.token(HEALTH, header={"alg": "ES256"}), "ACTOR_INVALID"),
        "with its own key": (
            attacker.token(HEALTH, header={"alg": "EdDSA", "jwk": {"kty": "OKP"}, "crit": ["jwk"]}),
            "ACTOR_INVALID",
        ),
        "cut": (good[:-3].decode(), "ACTOR_INVALID"),
        "of two parts": ((head + b"." + body).decode(), "ACTOR_INVALID"),
        "with a NUL in a name": (attacker.token(HEALTH, name="a\0b"), "ACTOR_INVALID"),
        "with half a character": (attacker.token(HEALTH, name="\ud800"), "ACTOR_INVALID"),
        "with a name beyond measure": (attacker.token(HEALTH, name="x" * 101), "ACTOR_INVALID"),
        "without roles": (attacker.token(HEALTH, roles=None), "ACTOR_INVALID"),
        "garbage": ("x" * 3000, "ACTOR_INVALID"),
        "approving as a system": (
            attacker.token(HEALTH, service=True, purpose="approve", content_digest="A" * 43),
            "ACTOR_INVALID",
        ),
    }


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


async def test_only_a_fresh_assertion_by_a_listed_issuer_is_believed(attacker: Attacker, case: Case) -> None:
    """Neither for a live call nor behind a letter: ended, future, long, misdirected, unlisted, unsigned, garbled."""
    signer = attacker.signer(HEALTH)
    async with attacker.unchanged():
        for name, (token, reason) in assertions(attacker).items():
            answer = await attacker.case_call(HEALTH, "GetNodeState", cases.GetNodeStateRequest(), token)
            assert isinstance(answer, Refused), name
            assert answer.reason == reason, name

            def behind(
                header: envelopes.Header, _content: object, tokens: list[bytes], shown: bytes = token.encode()
            ) -> None:
                tokens[-1] = shown

            found, _ = await attacker.refused(HEALTH, altered(signer, sent(signer, case), behind))
            assert found == reason, name
        two = [("liandong-actor", attacker.token(HEALTH))] * 2
        health = attacker.party(HEALTH)
        method = CASES.methods_by_name["GetNodeState"]
        assert (
            refusal(await attacker.call(health.address, health.tls, method, b"", *two))[0] == "ACTOR_INVALID"
        )


async def test_a_session_does_not_change_hands(attacker: Attacker, case: Case) -> None:
    """A stream of acts goes on only under assertions of the same system in the same roles."""
    health, method = attacker.party(HEALTH), CASES.methods_by_name["SendActs"]
    system: dict[str, Any] = {"service": True, "sub": "system-1"}
    act = cases.SendActRequest(draft=transfer(case), idempotency_key="hands")
    first = ("liandong-actor", attacker.token(HEALTH, "system", **system))
    fresh = {
        attacker.token(HEALTH, "system", sub="system-1"): ("ROLE_NOT_PERMITTED", "assertion"),
        attacker.token(HEALTH, "leader-in-charge", **system): ("ROLE_NOT_PERMITTED", "assertion"),
        attacker.token(HEALTH, "system", service=True, sub="system-2"): ("ACTOR_INVALID", "assertion"),
        attacker.token(MARKET, "system", **system): ("ACTOR_INVALID", ""),
    }
    async with attacker.unchanged():
        for token, expected in fresh.items():
            request = cases.SendActsRequest(sequence=1, acts=[act], assertion=token.encode())
            answer = await attacker.call(
                health.address, health.tls, method, request.SerializeToString(), first
            )
            assert refusal(answer) == expected


# -- replay and tampering ---------------------------------------------------------------------------


async def test_a_replay_with_another_body_is_refused(attacker: Attacker, case: Case) -> None:
    """The same letter is answered as before; under its id nothing else is taken."""
    signer, envelope = attacker.signer(HEALTH), envelopes.Envelope()
    envelope.CopyFrom(case.letter)
    envelope.ClearField("proof")
    header = envelopes.Header.FromString(envelope.header)
    same = Sent(header, envelope)
    async with attacker.unchanged():
        outcomes = await attacker.submit(HEALTH, same)
        assert not isinstance(outcomes, Refused)
        assert [(each.disposition, each.position) for each in outcomes] == [
            (exchange.DISPOSITION_ADMITTED, case.at)
        ]
        body = discovery(facts="另一个内容。").SerializeToString()

        def another(header: envelopes.Header, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
            content.body_digest = header.payload_digest = sha256(body)

        replay = altered(signer, same, another)
        replay.envelope.payload = body
        assert await attacker.refused(HEALTH, replay) == ("REPLAYED_WITH_OTHER_CONTENT", "letter_id")
        # another department does not learn that the id is taken by anything but its own mistake
        market = attacker.signer(MARKET)
        stolen = sent(market, case, letter_id=header.letter_id, act="sign-for", materials=(), approved_by=())
        assert (await attacker.refused(MARKET, stolen))[0] == "REPLAYED_WITH_OTHER_CONTENT"


async def test_an_idempotency_key_takes_one_request(attacker: Attacker) -> None:
    """Another request under the same key is refused by every call that takes one; the same is answered again."""
    system = attacker.token(HEALTH, "system", service=True)
    formed = timestamp(datetime.now(UTC) - timedelta(minutes=1))

    def prepare(title: str) -> cases.PrepareLetterRequest:
        draft = cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery(title=title))
        return cases.PrepareLetterRequest(draft=draft, idempotency_key="once")

    def send(title: str) -> cases.SendActRequest:
        return cases.SendActRequest(draft=prepare(title).draft, idempotency_key="once")

    def publish(title: str) -> bytes:
        return sharing.PublishBulletinRequest(
            category="bulletin.good-practice",
            bulletin=sharing.Bulletin(title=title, text="内容"),
            formed_at=formed,
            idempotency_key="once",
        ).SerializeToString()

    health, publishing = attacker.party(HEALTH), SHARING.methods_by_name["PublishBulletin"]
    actor = ("liandong-actor", attacker.token(HEALTH))
    first = [
        await attacker.case_call(HEALTH, "PrepareLetter", prepare("一")),
        await attacker.case_call(HEALTH, "SendAct", send("一"), system),
        await attacker.call(health.address, health.tls, publishing, publish("一"), actor),
    ]
    assert all(isinstance(each, bytes) for each in first), first
    expected = ("REPLAYED_WITH_OTHER_CONTENT", "idempotency_key")
    async with attacker.unchanged():
        assert await attacker.case_call(HEALTH, "PrepareLetter", prepare("一")) == first[0]
        again = await attacker.case_call(HEALTH, "SendAct", send("一"), system)
        assert isinstance(again, bytes)
        answers = [cases.SendActResponse.FromString(each).answer for each in (first[1], again)]  # type: ignore[arg-type]
        assert answers[0].letter_id == answers[1].letter_id
        assert refusal(await attacker.case_call(HEALTH, "PrepareLetter", prepare("二"))) == expected
        assert refusal(await attacker.case_call(HEALTH, "SendAct", send("二"), system)) == expected
        answer = await attacker.call(health.address, health.tls, publishing, publish("二"), actor)
        assert refusal(answer) == expected


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
            assert isinstance(answer, Refused), change.__name__
            assert answer.reason == reason, change.__name__
            assert field in ("", answer.field), change.__name__


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
    health, registry = attacker.party(HEALTH), attacker.world.district.registry_address
    actor = ("liandong-actor", attacker.token(HEALTH))
    sides = (
        (registry, attacker.node_tls(HEALTH), ()),
        (health.address, health.tls, (actor,)),
    )
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

    for address, tls, metadata in sides:
        assert isinstance(await attacker.call(address, tls, put, manifest(), *metadata), bytes)
    other = sha256(b"x")
    async with attacker.unchanged():
        for address, tls, metadata in sides:

            async def ask(
                method: MethodDescriptor,
                *data: bytes,
                where: tuple[str, TlsFiles, tuple[tuple[str, str], ...]] = (address, tls, metadata),
            ) -> tuple[str, str]:
                return refusal(await attacker.call(where[0], where[1], method, data, *where[2]))

            bad = {
                manifest(root=other): "manifest.root",
                manifest(size=len(content) + 1): "manifest.root",
                manifest(chunks=[other]): "manifest.root",
                manifest(digest=other, root=manifest_root(len(content), other, [digest])): "manifest.digest",
                manifest(chunks=[digest, digest]): "manifest.chunks",
                manifest(chunks=[]): "manifest.chunks",
            }
            for data, field in bad.items():
                assert await ask(put, data) == ("MANIFEST_INVALID", field)

            def frames(*pieces: bytes, index: int = 0, root: bytes = good.root) -> list[bytes]:
                made = [evidence.PutChunkRequest(frame=piece) for piece in pieces]
                made[0].root, made[0].index = root, index
                return [each.SerializeToString() for each in made]

            mismatch = ("CHUNK_MISMATCH", "manifest.chunks[0]")
            assert await ask(chunk, *frames(content[:-1] + b"X")) == mismatch
            assert await ask(chunk, *frames(content[:-1])) == mismatch
            assert await ask(chunk, *frames(content, b"X")) == mismatch
            assert await ask(chunk, *frames(content, index=1)) == ("INVALID_FIELD", "index")
            assert (await ask(chunk, *frames(content, root=other)))[0] == "NOT_FOUND"
            assert await ask(chunk, *frames(content[:9], b"")) == ("INVALID_FIELD", "frame")
            assert await ask(chunk, *frames(b"x" * (1024 * 1024 + 1))) == ("LIMIT_EXCEEDED", "frame")
            assert (await ask(read, evidence.GetChunkRequest(root=good.root).SerializeToString()))[
                0
            ] == "EVIDENCE_PENDING"
        stranger = attacker.node_tls(MARKET)
        for method, request in (
            (look, evidence.GetManifestRequest(root=good.root)),
            (read, evidence.GetChunkRequest(root=good.root)),
        ):
            answer = await attacker.call(registry, stranger, method, request.SerializeToString())
            assert refusal(answer)[0] == "NOT_FOUND"


# -- rules ------------------------------------------------------------------------------------------


async def test_the_registry_refuses_what_the_rules_do_not_permit(attacker: Attacker, case: Case) -> None:
    """Whatever a department's own node let pass: state, role, material, approval, parties, dates."""
    health, market = attacker.signer(HEALTH), attacker.signer(MARKET)
    now = datetime.now(UTC)
    plain: dict[str, Any] = {"materials": (), "approved_by": (), "parties": {}, "recipients": ()}
    announced = [health.material(kind, bytes(32)) for kind in MATERIALS]
    unknown = "nobody.qinghe"
    copy = envelopes.Copy(department=unknown, clause="第一条")
    tries: list[tuple[Signer, Sent, str, str]] = [
        (health, sent(health, case, act="recall", **plain), "NOT_PERMITTED_IN_STATE", "act.content.act"),
        (health, sent(health, case, act="accept", **plain), "NOT_PERMITTED_FOR_ROLE", "author"),
        (market, sent(market, case, act="sign-for", **plain), "NOT_PERMITTED_FOR_ROLE", "author"),
        (health, sent(health, case, act="invented", **plain), "UNKNOWN_ACT", "act.content.act"),
        (health, sent(health, case, procedure="invented"), "UNKNOWN_PROCEDURE", "act.content.procedure"),
        (health, sent(health, case, case_id=new_id()), "UNKNOWN_CASE", "act.content.case_id"),
        (
            health,
            sent(health, case, materials=case.materials[1:]),
            "MATERIAL_MISSING",
            "act.content.materials",
        ),
        (health, sent(health, case, materials=announced), "MATERIAL_MISSING", "act.content.materials"),
        (health, sent(health, case, materials=MATERIALS), "EVIDENCE_PENDING", "act.content.materials"),
        (health, sent(health, case, approved_by=()), "APPROVAL_MISSING", "act.approvals"),
        (health, sent(health, case, approved_by=["section-head"]), "APPROVAL_MISSING", "act.approvals"),
        (
            health,
            sent(health, case, sub_unit="supervision"),
            "SUB_UNIT_NOT_PERMITTED",
            "act.content.sub_unit",
        ),
        (
            health,
            sent(health, case, parties={unknown: "receiver"}),
            "UNKNOWN_DEPARTMENT",
            "act.content.parties",
        ),
        (health, sent(health, case, recipients=[unknown]), "UNKNOWN_DEPARTMENT", "act.content.recipients"),
        (health, sent(health, case, copies=[copy]), "UNKNOWN_DEPARTMENT", "act.content.copies"),
        (health, sent(health, case, recipients=["water.qinghe"]), "PARTY_INVALID", "act.content.recipients"),
        (
            health,
            sent(health, case, occurred_at=now + timedelta(seconds=5), signed_at=now),
            "OCCURRED_AFTER_SIGNED",
            "act.content.occurred_at",
        ),
        (
            health,
            sent(health, case, occurred_at=now, signed_at=now + timedelta(minutes=6)),
            "CLOCK_AHEAD",
            "signed_at",
        ),
        (health, sent(health, case, predecessor=new_id()), "PREDECESSOR_PENDING", "act.predecessor"),
    ]
    async with attacker.unchanged():
        for signer, letter, reason, field in tries:
            assert await attacker.refused(signer.name, letter) == (reason, field)


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


async def test_the_node_refuses_what_the_rules_do_not_permit(attacker: Attacker, case: Case) -> None:
    """Before anything is recorded, with the field of the draft; a draft shows the same as a finding."""
    soon = timestamp(datetime.now(UTC) + timedelta(minutes=2))
    unknown = envelopes.Party(role="receiver", department="nobody.qinghe")
    announced = [
        envelopes.Material(kind=kind, manifest_root=bytes(32), digest=bytes(32)) for kind in MATERIALS
    ]
    stranger = envelopes.Material(kind="further", manifest_root=bytes([7]) * 32, digest=bytes(32))
    approved = "APPROVAL_MISSING", "draft.approvals"
    tries: list[tuple[cases.ActDraft, str, str]] = [
        (transfer(case), *approved),
        (
            transfer(case, act="recall", recall=bodies.Recall(reason="x")),
            "NOT_PERMITTED_IN_STATE",
            "draft.act",
        ),
        (
            transfer(case, act="accept", acceptance_notice=bodies.AcceptanceNotice()),
            "NOT_PERMITTED_FOR_ROLE",
            "draft.author",
        ),
        (transfer(case, act="invented"), "UNKNOWN_ACT", "draft.act"),
        (transfer(case, procedure="invented"), "UNKNOWN_PROCEDURE", "draft.procedure"),
        (transfer(case, case_id=new_id()), "UNKNOWN_CASE", "draft.case_id"),
        (transfer(case, recall=bodies.Recall(reason="x")), "INVALID_FIELD", "draft.body"),
        (transfer(case, materials=case.materials[1:]), "MATERIAL_MISSING", "draft.materials"),
        (transfer(case, materials=announced), "MATERIAL_MISSING", "draft.materials"),
        (transfer(case, sub_unit="supervision"), "SUB_UNIT_NOT_PERMITTED", "draft.sub_unit"),
        (opening(parties=[unknown]), "UNKNOWN_DEPARTMENT", "draft.parties"),
        (opening(recipients=["nobody.qinghe"]), "PARTY_INVALID", "draft.recipients"),
        (transfer(case, occurred_at=soon), "OCCURRED_AFTER_SIGNED", "draft.occurred_at"),
        (
            cases.ActDraft(
                case_id=case.case_id,
                act="immediate-notice",
                parties=[envelopes.Party(role="receiver", department=MARKET)],
                materials=[*announced, stranger],
                immediate_notice=bodies.ImmediateNotice(facts="x", stop_order="x"),
            ),
            "MATERIAL_MISSING",
            "draft.materials",
        ),
    ]
    system = attacker.token(HEALTH, "system", service=True)
    async with attacker.unchanged():
        for number, (draft, reason, field) in enumerate(tries):
            request = cases.SendActRequest(draft=draft, idempotency_key=f"rules-{number}")
            assert refusal(await attacker.case_call(HEALTH, "SendAct", request, system)) == (reason, field)
        person = await attacker.case_call(
            HEALTH, "SendAct", cases.SendActRequest(draft=transfer(case), idempotency_key="p")
        )
        assert refusal(person)[0] == "ROLE_NOT_PERMITTED"
        auditor = attacker.token(HEALTH, "auditor")
        denied = cases.PrepareLetterRequest(draft=transfer(case))
        assert (
            refusal(await attacker.case_call(HEALTH, "PrepareLetter", denied, auditor))[0]
            == "ROLE_NOT_PERMITTED"
        )


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


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [
        (bodies.SUBJECT_KIND_UNIT, UNIT[:-1] + "M"),
        (bodies.SUBJECT_KIND_UNIT, UNIT[:-1]),
        (bodies.SUBJECT_KIND_UNIT, CITIZEN),
        (bodies.SUBJECT_KIND_UNIT, UNIT.translate({ord("6"): "\uff16"})),
        (bodies.SUBJECT_KIND_CITIZEN, CITIZEN[:-1] + "1"),
        (bodies.SUBJECT_KIND_CITIZEN, "110105194913310021"),
        (bodies.SUBJECT_KIND_CITIZEN, UNIT),
        (bodies.SUBJECT_KIND_CITIZEN, "١" * 18),
    ],
)
async def test_a_wrong_identifier_is_refused(
    attacker: Attacker, kind: bodies.SubjectKind.ValueType, identifier: str
) -> None:
    """Check digit, length, date, kind, script: by the subject's field."""
    subjects = [
        bodies.Subject(kind=bodies.SUBJECT_KIND_UNIT, name="正确", identifier=UNIT),
        bodies.Subject(kind=kind, name="某", identifier=identifier),
    ]
    draft = cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery(subjects=subjects))
    request = cases.PrepareLetterRequest(draft=draft)
    async with attacker.unchanged():
        answer = await attacker.case_call(HEALTH, "PrepareLetter", request)
        assert refusal(answer) == ("IDENTIFIER_INVALID", "draft.discovery.subjects[1].identifier")


# -- limits -----------------------------------------------------------------------------------------


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
            assert isinstance(answer, Refused)
            assert (answer.reason, answer.field) == ("LIMIT_EXCEEDED", field)


async def test_every_limit_of_a_call_is_kept(attacker: Attacker) -> None:
    """A message and its metadata, up to our limit, above it, and above the framework's; at node and registry."""
    health, registry = attacker.party(HEALTH), attacker.world.district.registry_address
    token = ("liandong-actor", attacker.token(HEALTH))
    sides = (
        (registry, attacker.node_tls(HEALTH), EXCHANGE.methods_by_name["GetHead"], ()),
        (health.address, health.tls, CASES.methods_by_name["GetNodeState"], (token,)),
    )
    two, four = 2 * 1024 * 1024, 4 * 1024 * 1024

    def message(size: int) -> bytes:
        # an unknown field of bytes: the message takes anything else
        return b"\xfa\x7f" + varint(size - 6) + bytes(size - 6)

    async with attacker.unchanged():
        for address, tls, method, metadata in sides:
            assert isinstance(await attacker.call(address, tls, method, message(two), *metadata), bytes)
            for size in (two + 1, four + 1):
                answer = await attacker.call(address, tls, method, message(size), *metadata)
                assert isinstance(answer, Refused)
                assert answer.reason == "LIMIT_EXCEEDED", size
                assert answer.code == ("INVALID_ARGUMENT" if size < four else "RESOURCE_EXHAUSTED")
            for size in (16 * 1024 + 1, 65 * 1024, 1024 * 1024):
                answer = await attacker.call(address, tls, method, b"", *metadata, ("x-long", "a" * size))
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
    leader = attacker.token(
        HEALTH,
        "leader-in-charge",
        roles=["leader-in-charge", *roles],
        purpose="approve",
        content_digest=digest,
    )

    def approve(role: str) -> cases.ApproveLetterRequest:
        return cases.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role=role
        )

    for role in roles[:12]:
        assert isinstance(await attacker.case_call(HEALTH, "ApproveLetter", approve(role), leader), bytes)
    async with attacker.unchanged():
        answer = await attacker.case_call(
            HEALTH, "SendAct", send(transfer(case, extension_body=large)), system
        )
        assert refusal(answer) == ("LIMIT_EXCEEDED", "draft.extension_body")
        answer = await attacker.case_call(HEALTH, "SendAct", send(transfer(case, copies=copies)), system)
        assert refusal(answer) == ("LIMIT_EXCEEDED", "draft")
        answer = await attacker.case_call(HEALTH, "ApproveLetter", approve(roles[12]), leader)
        assert refusal(answer) == ("LIMIT_EXCEEDED", "role")


# -- form -------------------------------------------------------------------------------------------


def callers(attacker: Attacker) -> list[tuple[str, TlsFiles, bool, Sequence[ServiceDescriptor]]]:
    """Every port with a certificate that may call there, and what it offers."""
    district, health = attacker.world.district, attacker.party(HEALTH)
    assert district.operator is not None
    return [
        (health.address, health.tls, True, NODE),
        (district.registry_address, attacker.node_tls(HEALTH), True, REGISTRY),
        (district.registry_address, district.operator, True, REGISTRY),
        (district.enrolment_address, health.tls, False, (ENROLMENT,)),
    ]


async def test_garbage_is_malformed_on_every_call(attacker: Attacker) -> None:
    """Of every service: bytes that are no message, text that is none, nesting without end."""
    garbage = [
        b"\xff" * 11,
        b"\x07" + bytes(range(64)),
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0b" * 5000,
        bytes([0x0B]) * 100_000 + bytes([0x0C]) * 100_000,
    ]
    tokens = [attacker.token(HEALTH, roles=EVERYONE), attacker.token(HEALTH, "system", service=True)]
    seen = set()
    async with attacker.unchanged():
        for address, tls, present, services in callers(attacker):
            for method in (each for service in services for each in service.methods):
                for token in tokens if services is NODE else tokens[:1]:
                    for data in garbage:
                        answer = await attacker.call(
                            address, tls, method, data, ("liandong-actor", token), present=present
                        )
                        assert isinstance(answer, Refused), method.full_name
                        permitted = answer.reason not in ("CALLER_NOT_PERMITTED", "ROLE_NOT_PERMITTED")
                        if permitted:
                            assert (answer.reason, answer.code) == ("MALFORMED", "INVALID_ARGUMENT"), (
                                f"{answer} {method.full_name} {data[:20]!r}"
                            )
                            seen.add(method.full_name)
        # of the standard services the framework parses: whatever it says, the server lives
        check = service_of(health_pb2, "Health").methods_by_name["Check"]
        for address, tls, present, _ in callers(attacker):
            assert isinstance(await attacker.call(address, tls, check, garbage[0], present=present), Refused)
    offered = {each.full_name for service in (*NODE, *REGISTRY, ENROLMENT) for each in service.methods}
    assert offered == seen


async def test_a_nul_is_refused_in_every_text(attacker: Attacker, case: Case) -> None:
    """Whatever database stands behind: in titles, names, searches and behind the node's back."""

    def draft(**changes: Any) -> cases.PrepareLetterRequest:
        return cases.PrepareLetterRequest(draft=transfer(case, **changes))

    letter = bodies.TransferLetter(title="案\0件", facts="x", competence="x")
    subject = bodies.Subject(kind=bodies.SUBJECT_KIND_UNKNOWN, name="\0")
    tries = [
        ("PrepareLetter", draft(transfer_letter=letter), "draft.transfer_letter.title"),
        (
            "PrepareLetter",
            draft(
                transfer_letter=bodies.TransferLetter(
                    title="x", facts="x", competence="x", subjects=[subject]
                )
            ),
            "draft.transfer_letter.subjects[0].name",
        ),
        ("PrepareLetter", draft(recipients=[MARKET, "a\0b"]), "draft.recipients[1]"),
        ("SearchCases", cases.SearchCasesRequest(query="\0"), "query"),
        ("GetCase", cases.GetCaseRequest(case_id="\0" * 36), "case_id"),
        ("ListAudit", cases.ListAuditRequest(subject="\0"), "subject"),
    ]
    signer, auditor = attacker.signer(HEALTH), attacker.token(HEALTH, roles=EVERYONE)

    def name(header: envelopes.Header, _content: object, _tokens: object) -> None:
        header.actor.name = "\0"

    def code(_header: object, content: envelopes.ActContent, _tokens: object) -> None:
        content.item_code = "\0"

    async with attacker.unchanged():
        for method, request, field in tries:
            answer = await attacker.case_call(HEALTH, method, request, auditor)
            assert refusal(answer) == ("INVALID_FIELD", field)
        for alter, field in ((name, "actor.name"), (code, "item_code")):
            wrong = altered(signer, sent(signer, case), alter)
            assert await attacker.refused(HEALTH, wrong) == ("INVALID_FIELD", field)


TRICKS: Final = (
    "../../etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "\u202egpj.exe",
    "x" * 254,
)


async def test_no_name_is_a_path(attacker: Attacker, case: Case) -> None:
    """File names, hosts and departments that would lead elsewhere, or look like something else, are refused."""
    health = attacker.party(HEALTH)
    actor = ("liandong-actor", attacker.token(HEALTH))
    digest = sha256(b"")
    operator = attacker.world.district.operator
    assert operator is not None
    registry, port = attacker.world.district.registry_address, attacker.world.district.enrolment_address
    put = EVIDENCE.methods_by_name["PutManifest"]
    join, invite = ENROLMENT.methods_by_name["Join"], INVITATION.methods_by_name["CreateInvitation"]
    publish = DIRECTORY.methods_by_name["PublishEntry"]
    title = entries.Title(zh="部门", en="Department")
    async with attacker.unchanged():
        for trick in TRICKS:
            manifest = evidence.Manifest(root=manifest_root(0, digest, []), digest=digest, file_name=trick)
            request = evidence.PutManifestRequest(manifest=manifest).SerializeToString()
            answer = await attacker.call(health.address, health.tls, put, request, actor)
            assert refusal(answer) == ("INVALID_FIELD", "manifest.file_name"), trick
            for name in (trick, f"{trick}.qinghe"):
                department = entries.Department(
                    name=name,
                    title=title,
                    level=entries.LEVEL_DISTRICT,
                    status=entries.DEPARTMENT_STATUS_LISTED,
                )
                entry = directory.PublishEntryRequest(entry=entries.CommonEntry(department=department))
                answer = await attacker.call(registry, operator, publish, entry.SerializeToString())
                assert refusal(answer) == ("INVALID_FIELD", "entry.department.name"), name
                invitation = enrolment.CreateInvitationRequest(department=name)
                answer = await attacker.call(registry, operator, invite, invitation.SerializeToString())
                assert refusal(answer)[0] in ("INVALID_FIELD", "UNKNOWN_DEPARTMENT"), name
            party = envelopes.Party(role="receiver", department=trick)
            draft = cases.PrepareLetterRequest(draft=opening(parties=[party], recipients=[trick]))
            found = await attacker.case_call(
                HEALTH,
                "SendAct",
                cases.SendActRequest(draft=draft.draft, idempotency_key="trick"),
                attacker.token(HEALTH, "system", service=True),
            )
            assert refusal(found)[0] in ("INVALID_FIELD", "UNKNOWN_DEPARTMENT", "PARTY_INVALID"), trick
    token = await invited(attacker)
    async with attacker.unchanged():
        for trick in (*TRICKS, "*.qinghe", "a b", "health..qinghe", "\u0445ost.qinghe"):
            asked = join_request(token, ["localhost", trick]).SerializeToString()
            answer = await attacker.call(port, health.tls, join, asked, present=False)
            assert refusal(answer) == ("INVALID_FIELD", "hosts[1]"), trick


async def invited(attacker: Attacker) -> str:
    """A join token, as only an invited department has it."""
    district = attacker.world.district
    assert district.operator is not None
    invite = INVITATION.methods_by_name["CreateInvitation"]
    request = enrolment.CreateInvitationRequest(department=JUSTICE).SerializeToString()
    answer = await attacker.call(district.registry_address, district.operator, invite, request)
    assert isinstance(answer, bytes)
    return InvitationText.parse(enrolment.CreateInvitationResponse.FromString(answer).invitation).token


def join_request(token: str, hosts: Sequence[str]) -> enrolment.JoinRequest:
    """A request to join that is in order, but for its hosts."""
    key, request = Ed25519PrivateKey.generate(), signing_request(ec.generate_private_key(ec.SECP256R1()))
    return enrolment.JoinRequest(
        token=token,
        department=JUSTICE,
        tls_request=request,
        sign_public_key=key.public_key().public_bytes_raw(),
        proof=key.sign(join_message(token, request)),
        hosts=hosts,
    )


async def test_names_have_a_length(attacker: Attacker, case: Case) -> None:
    """One character more than the contract allows is refused by its field."""
    tries = [
        (transfer(case, act="a" * 61), "draft.act"),
        (transfer(case, sub_unit="x" * 121), "draft.sub_unit"),
        (
            transfer(case, parties=[envelopes.Party(role="receiver", department="x" * 121)]),
            "draft.parties[0].department",
        ),
        (
            transfer(case, transfer_letter=bodies.TransferLetter(title="题" * 201, facts="x")),
            "draft.transfer_letter.title",
        ),
        (transfer(case, item_code="x" * 41), "draft.item_code"),
    ]
    async with attacker.unchanged():
        for draft, field in tries:
            answer = await attacker.case_call(
                HEALTH, "PrepareLetter", cases.PrepareLetterRequest(draft=draft)
            )
            assert refusal(answer) == ("INVALID_FIELD", field)


async def test_no_well_formed_message_breaks_a_server(attacker: Attacker) -> None:
    """Every field of every request at its extremes: answered or refused, never a fault of ours."""
    tokens = [attacker.token(HEALTH, roles=EVERYONE), attacker.token(HEALTH, "system", service=True)]
    # what an operator publishes is law for the other tests
    left_out = {"liandong.directory.v1.DirectoryService.PublishEntry"}
    for address, tls, present, services in callers(attacker):
        for method in (each for service in services for each in service.methods):
            if method.full_name in left_out:
                continue
            for variant in range(4):
                request = fill(method.input_type, variant)
                token = tokens[variant % 2]
                answer = await attacker.call(
                    address,
                    tls,
                    method,
                    request.SerializeToString(),
                    ("liandong-actor", token),
                    present=present,
                    wait_s=0.5,
                )
                if isinstance(answer, Refused):
                    assert answer.reason not in ("INTERNAL", "STORAGE"), f"{method.full_name}: {request}"
    attacker.world.district.check()
    await attacker.calm()
