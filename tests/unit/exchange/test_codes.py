"""Code tables: parts become versions, and codes are found by what people type."""

import random
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from liandong.directory.v1 import code_service_pb2 as service
from liandong.directory.v1 import common_entry_pb2 as pb
from sqlalchemy import Connection

from services.common.edge import validate
from services.common.errors import Conflict, InvalidField, NotFound
from services.common.permissions import missing_rows, rows_without_method
from services.exchange import code_store, codes
from services.exchange.code_handlers import NODE_RULES, REGISTRY_RULES, CodeHandlers
from services.exchange.code_tables import code_rows, code_terms
from services.exchange.codes import CodeTables
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entry
from services.exchange.letters import LETTER_LIMIT
from tests.builders.codes import entries_of, many, row
from tests.builders.ledger import MONDAY, Ledger, Node

TODAY = date(2026, 3, 2)


def taken(*entries: pb.CommonEntry) -> CodeTables:
    tables = CodeTables()
    for each in entries:
        tables = tables.with_part(each.code_table)
    return tables


def test_a_version_is_in_force_once_all_its_parts_are_there() -> None:
    """In any order of parts; before that the one before it stands."""
    first, second = entries_of(row("A")), entries_of(*many(2_100), version=2)
    assert len(second) == 3
    random.Random(7).shuffle(second)
    tables = taken(*first, *second[:2])
    assert (tables.in_force["area"].version, tables.coming["area"].version) == (1, 2)
    tables = tables.with_part(second[2].code_table)
    assert (tables.in_force["area"].version, tables.in_force["area"].rows) == (2, 2_100)
    assert not tables.coming


def test_a_part_that_says_nothing_new_changes_nothing() -> None:
    """Repeated, of an older version, or of another version under the same number."""
    parts = entries_of(*many(1_500))
    tables = taken(parts[0])
    assert tables.with_part(parts[0].code_table) is tables
    other = entries_of(*many(1_400))[1].code_table
    assert tables.with_part(other) is tables
    assert tables.fault(other) is not None
    whole = tables.with_part(parts[1].code_table)
    assert whole.with_part(parts[1].code_table) is whole
    assert whole.fault(parts[1].code_table) is None
    assert whole.fault(other) is not None


@given(st.permutations(list(range(6))), st.lists(st.integers(0, 5), max_size=4))
def test_every_order_of_parts_leads_to_the_same_tables(order: list[int], again: list[int]) -> None:
    """Two versions, interleaved and repeated: the newest that is whole is in force."""
    entries = [*entries_of(*many(2_001)), *entries_of(*many(2_002), version=2)]
    tables = taken(*(entries[index] for index in [*order, *again]))
    assert (tables.in_force["area"].version, tables.in_force["area"].rows) == (2, 2_002)


def test_a_table_of_five_thousand_rows_fits_its_entries() -> None:
    """Each part keeps the rules of its contract and the size of a letter."""
    entries = entries_of(*many(5_000))
    assert sum(len(each.code_table.rows) for each in entries) == 5_000
    for each in entries:
        validate(each)
        assert each.ByteSize() < LETTER_LIMIT


def test_a_part_that_says_nonsense_is_not_published() -> None:
    """A version that is taken, a code that stands twice, a day that does not exist."""
    directory = Directory.empty("qinghe").apply(
        entries_of(row("A"))[0], version=1, position=0, admitted_at=MONDAY
    )
    with pytest.raises(Conflict) as conflict:
        check_entry(entries_of(row("B"))[0], directory)
    assert conflict.value.field == "code_table.version"
    check_entry(entries_of(row("A"))[0], directory)
    for bad, field in (
        (row("B", valid_from="2026-02-30"), "valid_from"),
        (row("B", valid_from="2026-02-02", valid_until="2026-01-01"), "valid_until"),
        (row("B", parent="B"), "parent"),
    ):
        with pytest.raises(InvalidField) as refused:
            check_entry(entries_of(bad, version=2)[0], directory)
        assert refused.value.field == f"code_table.rows[0].{field}"
    with pytest.raises(InvalidField) as twice:
        check_entry(entries_of(row("B"), row("B"), version=2)[0], directory)
    assert twice.value.field == "code_table.rows[1].code"


def test_a_code_is_used_from_its_first_day_to_the_day_before_its_last() -> None:
    """And not once it is retired."""
    code = row("A", valid_from="2026-03-02", valid_until="2026-03-04")
    days = [date(2026, 3, day) for day in (1, 2, 3, 4)]
    assert [codes.usable(code, day) for day in days] == [False, True, True, False]
    assert not codes.usable(row("A", retired=True), TODAY)


WATER = row("SZ02", "供应的饮用水不符合国家卫生标准", "gong ying de yin yong shui bu fu he guo jia wei sheng biao zhun",
            en="Water below national standards", parent="SZ")  # fmt: skip
SAMPLE = (
    row("SZ", "生活饮用水卫生", "sheng huo yin yong shui wei sheng", en="Drinking water"),
    WATER,
    row("GG", "公共场所卫生", "gong gong chang suo wei sheng", en="Public places"),
    row("XJ", "小镜", "xiao jing", retired=True, en="Gone"),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sz", ["SZ", "SZ02"]),
        ("SZ02", ["SZ02"]),
        ("饮用水", ["SZ", "SZ02"]),
        ("公共 卫生", ["GG"]),
        ("shyys", ["SZ"]),
        ("yys", ["SZ", "SZ02"]),
        ("yinyongshui", ["SZ", "SZ02"]),
        ("gong gong", ["GG", "SZ02"]),
        ("drinking", ["SZ"]),
        ("WATER", ["SZ02", "SZ"]),
        ("ＳＺ０２", ["SZ02"]),
        ("水卫", ["SZ"]),
        ("xj", []),
        ("没有", []),
        ("%", []),
        ("_", []),
    ],
)
def test_codes_are_found_by_what_people_type(
    market: Node, ledger: Ledger, query: str, found: list[str]
) -> None:
    """Code, words, pinyin, initials, English, in either width and case; what is retired is not offered."""
    for entry in entries_of(*SAMPLE, name="cause"):
        ledger.common(entry)
    market.take()
    tables = list(market.department.directory.codes.in_force.values())
    rows = market.database.read(
        lambda connection: code_store.search(connection, tables, query, usable_on=TODAY, limit=20)
    )
    assert [each.code for _, each in rows] == found


async def test_a_node_serves_what_was_delivered(market: Node, ledger: Ledger) -> None:
    """Tables, codes with those above them, pages; retired ones are read but not offered."""
    for entry in entries_of(*SAMPLE, name="cause", uses=("complaint.item_code",)):
        ledger.common(entry)
    market.take()
    department = market.department
    serving = CodeHandlers(lambda: department.directory, market.database, ledger.clock)
    context: object = None
    (table,) = (await serving.ListTables(service.ListTablesRequest(), context)).tables  # type: ignore[arg-type]
    assert (table.name, table.version, table.rows, table.uses[0].field) == ("cause", 1, 4, "item_code")

    async def codes_of(**asked: object) -> tuple[list[str], str]:
        request = service.SearchCodesRequest(table="cause", **asked)  # type: ignore[arg-type]
        answer = await serving.SearchCodes(request, context)  # type: ignore[arg-type]
        return [each.row.code for each in answer.codes], answer.next_page_token

    assert await codes_of(page_size=2) == (["GG", "SZ"], "SZ")
    assert await codes_of(page_size=2, page_token="SZ") == (["SZ02"], "")
    assert await codes_of(parent="SZ") == (["SZ02"], "")
    assert await codes_of(include_retired=True) == (["GG", "SZ", "SZ02", "XJ"], "")
    one = await serving.GetCode(service.GetCodeRequest(table="cause", code="SZ02"), context)  # type: ignore[arg-type]
    assert ([each.code for each in one.above], one.code.usable) == (["SZ"], True)
    gone = await serving.GetCode(service.GetCodeRequest(table="cause", code="XJ"), context)  # type: ignore[arg-type]
    assert not gone.code.usable
    for asked in ({"table": "cause", "code": "ZZ"}, {"table": "other", "code": "A"}):
        with pytest.raises(NotFound):
            await serving.GetCode(service.GetCodeRequest(**asked), context)  # type: ignore[arg-type]
    with pytest.raises(InvalidField):
        await serving.SearchCodes(service.SearchCodesRequest(), context)  # type: ignore[arg-type]


def test_a_big_table_is_searched_in_its_newest_version_and_not_kept_in_memory(
    market: Node, ledger: Ledger
) -> None:
    """Five thousand rows, twice: the older version is read by its number and found no more."""
    for version in (1, 2):
        rows = many(5_000) if version == 1 else [*many(5_000)[:-1], row("NEW", "新村", "xin cun")]
        for entry in entries_of(*rows, version=version):
            ledger.common(entry)
    market.take()
    table = market.department.directory.codes.in_force["area"]
    assert (table.version, table.rows) == (2, 5_000)

    def count(connection: Connection) -> tuple[int, set[int]]:
        versions = connection.execute(sa.select(code_terms.c.version).distinct()).scalars()
        total = connection.execute(sa.select(sa.func.count()).select_from(code_rows)).scalar_one()
        return total, set(versions)

    assert market.database.read(count) == (10_000, {2})
    found = market.database.read(lambda connection: code_store.search(connection, [table], "xc", limit=5))
    assert [each.code for _, each in found] == ["NEW"]
    old = market.database.read(lambda connection: code_store.find(connection, ("area", 1), ["V04948"]))
    assert "V04948" in old


def test_every_method_has_a_row() -> None:
    """On either server, and no row names a method that is none."""
    offered = [service.DESCRIPTOR.services_by_name["CodeService"]]
    for table in (NODE_RULES, REGISTRY_RULES):
        assert missing_rows(table, offered) == []
        assert rows_without_method(table, offered) == []


@given(st.text(max_size=60), st.text(max_size=60))
def test_terms_of_anything_are_made_and_bounded(zh: str, en: str) -> None:
    """Whatever a title holds."""
    terms = codes.terms_of(row("A", zh, zh, en=en))
    assert all(0 < len(each.text) <= codes.TERM_LENGTH for each in terms)
    assert len(terms) <= 1 + 4 * 24
