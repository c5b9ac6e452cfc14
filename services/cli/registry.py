"""`liandong registry`: run a registry, and what prepares one."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.texts import say
from services.common import log, telemetry
from services.common.clock import SystemClock
from services.common.config import ConfigurationError, load
from services.common.migrations import migrate
from services.registry import bootstrap, restoring
from services.registry.credentials import Credentials
from services.registry.ledger import Head
from services.registry.region import DefectiveRegion, Region, load_region
from services.registry.settings import RegistrySettings

app = typer.Typer(invoke_without_command=True, add_completion=False)

ConfigFile = Annotated[Path | None, typer.Option(metavar="FILE")]


@app.callback()
def run(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Run a registry."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    settings = load(RegistrySettings, config)
    log.configure(settings.log_level)
    end = telemetry.start(settings.telemetry)
    try:
        asyncio.run(bootstrap.Registry(settings).serve())
    finally:
        end()


@app.command("init")
def prepare(
    context: typer.Context,
    *,
    region: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    operator: Annotated[str, typer.Option(metavar="NAME")] = "",
    config: ConfigFile = None,
) -> None:
    """Make a registry."""
    settings = load(RegistrySettings, config or context.obj)
    log.configure("WARNING")
    console = Console(highlight=False)
    found = _region(region)
    if found is not None and found.name != settings.region:
        raise ConfigurationError([say("registry.other_region", file=found.name, settings=settings.region)])
    entries = found.entries if found else ()
    with console.status(say("registry.publishing", count=len(entries))):
        credentials = bootstrap.init(settings, entries)
        if operator:
            credentials.operator(operator, SystemClock().now())
    console.print(f"[green]✓[/] {say('registry.ready', name=settings.name, folder=settings.data_dir)}")


@app.command("migrate")
def bring_up_to_date(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Bring the tables to this version."""
    settings = load(RegistrySettings, config or context.obj)
    done = migrate(settings.database_url, bootstrap.MIGRATIONS, version_table=bootstrap.VERSION_TABLE)
    typer.echo(say("registry.migrated", revisions=", ".join(done)) if done else say("registry.current"))


@app.command("operator")
def certify_operator(
    context: typer.Context, operator: Annotated[str, typer.Argument()], *, config: ConfigFile = None
) -> None:
    """Issue an operator's client certificate."""
    settings = load(RegistrySettings, config or context.obj)
    credentials = Credentials.load(settings.data_dir, settings.name)
    files = credentials.operator(operator, SystemClock().now())
    typer.echo(f"{files.cert}\n{files.key}")


@app.command("hold")
def hold(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Take no letters, after a restore or for maintenance."""
    settings = load(RegistrySettings, config or context.obj)
    clock = SystemClock()
    _say(
        "registry.held",
        bootstrap.at_ledger(settings, lambda connection, _: restoring.hold(connection, clock)),
    )


@app.command("release")
def release(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Take letters again, in the same epoch."""
    settings = load(RegistrySettings, config or context.obj)
    clock = SystemClock()
    head = bootstrap.at_ledger(
        settings, lambda connection, replica: restoring.release(connection, replica, clock)
    )
    _say("registry.released", head)


@app.command("epoch")
def open_epoch(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=2)],
    *,
    config: ConfigFile = None,
) -> None:
    """Take letters again in a new epoch, of a ledger that lost leaves."""
    settings = load(RegistrySettings, config or context.obj)
    clock = SystemClock()
    head = bootstrap.at_ledger(
        settings, lambda connection, replica: restoring.open_epoch(connection, replica, clock, number)
    )
    _say("registry.opened", head)


def _say(text: str, head: Head) -> None:
    typer.echo(say(text, log_id=head.log_id, epoch=head.epoch, size=head.size))


def _region(file: Path | None) -> Region | None:
    if file is None:
        return None
    try:
        return load_region(file)
    except DefectiveRegion as error:
        raise ConfigurationError([str(each) for each in error.defects]) from None
