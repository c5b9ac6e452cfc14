"""Scans as pages that can be laid on others: PDF by page, PNG and JPEG as one page each. Only the child imports it.

What a file says it is, is not believed: its first bytes decide. Whatever is wrong with it is one of two errors, so that
one bad file never keeps a case from being bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import pikepdf
from fpdf import FPDF
from fpdf.errors import FPDFException
from pikepdf import AccessMode, Page, Pdf
from PIL import Image, ImageOps

from services.documents.pieces import PAGES

PIXELS: Final = 64 * 1024 * 1024
"""Of one picture: A4 at 600 dots to the inch has 35 million."""
_HEAD: Final = 1024
"""Bytes within which a PDF says that it is one."""
_DPI: Final = 96.0
"""Of a picture that does not say; it is made smaller to fit its page, never larger."""
_INCH: Final = 72.0
_PICTURES: Final = ("PNG", "JPEG")
_PLAIN: Final = frozenset({"1", "L", "LA", "RGB", "RGBA", "P"})
_ORIENTATION: Final = 0x0112
_TURNED_QUALITY: Final = 92
_BROKEN: Final = (
    pikepdf.PikepdfError, FPDFException, OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError,
    RuntimeError,
)  # fmt: skip
"""What the libraries raise on files that are not in order."""
_SIDEWAYS: Final = frozenset({90, 270})


class Unreadable(Exception):
    """The file is damaged, locked, or nothing that has pages."""


class ScanTooLarge(Exception):
    """A picture of it is too large for one page."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """A page: its picture, and whether it is wider than high."""

    form: pikepdf.Object
    sideways: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """A file's pages; they are good while its file is open."""

    file: Pdf
    pages: tuple[ScanPage, ...]


def opened(path: Path) -> Scan:
    """The pages of a file.

    Raises:
        Unreadable: It has none that can be read.
        ScanTooLarge: A picture has too many pixels.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        return _pdf(path if b"%PDF-" in head else _picture(path))
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno:
            # the machine's fault, as a full disk, and not the file's
            raise
        raise Unreadable from error


def _pdf(path: Path) -> Scan:
    # read as it is needed: a file that is mapped whole counts against the child's memory
    pdf = Pdf.open(path, access_mode=AccessMode.stream)
    if len(pdf.pages) > PAGES:
        raise ScanTooLarge
    pdf.generate_appearance_streams()
    pdf.flatten_annotations("print")
    pages = tuple(_page(each) for each in pdf.pages)
    if not pages:
        raise Unreadable
    return Scan(pdf, pages)


def _page(page: Page) -> ScanPage:
    left, bottom, right, top = (float(each) for each in page.trimbox.as_list())
    width, height = abs(right - left), abs(top - bottom)
    if not (width and height):
        raise Unreadable
    turned = int(page.rotation or 0) % 360 in _SIDEWAYS
    return ScanPage(page.as_form_xobject(), (height > width) if turned else (width > height))


def _picture(path: Path) -> Path:
    """A picture as a PDF of one page in its own size, beside it."""
    # what is too large is refused below, by its own measure
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=_PICTURES) as picture:
        if picture.width * picture.height > PIXELS:
            raise ScanTooLarge
        across, down = (float(each) or _DPI for each in picture.info.get("dpi", (_DPI, _DPI)))
        # to its end, for half a picture is none
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        width, height = upright.width * _INCH / across, upright.height * _INCH / down
        made = FPDF(unit="pt", format=(width, height))
        made.set_auto_page_break(auto=False)
        made.add_page()
        made.image(_shown(path, picture, upright), 0, 0, width, height)
    target = path.with_suffix(".pdf")
    made.output(str(target))
    return target


def _shown(path: Path, picture: Image.Image, upright: Image.Image) -> bytes | Image.Image:
    """What is put on the page: a photograph as it came, or compressed again where it had to be turned."""
    if picture.format != "JPEG":
        return upright if upright.mode in _PLAIN else upright.convert("RGB")
    if picture.getexif().get(_ORIENTATION, 1) == 1 and picture.mode in ("L", "RGB"):
        return path.read_bytes()
    with BytesIO() as turned:
        upright.convert("RGB").save(turned, "JPEG", quality=_TURNED_QUALITY)
        return turned.getvalue()
