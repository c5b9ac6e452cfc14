"""`liandong case`, what is read."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import public_service_pb2

from services.cli import case_views, inputs
from services.cli.connection import Connection, connected
from services.cli.due import instant, read_calendar
from services.cli.output import moment
from services.cli.progress import saved
from services.cli.texts import pick, say

app = typer.Typer(add_completion=False)

CaseId = Annotated[str, typer.Argument(metavar="CASE")]
Limit = Annotated[int, typer.Option(min=1)]
_PAGE = 200
_TIMELINE = 1000


@app.command("list")
@connected
async def list_cases(
    link: Connection,
    *,
    state: Annotated[str, typer.Option()] = "",
    procedure: Annotated[str, typer.Option()] = "",
    party: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    due_before: Annotated[str, typer.Option(metavar="TIME")] = "",
    overdue: Annotated[bool, typer.Option("--overdue")] = False,
    closed: Annotated[bool, typer.Option("--closed")] = False,
    limit: Limit = 50,
) -> None:
    """Cases by next due time."""
    asked = pb.ListCasesRequest(
        procedure=procedure, state=state, department=party, overdue=overdue, include_closed=closed
    )
    if due_before:
        asked.due_before.CopyFrom(inputs.moment(due_before, option="--due-before"))
    found = pb.ListCasesResponse()
    async for page in _pages(link, asked, limit):
        found.cases.extend(page.cases[: limit - len(found.cases)])
        found.next_page_token = page.next_page_token
    await _show(link, found, list(found.cases))
    if found.next_page_token:
        link.output.say("case.more", count=len(found.cases))


async def _pages(
    link: Connection, asked: pb.ListCasesRequest, limit: int
) -> AsyncIterator[pb.ListCasesResponse]:
    left = limit
    while left > 0:
        asked.page_size = min(left, _PAGE)
        page = await link.cases.ListCases(asked)
        yield page
        left -= len(page.cases)
        asked.page_token = page.next_page_token
        if not page.next_page_token:
            return


@app.command("status-code")
@connected
async def status_code(link: Connection, case_id: CaseId) -> None:
    """A number and a code by which somebody outside follows a case."""
    issued = await link.public.IssueStatusCode(public_service_pb2.IssueStatusCodeRequest(case_id=case_id))
    if link.output.as_json:
        link.output.show(issued)
        return
    link.output.say("case.status_code", number=issued.number, code=issued.code)


@app.command("writer")
@connected
async def writer(link: Connection, case_id: CaseId) -> None:
    """Who wrote a complaint on the public site."""
    found = await link.public.GetComplaintContact(
        public_service_pb2.GetComplaintContactRequest(case_id=case_id)
    )
    if link.output.as_json:
        link.output.show(found)
        return
    link.output.say("case.writer", name=found.name or "-", phone=found.phone or "-")


@app.command("search")
@connected
async def search(
    link: Connection, query: Annotated[str, typer.Argument(metavar="WORDS")], *, limit: Limit = 20
) -> None:
    """Cases by any word."""
    found = await link.cases.SearchCases(pb.SearchCasesRequest(query=query, page_size=min(limit, 100)))
    await _show(link, found, list(found.cases))


@app.command("show")
@connected
async def show(
    link: Connection, case_id: CaseId, *, every_act: Annotated[bool, typer.Option("--all")] = False
) -> None:
    """One case."""
    found = await link.cases.GetCase(pb.GetCaseRequest(case_id=case_id))
    if link.output.as_json:
        link.output.show(found.case)
        return
    now = link.clock.now()
    dues = [instant(each.due_at) for each in found.case.obligations if each.state in ("OPEN", "OVERDUE")]
    calendar = await read_calendar(link.directory, now, dues)
    link.output.show(found.case, lambda: case_views.case(found.case, now, calendar, every_act=every_act))


@app.command("timeline")
@connected
async def timeline(link: Connection, case_id: CaseId) -> None:
    """The letters of a case."""
    found = await link.cases.GetTimeline(
        pb.GetTimelineRequest(case_id=case_id, after_position=-1, limit=_TIMELINE)
    )
    link.output.show(found, lambda: case_views.letters(found.letters))


@app.command("explain")
@connected
async def explain(
    link: Connection,
    case_id: CaseId,
    rule: Annotated[str, typer.Argument(metavar="OBLIGATION")],
    *,
    ordinal: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """How a due time comes about."""
    found = await link.cases.ExplainDueTime(
        pb.ExplainDueTimeRequest(case_id=case_id, rule=rule, ordinal=ordinal)
    )
    link.output.show(
        found, lambda: "\n".join(pick(*pair) for pair in zip(found.lines_zh, found.lines_en, strict=True))
    )


@app.command("parked")
@connected
async def parked(link: Connection) -> None:
    """Letters that are stuck."""
    found = await link.cases.ListParked(pb.ListParkedRequest())
    link.output.show(found, lambda: case_views.parked(found.letters))


@app.command("audit")
@connected
async def audit(
    link: Connection,
    *,
    case_id: Annotated[str, typer.Option("--case", metavar="CASE")] = "",
    person: Annotated[str, typer.Option(metavar="ID")] = "",
    limit: Limit = 100,
) -> None:
    """Who read and wrote what."""
    found = await link.cases.ListAudit(
        pb.ListAuditRequest(case_id=case_id, subject=person, page_size=min(limit, 1000))
    )
    link.output.show(found, lambda: case_views.audit(found.lines))


@app.command("dossier")
@connected
async def dossier(
    link: Connection,
    case_id: CaseId,
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    evidence: Annotated[bool, typer.Option("--evidence")] = False,
) -> None:
    """Everything of a case in one file."""
    path = out or Path(f"{case_id}.zip")
    asked = pb.GetDossierRequest(case_id=case_id, include_evidence=evidence)
    written = await saved(path, link.cases.GetDossier(asked))
    link.output.say("case.dossier", file=path, bytes=written)


@app.command("watch")
@connected
async def watch(link: Connection, case_id: Annotated[str, typer.Argument(metavar="[CASE]")] = "") -> None:
    """Changes as they happen."""
    async for change in link.cases.WatchCases(pb.WatchCasesRequest(case_id=case_id)):
        if link.output.as_json:
            link.output.show(change)
            continue
        letter = change.letter
        link.output.console.print(
            say(
                "case.changed",
                at=moment(letter.admitted_at if letter.HasField("admitted_at") else letter.signed_at),
                title=change.case.title or change.case.case_id,
                act=pick(letter.act_title_zh, letter.act_title_en) or letter.act,
                author=letter.author,
                state=pick(change.case.state_title_zh, change.case.state_title_en),
            ),
            markup=False,
        )


async def _show(
    link: Connection, found: pb.ListCasesResponse | pb.SearchCasesResponse, cases: list[pb.CaseSummary]
) -> None:
    if link.output.as_json:
        link.output.show(found)
        return
    now = link.clock.now()
    calendar = await read_calendar(link.directory, now, [instant(each.next_due_at) for each in cases])
    link.output.show(found, lambda: case_views.summaries(cases, now, calendar))
