"""`liandong node`: run the node of one or several departments."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.common import log
from services.common.config import load
from services.node.__main__ import serve
from services.node.settings import NodeSettings

app = typer.Typer(add_completion=False)


@app.command()
def run(*, config: Annotated[Path | None, typer.Option(metavar="FILE")] = None) -> None:
    """Run a node."""
    settings = load(NodeSettings, config)
    log.configure(settings.log_level)
    asyncio.run(serve(settings))
