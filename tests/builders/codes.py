"""Code tables for tests."""

from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.codes import parts_of


def row(code: str, zh: str = "甲", pinyin: str = "jia", **fields: object) -> pb.CodeRow:
    """A code."""
    title = pb.Title(zh=zh, en=str(fields.pop("en", "A")))
    return pb.CodeRow(code=code, title=title, pinyin=pinyin, **fields)  # type: ignore[arg-type]


def entries_of(
    *rows: pb.CodeRow, name: str = "area", version: int = 1, uses: tuple[str, ...] = ()
) -> list[pb.CommonEntry]:
    """The entries that publish a version."""
    table = pb.CodeTable(name=name, version=version, title=pb.Title(zh="区划", en="Areas"), rows=rows)
    for each in uses:
        procedure, _, field = each.rpartition(".")
        table.uses.add(procedure=procedure, field=field)
    return [pb.CommonEntry(code_table=part) for part in parts_of(table)]


def many(count: int) -> list[pb.CodeRow]:
    """Villages below towns."""
    towns = [
        row(f"T{number:03d}", f"第{number}镇", f"di {number} zhen") for number in range(count // 100 + 1)
    ]
    villages = [
        row(
            f"V{number:05d}",
            f"第{number}村",
            f"di {number} cun",
            parent=f"T{number // 100:03d}",
            en=f"Village {number}",
        )
        for number in range(count - len(towns))
    ]
    return towns + villages
