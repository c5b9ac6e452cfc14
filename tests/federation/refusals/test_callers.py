"""Who may call: by certificate, by department, by the signature under a batch."""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
from tests.federation.refusals.answers import Refused, reason_of, refusal
from tests.federation.refusals.attacker import EVERYONE, LONG_AGO, Attacker, Door, actor
from tests.federation.refusals.case_letters import Case, sent
from tests.federation.refusals.offered import (
    CASES,
    CHANNELZ,
    CODES,
    DIRECTORY,
    EVIDENCE,
    EXCHANGE,
    IMPORTS,
    INVITATION,
    NODE,
    SHARING,
    SUBJECT_INDEX,
    SUBJECTS,
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
        assert refusal(borrowed) == ("BAD_SIGNATURE", "proof.key_id")


@pytest.mark.parametrize("service", [*NODE, CHANNELZ], ids=lambda each: each.name)
async def test_no_certificate_of_another_department_calls_a_node(
    attacker: Attacker, service: ServiceDescriptor
) -> None:
    """Neither gateway nor system nor node of it, on any call, though the assertion is genuine; nor our own node."""
    token, address = attacker.token(HEALTH, roles=EVERYONE), attacker.party(HEALTH).address
    foreign = [
        Door(address, attacker.certificate(f"liandong://{MARKET}/{kind}"))
        for kind in ("gateway", "system/x", "node")
    ]
    own = Door(address, attacker.node_tls(HEALTH))
    async with attacker.unchanged():
        for method in service.methods:
            for door in foreign:
                answer = await attacker.call(door, method, b"", token)
                # at a node nobody publishes
                nobody = method.name.startswith("Publish") and service is DIRECTORY
                expected = "CALLER_NOT_PERMITTED" if nobody else "FOREIGN_DEPARTMENT"
                assert reason_of(answer) == expected, method.full_name
            if service not in (DIRECTORY, CODES, CHANNELZ):
                answer = await attacker.call(own, method, b"", token)
                assert reason_of(answer) == "CALLER_NOT_PERMITTED", method.full_name


@pytest.mark.parametrize("service", [CASES, SUBJECTS, IMPORTS, SHARING, EVIDENCE], ids=lambda each: each.name)
async def test_no_actor_of_another_department_acts_here(
    attacker: Attacker, service: ServiceDescriptor
) -> None:
    """Its issuer is not listed here, and its assertion is for another audience; without one nobody acts."""
    health, issuer = attacker.node(HEALTH), attacker.party(HEALTH).issuer
    tokens = {
        attacker.token(MARKET, roles=EVERYONE): "ACTOR_INVALID",
        attacker.token(MARKET, roles=EVERYONE, aud=HEALTH): "ACTOR_INVALID",
        attacker.token(MARKET, roles=EVERYONE, aud=HEALTH, iss=issuer): "ACTOR_INVALID",
    }
    async with attacker.unchanged():
        for method in service.methods:
            for token, reason in tokens.items():
                answer = await attacker.call(health, method, b"", token)
                assert reason_of(answer) == reason, method.full_name
            assert reason_of(await attacker.call(health, method)) == "ACTOR_MISSING", method.full_name


async def test_at_the_registry_each_calls_what_its_certificate_is_for(attacker: Attacker) -> None:
    """Letters and evidence go between nodes and registry, invitations and common entries are its operators'."""
    registry, operator = attacker.registry(HEALTH), attacker.operator()
    clients = [
        Door(registry.address, attacker.certificate(f"liandong://{HEALTH}/{kind}"))
        for kind in ("gateway", "system/x")
    ]
    publish = [DIRECTORY.methods_by_name[name] for name in ("PublishEntry", "PublishEntries")]
    links = [EXCHANGE.methods_by_name[name] for name in ("Submit", "Deliver")]
    refused = [
        *(
            (door, each)
            for door in (*clients, operator)
            for each in (*EVIDENCE.methods, *SUBJECT_INDEX.methods, *links)
        ),
        *((door, each) for door in (*clients, registry) for each in (*INVITATION.methods, *publish)),
    ]
    async with attacker.unchanged():
        for door, method in refused:
            answer = await attacker.call(door, method)
            assert reason_of(answer) == "CALLER_NOT_PERMITTED", method.full_name


async def test_a_certificate_that_is_not_the_registrys_or_has_ended_opens_no_connection(
    attacker: Attacker,
) -> None:
    """TLS refuses without a word; the enrolment port says why. Without a certificate there is no connection either."""
    foreign = attacker.certificate(
        f"liandong://{HEALTH}/system/x", Authority.create("else", datetime.now(UTC))
    )
    ended = attacker.certificate(f"liandong://{HEALTH}/system/x", made=LONG_AGO)
    genuine, token = attacker.party(HEALTH).tls, attacker.token(HEALTH)
    async with attacker.unchanged():
        for address, method in (
            (attacker.registry(HEALTH).address, EXCHANGE.methods_by_name["GetHead"]),
            (attacker.node(HEALTH).address, CASES.methods_by_name["GetNodeState"]),
        ):
            for door in (
                Door(address, foreign),
                Door(address, ended),
                Door(address, genuine, presented=False),
            ):
                answer = await attacker.call(door, method, b"", token)
                assert isinstance(answer, Refused)
                assert answer.code == "UNAVAILABLE"
        assert await attacker.diagnose(foreign) == "UNKNOWN_CERTIFICATE"
        assert await attacker.diagnose(ended) == "CERTIFICATE_EXPIRED"


async def test_a_revoked_certificate_is_refused_and_its_streams_end(attacker: Attacker) -> None:
    """At node and registry, typed; what it had open ends within two seconds of the entry's coming."""
    tls = attacker.certificate(f"liandong://{HEALTH}/system/lost")
    health, registry = replace(attacker.node(HEALTH), tls=tls), replace(attacker.registry(HEALTH), tls=tls)
    token = attacker.token(HEALTH)
    head, state = EXCHANGE.methods_by_name["GetHead"], CASES.methods_by_name["GetNodeState"]
    assert isinstance(await attacker.call(registry, head), bytes)
    watch = case_stubs.CaseServiceStub(attacker.channel(health)).WatchCases(
        cases.WatchCasesRequest(), metadata=(actor(token),)
    )
    await watch.initial_metadata()
    serial = f"{x509.load_pem_x509_certificate(tls.cert.read_bytes()).serial_number:x}"
    revocation = entries.Revocation(department=HEALTH, serials=[serial])
    await attacker.publish(directory.PublishEntryRequest(entry=entries.CommonEntry(revocation=revocation)))
    assert await asyncio.wait_for(watch.code(), 5) is not None
    assert Refused.of(await ended_with(watch)).reason == "CERTIFICATE_REVOKED"
    async with attacker.unchanged():
        assert reason_of(await attacker.call(registry, head)) == "CERTIFICATE_REVOKED"
        assert reason_of(await attacker.call(health, state, b"", token)) == "CERTIFICATE_REVOKED"
        assert await attacker.diagnose(tls) == "CERTIFICATE_REVOKED"


async def ended_with(stream: Any) -> Any:
    try:
        await stream.read()
    except Exception as error:  # noqa: BLE001 - the framework's, looked at by the caller
        return error
    raise AssertionError("the stream ended well")
