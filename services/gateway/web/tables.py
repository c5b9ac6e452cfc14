"""Tables of pages as values: headings, rows of cells, and a way to the next page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Action:
    """A button in a row, which sends a form.

    Attributes:
        words: On it.
        path: Where the form goes.
        fields: What it holds beside the session's word.
        danger: It takes something away.
    """

    words: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        href: Where it leads; empty for nowhere.
        tone: `good`, `wait` or `bad` as a badge, `code` for what machines read, `number`, `date`; empty for
            plain text.
        under: Said below, smaller.
        actions: Buttons.
    """

    text: str = ""
    href: str = ""
    tone: str = ""
    under: str = ""
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: What it is a table of, for those who do not see it.
        columns: Headings.
        rows: As many cells each.
        empty: Said in place of no rows.
        next_url: Of the next page; empty at the end.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)
    empty: str = ""
    next_url: str = ""


def cells(*texts: str | Cell) -> list[Cell]:
    """A row of which some cells are plain text."""
    return [each if isinstance(each, Cell) else Cell(each) for each in texts]


def page_url(path: str, token: str, **parameters: str) -> str:
    """Where the page after a token is; empty without one."""
    if not token:
        return ""
    kept = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode({**kept, 'page': token})}"
