"""`liandong gateway`: run the gateway of one or several departments."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.common import log, telemetry
from services.common.config import load
from services.gateway.bootstrap import Gateway
from services.gateway.settings import GatewaySettings

app = typer.Typer(add_completion=False)


@app.command()
def run(*, config: Annotated[Path | None, typer.Option(metavar="FILE")] = None) -> None:
    """Run a gateway."""
    settings = load(GatewaySettings, config)
    log.configure(settings.log_level)
    end = telemetry.start(settings.telemetry)
    try:
        asyncio.run(Gateway(settings).serve())
    finally:
        end()
