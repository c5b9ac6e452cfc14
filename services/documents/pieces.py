"""What is handed to the child that binds a case. It imports nothing large, for the child imports it for each letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.documents.front import Cover
from services.documents.model import Document, Language

PIECES: Final = "pieces"
"""The file of pieces in the folder, one pickle after the other."""
BOOK: Final = "case.pdf"
"""The file that is bound."""
PAGES: Final = 5_000
"""Pages of one file. A scan that has more than are left is kept separately; letters that have are too many."""
LARGEST: Final = 1024 * 1024 * 1024
"""Bytes of one file."""


class TooLarge(Exception):
    """The letters of the case have more pages than one file holds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of the contents list, and what is to stand on its pages.

    Attributes:
        kind: `letter`, `approval`, `handling`, `attachment`, `material`.
        separate: Why it is kept separately; empty of what is to be put on pages.
        document: To be laid out; None of a scan.
        scan: A file whose pages are taken; None of what is laid out or kept separately.
    """

    ordinal: int
    kind: str
    number: str
    author: str
    title: str
    date: str
    digest: str
    file_name: str = ""
    media_type: str = ""
    size: int = 0
    separate: str = ""
    document: Document | None = None
    scan: Path | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A case that a child is to bind: the pieces lie in the folder, and the file goes there.

    Attributes:
        count: Pieces.
    """

    folder: Path
    fonts: tuple[Path, ...]
    cover: Cover
    language: Language
    made_at: datetime
    count: int
