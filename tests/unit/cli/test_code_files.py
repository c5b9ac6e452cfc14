"""Code tables as files: what is wrong is named, what is left out stays, pinyin is made."""

from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as pb

from services.cli.code_files import DefectiveTable, following, read_table, spelled
from services.cli.codes import SEEDS
from services.common.edge import validate
from services.exchange.codes import parts_of
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entry
from tests.builders.codes import row

HEADINGS = "代码,上级代码,中文名称,英文名称,启用日期,停用日期,停用,替代代码"


def file(folder: Path, *rows: str, head: str = "#table,area\n#title,区划,Areas\n#uses,area_code\n") -> Path:
    path = folder / "area.csv"
    path.write_text(head + "\n".join([HEADINGS, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*.csv")), ids=lambda path: path.stem)
def test_the_tables_that_come_with_the_product_are_sound(seed: Path) -> None:
    """Each can be published as it is."""
    table = read_table(seed)
    table.version = 1
    assert table.name == seed.stem
    for part in parts_of(table):
        entry = pb.CommonEntry(code_table=part)
        validate(entry)
        check_entry(entry, Directory.empty("qinghe"))


def test_industries_are_those_of_the_standard() -> None:
    """GB/T 4754—2017 has 20 sections and 97 divisions."""
    rows = read_table(SEEDS / "industry.csv").rows
    assert (sum(not each.parent for each in rows), sum(bool(each.parent) for each in rows)) == (20, 97)


def test_a_file_is_read_with_pinyin(tmp_path: Path) -> None:
    """Titles that lack English get their pinyin; phrases decide readings."""
    table = read_table(file(tmp_path, "hexi,,河西镇,,2026-01-01,,,", "old,hexi,重庆路,Road,,,是,hexi"))
    first, second = table.rows
    assert (first.pinyin, first.title.en, first.valid_from) == ("he xi zhen", "He Xi Zhen", "2026-01-01")
    assert (second.pinyin, second.retired, list(second.replaced_by)) == ("chong qing lu", True, ["hexi"])
    assert [(use.procedure, use.field) for use in table.uses] == [("", "area_code")]


def test_every_bad_cell_is_named(tmp_path: Path) -> None:
    """All of them at once."""
    path = file(
        tmp_path, "A,,甲,,,,,", "A,,乙,,,,,", "B,Z,丙,,2026-13-01,,,", "C,,丁,,2026-02-02,2026-02-01,也许,",
        "D,E,戊,,,,,", "E,D,己,,,,,Q", "坏,,庚,,,,,",
    )  # fmt: skip
    with pytest.raises(DefectiveTable) as refused:
        read_table(path)
    places = sorted({line.split("!")[1].split(" ")[0] for line in refused.value.mistakes})
    assert places == ["A11", "A6", "B10", "B7", "B9", "E7", "F8", "G8", "H10"]


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    """Without a name, or with a field that no header has, it is refused."""
    for head in ("", "#table,area\n", "#table,area\n#title,区划,Areas\n#uses,title\n"):
        with pytest.raises(DefectiveTable):
            read_table(file(tmp_path, "A,,甲,,,,,", head=head))


def test_what_a_file_leaves_out_stays_as_retired() -> None:
    """Letters name it; said once, and what is the same again changes nothing."""
    standing = [row("A"), row("B"), row("C", retired=True)]
    made, difference = following(pb.CodeTable(rows=[row("A", zh="新"), row("D")]), standing, 2)
    assert difference.added == ("D",)
    assert difference.changed == ("A",)
    assert difference.retired == ("B",)
    assert difference.unchanged == 1
    assert {each.code: each.retired for each in made.rows} == {"A": False, "D": False, "B": True, "C": True}
    _, again = following(pb.CodeTable(rows=[row("A", zh="新"), row("D")]), list(made.rows), 3)
    assert again.is_none


def test_pinyin_holds_letters_and_digits_alone() -> None:
    """What stands between them is left out."""
    assert spelled("吕（A座）2号") == "lv a zuo 2 hao"
