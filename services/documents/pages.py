"""What stands where on a page: the result of composing, and all that a renderer of pages draws.

Lengths are points from the upper left corner of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.documents import model
from services.documents.breaking import Atom, Line, atoms, break_lines, is_full, may_break
from services.documents.model import BLACK, HINT, MM, Align, Colour, Face, Paragraph

LEFT: Final = model.BINDING_MM * MM
TOP: Final = model.HEAD_MM * MM
WIDTH: Final = model.BLOCK_WIDTH_MM * MM
HEIGHT: Final = model.BLOCK_HEIGHT_MM * MM
RIGHT: Final = LEFT + WIDTH
BOTTOM: Final = TOP + HEIGHT
PAGE_WIDTH: Final = model.PAGE_WIDTH_MM * MM
PAGE_HEIGHT: Final = model.PAGE_HEIGHT_MM * MM

PITCH: Final = (WIDTH - model.SIZE_3) / (model.CHARACTERS - 1)
"""From character to character of the text: 28 of them fill the block from edge to edge."""
LEADING: Final = (HEIGHT - model.SIZE_3) / (model.LINES - 1)
"""From line to line: 22 of them fill the block from edge to edge."""
ASCENT: Final = 0.88
"""How much of a character's square stands above the baseline, in the fonts for Chinese."""

_TORN: Final = 0.2
"""More than this part of a character between two, and a line is left ragged."""
_UNHINTED: Final = 3
"""A place without a hint is as bad as lines that differ by so many characters."""

Measure = Callable[[str, Face, float], float]
"""The width of Latin text in a face at a size."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters in one face on one baseline; `spacing` is added after each of them."""

    x: float
    baseline: float
    text: str
    face: Face
    size: float
    spacing: float = 0.0
    colour: Colour = BLACK


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    width: float = 0.5
    colour: Colour = BLACK


@dataclass(frozen=True, slots=True)
class Area:
    """A place that opens another page of the file."""

    x: float
    y: float
    width: float
    height: float
    page: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that darkens what it lies on, as stamping ink does."""

    x: float
    y: float
    width: float
    height: float
    png: bytes


Item = Glyphs | Stroke | Area | Picture


@dataclass(slots=True)
class Page:
    """A page that is being filled; `y` is where the next line's characters begin."""

    number: int
    y: float = TOP
    items: list[Item] = field(default_factory=list)

    def room(self, size: float) -> bool:
        """Whether a line of this size still stands in the text block."""
        return self.y + size <= BOTTOM + 0.01


def pitch_of(size: float) -> float:
    """The cell of a character of a size, in the proportion of the text's."""
    return size * PITCH / model.SIZE_3


def fitted_size(text: str, size: float, width: float = WIDTH) -> float:
    """The size, made smaller until a line of large Song stands in a width."""
    cells = sum(1.0 if is_full(each) else 0.6 for each in text)
    return min(size, width / max(cells, 1.0))


def lines_of(paragraph: Paragraph, measure: Measure, width: float = WIDTH) -> list[Line]:
    """A paragraph in lines."""
    pitch = pitch_of(paragraph.size)
    # the last character of a line needs its square only, not the whole cell
    room = width + pitch - paragraph.size

    def latin(text: str) -> float:
        return measure(text, _latin(paragraph.face), paragraph.size)

    def widths(number: int) -> float:
        return room - (paragraph.right + (paragraph.left if number else paragraph.first)) * pitch

    found = list(atoms(paragraph.text.replace(HINT, ""), pitch, latin, widths(1)))
    lines = break_lines(found, widths)
    if paragraph.align is Align.CENTRE and len(lines) > 1:
        return _balanced(paragraph, found, lines, widths(1))
    return lines


def _balanced(paragraph: Paragraph, found: Sequence[Atom], lines: list[Line], room: float) -> list[Line]:
    """A centred title in lines of like length, parted where it is hinted if that can be."""
    ends, end = set(), 0
    for part in paragraph.text.split(HINT)[:-1]:
        end += len(part)
        ends.add(end)
    places, seen = [], 0
    for index, each in enumerate(found):
        if index and may_break(found, index):
            places.append((index, seen in ends))
        seen += len(each.text)
    target = sum(each.width for each in found) / len(lines)
    cuts, start = [0], 0
    for _ in lines[1:]:
        fitting = [
            (
                abs(sum(each.width for each in found[start:index]) - target)
                + (0 if hinted else _UNHINTED * paragraph.size),
                index,
            )
            for index, hinted in places
            if index > start and sum(each.width for each in found[start:index]) <= room
        ]
        if not fitting:
            return lines
        start = min(fitting)[1]
        cuts.append(start)
    parts = [tuple(found[a:b]) for a, b in zip(cuts, [*cuts[1:], len(found)], strict=True)]
    if sum(each.width for each in parts[-1]) > room:
        return lines
    return [Line(part, last=part is parts[-1]) for part in parts]


def middle_of(line: Line, paragraph: Paragraph) -> float:
    """The middle of a line that stands at the right of the block, from the page's left edge."""
    pitch = pitch_of(paragraph.size)
    return RIGHT - paragraph.right * pitch - (line.width - pitch + paragraph.size) / 2


def set_line(
    line: Line, paragraph: Paragraph, number: int, top: float, *, x: float = LEFT, width: float = WIDTH
) -> list[Item]:
    """A line of a paragraph on its place.

    Args:
        line: Which.
        paragraph: Whose.
        number: Of the line in it, from 0.
        top: Upper edge of its characters.
        x: Left edge of the column.
        width: Of the column.
    """
    pitch = pitch_of(paragraph.size)
    indent = (paragraph.left if number else paragraph.first) * pitch
    room = width - indent - paragraph.right * pitch + pitch - paragraph.size
    slack = room - line.width
    spread = 0.0
    if paragraph.align is Align.JUSTIFY and not line.last and len(line.atoms) > 1:
        spread = slack / (len(line.atoms) - 1)
        # a long number that goes down whole would tear the line apart: better ragged
        spread = spread if spread <= paragraph.size * _TORN else 0.0
    elif paragraph.align is Align.CENTRE:
        indent += slack / 2
    elif paragraph.align is Align.END:
        indent += slack
    return list(_runs(line, paragraph, number, x + indent, top + ASCENT * paragraph.size, spread))


def frame(x: float, y: float, width: float, height: float) -> list[Item]:
    """The four strokes around a place."""
    right, bottom = x + width, y + height
    return [
        Stroke(x, y, right, y),
        Stroke(x, bottom, right, bottom),
        Stroke(x, y, x, bottom),
        Stroke(right, y, right, bottom),
    ]


def _runs(
    line: Line, paragraph: Paragraph, number: int, x: float, baseline: float, spread: float
) -> list[Glyphs]:
    """Neighbours of one face and one advance become one run."""
    runs: list[Glyphs] = []
    bound = len(paragraph.bound) if number == 0 else 0
    seen, end = 0, x
    for each in line.atoms:
        face = Face.HEI if seen < bound else paragraph.face
        spacing = each.width + spread - paragraph.size if each.full else 0.0
        run = Glyphs(
            end - each.shift,
            baseline,
            each.text,
            face if each.full else _latin(face),
            paragraph.size,
            spacing,
            paragraph.colour,
        )
        before = runs[-1] if runs else None
        if before is not None and _continues(before, run, each):
            runs[-1] = Glyphs(
                before.x, baseline, before.text + run.text, run.face, run.size, spacing, run.colour
            )
        else:
            runs.append(run)
        end += each.width + spread
        seen += len(each.text)
    return [run for run in runs if not run.text.isspace()]


def _continues(before: Glyphs, run: Glyphs, atom: Atom) -> bool:
    return (
        atom.full
        and atom.shift == 0
        and before.face == run.face
        and abs(before.spacing - run.spacing) < 1e-9  # noqa: PLR2004 - the same sum, but for rounding
        and abs(before.x + len(before.text) * (run.size + run.spacing) - run.x) < 1e-6  # noqa: PLR2004
    )


def _latin(face: Face) -> Face:
    """Between Chinese of the text stand letters of their own face; in titles and headings those of the font."""
    return Face.LATIN if face in (Face.FANGSONG, Face.KAI) else face
