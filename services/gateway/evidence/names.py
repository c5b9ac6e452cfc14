"""What a file is called and shown as. Whoever brought it chose name and kind, so neither is believed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

INLINE: Final = frozenset(
    {
        "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "video/mp4", "video/webm",
        "video/ogg", "audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/mp4", "audio/webm",
    }
)  # fmt: skip
"""Kinds that a browser may show at our address: none of them runs anything there."""
_INERT: Final = INLINE | frozenset(
    {
        "image/tiff", "image/bmp", "image/heic", "text/plain", "text/csv", "application/json", "application/zip",
        "application/x-7z-compressed", "application/vnd.rar", "application/ofd", "application/msword",
        "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-works",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet",
    }
)  # fmt: skip
"""Kinds that are told as they are; any other could be a page, a script or a style at our address."""
UNKNOWN: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)
_LONGEST: Final = 200
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)
_ODD: Final = re.compile(r'[<>:"|?*]')


def media_type_of(given: str) -> str:
    """The kind without its parameters, or `application/octet-stream`."""
    kind = given.partition(";")[0].strip().lower()
    return kind if len(kind) <= 100 and _MEDIA_TYPE.fullmatch(kind) else UNKNOWN  # noqa: PLR2004 - the contract's


def told_type(given: str) -> str:
    """The kind that a browser is told."""
    kind = media_type_of(given)
    return kind if kind in _INERT else UNKNOWN


def harmless(name: str, fallback: str) -> str:
    """A file name that is one name and nothing else.

    No path, no control, format or direction characters, no name that a system keeps for itself, at most 200
    characters with its ending kept.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(
        " " if each.isspace() else each
        for each in last
        if unicodedata.category(each)[0] != "C" or each == "\t"
    )
    shown = _ODD.sub("_", shown).strip(" .")
    if _RESERVED.fullmatch(shown):
        shown = f"_{shown}"
    if len(shown) > _LONGEST:
        stem, dot, ending = shown.rpartition(".")
        kept = f"{dot}{ending}" if dot and len(ending) <= 10 else ""  # noqa: PLR2004 - an ending, not a text
        shown = (stem if kept else shown)[: _LONGEST - len(kept)] + kept
    return shown or fallback


def disposition(name: str, *, inline: bool) -> str:
    """`Content-Disposition`: the name in ASCII for old clients, and as it is (RFC 6266)."""
    kind = "inline" if inline else "attachment"
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
