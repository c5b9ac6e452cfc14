"""What letters name is moved in the background, survives a restart, and is never given up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc.aio
import pytest
import stamina

from services.common.clock import ManualClock
from services.exchange.digests import sha256
from services.exchange.evidence import Manifest
from services.exchange.evidence_records import any_manifest, complete_roots, mark_complete
from services.exchange.evidence_store import FolderStore
from services.exchange.evidence_transfer import Direction, EvidencePuller, EvidencePusher, enqueue
from tests.unit.exchange.evidence_samples import MIB, disk_full, fill, manifest_for, sample, whole
from tests.wire.exchange.evidence_world import (
    AUTHOR,
    RECIPIENT,
    EvidenceWorld,
    Wire,
    calling,
    open_records,
    until,
)


class Node:
    """A department's side: a store, a database, a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.store = FolderStore(folder / "store")
        self.records = open_records(folder)
        self.clock = ManualClock()

    def brings(self, data: bytes) -> Manifest:
        """A person of this department uploaded it."""
        manifest = fill(self.store, data)
        self.records.register(manifest, "person:wang")
        self.records.database.write(
            lambda connection: mark_complete(connection, manifest.root, "person:wang")
        )
        return manifest

    def wants(self, root: bytes, direction: Direction) -> None:
        """A letter names it."""
        self.records.database.write(lambda connection: enqueue(connection, [root], direction))

    def has(self, root: bytes, holder: str | None = None) -> bool:
        """Whether it is here in full."""
        return bool(self.records.database.read(lambda connection: complete_roots(connection, [root], holder)))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "node")
    yield made
    made.records.database.close()


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Calls are tried once: the pauses under test are those of the table."""
    with stamina.set_testing(True, attempts=1):
        yield


@asynccontextmanager
async def pusher_of(node: Node, world: EvidenceWorld, target: str = "") -> AsyncIterator[EvidencePusher]:
    async with calling(target or world.registry.target, world.author) as stub:
        yield EvidencePusher(node.store, node.records, lambda: stub, clock=node.clock)


@asynccontextmanager
async def puller_of(node: Node, world: EvidenceWorld, target: str = "") -> AsyncIterator[EvidencePuller]:
    async with calling(target or world.registry.target, world.recipient) as stub:
        yield EvidencePuller(RECIPIENT, node.store, node.records, lambda: stub, clock=node.clock)


@asynccontextmanager
async def running(transfers: EvidencePusher | EvidencePuller) -> AsyncIterator[None]:
    task = asyncio.create_task(transfers.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_a_letter_names_goes_up(evidence: EvidenceWorld, node: Node) -> None:
    """Woken after the commit, the pusher brings it, and its row goes."""
    manifest = node.brings(sample(9 * MIB))
    arrived: list[bytes] = []
    async with calling(evidence.registry.target, evidence.author) as stub:
        pusher = EvidencePusher(
            node.store, node.records, lambda: stub, on_arrival=lambda _, root: arrived.append(root)
        )
        async with running(pusher):
            await asyncio.sleep(0.05)
            node.wants(manifest.root, Direction.PUSH)
            assert await pusher.pending(manifest.root) is not None
            pusher.wake()
            await until(lambda: arrived == [manifest.root])
        assert await pusher.pending(manifest.root) is None
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]


async def test_what_a_letter_names_comes_down(evidence: EvidenceWorld, node: Node) -> None:
    """The puller fetches, verifies, and notes the evidence as the department's."""
    data = sample(9 * MIB)
    manifest = evidence.held(data)
    node.wants(manifest.root, Direction.PULL)
    async with puller_of(node, evidence) as puller, running(puller):
        await until(lambda: node.has(manifest.root, RECIPIENT))
    held = node.records.database.read(lambda connection: any_manifest(connection, manifest.root))
    assert held.manifest == manifest
    assert await asyncio.to_thread(whole, node.store, manifest) == data


async def test_nothing_is_wanted_when_the_letter_is_rolled_back(evidence: EvidenceWorld, node: Node) -> None:
    """The queue is written in the letter's transaction, and goes with it."""

    def fail(connection: object) -> None:
        enqueue(connection, [bytes(32)], Direction.PUSH)  # type: ignore[arg-type]
        raise LookupError

    with pytest.raises(LookupError):
        node.records.database.write(fail)
    async with pusher_of(node, evidence) as pusher:
        assert await pusher.waiting() == []


async def test_an_unreachable_registry_is_tried_again(evidence: EvidenceWorld, node: Node) -> None:
    """Pauses grow, the reason is shown, and a new process goes on where the old one was."""
    manifest = node.brings(sample(MIB))
    node.wants(manifest.root, Direction.PUSH)
    pauses = []
    async with pusher_of(node, evidence, "127.0.0.1:1") as pusher:
        for attempt in (1, 2, 3, 4):
            assert await pusher.run_due() == 1
            assert await pusher.run_due() == 0
            wanted = await pusher.pending(manifest.root)
            assert wanted is not None
            assert (wanted.attempts, wanted.error) == (attempt, "UNAVAILABLE")
            pauses.append(wanted.next_attempt_at - node.clock.now())
            node.clock.set(wanted.next_attempt_at)
    assert timedelta(seconds=0.5) <= pauses[0] <= timedelta(seconds=1)
    assert timedelta(seconds=4) <= pauses[3] <= timedelta(seconds=8)
    async with pusher_of(node, evidence) as pusher:
        assert await pusher.run_due() == 1
        assert await pusher.pending(manifest.root) is None
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]


async def test_naming_it_again_makes_it_due(evidence: EvidenceWorld, node: Node) -> None:
    """A second letter does not wait for the pause of the first."""
    manifest = node.brings(sample(MIB))
    async with pusher_of(node, evidence, "127.0.0.1:1") as pusher:
        node.wants(manifest.root, Direction.PUSH)
        assert await pusher.run_due() == 1
        assert await pusher.run_due() == 0
        node.wants(manifest.root, Direction.PUSH)
        assert await pusher.run_due() == 1


async def test_the_recipient_waits_for_the_author(evidence: EvidenceWorld, node: Node) -> None:
    """A letter that came before its evidence: what is there is fetched, the rest when it is there."""
    manifest = evidence.held(sample(9 * MIB))
    evidence.registry.records.mark_missing(manifest.root, AUTHOR, [0])
    node.wants(manifest.root, Direction.PULL)
    async with puller_of(node, evidence) as puller:
        await puller.run_due()
        wanted = await puller.pending(manifest.root)
        assert wanted is not None
        assert wanted.error == "EVIDENCE_PENDING"
        assert not node.has(manifest.root)
        evidence.registry.records.mark_present(manifest.root, AUTHOR, [0])
        node.clock.advance(timedelta(minutes=1))
        await puller.run_due()
        assert await puller.pending(manifest.root) is None
    assert node.has(manifest.root, RECIPIENT)
    assert [use.index for use in evidence.registry.used("read")] == [1, 0]


async def test_a_cut_wire_costs_one_attempt(evidence: EvidenceWorld, node: Node) -> None:
    """After a cut the next attempt brings only what is missing."""
    manifest = node.brings(sample(24 * MIB))
    node.wants(manifest.root, Direction.PUSH)
    async with Wire(evidence.registry.target) as wire, pusher_of(node, evidence, wire.target) as pusher:
        wire.cut_at_up = 18 * MIB
        await pusher.run_due()
        assert await pusher.pending(manifest.root) is not None
        arrived = evidence.store.settled.copy()
        assert arrived
        node.clock.advance(timedelta(minutes=1))
        async with asyncio.timeout(20):
            while await pusher.run_due():
                node.clock.advance(timedelta(minutes=1))
    assert evidence.registry.completed == [(manifest.root, AUTHOR)]
    assert set(evidence.store.settled.values()) == {1}


async def test_what_no_pause_cures_is_tried_hourly(evidence: EvidenceWorld, node: Node) -> None:
    """A manifest that the registry refuses stays in sight and does not keep the link busy."""
    manifest = node.brings(sample(9 * MIB))
    (node.store._place_of(manifest.chunks[1])).write_bytes(bytes(MIB))
    node.wants(manifest.root, Direction.PUSH)
    async with pusher_of(node, evidence) as pusher:
        for _ in range(2):
            await pusher.run_due()
            wanted = await pusher.pending(manifest.root)
            assert wanted is not None
            assert wanted.error == "CHUNK_MISMATCH"
            node.clock.set(wanted.next_attempt_at)
        assert await pusher.run_due() == 1
        wanted = await pusher.pending(manifest.root)
        assert wanted is not None
        assert wanted.next_attempt_at - node.clock.now() == timedelta(hours=1)


async def test_what_is_not_here_yet_waits(evidence: EvidenceWorld, node: Node) -> None:
    """An act whose evidence may follow: the push begins when the author has it all."""
    data = sample(MIB)
    root = manifest_for(data).root
    node.wants(root, Direction.PUSH)
    async with pusher_of(node, evidence) as pusher:
        await pusher.run_due()
        wanted = await pusher.pending(root)
        assert wanted is not None
        assert wanted.error == "NOT_FOUND"
        node.records.register(replace(manifest_for(data)), "person:wang")
        node.clock.advance(timedelta(minutes=1))
        await pusher.run_due()
        wanted = await pusher.pending(root)
        assert wanted is not None
        assert wanted.error == "EVIDENCE_PENDING"
        node.brings(data)
        node.clock.advance(timedelta(minutes=1))
        await pusher.run_due()
    assert evidence.registry.completed == [(root, AUTHOR)]


async def test_one_failure_does_not_stop_the_others(evidence: EvidenceWorld, node: Node) -> None:
    """A broken transfer, a full disk at the registry, and one that succeeds: the loop serves all."""
    good, full = node.brings(sample(MIB, 1)), node.brings(sample(MIB, 2))
    broken = sha256(b"nothing")
    evidence.store.write_faults.append(disk_full())
    for root in (broken, full.root, good.root):
        node.wants(root, Direction.PUSH)
    async with calling(evidence.registry.target, evidence.author) as stub:
        pusher = EvidencePusher(node.store, node.records, lambda: stub, at_once=1)
        async with running(pusher):
            async with asyncio.timeout(10):
                while len(shown := {each.root: each.error for each in await pusher.waiting()}) > 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
    assert len(evidence.registry.completed) == 1
    assert shown.pop(broken) == "NOT_FOUND"
    # a frame may be on its way when the refusal comes: then the framework has lost its words
    assert set(shown.values()) <= {"STORAGE", "UNAVAILABLE"}
    assert full.root in shown


async def test_a_call_that_is_cut_off_does_not_end_the_moving(evidence: EvidenceWorld, node: Node) -> None:
    """A channel that is closed cancels its calls; that is not the pusher being cancelled."""
    manifest = node.brings(sample(MIB))
    async with calling(evidence.registry.target, evidence.author) as stub:
        opened = 0

        def open_stub() -> object:
            nonlocal opened
            opened += 1
            if opened == 1:
                raise asyncio.CancelledError
            if opened == 2:
                raise grpc.aio.UsageError("Channel is closed.")
            return stub

        node.wants(manifest.root, Direction.PUSH)
        pusher = EvidencePusher(node.store, node.records, open_stub)  # type: ignore[arg-type]
        async with running(pusher):
            await until(lambda: evidence.registry.completed == [(manifest.root, AUTHOR)])
    assert opened == 3
