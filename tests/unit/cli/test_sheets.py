"""Tables that people send: what is read, and that nothing hostile gets further than its refusal."""

import random
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli import sheets
from services.cli.sheets import Column, Row, Table, Unreadable

COLUMNS = (Column("code", "代码", "Code", required=True, limit=5), Column("day", "日期", "Day"))


def workbook(path: Path, *rows: Sequence[object]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "表一"
    for row in rows:
        sheet.append(list(row))
    book.save(path)
    return path


def read(path: Path) -> tuple[list[Row], list[str]]:
    table = Table(path, COLUMNS)
    rows = list(table.rows())
    return rows, [f"{each.sheet}!{each.cell} {each.en}" for each in table.problems]


def test_a_workbook_and_a_text_are_read_alike(tmp_path: Path) -> None:
    """Numbers, days and blanks as people see them; headings in either language, with a star or not."""
    book = workbook(tmp_path / "a.xlsx", ["代码*", "Day"], [101, date(2026, 3, 2)], [], ["B", None])
    text = tmp_path / "a.csv"
    text.write_text("code,日期\n101,2026-03-02\n\nB,\n", encoding="gb18030")
    for path in (book, text):
        rows, problems = read(path)
        assert [(each.number, each["code"], each["day"]) for each in rows] == [
            (2, "101", "2026-03-02"),
            (4, "B", ""),
        ]
        assert problems == []


def test_every_bad_cell_is_named(tmp_path: Path) -> None:
    """By sheet, place and reason; all of them, not the first."""
    path = workbook(
        tmp_path / "a.xlsx",
        ["代码", "无此列", "代码"],
        ["toolong", "", ""],
        ["", "x", ""],
        [3301021990010112345, "", ""],
    )
    _, problems = read(path)
    assert problems == [
        "表一!B1 No such column",
        "表一!C1 This column stands twice",
        "表一!A2 More than 5 characters",
        "表一!A3 Required",
        "表一!A4 More than 5 characters",
    ]
    wide = (Column("code", "代码", "Code", limit=40),)
    table = Table(workbook(tmp_path / "b.xlsx", ["代码"], [3301021990010112345]), wide)
    list(table.rows())
    assert "format as text" in table.problems[0].en


def test_a_missing_column_is_told_once(tmp_path: Path) -> None:
    """Not in every row."""
    _, problems = read(workbook(tmp_path / "a.xlsx", ["日期"], ["2026-01-01"], ["2026-01-02"]))
    assert problems == ["表一!A1 This column is missing"]


def bomb(path: Path, name: str, size: int) -> Path:
    """A workbook with a part that unpacks to far more than it takes."""
    whole = workbook(path.with_suffix(".good"), ["代码"], ["A"])
    with zipfile.ZipFile(whole) as good, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad:
        for each in good.infolist():
            content = good.read(each)
            bad.writestr(each.filename, content + b" " * size if each.filename == name else content)
    return path


@pytest.mark.parametrize("name", ["xl/worksheets/sheet1.xml", "xl/styles.xml"])
def test_a_bomb_is_not_opened(tmp_path: Path, name: str) -> None:
    """Whatever part of the workbook it is in."""
    with pytest.raises(Unreadable) as refused:
        read(bomb(tmp_path / "a.xlsx", name, 30_000_000))
    assert "unpacks to too much" in refused.value.problem.en


def test_entities_are_not_opened(tmp_path: Path) -> None:
    """A document type has no place in a workbook."""
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as bad:
        bad.writestr("[Content_Types].xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(Unreadable, match="DOCTYPE"):
        read(path)


def test_more_rows_than_a_file_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are all read."""
    monkeypatch.setattr(sheets, "MAX_ROWS", 3)
    path = tmp_path / "a.csv"
    path.write_text("code\n" + "A\n" * 4, encoding="utf-8")
    with pytest.raises(Unreadable, match="3 rows"):
        read(path)


def test_an_old_workbook_says_what_to_do(tmp_path: Path) -> None:
    """Instead of reading its bytes as text."""
    path = tmp_path / "a.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(Unreadable, match="XLSX"):
        read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.binary(max_size=2_000), st.sampled_from(["a.xlsx", "a.csv"]))
def test_garbage_is_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    """Never anything else, whatever the file says that it is."""
    path = tmp_path / name
    path.write_bytes(content)
    try:
        read(path)
    except Unreadable:
        return


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32))
def test_a_damaged_workbook_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    """Bytes of it changed, or a part of its XML, at random."""
    good = tmp_path / "good.xlsx"
    if not good.exists():
        workbook(good, ["代码", "日期"], *[[f"A{number}", "2026-01-01"] for number in range(20)])
    chance, path = random.Random(seed), tmp_path / "bad.xlsx"
    if chance.random() < 0.5:
        content = bytearray(good.read_bytes())
        for _ in range(chance.randint(1, 20)):
            content[chance.randrange(4, len(content))] = chance.randrange(256)
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(good) as whole, zipfile.ZipFile(path, "w") as bad:
            victim = chance.choice(whole.namelist())
            for name in whole.namelist():
                content = bytearray(whole.read(name))
                for _ in range(chance.randint(1, 5) if name == victim else 0):
                    content[chance.randrange(len(content))] = chance.randrange(256)
                bad.writestr(name, bytes(content))
    try:
        read(path)
    except Unreadable:
        return
