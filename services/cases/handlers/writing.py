"""CaseService, the writing half: wire to domain, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2, reason_pb2

from services.cases import elsewhere
from services.cases.acts import SendActs
from services.cases.desk import DeskSession
from services.cases.drafts import Drafts, Shown
from services.cases.elsewhere import Ask
from services.cases.entry import Recorded
from services.common.clock import Clock
from services.common.errors import ActorInvalid, LiandongError, RoleNotPermitted
from services.exchange import actors
from services.exchange.actors import ActorFacts
from services.exchange.department import Department
from services.exchange.digests import sha256
from services.exchange.letters import timestamp
from services.exchange.session import DepartmentSession

T = TypeVar("T")

_REQUESTS_IN_FLIGHT: Final = 32
"""Requests of a stream in the writer's queue: enough that small ones share a commit."""


class WritingHandlers:
    """What changes a department's cases.

    Args:
        department: Whose.
        clock: The time.
        ask: Asks the registry about open cases elsewhere; None where it cannot be asked.
    """

    def __init__(self, department: Department, clock: Clock, ask: Ask | None = None) -> None:
        self._department = department
        self._clock = clock
        self._ask = ask

    async def PrepareLetter(
        self, request: pb.PrepareLetterRequest, context: object
    ) -> pb.PrepareLetterResponse:
        """Freeze an act."""
        actor = actors.current()
        key = _key(actor, request.idempotency_key)
        digest = sha256(request.SerializeToString(deterministic=True))
        shown = await self._drafts(
            "PrepareLetter",
            lambda drafts: drafts.prepare(request.draft, actor, key, digest, request.replaces),
            lambda shown: (shown.draft.case_id, shown.draft.letter_id),
        )
        view = draft_view(shown)
        view.warnings.extend(
            await elsewhere.warnings(self._department, elsewhere.named(request.draft), self._ask)
        )
        return pb.PrepareLetterResponse(draft=view)

    async def ApproveLetter(
        self, request: pb.ApproveLetterRequest, context: object
    ) -> pb.ApproveLetterResponse:
        """Approve a draft."""
        actor = actors.current()
        shown = await self._drafts(
            "ApproveLetter",
            lambda drafts: drafts.approve(request.letter_id, request.content_digest, request.role, actor),
            lambda shown: (shown.draft.case_id, request.letter_id),
        )
        return pb.ApproveLetterResponse(draft=draft_view(shown))

    async def ReturnLetter(self, request: pb.ReturnLetterRequest, context: object) -> pb.ReturnLetterResponse:
        """Return a draft to its drafter."""
        actor = actors.current()
        shown = await self._drafts(
            "ReturnLetter",
            lambda drafts: drafts.give_back(request.letter_id, request.reason, actor),
            lambda shown: (shown.draft.case_id, request.letter_id),
        )
        return pb.ReturnLetterResponse(draft=draft_view(shown))

    async def DiscardDraft(self, request: pb.DiscardDraftRequest, context: object) -> pb.DiscardDraftResponse:
        """Drop a draft."""
        actor = actors.current()
        await self._drafts(
            "DiscardDraft",
            lambda drafts: drafts.discard(request.letter_id, actor),
            lambda _: ("", request.letter_id),
        )
        return pb.DiscardDraftResponse()

    async def ListDrafts(self, request: pb.ListDraftsRequest, context: object) -> pb.ListDraftsResponse:
        """Open drafts."""
        actor = actors.current()
        found = await self._drafts(
            "ListDrafts",
            lambda drafts: drafts.list(request.case_id, request.awaiting_role, actor),
            lambda _: (request.case_id, ""),
        )
        return pb.ListDraftsResponse(drafts=[draft_view(each) for each in found])

    async def SendLetter(self, request: pb.SendLetterRequest, context: object) -> pb.SendLetterResponse:
        """Sign and record a draft."""
        actor = actors.current()
        recorded = await self._drafts(
            "SendLetter",
            lambda drafts: drafts.send(request.letter_id, request.content_digest, actor),
            lambda recorded: (recorded.case_id, request.letter_id),
        )
        return pb.SendLetterResponse(answer=self._answer(recorded))

    async def SendAct(self, request: pb.SendActRequest, context: object) -> pb.SendActResponse:
        """Prepare, sign and record in one step."""
        actor = actors.current_system()
        (result,) = await self._department.run(SendActs.of([request], actor))
        if isinstance(result, LiandongError):
            raise result
        return pb.SendActResponse(answer=self._answer(result))

    async def SendActs(
        self, requests: AsyncIterator[pb.SendActsRequest], context: object
    ) -> AsyncIterator[pb.SendActsResponse]:
        """The same in bulk; a few requests at once are in the writer's queue, answered in order."""
        actor = actors.current_system()
        waiting: asyncio.Queue[tuple[int, asyncio.Future[Any]] | None] = asyncio.Queue()
        free = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)

        async def take() -> None:
            nonlocal actor
            try:
                await free.acquire()
                async for request in requests:
                    now = self._clock.now()
                    if request.assertion:
                        assertion = self._department.verifier.verify(request.assertion, now)
                        actor = _renewed(actor, ActorFacts(assertion, request.assertion))
                    else:
                        self._department.verifier.verify(actor.token, now)
                    command = SendActs.of(request.acts, actor)
                    waiting.put_nowait((request.sequence, self._department.committer.submit(command)))
                    await free.acquire()
            finally:
                # must not wait: nobody reads any more where this ends because the answering did
                waiting.put_nowait(None)

        taking = asyncio.ensure_future(take())
        try:
            while (item := await waiting.get()) is not None:
                sequence, future = item
                yield self._results(sequence, await future)
                free.release()
            await taking
        finally:
            taking.cancel()
            await asyncio.wait({taking})
            while not waiting.empty():
                left = waiting.get_nowait()
                if left is not None:
                    left[1].cancel()

    def _results(self, sequence: int, results: Sequence[Recorded | LiandongError]) -> pb.SendActsResponse:
        response = pb.SendActsResponse(sequence=sequence)
        for result in results:
            if isinstance(result, LiandongError):
                response.results.add().refused.CopyFrom(finding(result))
            else:
                response.results.add().answer.CopyFrom(self._answer(result))
        return response

    async def _drafts(
        self, method: str, work: Callable[[Drafts], T], audited: Callable[[T], tuple[str, str]]
    ) -> T:
        def command(session: DepartmentSession) -> T:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            result = work(Drafts(session, desk))
            session.audit(method, *audited(result))
            return result

        result: T = await self._department.run(command)
        return result

    def _answer(self, recorded: Recorded) -> pb.LetterAnswer:
        answer = pb.LetterAnswer(
            letter_id=recorded.letter_id,
            case_id=recorded.case_id,
            disposition=exchange_service_pb2.Disposition.Value(f"DISPOSITION_{recorded.disposition}"),
            message=recorded.message,
            number=recorded.number,
        )
        if recorded.position is not None:
            head = self._department.head
            answer.position.log_id = self._department.log_id
            answer.position.epoch = head.epoch if head else 1
            answer.position.position = recorded.position
        if recorded.reason:
            answer.reason = reason_pb2.Reason.Value(f"REASON_{recorded.reason}")
        return answer


def _renewed(before: ActorFacts, after: ActorFacts) -> ActorFacts:
    """The actor of a session under its fresh assertion.

    Raises:
        ActorInvalid: It is another actor's.
        RoleNotPermitted: It gives other roles, or makes a person of a system.
    """
    if after.subject != before.subject or after.assertion.issuer != before.assertion.issuer:
        raise ActorInvalid("A session goes on under assertions of the same actor.", field="assertion")
    if not after.assertion.service or after.roles != before.roles:
        raise RoleNotPermitted("A session goes on in the same roles.", field="assertion")
    return after


def _key(actor: ActorFacts, key: str) -> str | None:
    return f"{actor.subject}:{key}" if key else None


def finding(error: LiandongError) -> pb.Finding:
    """An error as a finding."""
    return pb.Finding(
        reason=reason_pb2.Reason.Value(f"REASON_{error.reason}"), field=error.field, message=error.message
    )


def draft_view(shown: Shown) -> pb.DraftView:
    """A draft as people see it."""
    draft, act = shown.draft, shown.act
    view = pb.DraftView(
        letter_id=draft.letter_id,
        case_id=draft.case_id,
        content_digest=draft.content_digest,
        draft=draft.asked,
        missing_approvals=shown.missing,
        approvals=[approval for approval, _ in draft.approvals],
        findings=[finding(shown.finding)] if shown.finding else [],
        drafted_by=draft.drafted_name,
        drafted_at=timestamp(draft.drafted_at),
        returned_reason=draft.returned_reason,
        act_title_zh=act.title.zh,
        act_title_en=act.title.en,
    )
    view.content.ParseFromString(draft.content)
    return view
