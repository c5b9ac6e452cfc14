"""A campaign: letters in both directions over many cases while processes die and connections break.

Everything that chance decides comes from one seed: which faults come after how many letters, and what each
correspondent does next. What the machine's timing decides cannot be repeated, so a run prints its seed and
the faults as they came.

A correspondent is a department's own system (and its people, where an act needs an approval). It asks with
an idempotency key and repeats the same request until it is answered, whatever died meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import grpc.aio
import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2

from services.cli.demo.party import Party
from services.cli.demo.processes import Process
from services.cli.demo.story import evidence_material
from services.cli.demo.verify import verify_registry
from services.common.channel import remote_errors
from services.common.errors import LiandongError, NotFound
from services.exchange import tables
from services.exchange.assertions import Purpose
from services.exchange.letters import timestamp
from services.registry import tables as registry_tables
from tests.federation.district import HEALTH, JUSTICE, MARKET, REGISTRY, Federation, until

_TIMEOUT_S: Final = 20
_GIVE_UP_S: Final = 120.0
_SETTLE_S: Final = 120.0
_TRANSIENT: Final = frozenset({"UNAVAILABLE", "STORAGE", "INTERNAL"})
_APPROVERS: Final = {"transfer": "leader-in-charge", "recall": "leader-in-charge", "close": "section-head"}
_MATERIALS: Final = {
    "transfer": ("transfer-letter", "source-material", "preliminary-evidence"),
    "request-material": ("material-list",),
    "supply-material": ("supplement",),
    "accept": ("acceptance-notice",),
    "dispute": ("grounds",),
    "confirm": ("settlement",),
    "take-back": ("settlement",),
    "outcome": ("outcome-letter",),
}
_WEIGHTS: Final = {
    "progress": 8.0,
    "correct": 4.0,
    "sign-for": 5.0,
    "request-material": 1.5,
    "supply-material": 6.0,
    "accept": 3.0,
    "dispute": 1.5,
    "confirm": 5.0,
    "take-back": 1.0,
    "transfer": 5.0,
    "recall": 0.7,
    "outcome": 0.2,
    "close": 1.0,
}
_UNNUMBERED: Final = frozenset({"register", "sign-for", "progress", "close"})
_OPENING: Final = 0.05
"""The share of turns that open a new case."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A letter whose sender was told that it is recorded."""

    letter_id: str
    case_id: str
    author: str
    act: str


@dataclass(slots=True)
class Journal:
    """What the correspondents know: the outside of the system, as its users see it."""

    letters: dict[str, Noted] = field(default_factory=dict)
    parties: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused_at_once: Counter[str] = field(default_factory=Counter)
    asked_again: int = 0

    def note(self, answer: cases.LetterAnswer, author: str, act: str) -> None:
        """Remember an answer."""
        noted = Noted(answer.letter_id, answer.case_id, author, act)
        assert self.letters.setdefault(answer.letter_id, noted) == noted

    def by(self, author: str) -> list[Noted]:
        """The letters of an author."""
        return [each for each in self.letters.values() if each.author == author]


async def reconnect(party: Party) -> None:
    """Begin with a new channel: one to a process that died waits longer and longer."""
    channel, party.channel = party.channel, None
    if channel is not None:
        await channel.close(None)


class Correspondent:
    """One department's client.

    Args:
        party: The department; the channel is the correspondent's own.
        other: To whom it transfers.
        journal: Where answers are noted.
        chance: What it decides by.
    """

    def __init__(self, party: Party, other: str, journal: Journal, chance: random.Random) -> None:
        # closing a channel cancels whoever else waits on it
        self.party = replace(party, channel=None)
        self._other = other
        self._journal = journal
        self._chance = chance
        self._materials: dict[str, envelopes.Material] = {}

    async def bring_evidence(self) -> None:
        """Bring one file for each kind of material to the node, by who will send it."""
        for act, kinds in _MATERIALS.items():
            role = "clerk" if act in _APPROVERS else "system"
            for kind in kinds:
                if kind not in self._materials:
                    self._materials[kind] = await evidence_material(self.party, kind, kind, role)

    # -- asking until answered ------------------------------------------------------------------

    async def _insist(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until there is an answer; a refusal is one."""
        deadline = time.monotonic() + _GIVE_UP_S
        while True:
            try:
                async with asyncio.timeout(2 * _TIMEOUT_S):
                    with remote_errors():
                        return await ask()
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
            except LiandongError as error:
                if error.reason not in _TRANSIENT or time.monotonic() > deadline:
                    raise
            self._journal.asked_again += 1
            await reconnect(self.party)
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    async def send(self, drafts: Sequence[cases.ActDraft]) -> list[cases.LetterAnswer]:
        """Send acts by the bulk stream; what is refused at once is counted and left out."""
        requests = [cases.SendActRequest(draft=each, idempotency_key=self._key()) for each in drafts]
        results = await self._insist(lambda: self._stream(requests))
        if self._chance.random() < 0.1:
            again = await self._insist(lambda: self._stream(requests))
            for first, second in zip(results, again, strict=True):
                if first.HasField("answer"):
                    assert second.answer.letter_id == first.answer.letter_id
            results = again
        answers = []
        for draft, result in zip(drafts, results, strict=True):
            if result.HasField("refused"):
                self._journal.refused_at_once[reason_pb2.Reason.Name(result.refused.reason)] += 1
            else:
                self._journal.note(result.answer, self.party.name, draft.act)
                answers.append(result.answer)
        return answers

    async def _stream(self, requests: Sequence[cases.SendActRequest]) -> list[cases.SendActsResult]:
        call = self.party.cases.SendActs(metadata=self.party.actor("system"), timeout=_TIMEOUT_S)
        try:
            await call.write(cases.SendActsRequest(sequence=1, acts=requests))
            await call.done_writing()
            response = await call.read()
            if response is grpc.aio.EOF:
                raise LiandongError("The stream ended without an answer.", reason="UNAVAILABLE")
            return list(response.results)
        finally:
            call.cancel()

    async def send_approved(self, draft: cases.ActDraft) -> cases.LetterAnswer | None:
        """Prepare, approve and send an act as people do; None if it is refused at once."""
        try:
            prepared = await self.approved(draft)
        except LiandongError as error:
            self._journal.refused_at_once[error.reason] += 1
            return None
        return await self.send_prepared(prepared)

    async def approved(self, draft: cases.ActDraft) -> cases.DraftView:
        """Prepare an act and have it approved by whom it needs.

        Raises:
            LiandongError: It is refused.
        """
        party, key, approver = self.party, self._key(), _APPROVERS[draft.act]
        prepared = await self._insist(
            lambda: party.cases.PrepareLetter(
                cases.PrepareLetterRequest(draft=draft, idempotency_key=key),
                metadata=party.actor("clerk"), timeout=_TIMEOUT_S,
            )
        )  # fmt: skip
        letter_id, digest = prepared.draft.letter_id, prepared.draft.content_digest
        answer = await self._insist(
            lambda: party.cases.ApproveLetter(
                cases.ApproveLetterRequest(letter_id=letter_id, content_digest=digest, role=approver),
                metadata=party.actor(approver, digest, Purpose.APPROVE), timeout=_TIMEOUT_S,
            )
        )  # fmt: skip
        approved: cases.DraftView = answer.draft
        return approved

    async def send_prepared(self, prepared: cases.DraftView) -> cases.LetterAnswer | None:
        """Send what is approved; None if it is refused at once."""
        party, letter_id, digest = self.party, prepared.letter_id, prepared.content_digest
        try:
            sent = await self._insist(
                lambda: party.cases.SendLetter(
                    cases.SendLetterRequest(letter_id=letter_id, content_digest=digest),
                    metadata=party.actor("clerk", digest, Purpose.SEND), timeout=_TIMEOUT_S,
                )
            )  # fmt: skip
        except LiandongError as error:
            self._journal.refused_at_once[error.reason] += 1
            return None
        answer: cases.LetterAnswer = sent.answer
        self._journal.note(answer, party.name, prepared.draft.act)
        return answer

    def _key(self) -> str:
        return UUID(int=self._chance.getrandbits(128)).hex

    # -- acts -----------------------------------------------------------------------------------

    async def open_cases(self, count: int) -> list[str]:
        """Register discoveries."""
        answers = await self.send([self.draft("register") for _ in range(count)])
        for each in answers:
            self._journal.parties[each.case_id] = (self.party.name, self._other)
        return [each.case_id for each in answers]

    async def transfer(self, case_id: str) -> None:
        """Transfer a case to the other department."""
        await self.send_approved(self.draft("transfer", case_id))

    async def take_turn(self) -> None:
        """Do something: open a case, or some permitted act in one."""
        if self._chance.random() < _OPENING and self.party.name != JUSTICE:
            await self.open_cases(1)
            return
        case_id = self._chance.choice(list(self._journal.parties))
        view = await self.view(case_id)
        if view is None:
            return
        acts = [each.act for each in view.acts if each.permitted and each.act in _WEIGHTS]
        # of each numbered act the newest stands, and can be corrected
        standing = {
            each.act: each.letter_id
            for each in self._journal.by(self.party.name)
            if each.case_id == case_id and each.act not in _UNNUMBERED
        }
        own = list(standing.values())
        acts = [act for act in acts if act != "correct" or own]
        if not acts:
            return
        (act,) = self._chance.choices(acts, [_WEIGHTS[each] for each in acts])
        if act in _APPROVERS:
            await self.send_approved(self.draft(act, case_id))
            return
        count = self._chance.randint(1, 4) if act == "progress" else 1
        await self.send(
            [self.draft(act, case_id, self._chance.choice(own) if own else "") for _ in range(count)]
        )

    async def view(self, case_id: str) -> cases.CaseView | None:
        """A case as this department's node shows it; None if it has not come."""
        request = cases.GetCaseRequest(case_id=case_id)
        try:
            answer = await self._insist(
                lambda: self.party.cases.GetCase(
                    request, metadata=self.party.actor("system"), timeout=_TIMEOUT_S
                )
            )
        except NotFound:
            return None
        view: cases.CaseView = answer.case
        return view

    def draft(self, act: str, case_id: str = "", amended: str = "") -> cases.ActDraft:
        """An act with everything that it needs."""
        draft = cases.ActDraft(
            case_id=case_id,
            act=act,
            materials=[self._materials[kind] for kind in _MATERIALS.get(act, ())],
            occurred_at=timestamp(datetime.now(UTC) - timedelta(minutes=1)),
        )
        match act:
            case "register":
                draft.procedure = "case-transfer"
                draft.urgency = envelopes.URGENCY_ORDINARY
                draft.discovery.title = "无证餐饮具消毒"
                draft.discovery.facts = "检查发现。"
                draft.discovery.source = bodies.DISCOVERY_SOURCE_INSPECTION
            case "transfer":
                draft.parties.add(role="receiver", department=self._other)
                draft.transfer_letter.title = "无证餐饮具消毒案"
                draft.transfer_letter.facts = "检查发现。"
            case "sign-for":
                draft.sign_for.signed_by = "收发室"
            case "request-material":
                draft.material_request.items.append("检验报告原件")
                draft.requested_limit.CopyFrom(timestamp(datetime.now(UTC) + timedelta(days=3)))
            case "supply-material":
                draft.material_supply.items.append("检验报告原件")
            case "accept":
                draft.acceptance_notice.officer = "吴涛"
            case "dispute":
                draft.dispute.grounds = "不属于本部门职责。"
            case "confirm" | "take-back":
                draft.settlement.result = "经协调确定。"
            case "progress":
                draft.progress_report.text = "正在核实进货渠道。"
            case "correct":
                draft.amended_letter = amended
                draft.correction.text = "更正一处笔误。"
            case "recall":
                draft.recall.reason = "需补充调查。"
            case "outcome":
                draft.outcome_letter.result = "责令改正。"
                draft.outcome_code = "penalised"
            case "close":
                draft.closing.remark = "办结。"
        return draft


# -- faults -------------------------------------------------------------------------------------


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
        correspondent._materials = opener._materials
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
        federation = self.federation
        if fault in ("cut", "stall", "slow"):
            name = chance.choice(list(federation.parties))
            self._note(f"{fault} the link of {name}")
            proxies = federation.proxies[name]
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
            return
        process = _named(federation, fault)
        pause = chance.choice((0.0, 0.0, chance.uniform(0.1, 1.0)))
        self._note(f"kill {fault}")
        await federation.kill(process, pause)
        self._note(f"back {fault}")

    def _note(self, what: str) -> None:
        self.happened.append(f"{time.monotonic() - self._began:.2f}s/{len(self.journal.letters)} {what}")

    # -- afterwards -----------------------------------------------------------------------------


async def examine(federation: Federation, journal: Journal) -> Books:
    """Compare what the correspondents were told with everything that is kept anywhere.

    Raises:
        AssertionError: Something recorded vanished, came twice, out of order, or is not the same everywhere.
    """
    addresses = federation.district.registry_addresses
    verified = {await verify_registry(each, federation.parties[HEALTH].tls) for each in addresses}
    assert len(verified) == 1
    books = await asyncio.to_thread(Books.read, federation)
    books.check_ledger()
    books.check_nodes()
    books.check_journal(journal)
    for party in federation.parties.values():
        for case_id in books.ledger_cases:
            await _compare_case(books, journal, party, case_id)
    return books


async def _compare_case(books: Books, journal: Journal, party: Party, case_id: str) -> None:
    """A department's timeline holds the case's letters in ledger order, and its state is the registry's."""
    metadata = party.actor("system")
    try:
        with remote_errors():
            timeline = await party.cases.GetTimeline(
                cases.GetTimelineRequest(case_id=case_id, limit=1000), metadata=metadata, timeout=_TIMEOUT_S
            )
            request = cases.GetCaseRequest(case_id=case_id)
            view = (await party.cases.GetCase(request, metadata=metadata, timeout=_TIMEOUT_S)).case
    except NotFound:
        # the office before it is called
        assert not any(position in books.mailboxes[party.name] for position, _ in books.ledger_cases[case_id])
        return
    shown = [
        (each.position.position, each.letter_id)
        for each in timeline.letters
        if each.disposition == exchange.DISPOSITION_ADMITTED
    ]
    assert shown == books.ledger_cases[case_id], (party.name, case_id)
    refused = {
        each.letter_id for each in timeline.letters if each.disposition == exchange.DISPOSITION_REFUSED
    }
    own = {each.letter_id for each in journal.by(party.name) if each.case_id == case_id}
    assert own <= refused | {letter_id for _, letter_id in shown}
    assert view.state_digest == books.digests[case_id], (party.name, case_id, view.state)
    assert view.pending == 0


async def settle(federation: Federation) -> None:
    """Heal everything and wait until every outbox is empty and every node has all that is for it."""

    async def unsettled() -> str:
        federation.district.check()
        for party in federation.parties.values():
            try:
                with remote_errors():
                    state = await party.cases.GetNodeState(
                        cases.GetNodeStateRequest(), metadata=party.actor("system"), timeout=_TIMEOUT_S
                    )
            except LiandongError as error:
                await reconnect(party)
                return f"{party.name}: {error.reason}"
            if not state.connected or state.outbox or state.parked:
                return (
                    f"{party.name}: connected={state.connected} outbox={state.outbox} parked={state.parked} "
                    f"{state.link_error}"
                )
        return await asyncio.to_thread(_undelivered, federation)

    federation.heal()
    await until(unsettled, _SETTLE_S)


def _undelivered(federation: Federation) -> str:
    box = registry_tables.mailbox.c
    newest = sa.select(box.department, sa.func.max(box.at)).group_by(box.department)
    for department, at in federation.rows(REGISTRY, newest):
        if department in federation.parties:
            cursor = federation.rows(department, sa.select(tables.link.c.at))[0][0]
            if cursor < at:
                return f"{department} stands at {cursor} of {at}"
    return ""


@dataclass(slots=True)
class Books:
    """Everything that is kept, read from the databases themselves.

    Attributes:
        ledger: Rows of the registry's ledger, by position.
        ledger_cases: (position, letter) of the acts of each case, in ledger order.
        digests: Of the states that the registry folded, by case.
        mailboxes: Positions that each department was to get.
        letters: Rows of each department's letters.
    """

    ledger: Sequence[Any]
    ledger_cases: dict[str, list[tuple[int, str]]]
    digests: dict[str, bytes]
    mailboxes: dict[str, set[int]]
    awaited: Sequence[Any]
    letters: dict[str, Sequence[Any]]
    left: dict[str, int]

    @classmethod
    def read(cls, federation: Federation) -> Books:
        """Read them."""
        rows = federation.rows
        columns = registry_tables.ledger.c
        ledger = rows(
            REGISTRY,
            sa.select(
                columns.position, columns.letter_id, columns.kind, columns.author, columns.case_id,
                columns.letter_digest,
            ).order_by(columns.position),
        )  # fmt: skip
        ledger_cases: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for each in ledger:
            if each.kind == "act":
                ledger_cases[each.case_id].append((each.position, each.letter_id))
        folded = rows(REGISTRY, sa.select(registry_tables.cases.c.case_id, registry_tables.cases.c.folded))
        mailboxes: dict[str, set[int]] = defaultdict(set)
        for each in rows(REGISTRY, sa.select(registry_tables.mailbox)):
            mailboxes[each.department].add(each.position)
        letters, left = {}, {}
        for name in federation.parties:
            letters[name] = rows(name, sa.select(tables.letters))
            left[name] = sum(
                rows(name, sa.select(sa.func.count()).select_from(table))[0][0]
                for table in (tables.outbox, tables.parked)
            )
        return cls(
            ledger=ledger,
            ledger_cases=dict(ledger_cases),
            digests={each.case_id: hashlib.sha256(each.folded).digest() for each in folded},
            mailboxes=mailboxes,
            awaited=rows(REGISTRY, sa.select(registry_tables.awaited_receipts)),
            letters=letters,
            left=left,
        )

    def check_ledger(self) -> None:
        """Positions without gaps, every letter once, every receipt of a letter that starts a clock there."""
        assert [each.position for each in self.ledger] == list(range(len(self.ledger)))
        assert len({each.letter_id for each in self.ledger}) == len(self.ledger)
        assert not self.awaited

    def check_nodes(self) -> None:
        """Nothing is on its way or stuck; every node has what was for it, as the ledger has it, and no more."""
        by_position = {each.position: each for each in self.ledger}
        for name, letters in self.letters.items():
            assert not self.left[name], name
            admitted = {each.position: each for each in letters if each.disposition == "ADMITTED"}
            assert {each.disposition for each in letters} <= {"ADMITTED", "REFUSED"}, name
            for position, each in admitted.items():
                entry = by_position[position]
                assert (each.letter_id, each.letter_digest) == (entry.letter_id, entry.letter_digest)
            common = {each.position for each in self.ledger if each.kind == "common"}
            assert set(admitted) == self.mailboxes[name] | common, name
            own = {each.letter_id for each in letters if each.author == name}
            assert own >= {each.letter_id for each in self.ledger if each.author == name}
            _check_numbers([each.number for each in letters if each.author == name and each.number])

    def check_journal(self, journal: Journal) -> None:
        """What the senders were told holds: each recorded letter is admitted, or refused in their sight."""
        admitted = {each.letter_id: each for each in self.ledger if each.kind == "act"}
        for name, letters in self.letters.items():
            rows = {each.letter_id: each for each in letters}
            for noted in journal.by(name):
                row = rows[noted.letter_id]
                if row.disposition == "REFUSED":
                    assert noted.letter_id not in admitted
                    assert row.reason, noted
                else:
                    assert admitted[noted.letter_id].position == row.position, noted
            told = {each.letter_id for each in journal.by(name)}
            acts = {each.letter_id for each in letters if each.kind == "act" and each.author == name}
            # everything was asked for until it was answered, so nothing is there that nobody knows of
            assert acts == told, name


def _check_numbers(numbers: Sequence[str]) -> None:
    """The numbers of a series run from 1 without gap, each once; those of refused letters are void, not free."""
    series: dict[str, list[int]] = defaultdict(list)
    for number in numbers:
        head, _, running = number.removesuffix("号").rpartition("〕")
        series[head].append(int(running))
    for head, issued in series.items():
        assert sorted(issued) == list(range(1, len(issued) + 1)), head


def _named(federation: Federation, name: str) -> Process:
    return next(each for each in federation.district.processes if each.name == name)
