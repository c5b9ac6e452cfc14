"""The file for word processors: its page setup, and that LibreOffice makes the same pages of it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn
from docx.shared import Mm

from services.cases.handling.seal_image import SealImage
from services.documents import docx as writer
from services.documents import pdf, sheets
from services.documents.fonts import Fonts
from services.documents.letters import letter_document
from services.documents.model import Document, Form
from tests.builders.papers import NOW, draft, findings, grid, transfer
from tests.builders.printed import lines, read
from tests.builders.scans import seal

SOFFICE = shutil.which("soffice")
PAPERS: dict[str, Callable[[], Document]] = {
    "transfer": lambda: letter_document(transfer(), Form.LETTER, "zh"),
    "draft": lambda: letter_document(draft(), Form.LETTER, "zh"),
    "sealed": lambda: letter_document(replace(transfer(), seal=SealImage(seal(), 58, 58)), Form.LETTER, "zh"),
    "findings": lambda: letter_document(findings(), Form.OFFICIAL, "zh"),
    "grid": lambda: letter_document(grid(), Form.OFFICIAL, "zh"),
    "approval": lambda: sheets.approval(transfer(), "zh", NOW),
    "materials": lambda: sheets.materials(transfer(), "zh", NOW),
    "receipt": lambda: sheets.receipt(transfer(), "zh", NOW),
    "receipts": lambda: sheets.receipt(findings(), "zh", NOW),
    "service": lambda: sheets.service(transfer(), "en", NOW),
    "due-time": lambda: sheets.due_time(transfer(), "zh", NOW),
}


def test_the_page_is_set_up_as_the_standard_says() -> None:
    """Edges, block, and a grid of 22 lines of 28 characters."""
    made = docx.Document(BytesIO(writer.render(PAPERS["findings"](), NOW)))
    (section,) = made.sections
    setup: Any = section
    for found, wanted in (
        (setup.page_width, 210),
        (setup.page_height, 297),
        (setup.top_margin, 37),
        (setup.left_margin, 28),
        (setup.page_height - setup.top_margin - setup.bottom_margin, 225),
        (setup.page_width - setup.left_margin - setup.right_margin, 156),
    ):
        assert abs(found / Mm(1) - wanted) < 0.1
    grid_of = section._sectPr.find(qn("w:docGrid"))
    assert grid_of.get(qn("w:type")) == "linesAndChars"
    block = (225 / 25.4 * 72, 156 / 25.4 * 72)
    assert int(block[0] / (int(grid_of.get(qn("w:linePitch"))) / 20)) == 22
    assert int(block[1] / (16 + int(grid_of.get(qn("w:charSpace"))) / 4096) + 1e-3) == 28
    assert made.settings.odd_and_even_pages_header_footer


def test_page_numbers_are_fields(tmp_path: Path) -> None:
    """Right on odd pages, left on even ones; a letter's first page has none."""
    made = docx.Document(BytesIO(writer.render(PAPERS["transfer"](), NOW)))
    (section,) = made.sections
    for footer in (section.footer, section.even_page_footer):
        assert "PAGE" in footer._element.xml
    assert section.different_first_page_header_footer
    assert "PAGE" not in section.first_page_footer._element.xml


def test_its_text_is_that_of_the_pdf(installed: Fonts) -> None:
    """Word for word, but for heads, numbers and marks."""
    document = PAPERS["findings"]()
    made = docx.Document(BytesIO(writer.render(document, NOW)))
    written = "".join(each.text for each in made.paragraphs)
    printed = "".join(page.text for page in read(pdf.render(document, installed, NOW)))
    for block in document.blocks:
        text = "".join(getattr(block, "text", "").split())
        assert text.replace("\u200b", "") in "".join(written.split())
        assert len(text) > 40 or text.replace("\u200b", "") in printed


@pytest.mark.timeout(180)
def test_libreoffice_makes_the_same_number_of_pages(installed: Fonts, tmp_path: Path) -> None:
    """Of every kind of letter and sheet."""
    if SOFFICE is None:
        if os.environ.get("CI") == "true":
            pytest.fail("LibreOffice is not installed: apt-get install libreoffice-writer-nogui")
        pytest.skip("LibreOffice is not installed")
    for name, paper in PAPERS.items():
        (tmp_path / f"{name}.docx").write_bytes(writer.render(paper(), NOW))
    subprocess.run(
        [
            SOFFICE,
            "--headless",
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--convert-to",
            "pdf",
            "--outdir",
            str(tmp_path),
            *(str(tmp_path / f"{name}.docx") for name in PAPERS),
        ],
        check=True,
        capture_output=True,
        timeout=150,
    )
    second = read((tmp_path / "grid.pdf").read_bytes())[1]
    inside = [each for each in second.characters if each.bottom < 37 + 225 + 2]
    assert [len(line) for line in lines(inside)] == [28] * 22
    pages = {name: len(read((tmp_path / f"{name}.pdf").read_bytes())) for name in PAPERS}
    assert pages == {name: len(read(pdf.render(paper(), installed, NOW))) for name, paper in PAPERS.items()}
