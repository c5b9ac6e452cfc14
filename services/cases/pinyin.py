"""Initials of the pinyin of names: what people type to find a person or unit quickly (拼音首字母).

`initials.txt` has one letter for each character from U+4E00 to U+9FA5, by its most common reading; it was made with
pypinyin, whose tables are too large for the memory of a node that runs for months. Of characters that names often read
in another way both readings count.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from typing import Final

from services.exchange.subject_names import name_key

MARK: Final = "py:"
"""What terms of initials begin with: they are no words of the text."""
LONGEST: Final = 8
"""Initials in a term; who types more is found by the first of them."""
_FIRST: Final = 0x4E00
_FILE: Final = Path(__file__).with_name("initials.txt")
_READINGS: Final = {
    "行": "hx", "重": "cz", "长": "cz", "乐": "ly", "厦": "sx", "会": "hk", "朝": "cz", "单": "ds", "解": "jx",
    "查": "cz", "曾": "cz", "仇": "cq", "区": "qo", "种": "zc", "翟": "zd", "尉": "wy", "石": "sd", "车": "cj",
    "覃": "qt", "调": "dt", "校": "xj", "万": "wm", "沈": "sc",
}  # fmt: skip
_FORMS: Final = 4
"""Ways to read one name that are kept."""
_SHORTEST: Final = 2


@lru_cache(maxsize=1)
def _letters() -> str:
    return _FILE.read_text(encoding="ascii")


def initials(name: str) -> list[str]:
    """The initials of a name without its legal form, in each way that it may be read; Latin letters and digits stay."""
    letters, read = _letters(), []
    for each in name_key(name):
        place = ord(each) - _FIRST
        if 0 <= place < len(letters):
            read.append(_READINGS.get(each, letters[place]))
        elif each.isascii() and each.isalnum():
            read.append(each.lower())
    return list(dict.fromkeys(islice(("".join(each).replace("-", "") for each in product(*read)), _FORMS)))


def terms(name: str) -> set[str]:
    """What of a name's initials is indexed: the initials from each of its characters on, a few at most."""
    return {
        MARK + form[start : start + LONGEST]
        for form in initials(name)
        for start in range(len(form) - _SHORTEST + 1)
    }


def asked(word: str) -> str:
    """The term that a query may stand for; empty if it is none of initials."""
    word = word.lower()
    if len(word) < _SHORTEST or not word.isascii() or not word.isalpha():
        return ""
    return MARK + word[:LONGEST]
