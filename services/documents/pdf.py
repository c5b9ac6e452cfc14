"""Pages to PDF, with subsets of the fonts embedded. Imports a large library: only the rendering child does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.fonts import TTFFont

from services.documents.breaking import is_full
from services.documents.compose import compose
from services.documents.fonts import FontFile, Fonts
from services.documents.model import Document, Face, Language
from services.documents.pages import PAGE_HEIGHT, PAGE_WIDTH, Area, Glyphs, Item, Picture, Stroke

PRODUCER: Final = "Liandong"
_UNKNOWN: Final = "\u3013"
"""The geta mark, in the place of a character that no font has."""


def render(document: Document, fonts: Fonts, made_at: datetime) -> bytes:
    """A document as a PDF file.

    Args:
        document: What.
        fonts: In which fonts.
        made_at: For the file's properties.
    """
    canvas = Canvas(fonts)
    pages = compose(document, canvas.width)
    canvas.describe(document.title, document.authority, document.language, made_at)
    for page in pages:
        canvas.turn()
        canvas.draw(page.items)
    return canvas.bytes()


class Canvas:
    """fpdf2 in points, with a font chosen for each character."""

    def __init__(self, fonts: Fonts) -> None:
        self._fonts = fonts
        self._pdf = FPDF(unit="pt", format=(PAGE_WIDTH, PAGE_HEIGHT))
        self._pdf.set_auto_page_break(auto=False)
        self._pdf.set_margin(0)
        # whole pages are shown; printing at 100 % keeps the margins
        self._pdf.set_display_mode("fullpage", "single")
        self._chosen: dict[tuple[Face, str], tuple[str, str]] = {}
        self._names: dict[FontFile, str] = {}

    def describe(self, title: str, author: str, language: Language, made_at: datetime) -> None:
        """The file's properties."""
        self._pdf.set_title(title)
        self._pdf.set_author(author)
        self._pdf.set_creator(PRODUCER)
        self._pdf.set_producer(PRODUCER)
        self._pdf.set_lang("zh-CN" if language == "zh" else "en")
        self._pdf.set_creation_date(made_at)

    def turn(self, *, sideways: bool = False) -> None:
        """Begin a page; `sideways` where it is wider than high."""
        self._pdf.add_page("landscape" if sideways else "portrait")

    def draw(self, items: Iterable[Item]) -> None:
        """Draw what stands on the page."""
        for item in items:
            match item:
                case Glyphs():
                    self.glyphs(item)
                case Stroke():
                    self.stroke(item)
                case Area():
                    target = self._pdf.add_link(page=item.page)
                    self._pdf.link(item.x, item.y, item.width, item.height, target)
                case Picture():
                    with self._pdf.local_context(blend_mode="Multiply"):
                        self._pdf.image(item.png, item.x, item.y, item.width, item.height)

    def width(self, text: str, face: Face, size: float) -> float:
        """The width of text in a face."""
        return sum(
            self._font(font).get_text_width(run, size, None)[1] for font, run in self._in_fonts(text, face)
        )

    def glyphs(self, item: Glyphs) -> None:
        """Draw characters."""
        pdf = self._pdf
        pdf.set_text_color(*item.colour)
        pdf.set_char_spacing(item.spacing)
        x = item.x
        for font, run in self._in_fonts(item.text, item.face):
            pdf.set_font(font, size=item.size)
            pdf.text(x, item.baseline, run)
            # a character of the grid takes its square, whatever its font says
            square = item.size if item.spacing or _square(run) else None
            natural = self._font(font).get_text_width(run, item.size, None)[1]
            x += len(run) * (square + item.spacing) if square else natural

    def stroke(self, item: Stroke) -> None:
        """Draw a line."""
        self._pdf.set_draw_color(*item.colour)
        self._pdf.set_line_width(item.width)
        self._pdf.line(item.x1, item.y1, item.x2, item.y2)

    def bytes(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def close(self) -> None:
        """Close the files of the fonts."""
        for name in self._names.values():
            self._font(name).ttfont.close()

    def save(self, path: Path) -> None:
        """Write the file to a place."""
        self._pdf.output(str(path))

    def _in_fonts(self, text: str, face: Face) -> Iterator[tuple[str, str]]:
        """Text in runs of one font; a character that no font has is shown as the geta mark."""
        runs: list[tuple[str, str]] = []
        for character in text:
            font, shown = self._choose(character, face)
            if runs and runs[-1][0] == font:
                runs[-1] = (font, runs[-1][1] + shown)
            else:
                runs.append((font, shown))
        return iter(runs)

    def _choose(self, character: str, face: Face) -> tuple[str, str]:
        known = self._chosen.get((face, character))
        if known is None:
            known = self._chosen[face, character] = self._search(character, face)
        return known

    def _search(self, character: str, face: Face) -> tuple[str, str]:
        for wanted in (character, _UNKNOWN, "?"):
            for file in self._fonts.chains[face]:
                name = self._loaded(file)
                if ord(wanted) in self._font(name).cmap:
                    return name, wanted
        return self._loaded(self._fonts.chains[face][0]), " "

    def _loaded(self, file: FontFile) -> str:
        """The name of a font, read when it is first needed: a collection has tens of megabytes."""
        name = self._names.get(file)
        if name is None:
            name = self._names[file] = f"font{len(self._names)}"
            self._pdf.add_font(name, fname=file.path, collection_font_number=file.index)
            # the boxes of the whole font are good for its subset too, and drawing every glyph anew takes long
            self._font(name).ttfont.recalcBBoxes = False
        return name

    def _font(self, name: str) -> TTFFont:
        font = self._pdf.fonts[name]
        assert isinstance(font, TTFFont)
        return font


def _square(text: str) -> bool:
    return all(is_full(each) for each in text)
