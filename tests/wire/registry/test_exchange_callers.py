"""Who may submit and who may listen: by certificate, by signature, until it is revoked."""

import time
from collections.abc import AsyncIterator

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb

from services.common.errors import CertificateRevoked, PermissionDenied
from services.common.permissions import missing_rows, rows_without_method
from services.registry import wiring
from services.registry.permissions import ENROLMENT_RULES, MAIN_RULES
from tests.builders.departments import HEALTH
from tests.builders.exchange_client import DeliverStream, certificate, node_client
from tests.wire.registry.conftest import World


def test_every_rpc_has_a_row() -> None:
    """And no row is left over."""
    for rules, offers in ((MAIN_RULES, wiring.MAIN), (ENROLMENT_RULES, wiring.ENROLMENT)):
        services = [each.service for each in offers]
        assert missing_rows(rules, services) == []
        assert rows_without_method(rules, services) == []


@pytest.mark.parametrize("kind", ["gateway", "system/hospital", "operator/ops"])
async def test_only_a_node_submits(world: World, kind: str) -> None:
    """Other certificates of the same department may look at heads and nothing more."""
    tls = certificate(world.registry, world.folder / "tls", HEALTH, kind)
    async with node_client(world.registry, world.signers[HEALTH], tls) as client:
        with pytest.raises(PermissionDenied):
            await client.send(client.signer.batch(client.opening()))
        assert (await client.stub.GetHead(service_pb.GetHeadRequest())).checkpoint


async def test_a_batch_signed_by_another_is_refused(world: World) -> None:
    """Whoever's certificate it comes under, the key is its own."""
    request = world.health.signer.batch(world.health.opening())
    assert (await world.market.refused(request)).reason == "BAD_SIGNATURE"
    request.proof.signature = bytes(64)
    assert (await world.health.refused(request)).reason == "BAD_SIGNATURE"
    request.proof.root = bytes(32)
    assert (await world.health.refused(request)).reason == "BAD_PROOF"


async def test_a_bad_batch_ends_the_stream_after_the_answers_before_it(world: World) -> None:
    """What was promised before is still said."""
    good = world.health.signer.batch(world.health.opening())
    bad = world.health.signer.batch(world.health.opening(), sequence=2)
    bad.proof.signature = bytes(64)

    async def source() -> AsyncIterator[service_pb.SubmitRequest]:
        yield good
        yield bad

    call = world.health.stub.Submit(source(), timeout=20)
    answer = await call.read()
    assert answer.outcomes[0].disposition == service_pb.DISPOSITION_ADMITTED
    assert (await call.code()).name == "INVALID_ARGUMENT"


async def test_a_revoked_certificate_ends_its_streams(world: World) -> None:
    """Within two seconds, typed; other departments' streams go on."""
    stream, other = DeliverStream(world.health), DeliverStream(world.market)
    stream.grant()
    other.grant()
    await stream.read()
    await other.read()
    revocation = directory_pb.Revocation(department=HEALTH, reason="lost")
    await world.registry.publisher.publish(directory_pb.CommonEntry(revocation=revocation))
    begin = time.monotonic()
    assert isinstance(await stream.ended(), CertificateRevoked)
    assert time.monotonic() - begin < 2
    assert (await other.read()).deliveries
    with pytest.raises(CertificateRevoked):
        await world.health.send(world.health.signer.batch(world.health.opening()))
    other.end()
