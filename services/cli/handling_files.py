"""`liandong handling`, what leaves as a file: registers and archived cases."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cli import handling_views, inputs
from services.cli.connection import Connection, connected
from services.cli.progress import saved
from services.cli.texts import language

app = typer.Typer(add_completion=False)

Out = Annotated[Path | None, typer.Option(metavar="FILE")]


class Retention(StrEnum):
    """How long an archived file is kept."""

    PERMANENT = "permanent"
    YEARS_30 = "30-years"
    YEARS_10 = "10-years"


@app.command("registers")
@connected
async def registers(
    link: Connection, procedure: Annotated[str, typer.Argument(metavar="[PROCEDURE]")] = ""
) -> None:
    """The registers that can be exported, with their columns."""
    found = await link.handling.ListRegisters(pb.ListRegistersRequest(procedure=procedure))
    link.output.show(found, lambda: handling_views.registers(found.registers))


@app.command("register")
@connected
async def register(
    link: Connection,
    procedure: Annotated[str, typer.Argument(metavar="PROCEDURE")],
    *,
    out: Out = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME")] = "",
    state: Annotated[str, typer.Option(metavar="STATE")] = "",
    department: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    open_only: Annotated[bool, typer.Option("--open-only")] = False,
) -> None:
    """Export a register as a workbook (XLSX)."""
    request = pb.ExportRegisterRequest(
        procedure=procedure, state=state, department=department, open_only=open_only, language=language()
    )
    if since:
        request.opened_from.CopyFrom(inputs.moment(since, option="--since"))
    if until:
        request.opened_before.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
    path = out or Path(f"{procedure}.xlsx")
    written = await saved(path, link.handling.ExportRegister(request))
    link.output.say("handling.saved", file=path, bytes=written)


@app.command("archive")
@connected
async def archive(
    link: Connection,
    case_id: Annotated[str, typer.Argument(metavar="CASE")],
    *,
    retention: Annotated[Retention, typer.Option()],
    evidence: Annotated[bool, typer.Option("--evidence")] = False,
    plain_text: Annotated[bool, typer.Option("--plain-text")] = False,
    out: Out = None,
) -> None:
    """File a closed case: everything on pages of one PDF, the contents list, the dossier, in one package."""
    names = {
        Retention.PERMANENT: pb.RETENTION_PERMANENT,
        Retention.YEARS_30: pb.RETENTION_30_YEARS,
        Retention.YEARS_10: pb.RETENTION_10_YEARS,
    }
    request = pb.ArchiveCaseRequest(
        case_id=case_id,
        retention=names[retention],
        include_evidence=evidence,
        plain_text=plain_text,
        language=language(),
    )
    path = out or Path(f"{case_id}-archive.zip")
    written = await saved(path, link.handling.ArchiveCase(request))
    link.output.say("handling.saved", file=path, bytes=written)
