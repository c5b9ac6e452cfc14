"""Templates of standing stock: what is written is read again, and what is wrong is told at its cell."""

import csv
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from liandong.cases.v1 import import_service_pb2 as imports_pb
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.exchange.v1 import reason_pb2

from services.cli import imports, stock
from services.cli.stock import KINDS, Kind
from services.common.config import ConfigurationError
from services.exchange.directory import Directory
from tests.builders.ledger import MONDAY

GOOD: dict[str, dict[str, object]] = {
    "contacts": {"department": "health.qinghe", "id": "p1", "name": "王芳", "roles": "联络员 承办人"},
    "authorities": {
        "item_code": "W1", "title_zh": "处罚", "department": "health.qinghe", "mode": "赋权", "valid_from": "2026/01/01",
    },
    "officers": {
        "number": "33-1", "department": "health.qinghe", "subject": "p1", "name": "王芳", "scope": "W1、W2",
        "valid_from": "2026-01-01", "valid_until": "2028-01-01",
    },
    "subjects": {"key": "1", "kind": "单位", "name": "青禾食品厂", "specialties": "01 02"},
    "cases": {"key": "旧1", "title": "无证行医", "facts": "乙", "discovered_at": "2026-01-05 09:30", "name": "张三"},
}  # fmt: skip


def filled(folder: Path, kind: Kind, *rows: dict[str, object]) -> Path:
    """The kind's own template, filled."""
    path = folder / f"{kind.name}.xlsx"
    imports._workbook(kind, path)
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append([row.get(column.key) for column in kind.columns])
    book.save(path)
    return path


def places(found: imports.Filled) -> list[str]:
    return sorted(each.cell for each in found.problems)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_filled_template_is_read_without_a_problem(kind: Kind, tmp_path: Path) -> None:
    """In either format; a template that nobody filled has no rows."""
    found = imports.read(kind, filled(tmp_path, kind, GOOD[kind.name]))
    assert places(found) == []
    ((_, message),) = found.rows
    text = tmp_path / "a.csv"
    with text.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.zh for column in kind.columns])
        writer.writerow([GOOD[kind.name].get(column.key, "") for column in kind.columns])
    ((_, again),) = imports.read(kind, text).rows
    assert again == message
    assert imports.read(kind, filled(tmp_path, kind)).rows == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_required_cell_is_missed_and_every_key_stands_once(kind: Kind, tmp_path: Path) -> None:
    """Each at its place."""
    required = [column.key for column in kind.columns if column.required]
    row = {key: value for key, value in GOOD[kind.name].items() if key != required[-1]}
    found = imports.read(kind, filled(tmp_path, kind, GOOD[kind.name], row, GOOD[kind.name]))
    letter = chr(ord("A") + [column.key for column in kind.columns].index(required[-1]))
    key = chr(ord("A") + [column.key for column in kind.columns].index(kind.key[0]))
    assert f"{letter}3" in places(found)
    assert f"{key}4" in places(found)


def test_words_and_days_are_told_at_their_cells(tmp_path: Path) -> None:
    """With what may stand there, in both languages."""
    row = GOOD["authorities"] | {"mode": "也许", "valid_from": "昨天", "withdrawn": "可能"}
    found = imports.read(stock.AUTHORITIES, filled(tmp_path, stock.AUTHORITIES, row))
    (problem,) = found.problems
    assert (problem.cell, problem.value) == ("F2", "也许")
    assert "赋权" in problem.zh
    assert problem.en
    row["mode"] = "委托"
    found = imports.read(stock.AUTHORITIES, filled(tmp_path, stock.AUTHORITIES, row))
    assert places(found) == ["J2"]


def test_what_the_contract_refuses_is_told_at_its_cell(tmp_path: Path) -> None:
    """By the field that the message names."""
    row = GOOD["subjects"] | {"specialties": "0" * 41}
    assert places(imports.read(stock.SUBJECTS, filled(tmp_path, stock.SUBJECTS, row))) == ["J2"]
    row = GOOD["subjects"] | {"kind": "", "identifier": "123"}
    assert places(imports.read(stock.SUBJECTS, filled(tmp_path, stock.SUBJECTS, row))) == ["B2"]


def test_what_a_node_refuses_is_told_at_its_cell(tmp_path: Path) -> None:
    """An identifier's check digit, a code that no table has."""
    found = imports.read(
        stock.CASES, filled(tmp_path, stock.CASES, GOOD["cases"], GOOD["cases"] | {"key": "旧2"})
    )
    for row, field, reason in (
        (1, "draft.discovery.subjects[0].identifier", reason_pb2.REASON_IDENTIFIER_INVALID),
        (0, "draft.area_code", reason_pb2.REASON_INVALID_FIELD),
        (0, "key", reason_pb2.REASON_REPLAYED_WITH_OTHER_CONTENT),
    ):
        fault = imports_pb.ImportFault(row=row, field=field, reason=reason, message="So it is.")
        found.complain(row, field, fault)
    assert [each.cell for each in found.problems] == ["M3", "J2", "A2"]
    assert all("So it is." in each.zh and "So it is." in each.en for each in found.problems)


def test_entries_are_compared_with_the_directory(tmp_path: Path) -> None:
    """New, other and the same; an unknown department is told at its cell, and each row sees those above it."""
    directory = Directory.empty("qinghe")
    title = entries.Title(zh="卫健", en="Health")
    department = entries.CommonEntry(department=entries.Department(name="health.qinghe", title=title))
    directory = directory.apply(department, version=1, position=0, admitted_at=MONDAY)
    row = GOOD["contacts"]
    found = imports.read(stock.CONTACTS, filled(tmp_path, stock.CONTACTS, row, row | {"id": "p2"}))
    counts, changes = imports._compared(found, directory)
    assert (counts.added, counts.changed, counts.unchanged) == (2, 0, 0)
    for version, each in enumerate(changes, start=2):
        directory = directory.apply(each, version=version, position=version, admitted_at=MONDAY)
    other = row | {"id": "p2", "telephone": "110"}
    found = imports.read(stock.CONTACTS, filled(tmp_path, stock.CONTACTS, row, other))
    counts, _ = imports._compared(found, directory)
    assert (counts.added, counts.changed, counts.unchanged) == (0, 1, 1)
    found = imports.read(
        stock.CONTACTS, filled(tmp_path, stock.CONTACTS, row | {"department": "nobody.qinghe"})
    )
    imports._compared(found, directory)
    assert places(found) == ["A2"]


@pytest.mark.parametrize(
    "kind", [stock.CONTACTS, stock.AUTHORITIES, stock.OFFICERS], ids=lambda kind: kind.name
)
def test_an_entry_that_is_in_force_changes_nothing(kind: Kind, tmp_path: Path) -> None:
    """Of each kind that is published."""
    directory = Directory.empty("qinghe")
    title = entries.Title(zh="卫健", en="Health")
    department = entries.CommonEntry(department=entries.Department(name="health.qinghe", title=title))
    directory = directory.apply(department, version=1, position=0, admitted_at=MONDAY)
    path = filled(tmp_path, kind, GOOD[kind.name])
    counts, (change,) = imports._compared(imports.read(kind, path), directory)
    assert (counts.added, counts.changed, counts.unchanged) == (1, 0, 0)
    directory = directory.apply(change, version=2, position=1, admitted_at=MONDAY)
    counts, changes = imports._compared(imports.read(kind, path), directory)
    assert (counts.added, counts.changed, counts.unchanged, changes) == (0, 0, 1, [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(
        st.lists(st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.none()), max_size=18),
        max_size=6,
    ),
)
def test_rows_of_anything_are_read_or_told(tmp_path: Path, name: str, rows: list[list[object]]) -> None:
    """Whatever people paste into a template."""
    kind = KINDS[name]
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.zh for column in kind.columns])
        writer.writerows(rows)
    try:
        found = imports.read(kind, path)
    except ConfigurationError:
        return
    assert len(found.rows) <= len(rows)
    assert all(each.zh and each.en for each in found.problems)
