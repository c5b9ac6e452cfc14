"""Places in a template's text, such as `{case.title}` or `{案件名称}`: a closed list, filled once, and nothing is run.

What fills a place is put in as it is: braces within it mean nothing. What no fact fills becomes a blank to be written in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

PLACES: Final[Mapping[str, str]] = MappingProxyType({
    "case.title": "案件名称",
    "case.id": "案件编号",
    "subject.name": "当事人",
    "subject.code": "统一社会信用代码",
    "letter.number": "来文文号",
    "letter.date": "来文日期",
    "department.name": "本单位",
    "other.name": "对方单位",
    "author.name": "承办人",
    "due": "办理期限",
    "today": "今天",
})  # fmt: skip
"""Names of places, each with its Chinese one; both may be written."""
BLANK: Final = "＿＿＿＿"
_MOST_VALUE: Final = 400
_NAMES: Final = {**{name: name for name in PLACES}, **{zh: name for name, zh in PLACES.items()}}
_PLACE: Final = re.compile(r"\{([^{}\n]{1,40})\}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: What stands there.
        place: Name of the place that it fills; empty for what the template says itself.
    """

    text: str
    place: str = ""


def unknown(text: str) -> list[str]:
    """What is written like a place and is none of them, in its order."""
    return [each for each in _PLACE.findall(text) if each.strip() not in _NAMES]


def pieces(text: str, facts: Mapping[str, str]) -> Iterator[Piece]:
    """A text in parts, each place with its fact, or blank."""
    end = 0
    for match in _PLACE.finditer(text):
        place = _NAMES.get(match[1].strip())
        if place is None:
            continue
        if match.start() > end:
            yield Piece(text[end : match.start()])
        yield Piece(_plain(facts.get(place, "")) or BLANK, place)
        end = match.end()
    if end < len(text):
        yield Piece(text[end:])


def filled(text: str, facts: Mapping[str, str]) -> str:
    """A text whose places are filled."""
    return "".join(each.text for each in pieces(text, facts))


def blanks(texts: Iterable[str], facts: Mapping[str, str]) -> list[str]:
    """Places in texts for which there is no fact, each once."""
    found = (each for text in texts for each in pieces(text, facts))
    return list(dict.fromkeys(each.place for each in found if each.place and each.text == BLANK))


def _plain(fact: str) -> str:
    """A fact as it may stand within a line."""
    return "".join(each if each.isprintable() else " " for each in fact[:_MOST_VALUE]).strip()
