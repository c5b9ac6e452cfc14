"""A held registry over real TLS: it serves what it has, takes nothing, and says when to come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2
from typer.testing import CliRunner

from services.cli.registry import app
from services.common.channel import liandong_error, open_channel, remote_errors
from services.common.errors import ReadOnly
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.enrolment_client import EnrolmentClient
from services.exchange.keys import public_key_bytes
from services.registry.bootstrap import Registry, init
from services.registry.settings import RegistrySettings
from tests.builders.departments import HEALTH, LOG_ID, MARKET, REGISTRY, WATER, Signer, new_id
from tests.builders.exchange_client import Delivered, DeliverStream, NodeClient, certificate, node_client
from tests.builders.registry import region_entries, registry_settings


class Operator:
    """Runs the registry, and its commands while it is stopped.

    Attributes:
        signers: Who has letters; WATER is listed and has not joined.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self.settings: RegistrySettings = registry_settings(url, folder)
        self.signers = {name: Signer(name) for name in (HEALTH, MARKET)}
        listed = entries.Department(name=WATER, status=entries.DEPARTMENT_STATUS_LISTED)
        listed.title.zh, listed.title.en = "水务", "Water"
        init(self.settings, [*region_entries(self.signers.values()), entries.CommonEntry(department=listed)])
        self.config = folder / "registry.toml"
        self.config.write_text(
            f'region = "qinghe"\ndatabase_url = "{url}"\ndata_dir = "{self.settings.data_dir}"\n'
        )

    async def command(self, *words: str, ok: bool = True) -> str:
        """What `liandong registry` prints."""
        arguments = [*words, "--config", str(self.config)]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert (result.exception is None) == ok, result.output
        return result.output if ok else repr(result.exception)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Registry, NodeClient, NodeClient]]:
        """The registry, and HEALTH's and MARKET's channels to it."""
        async with AsyncExitStack() as stack:
            registry = await stack.enter_async_context(Registry(self.settings))
            clients = [
                await stack.enter_async_context(
                    node_client(registry, signer, certificate(registry, self._folder / "tls", name))
                )
                for name, signer in self.signers.items()
            ]
            yield registry, clients[0], clients[1]


@pytest.fixture
async def operator(sqlite_url: str, tmp_path: Path) -> Operator:
    return await asyncio.to_thread(Operator, sqlite_url, tmp_path)


def verified(registry: Registry, note: str) -> tuple[int, int]:
    head = verify_checkpoint(note, LOG_ID, [public_key_bytes(registry.credentials.sign_key)])
    return head.epoch, head.size


async def test_a_held_registry_serves_and_takes_nothing(operator: Operator, tmp_path: Path) -> None:
    """Letters come back with RETRY, other writes fail for a while; deliveries, heads and proofs go on."""
    async with operator.running() as (registry, health, _):
        letter = health.signer.act(new_id(), "register", parties={HEALTH: "sender"})
        at = await health.admit(letter)
    assert "takes no letters" in await operator.command("hold")
    async with operator.running() as (registry, health, market):
        size = registry.replica.head.size
        waiting = health.signer.act(new_id(), "register", parties={HEALTH: "sender"})
        for known, put_off in await health.submit([letter, waiting], [letter, waiting]):
            assert (known.disposition, known.position) == (pb.DISPOSITION_ADMITTED, at)
            assert put_off.disposition == pb.DISPOSITION_RETRY
            assert put_off.reason == reason_pb2.REASON_READ_ONLY
            assert put_off.retry_after_ms > 0
        delivered = Delivered(registry, operator.signers)
        stream = DeliverStream(health)
        stream.grant(1000)
        while at not in delivered.receipts:
            delivered.take(await stream.read())
        stream.end()
        head = await market.stub.GetHead(pb.GetHeadRequest())
        assert verified(registry, head.checkpoint) == (1, size)
        proof = await market.stub.GetInclusionProof(pb.GetInclusionProofRequest(position=at))
        assert proof.leaf.letter_digest == letter.digest
        files = certificate(registry, tmp_path / "tls", REGISTRY, "operator/ops")
        async with open_channel(registry.address, files) as channel:
            office = entries.Office(procedure="case-transfer", department=HEALTH)
            request = directory.PublishEntryRequest(entry=entries.CommonEntry(office=office))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await DirectoryServiceStub(channel).PublishEntry(request)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        error = liandong_error(refused.value)
        assert isinstance(error, ReadOnly)
        assert error.retry_after_ms > 0
        with pytest.raises(ReadOnly), remote_errors():
            await EnrolmentClient(tmp_path / "water").join((await registry.enrolment.invite(WATER))[0])
        assert registry.replica.head.size == size
    await operator.command("release")
    async with operator.running() as (registry, health, _):
        await health.admit(waiting)
        await EnrolmentClient(tmp_path / "water").join((await registry.enrolment.invite(WATER))[0])
        assert registry.replica.directory.active(WATER)
        assert registry.replica.head.epoch == 1


async def test_a_new_epoch_is_in_every_head(operator: Operator) -> None:
    """Opened by number, once; what waited is admitted under it, and its heads continue those of before."""
    async with operator.running() as (registry, health, _):
        observed = registry.replica.head
    assert "NotHeld" in await operator.command("epoch", "2", ok=False)
    await operator.command("hold")
    assert "WrongEpoch" in await operator.command("epoch", "3", ok=False)
    assert "epoch 2" in await operator.command("epoch", "2")
    assert "NotHeld" in await operator.command("epoch", "2", ok=False)
    async with operator.running() as (registry, health, market):
        waited = health.signer.act(new_id(), "register", parties={HEALTH: "sender"})
        waited.header.observed_head.log_id = LOG_ID
        waited.header.observed_head.epoch = 1
        waited.header.observed_head.size = observed.size
        waited.header.observed_head.root = observed.edge.root
        sealed = health.signer.seal(waited.header, waited.envelope.payload, waited.envelope.assertions)
        at = await health.admit(sealed)
        head = await market.stub.GetHead(pb.GetHeadRequest())
        assert verified(registry, head.checkpoint) == (2, at + 1)
        path = await market.stub.GetConsistencyProof(
            pb.GetConsistencyProofRequest(first_size=observed.size, second_size=at + 1)
        )
        assert path.path
