"""A correspondent: a department's own system, and its people where an act needs an approval.

It asks with an idempotency key and repeats the same request until it is answered, whatever died meanwhile.
What it was told is noted in a journal, to be held against what is kept.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import grpc.aio
from google.protobuf.message import Message
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import reason_pb2

from services.cli.demo.party import Party
from services.cli.demo.story import evidence_material
from services.common.channel import remote_errors
from services.common.errors import LiandongError, NotFound
from services.exchange.assertions import Purpose
from services.exchange.letters import timestamp
from tests.federation.district import JUSTICE

_TIMEOUT_S: Final = 20
_GIVE_UP_S: Final = 120.0
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

    Attributes:
        materials: What it brought to its node, by kind.
    """

    def __init__(self, party: Party, other: str, journal: Journal, chance: random.Random) -> None:
        # closing a channel cancels whoever else waits on it
        self.party = replace(party, channel=None)
        self._other = other
        self._journal = journal
        self._chance = chance
        self.materials: dict[str, envelopes.Material] = {}

    async def bring_evidence(self) -> None:
        """Bring one file for each kind of material to the node, by who will send it."""
        for act, kinds in _MATERIALS.items():
            role = "clerk" if act in _APPROVERS else "system"
            for kind in kinds:
                if kind not in self.materials:
                    self.materials[kind] = await evidence_material(self.party, kind, kind, role)

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

    async def _ask(self, method: str, request: Message, role: str, *bound: Any) -> Any:
        """Call the node in a role until it answers, each time under a new assertion."""
        return await self._insist(
            lambda: getattr(self.party.cases, method)(
                request, metadata=self.party.actor(role, *bound), timeout=_TIMEOUT_S
            )
        )

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
                reason = reason_pb2.Reason.Name(result.refused.reason).removeprefix("REASON_")
                self._journal.refused_at_once[reason] += 1
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
        prepare = cases.PrepareLetterRequest(draft=draft, idempotency_key=self._key())
        prepared = (await self._ask("PrepareLetter", prepare, "clerk")).draft
        approver, digest = _APPROVERS[draft.act], prepared.content_digest
        approve = cases.ApproveLetterRequest(
            letter_id=prepared.letter_id, content_digest=digest, role=approver
        )
        answer = await self._ask("ApproveLetter", approve, approver, digest, Purpose.APPROVE)
        approved: cases.DraftView = answer.draft
        return approved

    async def send_prepared(self, prepared: cases.DraftView) -> cases.LetterAnswer | None:
        """Send what is approved; None if it is refused at once."""
        digest = prepared.content_digest
        send = cases.SendLetterRequest(letter_id=prepared.letter_id, content_digest=digest)
        try:
            sent = await self._ask("SendLetter", send, "clerk", digest, Purpose.SEND)
        except LiandongError as error:
            self._journal.refused_at_once[error.reason] += 1
            return None
        answer: cases.LetterAnswer = sent.answer
        self._journal.note(answer, self.party.name, prepared.draft.act)
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
        try:
            answer = await self._ask("GetCase", cases.GetCaseRequest(case_id=case_id), "system")
        except NotFound:
            return None
        view: cases.CaseView = answer.case
        return view

    def draft(self, act: str, case_id: str = "", amended: str = "") -> cases.ActDraft:
        """An act with everything that it needs."""
        draft = cases.ActDraft(
            case_id=case_id,
            act=act,
            materials=[self.materials[kind] for kind in _MATERIALS.get(act, ())],
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
