"""Commands of `liandong` inside scenarios: whether one can be, and running it as somebody of the demo's district."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from services.cli.failures import REFUSED

LIMIT_S: Final = 120.0
_RUN: Final = "from services.cli.main import main; main()"


class CommandFailed(Exception):
    """A command ended otherwise than it must; the message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command printed, and whether it was refused."""

    out: str
    errors: str
    refused: bool


def mistake(line: str, files: Collection[str]) -> str:
    """What is wrong with a command line; empty if nothing is.

    Args:
        line: The command without the `liandong` before it.
        files: The files that it may name after `@`, or as they are.
    """
    # only whoever reads scenarios with commands loads the commands
    from services.cli.main import load  # noqa: PLC0415

    try:
        words = shlex.split(line)
    except ValueError as error:
        return str(error)
    try:
        command: Any = load(words[0])
    except (IndexError, KeyError):
        return "there is no such command"
    rest = words[1:]
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"there is no such command: {' '.join(words[: len(words) - len(rest) + 1])}"
        command, rest = command.commands[rest[0]], rest[1:]
    try:
        context = typer.Context(command, info_name=command.name)
        _, further, _ = command.make_parser(context).parse_args(list(rest))
    except typer.TyperException as error:
        return str(error)
    if further:
        return f"there is no place for {further[0]}"
    missing = [each[1:] for each in rest if each.startswith("@") and each[1:] not in files]
    return f"there is no file {missing[0]}" if missing else ""


async def run(line: str, *, folder: Path, federation: Path, whom: str) -> Printed:
    """Run a command in a folder, as somebody of a federation.

    Raises:
        CommandFailed: It broke, or did not end in time.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANDONG_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _RUN, "--lang", "zh", *shlex.split(line),
        env={**inherited, "LIANDONG_FEDERATION": str(federation), "LIANDONG_AS": whom, "COLUMNS": "400"},
        cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    printed = Printed(out.decode(), errors.decode(), process.returncode == REFUSED)
    if process.returncode not in (0, REFUSED):
        raise CommandFailed(f"it ended with {process.returncode}: {printed.errors or printed.out}")
    return printed


def value_at(found: object, way: str) -> str:
    """What stands at a way into JSON, such as `duties.duty=drill.period`.

    Raises:
        CommandFailed: Nothing does.
    """
    for part in way.split("."):
        name, equals, wanted = part.partition("=")
        if isinstance(found, list) and equals:
            found = next(
                (each for each in found if isinstance(each, Mapping) and str(each.get(name)) == wanted), None
            )
        elif isinstance(found, list) and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is None:
            raise CommandFailed(f"it did not print {way}: nothing stands at {part}")
    return str(found)
