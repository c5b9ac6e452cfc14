"""`liandong case document`: letters as people print and file them."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import document_service_pb2 as pb

from services.cli.connection import Connection, connected
from services.cli.output import word
from services.cli.progress import counting
from services.cli.texts import language

app = typer.Typer(add_completion=False)


class SheetName(enum.StrEnum):
    """The sheets of a letter."""

    LETTER = "letter"
    OFFICIAL = "official"
    APPROVAL = "approval"
    MATERIALS = "materials"
    RECEIPT = "receipt"
    SERVICE = "service"
    DUE_TIME = "due-time"


class FormatName(enum.StrEnum):
    """The formats of a file."""

    PDF = "pdf"
    DOCX = "docx"


@app.command("document")
@connected
async def document(
    link: Connection,
    letter: Annotated[str, typer.Argument(metavar="LETTER")],
    *,
    sheet: Annotated[SheetName, typer.Option()] = SheetName.LETTER,
    kind: Annotated[FormatName, typer.Option("--format")] = FormatName.PDF,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
) -> None:
    """A letter or draft in the official layout."""
    asked = pb.RenderLetterRequest(
        letter_id=letter,
        sheet=pb.Sheet.Value(f"SHEET_{sheet.name}"),
        format=pb.Format.Value(f"FORMAT_{kind.name}"),
        language=language(),
    )
    path = output
    made, stood_in_for = bytearray(), list[str]()
    with counting(letter) as moved:
        async for piece in link.documents.RenderLetter(asked):
            path = path or Path(piece.file_name)
            made += piece.chunk
            stood_in_for += piece.stood_in_for
            moved(len(made), len(made))
    assert path is not None
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(made)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if stood_in_for:
        link.output.say("case.stood_in_for", faces=", ".join(word("face", each) for each in stood_in_for))
    link.output.say("case.document", file=path, bytes=len(made))
