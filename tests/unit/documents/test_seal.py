"""Where a seal stands on a letter: over name and date, and over nothing else that is to be read."""

import zipfile
from dataclasses import replace
from io import BytesIO

import pypdfium2
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from pypdfium2 import raw

from services.cases.handling.seal_image import SealImage
from services.documents import docx, pdf
from services.documents.fonts import Fonts
from services.documents.letters import letter_document
from services.documents.model import Form
from tests.builders.papers import NOW, findings, grid, transfer
from tests.builders.printed import MM, read
from tests.builders.scans import seal

SEAL = seal()


def places(made: bytes) -> list[tuple[int, float, float, float, float]]:
    """Page, left, top, right and bottom of each picture, in millimetres."""
    found = []
    with pypdfium2.PdfDocument(made) as document:
        for index in range(len(document)):
            page = document[index]
            height = page.get_size()[1]
            for each in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]):
                left, bottom, right, top = (value / MM for value in each.get_bounds())
                found.append((index, left, height / MM - top, right, height / MM - bottom))
    return found


@pytest.mark.parametrize("form", [Form.LETTER, Form.OFFICIAL])
@pytest.mark.parametrize("size", [38, 42, 58])
def test_a_seal_stands_over_name_and_date(installed: Fonts, form: Form, size: int) -> None:
    """In its size to a tenth of a millimetre, both in its lower half and in the middle of its breadth."""
    letter = replace(transfer(), seal=SealImage(SEAL, size, size))
    made = pdf.render(letter_document(letter, form, "zh"), installed, NOW)
    ((page, left, top, right, bottom),) = places(made)
    assert right - left == pytest.approx(size, abs=0.1)
    assert bottom - top == pytest.approx(size, abs=0.1)
    characters = read(made)[page].characters
    shown = "".join(each.text for each in characters)
    begin = shown.index("2026年2月11日")
    date = characters[begin : begin + len("2026年2月11日")]
    name = [each for each in characters if 0 < date[0].bottom - each.bottom < 12 and each.left > 80]
    assert "".join(each.text for each in name) == "清河区卫生健康局"
    for line in (name, date):
        middle = (min(each.left for each in line) + max(each.right for each in line)) / 2
        assert middle == pytest.approx((left + right) / 2, abs=1.5)
    between = (name[0].top + date[0].bottom) / 2
    assert 0.5 < (between - top) / size < 0.8
    assert date[0].bottom < bottom


def test_a_seal_covers_no_text_above_it(installed: Fonts) -> None:
    """Its upper edge is within a line of the text (7.3.5.1), wherever the text ends on the page."""
    for characters in (28 * 9, 28 * 14, 28 * 19 + 3, 28 * 33):
        for size in (42, 58):
            letter = replace(grid(characters), seal=SealImage(SEAL, size, size))
            made = pdf.render(letter_document(letter, Form.OFFICIAL, "zh"), installed, NOW)
            ((page, _, top, _, _),) = places(made)
            above = [
                each.bottom for each in read(made)[page].characters if each.text == "告" and each.size == 16
            ]
            assert 0 <= top - max(above) < 10.3 + 6, (characters, size)


def test_what_was_not_sealed_bears_no_seal(installed: Fonts) -> None:
    """A letter without one is laid out as it was."""
    assert places(pdf.render(letter_document(transfer(), Form.LETTER, "zh"), installed, NOW)) == []


def test_text_below_a_seal_stays_black(installed: Fonts) -> None:
    """Ink of a seal darkens and hides nothing."""
    with BytesIO() as opaque:
        from PIL import Image  # noqa: PLC0415 - of this test alone

        Image.new("RGBA", (400, 400), (255, 0, 0, 255)).save(opaque, "PNG")
        letter = replace(transfer(), seal=SealImage(opaque.getvalue(), 42, 42))
    made = pdf.render(letter_document(letter, Form.LETTER, "zh"), installed, NOW)
    ((page, left, top, right, bottom),) = places(made)
    scale = 3
    with pypdfium2.PdfDocument(made) as document:
        picture = document[page].render(scale=scale).to_pil().convert("RGB")
    inside = picture.crop(tuple(int(each * MM * scale) for each in (left, top, right, bottom)))
    dark = sum(count for count, colour in inside.getcolors(1 << 24) or [] if max(colour) < 60)
    assert dark > 500


def test_the_word_processors_file_has_it_behind_the_text() -> None:
    """Out of the flow, in its size, so that it moves no line."""
    letter = replace(findings(), seal=SealImage(SEAL, 42, 42))
    made = docx.render(letter_document(letter, Form.OFFICIAL, "zh"), NOW)
    with zipfile.ZipFile(BytesIO(made)) as package:
        body = parse_xml(package.read("word/document.xml"))
        assert [each for each in package.namelist() if each.startswith("word/media/")]
    (anchor,) = body.findall(f".//{qn('wp:anchor')}")
    assert anchor.get("behindDoc") == "1"
    extent = anchor.find(qn("wp:extent"))
    assert extent is not None
    assert [int(extent.get(name)) / 36_000 for name in ("cx", "cy")] == [42, 42]
    assert body.findall(f".//{qn('wp:inline')}") == []
