"""What may be a seal's picture (印模): a PNG with transparency, read without the libraries that no node loads."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.common.errors import InvalidField

LARGEST: Final = 1024 * 1024
"""Bytes of the file."""
_SIDES: Final = range(100, 2001)
"""Pixels of a side: 42 mm at 1,200 dots to the inch are 1,984."""
_ROUND: Final = 2
"""The longer side is at most so many times the shorter one."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = struct.Struct(">IIBBBBB")
_GREY_ALPHA: Final = 4
_COLOUR_ALPHA: Final = 6
_PALETTE: Final = 3
_MOST: Final = _SIDES.stop * (_SIDES.stop * 4 + 1) + 8 * _SIDES.stop


@dataclass(frozen=True, slots=True)
class SealImage:
    """A seal's picture and how large it is on paper.

    Attributes:
        width_mm: On paper; the height follows from the picture.
    """

    png: bytes
    width_mm: float
    height_mm: float


def sides(png: bytes, field: str) -> tuple[int, int]:
    """Width and height of a picture in pixels, checked to its end.

    Raises:
        InvalidField: It is no whole PNG of eight bits with transparency, or of such a size.
    """
    if len(png) > LARGEST or not png.startswith(_SIGNATURE):
        raise InvalidField(f"A seal is a PNG file of at most {LARGEST} bytes.", field=field)
    try:
        chunks = list(_chunks(png))
        (kind, header), *rest = chunks
        width, height, depth, colour, *_ = _HEADER.unpack(header)
        data = b"".join(each for name, each in rest if name == b"IDAT")
        whole = zlib.decompressobj()
        whole.decompress(data, _MOST)
    except (ValueError, struct.error, zlib.error) as error:
        raise InvalidField("The PNG file is damaged.", field=field) from error
    if kind != b"IHDR" or not whole.eof or not rest or rest[-1][0] != b"IEND":
        raise InvalidField("The PNG file is damaged or not whole.", field=field)
    clear = colour in (_GREY_ALPHA, _COLOUR_ALPHA) or (
        colour == _PALETTE and any(name == b"tRNS" for name, _ in rest)
    )
    if depth != 8 or not clear:  # noqa: PLR2004 - bits, as the message says
        raise InvalidField("A seal's PNG has eight bits and transparency.", field=field)
    if width not in _SIDES or height not in _SIDES or max(width, height) > _ROUND * min(width, height):
        raise InvalidField(
            f"A seal has {_SIDES.start} to {_SIDES.stop - 1} pixels a side, and one at most {_ROUND} times the other.",
            field=field,
        )
    return width, height


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        name, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (stated,) = struct.unpack_from(">I", png, place + 8 + length)
        if zlib.crc32(name + data) != stated:
            raise ValueError(name)
        yield name, data
        place += 12 + length
