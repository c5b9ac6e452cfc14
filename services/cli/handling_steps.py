"""`liandong handling`, what people do with documents."""

from __future__ import annotations

import mimetypes
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cli import handling_views, inputs
from services.cli.assertion import digest as parse_digest
from services.cli.connection import Connection, connected
from services.cli.progress import moving
from services.cli.texts import say
from services.common.errors import NotFound
from services.exchange.evidence import chunks_of_file, manifest_of
from services.exchange.evidence_client import upload

app = typer.Typer(add_completion=False)

_PAGE = 500

Document = Annotated[str, typer.Argument(metavar="DOCUMENT")]
Task = Annotated[int, typer.Option(metavar="N", min=0)]
Note = Annotated[str, typer.Option("--note", metavar="TEXT")]
WhoArgument = Annotated[str, typer.Argument(metavar="WHO")]
Reason = Annotated[str, typer.Argument(metavar="REASON")]
Yes = Annotated[bool, typer.Option("--yes", "-y")]


class Work(StrEnum):
    """The lists of work."""

    TO_DO = "to-do"
    TO_APPROVE = "to-approve"
    TO_SIGN_FOR = "to-sign-for"
    WAITING = "waiting"
    SENT = "sent"


class Attachment(StrEnum):
    """What lies beside a step."""

    STAMPED_SCAN = "stamped-scan"
    HANDWRITTEN = "handwritten"
    OTHER = "other"


def who(text: str, option: str = "WHO") -> pb.Who:
    """Who may do something: `role`, `role@section`, `@section`, or `p:person`.

    Raises:
        BadParameter: It is none of these.
    """
    if text.startswith("p:") and text != "p:":
        return pb.Who(subject=text[2:])
    role, _, section = text.partition("@")
    if text.startswith("p:") or not (role or section):
        raise typer.BadParameter(say("handling.who", value=text), param_hint=option)
    return pb.Who(role=role, section=section)


@app.command("list")
@connected
async def list_work(
    link: Connection,
    which: Annotated[Work, typer.Argument(metavar="to-do|to-approve|to-sign-for|waiting|sent")] = Work.TO_DO,
    *,
    overdue: Annotated[bool, typer.Option("--overdue")] = False,
) -> None:
    """What waits for you, or what you wait for."""
    request = pb.ListWorkRequest(list=pb.WorkList.Value(f"WORK_LIST_{which.name}"), overdue=overdue)
    found = pb.ListWorkResponse()
    while True:
        answer = await link.handling.ListWork(request)
        found.items.extend(answer.items)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    link.output.show(found, lambda: handling_views.work(found.items))


@app.command("count")
@connected
async def count(link: Connection) -> None:
    """How much waits for you and for the department."""
    found = await link.handling.CountWork(pb.CountWorkRequest())
    link.output.show(found, lambda: handling_views.counts(found))


@app.command("watch")
@connected
async def watch(link: Connection) -> None:
    """Your documents as they change."""
    async for change in link.handling.WatchWork(pb.WatchWorkRequest()):
        items = [pb.WorkItem(document=change.document, task=each) for each in change.tasks]
        shown = items or [pb.WorkItem(document=change.document)]
        link.output.show(change, lambda shown=shown: handling_views.work(shown))  # type: ignore[misc]


@app.command("show")
@connected
async def show(link: Connection, document: Document) -> None:
    """One document: its steps, tasks and history."""
    found = await link.handling.GetDocument(pb.GetDocumentRequest(document_id=document))
    link.output.show(found, lambda: handling_views.whole(found))


@app.command("documents")
@connected
async def documents(
    link: Connection, case_id: Annotated[str, typer.Option("--case", metavar="CASE")] = ""
) -> None:
    """Documents, newest first."""
    found = await link.handling.ListDocuments(pb.ListDocumentsRequest(case_id=case_id, page_size=_PAGE))
    link.output.show(found, lambda: handling_views.documents(found.documents))


@app.command("take")
@connected
async def take(link: Connection, document: Document, *, task: Task = 0) -> None:
    """Take a task up."""
    chosen = await _mine(link, document, task)
    answer = await link.handling.TakeStep(pb.TakeStepRequest(document_id=document, task=chosen.task))
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("do")
@connected
async def do(
    link: Connection,
    document: Document,
    *,
    task: Task = 0,
    note: Note = "",
    assign: Annotated[list[str] | None, typer.Option(metavar="WHO")] = None,
    electronic_seal: Annotated[bool, typer.Option("--electronic-seal")] = False,
    digest: Annotated[str, typer.Option(metavar="HEX|BASE64")] = "",
    yes: Yes = False,
) -> None:
    """Do your task of a document: agree, sign, register, dispatch."""
    chosen = await _mine(link, document, task)
    content = await _content(
        link, document, digest, confirm=not yes, signing=chosen.kind == pb.STEP_KIND_SIGN
    )
    stub = link.signing(content) if chosen.kind == pb.STEP_KIND_SIGN else link.handling
    answer = await stub.CompleteStep(
        pb.CompleteStepRequest(
            document_id=document,
            task=chosen.task,
            content_digest=content,
            note=note,
            assigned=[who(each, "--assign") for each in assign or ()],
            electronic_seal=electronic_seal,
        )
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("return")
@connected
async def give_back(
    link: Connection,
    document: Document,
    reason: Reason,
    *,
    task: Task = 0,
    to_step: Annotated[str, typer.Option("--to-step", metavar="STEP")] = "",
) -> None:
    """Return a document to its drafter or an earlier step."""
    chosen = await _mine(link, document, task)
    answer = await link.handling.ReturnDocument(
        pb.ReturnDocumentRequest(document_id=document, task=chosen.task, reason=reason, to_step=to_step)
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("add-signer")
@connected
async def add_signer(link: Connection, document: Document, whom: WhoArgument, *, task: Task = 0) -> None:
    """Ask one more to agree in your step."""
    chosen = await _mine(link, document, task)
    answer = await link.handling.AddSigner(
        pb.AddSignerRequest(document_id=document, task=chosen.task, who=who(whom))
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("hand-on")
@connected
async def hand_on(
    link: Connection, document: Document, whom: WhoArgument, *, task: Task = 0, note: Note = ""
) -> None:
    """Give your task to somebody else; its limit runs on."""
    chosen = await _mine(link, document, task)
    to = who(whom)
    if chosen.kind == pb.STEP_KIND_SIGN and not to.role and chosen.who:
        # an approval is handed on within its role
        to.role = chosen.who[0].role
    answer = await link.handling.HandOn(
        pb.HandOnRequest(document_id=document, task=chosen.task, who=to, note=note)
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("attach")
@connected
async def attach(
    link: Connection,
    document: Document,
    step: Annotated[str, typer.Argument(metavar="STEP")],
    path: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    what: Annotated[Attachment, typer.Option("--kind")] = Attachment.STAMPED_SCAN,
    note: Note = "",
) -> None:
    """Put a scan or image beside a step; it stays in the department."""
    manifest = await manifest_of(
        path, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
    with moving(path.name) as moved:
        await upload(link.evidence, manifest, chunks_of_file(path), moved)
    answer = await link.handling.AttachToStep(
        pb.AttachToStepRequest(
            document_id=document,
            step=step,
            kind=pb.AttachmentKind.Value(f"ATTACHMENT_KIND_{what.name}"),
            manifest_root=manifest.root,
            note=note,
        )
    )
    link.output.show(answer.attachment, lambda: say("handling.attached", step=step))


@app.command("call")
@connected
async def call(
    link: Connection,
    document: Document,
    words: Annotated[str, typer.Argument(metavar="WORDS")],
    *,
    task: Annotated[int, typer.Option(metavar="N", min=1)],
    approver: Annotated[str, typer.Option(metavar="PERSON")],
    approver_name: Annotated[str, typer.Option("--approver-name", metavar="NAME")],
    approver_role: Annotated[str, typer.Option("--approver-role", metavar="ROLE")],
    called_at: Annotated[str, typer.Option("--called-at", metavar="TIME")],
) -> None:
    """Note that somebody agreed by telephone, until they confirm it."""
    answer = await link.handling.RecordCall(
        pb.RecordCallRequest(
            document_id=document,
            task=task,
            approver=pb.HandlingPerson(subject=approver, name=approver_name, role=approver_role),
            called_at=inputs.moment(called_at, option="--called-at"),
            words=words,
        )
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("confirm")
@connected
async def confirm(
    link: Connection,
    document: Document,
    *,
    task: Annotated[int, typer.Option(metavar="N", min=1)],
    denied: Annotated[str, typer.Option(metavar="REASON")] = "",
    digest: Annotated[str, typer.Option(metavar="HEX|BASE64")] = "",
    yes: Yes = False,
) -> None:
    """Confirm, or deny, what you said on the telephone."""
    content = await _content(link, document, digest, confirm=not (yes or denied), signing=True)
    answer = await link.signing(content).ConfirmCall(
        pb.ConfirmCallRequest(document_id=document, task=task, content_digest=content, denied=denied)
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


async def _mine(link: Connection, document: str, task: int) -> pb.TaskView:
    """The task that is named, else the one of the document that waits for the caller."""
    if task:
        found = await link.handling.GetDocument(pb.GetDocumentRequest(document_id=document))
        return next((each for each in found.tasks if each.task == task), pb.TaskView(task=task))
    request = pb.ListWorkRequest(list=pb.WORK_LIST_TO_DO, page_size=_PAGE)
    while True:
        answer = await link.handling.ListWork(request)
        for each in answer.items:
            if document in (each.document.document_id, each.document.letter_id):
                return each.task
        request.page_token = answer.next_page_token
        if not request.page_token:
            raise NotFound(say("handling.nothing_waits"), field="task")


async def _content(link: Connection, document: str, given: str, *, confirm: bool, signing: bool) -> bytes:
    """The digest that is agreed to: the one given, else the document's, shown before it is signed."""
    if given:
        return parse_digest(given)
    found = await link.handling.GetDocument(pb.GetDocumentRequest(document_id=document))
    if confirm and signing and not link.output.as_json:
        link.output.show(found, lambda: handling_views.whole(found))
        if sys.stdin.isatty():
            typer.confirm(say("case.confirm_approve"), abort=True)
    return found.document.content_digest
