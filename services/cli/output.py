"""What commands print: tables for people, protobuf JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, RenderableType
from rich.table import Table

from services.cli.texts import known, say
from services.procedures.calendar import ZONE

_NOTHING: Final = "—"
_WIDE: Final = 240
_IDS: Final = frozenset({"case", "letter", "item"})


class Output:
    """Where a command shows its results.

    Args:
        as_json: Print messages as JSON, one a line, instead of tables.
        console: Where to; standard output without.
    """

    def __init__(self, *, as_json: bool = False, console: Console | None = None) -> None:
        self.as_json = as_json
        self.console = console or terminal()

    def show(self, message: Message, *rendered: Callable[[], RenderableType | None]) -> None:
        """Show a message: as JSON, or by what the functions render of it."""
        if self.as_json:
            self.line(MessageToDict(message, preserving_proto_field_name=True))
            return
        for each in rendered:
            renderable = each()
            if isinstance(renderable, Table) and renderable.columns and not renderable.rows:
                self.say("words.nothing")
            elif renderable is not None:
                self.console.print(renderable)

    def line(self, value: object) -> None:
        """Print a value as one line of JSON."""
        self.console.file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self.console.file.flush()

    def say(self, key: str, /, **values: object) -> None:
        """Say a sentence of the catalogue; nothing where programs read."""
        if not self.as_json:
            self.console.print(say(key, **values), soft_wrap=True)

    def plain(self, text: str) -> None:
        """Print text as it is, for a pipe."""
        self.console.file.write(f"{text}\n")
        self.console.file.flush()


def terminal() -> Console:
    """Standard output; in a pipe or a file nothing is folded to the width that a terminal would have."""
    wide = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _WIDE
    return Console(highlight=False, width=wide)


def table(*columns: str, title: str = "") -> Table:
    """A table with headings of the catalogue; a column after `>` is set to the right.

    Args:
        columns: Names in the catalogue's section `columns`.
        title: What to write above it.
    """
    made = Table(title=title or None, title_justify="left", header_style="bold", expand=False)
    for each in columns:
        name = each.removeprefix(">")
        made.add_column(
            say(f"columns.{name}"),
            justify="right" if each != name else "left",
            overflow="fold",
            # ids are there to be copied
            no_wrap=name in _IDS,
        )
    return made


def facts(rows: Iterable[tuple[str, RenderableType | None]]) -> Table:
    """Facts under each other, each with its name; those that are not known are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows:
        if value is not None and value != "":
            made.add_row(say(f"columns.{name}"), value)
    return made


def moment(stamp: Timestamp | datetime | None) -> str:
    """A time in the zone of the region, such as `2026-02-25 09:30`; a dash for none."""
    if stamp is None:
        return _NOTHING
    if isinstance(stamp, Timestamp):
        if not stamp.seconds and not stamp.nanos:
            return _NOTHING
        stamp = stamp.ToDatetime(UTC)
    return f"{stamp.astimezone(ZONE):%Y-%m-%d %H:%M}"


def word(kind: str, name: str) -> str:
    """The word for a value of an enumeration or a fixed word of the wire, itself where there is none."""
    return known(f"{kind}.{name}") or name


def flag(value: bool) -> str:
    """Yes or no."""
    return say("words.yes" if value else "words.no")


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 - a KiB
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
