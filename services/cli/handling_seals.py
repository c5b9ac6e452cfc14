"""`liandong handling`, what the department's seal looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cli import handling_views, inputs
from services.cli.connection import Connection, connected

app = typer.Typer(add_completion=False)


@app.command("seals")
@connected
async def seals(link: Connection) -> None:
    """The pictures of the department's seal."""
    found = await link.handling.ListSealImages(pb.ListSealImagesRequest())
    link.output.show(found, lambda: handling_views.seals(found.seals))


@app.command("set-seal")
@connected
async def set_seal(
    link: Connection,
    picture: Annotated[Path, typer.Argument(metavar="FILE.png", exists=True, dir_okay=False, readable=True)],
    *,
    size_mm: Annotated[int, typer.Option("--size-mm", min=10, max=80)] = 42,
    since: Annotated[str, typer.Option("--since", metavar="TIME")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME")] = "",
) -> None:
    """State what the department's seal looks like on paper."""
    request = pb.SetSealImageRequest(png=picture.read_bytes(), size_mm=size_mm)
    if since:
        request.valid_from.CopyFrom(inputs.moment(since, option="--since"))
    if until:
        request.valid_until.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
    answer = await link.handling.SetSealImage(request)
    link.output.show(answer.seal, lambda: handling_views.seals([answer.seal]))


@app.command("withdraw-seal")
@connected
async def withdraw_seal(link: Connection, number: Annotated[int, typer.Argument(metavar="NUMBER")]) -> None:
    """End a picture's validity; letters that were sealed under it keep it."""
    answer = await link.handling.WithdrawSealImage(pb.WithdrawSealImageRequest(seal_id=number))
    link.output.show(answer.seal, lambda: handling_views.seals([answer.seal]))
