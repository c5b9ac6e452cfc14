"""A bulletin as a text document, plain and sober; imported only when one is asked for.

`bulletin_document` is the one seam: another layout takes a `Bulletin` and gives bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from services.procedures.calendar import ZONE
from services.registry.indicators.bulletin import Bulletin, Line, percent
from services.registry.indicators.plain import plain

_FONTS: Final = ("Times New Roman", "仿宋")
_BODY: Final = Pt(14)
_SMALL: Final = Pt(10)
_TITLE: Final = Pt(22)
_A4_LANDSCAPE: Final = (Mm(297), Mm(210))


def bulletin_document(given: Bulletin) -> bytes:
    """The bulletin as DOCX."""
    document = Document()
    _set_style(document)
    section = document.sections[0]
    # the table has many columns
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = _A4_LANDSCAPE
    _paragraph(document, given.title, size=_TITLE, bold=True, centred=True)
    _paragraph(document, given.subtitle, size=_BODY, centred=True)
    for text in given.paragraphs:
        _paragraph(document, text, size=_BODY, indented=True)
    pick = given.language.pick
    _table(
        document,
        [pick("名次", "Place"), pick("部门", "Department"), *given.columns],
        [_line(given, each) for each in (*given.lines, given.total)],
    )
    if given.overdue:
        head = pick("附表：逾期未办结的应办事项", "Annex: obligations overdue")
        shown = f"{head} {len(given.overdue)}/{given.overdue_all}"
        _paragraph(document, shown, size=_BODY, bold=True)
        _table(
            document,
            [
                pick("部门", "Department"),
                pick("事项", "Obligation"),
                pick("到期", "Due"),
                pick("逾期天数", "Days overdue"),
                pick("办件", "Case"),
            ],
            [
                [
                    each.department,
                    each.title,
                    f"{each.due_at.astimezone(ZONE):%Y-%m-%d %H:%M}",
                    str(each.days),
                    each.case_id,
                ]
                for each in given.overdue
            ],
        )
    _paragraph(document, pick("数据依据", "Computed of"), size=_SMALL, bold=True)
    for text in given.basis:
        _paragraph(document, text, size=_SMALL)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _line(given: Bulletin, line: Line) -> list[str]:
    values = [
        percent(value, given.language) if is_share else str(value or 0)
        for value, is_share in zip(line.values, given.shares, strict=True)
    ]
    return [str(line.rank or ""), line.title, *values]


def _set_style(document: Any) -> None:
    style = document.styles["Normal"]
    style.font.name = _FONTS[0]
    style.element.rPr.rFonts.set(qn("w:eastAsia"), _FONTS[1])


def _paragraph(
    document: Any, text: str, *, size: Pt, bold: bool = False, centred: bool = False, indented: bool = False
) -> None:
    paragraph = document.add_paragraph()
    run = paragraph.add_run(plain(text))
    run.font.size = size
    run.bold = bold
    if centred:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if indented:
        paragraph.paragraph_format.first_line_indent = Pt(2 * size.pt)


def _table(document: Any, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = document.add_table(rows=1, cols=len(head))
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, head, strict=True):
        _fill(cell, text, bold=True)
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            _fill(cell, text)


def _fill(cell: Any, text: str, *, bold: bool = False) -> None:
    run = cell.paragraphs[0].add_run(plain(text))
    run.font.size = _SMALL
    run.bold = bold
