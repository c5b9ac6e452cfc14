"""Breaking text into lines: Chinese on a grid of characters, Latin words whole, punctuation where it may stand.

The rules are those of GB/T 15834-2011, 5.1: no line begins with a mark that closes, none ends with a mark that
opens (避头尾). A mark that would begin a line is taken into the line before it, by narrowing the marks of that
line, where they give enough; else the character before goes down with it and the line is spread.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

NO_START: Final = frozenset("，。、；：？！）》〉」』】〕｝］％‰℃°’”…—～·,.;:?!)]}%>")
"""Marks that begin no line."""
NO_END: Final = frozenset("（《〈「『【〔｛［‘“([{<￥＄")
"""Marks that end no line."""
_NARROW_AFTER: Final = frozenset("，。、；：）》〉」』】〕｝］’”")
_NARROW_BEFORE: Final = frozenset("（《〈「『【〔｛［‘“")
_AMBIGUOUS: Final = frozenset("‘’“”…—·×÷±°§")
_UNPARTED: Final = frozenset(("—", "…"))
_SLACK: Final = 1e-6

Width = Callable[[str], float]
"""The width of Latin text in points."""


@dataclass(frozen=True, slots=True)
class Atom:
    """What is never parted: one Chinese character or mark, a Latin word, or blanks between words.

    Attributes:
        shift: How far the glyph is drawn left of its place, where a mark that opens was narrowed.
    """

    text: str
    width: float
    full: bool
    shift: float = 0.0

    @property
    def blank(self) -> bool:
        """Only blanks."""
        return self.text.isspace()


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `last` if its paragraph ends with it."""

    atoms: tuple[Atom, ...]
    last: bool

    @property
    def width(self) -> float:
        """Its natural width."""
        return sum(each.width for each in self.atoms)

    @property
    def text(self) -> str:
        """Its characters."""
        return "".join(each.text for each in self.atoms)


def is_full(character: str) -> bool:
    """Whether a character takes a cell of the grid whatever stands beside it."""
    return unicodedata.east_asian_width(character) in "WF"


def atoms(text: str, pitch: float, latin: Width, limit: float) -> Iterator[Atom]:
    """Text in what is never parted.

    Args:
        text: One paragraph.
        pitch: Width of a cell.
        latin: Measures everything else.
        limit: A Latin word that is wider than this is parted.
    """
    word = ""
    for index, character in enumerate(text):
        full = is_full(character) or (character in _AMBIGUOUS and _beside_chinese(text, index))
        blank = character.isspace()
        if full or blank or (word and word.isspace()):
            yield from _words(word, latin, limit)
            word = ""
        if full:
            yield Atom(character, pitch, full=True)
        else:
            word += " " if blank else character
    yield from _words(word, latin, limit)


def _beside_chinese(text: str, index: int) -> bool:
    """Whether a mark that both scripts use stands among Chinese: by its nearest neighbours that are no such mark."""
    for step in (-1, 1):
        place = index + step
        while 0 <= place < len(text) and text[place] in _AMBIGUOUS:
            place += step
        if 0 <= place < len(text) and is_full(text[place]):
            return True
    return False


def _words(word: str, latin: Width, limit: float) -> Iterator[Atom]:
    rest = word
    while rest:
        taken = len(rest)
        while taken > 1 and latin(rest[:taken]) > limit:
            taken = max(1, min(taken - 1, int(taken * limit / latin(rest[:taken]))))
        yield Atom(rest[:taken], latin(rest[:taken]), full=False)
        rest = rest[taken:]


def break_lines(found: Sequence[Atom], widths: Callable[[int], float]) -> list[Line]:
    """Break atoms into lines.

    Args:
        found: The atoms of one paragraph.
        widths: The room of a line by its number, from 0.
    """
    lines: list[Line] = []
    start, count = 0, len(found)
    while start < count:
        while lines and start < count and found[start].blank:
            start += 1
        room = widths(len(lines)) + _SLACK
        end, used = start, 0.0
        while end < count and (used + found[end].width <= room or end == start):
            used += found[end].width
            end += 1
        # blanks at the end of a line take no room
        while end < count and found[end].blank:
            end += 1
        if end == count:
            lines.append(Line(tuple(found[start:]), last=True))
            return lines
        taken = _taken_in(found, start, end, room)
        if taken is not None:
            line, end = taken
        else:
            end = _pushed_out(found, start, end)
            line = tuple(found[start:end])
        while line and line[-1].blank:
            line = line[:-1]
        lines.append(Line(line, last=not any(not each.blank for each in found[end:])))
        if lines[-1].last:
            return lines
        start = end
    return lines


def may_break(found: Sequence[Atom], place: int) -> bool:
    """Whether a line may end before an atom."""
    after, last = found[place], place - 1
    while last > 0 and found[last].blank:
        last -= 1
    before = found[last]
    if after.blank or after.text[0] in NO_START or before.text[-1] in NO_END:
        return False
    return not (before.text in _UNPARTED and after.text == before.text)


def _taken_in(
    found: Sequence[Atom], start: int, end: int, room: float
) -> tuple[tuple[Atom, ...], int] | None:
    """The line with the marks that may not begin the next one, narrowed to its room; None if they do not fit."""
    if may_break(found, end):
        return None
    until = end
    while until < len(found) and found[until].text[0] in NO_START and found[until].full:
        until += 1
    if until == end or (until < len(found) and not may_break(found, until)):
        return None
    line = list(found[start:until])
    excess = sum(each.width for each in line) - room
    givers = [index for index, each in enumerate(line) if _gives(each, first=index == 0)]
    if sum(line[index].width / 2 for index in givers) < excess:
        return None
    for index in givers:
        each, share = line[index], excess / len(givers)
        shift = share if each.text in _NARROW_BEFORE else 0.0
        line[index] = replace(each, width=each.width - share, shift=shift)
    return tuple(line), until


def _gives(atom: Atom, *, first: bool) -> bool:
    return atom.full and (atom.text in _NARROW_AFTER or (atom.text in _NARROW_BEFORE and not first))


def _pushed_out(found: Sequence[Atom], start: int, end: int) -> int:
    """The last place before the end at which the line may break; the end if there is none."""
    for place in range(end, start, -1):
        if may_break(found, place):
            return place
    return end
