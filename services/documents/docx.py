"""A document as a file for word processors, in the same measures. Imports a large library: only the child does.

The page's grid (22 lines of 28 characters) is set, and lines break where the word processor breaks them; its page is
the one that composing makes, but for a line that breaks elsewhere in other fonts.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import docx
from docx.enum.table import WD_CELL_VERTICAL_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from services.documents import model
from services.documents.breaking import is_full
from services.documents.docx_elements import TWIPS, border, field, floating, frame, switched_off
from services.documents.model import (
    HINT,
    MM,
    RED,
    SIZE_3,
    SIZE_4,
    Align,
    Cell,
    Document,
    Face,
    Form,
    Paragraph,
    Space,
    Stamp,
    Table,
    Turn,
)
from services.documents.pages import LEADING, LEFT, WIDTH, fitted_size, lines_of, middle_of, pitch_of

FONTS: Final[Mapping[Face, str]] = {
    Face.FANGSONG: "仿宋",
    Face.SONG: "方正小标宋简体",
    Face.HEI: "黑体",
    Face.KAI: "楷体",
    Face.LATIN: "Times New Roman",
}
"""Names of the fonts as offices have them; what is not there the word processor replaces."""

_LINE: Final = int(model.BLOCK_HEIGHT_MM * MM / model.LINES * TWIPS) / TWIPS
"""A line of the grid; rounded up, the last one would not stand on its page."""
_ALIGN: Final = {
    Align.JUSTIFY: WD_ALIGN_PARAGRAPH.JUSTIFY,
    Align.START: WD_ALIGN_PARAGRAPH.LEFT,
    Align.CENTRE: WD_ALIGN_PARAGRAPH.CENTER,
    Align.END: WD_ALIGN_PARAGRAPH.RIGHT,
}
_RULE_MM: Final = 170.0
_LETTER: Final = 36.0
_OFFICIAL: Final = 46.0
"""Sizes of the name in the head, if it stands in a line."""


def render(document: Document, made_at: datetime) -> bytes:
    """A document as a DOCX file."""
    writer = _Writer(document, made_at)
    writer.head()
    for block in document.blocks:
        writer.block(block)
    writer.imprint()
    writer.furniture()
    return writer.bytes()


def _measure(text: str, face: Face, size: float) -> float:
    """About: word processors break lines themselves, but for titles."""
    del face
    return sum(size if is_full(each) else size / 2 for each in text)


class _Writer:
    def __init__(self, document: Document, made_at: datetime) -> None:
        self._document = document
        self._docx = docx.Document()
        properties = self._docx.core_properties
        properties.title = document.title.replace(HINT, "")
        properties.author = document.authority
        properties.comments = ""
        properties.created = properties.modified = made_at.replace(tzinfo=None)
        self._section = self._docx.sections[0]
        self._turned = False
        self._last: Paragraph | None = None
        self._page()
        style = self._docx.styles["Normal"]
        style.font.size = Pt(SIZE_3)
        style.font.name = FONTS[Face.LATIN]
        style.element.rPr.rFonts.set(qn("w:eastAsia"), FONTS[Face.FANGSONG])
        # LibreOffice gives a character that is wider than its cell two cells; so lines are exact and characters
        # are narrowed by their style too, which still makes 28 of them where the grid is understood
        style.element.get_or_add_pPr().append(switched_off("w:snapToGrid"))
        narrow = OxmlElement("w:spacing")
        narrow.set(qn("w:val"), "-7")
        # by the language go line breaks, and the width of marks that both scripts have
        language = OxmlElement("w:lang")
        language.set(qn("w:val"), "en-US")
        language.set(qn("w:eastAsia"), "zh-CN")
        style.element.rPr.append(language)
        style.element.rPr.insert_element_before(narrow, "w:sz", "w:szCs", "w:lang")

    def _page(self) -> None:
        section = self._section
        section.page_width, section.page_height = Mm(model.PAGE_WIDTH_MM), Mm(model.PAGE_HEIGHT_MM)
        section.top_margin = Mm(model.HEAD_MM)
        section.bottom_margin = Mm(model.PAGE_HEIGHT_MM - model.HEAD_MM - model.BLOCK_HEIGHT_MM)
        section.left_margin = Mm(model.BINDING_MM)
        section.right_margin = Mm(model.PAGE_WIDTH_MM - model.BINDING_MM - model.BLOCK_WIDTH_MM)
        section.header_distance, section.footer_distance = Mm(30), Mm(20)
        grid = section._sectPr.find(qn("w:docGrid"))  # noqa: SLF001 - the library offers no grid
        if grid is None:
            grid = OxmlElement("w:docGrid")
            section._sectPr.append(grid)  # noqa: SLF001
        grid.set(qn("w:type"), "linesAndChars")
        grid.set(qn("w:linePitch"), str(int(_LINE * TWIPS)))
        # what a cell has more than the text's size, in 1/4096 point
        cell = model.BLOCK_WIDTH_MM * MM / model.CHARACTERS
        grid.set(qn("w:charSpace"), str(round((cell - SIZE_3) * 4096)))

    # -- blocks -----------------------------------------------------------------------------------

    def block(self, block: model.Block) -> None:
        """One block."""
        if isinstance(block, Space):
            for _ in range(block.lines):
                self._write(self._docx.add_paragraph(), Paragraph("", first=0, keep=True))
        elif isinstance(block, Turn):
            self._turned = True
        elif isinstance(block, Table):
            self._table(block)
        elif isinstance(block, Stamp):
            self._stamp(block)
        else:
            target = self._docx.add_paragraph()
            self._write(target, block)
            target.paragraph_format.page_break_before = self._turned or None
            self._turned = False
            self._last = block

    def _stamp(self, stamp: Stamp) -> None:
        """A seal behind the date and the line above it, out of the flow."""
        date = self._last
        assert date is not None
        (line, *_) = lines_of(date, _measure)
        left = middle_of(line, date) - LEFT - stamp.width_mm * MM / 2
        above = stamp.height_mm * MM * model.SEALED_AT - (SIZE_3 - _LINE) / 2
        run = self._docx.paragraphs[-1].add_run()
        with io.BytesIO(stamp.png) as png:
            run.add_picture(png, Mm(stamp.width_mm), Mm(stamp.height_mm))
        floating(run, left, -above)

    def _write(self, target: Any, paragraph: Paragraph, lead: float = _LINE) -> None:
        layout = target.paragraph_format
        layout.space_before = layout.space_after = Pt(0)
        layout.line_spacing_rule, layout.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(lead)
        layout.alignment = _ALIGN[paragraph.align]
        layout.keep_with_next = paragraph.keep or None
        layout.widow_control = False
        pitch = pitch_of(paragraph.size)
        if paragraph.left or paragraph.first or paragraph.right:
            layout.left_indent = Pt(paragraph.left * pitch)
            layout.first_line_indent = Pt((paragraph.first - paragraph.left) * pitch)
            layout.right_indent = Pt(paragraph.right * pitch)
        for number, text in enumerate(self._parts(paragraph)):
            if number:
                target.add_run().add_break()
            bound = paragraph.bound if number == 0 else ""
            self._run(target, text[: len(bound)], paragraph, Face.HEI)
            self._run(target, text[len(bound) :], paragraph, paragraph.face)

    @staticmethod
    def _parts(paragraph: Paragraph) -> list[str]:
        """A centred title is parted as it is on pages; everything else by the word processor."""
        if paragraph.align is Align.CENTRE and paragraph.text:
            return [line.text for line in lines_of(paragraph, _measure)]
        return [paragraph.text.replace(HINT, "")]

    @staticmethod
    def _run(target: Any, text: str, paragraph: Paragraph, face: Face) -> None:
        if not text:
            return
        run = target.add_run(text)
        run.font.size = Pt(paragraph.size)
        run.font.color.rgb = RGBColor(*paragraph.colour)
        latin = FONTS[Face.LATIN] if face in (Face.FANGSONG, Face.KAI) else FONTS[face]
        run.font.name = latin
        run._element.rPr.rFonts.set(qn("w:eastAsia"), FONTS[face])  # noqa: SLF001
        run._element.rPr.rFonts.set(qn("w:hint"), "eastAsia")  # noqa: SLF001

    def _table(self, table: Table) -> None:
        made = self._docx.add_table(rows=0, cols=len(table.columns))
        made.style = "Table Grid"
        made.autofit = False
        for column, share in zip(made.columns, table.columns, strict=True):
            column.width = Pt(share * WIDTH)
        lead = table.size * 1.5
        for number, row in enumerate(table.rows):
            cells = made.add_row()
            height = OxmlElement("w:trHeight")
            height.set(qn("w:val"), str(round((table.least * lead + 10) * TWIPS)))
            properties = cells._tr.get_or_add_trPr()  # noqa: SLF001
            properties.append(height)
            if number < table.header:
                properties.append(OxmlElement("w:tblHeader"))
            place = 0
            for cell in row:
                target = cells.cells[place]
                if cell.span > 1:
                    target = target.merge(cells.cells[place + cell.span - 1])
                target.width = Pt(sum(table.columns[place : place + cell.span]) * WIDTH)
                self._cell(target, cell, table.size, lead)
                place += cell.span
        self._write(self._docx.add_paragraph(), Paragraph("", size=6, first=0), LEADING / 2)

    def _cell(self, target: Any, cell: Cell, size: float, lead: float) -> None:
        target.vertical_alignment = WD_CELL_VERTICAL_ALIGNMENT.CENTER
        for number, text in enumerate(cell.text.split("\n")):
            place = target.paragraphs[0] if number == 0 else target.add_paragraph()
            # the cell breaks its lines itself, centred ones too
            self._write(place, Paragraph("", face=cell.face, size=size, align=cell.align, first=0), lead)
            self._run(place, text, Paragraph(text, size=size), cell.face)

    # -- the head ---------------------------------------------------------------------------------

    def head(self) -> None:
        """The head of the form."""
        document = self._document
        if document.form is Form.OFFICIAL:
            self._official()
        elif document.form is Form.LETTER:
            # the name and its rules stand in the first page's header, so the text begins below them
            self._section.different_first_page_header_footer = True
            header = self._section.first_page_header.paragraphs[0]
            size = fitted_size(document.authority, _LETTER, 0.98 * WIDTH)
            name = Paragraph(
                document.authority, face=Face.SONG, size=size, first=0, align=Align.CENTRE, colour=RED
            )
            self._write(header, name, size * 1.1)
            self._outdent(header)
            border(header, "bottom", "thickThinSmallGap", 24, 11, red=True)
            line = self._docx.add_paragraph()
            urgency = Paragraph(document.urgency, face=Face.HEI, first=0, align=Align.START)
            self._write(line, urgency, LEADING)
            line.paragraph_format.tab_stops.add_tab_stop(Pt(WIDTH), 2)
            self._run(line, f"\t{document.number}", Paragraph(""), Face.FANGSONG)
            self.block(Space(2))

    def _official(self) -> None:
        document = self._document
        urgency = Paragraph(document.urgency, face=Face.HEI, first=0, align=Align.START)
        self._write(self._docx.add_paragraph(), urgency)
        size = fitted_size(document.authority, _OFFICIAL, 0.98 * WIDTH)
        name = self._docx.add_paragraph()
        self._write(
            name,
            Paragraph(document.authority, face=Face.SONG, size=size, first=0, align=Align.CENTRE, colour=RED),
            size * 1.1,
        )
        name.paragraph_format.space_before = Pt(35 * MM - _LINE)
        number = self._docx.add_paragraph()
        self._write(number, Paragraph(document.number, first=0, align=Align.CENTRE))
        number.paragraph_format.space_before = Pt(2 * _LINE - 6)
        border(number, "bottom", "single", 10, 8, red=True)
        self.block(Space(2))

    def _outdent(self, target: Any) -> None:
        edge = (model.PAGE_WIDTH_MM - _RULE_MM) / 2
        right = model.PAGE_WIDTH_MM - model.BINDING_MM - model.BLOCK_WIDTH_MM
        target.paragraph_format.left_indent = Mm(edge - model.BINDING_MM)
        target.paragraph_format.right_indent = Mm(edge - right)

    # -- imprint and furniture --------------------------------------------------------------------

    def imprint(self) -> None:
        """Copies and printing, in a frame at the foot of the last page's text block."""
        imprint = self._document.imprint
        if imprint is None or not (imprint.copies or imprint.office):
            return
        chinese, ruled = self._document.language == "zh", self._document.form is Form.OFFICIAL
        lines: list[tuple[str, str]] = []
        if imprint.copies:
            lines.append((("抄送：" if chinese else "Copies: ") + imprint.copies, ""))
        if ruled and imprint.office:
            # a draft has no date yet
            done = imprint.date + ("印发" if chinese else "") if imprint.date else ""
            lines.append((imprint.office, done))
        lead = LEADING * 0.9
        hang = 3 if chinese else 4
        laid = [
            Paragraph(text, size=SIZE_4, align=Align.START, first=1, left=1 if end else 1 + hang, right=1)
            for text, end in lines
        ]
        counts = [len(lines_of(each, _measure)) for each in laid]
        y = (model.HEAD_MM + model.BLOCK_HEIGHT_MM) * MM - sum(counts) * lead
        for number, paragraph in enumerate(laid):
            if number:
                # frames that follow each other are one frame to LibreOffice
                self._write(self._docx.add_paragraph(), Paragraph("", size=1, first=0), 1)
            target = self._docx.add_paragraph()
            self._write(target, paragraph, lead)
            if lines[number][1]:
                target.paragraph_format.tab_stops.add_tab_stop(Pt(WIDTH - SIZE_4), 2)
                self._run(target, f"\t{lines[number][1]}", Paragraph("", size=SIZE_4), Face.FANGSONG)
            if ruled:
                border(target, "top", "single", 6 if number else 8, 1)
                if number == len(laid) - 1:
                    border(target, "bottom", "single", 8, 1)
            place = {"hAnchor": "margin", "vAnchor": "page", "xAlign": "left", "y": round(y * TWIPS)}
            frame(target, **place)
            y += counts[number] * lead

    def furniture(self) -> None:
        """Page numbers right on odd pages and left on even ones, the draft's mark, the footnote."""
        section = self._section
        self._docx.settings.odd_and_even_pages_header_footer = True
        for footer, align in ((section.footer, Align.END), (section.even_page_footer, Align.START)):
            target = footer.paragraphs[0]
            self._write(target, Paragraph("", size=SIZE_4, align=align, first=1, right=1), SIZE_4)
            target.paragraph_format.space_after = Pt(5.5 * MM)
            for text, computed in (("— ", False), (" PAGE ", True), (" —", False)):
                field(target, text) if computed else self._run(
                    target, text, Paragraph("", size=SIZE_4), Face.LATIN
                )
            if self._document.footnote:
                target.paragraph_format.space_after = Pt(0)
                self._write(
                    footer.add_paragraph(), Paragraph(self._document.footnote, size=9, first=0), 5.5 * MM
                )
        if self._document.form is Form.LETTER:
            target = section.first_page_footer.paragraphs[0]
            self._write(target, Paragraph("", size=1, first=0), 2)
            self._outdent(target)
            border(target, "bottom", "thinThickSmallGap", 24, 0, red=True)
        if self._document.mark:
            headers = [section.header, section.even_page_header]
            if self._document.form is Form.LETTER:
                headers.append(section.first_page_header)
            for header in headers:
                self._mark(header)

    def _mark(self, header: Any) -> None:
        # a frame stands before the paragraph that it belongs to
        mark = header.paragraphs[0].insert_paragraph_before()
        self._write(
            mark,
            Paragraph(self._document.mark, face=Face.HEI, size=28, first=0, colour=RED, align=Align.END),
            32,
        )
        right = model.BINDING_MM + model.BLOCK_WIDTH_MM
        place = str(round((right - 40) * MM * TWIPS))
        frame(
            mark,
            w=round(40 * MM * TWIPS),
            vAnchor="page",
            hAnchor="page",
            x=place,
            y=round(14 * MM * TWIPS),
        )

    def bytes(self) -> bytes:
        """The file."""
        with io.BytesIO() as file:
            self._docx.save(file)
            return file.getvalue()
