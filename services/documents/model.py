"""A document as people lay it out, before anybody draws it: heads, paragraphs, tables, frozen values.

Lengths are points (1/72 inch) unless they say millimetres; indents are in characters of the paragraph's own
size. The measures are those of GB/T 9704-2012, Layout key for official document of Party and government organs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, Literal

Language = Literal["zh", "en"]

MM: Final = 72 / 25.4
"""Points in a millimetre."""

PAGE_WIDTH_MM: Final = 210.0
PAGE_HEIGHT_MM: Final = 297.0
HEAD_MM: Final = 37.0
"""Head margin (天头), 5.2.1."""
BINDING_MM: Final = 28.0
"""Binding edge (订口), 5.2.1."""
BLOCK_WIDTH_MM: Final = 156.0
BLOCK_HEIGHT_MM: Final = 225.0
"""The text block (版心), 5.2.1."""
LINES: Final = 22
CHARACTERS: Final = 28
"""Lines of a page and characters of a line, 5.2.3."""

SIZE_1: Final = 26.0
SIZE_2: Final = 22.0
SIZE_3: Final = 16.0
SIZE_4: Final = 14.0
SIZE_SMALL_4: Final = 12.0
"""Chinese sizes of type in points: 一号, 二号, 三号, 四号, 小四."""

HINT: Final = "\u200b"
"""In a centred title: a good place to part it. It takes no room and is not drawn."""

RED: Final = (0xE6, 0x00, 0x12)
BLACK: Final = (0, 0, 0)
Colour = tuple[int, int, int]


class Face(enum.StrEnum):
    """What a typeface is for; which font it is, is a setting."""

    FANGSONG = "fangsong"  # text
    SONG = "song"  # names of authorities and titles
    HEI = "hei"  # headings of the first level
    KAI = "kai"  # headings of the second level
    LATIN = "latin"  # letters and digits between Chinese


class Align(enum.StrEnum):
    """How the lines of a paragraph stand."""

    JUSTIFY = "justify"
    START = "start"
    CENTRE = "centre"
    END = "end"


class Form(enum.StrEnum):
    """Which head a document has."""

    OFFICIAL = "official"  # the red head of a document, GB/T 9704-2012, 7.2
    LETTER = "letter"  # the letter form, 10.1
    SHEET = "sheet"  # none: a form to fill or to file


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text in one face that is broken into lines.

    Attributes:
        text: The words, without line ends.
        first: Characters that the first line stands in.
        left: Characters that every further line stands in.
        right: Characters left free at the right.
        keep: The next block may not begin a page without this one's last lines.
        bound: A word that stays at the beginning in another face, such as a label.
    """

    text: str
    face: Face = Face.FANGSONG
    size: float = SIZE_3
    align: Align = Align.JUSTIFY
    first: float = 2
    left: float = 0
    right: float = 0
    keep: bool = False
    colour: Colour = BLACK
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """Empty lines."""

    lines: int = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        span: The columns that it takes.
        leads_to: The page of the file that a click on it opens; 0 for none.
    """

    text: str
    span: int = 1
    face: Face = Face.FANGSONG
    align: Align = Align.START
    leads_to: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A ruled table as wide as the text block.

    Attributes:
        columns: Shares of the width, which add up to 1.
        rows: The rows; the spans of each add up to the number of columns.
        header: How many rows begin every page that the table reaches.
        size: Size of type.
        least: The least height of a row in lines of this size.
    """

    columns: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    header: int = 0
    size: float = SIZE_SMALL_4
    least: int = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """A seal over the two lines before it, the authority's name and the date; it takes no room itself.

    Attributes:
        png: Its picture.
    """

    png: bytes
    width_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class Turn:
    """The next block begins a page."""


Block = Paragraph | Space | Table | Stamp | Turn

SEALED_AT: Final = 2 / 3
"""How far down a seal name and date stand: below its middle, GB/T 9704-2012, 7.3.5.1."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """The last lines of a document (版记): copies, and who printed it when (印发)."""

    copies: str = ""
    office: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        title: For the file's properties; what stands on the page is a block.
        form: Its head.
        authority: The name in the head (发文机关标志), empty for a sheet.
        number: The document number (发文字号), empty for a draft.
        urgency: Degree of urgency (紧急程度), empty for ordinary matters.
        blocks: Title, recipients, text, signature.
        imprint: The last lines, None for none.
        mark: The word that marks a draft on each page, empty otherwise.
        footnote: A small line under the text block of each page, such as where the sheet comes from.
    """

    title: str
    form: Form
    blocks: tuple[Block, ...]
    authority: str = ""
    number: str = ""
    urgency: str = ""
    imprint: Imprint | None = None
    mark: str = ""
    language: Language = "zh"
    footnote: str = field(default="")
