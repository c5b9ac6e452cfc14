"""CaseService, the reading half: wire to domain, nothing else.

Every answer about a case is audited by person, in the department's own transaction and before it leaves:
what is not noted is not answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

from liandong.cases.v1 import case_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, parked, queries, views
from services.cases.desk import Desk
from services.cases.dossier import Dossier, Prove
from services.cases.fragments import fragments
from services.cases.handlers.audited import AuditedReads
from services.cases.queries import CaseRow, Place, Wanted
from services.cases.search import Found, search
from services.cases.watch import CaseWatch, Change, write
from services.common import page_tokens
from services.common.clock import microseconds
from services.common.errors import NotFound, RoleNotPermitted
from services.common.permissions import PermissionTable, Rule
from services.exchange import actors
from services.exchange.department import Department
from services.exchange.evidence_store import EvidenceStore
from services.exchange.letters import moment, rebuild, timestamp

T = TypeVar("T")

_CASES: Final = 50
_FOUND: Final = 20
_LETTERS: Final = 200
_LETTERS_PAGE: Final = 100
_LINES: Final = 100
_PLACE: Final = ((int, type(None)), (str,))
_AUDITORS: Final = frozenset({"auditor", "liaison", "leader-in-charge", "principal", "registry-clerk"})
_RETRIERS: Final = frozenset({"registry-clerk", "liaison"})
_METHODS: Final = (
    "GetCase", "ListCases", "SearchCases", "GetTimeline", "ListLetters", "GetLetter", "ExplainDueTime", "WatchCases",
    "GetDossier", "ListParked", "RetryParked", "GetNodeState",
)  # fmt: skip
_CALLERS: Final = frozenset({"gateway", "system"})

READING_RULES: Final[PermissionTable] = {
    **{
        f"/liandong.cases.v1.CaseService/{method}": Rule(
            kinds=_CALLERS, same_department=True, actor="required"
        )
        for method in _METHODS
    },
    "/liandong.cases.v1.CaseService/ListAudit": Rule(
        kinds=_CALLERS, same_department=True, actor="required", roles=_AUDITORS
    ),
}


class ReadingHandlers(AuditedReads):
    """What of a department's cases is read, and letters that are stuck.

    Args:
        department: Whose.
        desk: Its cases in memory; this takes its `changed`.
        prove: Asks the registry for an inclusion proof; None where it cannot be asked.
        evidence: Where the chunks of evidence lie; None where dossiers are to hold none.
    """

    def __init__(
        self,
        department: Department,
        desk: Desk,
        prove: Prove | None = None,
        evidence: EvidenceStore | None = None,
    ) -> None:
        AuditedReads.__init__(self, department)
        self._desk = desk
        self._prove = prove
        self._evidence = evidence
        self._watch = CaseWatch()
        desk.changed = self._watch.changed

    async def GetCase(self, request: pb.GetCaseRequest, _context: object) -> pb.GetCaseResponse:
        """One case as it stands here."""
        department, case_id = self._department, request.case_id
        law, now = department.directory.law, department.clock.now()

        def work(connection: Connection) -> pb.CaseView:
            entry = queries.entry_of(connection, self._desk, case_id, law, now)
            return views.case_view(
                entry,
                department.name,
                law,
                queries.obligations_of(connection, case_id),
                queries.subjects_of(connection, case_id),
                [views.link_view(*each, law) for each in queries.links_of(connection, case_id)],
                now,
            )

        view = await self._read("GetCase", work, case_id)
        return pb.GetCaseResponse(case=view)

    async def ListCases(self, request: pb.ListCasesRequest, _context: object) -> pb.ListCasesResponse:
        """Cases by next due time, then newest."""
        key = page_tokens.decode(request.page_token, _PLACE)
        after = Place(*key) if key else None
        size = request.page_size or _CASES
        wanted = self._wanted(request)

        def work(connection: Connection) -> pb.ListCasesResponse:
            rows = queries.list_cases(connection, wanted, after, size + 1)
            response = pb.ListCasesResponse(
                cases=self._summaries(connection, [(row, "") for row in rows[:size]])
            )
            if len(rows) > size:
                response.next_page_token = page_tokens.encode(Place.of(rows[size - 1]))
            return response

        return await self._read("ListCases", work)

    def _wanted(self, request: pb.ListCasesRequest) -> Wanted:
        due_before = microseconds(moment(request.due_before)) if request.HasField("due_before") else None
        if request.overdue:
            # the due time is exclusive: what is due now is overdue
            now = microseconds(self._department.clock.now()) + 1
            due_before = now if due_before is None else min(due_before, now)
        procedures: tuple[str, ...] = (request.procedure,) if request.procedure else ()
        if request.state and not procedures:
            known = self._department.directory.law.procedures.values()
            procedures = tuple(sorted({each.name for each in known if request.state in each.states}))
        due_from = microseconds(moment(request.due_from)) if request.HasField("due_from") else None
        return Wanted(
            procedures, request.state, request.department, due_before, request.include_closed, due_from,
            queries.doings(self._department.directory.law, request.act) if request.act else None, self._department.name,
        )  # fmt: skip

    async def SearchCases(self, request: pb.SearchCasesRequest, _context: object) -> pb.SearchCasesResponse:
        """Cases by any word."""
        size = request.page_size or _FOUND

        def work(connection: Connection) -> pb.SearchCasesResponse:
            found: list[Found] = search(connection, request.query, size)
            cases = self._summaries(connection, found)
            matches = fragments(connection, found, request.query)
            for each in cases:
                each.match.CopyFrom(views.matched_text(matches[each.case_id]))
            return pb.SearchCasesResponse(cases=cases)

        return await self._read("SearchCases", work, "", request.query)

    def _summaries(
        self, connection: Connection, found: Sequence[tuple[CaseRow, str]]
    ) -> list[pb.CaseSummary]:
        ids = [row.case_id for row, _ in found]
        parties, pending = queries.parties_of(connection, ids), queries.pending_of(connection, ids)
        law = self._department.directory.law
        return [views.summary(row, parties, pending, law, matched) for row, matched in found]

    async def GetTimeline(self, request: pb.GetTimelineRequest, _context: object) -> pb.GetTimelineResponse:
        """The letters of a case in order."""
        limit = request.limit or _LETTERS

        def work(connection: Connection) -> pb.GetTimelineResponse:
            rows = queries.timeline(connection, request.case_id, request.after_position, limit)
            if not rows and not queries.rows_of(connection, [request.case_id]):
                raise NotFound("No case of that id is here.", field="case_id")
            return pb.GetTimelineResponse(letters=self._letters(connection, rows))

        return await self._read("GetTimeline", work, request.case_id)

    def _letters(self, connection: Connection, rows: Sequence[Any]) -> list[pb.LetterView]:
        received = queries.received(connection, rows)
        return [views.letter_view(row, self._department, received.get(row.letter_id, {})) for row in rows]

    async def ListLetters(self, request: pb.ListLettersRequest, _context: object) -> pb.ListLettersResponse:
        """Admitted letters of all cases, in ledger order."""

        def work(connection: Connection) -> pb.ListLettersResponse:
            rows = queries.letters_after(
                connection, request.after_position, request.page_size or _LETTERS_PAGE
            )
            found = queries.rows_of(connection, {row.case_id for row in rows})
            summaries = self._summaries(connection, [(row, "") for row in found.values()])
            cases = {each.case_id: each for each in summaries}
            return pb.ListLettersResponse(
                letters=[
                    pb.CaseLetter(case=cases.get(row.case_id), letter=view)
                    for row, view in zip(rows, self._letters(connection, rows), strict=True)
                ],
                next_position=rows[-1].position if rows else request.after_position,
            )

        return await self._read("ListLetters", work)

    async def GetLetter(self, request: pb.GetLetterRequest, _context: object) -> pb.GetLetterResponse:
        """One letter with its body and proof."""

        def work(connection: Connection) -> tuple[str, pb.GetLetterResponse]:
            row = queries.act_letter(connection, request.letter_id)
            (view,) = self._letters(connection, [row])
            envelope = rebuild(row.header, row.payload, row.extras)
            envelope.proof.ParseFromString(row.proof)
            response = pb.GetLetterResponse(letter=view, envelope=envelope)
            body = bodies.draft_with(views.body_type(row.header), row.payload)
            if body is not None:
                response.body.CopyFrom(body)
                response.body.act, response.body.case_id = row.act, row.case_id
            if row.position is not None:
                response.leaf.CopyFrom(views.leaf(row))
            return row.case_id, response

        _, response = await self._read(
            "GetLetter", work, "", request.letter_id, case_of=lambda found: found[0]
        )
        return response

    async def ExplainDueTime(
        self, request: pb.ExplainDueTimeRequest, _context: object
    ) -> pb.ExplainDueTimeResponse:
        """How an obligation's due time is computed."""
        department = self._department
        law, now = department.directory.law, department.clock.now()

        def work(connection: Connection) -> pb.ExplainDueTimeResponse:
            entry = queries.entry_of(connection, self._desk, request.case_id, law, now)
            duties = queries.obligations_of(connection, request.case_id)
            return views.explained(entry, duties, request.rule, request.ordinal, law, now)

        return await self._read("ExplainDueTime", work, request.case_id, request.rule)

    async def WatchCases(self, request: pb.WatchCasesRequest, context: Any) -> None:
        """Changes of cases as they happen here; the first metadata says that the watch has begun."""
        await self._note("WatchCases", request.case_id)
        with self._watch.watch(request.case_id) as watcher:
            await context.send_initial_metadata(())
            while True:
                for response in await self._department.read(self._changes(await watcher.take())):
                    await write(context, response)

    def _changes(self, changes: Sequence[Change]) -> Callable[[Connection], list[pb.WatchCasesResponse]]:
        def work(connection: Connection) -> list[pb.WatchCasesResponse]:
            rows = queries.rows_of(connection, {case_id for case_id, _ in changes})
            cases = self._summaries(connection, [(row, "") for row in rows.values()])
            found = queries.letters_by_id(connection, [letter_id for _, letter_id in changes])
            letters = self._letters(connection, list(found.values()))
            by_case = {each.case_id: each for each in cases}
            by_letter = {each.letter_id: each for each in letters}
            return [
                pb.WatchCasesResponse(case=by_case.get(case_id), letter=by_letter.get(letter_id))
                for case_id, letter_id in changes
            ]

        return work

    async def GetDossier(self, request: pb.GetDossierRequest, context: Any) -> None:
        """Everything of one case in one file."""
        evidence = self._evidence if request.include_evidence else None
        dossier = Dossier(self._department, self._prove, evidence)
        contents = await self._read(
            "GetDossier", lambda connection: dossier.contents(connection, request.case_id), request.case_id
        )
        frames: AsyncIterator[bytes] = dossier.frames(contents)
        async for frame in frames:
            await write(context, pb.GetDossierResponse(frame=frame))

    async def ListParked(self, _request: pb.ListParkedRequest, _context: object) -> pb.ListParkedResponse:
        """Letters that are stuck, and why."""
        now = self._department.clock.now()
        return await self._read(
            "ListParked", lambda connection: pb.ListParkedResponse(letters=parked.listed(connection, now))
        )

    async def RetryParked(self, request: pb.RetryParkedRequest, _context: object) -> pb.RetryParkedResponse:
        """Try a stuck letter again, with those of its case before it."""
        actor = actors.current()
        if not actor.assertion.service and _RETRIERS.isdisjoint(actor.roles):
            raise RoleNotPermitted
        resolved, error = await self._department.run(parked.retry_command(request.letter_id))
        return pb.RetryParkedResponse(resolved=resolved, error=error)

    async def ListAudit(self, request: pb.ListAuditRequest, _context: object) -> pb.ListAuditResponse:
        """Who read and wrote what, newest first."""
        key = page_tokens.decode(request.page_token, ((int,),))
        size = request.page_size or _LINES

        def work(connection: Connection) -> pb.ListAuditResponse:
            before = key[0] if key else None
            rows = queries.audit_page(connection, request.case_id, request.subject, before, size + 1)
            response = pb.ListAuditResponse(lines=[views.audit_line(row) for row in rows[:size]])
            if len(rows) > size:
                response.next_page_token = page_tokens.encode([rows[size - 1].id])
            return response

        return await self._read("ListAudit", work, request.case_id, request.subject)

    async def GetNodeState(
        self, _request: pb.GetNodeStateRequest, _context: object
    ) -> pb.GetNodeStateResponse:
        """The link, for people; nothing of a case, so it is not audited."""
        department = self._department
        outbox, stuck = await department.read(queries.waiting_letters)
        link = department.link
        state = pb.GetNodeStateResponse(
            department=department.name,
            connected=link.connected,
            outbox=outbox,
            parked=stuck,
            clock_offset_ms=link.clock_offset_ms,
            link_error=link.error,
        )
        state.cursor.at, state.cursor.position = department.cursor
        if link.last_heard_at is not None:
            state.last_heard_at.CopyFrom(timestamp(link.last_heard_at))
        return state
