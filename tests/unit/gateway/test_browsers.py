"""Our styles, scripts and templates ask nothing of a browser that the oldest one supported, Chromium 109, lacks."""

import re
from pathlib import Path

import pytest

from services import gateway

FOLDER = Path(gateway.__path__[0])
LATER = {
    # with the version of Chromium that brought it
    ".css": {
        "nesting (112)": r"(?m)^\s*&[\s:.#\[>+~]",
        "colour functions (111)": r"\b(?:color-mix|oklch|oklab|lch|lab|light-dark)\(",
        "subgrid (117)": r"\bsubgrid\b",
        "text-wrap (114)": r"\btext-wrap\s*:",
        "popover (114)": r":popover-open",
        "view transitions (111)": r"view-transition",
        "anchors (125)": r"\banchor-name\s*:|\bposition-anchor\s*:",
        "field-sizing (123)": r"\bfield-sizing\s*:",
        "@scope (118)": r"@scope\b",
        "@starting-style (117)": r"@starting-style\b",
        "scroll-driven animations (115)": r"\banimation-timeline\s*:",
        "style queries (111)": r"@container\s+style\(",
    },
    ".js": {
        "copies of arrays (110)": r"\.(?:toSorted|toReversed|toSpliced)\(",
        "groups (117)": r"\b(?:Object|Map)\.groupBy\(",
        "Promise.withResolvers (119)": r"\bPromise\.withResolvers\(",
        "Array.fromAsync (121)": r"\bArray\.fromAsync\(",
        "operations of sets (122)": r"\.(?:isSubsetOf|isSupersetOf|symmetricDifference)\(",
        "URL.canParse (120)": r"\bURL\.canParse\(",
        "popover (114)": r"\.(?:showPopover|hidePopover|togglePopover)\(",
        "isWellFormed (111)": r"\.(?:isWellFormed|toWellFormed)\(",
        "requestClose (134)": r"\.requestClose\(",
    },
    ".html": {
        "popover (114)": r"\spopover(?:target)?[=\s>]",
        "search element (118)": r"<search[\s>]",
        "groups of details (120)": r"<details[^>]*\sname=",
        "commands (135)": r"\scommandfor=",
    },
}
FILES = sorted(
    each
    for each in FOLDER.rglob("*")
    if each.suffix in LATER and "vendor" not in each.parts and "__pycache__" not in each.parts
)


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.name)
def test_nothing_newer_is_asked_for(file: Path) -> None:
    """Each of these would be passed over, or end a script, in a browser of that age."""
    source = file.read_text(encoding="utf-8")
    assert [name for name, pattern in LATER[file.suffix].items() if re.search(pattern, source)] == []


@pytest.mark.parametrize(
    ("suffix", "source"),
    [
        (".css", "a {\n  &:hover { color: red; }\n}"),
        (".css", "a { color: color-mix(in srgb, red, blue); }"),
        (".js", "names.toSorted()"),
        (".html", '<div popover id="menu">'),
    ],
)
def test_what_is_newer_would_be_found(suffix: str, source: str) -> None:
    """The patterns find what they are for."""
    assert any(re.search(pattern, source) for pattern in LATER[suffix].values())
