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

from services import procedures
from services.cli import imports, stock
from services.cli.stock import KINDS
from services.cli.stock_cases import opening
from services.cli.stock_cells import Kind
from services.common.config import ConfigurationError
from services.exchange.directory import Directory
from tests.builders.ledger import MONDAY
from tests.unit.procedures.case_samples import SHIPPED

PROCEDURES = Path(procedures.__path__[0])
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
    "cases": {
        "key": "旧1", "title": "无证行医", "facts": "乙", "occurred_at": "2026-01-05 09:30", "source": "监督检查",
        "subject_name": "张三",
    },
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
    assert [each.cell for each in found.problems] == ["M3", "E2", "A2"]
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


def openings() -> list[tuple[str, str]]:
    """Procedures and acts that open a case of before: all but those that need another case, or a table of tasks."""
    return [
        (procedure.name, act.name)
        for procedure in SHIPPED.values()
        for act in procedure.acts.values()
        if procedure.initial in act.in_states
        and "linked_cases" not in act.requires
        and procedure.name != "campaign"
    ]


def plausible(kind: Kind) -> dict[str, object]:
    """A row with something in every cell, as the help sheet asks for it."""
    row: dict[str, object] = {}
    for column in kind.columns:
        help_zh = column.help_zh
        if column.key in ("occurred_at", "limit") or help_zh.startswith("如 20"):
            row[column.key] = "2026-01-05 09:30"
        elif column.key.startswith("party_"):
            row[column.key] = "market.qinghe"
        elif column.key == "subject_identifier":
            row[column.key] = ""
        elif help_zh in ("整数", "元"):
            row[column.key] = "3"
        elif help_zh.startswith("填“是”"):
            row[column.key] = "是"
        elif "、" in help_zh:
            row[column.key] = help_zh.split("、")[0]
        else:
            row[column.key] = "甲"
    return row


@pytest.mark.parametrize(("procedure", "act"), openings())
def test_every_opening_act_has_a_template_of_its_own(procedure: str, act: str, tmp_path: Path) -> None:
    """Derived from the act and its body: headings differ, and a row that is filled passes the contract's rules."""
    kind = opening(procedure, act)
    headings = [each.zh for each in kind.columns]
    assert len(set(headings)) == len(headings)
    row = plausible(kind)
    found = imports.read(kind, filled(tmp_path, kind, row))
    assert [str(each) for each in found.problems] == []
    ((_, message),) = found.rows
    assert isinstance(message, imports_pb.StandingCase)
    assert (message.draft.procedure, message.draft.act) == (procedure, act)
    rules = SHIPPED[procedure].acts[act]
    body = getattr(message.draft, message.draft.WhichOneof("body") or "")
    assert body.DESCRIPTOR.full_name == rules.body
    # every cell went somewhere
    assert len(body.ListFields()) == len(
        [each for each in body.DESCRIPTOR.fields if each.name in row or each.name == "subjects"]
    )
    assert {each.role for each in message.draft.parties} == {
        each.key.removeprefix("party_") for each in kind.columns if each.key.startswith("party_")
    }
    assert set(kind.materials.values()) == set(rules.needs)
    required = {each.key for each in kind.columns if each.required}
    assert {"key", "occurred_at"} <= required
    assert ("item_code" in rules.requires) == ("item_code" in required)
    assert ("requested_limit" in rules.requires) == ("limit" in required)


def test_a_regions_own_procedure_has_a_template_from_its_file(tmp_path: Path) -> None:
    """Under its own name; a defective file is told with its line."""
    text = (PROCEDURES / "complaint.yaml").read_text(encoding="utf-8")
    file = tmp_path / "own.yaml"
    file.write_text(text.replace("procedure: complaint\n", "procedure: own-complaint\n"), encoding="utf-8")
    kind = opening(str(file))
    row: dict[str, object] = {
        "key": "1",
        "occurred_at": "2026-01-05",
        "item_code": "1",
        "title": "甲",
        "facts": "乙",
    }
    ((_, message),) = imports.read(kind, filled(tmp_path, kind, row)).rows
    assert isinstance(message, imports_pb.StandingCase)
    assert (message.draft.procedure, message.draft.act) == ("own-complaint", "register")
    file.write_text(text.replace("becomes: received", "becomes: nowhere", 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.yaml:\d+: "):
        opening(str(file))


def test_what_cannot_open_a_case_of_before_has_no_template() -> None:
    """No such procedure, no such act, an act that needs another case, or a table that no cell can hold."""
    for procedure, act in (
        ("no-such", ""),
        ("../x", ""),
        ("complaint", "answer"),
        ("jurisdiction-dispute", ""),
        ("campaign", ""),
    ):
        with pytest.raises(ConfigurationError):
            opening(procedure, act)


def test_the_old_number_stands_in_the_facts(tmp_path: Path) -> None:
    """People who read the case find it under the number that it had."""
    kind = opening("complaint")
    row: dict[str, object] = {
        "key": "热线〔2025〕7号",
        "occurred_at": "2026-01-05",
        "item_code": "TS-0504",
        "title": "油烟",
        "facts": "扰民",
    }
    ((_, message),) = imports.read(kind, filled(tmp_path, kind, row)).rows
    assert isinstance(message, imports_pb.StandingCase)
    assert message.draft.complaint_record.facts == "扰民\n（存量办件，原编号：热线〔2025〕7号）"


async def test_materials_are_files_beside_the_sheet(tmp_path: Path) -> None:
    """Named by digest in the draft; what is not there, or lies elsewhere, is told at its cell."""
    kind = opening("supervised-case")
    row: dict[str, object] = {
        "key": "1",
        "occurred_at": "2026-01-05",
        "title": "甲",
        "facts": "乙",
        "grounds": "丙",
    }
    (tmp_path / "brief.pdf").write_bytes(b"%PDF")
    for name, cells in (("brief.pdf", 0), ("none.pdf", 1), ("../brief.pdf", 1)):
        found = imports.read(kind, filled(tmp_path, kind, row | {"material_case-brief": name}))
        await imports._attach(found, tmp_path)
        assert len(found.problems) == cells
        assert len(found.materials) == 1 - cells
        ((_, message),) = found.rows
        assert isinstance(message, imports_pb.StandingCase)
        assert [(each.kind, each.size) for each in message.draft.materials] == [("case-brief", 4)] * (
            1 - cells
        )
