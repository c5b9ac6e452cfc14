"""Random walks of every procedure over the demo's district: nodes, link, TLS and databases of their own processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random, SystemRandom

import pytest
import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.cli.demo.party import Party
from services.cli.demo.stage import persons
from services.cli.demo.story import evidence_material
from services.common.channel import remote_errors
from services.common.db import Database
from services.common.errors import LiandongError, NotFound
from services.exchange.directory import Directory
from services.procedures import case as cases
from services.procedures import loader
from services.procedures.case import CaseState
from services.procedures.law import Law
from services.procedures.model import OFFICE, Procedure
from services.registry import tables
from services.registry.region import load_region
from tests.federation.district import REGISTRY, until
from tests.walks.walk import Step, Walk, seats_of

STEPS = 10
AT_ONCE = 6
OWN = ("health.qinghe", "market.qinghe")
AGREE_S = 120.0


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_every_procedure_walks_over_nodes(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Three walks of every procedure, with nodes killed in the middle."""
    tell(await walk_over_nodes(tmp_path, loader.load_all(), 3))


async def walk_over_nodes(folder: Path, procedures: Sequence[Procedure], count: int) -> str:
    """Walk, kill, walk on; then every department's state of every case is the registry's."""
    seed = SystemRandom().getrandbits(32)
    random = Random(seed)
    law = _law()
    offices = {law.offices[each.name] for each in procedures if each.name in law.offices}
    # besides whoever holds the office a stranger
    departments = max(len(offices | set(OWN)), max(len(seats_of(each)) for each in procedures) + 2)
    plan = Plan(folder, departments, 0, "", first=(*OWN, *sorted(offices)), own_process=OWN)
    district = await demo.build(plan, lambda *_: None)
    stage = _Stage(plan, district, law, random)
    try:
        walks = [stage.walk(each) for each in procedures for _ in range(count)]
        await stage.play(walks, STEPS // 2)
        for process in district.processes[-2:]:
            await process.kill()
            await process.start()
        for party in district.parties.values():
            await party.close()
            party.open()
            await party.ready()
        await stage.play(walks, STEPS - STEPS // 2)
        compared = await stage.compare(walks)
    except BaseException as error:
        error.add_note(f"seed={seed}")
        raise
    finally:
        await district.stop()
    return f"seed={seed} walks={len(walks)} tried={dict(stage.tried.most_common(6))} compared={compared}"


def _law() -> Law:
    directory = Directory.empty("qinghe")
    for version, entry in enumerate(load_region(demo.REGION_FILE).entries, start=1):
        directory = directory.apply(
            entry, version=version, position=version - 1, admitted_at=datetime.now(UTC)
        )
    return directory.law


class _Stage:
    """The district, its law, and what was tried on it."""

    def __init__(self, plan: Plan, district: District, law: Law, random: Random) -> None:
        self.tried = Counter[str]()
        self._plan, self._district, self._law, self._random = plan, district, law, random
        self._evidence: dict[tuple[str, str], pb.Material] = {}
        self._uploading = {name: asyncio.Lock() for name in district.parties}

    @property
    def _parties(self) -> Mapping[str, Party]:
        return self._district.parties

    def walk(self, procedure: Procedure) -> Walk:
        """A case of a procedure between departments drawn by lot."""
        office = self._law.offices.get(procedure.name, "")
        others = [name for name in self._parties if name != office]
        self._random.shuffle(others)
        needed = len(seats_of(procedure))
        return Walk(
            procedure, others[:needed], Random(self._random.getrandbits(64)), office or others[-1], others[-1]
        )

    async def play(self, walks: list[Walk], steps: int) -> None:
        """So many steps of each walk, some walks at once."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(walk: Walk) -> None:
            async with slots:
                for _ in range(steps):
                    state = (await asyncio.to_thread(self._states, [walk.case_id])).get(walk.case_id)
                    tried = walk.steps(state, self._law, datetime.now(UTC))
                    await asyncio.gather(*(self._try(step) for step in tried))

        await asyncio.gather(*(one(walk) for walk in walks))

    async def _try(self, step: Step) -> None:
        party, draft = self._parties[step.author], step.draft
        materials = [await self._material(party, each) for each in draft.materials]
        del draft.materials[:]
        draft.materials.extend(materials)
        try:
            prepared = await party.prepare(draft)
            for person in persons(step.act.approved_by):
                prepared = await party.approve(prepared, person)
            letter = await party.settled(await party.send(prepared))
        except LiandongError as error:
            self.tried[error.reason] += 1
            return
        admitted = letter.disposition == exchange.DISPOSITION_ADMITTED
        self.tried["" if admitted else "refused by the registry"] += 1

    async def _material(self, party: Party, named: pb.Material) -> pb.Material:
        if not named.manifest_root:
            return named
        key = (party.name, named.kind)
        async with self._uploading[party.name]:
            if key not in self._evidence:
                self._evidence[key] = await evidence_material(party, named.kind, named.kind)
        return self._evidence[key]

    async def compare(self, walks: list[Walk]) -> int:
        """Wait until every department has the state that the registry has; returns how many were compared."""
        compared = 0

        async def unlike() -> str:
            nonlocal compared
            compared = 0
            found = await asyncio.to_thread(self._folded, [walk.case_id for walk in walks])
            for case_id, (digest, state) in found.items():
                for name in state.members:
                    try:
                        with remote_errors():
                            view = await self._parties[name].case(case_id, "system")
                    except NotFound:
                        if name in state.parties.get(OFFICE, ()) and not state.office_called:
                            continue
                        return f"{name} does not know its {state.procedure}"
                    if view.state_digest != digest or view.pending:
                        return f"{name} has another state of its {state.procedure}, {view.state} for {state.state}"
                    compared += 1
            return ""

        await until(unlike, AGREE_S, pause_s=0.5)
        return compared

    def _states(self, case_ids: list[str]) -> dict[str, CaseState]:
        return {case_id: state for case_id, (_, state) in self._folded(case_ids).items()}

    def _folded(self, case_ids: list[str]) -> dict[str, tuple[bytes, CaseState]]:
        columns = tables.cases.c
        database = Database(demo.database(self._plan, REGISTRY, self._plan.folder / REGISTRY), pool_size=1)
        try:
            rows = database.read(
                lambda connection: connection.execute(
                    sa.select(columns.case_id, columns.folded).where(columns.case_id.in_(case_ids))
                ).all()
            )
        finally:
            database.close()
        return {row.case_id: (sha256(row.folded).digest(), cases.loads(row.folded)) for row in rows}
