"""Personal data in what people wrote: citizen ids, telephone numbers and names of natural persons, hidden in part."""

from __future__ import annotations

import re
from typing import Final

_CITIZEN: Final = re.compile(
    r"(?<![0-9A-Za-z])(\d{4})\d{2}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(\d{3}[\dXx])(?![0-9A-Za-z])"
)
_MOBILE: Final = re.compile(r"(?<!\d)(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?!\d)")
_LANDLINE: Final = re.compile(r"(?<!\d)(0\d{2,3}-?)\d{3,4}(\d{4})(?!\d)")
_PAIRS: Final = (
    "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔"
    "申屠公孙慕容仲孙钟离长孙宇文司徒鲜于司空闾丘亓官司寇子车颛孙巫马公西漆雕乐正壤驷公良"
    "拓跋夹谷宰父谷梁段干百里东郭南门呼延羊舌微生梁丘左丘东门西门令狐"
)
_SURNAMES: Final = frozenset(_PAIRS[at : at + 2] for at in range(0, len(_PAIRS), 2))
"""Surnames of two characters."""
_HIDDEN: Final = frozenset("某*＊×xX")


def words(text: str) -> str:
    """A text in which citizen ids and telephone numbers are masked, wherever they stand."""
    text = _CITIZEN.sub(r"\1**********\2", text)
    text = _MOBILE.sub(r"\1****\2", text)
    return _LANDLINE.sub(r"\1****\2", text)


def name(text: str) -> str:
    """The name of a natural person with all but the surname hidden: 张某某, 欧阳某; of another script the first letter.

    What is hidden already stays as it is.
    """
    plain = text.strip()
    if not plain or (len(plain) > 1 and _HIDDEN.issuperset(plain[1:])):
        return plain
    if not _is_han(plain[0]):
        return f"{plain[0]}***"
    known = 2 if plain[:2] in _SURNAMES and len(plain) > 2 else 1  # noqa: PLR2004 - a surname and one character more
    return plain[:known] + "某" * max(1, len(plain) - known)


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or character >= "\U00020000"
