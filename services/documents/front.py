"""What stands before the letters of an archived case: the cover and the contents list (卷内目录)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.documents.model import (
    HINT,
    SIZE_1,
    SIZE_2,
    Align,
    Block,
    Cell,
    Document,
    Face,
    Form,
    Language,
    Paragraph,
    Space,
    Table,
)
from services.documents.words import say

_ROWS: Final = 10.5
"""Size of type of the contents list (五号)."""


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on the cover, as text.

    Attributes:
        period: From the first letter to the last.
        retention: `PERMANENT`, `30_YEARS`, `10_YEARS`.
    """

    department: str
    title: str
    mechanism: str
    case_id: str
    period: str
    retention: str
    filed_on: str
    letters: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the contents list.

    Attributes:
        ordinal: Of a letter; 0 of what goes with one.
        first: Its first page; 0 of what is kept separately.
        separate: Why it is kept separately.
    """

    ordinal: int
    number: str
    author: str
    title: str
    date: str
    first: int
    last: int
    name: str = ""
    media_type: str = ""
    size: int = 0
    digest: str = ""
    separate: str = ""


def cover(about: Cover, pages: int, language: Language) -> Document:
    """The cover."""
    rows = (
        ("case", about.title),
        ("mechanism", about.mechanism),
        ("case_id", about.case_id),
        ("department", about.department),
        ("period", about.period),
        ("letters", say("archive.letters_of", language, count=about.letters)),
        ("pages", say("archive.pages_of", language, count=pages)),
        ("retention", say(f"archive.{about.retention}", language)),
        ("filed_on", about.filed_on),
    )
    file = say("archive.file", language)
    blocks = (
        # no space at the head of a page stands by itself
        Paragraph("", first=0),
        Space(),
        _centred(about.department, SIZE_2),
        Space(),
        _centred(file, SIZE_1),
        Space(2),
        Table(
            (0.25, 0.75),
            tuple((_label(say(f"archive.{key}", language)), Cell(value)) for key, value in rows),
            least=2,
        ),
    )
    return _sheet(f"{about.title} {file}", about.department, blocks, language)


def contents(about: Cover, listed: Sequence[Listed], language: Language) -> Document:
    """The contents list, each line leading to its page; below it what is kept separately, with its digest."""
    keys = ("ordinal", "number", "author", "title", "date", "page")
    header = tuple(_label(say(f"archive.{key}", language)) for key in keys)
    rows, separate = [], []
    for each in listed:
        page, leads_to = _range(each), each.first
        if each.separate:
            separate.append(each)
            page, leads_to = say("archive.separate_of", language, number=len(separate)), 0
        title = each.title if each.ordinal else say("archive.beside", language, title=each.title)
        rows.append(
            (
                _middle(str(each.ordinal) if each.ordinal else ""),
                Cell(each.number),
                Cell(each.author),
                Cell(title, leads_to=leads_to),
                _middle(each.date),
                Cell(page, align=Align.CENTRE, leads_to=leads_to),
            )
        )
    blocks: list[Block] = [
        _centred(say("archive.contents", language), SIZE_2),
        Space(),
        Table((0.08, 0.18, 0.19, 0.29, 0.14, 0.12), (header, *rows), header=1, size=_ROWS),
    ]
    if separate:
        blocks.append(_separate(separate, language))
    return _sheet(say("archive.contents", language), about.department, blocks, language)


def _separate(separate: Sequence[Listed], language: Language) -> Table:
    head = say("archive.separate", language) + "\n" + say("archive.separate_why", language)
    keys = ("archive.name", "sheet.type", "sheet.size", "sheet.sha256", "archive.why")
    header = (_label(""), *(_label(say(key, language)) for key in keys))
    rows = tuple(
        (
            _middle(say("archive.separate_of", language, number=number)),
            Cell(each.name or each.title),
            Cell(each.media_type),
            Cell(f"{each.size:,}" if each.size else say("archive.unsized", language), align=Align.END),
            Cell(each.digest),
            Cell(say(f"archive.{each.separate}", language)),
        )
        for number, each in enumerate(separate, 1)
    )
    # the heading is of the table, so that neither stands alone on a page
    titled = (Cell(head, span=len(header), align=Align.CENTRE),)
    return Table((0.11, 0.2, 0.15, 0.13, 0.28, 0.13), (titled, header, *rows), header=2, size=_ROWS)


def _range(each: Listed) -> str:
    return str(each.first) if each.first == each.last else f"{each.first}-{each.last}"


def _sheet(title: str, authority: str, blocks: Sequence[Block], language: Language) -> Document:
    return Document(
        title=title.replace(HINT, ""),
        form=Form.SHEET,
        blocks=tuple(blocks),
        authority=authority,
        language=language,
    )


def _centred(text: str, size: float) -> Paragraph:
    return Paragraph(text, face=Face.SONG, size=size, first=0, align=Align.CENTRE, keep=True)


def _label(text: str) -> Cell:
    return Cell(text, face=Face.HEI, align=Align.CENTRE)


def _middle(text: str) -> Cell:
    return Cell(text, align=Align.CENTRE)
