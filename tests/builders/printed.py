"""A PDF read by a library that knows nothing of how it was made: characters, rules and ink, in millimetres."""

from collections.abc import Iterator
from ctypes import c_double, c_uint
from dataclasses import dataclass
from itertools import groupby

import pypdfium2
from pypdfium2 import raw

MM = 72 / 25.4


@dataclass(frozen=True)
class Character:
    """A character with the square that it takes, from the upper left corner of the page; `size` in points."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    red: bool


@dataclass(frozen=True)
class Rule:
    """A drawn line."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left


@dataclass(frozen=True)
class PrintedPage:
    """What stands on a page."""

    width: float
    height: float
    characters: list[Character]
    rules: list[Rule]

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.characters)


def read(made: bytes) -> list[PrintedPage]:
    """The pages of a file."""
    with pypdfium2.PdfDocument(made) as document:
        return [_page(document[index]) for index in range(len(document))]


def ink(made: bytes, page: int, until: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is dark on a page, above a height."""
    scale = 4
    with pypdfium2.PdfDocument(made) as document:
        picture = document[page].render(scale=scale, grayscale=True).to_pil()
    picture = picture.crop((0, 0, picture.width, int(until * MM * scale)))
    box = picture.point(lambda shade: 255 if shade < 128 else 0).getbbox()
    assert box is not None
    left, top, right, bottom = (each / scale / MM for each in box)
    return left, top, right, bottom


def lines(characters: list[Character]) -> list[str]:
    """Characters by their line, from the top."""
    ordered = sorted(characters, key=lambda each: (round(each.bottom), each.left))
    return [
        "".join(each.text for each in line)
        for _, line in groupby(ordered, key=lambda each: round(each.bottom))
    ]


def _page(page: pypdfium2.PdfPage) -> PrintedPage:
    width, height = page.get_size()
    return PrintedPage(width / MM, height / MM, list(_characters(page, height)), list(_rules(page, height)))


def _characters(page: pypdfium2.PdfPage, height: float) -> Iterator[Character]:
    text = page.get_textpage()
    for index in range(text.count_chars()):
        if raw.FPDFText_IsGenerated(text, index):
            continue
        character = chr(raw.FPDFText_GetUnicode(text, index))
        if not character.strip():
            continue
        size = float(raw.FPDFText_GetFontSize(text, index))
        x, y = c_double(), c_double()
        raw.FPDFText_GetCharOrigin(text, index, x, y)
        colour = [c_uint() for _ in range(4)]
        raw.FPDFText_GetFillColor(text, index, *colour)
        left, _, right, _ = text.get_charbox(index, loose=True)
        # the square of a character of a Chinese font: 88 parts of 100 above the baseline
        top = height - y.value - 0.88 * size
        yield Character(
            character,
            x.value / MM,
            top / MM,
            (x.value + max(0.0, right - left)) / MM,
            (top + size) / MM,
            size,
            colour[0].value > 200 and colour[1].value < 50,
        )


def _rules(page: pypdfium2.PdfPage, height: float) -> Iterator[Rule]:
    for each in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH]):
        left, bottom, right, top = each.get_bounds()
        yield Rule(left / MM, (height - top) / MM, right / MM, (height - bottom) / MM)
