"""`liandong renew`: a node's certificate anew, or one for a further client of the department."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import moment
from services.cli.texts import say
from services.exchange.authority import validity
from services.exchange.enrolment_client import EnrolmentClient

app = typer.Typer(add_completion=False)


@app.command()
def renew(
    *,
    folder: Annotated[Path, typer.Option(metavar="DIR")],
    force: Annotated[bool, typer.Option("--force")] = False,
    client: Annotated[str, typer.Option(metavar="gateway|system/NAME")] = "",
    out: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    server_name: Annotated[str, typer.Option(metavar="NAME")] = "",
) -> None:
    """Renew a certificate."""
    member = EnrolmentClient(folder, server_name=server_name)
    if client:
        if out is None:
            raise typer.BadParameter(say("renew.where"), param_hint="--out")
        files = asyncio.run(member.client_certificate(client, out))
        typer.echo(say("renew.client", kind=client, folder=out, until=_end(files.cert)))
        return
    end = validity(member.tls.cert.read_bytes())[1]
    renewed = asyncio.run(member.renew_if_due(end if force else None))
    typer.echo(say("renew.done" if renewed else "renew.not_due", until=_end(member.tls.cert)))


def _end(certificate: Path) -> str:
    return moment(validity(certificate.read_bytes())[1])
