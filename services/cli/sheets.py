"""Tables that people fill in: XLSX and CSV read row by row, every bad cell named by sheet and place.

What comes is a stranger's file. A workbook is a ZIP of XML: what it unpacks to is bounded before it is opened,
and rows are taken one at a time. Whatever the reader of workbooks fails with means that it is none.
"""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Final, TypeVar

from services.cli.texts import pick, say
from services.common.config import ConfigurationError

T = TypeVar("T")

MAX_ROWS: Final = 50_000
MAX_COLUMNS: Final = 64
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED: Final = 512 * 1024 * 1024
MAX_MEMBERS: Final = 2_000
_MAX_STRINGS: Final = 128 * 1024 * 1024
_RATIO: Final = 300
"""How many times its size a part of a workbook may unpack to; sheets of equal rows reach some 100."""
_SMALL: Final = 4 * 1024 * 1024
_PROBLEMS: Final = 500
_EXACT: Final = 10**15
_AT_ONCE: Final = 500
_ENCODINGS: Final = ("utf-8-sig", "gb18030")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a cell, or with a file where there is no cell.

    Attributes:
        sheet: Name of the sheet; of a CSV file its name.
        cell: Such as `C12`; empty for all of the sheet.
        heading: Of its column.
        value: What stands there.
    """

    sheet: str
    cell: str
    heading: str
    value: str
    zh: str
    en: str

    def __str__(self) -> str:
        value = f" {self.value[:60]!r}" if self.value else ""
        return f"{self.sheet}!{self.cell or '*'} {self.heading}{value}: {pick(self.zh, self.en)}"


class Unreadable(Exception):
    """The file is no table that can be read; it has the one problem."""

    def __init__(self, path: Path, zh: str, en: str, cell: str = "") -> None:
        self.problem = Problem(path.name, cell, "", "", zh, en)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a template.

    Attributes:
        key: What programs call it; may stand as heading too.
        zh: Its heading.
        en: Its heading in English, taken as well.
        required: A row without it is refused.
        limit: Characters at most.
        help_zh: What to write, for the help sheet.
        help_en: The same in English.
    """

    key: str
    zh: str
    en: str
    required: bool = False
    limit: int = 200
    help_zh: str = ""
    help_en: str = ""

    def is_called(self, heading: str) -> bool:
        """Whether a heading means this column."""
        plain = heading.strip().rstrip("*＊").strip()
        return plain.casefold() in {self.key.casefold(), self.zh, self.en.casefold()}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, its cells by the column's key; empty cells are empty texts."""

    sheet: str
    number: int
    values: Mapping[str, str]
    letters: Mapping[str, str]
    headings: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values.get(key, "")

    def problem(self, key: str, zh: str, en: str) -> Problem:
        """A problem with one of its cells."""
        cell = f"{self.letters.get(key, 'A')}{self.number}"
        return Problem(self.sheet, cell, self.headings.get(key, key), self[key], zh, en)


class Table:
    """A table of a file, read once by `rows`.

    Args:
        path: XLSX or CSV; CSV in UTF-8 or GB 18030.
        columns: What it may hold.

    Attributes:
        preamble: Lines above the headings that begin with `#`, by their first word: the cells after it.
        problems: What was found wrong so far, at most some hundred.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.path = path
        self.columns = columns
        self.preamble: dict[str, list[str]] = {}
        self.problems: list[Problem] = []

    def complain(self, problem: Problem) -> None:
        """Note a problem."""
        if len(self.problems) < _PROBLEMS:
            self.problems.append(problem)

    def rows(self) -> Iterator[Row]:
        """The rows below the headings, those without any cell left out; forms are checked, problems noted.

        Raises:
            Unreadable: It is no table, too large, or lacks its headings.
            OSError: The file cannot be read.
        """
        headings: list[Column | None] | None = None
        count = 0
        for sheet, number, raw in read_cells(self.path):
            if not any(raw):
                continue
            if headings is None:
                if raw[0].startswith("#"):
                    self.preamble[raw[0][1:].strip()] = [each.strip() for each in raw[1:] if each.strip()]
                else:
                    headings = self._headings(sheet, number, raw)
                continue
            count += 1
            if count > MAX_ROWS:
                said = f"{MAX_ROWS:,}"
                raise Unreadable(
                    self.path, f"超过 {said} 行，请分成几个文件", f"More than {said} rows: split it"
                )
            yield self._row(sheet, number, raw, headings)
        if headings is None:
            raise Unreadable(self.path, "没有表头", "It has no headings")

    def _headings(self, sheet: str, number: int, raw: Sequence[str]) -> list[Column | None]:
        found: list[Column | None] = []
        for index, heading in enumerate(raw):
            column = next((each for each in self.columns if each.is_called(heading)), None)
            place = f"{letter(index)}{number}"
            if heading.strip() and column is None:
                self.complain(Problem(sheet, place, heading, "", "没有这一列", "No such column"))
            elif column is not None and column in found:
                self.complain(Problem(sheet, place, heading, "", "此列重复", "This column stands twice"))
                column = None
            found.append(column)
        for column in self.columns:
            if column.required and column not in found:
                self.complain(
                    Problem(sheet, f"A{number}", column.zh, "", "缺少此列", "This column is missing")
                )
        return found

    def _row(self, sheet: str, number: int, raw: Sequence[str], headings: Sequence[Column | None]) -> Row:
        values, letters, names = {}, {}, {}
        for index, column in enumerate(headings):
            if column is not None:
                values[column.key] = raw[index].strip() if index < len(raw) else ""
                letters[column.key] = letter(index)
                names[column.key] = column.zh
        row = Row(sheet, number, values, letters, names)
        for column in filter(None, headings):
            value = row[column.key]
            if column.required and not value:
                self.complain(row.problem(column.key, "必填", "Required"))
            elif len(value) > column.limit:
                self.complain(
                    row.problem(
                        column.key, f"超过 {column.limit} 个字符", f"More than {column.limit} characters"
                    )
                )
            elif "\0" in value or _INEXACT in value:
                self.complain(
                    row.problem(
                        column.key,
                        "数字超过15位，末位已失真：请设为文本格式后重填",
                        "A number of more than 15 digits has lost its last ones: format as text and enter again",
                    )
                )
        return row


_INEXACT: Final = "\ue000"


def letter(index: int) -> str:
    """The letters of a column, from 0: A to Z, AA and so on."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def read_cells(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Sheet, number and cells of each row of a file's first sheet, as texts.

    Raises:
        Unreadable: It is no table, or too large.
        OSError: The file cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise Unreadable(path, "文件超过 64 MiB", "The file is larger than 64 MiB")
    with path.open("rb") as file:
        is_workbook = file.read(4) == b"PK\x03\x04"
    if is_workbook:
        yield from _workbook(path)
    elif path.suffix.lower() in {".xls", ".xlsx", ".xlsm"}:
        raise Unreadable(
            path, "不是 XLSX 工作簿；旧式 .xls 请另存为 XLSX", "No XLSX workbook; save old .xls files as XLSX"
        )
    else:
        yield from _csv(path)


def _csv(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    encoding = next((each for each in _ENCODINGS if _is_text(path, each)), None)
    if encoding is None:
        raise Unreadable(path, "既不是 UTF-8 也不是 GB 18030 文本", "The text is neither UTF-8 nor GB 18030")
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                place = f"A{reader.line_num}"
                raise Unreadable(path, f"不是 CSV：{error}", f"No CSV: {error}", place) from None
            if cells is None:
                return
            if len(cells) > MAX_COLUMNS:
                raise Unreadable(path, "列数过多", "Too many columns", f"A{reader.line_num}")
            yield path.name, reader.line_num, cells


def _is_text(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while part := file.read(1 << 20):
                if "\0" in part:
                    return False
    except UnicodeDecodeError:
        return False
    return True


def _workbook(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    # opened by us: of a damaged one the library leaves the file open
    with path.open("rb") as file:
        yield from _rows_of(path, file)


def _rows_of(path: Path, file: BinaryIO) -> Iterator[tuple[str, int, list[str]]]:
    openpyxl = workbooks()
    _check_archive(path)
    try:
        book = _quietly(
            lambda: openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        )
    except Exception as error:
        raise _no_workbook(path, error) from error
    try:
        sheets = book.worksheets
        if not sheets:
            raise Unreadable(path, "没有工作表", "It has no sheet")
        rows = sheets[0].iter_rows(max_col=MAX_COLUMNS, values_only=True)
        number = 0
        while number <= 4 * MAX_ROWS:
            try:
                found = _quietly(lambda: [[_text(each) for each in row] for row in islice(rows, _AT_ONCE)])
            except Exception as error:
                raise _no_workbook(path, error) from error
            for cells in found:
                number += 1
                yield sheets[0].title, number, cells
            if len(found) < _AT_ONCE:
                return
        raise Unreadable(path, "空行过多", "Too many empty rows")
    finally:
        book.close()


def workbooks() -> ModuleType:
    """The library that reads and writes workbooks; heavy, and needed by nothing else.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module("openpyxl")
    except ModuleNotFoundError:
        raise ConfigurationError([say("import.no_openpyxl")]) from None


def _quietly(work: Callable[[], T]) -> T:
    """Do something without the reader's warnings about what it leaves out of a workbook: styles, extensions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def _no_workbook(path: Path, error: Exception) -> Unreadable:
    kind = type(error).__name__
    return Unreadable(
        path, f"不是可读的 XLSX 工作簿（{kind}）", f"No XLSX workbook that can be read ({kind})"
    )


def _check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to more than a table of the largest size does, before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # what a member says of its size is what is unpacked at most
            total = sum(each.file_size for each in members)
            for each in members:
                is_bomb = each.file_size > _SMALL and each.file_size > _RATIO * max(each.compress_size, 1)
                is_long = each.filename.endswith("sharedStrings.xml") and each.file_size > _MAX_STRINGS
                if is_bomb or is_long or total > MAX_UNPACKED or len(members) > MAX_MEMBERS:
                    raise Unreadable(path, "解压后过大，拒绝打开", "It unpacks to too much and is not opened")
                with archive.open(each) as file:
                    if b"<!DOCTYPE" in file.read(4096):
                        raise Unreadable(
                            path, "工作簿含 DOCTYPE，拒绝打开", "A workbook with a DOCTYPE is not opened"
                        )
    except Unreadable:
        raise
    except Exception as error:
        raise _no_workbook(path, error) from error


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else ""
        case int() | float():
            if abs(value) >= _EXACT:
                return f"{value:.0f}{_INEXACT}"
            return str(int(value)) if value == int(value) else str(value)
        case datetime():
            whole_day = (value.hour, value.minute, value.second) == (0, 0, 0)
            return value.date().isoformat() if whole_day else value.isoformat(" ", "minutes")
        case date():
            return value.isoformat()
        case _:
            return str(value)
