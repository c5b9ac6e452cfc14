"""`liandong case subject`: the file of one unit or person, and the keys that tokens of subjects are made with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import subject_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape

from services.cli.connection import Connection, connected
from services.cli.output import moment, table
from services.cli.texts import pick, say
from services.common.config import ConfigurationError
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


@app.command("subject-key")
def subject_key(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Add a new version of the region's subject key to a file."""
    try:
        version = add_version(file)
    except (SubjectKeysInvalid, UnicodeDecodeError) as error:
        raise ConfigurationError([str(error)]) from None
    typer.echo(say("subject.key_made", version=version, file=file))


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
