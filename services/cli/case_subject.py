"""`liandong case subject`, `reveal`, `elsewhere`: who a case is about, who is at it; and the keys of subjects' tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import subject_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from services.cli.connection import Connection, connected
from services.cli.output import moment, table
from services.cli.texts import pick, say
from services.common.config import ConfigurationError
from services.common.titles import field_title, value_title
from services.exchange.subject_tokens import SubjectKeysInvalid, add_version

app = typer.Typer(add_completion=False)

_CODE_LENGTH = 18


@app.command("subject")
@connected
async def subject(
    link: Connection,
    who: Annotated[str, typer.Argument(metavar="CODE|NAME")],
    *,
    purpose: Annotated[str, typer.Option(metavar="TEXT")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 20,
    after: Annotated[str, typer.Option(metavar="TOKEN")] = "",
) -> None:
    """The file of one unit or person; reading it is recorded with its purpose."""
    asked = pb.GetSubjectFileRequest(purpose=purpose, page_size=limit, page_token=after)
    if len(who) == _CODE_LENGTH and who.isascii() and who.isalnum():
        asked.identifier = who
    else:
        asked.name = who
    found = await link.subjects.GetSubjectFile(asked)
    link.output.show(found, lambda: _candidates(found) if found.candidates else _file(found))


@app.command("reveal")
@connected
async def reveal(
    link: Connection,
    case_id: Annotated[str, typer.Argument(metavar="CASE")],
    *,
    purpose: Annotated[str, typer.Option(metavar="TEXT")],
    letter_id: Annotated[str, typer.Option("--letter", metavar="LETTER")] = "",
) -> None:
    """Whom a case is about, with identifiers, addresses and telephones; reading it is recorded with its purpose."""
    request = pb.RevealSubjectsRequest(case_id=case_id, letter_id=letter_id, purpose=purpose)
    found = await link.subjects.RevealSubjects(request)
    link.output.show(found, lambda: Group(*(_person(each) for each in found.subjects)))


@app.command("elsewhere")
@connected
async def elsewhere(
    link: Connection,
    identifiers: Annotated[list[str], typer.Argument(metavar="CODE...")],
    *,
    purpose: Annotated[str, typer.Option(metavar="TEXT")],
) -> None:
    """Whether another department has an open case about somebody whom one is drafting a case about."""
    named = [pb.DraftedSubject(identifier=each) for each in identifiers]
    request = pb.FindCasesElsewhereRequest(subjects=named, purpose=purpose)
    found = await link.subjects.FindCasesElsewhere(request)
    words = [pick(each.message_zh, each.message_en) for each in found.warnings]
    link.output.show(found, lambda: "\n".join(map(escape, words)) or say("subject.nothing_elsewhere"))


@app.command("subject-key")
def subject_key(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Add a new version of the region's subject key to a file."""
    try:
        version = add_version(file)
    except (SubjectKeysInvalid, UnicodeDecodeError) as error:
        raise ConfigurationError([str(error)]) from None
    typer.echo(say("subject.key_made", version=version, file=file))


def _person(subject: bodies_pb2.Subject) -> RenderableType:
    """All that is known of somebody, under the titles of the contract's fields."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")
    for each, value in subject.ListFields():
        title = field_title(each)
        rows.add_row(pick(title.zh, title.en), escape(_value(each, value)))
    return Group(rows, "")


def _value(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is None:
        return str(value)
    title = value_title(field.enum_type.values_by_number[value])
    return pick(title.zh, title.en)


def _candidates(found: pb.GetSubjectFileResponse) -> RenderableType:
    rows = table("name", "identifier", ">cases")
    for each in found.candidates:
        rows.add_row(escape(each.name), each.identifier, str(each.cases))
    return Group(say("subject.candidates"), rows)


def _file(found: pb.GetSubjectFileResponse) -> RenderableType:
    who = found.subject
    parts: list[RenderableType] = [f"[bold]{escape(who.name)}[/] {who.identifier}"]
    others = "、".join(escape(each.name) for each in found.names if each.name != who.name)
    if others:
        parts.append(say("subject.also", names=others))
    cases = table("case", "title", "state", "item", "due", ">letters", "note")
    for each in found.cases:
        row = each.case
        due = min((duty.due_at.seconds for duty in each.obligations), default=0)
        first = next((duty for duty in each.obligations if duty.due_at.seconds == due), None)
        cases.add_row(
            row.case_id, escape(row.title), pick(row.state_title_zh, row.state_title_en), ", ".join(each.item_codes),
            moment(first.due_at) if first else "", str(each.letter_count),
            say("subject.by_name") if each.by_name_only else "",
        )  # fmt: skip
    parts.append(cases)
    if found.penalties:
        rows = table("department", "number", ">fine", "decided_at", "case")
        for penalty in found.penalties:
            rows.add_row(
                penalty.author, escape(penalty.decision_number), f"{penalty.fine_fen / 100:,.2f}",
                moment(penalty.decided_at), penalty.case_id,
            )  # fmt: skip
        parts.append(rows)
    if found.recurrences:
        rows = table("procedure", "item", ">cases", "newest")
        for again in found.recurrences:
            rows.add_row(again.procedure, again.item_code, str(again.cases), moment(again.last_at))
        parts.append(rows)
    if found.bulletins:
        rows = table("item", "category", "department", "title")
        for bulletin in found.bulletins:
            rows.add_row(bulletin.item_id, bulletin.category, bulletin.author, escape(bulletin.title))
        parts.append(rows)
    if found.next_page_token:
        parts.append(say("subject.more", token=found.next_page_token))
    return Group(*parts)
