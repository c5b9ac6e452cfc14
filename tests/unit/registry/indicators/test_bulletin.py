"""The bulletin says what two frozen months say, in a document and in a workbook that open."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from openpyxl import load_workbook

from services.common.clock import ManualClock
from services.common.errors import PermissionDenied
from services.registry.indicators import catalogue
from services.registry.indicators.bulletin import COLUMNS, Bulletin, Language, gather
from services.registry.indicators.bulletin_docx import bulletin_document
from services.registry.indicators.freeze import NotFrozen
from services.registry.indicators.periods import Month
from services.registry.indicators.workbook import bulletin_workbook
from services.registry.oversight_scope import Scope
from tests.builders.departments import HEALTH, JUSTICE, MARKET
from tests.builders.registry import Bench, bench
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.indicators.test_freeze import freezer

CATALOGUE = catalogue.load()
OPERATOR = Scope("registry.qinghe", frozenset(), everything=True)
OFFICE = Scope(JUSTICE, frozenset({"case-transfer", "jurisdiction-dispute"}))


def forget_sessions(registry: Bench) -> None:
    for signer in registry.signers.values():
        vars(signer).pop("session", None)


@pytest.fixture
def two_months(sqlite_url: str, tmp_path: Path) -> Iterator[tuple[Bench, ManualClock]]:
    """January: sent in time, not signed for, not answered. February: the same once more, and signed for in time."""
    clock = ManualClock(at("2026-01-05 09:00"))
    with bench(sqlite_url, tmp_path, clock) as registry:
        registry.sent()
        clock.set(at("2026-02-03 09:00"))
        forget_sessions(registry)
        case_id, position = registry.sent()
        clock.set(at("2026-02-03 15:00"))
        forget_sessions(registry)
        signed = registry.market.act(case_id, "sign-for", based_on=position)
        registry.position(registry.market, signed)
        clock.set(at("2026-03-03 09:00"))
        assert freezer(registry, clock).freeze_due() == [Month(2026, 1), Month(2026, 2)]
        yield registry, clock


def made(
    world: tuple[Bench, ManualClock],
    scope: Scope = OPERATOR,
    language: Language = Language.ZH,
    month: str = "2026-02",
    procedure: str = "",
) -> Bulletin:
    registry, clock = world
    return registry.database.read(
        lambda connection: gather(
            connection,
            CATALOGUE,
            registry.replica.directory,
            scope,
            Month.parse(month),
            procedure,
            clock.now(),
            language,
        )
    )


def test_it_counts_what_the_two_months_counted(two_months: tuple[Bench, ManualClock]) -> None:
    """Worked by hand: health owed sending twice and did; market owed signing and replying twice, and signed once."""
    found = made(two_months)
    lines = {each.department: each for each in found.lines}
    health = dict(zip(COLUMNS, lines[HEALTH].values, strict=True))
    market = dict(zip(COLUMNS, lines[MARKET].values, strict=True))
    assert (health["received"], health["due"], health["met-on-time"], health["timeliness"]) == (
        2,
        2,
        2,
        10_000,
    )
    assert (market["received"], market["due"], market["met-on-time"], market["overdue"]) == (4, 4, 1, 3)
    assert market["timeliness"] == 2_500
    assert [lines[HEALTH].rank, lines[MARKET].rank] == [1, 2]
    assert found.total.values[: len(COLUMNS)] == (6, 6, 3, 0, 0, 3, 5_000, 0, 0)
    assert found.overdue_all == 3
    assert [each.department for each in found.overdue] == ["部门"] * 3
    assert found.overdue[0].due_at <= found.overdue[-1].due_at
    assert "收到应办事项6件" in found.paragraphs[0]
    assert "按时办结率50.00%" in found.paragraphs[0]
    assert any("环比：无数据" in text for text in found.paragraphs)
    assert len(found.basis) == 2


def test_it_is_compared_with_the_months_before(two_months: tuple[Bench, ManualClock]) -> None:
    """Where these are frozen too; each month alone is what it is."""
    registry, clock = two_months
    clock.set(at("2026-05-03 09:00"))
    assert len(freezer(registry, clock).freeze_due()) == 2
    later = made(two_months, month="2026-04", language=Language.EN)
    assert later.total.values[COLUMNS.index("timeliness")] is None
    assert any("Against the two months before: no data" in text for text in later.paragraphs)
    overlapping = made(two_months, month="2026-03", language=Language.EN)
    assert overlapping.total.values[COLUMNS.index("due")] == 3


def test_only_offices_and_operators_compile_it(two_months: tuple[Bench, ManualClock]) -> None:
    """An office of its mechanisms; nobody before both months are frozen."""
    assert made(two_months, OFFICE).total.values[0] == 6
    assert made(two_months, OFFICE, procedure="jurisdiction-dispute").total.values[0] == 0
    for scope in (Scope(MARKET, frozenset()), Scope(JUSTICE, frozenset({"jurisdiction-dispute"}))):
        with pytest.raises(PermissionDenied):
            made(two_months, scope, procedure="case-transfer")
    for month in ("2026-01", "2026-03"):
        with pytest.raises(NotFrozen):
            made(two_months, month=month)


def texts(document: Any) -> str:
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([each.text for each in document.paragraphs] + cells)


@pytest.mark.parametrize("language", list(Language))
def test_the_document_opens_and_says_it(two_months: tuple[Bench, ManualClock], language: Language) -> None:
    """Heading, text, the table of departments, what is overdue, and of which ledger."""
    given = made(two_months, language=language)
    document = Document(io.BytesIO(bulletin_document(given)))
    said = texts(document)
    assert given.title in said
    assert given.paragraphs[0] in said
    assert given.basis[1] in said
    table = document.tables[0]
    assert [cell.text for cell in table.rows[0].cells][2:] == list(given.columns)
    assert len(table.rows) == 1 + len(given.lines) + 1
    assert [cell.text for cell in table.rows[1].cells][8] == "100.00%"
    assert len(document.tables[1].rows) == 1 + 3


def test_the_workbook_opens_and_holds_numbers(two_months: tuple[Bench, ManualClock]) -> None:
    """Counts as numbers, shares as shares, texts never as formulas or broken by control characters."""
    given = made(two_months)
    hostile = replace(given.lines[0], title="=cmd|'/c calc'!A1\x07")
    book = load_workbook(io.BytesIO(bulletin_workbook(replace(given, lines=(hostile, *given.lines[1:])))))
    sheet = book.worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0][0] == given.title
    assert rows[3][2:] == list(given.columns)
    assert rows[4][1] == "=cmd|'/c calc'!A1"
    assert sheet.cell(5, 2).data_type == "s"
    assert rows[4][2:] == [2, 2, 2, 0, 0, 0, 1, 0, 0]
    assert sheet.cell(5, 9).number_format == "0.00%"
    assert book.sheetnames == ["通报", "逾期未办", "文字"]
    assert len(list(book.worksheets[1].iter_rows())) == 1 + 3
