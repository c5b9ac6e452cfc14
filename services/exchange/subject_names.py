"""Names of units and persons as they are compared: one width, one kind of brackets, no legal form at the end.

People write a name as it stands on whatever is before them. Two forms with the same key are the same name; the
same name may still be another unit, so a key only proposes and an identifier decides.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BRACKETS: Final = str.maketrans(
    {**dict.fromkeys("〔[【{「『《〈<", "("), **dict.fromkeys("〕]】}」』》〉>", ")")}
)
_LEGAL_FORMS: Final = (
    "股份有限责任公司", "有限责任公司", "股份有限公司", "责任有限公司", "有限公司", "股份公司", "公司",
    "(个体工商户)", "(个人独资)", "(特殊普通合伙)", "(普通合伙)", "(有限合伙)",
    "co.,ltd.", "co.,ltd", "co.ltd", "ltd.", "ltd",
)  # fmt: skip
_SIGNS: Final = re.compile(r"[·•・.,，。、;；:：'\"“”‘’\-—_–()*/\\|~`!?！？]")


def plain(text: str) -> str:
    """A text in one width and case, with one kind of brackets and without blanks; repeating changes nothing."""
    while True:
        folded = unicodedata.normalize("NFKC", text).casefold().translate(_BRACKETS)
        folded = "".join(each for each in folded if not each.isspace() and each.isprintable())
        if folded == text:
            return text
        text = folded


def name_key(name: str) -> str:
    """What a name is found by: plain, without its legal form and without signs; repeating changes nothing.

    A name that is nothing but a legal form keeps it.
    """
    key = plain(name)
    while True:
        stem = _without_form(key)
        shorter = plain(_SIGNS.sub("", stem)) or stem
        if shorter == key:
            return key
        key = shorter


def _without_form(name: str) -> str:
    for form in _LEGAL_FORMS:
        if name.endswith(form) and len(name) > len(form):
            return name[: -len(form)]
    return name
