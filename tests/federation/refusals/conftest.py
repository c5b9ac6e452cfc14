"""One federation for everything that is refused, and somebody who means it ill."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from liandong.cases.v1 import case_service_pb2 as cases

from services.cli.demo.story import evidence_material
from tests.federation.district import HEALTH, JUSTICE, MARKET, federation
from tests.federation.refusals.attacker import Attacker
from tests.federation.refusals.case_letters import MATERIALS, Case, discovery


@pytest_asyncio.fixture(scope="package", loop_scope="package")
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


@pytest_asyncio.fixture(scope="package", loop_scope="package")
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
