"""Which bytes of a file a request wants: `Range`, `If-Range`, `If-None-Match` (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.common.errors import LiandongError

_RANGE: Final = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(LiandongError):
    """The file has no such bytes."""

    reason = "INVALID_FIELD"
    code = "OUT_OF_RANGE"
    status = 416

    headers: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file.

    Attributes:
        start: The first one.
        end: The one after the last.
        size: Bytes of the whole.
        partial: They were asked for; else it is the whole because nothing else was.
    """

    start: int
    end: int
    size: int
    partial: bool = False

    @property
    def length(self) -> int:
        """How many."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """As the header says it."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def part_of(headers: Mapping[str, str], size: int, tag: str) -> Part:
    """The bytes that a request wants; the whole where it wants several ranges or says it in no way of ours.

    Args:
        headers: Of the request, by lower case.
        size: Bytes of the whole.
        tag: The file's ETag, in quotes.

    Raises:
        RangeNotSatisfiable: One range, of which the file has nothing.
    """
    whole = Part(0, size, size)
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or not any(found.groups()):
        return whole
    # a part of another file than the one that was begun would be worse than the whole anew
    if headers.get("if-range", tag).strip() != tag:
        return whole
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return whole
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size:
        error = RangeNotSatisfiable(f"The file has {size} bytes.", field="range")
        error.headers = {"Content-Range": f"bytes */{size}", "ETag": tag}
        raise error
    return Part(start, end, size, partial=True)


def is_known(headers: Mapping[str, str], tag: str) -> bool:
    """Whether the caller has the file already."""
    known = {each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")}
    return tag in known or "*" in known
