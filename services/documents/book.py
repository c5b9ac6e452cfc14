"""A case bound into one PDF: letters and sheets laid out, scans put on pages, all under running numbers.

Imports large libraries: only the child does. Everything that is laid out becomes one PDF with one set of fonts, with
an empty page for each page of a scan; then the scans' pages are laid on these. They are copied from file to file when
the whole is written, so memory holds what is laid out and never the scans. A scan's own annotations become part of
its picture; its links, forms, scripts and attached files stay behind.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pikepdf import AccessMode, Dictionary, Name, ObjectStreamMode, OutlineItem, Pdf, Rectangle

from services.documents.compose import compose
from services.documents.fonts import Fonts
from services.documents.front import Listed, contents, cover
from services.documents.model import MM, Document, Face
from services.documents.pages import PAGE_HEIGHT, PAGE_WIDTH, Glyphs, Item
from services.documents.pdf import Canvas
from services.documents.pieces import BOOK, PAGES, PIECES, Binding, Piece, TooLarge
from services.documents.scans import Scan, ScanTooLarge, Unreadable, opened
from services.documents.words import say

_LAID_OUT: Final = "laid-out.pdf"
_EDGE_MM: Final = 20.0
"""From the side of the page to its running number or a scan's title."""
_LINE_MM: Final = 12.0
"""From the upper edge to the line on which both stand."""
_AROUND: Final = Rectangle(8 * MM, 8 * MM, PAGE_WIDTH - 8 * MM, PAGE_HEIGHT - 16 * MM)
_AROUND_SIDEWAYS: Final = Rectangle(8 * MM, 8 * MM, PAGE_HEIGHT - 8 * MM, PAGE_WIDTH - 16 * MM)
"""Where a scan's page stands, in the coordinates of PDF: below the line, and a little in from the other edges."""
_NUMBER: Final = 10.5
_TITLE: Final = 9.0


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where a piece stands; 0 and why, where it is kept separately."""

    piece: Piece
    first: int
    last: int
    separate: str = ""


@dataclass(slots=True)
class _Laid:
    """Pages of scans that are still to be laid on: page of the file, what, where."""

    page: int
    scan: Scan
    index: int
    around: Rectangle


def bind(task: Binding, fonts: Fonts) -> bytes:
    """Bind a case; answers as JSON how many pages stand before page 1, how many follow, and where each piece stands.

    Raises:
        TooLarge: Its letters have more pages than one file holds.
    """
    with closing(Canvas(fonts)) as canvas:
        book = _Book(task, canvas)
        for piece in _pieces(task):
            book.add(piece)
        before = book.front()
        book.write(before)
    told = {
        "before": before,
        "pages": book.pages,
        "pieces": [[each.first, each.last, each.separate] for each in book.placed],
    }
    return json.dumps(told).encode()


def _pieces(task: Binding) -> Iterator[Piece]:
    with (task.folder / PIECES).open("rb") as file:
        for _ in range(task.count):
            # the node wrote it a moment ago
            piece = pickle.load(file)  # noqa: S301
            assert isinstance(piece, Piece)
            yield piece


class _Book:
    """The file while it grows.

    Attributes:
        pages: From page 1 on, so far.
        placed: The pieces, so far.
    """

    def __init__(self, task: Binding, canvas: Canvas) -> None:
        self._task = task
        self._canvas = canvas
        self._laid: list[_Laid] = []
        self._seen: dict[Path, _Placed] = {}
        self.pages = 0
        self.placed: list[_Placed] = []

    def add(self, piece: Piece) -> None:
        """The next piece."""
        first = self.pages + 1
        if piece.document is not None:
            self._lay_out(piece.document)
            self.placed.append(_Placed(piece, first, self.pages))
        elif piece.scan is None:
            self.placed.append(_Placed(piece, 0, 0, piece.separate))
        else:
            before = self._seen.get(piece.scan)
            if before is None:
                before = self._seen[piece.scan] = self._scanned(piece, piece.scan)
            self.placed.append(_Placed(piece, before.first, before.last, before.separate))

    def _lay_out(self, document: Document) -> None:
        for page in compose(document, self._canvas.width):
            if self.pages >= PAGES:
                raise TooLarge
            self._canvas.turn()
            self._canvas.draw(page.items)
            self.pages += 1
            self._canvas.draw(self._running(self.pages, PAGE_WIDTH))

    def _scanned(self, piece: Piece, path: Path) -> _Placed:
        """Empty pages for a scan, which is laid on them in the end."""
        try:
            scan = opened(path)
        except Unreadable:
            return _Placed(piece, 0, 0, "unreadable")
        except ScanTooLarge:
            return _Placed(piece, 0, 0, "large")
        if self.pages + len(scan.pages) > PAGES:
            return _Placed(piece, 0, 0, "large")
        first = self.pages + 1
        for index, page in enumerate(scan.pages):
            self._canvas.turn(sideways=page.sideways)
            self.pages += 1
            width = PAGE_HEIGHT if page.sideways else PAGE_WIDTH
            of = f" {index + 1}/{len(scan.pages)}" if len(scan.pages) > 1 else ""
            self._canvas.draw(self._running(self.pages, width, piece.title, of))
            around = _AROUND_SIDEWAYS if page.sideways else _AROUND
            self._laid.append(_Laid(self.pages, scan, index, around))
        return _Placed(piece, first, self.pages)

    def _running(self, number: int, width: float, title: str = "", of: str = "") -> list[Item]:
        """The running number in the outer upper corner (odd pages right, even left); a scan's title opposite."""
        shown = say("archive.page_of", self._task.language, page=number)
        left, right = _EDGE_MM * MM, width - _EDGE_MM * MM
        wide = self._canvas.width(shown, Face.FANGSONG, _NUMBER)
        place = right - wide if number % 2 else left
        items: list[Item] = [Glyphs(place, _LINE_MM * MM, shown, Face.FANGSONG, _NUMBER)]
        if title:
            title = self._fitted(title, right - left - 2 * wide, of)
            wide = self._canvas.width(title, Face.FANGSONG, _TITLE)
            place = left if number % 2 else right - wide
            items.append(Glyphs(place, _LINE_MM * MM, title, Face.FANGSONG, _TITLE))
        return items

    def _fitted(self, title: str, room: float, of: str) -> str:
        """A title with what follows it, cut to a room."""
        if self._canvas.width(title + of, Face.FANGSONG, _TITLE) <= room:
            return title + of
        while title and self._canvas.width(f"{title}…{of}", Face.FANGSONG, _TITLE) > room:
            title = title[:-1]
        return f"{title}…{of}"

    def front(self) -> int:
        """Cover and contents list, now that the pages are known; they go to the front when the file is written."""
        task, count = self._task, 0
        listed = [_listed(each) for each in self.placed]
        for document in (
            cover(task.cover, self.pages, task.language),
            contents(task.cover, listed, task.language),
        ):
            for page in compose(document, self._canvas.width):
                self._canvas.turn()
                self._canvas.draw(page.items)
                count += 1
        return count

    def write(self, before: int) -> None:
        """Write the file."""
        task = self._task
        file = say("archive.file", task.language)
        self._canvas.describe(
            f"{task.cover.title} {file}", task.cover.department, task.language, task.made_at
        )
        laid_out = task.folder / _LAID_OUT
        self._canvas.save(laid_out)
        with Pdf.open(laid_out, access_mode=AccessMode.stream) as pdf:
            for each in self._laid:
                form = each.scan.pages[each.index].form
                pdf.pages[each.page - 1].add_overlay(form, each.around, expand=False)  # type: ignore[call-arg]
            front = [pdf.pages[self.pages + index] for index in range(before)]
            del pdf.pages[self.pages :]
            for index, page in enumerate(front):
                pdf.pages.insert(index, page)
            # the pages before page 1 are counted by themselves
            labels = [0, Dictionary(S=Name.r), before, Dictionary(S=Name.D)]
            pdf.Root.PageLabels = Dictionary(Nums=labels)
            self._outline(pdf, before)
            pdf.save(task.folder / BOOK, object_stream_mode=ObjectStreamMode.generate)

    def _outline(self, pdf: Pdf, before: int) -> None:
        """Bookmarks: each letter, below it what goes with it."""
        language = self._task.language
        with pdf.open_outline() as outline:
            outline.root.append(OutlineItem(say("archive.file", language), 0))
            outline.root.append(OutlineItem(say("archive.contents", language), 1))
            for each in self.placed:
                if not each.first:
                    continue
                piece = each.piece
                title = f"{piece.ordinal} {piece.title}" if piece.kind == "letter" else piece.title
                item = OutlineItem(title, before + each.first - 1)
                (outline.root if piece.kind == "letter" else outline.root[-1].children).append(item)
                item.is_closed = True


def _listed(each: _Placed) -> Listed:
    piece = each.piece
    return Listed(
        piece.ordinal if piece.kind == "letter" else 0, piece.number, piece.author, piece.title, piece.date,
        each.first, each.last, piece.file_name, piece.media_type, piece.size, piece.digest, each.separate,
    )  # fmt: skip
