"""HandlingService: wire to domain, nothing else. What is done to documents; what is stated is in `handling_rules`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from liandong.cases.v1 import handling_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import queries
from services.cases.desk import DeskSession
from services.cases.handlers.audited import AuditedReads
from services.cases.handling import store, views, work
from services.cases.handling.people import standing_of
from services.cases.handling.seal import Sealed, SealService, ToSeal
from services.cases.handling.steps import Steps
from services.cases.handling.store import Kept
from services.cases.handling.work import Place
from services.cases.queries import Wanted
from services.cases.watch import CaseWatch, write
from services.common import page_tokens
from services.common.clock import microseconds
from services.common.errors import InvalidField
from services.exchange import actors
from services.exchange.actors import ActorFacts
from services.exchange.department import Department
from services.exchange.letters import moment
from services.exchange.session import DepartmentSession
from services.procedures.calendar import NEVER
from services.procedures.delegation import Standing

T = TypeVar("T")

_PAGE: Final = 50
_WATCHED: Final = 2000
_COUNTED: Final = 1_000
SIGN_FOR: Final = "sign-for"
"""The act that signs for a letter, in every procedure that has it."""
_SOON_HOURS: Final = 72
_PLACE: Final = ((int,), (str,), (int,))
_KINDS: Final = {
    pb.WORK_LIST_TO_APPROVE: work.APPROVING,
    pb.WORK_LIST_TO_SIGN_FOR: work.SIGNING_FOR,
}


class HandlingCommands(AuditedReads):
    """What all halves of the service do: run a command of the writer, or read, and note who did.

    Args:
        department: Whose.
        seal: Its seal service.
        watch: Who watches documents.
    """

    def __init__(self, department: Department, seal: SealService, watch: CaseWatch) -> None:
        super().__init__(department)
        self._seal = seal
        self._watch = watch

    async def _run(
        self,
        method: str,
        work: Callable[[DepartmentSession, DeskSession], T],
        audited: Callable[[T], tuple[str, str]],
    ) -> T:
        """Run a command of the department's writer, audited in its transaction."""

        def command(session: DepartmentSession) -> T:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            result = work(session, desk)
            session.audit(method, *audited(result))
            return result

        result: T = await self._department.run(command)
        return result

    def _documents(self, connection: Connection, found: Sequence[Kept]) -> list[pb.DocumentView]:
        """Documents with the titles of their cases."""
        law, now = self._department.directory.law, self._department.clock.now()
        titles = self._titles(connection, found)
        return [views.document(each, titles.get(each.case_id, ""), law, now) for each in found]

    @staticmethod
    def _titles(connection: Connection, found: Sequence[Kept]) -> dict[str, str]:
        rows = queries.rows_of(connection, {each.case_id for each in found})
        return {case_id: row.title for case_id, row in rows.items()}

    def _standing(self, connection: Connection, actor: ActorFacts) -> Standing:
        return standing_of(connection, self._department.directory, self._department.name, actor)


class DocumentHandlers(HandlingCommands):
    """Work lists, documents, and the steps that people do."""

    # -- reading --------------------------------------------------------------------------------

    async def ListWork(self, request: pb.ListWorkRequest, _context: object) -> pb.ListWorkResponse:
        """What a person has to do, or waits for."""
        actor, now = actors.current(), self._department.clock.now()
        size = request.page_size or _PAGE
        if request.list in (pb.WORK_LIST_WAITING, pb.WORK_LIST_SENT):
            return await self._taken_part(request, actor, now, size)
        key = page_tokens.decode(request.page_token, _PLACE)
        after = Place(*key) if key else None
        kinds = _KINDS.get(request.list, ())
        due_from = moment(request.due_from) if request.HasField("due_from") else None
        due_before = moment(request.due_before) if request.HasField("due_before") else None

        def read(connection: Connection) -> pb.ListWorkResponse:
            standing = self._standing(connection, actor)
            found = work.waiting_for(
                connection, standing, kinds, after, size + 1, now, overdue=request.overdue,
                due_from=due_from, due_before=due_before,
            )  # fmt: skip
            shown = found[:size]
            documents = work.by_ids(connection, [each.place.document_id for each in shown])
            by_id = {view.document_id: view for view in self._documents(connection, list(documents.values()))}
            response = pb.ListWorkResponse()
            for each in shown:
                kept = documents[each.place.document_id]
                item = response.items.add(
                    document=by_id[kept.document.id],
                    task=views.task(kept, kept.document.task(each.place.task), now),
                )
                if each.delegation is not None:
                    item.acting_for.MergeFrom(views.somebody(each.delegation.absent))
            if len(found) > size:
                response.next_page_token = page_tokens.encode(shown[-1].place)
            return response

        return await self._read("ListWork", read)

    async def _taken_part(
        self, request: pb.ListWorkRequest, actor: ActorFacts, now: datetime, size: int
    ) -> pb.ListWorkResponse:
        key = page_tokens.decode(request.page_token, ((str,),))

        def read(connection: Connection) -> pb.ListWorkResponse:
            standing = self._standing(connection, actor)
            if request.list == pb.WORK_LIST_SENT:
                asked = work.sent(standing)
            else:
                asked = work.waits_for_others(standing, now, overdue=request.overdue)
            rows = work.newest(connection, asked, key[0] if key else "", size + 1)
            found = [store.kept(connection, row) for row in rows[:size]]
            response = pb.ListWorkResponse(
                items=[pb.WorkItem(document=each) for each in self._documents(connection, found)]
            )
            if len(rows) > size:
                response.next_page_token = page_tokens.encode([found[-1].document.id])
            return response

        return await self._read("ListWork", read)

    async def CountWork(self, request: pb.CountWorkRequest, _context: object) -> pb.CountWorkResponse:
        """How much waits for a person and for the department."""
        actor, now = actors.current(), self._department.clock.now()
        # the due time is exclusive: what is due now is overdue
        now_us = microseconds(now) + 1
        soon = now + timedelta(hours=request.soon_hours or _SOON_HOURS)
        if request.HasField("soon_before"):
            soon = moment(request.soon_before)
        soon_us = microseconds(soon)
        law, name = self._department.directory.law, self._department.name
        to_sign_for = Wanted(doings=queries.doings(law, SIGN_FOR), doer=name)

        def read(connection: Connection) -> pb.CountWorkResponse:
            standing = self._standing(connection, actor)

            def tasks(kinds: Sequence[str] = (), **narrowed: Any) -> list[work.Waiting]:
                return work.waiting_for(connection, standing, kinds, None, _COUNTED, now, **narrowed)

            signing = tasks(work.SIGNING_FOR)
            signable = {row.case_id for row in queries.list_cases(connection, to_sign_for, None, _COUNTED)}
            return pb.CountWorkResponse(
                to_do=len(tasks()),
                to_approve=len(tasks(work.APPROVING)),
                to_sign_for=len(signing),
                tasks_overdue=len(tasks(overdue=True)),
                tasks_due_soon=len(tasks(due_from=now + timedelta(microseconds=1), due_before=soon)),
                waiting=work.count(connection, work.waits_for_others(standing, now), _COUNTED),
                sent=work.count(connection, work.sent(standing), _COUNTED),
                cases_overdue=queries.count_due(connection, None, now_us, _COUNTED),
                cases_due_soon=queries.count_due(connection, now_us, soon_us, _COUNTED),
                cases_due=queries.count_due(connection, None, microseconds(NEVER), _COUNTED),
                cases_to_sign_for=len(signable - work.cases_of(connection, signing)),
            )

        return await self._read("CountWork", read)

    async def WatchWork(self, _request: pb.WatchWorkRequest, context: Any) -> None:
        """Documents of the person as they change; the first metadata says that the watch has begun."""
        actor = actors.current()
        await self._note("WatchWork", "", "")
        with self._watch.watch("") as watcher:
            seen = await self._department.read(lambda connection: self._waits(connection, actor))
            await context.send_initial_metadata(())
            while True:
                changed = list(dict.fromkeys(document_id for document_id, _ in await watcher.take()))
                for response in await self._department.read(self._changes(changed, actor, seen)):
                    await write(context, response)

    def _waits(self, connection: Connection, actor: ActorFacts) -> set[str]:
        """What waits for somebody when a watch begins, so that it is told when it goes."""
        standing, now = self._standing(connection, actor), self._department.clock.now()
        waiting = work.waiting_for(connection, standing, (), None, _WATCHED, now)
        return {each.place.document_id for each in waiting}

    def _changes(
        self, changed: Sequence[str], actor: ActorFacts, seen: set[str]
    ) -> Callable[[Connection], list[pb.WatchWorkResponse]]:
        now = self._department.clock.now()

        def read(connection: Connection) -> list[pb.WatchWorkResponse]:
            standing = self._standing(connection, actor)
            responses = []
            documents = work.by_ids(connection, changed)
            for kept in documents.values():
                waiting = work.waiting_for(
                    connection, standing, (), None, _PAGE, now, document_id=kept.document.id
                )
                if not waiting and kept.document.id not in seen:
                    continue
                (seen.add if waiting else seen.discard)(kept.document.id)
                (view,) = self._documents(connection, [kept])
                tasks = [views.task(kept, kept.document.task(each.place.task), now) for each in waiting]
                responses.append(pb.WatchWorkResponse(document=view, tasks=tasks))
            return responses

        return read

    async def GetDocument(self, request: pb.GetDocumentRequest, _context: object) -> pb.GetDocumentResponse:
        """One document: its steps, its tasks, its history."""
        actor = actors.current()

        def read(connection: Connection) -> pb.GetDocumentResponse:
            kept = store.by_id(connection, request.document_id)
            answer = self._whole(connection, kept)
            answer.own.extend(self._own(connection, kept, actor))
            return answer

        return await self._read(
            "GetDocument", read, "", request.document_id, case_of=lambda found: found.document.case_id
        )

    def _own(self, connection: Connection, kept: Kept, actor: ActorFacts) -> list[pb.OwnTask]:
        """Tasks of a document that the person may do."""
        now, standing = self._department.clock.now(), self._standing(connection, actor)
        found = work.waiting_for(connection, standing, (), None, _PAGE, now, document_id=kept.document.id)
        return [
            pb.OwnTask(
                task=each.place.task,
                acting_for=views.person(each.delegation.absent if each.delegation else None),
            )
            for each in found
        ]

    def _whole(self, connection: Connection, kept: Kept) -> pb.GetDocumentResponse:
        """A document without what only one person has of it."""
        found, now = kept.document, self._department.clock.now()
        (view,) = self._documents(connection, [kept])
        return pb.GetDocumentResponse(
            document=view,
            steps=views.steps(found.chain),
            tasks=[views.task(kept, each, now) for each in found.tasks],
            attachments=[
                views.attachment(row) for row in store.attachments(connection, found.id, kept.case_id)
            ],
            history=[views.event(row) for row in store.history(connection, found.id)],
        )

    async def ListDocuments(
        self, request: pb.ListDocumentsRequest, _context: object
    ) -> pb.ListDocumentsResponse:
        """The documents of a case, or all, newest first."""
        key = page_tokens.decode(request.page_token, ((str,),))
        size = request.page_size or _PAGE
        way = views.way_of(request.direction)
        state = pb.DocumentState.Name(request.state).removeprefix("DOCUMENT_STATE_") if request.state else ""

        def read(connection: Connection) -> pb.ListDocumentsResponse:
            rows = work.documents_page(
                connection, request.case_id, way.value if way else "", state, key[0] if key else "", size + 1
            )
            found = [store.kept(connection, row) for row in rows[:size]]
            response = pb.ListDocumentsResponse(documents=self._documents(connection, found))
            if len(rows) > size:
                response.next_page_token = page_tokens.encode([found[-1].document.id])
            return response

        return await self._read("ListDocuments", read, request.case_id)

    # -- steps ----------------------------------------------------------------------------------

    async def _step(self, method: str, work: Callable[[Steps], Kept]) -> pb.DocumentView:
        def command(session: DepartmentSession, desk: DeskSession) -> tuple[Kept, pb.DocumentView]:
            kept = work(Steps(session, desk))
            (view,) = self._documents(session.connection, [kept])
            return kept, view

        _, view = await self._run(method, command, lambda done: (done[0].case_id, done[0].document.id))
        return view

    async def TakeStep(self, request: pb.TakeStepRequest, _context: object) -> pb.TakeStepResponse:
        """Take a task up."""
        actor = actors.current()
        view = await self._step(
            "TakeStep", lambda steps: steps.take(request.document_id, request.task, actor)
        )
        return pb.TakeStepResponse(document=view)

    async def CompleteStep(
        self, request: pb.CompleteStepRequest, _context: object
    ) -> pb.CompleteStepResponse:
        """Do a task."""
        actor = actors.current()
        assigned = [views.who_from(each) for each in request.assigned]
        if any(not each.section and not each.subject for each in assigned):
            raise InvalidField("It is dispatched to a section or a person.", field="assigned")
        sealed = None
        if request.electronic_seal:
            sealed = await self._sealed(request.document_id, request.task, actor)
        view = await self._step(
            "CompleteStep",
            lambda steps: steps.complete(
                request.document_id,
                request.task,
                request.content_digest,
                request.note,
                assigned,
                actor,
                sealed=sealed,
            ),
        )
        return pb.CompleteStepResponse(document=view)

    async def _sealed(self, document_id: str, task: int, actor: ActorFacts) -> Sealed:
        """Have the seal service seal what the step is about, outside the writer: nobody waits for the service."""

        def command(session: DepartmentSession) -> ToSeal:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            return Steps(session, desk).to_seal(document_id, task, actor)

        what: ToSeal = await self._department.run(command)
        return Sealed(what, await self._seal.seal(what))

    async def ReturnDocument(
        self, request: pb.ReturnDocumentRequest, _context: object
    ) -> pb.ReturnDocumentResponse:
        """Return a document to an earlier step."""
        actor = actors.current()
        view = await self._step(
            "ReturnDocument",
            lambda steps: steps.give_back(
                request.document_id, request.task, request.to_step, request.reason, actor
            ),
        )
        return pb.ReturnDocumentResponse(document=view)

    async def AddSigner(self, request: pb.AddSignerRequest, _context: object) -> pb.AddSignerResponse:
        """Ask one more to agree."""
        actor, who = actors.current(), views.who_from(request.who)
        view = await self._step(
            "AddSigner", lambda steps: steps.add_signer(request.document_id, request.task, who, actor)
        )
        return pb.AddSignerResponse(document=view)

    async def HandOn(self, request: pb.HandOnRequest, _context: object) -> pb.HandOnResponse:
        """Give a task to somebody else."""
        actor, who = actors.current(), views.who_from(request.who)
        view = await self._step(
            "HandOn",
            lambda steps: steps.hand_on(request.document_id, request.task, who, request.note, actor),
        )
        return pb.HandOnResponse(document=view)

    async def AttachToStep(
        self, request: pb.AttachToStepRequest, _context: object
    ) -> pb.AttachToStepResponse:
        """Put a scan or image beside a step."""
        actor = actors.current()

        def command(session: DepartmentSession, desk: DeskSession) -> tuple[Kept, pb.AttachmentView]:
            kept = Steps(session, desk).attach(
                request.document_id, request.step, request.kind, request.manifest_root, request.note, actor
            )
            rows = store.attachments(session.connection, kept.document.id, kept.case_id)
            return kept, next(
                views.attachment(row)
                for row in rows
                if (row.step, row.root) == (request.step, request.manifest_root)
            )

        _, view = await self._run(
            "AttachToStep", command, lambda done: (done[0].case_id, done[0].document.id)
        )
        return pb.AttachToStepResponse(attachment=view)

    async def RecordCall(self, request: pb.RecordCallRequest, _context: object) -> pb.RecordCallResponse:
        """Note that somebody agreed by telephone."""
        actor, approver = actors.current(), views.person_from(request.approver)
        if not approver.subject or not approver.name or not approver.role:
            raise InvalidField("Name the approver by id, name and role.", field="approver")
        at = moment(request.called_at, "called_at")
        view = await self._step(
            "RecordCall",
            lambda steps: steps.record_call(
                request.document_id, request.task, approver, at, request.words, actor
            ),
        )
        return pb.RecordCallResponse(document=view)

    async def ConfirmCall(self, request: pb.ConfirmCallRequest, _context: object) -> pb.ConfirmCallResponse:
        """Confirm, or deny, what was said on the telephone."""
        actor = actors.current()
        view = await self._step(
            "ConfirmCall",
            lambda steps: steps.confirm(
                request.document_id, request.task, request.content_digest, request.denied, actor
            ),
        )
        return pb.ConfirmCallResponse(document=view)
