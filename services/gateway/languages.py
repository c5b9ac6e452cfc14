"""The two languages of the pages: which one is spoken to whom."""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["zh", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
TAGS: Final[dict[Language, str]] = {"zh": "zh-CN", "en": "en"}
_LONGEST: Final = 1000


def choose(asked: str | None, accepted: str | None, fallback: Language) -> Language:
    """The language to speak.

    Args:
        asked: What the address says, as `?lang=`.
        accepted: The header Accept-Language (RFC 9110, 12.5.4).
        fallback: When neither names one that we have.
    """
    for language in LANGUAGES:
        if asked == language:
            return language
    best, chosen = 0.0, fallback
    # a browser's header is short; a longer one is not worth the work
    for part in (accepted or "")[:_LONGEST].split(","):
        tag, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and weight > best:
                best, chosen = weight, language
    return chosen


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
