"""`liandong procedure`: the rules of the mechanisms as data; checks what people write of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services import procedures
from services.cli.demo.scenario import read_all
from services.cli.failures import Failed
from services.cli.mechanisms import diagram as drawn
from services.cli.mechanisms import limits, page
from services.cli.output import table
from services.cli.texts import pick, say
from services.procedures.defects import DefectiveProcedure
from services.procedures.loader import load, load_all
from services.procedures.model import Procedure

app = typer.Typer(no_args_is_help=True, add_completion=False)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True)]
Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def show_all() -> None:
    """The procedures that come with the product."""
    rows = table("procedure", "title", "source", "acts", "obligations")
    for each in _shipped():
        rows.add_row(
            each.name, pick(each.title.zh, each.title.en), ", ".join(each.source), str(len(each.acts)),
            str(len(each.obligations)),
        )  # fmt: skip
    _console().print(rows)


@app.command("show")
def show(name: Name) -> None:
    """One procedure: acts and obligations."""
    procedure = _named(name)
    acts = table("act", "what", "by", "in", "becomes", "needs", "approved_by", title=procedure.title.zh)
    for act in procedure.acts.values():
        acts.add_row(
            act.name, pick(act.title.zh, act.title.en), ", ".join(act.by), ", ".join(sorted(act.in_states)),
            act.becomes or "", ", ".join(act.needs), ", ".join(act.approved_by),
        )  # fmt: skip
    owed = table("obligation", "what", "owed_by", "opens_on", "discharged_by", "limit")
    for rule in procedure.obligations.values():
        owed.add_row(
            rule.name, pick(rule.title.zh, rule.title.en), rule.owed_by, ", ".join(rule.opens_on),
            ", ".join(rule.discharged_by), limits(rule),
        )  # fmt: skip
    _console().print(acts, owed)


@app.command("check")
def check(files: Files) -> None:
    """Check procedures; every defect is told with file and line."""
    console, is_sound = _console(), True
    for file in files:
        try:
            found = load(file)
        except DefectiveProcedure as error:
            is_sound = False
            for defect in error.defects:
                console.print(f"[red]{defect}[/]", soft_wrap=True)
        else:
            console.print(
                say("procedure.good", file=file, name=found.name, version=found.version, acts=len(found.acts),
                    obligations=len(found.obligations)),
                soft_wrap=True,
            )  # fmt: skip
    if not is_sound:
        raise Failed


@app.command("diagram")
def diagram(name: Name) -> None:
    """The states of a procedure as a Mermaid diagram."""
    typer.echo(drawn(_named(name)), nl=False)


@app.command("page")
def whole() -> None:
    """All procedures and scenarios as one Markdown page."""
    typer.echo(page(_shipped(), read_all()), nl=False)


def _shipped() -> tuple[Procedure, ...]:
    return tuple(load_all(Path(procedures.__path__[0])))


def _named(name: str) -> Procedure:
    path = Path(name)
    if path.suffix == ".yaml":
        return load(path)
    for each in _shipped():
        if each.name == name:
            return each
    raise typer.BadParameter(say("procedure.unknown", name=name), param_hint="NAME")


def _console() -> Console:
    return Console(highlight=False)
