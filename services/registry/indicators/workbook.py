"""Figures and bulletins as workbooks; imported only when one is asked for.

Every text is written as text: a department whose name began with `=` would else be run as a formula.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from liandong.oversight.v1 import indicator_service_pb2 as pb
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from services.procedures.calendar import ZONE
from services.registry.indicators.bulletin import Bulletin, Language, Line
from services.registry.indicators.catalogue import Catalogue, Unit
from services.registry.indicators.plain import plain

Value = str | int | float | None

_SHARE: Final = "0.00%"
_HUNDREDTHS: Final = "0.00"
_WHOLE: Final = 10_000
_HUNDRED: Final = 100
_HOUR_S: Final = 3600
_WIDTHS: Final = {"A": 28, "B": 28}
_LONGEST: Final = 32_767
"""Characters that a cell holds."""


def bulletin_workbook(given: Bulletin) -> bytes:
    """The bulletin: departments, what is overdue, the text and what it was computed of."""
    pick = given.language.pick
    book = Workbook(write_only=True)
    sheet = _sheet(book, pick("通报", "Bulletin"), _WIDTHS)
    _row(sheet, [given.title], bold=True)
    _row(sheet, [given.subtitle])
    _row(sheet, [])
    _row(sheet, [pick("名次", "Place"), pick("部门", "Department"), *given.columns], bold=True)
    formats = ["", "", *(_SHARE if each else "" for each in given.shares)]
    for line in (*given.lines, given.total):
        _row(sheet, _line(given, line), formats)
    overdue = _sheet(book, pick("逾期未办", "Overdue"), {"A": 28, "B": 28, "C": 20, "E": 40})
    _row(
        overdue,
        [
            pick("部门", "Department"),
            pick("事项", "Obligation"),
            pick("到期", "Due"),
            pick("逾期天数", "Days overdue"),
            pick("办件", "Case"),
        ],
        bold=True,
    )
    for each in given.overdue:
        due = f"{each.due_at.astimezone(ZONE):%Y-%m-%d %H:%M}"
        _row(overdue, [each.department, each.title, due, each.days, each.case_id])
    text = _sheet(book, pick("文字", "Text"), {"A": 120})
    for paragraph in (*given.paragraphs, *given.basis):
        _row(text, [paragraph])
    return _saved(book)


def figures_workbook(given: pb.GetFiguresResponse, catalogue: Catalogue, language: Language) -> bytes:
    """Figures, one a row, and what each of them counts."""
    pick = language.pick
    book = Workbook(write_only=True)
    sheet = _sheet(book, pick("指标", "Figures"), {"A": 28, "B": 28})
    _row(sheet, [f"{given.period.first} – {given.period.last}"], bold=True)
    compared = given.HasField("compared_with")
    if compared:
        other = f"{given.compared_with.first} – {given.compared_with.last}"
        _row(sheet, [pick("对比", "Compared with"), other])
    head = [
        pick("指标", "Indicator"),
        pick("对象", "Of"),
        pick("分子", "Numerator"),
        pick("分母", "Denominator"),
        pick("数值", "Value"),
        pick("名次", "Place"),
        pick("达标", "Target met"),
    ]
    if compared:
        head += [pick("对比期数值", "Value then"), pick("变化", "Change")]
    _row(sheet, head, bold=True)
    for each in given.figures:
        unit = catalogue.indicators[each.indicator].unit
        form = {Unit.SHARE: _SHARE, Unit.RATE: _HUNDREDTHS, Unit.SECONDS: _HUNDREDTHS}.get(unit, "")
        indicator = catalogue.indicators[each.indicator].title
        nothing = pick("无数据", "no data")
        met = each.target.met if each.HasField("target") and each.target.HasField("met") else None
        row: list[Value] = [
            pick(indicator.zh, indicator.en) + (pick("（小时）", " (hours)") if unit is Unit.SECONDS else ""),
            pick(each.title_zh, each.title_en) or each.key,
            each.numerator,
            each.denominator if each.HasField("denominator") else None,
            _shown(unit, each.value) if each.HasField("value") else nothing,
            each.rank or None,
            None if met is None else pick("是", "yes") if met else pick("否", "no"),
        ]
        formats = ["", "", "", "", form, "", ""]
        if compared:
            then = each.comparison
            row += [
                _shown(unit, then.value) if then.HasField("value") else nothing,
                then.change / _WHOLE if then.HasField("change") else nothing,
            ]
            formats += [form, _SHARE]
        _row(sheet, row, formats)
    about = _sheet(book, pick("口径", "Definitions"), {"A": 28, "B": 120})
    for name in dict.fromkeys(each.indicator for each in given.figures):
        indicator_ = catalogue.indicators[name]
        title, definition = indicator_.title, indicator_.definition
        _row(about, [pick(title.zh, title.en), pick(definition.zh, definition.en)])
    return _saved(book)


def _line(given: Bulletin, line: Line) -> list[Value]:
    nothing = given.language.pick("无数据", "no data")
    values: list[Value] = [
        (nothing if value is None else value / _WHOLE) if is_share else value
        for value, is_share in zip(line.values, given.shares, strict=True)
    ]
    return [line.rank or None, line.title, *values]


def _shown(unit: Unit, value: int) -> int | float:
    return {
        Unit.COUNT: value,
        Unit.SHARE: value / _WHOLE,
        Unit.RATE: value / _HUNDRED,
        Unit.SECONDS: value / _HOUR_S,
    }[unit]


def _sheet(book: Workbook, title: str, widths: dict[str, int]) -> Any:
    sheet: Any = book.create_sheet(title)
    for column, width in widths.items():
        sheet.column_dimensions[column].width = width
    return sheet


def _row(sheet: Any, values: Iterable[Value], formats: Sequence[str] = (), *, bold: bool = False) -> None:
    cells = []
    for index, value in enumerate(values):
        cell = WriteOnlyCell(sheet, plain(value)[:_LONGEST] if isinstance(value, str) else value)
        if isinstance(value, str):
            cell.data_type = "s"
        if index < len(formats) and formats[index]:
            cell.number_format = formats[index]
        if bold:
            cell.font = Font(bold=True)
        cells.append(cell)
    sheet.append(cells)


def _saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
