"""A node's end of the exchange as another implementation would write it: a raw channel, no link."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2_grpc as rpc

from services.common.channel import liandong_error, open_channel
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange import digests, keys, merkle
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.keys import public_key_bytes
from services.exchange.letters import open_letter
from services.registry.bootstrap import Registry
from services.registry.recent import Place
from tests.builders.departments import HEALTH, LOG_ID, Sent, Signer, new_id


def certificate(registry: Registry, folder: Path, department: str, kind: str = "node") -> TlsFiles:
    """A client certificate that the registry's authority issued."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{department}-{kind.replace('/', '-')}"
    files = TlsFiles(registry.credentials.folder / "ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key")
    key = ec.generate_private_key(ec.SECP256R1())
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    uri = f"liandong://{department}/{kind}"
    files.cert.write_bytes(registry.credentials.authority.issue(key.public_key(), uri, registry.clock.now()))
    return files


class Delivered:
    """What came down, every proof of it verified on the way."""

    def __init__(self, registry: Registry, signers: dict[str, Signer]) -> None:
        self._registry_key = public_key_bytes(registry.credentials.sign_key)
        self._signers = signers
        self.places: list[Place] = []
        self.letters: dict[int, str] = {}
        self.receipts: dict[int, str] = {}
        self.messages: list[pb.DeliverResponse] = []
        self.previous = Place(-1, -1)

    async def gather(self, stream: "DeliverStream", count: int) -> None:
        """Take messages until so many letters and receipts have come."""
        while len(self.places) < count:
            self.take(await stream.read())

    def take(self, response: pb.DeliverResponse) -> None:
        """Verify a message as a node must: gaps, leaves, authors, head."""
        self.messages.append(response)
        checkpoint = verify_checkpoint(response.checkpoint, LOG_ID, [self._registry_key])
        assert checkpoint.size == response.tree_size
        leaves: dict[int, bytes] = {}
        for delivery in response.deliveries:
            assert (delivery.previous.at, delivery.previous.position) == self.previous
            self.previous = Place(delivery.cursor.at, delivery.cursor.position)
            self.places.append(self.previous)
            leaf = delivery.leaf
            leaves[leaf.position] = digests.leaf_hash(
                digests.encode_leaf(
                    leaf.position, leaf.admitted_at_us, leaf.common_version, leaf.letter_digest
                )
            )
            if delivery.HasField("receipt"):
                self.receipts[leaf.position] = delivery.receipt.letter_id
            else:
                self._letter(delivery, response)
        proof = list(response.multiproof)
        merkle.verify_multiproof(leaves, response.tree_size, proof, checkpoint.root)

    def _letter(self, delivery: pb.Delivery, response: pb.DeliverResponse) -> None:
        letter = open_letter(delivery.envelope)
        assert letter.digest == delivery.leaf.letter_digest
        batch, proof = response.batches[delivery.batch], delivery.envelope.proof
        leaf = digests.batch_leaf(letter.digest)
        merkle.verify_inclusion(leaf, proof.leaf_index, batch.tree_size, proof.path, batch.root)
        signer = self._signers.get(letter.header.author)
        key = public_key_bytes(signer.sign_key) if signer else self._registry_key
        keys.verify_batch(key, batch.key_id, batch.tree_size, batch.root, batch.signature, suite=batch.suite)
        self.letters[delivery.leaf.position] = letter.letter_id


class NodeClient:
    """A department's channel to a registry."""

    def __init__(self, registry: Registry, signer: Signer, channel: grpc.aio.Channel) -> None:
        self.registry = registry
        self.signer = signer
        self.channel = channel
        self.stub: Any = rpc.ExchangeServiceStub(channel)

    def opening(self, case_id: str = "", **changes: Any) -> Sent:
        """A letter that opens a case, a new one if none is named."""
        return self.signer.act(case_id or new_id(), "register", parties={HEALTH: "sender"}, **changes)

    async def submit(self, *batches: Sequence[Sent]) -> list[list[pb.Outcome]]:
        """Send batches over one stream and return their outcomes."""
        requests = [
            self.signer.batch(*batch, sequence=number) for number, batch in enumerate(batches, start=1)
        ]
        answers = await self.send(*requests)
        assert [answer.sequence for answer in answers] == list(range(1, len(batches) + 1))
        return [list(answer.outcomes) for answer in answers]

    async def send(self, *requests: pb.SubmitRequest, **options: Any) -> list[pb.SubmitResponse]:
        """Send requests over one stream; raises the registry's error."""

        async def source() -> AsyncIterator[pb.SubmitRequest]:
            for request in requests:
                yield request

        call = self.stub.Submit(source(), timeout=20, **options)
        try:
            return [answer async for answer in call]
        except grpc.aio.AioRpcError as error:
            raise liandong_error(error) from None

    async def refused(self, request: pb.SubmitRequest, **options: Any) -> LiandongError:
        """Send a request that must be refused whole, and return the registry's error."""
        try:
            await self.send(request, **options)
        except LiandongError as error:
            return error
        raise AssertionError("it was not refused")

    async def admit(self, letter: Sent) -> int:
        """Send one letter, which must be admitted, and return its position."""
        ((outcome,),) = await self.submit([letter])
        assert outcome.disposition == pb.DISPOSITION_ADMITTED, outcome
        return outcome.position


class DeliverStream:
    """An open Deliver stream of which the test grants every letter."""

    def __init__(self, client: NodeClient, start: Place | None = None) -> None:
        self._requests: asyncio.Queue[pb.DeliverRequest | None] = asyncio.Queue()
        self.call: Any = client.stub.Deliver(self._source(), timeout=60)
        self._first = pb.DeliverRequest()
        if start is not None:
            self._first.start.at, self._first.start.position = start

    def grant(self, letters: int = 1000, size: int = 1 << 24) -> None:
        """Give credit, more than enough if nothing is said; the first grant opens the stream."""
        request, self._first = self._first, pb.DeliverRequest()
        request.grant_letters = letters
        request.grant_bytes = size
        self._requests.put_nowait(request)

    def acknowledge(self, place: Place) -> None:
        """Say what is durable."""
        request = pb.DeliverRequest()
        request.acknowledged.at, request.acknowledged.position = place
        self._requests.put_nowait(request)

    def end(self) -> None:
        """Send nothing more."""
        self._requests.put_nowait(None)

    async def read(self, seconds: float = 10) -> pb.DeliverResponse:
        """The next message; raises the registry's error."""
        try:
            async with asyncio.timeout(seconds):
                response = await self.call.read()
        except grpc.aio.AioRpcError as error:
            raise liandong_error(error) from None
        assert response is not grpc.aio.EOF
        return response  # type: ignore[no-any-return]

    async def ended(self) -> LiandongError:
        """The error that ends the stream, after what still comes."""
        while True:
            try:
                await self.read()
            except LiandongError as error:
                return error

    async def _source(self) -> AsyncIterator[pb.DeliverRequest]:
        while (request := await self._requests.get()) is not None:
            yield request


@asynccontextmanager
async def node_client(registry: Registry, signer: Signer, tls: TlsFiles) -> AsyncIterator[NodeClient]:
    """A channel under a certificate."""
    async with open_channel(registry.address, tls) as channel:
        yield NodeClient(registry, signer, channel)
