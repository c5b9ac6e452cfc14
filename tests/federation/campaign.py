"""A campaign: letters in both directions over many cases while processes die and connections break.

Everything that chance decides comes from one seed: which faults come after how many letters, and what each
correspondent does next. What the machine's timing decides cannot be repeated, so a run prints its seed and
the faults as they came.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from services.cli.demo.party import Party
from tests.federation.books import settle
from tests.federation.correspondent import Correspondent, Journal
from tests.federation.district import HEALTH, JUSTICE, MARKET, REGISTRY, Federation


@dataclass(frozen=True, slots=True)
class Faults:
    """How many of each kind a campaign has.

    Attributes:
        node_kills: SIGKILL of each node.
        registry_kills: SIGKILL of each registry process.
        cuts: Connections of a link reset.
        stalls: Links left half open for a while, then healed or reset.
        slows: Links slowed down for a while.
        longest_stall_s: Of the stalls.
    """

    node_kills: int = 1
    registry_kills: int = 1
    cuts: int = 6
    stalls: int = 3
    slows: int = 2
    longest_stall_s: float = 2.0


@dataclass(slots=True)
class Campaign:
    """Letters under faults over a running federation.

    Attributes:
        seed: Decides what is decided by chance.
        letters: How many are to be recorded, beside the opening of the first cases.
    """

    federation: Federation
    seed: int
    letters: int
    first_cases: int = 6
    workers: int = 2
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    happened: list[str] = field(default_factory=list)
    _breaking: int = 0
    _began: float = 0.0

    async def run(self) -> str:
        """Run it, heal everything, wait until all is settled; returns a summary for people."""
        self._began = time.monotonic()
        openers = await self._open()
        opened = len(self.journal.letters)
        async with asyncio.TaskGroup() as group:
            lanes = self._lanes()
            self._breaking = len(lanes)
            for lane in lanes:
                group.create_task(self._break(lane, opened))
            for party, other in self._sides():
                for index in range(self.workers):
                    group.create_task(self._correspond(party, other, index, opened, openers[party.name]))
        sent_at = time.monotonic() - self._began
        await settle(self.federation)
        kills = sum(self.federation.kills.values())
        kinds = Counter(each.split()[1] for each in self.happened)
        return (
            f"letters={len(self.journal.letters)} cases={len(self.journal.parties)} kills={kills} "
            f"{dict(kinds)} asked_again={self.journal.asked_again} "
            f"refused_at_once={dict(self.journal.refused_at_once)} "
            f"sent_s={sent_at:.1f} settled_s={time.monotonic() - self._began:.1f}"
        )

    def _sides(self) -> list[tuple[Party, str]]:
        parties = self.federation.parties
        sides = [(parties[HEALTH], MARKET), (parties[MARKET], HEALTH)]
        return [*sides, (parties[JUSTICE], "")] if JUSTICE in parties else sides

    async def _open(self) -> dict[str, Correspondent]:
        """The first cases of each direction, transferred before anything breaks."""
        openers = {}
        for party, other in self._sides():
            chance = random.Random(f"{self.seed}/{party.name}")
            opener = openers[party.name] = Correspondent(party, other, self.journal, chance)
            await opener.bring_evidence()
            if other:
                case_ids = await opener.open_cases(self.first_cases)
                await asyncio.gather(*(opener.transfer(case_id) for case_id in case_ids))
        return openers

    async def _correspond(
        self, party: Party, other: str, index: int, opened: int, opener: Correspondent
    ) -> None:
        chance = random.Random(f"{self.seed}/{party.name}/{index}")
        correspondent = Correspondent(party, other, self.journal, chance)
        correspondent.materials = opener.materials
        try:
            while len(self.journal.letters) - opened < self.letters or self._breaking:
                await correspondent.take_turn()
                enough = len(self.journal.letters) - opened >= self.letters
                # the last faults come over a trickle, not over silence
                await asyncio.sleep(chance.uniform(0, 0.5 if enough else 0.1))
        finally:
            await correspondent.party.close()

    # -- breaking -------------------------------------------------------------------------------

    def _lanes(self) -> list[list[str]]:
        """Kills come one after the other, and beside them what breaks links; both in the seed's order."""
        chance, faults = random.Random(f"{self.seed}/faults"), self.faults
        registries = [each.name for each in self.federation.processes(REGISTRY)]
        kills = list(self.federation.parties) * faults.node_kills + registries * faults.registry_kills
        breaks = ["cut"] * faults.cuts + ["stall"] * faults.stalls + ["slow"] * faults.slows
        chance.shuffle(kills)
        chance.shuffle(breaks)
        return [kills, breaks]

    async def _break(self, lane: list[str], opened: int) -> None:
        chance = random.Random(f"{self.seed}/{lane}")
        for index, fault in enumerate(lane, start=1):
            due = opened + self.letters * index / (len(lane) + 1)
            while len(self.journal.letters) < due:  # noqa: ASYNC110 - a moment after is soon enough
                await asyncio.sleep(0.01)
            await self._inflict(fault, chance)
        self._breaking -= 1

    async def _inflict(self, fault: str, chance: random.Random) -> None:
        if fault in ("cut", "stall", "slow"):
            await self._disturb(fault, chance)
        else:
            await self._kill(fault, chance)

    async def _disturb(self, fault: str, chance: random.Random) -> None:
        """Break some department's link, and heal it after a while."""
        name = chance.choice(list(self.federation.parties))
        self._note(f"{fault} the link of {name}")
        proxies = self.federation.proxies[name]
        if fault == "cut":
            for each in proxies:
                each.cut()
            return
        seconds = chance.uniform(0.3, self.faults.longest_stall_s)
        for each in proxies:
            if fault == "stall":
                each.stall()
            else:
                each.slow(chance.uniform(0.01, 0.2))
        await asyncio.sleep(seconds)
        for each in proxies:
            if fault == "stall" and chance.random() < 0.5:
                each.cut()
            each.heal()

    async def _kill(self, name: str, chance: random.Random) -> None:
        """Kill a process, and start it again at once or after a while."""
        process = next(each for each in self.federation.district.processes if each.name == name)
        pause = chance.choice((0.0, 0.0, chance.uniform(0.1, 1.0)))
        self._note(f"kill {name}")
        await self.federation.kill(process, pause)
        self._note(f"back {name}")

    def _note(self, what: str) -> None:
        self.happened.append(f"{time.monotonic() - self._began:.2f}s/{len(self.journal.letters)} {what}")
