"""`liandong dossier`: check the file of a case offline."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from services.cases.dossier_verify import verify_dossier
from services.cli.failures import Failed
from services.cli.ledger import public_key
from services.cli.output import Output, facts
from services.cli.texts import say
from services.exchange.enrolment_client import Membership

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def group() -> None:
    """Dossiers."""


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    registry_key: Annotated[str, typer.Option("--registry-key", metavar="HEX")] = "",
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Verify a dossier."""
    key = bytes.fromhex(Membership.load(folder).registry_key) if folder else public_key(registry_key)
    report = verify_dossier(file, key)
    if as_json:
        Output(as_json=True).line(
            {
                "case_id": report.case_id,
                "letters": report.letters,
                "valid": report.valid,
                "problems": [{"where": each.where, "message": each.message} for each in report.problems],
                "unproved": list(report.unproved),
            }
        )
    else:
        console = Console(highlight=False)
        holds = (
            f"[green]✓ {say('dossier.holds')}[/]" if report.valid else f"[red]✗ {say('dossier.broken')}[/]"
        )
        console.print(facts([("verdict", holds), ("case", report.case_id), ("letters", str(report.letters))]))
        for each in report.problems:
            console.print(f"[red]✗[/] {escape(each.where)}: {escape(each.message)}")
        for unproved in report.unproved:
            console.print(f"[yellow]![/] {say('dossier.unproved', where=unproved)}")
    if not report.valid:
        raise Failed
