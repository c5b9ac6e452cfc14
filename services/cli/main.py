"""The `liandong` command.

Each sub-command is a module with an `app`, loaded when it is called: what one of them imports slows down or
breaks none of the others. Exit codes are those of `services.cli.failures`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from services.cli import texts

COMMANDS: Final = {
    "demo": "demo.command:demo",
    "registry": "registry",
    "node": "node",
    "gateway": "gateway",
    "invite": "invite",
    "enrol": "enrol",
    "renew": "renew",
    "diagnose": "diagnose",
    "case": "case",
    "handling": "handling",
    "share": "share",
    "evidence": "evidence",
    "directory": "directory",
    "calendar": "calendar",
    "procedure": "procedure",
    "oversight": "oversight",
    "indicators": "indicators",
    "ledger": "ledger",
    "dossier": "dossier",
    "assert": "assertion",
    "doctor": "doctor",
    "bench": "bench.command:bench",
}
"""The module below `services.cli` that holds each sub-command: as its `app`, or as the function named."""


class RootGroup(TyperGroup):
    """Loads a sub-command when it is called, and prints what it fails with."""

    def list_commands(self, _context: Any) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, _context: Any, cmd_name: str) -> Any:
        """For lists of commands: the name and its help, nothing loaded."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, callback=None, help=texts.known(f"commands.{cmd_name}"))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """For a call: the command itself."""
        # only for suggestions where a name is misspelt
        self.commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        name, found, rest = super().resolve_command(ctx, args)
        return (name, load(name), rest) if found is not None and name else (name, found, rest)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure that was to be expected ends it with its exit code."""
        # imported here: `--help` and `--version` need neither grpc nor pydantic
        from services.cli import failures  # noqa: PLC0415

        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # whoever reads has had enough; typer ends quietly on it
            raise
        except (failures.Failed, *failures.EXPECTED) as error:
            raise typer.Exit(failures.report(error)) from error
        except KeyboardInterrupt:
            raise typer.Exit(failures.INTERRUPTED) from None


app = typer.Typer(
    name="liandong",
    cls=RootGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def load(name: str) -> Any:
    """A sub-command, in the language in use.

    Raises:
        ConfigurationError: It needs something that is not installed.
    """
    module, _, attribute = COMMANDS[name].partition(":")
    try:
        found = getattr(import_module(f"services.cli.{module}"), attribute or "app")
    except ModuleNotFoundError as error:
        from services.common.config import ConfigurationError  # noqa: PLC0415 - see `invoke`

        raise ConfigurationError([texts.say("failures.missing", command=name, module=error.name)]) from error
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command()(function)
    command = typer.main.get_command(found)
    command.name = name
    texts.localise(command, [name])
    return command


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"liandong {version('liandong')}")
        raise typer.Exit


@app.callback()
def root(
    lang: Annotated[str, typer.Option(envvar=texts.VARIABLE, metavar="zh|en")] = "",
    _version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """联动 Liandong."""
    if lang and lang[:2] not in texts.LANGUAGES:
        raise typer.BadParameter(texts.say("failures.language"), param_hint="--lang")


def build() -> Any:
    """The whole command, in the language in use."""
    command = typer.main.get_command(app)
    texts.localise(command)
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code comes as SystemExit."""
    given = sys.argv[1:] if arguments is None else arguments
    texts.use(texts.choose(given))
    if texts.language() == "zh":
        _name_panels()
    build()(args=given, prog_name="liandong")
    return 0


def _name_panels() -> None:
    from typer import rich_utils  # noqa: PLC0415 - only help needs it

    for name in ("ARGUMENTS", "OPTIONS", "COMMANDS", "ERRORS"):
        setattr(rich_utils, f"{name}_PANEL_TITLE", texts.say(f"panels.{name.lower()}"))


if __name__ == "__main__":
    sys.exit(main())
