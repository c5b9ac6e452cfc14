"""Evidence goes from department to department through real nodes and a real registry, named by real letters.

Every byte between a node and the registry passes a proxy of the test's own, which counts it: what arrived
before a cut is not sent again after it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2 as evidence
from liandong.exchange.v1 import evidence_service_pb2_grpc as evidence_stubs
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.sharing.v1 import sharing_service_pb2 as sharing

from services.cli.demo.party import Party
from services.cli.demo.story import evidence_material
from services.common.channel import open_channel, remote_errors
from services.common.errors import LiandongError, NotFound
from services.common.tls import TlsFiles
from services.exchange.digests import CHUNK_SIZE, sha256
from services.exchange.evidence import Manifest, chunks_of_file, manifest_of
from services.exchange.evidence_client import upload
from services.exchange.letters import timestamp
from services.registry.tables import evidence_uses
from tests.federation import district
from tests.federation.district import HEALTH, JUSTICE, MARKET, Federation, Proxy, federation, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("evidence")]

MIB: Final = 1024 * 1024
MEMORY_MIB: Final = 200
IN_FLIGHT: Final = 2 * CHUNK_SIZE
"""What may be sent again after one cut: the two chunks that were on their way."""
BULLETINS: Final = "bulletin.good-practice"


class CountingProxy(Proxy):
    """A proxy that counts what passes.

    Attributes:
        up, down: Bytes towards the registry and from it.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.port = int(target.rpartition(":")[2])
        self.up = self.down = 0

    def note(self, sink: asyncio.StreamWriter, size: int) -> None:
        if sink.get_extra_info("peername")[1] == self.port:
            self.up += size
        else:
            self.down += size

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        counted: Any = Counted(source, lambda size: self.note(sink, size))
        await super()._pump(counted, sink)


class Counted:
    """A reader that tells how much was read."""

    def __init__(self, source: asyncio.StreamReader, note: Callable[[int], None]) -> None:
        self._source = source
        self._note = note

    async def read(self, size: int) -> bytes:
        piece = await self._source.read(size)
        if piece:
            self._note(len(piece))
        return piece


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Federation]:
    """Three departments and their registry, each a process, their links counted."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(district, "Proxy", CountingProxy)
        async with federation(tmp_path_factory.mktemp("evidence"), (HEALTH, MARKET, JUSTICE)) as made:
            for party in made.parties.values():
                await party.ready()
            yield made


def link_of(world: Federation, name: str) -> CountingProxy:
    (proxy,) = world.proxies[name]
    assert isinstance(proxy, CountingProxy)
    return proxy


class Memory:
    """The most memory that each process held, also those that were killed."""

    def __init__(self, world: Federation) -> None:
        self._world = world
        self.peaks: dict[str, int] = {}

    def look(self) -> None:
        for process in self._world.district.processes:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
            self.peaks[process.name] = max(peak, self.peaks.get(process.name, 0))

    async def kill(self, name: str) -> None:
        (process,) = self._world.processes(name)
        self.look()
        await self._world.kill(process)


class Bound:
    """The evidence stub of a department under assertions of one of its people."""

    def __init__(self, party: Party, role: str) -> None:
        self._party, self._role = party, role

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._party.evidence, name)
        return lambda *arguments, **options: method(
            *arguments, metadata=self._party.actor(self._role), **options
        )


def stub(party: Party, role: str = "clerk") -> Any:
    return Bound(party, role)


async def sample(party: Party, size: int) -> tuple[Path, Manifest]:
    """A file of random bytes, so that no two chunks are the same."""
    path = party.folder / "sample.bin"

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))

    await asyncio.to_thread(write)
    return path, await manifest_of(path, media_type="video/mp4", collected_by=party.people["clerk"].name)


async def passed(count: Callable[[], int], size: int) -> None:
    """Wait until so many bytes have passed."""
    deadline = asyncio.get_running_loop().time() + 300
    while count() < size:
        assert asyncio.get_running_loop().time() < deadline, f"{count()} of {size}"
        await asyncio.sleep(0.005)


async def complete_at(party: Party, root: bytes, role: str = "clerk") -> str:
    """What is missing of evidence at a department, for one of its people."""
    try:
        with remote_errors():
            answer = await stub(party, role).GetManifest(evidence.GetManifestRequest(root=root), timeout=30)
    except LiandongError as error:
        return error.reason
    return f"{len(answer.missing)} chunks are missing" if answer.missing else ""


async def uses(world: Federation, action: str, root: bytes) -> list[int]:
    """The chunks of which the registry noted such a use."""
    query = sa.select(evidence_uses.c.chunk_index).where(
        evidence_uses.c.root == root, evidence_uses.c.action == action
    )
    found = await asyncio.to_thread(world.rows, "registry", query)
    return sorted(int(str(row[0])) for row in found)


@pytest.mark.parametrize(
    "size_mib",
    [
        pytest.param(64, marks=pytest.mark.timeout(300)),
        pytest.param(256, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
        pytest.param(2048, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
async def test_evidence_of_a_transfer_survives_every_cut_in_little_memory(
    world: Federation, size_mib: int
) -> None:
    """Registry killed on its way up, link cut and recipient killed on its way down: little is sent twice."""
    health, market, size = world.parties[HEALTH], world.parties[MARKET], size_mib * MIB
    up, down, memory = link_of(world, HEALTH), link_of(world, MARKET), Memory(world)
    path, manifest = await sample(health, size)
    await upload(stub(health), manifest, chunks_of_file(path))
    case_id, materials = await registered(health, manifest)
    for each in (up, down):
        each.slow(0.002)
    before = up.up
    answer = await health.act(transfer(case_id, materials), approver="leader-in-charge")
    await passed(lambda: up.up - before, size * 6 // 10)
    parked = await health.cases.ListParked(
        cases.ListParkedRequest(), metadata=health.actor("clerk"), timeout=30
    )
    waiting = [(each.letter_id, each.side, each.error.partition(":")[0]) for each in parked.letters]
    assert waiting == [(answer.letter_id, cases.PARKED_SIDE_OUTBOX, "EVIDENCE_PENDING")]
    await memory.kill("registry-1")
    up.heal()
    started = down.down
    letter: list[cases.LetterView] = []

    async def admitted() -> str:
        found = [each for each in await health.timeline(case_id) if each.letter_id == answer.letter_id]
        letter[:] = found
        return "" if found[0].disposition == exchange.DISPOSITION_ADMITTED else str(found[0].disposition)

    await until(admitted, 60 + size_mib)
    sent = up.up - before
    written = await uses(world, "write", manifest.root)
    assert written == list(range(len(manifest.chunks))), "each chunk was taken once"
    assert sent < size * 1.03 + IN_FLIGHT + MIB, f"{sent / MIB:.1f} MiB were sent"

    await market.reached(case_id, letter[0].position.position)
    await passed(lambda: down.down - started, size * 3 // 10)
    down.cut()
    await passed(lambda: down.down - started, size * 6 // 10)
    await memory.kill(MARKET)
    down.heal()
    await until(lambda: complete_at(market, manifest.root), 60 + size_mib)
    fetched = down.down - started
    assert fetched < size * 1.03 + IN_FLIGHT + 2 * MIB, f"{fetched / MIB:.1f} MiB were fetched"

    memory.look()
    measured = {"size_mib": size_mib, "sent_mib": sent / MIB, "fetched_mib": fetched / MIB, **memory.peaks}
    print(json.dumps(measured))  # noqa: T201 - the measurement
    assert all(peak < MEMORY_MIB for peak in memory.peaks.values()), memory.peaks
    last = len(manifest.chunks) - 1
    call = stub(market).GetChunk(evidence.GetChunkRequest(root=manifest.root, index=last), timeout=60)
    content = b"".join([each.frame async for each in call])
    assert sha256(content) == manifest.chunks[last]
    names = {file.name for file in (market.folder / "evidence" / "chunks").rglob("*") if file.is_file()}
    assert names >= {each.hex() for each in manifest.chunks}
    path.unlink()


async def registered(party: Party, manifest: Manifest) -> tuple[str, list[envelopes.Material]]:
    """A registered case, and the materials of its transfer, one of them large."""
    draft = cases.ActDraft(
        procedure="case-transfer", act="register", discovery=bodies.Discovery(title="案件", facts="事实。")
    )
    answer = await party.act(draft)
    await party.settled(answer)
    large = envelopes.Material(
        kind="preliminary-evidence",
        manifest_root=manifest.root,
        digest=manifest.digest,
        size=manifest.size,
        media_type=manifest.media_type,
    )
    small = [await evidence_material(party, kind, kind) for kind in ("transfer-letter", "source-material")]
    return answer.case_id, [large, *small]


def transfer(case_id: str, materials: list[envelopes.Material]) -> cases.ActDraft:
    return cases.ActDraft(
        case_id=case_id,
        act="transfer",
        parties=[envelopes.Party(role="receiver", department=MARKET)],
        materials=materials,
        transfer_letter=bodies.TransferLetter(title="移送", facts="事实。", competence="职责。"),
    )


@pytest.mark.timeout(180)
async def test_what_a_bulletin_attaches_comes_to_its_subscribers_and_to_nobody_else(
    world: Federation,
) -> None:
    """With the bulletin, without being asked for; another department hears that there is nothing."""
    health, market, justice = (world.parties[name] for name in (HEALTH, MARKET, JUSTICE))
    answer = await market.sharing.Subscribe(
        sharing.SubscribeRequest(category=BULLETINS, subscribed=True),
        metadata=market.actor("liaison"),
        timeout=30,
    )
    assert answer.answer.disposition == exchange.DISPOSITION_RECORDED

    async def subscribed() -> str:
        listed = await market.sharing.ListCatalogue(
            sharing.ListCatalogueRequest(), metadata=market.actor("liaison"), timeout=30
        )
        state = await market.cases.GetNodeState(
            cases.GetNodeStateRequest(), metadata=market.actor("system"), timeout=30
        )
        done = any(each.category == BULLETINS and each.subscribed for each in listed.entries)
        return "" if done and not state.outbox else "not subscribed"

    await until(subscribed, 30)
    photo = await evidence_material(health, "photo", "照片" * 1000, role="liaison")
    bulletin = sharing.Bulletin(title="联合检查经验", text="见附件。", attachments=[photo.manifest_root])
    await health.sharing.PublishBulletin(
        sharing.PublishBulletinRequest(
            category=BULLETINS, bulletin=bulletin, formed_at=timestamp(datetime.now(UTC) - timedelta(hours=1))
        ),
        metadata=health.actor("liaison"),
        timeout=30,
    )
    await until(lambda: complete_at(market, photo.manifest_root, "liaison"), 30)
    assert await complete_at(justice, photo.manifest_root, "liaison") == "NOT_FOUND"
    tls = TlsFiles(*(justice.folder / name for name in ("ca.crt", "tls.crt", "tls.key")))
    async with open_channel(world.district.registry_address, tls) as channel:
        asked = evidence.GetManifestRequest(root=photo.manifest_root)
        with pytest.raises(NotFound), remote_errors():
            await evidence_stubs.EvidenceServiceStub(channel).GetManifest(asked, timeout=30)


@pytest.mark.timeout(180)
async def test_an_urgent_act_goes_ahead_of_what_it_announces(world: Federation) -> None:
    """An immediate notice is admitted with materials that have no root yet, and opens the duty to bring them."""
    health = world.parties[HEALTH]
    announced = [
        envelopes.Material(kind=kind, manifest_root=bytes(32), digest=bytes(32))
        for kind in ("stop-order", "preserved-evidence")
    ]
    draft = cases.ActDraft(
        procedure="case-transfer",
        act="immediate-notice",
        urgency=envelopes.URGENCY_URGENT,
        parties=[envelopes.Party(role="receiver", department=MARKET)],
        materials=announced,
        immediate_notice=bodies.ImmediateNotice(facts="正在发生。", stop_order="立即停止。"),
    )
    answer = await health.act(draft)
    letter = await health.settled(answer)
    assert letter.disposition == exchange.DISPOSITION_ADMITTED, letter.reason
    view = await health.case(answer.case_id)
    assert [each.rule for each in view.obligations if each.rule == "evidence"] == ["evidence"]
