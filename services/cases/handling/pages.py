"""A letter on pages of plain text: how a case is filed where nobody binds it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

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


def plain_pages(letter: Readable) -> tuple[bytes, int]:
    """A letter as pages of plain text, parted by form feeds as a line printer takes them, and how many."""
    lines = [*_wrapped([letter.title, "", *letter.facts, "", *letter.body.splitlines()])]
    pages = [lines[at : at + _LINES] for at in range(0, len(lines), _LINES)]
    return "\f".join("\n".join(page) + "\n" for page in pages).encode(), len(pages)


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
