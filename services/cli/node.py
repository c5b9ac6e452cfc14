"""`liandong node`: run the node of one or several departments."""

from pathlib import Path
from typing import Annotated

import typer

from services.common import log
from services.common.config import load
from services.node import __main__ as node
from services.node.settings import NodeSettings

app = typer.Typer(add_completion=False)


@app.command()
def run(*, config: Annotated[Path | None, typer.Option(metavar="FILE")] = None) -> None:
    """Run a node."""
    settings = load(NodeSettings, config)
    log.configure(settings.log_level)
    raise typer.Exit(node.run(settings))
