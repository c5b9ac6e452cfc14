"""How a letter looks on pages: the seam for whoever renders letters, and plain text where nobody does."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

_LINES: Final = 46
_WIDTH: Final = 78
_WIDE: Final = frozenset("WF")


@dataclass(frozen=True, slots=True)
class Readable:
    """A letter as it is to be read.

    Attributes:
        title: What the act is called.
        facts: Lines before the body: number, author, dates, approvals.
        body: The body as text.
    """

    letter_id: str
    title: str
    facts: tuple[str, ...]
    body: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter on pages.

    Attributes:
        suffix: Of the file, such as `.pdf`.
        pages: How many.
    """

    suffix: str
    pages: int
    data: bytes


class Renderer(Protocol):
    """Puts a letter on pages; called off the event loop."""

    def render(self, letter: Readable) -> Rendered:
        """The letter on pages; the same letter gives the same number of them."""
        ...


class PlainPages:
    """Pages of plain text, parted by form feeds, as a line printer takes them."""

    def render(self, letter: Readable) -> Rendered:
        """The letter as plain text."""
        lines = [*_wrapped([letter.title, "", *letter.facts, "", *letter.body.splitlines()])]
        pages = [lines[at : at + _LINES] for at in range(0, len(lines), _LINES)]
        written = "\f".join("\n".join(page) + "\n" for page in pages)
        return Rendered(".txt", len(pages), written.encode())


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        part, width = "", 0
        for character in line:
            step = 2 if unicodedata.east_asian_width(character) in _WIDE else 1
            if width + step > _WIDTH:
                yield part
                part, width = "", 0
            part, width = part + character, width + step
        yield part
