"""What may be a seal's picture, and what is refused."""

import zlib
from io import BytesIO
from struct import pack

import pytest
from PIL import Image

from services.cases.handling.seal_image import LARGEST, sides
from services.common.errors import InvalidField
from tests.builders.scans import picture, seal


def converted(mode: str) -> bytes:
    with BytesIO() as written:
        Image.open(BytesIO(seal())).convert(mode).save(
            written, "PNG", transparency=0 if mode == "P" else None
        )
        return written.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def hollow(width: int, height: int, data: bytes) -> bytes:
    """A PNG that says how large it is and holds this."""
    header = pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_png_with_transparency_is_taken(mode: str) -> None:
    """In colour, in grey, with a palette that has it."""
    assert sides(converted(mode), "png") == (500, 500)
    assert sides(seal((600, 400)), "png") == (600, 400)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (picture("JPEG", (500, 500)), "PNG"),
        (seal(mode="RGB"), "transparency"),
        (seal()[:-30], "damaged"),
        (seal()[:200] + b"\x00" + seal()[201:], "damaged"),
        (seal((50, 50)), "pixels"),
        (seal((2001, 2001)), "pixels"),
        (seal((900, 300)), "pixels"),
        (seal() + bytes(LARGEST), "at most"),
        (hollow(500, 500, zlib.compress(bytes(100_000_000))), "damaged"),
        (hollow(500, 500, b"no stream"), "damaged"),
        (b"", "PNG"),
    ],
    ids=["a photo", "opaque", "torn", "spoilt", "small", "large", "long", "heavy", "a bomb", "no picture", "empty"],
)  # fmt: skip
def test_anything_else_is_refused(data: bytes, words: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(InvalidField, match=words) as refused:
        sides(data, "png")
    assert refused.value.field == "png"
