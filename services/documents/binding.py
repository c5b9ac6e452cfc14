"""An archived case as one file: its letters become pieces, and the child that binds them says where each stands.

Pieces go to the child through a file, one after the other, so that the node holds one letter at a time. What comes
back is JSON: the child reads files that others made, and is believed in nothing but numbers.
"""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from services.cases.handling.binding import About, Beside, Bound, Filed, Kind, Separate, ToBind
from services.common.title import Title
from services.common.titles import material_title
from services.documents import sheets
from services.documents.front import Cover
from services.documents.handled import handling
from services.documents.letter import Letter
from services.documents.letters import letter_document
from services.documents.model import Document, Form, Language
from services.documents.pieces import BOOK, PIECES, Binding, Piece
from services.documents.rendering import NotPrintable, Renderer
from services.documents.store import read_letter
from services.documents.words import pick, say
from services.exchange.department import Department
from services.procedures.calendar import ZONE

LETTERS: Final = 2_000
"""Letters in one file; a case of more is filed as plain text."""
_KINDS: Final = frozenset({"STAMPED_SCAN", "HANDWRITTEN", "OTHER"})


class CaseBinder:
    """Binds archived cases.

    Args:
        renderer: Runs the child.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def bind(
        self, department: Department, about: About, letters: AsyncIterator[ToBind], folder: Path, name: str
    ) -> Bound:
        """Bind a case; see `Binder.bind`.

        Raises:
            NoFont: This node has no font for Chinese.
            NotPrintable: The case is too large for one file.
            Unavailable: Too much is waiting.
        """
        if about.letters > LETTERS:
            raise NotPrintable(f"A file holds at most {LETTERS} letters; ask for plain text.")
        language: Language = "en" if about.language == "en" else "zh"
        now = department.clock.now()
        own = department.directory.departments.get(department.name)
        title = Title(own.title.zh, own.title.en) if own else Title(department.name, department.name)
        listed: list[Piece] = []
        mechanism = about.procedure
        with (folder / PIECES).open("wb") as file:
            async for each in letters:
                letter = await department.read(
                    lambda connection, each=each: read_letter(connection, department, each.letter_id, now)  # type: ignore[misc]
                )
                mechanism = pick(letter.procedure_title, language)
                acts = _acts(department, letter.procedure)
                pieces = list(_pieces(letter, each, title, acts, language, now))
                await asyncio.to_thread(_write, file, pieces)
                listed += [replace(piece, document=None, scan=None) for piece in pieces]
        dates = [each.date for each in listed if each.kind == Kind.LETTER]
        cover = Cover(
            department=pick(title, language),
            title=about.title,
            mechanism=mechanism,
            case_id=about.case_id,
            period=say("archive.between", language, first=min(dates), last=max(dates)) if dates else "",
            retention=about.retention,
            filed_on=_day(now),
            letters=about.letters,
        )
        binding = Binding(folder, self._renderer.fonts, cover, language, now, len(listed))
        told = json.loads(await self._renderer.bind(binding))
        filed = tuple(_filed(piece, place, name) for piece, place in zip(listed, told["pieces"], strict=True))
        return Bound(folder / BOOK, int(told["before"]), int(told["pages"]), filed)


def _pieces(
    letter: Letter, each: ToBind, own: Title, acts: Mapping[str, Title], language: Language, now: datetime
) -> Iterator[Piece]:
    """A letter and what goes with it, in the order in which they are filed."""
    document = letter_document(letter, Form.LETTER, language)
    author, date = pick(letter.author, language), _day(letter.signed_at or letter.occurred_at)
    digest = letter.ledgered.letter_digest.hex() if letter.ledgered else ""
    yield Piece(
        each.ordinal,
        Kind.LETTER.value,
        letter.number,
        author,
        document.title,
        date,
        digest,
        document=document,
    )

    def sheet(kind: Kind, made: Document, title: str) -> Piece:
        return Piece(each.ordinal, kind.value, "", pick(own, language), title, date, "", document=made)

    if letter.author == own:
        name = say("sheet.approval", language)
        yield sheet(Kind.APPROVAL, sheets.approval(letter, language, now), name)
    if each.handled is not None:
        made = handling(letter, each.handled, own, acts, language, now)
        yield sheet(Kind.HANDLING, made, made.title.removeprefix(pick(own, language)))
    for found in each.beside:
        yield _beside(found, each.ordinal, author, date, language)


def _acts(department: Department, procedure: str) -> dict[str, Title]:
    """The titles of a procedure's acts, of its newest version where versions differ."""
    versions = [each for each in department.directory.law.procedures.values() if each.name == procedure]
    versions.sort(key=lambda each: each.version)
    return {name: act.title for each in versions for name, act in each.acts.items()}


def _beside(found: Beside, ordinal: int, author: str, date: str, language: Language) -> Piece:
    if found.kind is Kind.MATERIAL:
        title, name = pick(material_title(found.what), language), found.file_name
    else:
        title = say(f"archive.{found.what if found.what in _KINDS else 'OTHER'}", language)
        name = found.note or found.file_name
    return Piece(
        ordinal,
        found.kind.value,
        "",
        found.author or author,
        say("archive.with_name", language, title=title, name=name) if name else title,
        _day(found.at) if found.at else date,
        found.digest.hex(),
        found.file_name,
        found.media_type,
        found.size,
        found.separate.value if found.separate else "",
        scan=found.path,
    )


def _filed(piece: Piece, place: Sequence[Any], name: str) -> Filed:
    first, last, separate = int(place[0]), int(place[1]), str(place[2])
    # what the child may say, and nothing else
    separate = Separate(separate).value if separate else ""
    return Filed(
        piece.ordinal, Kind(piece.kind), piece.number, piece.author, piece.title, piece.date, first, last,
        "" if separate else name, piece.digest, separate,
    )  # fmt: skip


def _write(file: BinaryIO, pieces: Sequence[Piece]) -> None:
    for each in pieces:
        pickle.dump(each, file)


def _day(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d}"
