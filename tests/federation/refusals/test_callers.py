"""Who may call: by certificate, by department, by the signature under a batch."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from google.protobuf.descriptor import ServiceDescriptor
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import case_service_pb2_grpc as case_stubs
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory

from services.exchange.authority import Authority
from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.attacker import EVERYONE, LONG_AGO, Attacker, Refused, refusal
from tests.federation.refusals.case_letters import Case, sent
from tests.federation.refusals.offered import (
    CASES,
    CHANNELZ,
    DIRECTORY,
    EVIDENCE,
    EXCHANGE,
    INVITATION,
    NODE,
    SHARING,
)

pytestmark = MARKS


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
