"""People of a department who handle its letters over a real port."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.cases.v1 import joint_bodies_pb2

from services.common.channel import remote_errors
from services.exchange.assertions import Purpose
from tests.wire.cases.conftest import Port

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub
    from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceAsyncStub

CHAIN = """
chain: whole
direction: outbound
title: [发文办理, Outgoing letters]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter], within: 1 wd}
  check: {title: [核稿, Check], kind: check, by: [duty-officer], within: 1 wd, may: [return, hand-on, phone]}
  review: {title: [法制审核, Legal review], kind: legal-review, by: [legal-reviewer], may: [return]}
  countersign:
    {title: [会签, Countersign], kind: countersign, each: [liaison, officer], may: [return, add-signer]}
  sign: {title: [签发, Sign], kind: sign, within: 4 h, may: [return, add-signer, phone]}
  number: {title: [编号, Number], kind: number, by: [registry-clerk]}
  seal: {title: [用印, Seal], kind: seal, by: [registry-clerk], may: [return]}
  send: {title: [发出, Send], kind: send, by: [drafter]}
"""
SIGNED_ONLY = """
chain: signed-only
direction: outbound
title: [签发, Signed only]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  sign: {title: [签发, Sign], kind: sign, by: [leader-in-charge], may: [return, hand-on, add-signer, phone]}
  number: {title: [编号, Number], kind: number}
  send: {title: [发出, Send], kind: send, by: [drafter, registry-clerk]}
"""


class Office:
    """Calls both services as anybody of the department."""

    def __init__(
        self, port: Port, cases: "CaseServiceAsyncStub", handling: "HandlingServiceAsyncStub"
    ) -> None:
        self.port = port
        self.cases = cases
        self.handling = handling

    def token(
        self, who: str, content: bytes | None = None, purpose: Purpose = Purpose.ACT
    ) -> tuple[tuple[str, str], ...]:
        """Metadata of somebody: `role`, or `role:person`."""
        role, _, subject = who.partition(":")
        signer = self.port.node.signer
        return (("liandong-actor", signer.assertion(role, content, purpose, subject=subject).decode()),)

    async def call(self, who: str, method: str, request: Any, stub: object = None) -> Any:
        """Call HandlingService as somebody."""
        return await self._call(
            getattr(stub or self.handling, method)(request, metadata=self.token(who), timeout=10)
        )

    async def _call(self, call: Awaitable[Any]) -> Any:
        self.port.ledger.clock.advance(timedelta(seconds=1))
        with remote_errors():
            return await call

    async def state(self, source: str = CHAIN, **scope: Any) -> pb.ChainView:
        """State a chain."""
        answer = await self.call("principal", "SetChain", pb.SetChainRequest(source=source, **scope))
        view: pb.ChainView = answer.chain
        return view

    async def draft(
        self, case_id: str = "", replaces: str = "", summary: str = "没有问题。"
    ) -> cases_pb.DraftView:
        """Draft the opening of a joint action, by a clerk; the law has the leader in charge approve it."""
        proposal = joint_bodies_pb2.JointActionProposal(title="夜市联合执法", facts=summary)
        asked = cases_pb.ActDraft(
            procedure="joint-enforcement", case_id=case_id, act="initiate", joint_action_proposal=proposal
        )
        request = cases_pb.PrepareLetterRequest(draft=asked, replaces=replaces)
        answer = await self.call("clerk", "PrepareLetter", request, self.cases)
        view: cases_pb.DraftView = answer.draft
        return view

    async def get(self, document_id: str) -> pb.GetDocumentResponse:
        """A document, by its id or its letter's."""
        answer: pb.GetDocumentResponse = await self.call(
            "clerk", "GetDocument", pb.GetDocumentRequest(document_id=document_id)
        )
        return answer

    async def open(self, document_id: str) -> list[pb.TaskView]:
        """The open tasks of a document."""
        return [
            each
            for each in (await self.get(document_id)).tasks
            if each.outcome == pb.TASK_OUTCOME_OPEN and each.stands
        ]

    async def do(self, who: str, document_id: str, note: str = "", **fields: Any) -> pb.DocumentView:
        """Do the task of a document that is somebody's."""
        found = await self.get(document_id)
        role = who.partition(":")[0]
        open_tasks = await self.open(document_id)
        task = next((each for each in open_tasks if any(who.role == role for who in each.who)), open_tasks[0])
        request = pb.CompleteStepRequest(
            document_id=found.document.document_id,
            task=task.task,
            content_digest=found.document.content_digest,
            note=note,
            **fields,
        )
        if task.kind == pb.STEP_KIND_SIGN:
            metadata = self.token(who, found.document.content_digest, Purpose.APPROVE)
        else:
            metadata = self.token(who)
        answer = await self._call(self.handling.CompleteStep(request, metadata=metadata, timeout=10))
        view: pb.DocumentView = answer.document
        return view

    async def send(self, draft: cases_pb.DraftView, who: str = "clerk") -> cases_pb.LetterAnswer:
        """Send a draft."""
        request = cases_pb.SendLetterRequest(letter_id=draft.letter_id, content_digest=draft.content_digest)
        metadata = self.token(who, draft.content_digest, Purpose.SEND)
        answer = await self._call(self.cases.SendLetter(request, metadata=metadata, timeout=10))
        view: cases_pb.LetterAnswer = answer.answer
        return view

    async def work(self, who: str, which: "pb.WorkList.ValueType" = pb.WORK_LIST_TO_DO) -> list[pb.WorkItem]:
        """Somebody's work."""
        answer = await self.call(who, "ListWork", pb.ListWorkRequest(list=which))
        return list(answer.items)

    async def through(self, document_id: str, people: Sequence[str]) -> None:
        """Have people do what is theirs, one after the other."""
        for who in people:
            await self.do(who, document_id)


TO_SIGN = ("duty-officer", "legal-reviewer", "liaison", "officer")
"""Who agrees before a letter is signed, on `CHAIN`."""
