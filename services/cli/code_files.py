"""Code tables as people edit them: from a file to a version, checked, with pinyin, compared with the one in force.

Above the headings a file may say what it is, in rows that begin with `#`: `#table`, `#title` in both languages,
`#source`, `#uses`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.cli.sheets import Column, Problem, Row, Table
from services.cli.texts import say
from services.common.config import ConfigurationError
from services.common.edge import validate
from services.common.errors import InvalidField, LimitExceeded

COLUMNS: Final = (
    Column("code", "代码", "Code", required=True, limit=40),
    Column("parent", "上级代码", "Parent", limit=40),
    Column("title_zh", "中文名称", "Chinese title", required=True),
    Column("title_en", "英文名称", "English title"),
    Column("valid_from", "启用日期", "Valid from", limit=10),
    Column("valid_until", "停用日期", "Valid until", limit=10),
    Column("retired", "停用", "Retired", limit=10),
    Column("replaced_by", "替代代码", "Replaced by"),
    Column("pinyin", "拼音", "Pinyin", limit=800),
)
_YES: Final = frozenset({"1", "是", "y", "yes", "true", "停用"})
_NO: Final = frozenset({"", "0", "否", "n", "no", "false"})


class DefectiveTable(ConfigurationError):
    """The file is refused; every bad cell is named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version changes; codes in the order of the file, those that it leaves out last."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    unchanged: int

    @property
    def is_none(self) -> bool:
        """Whether nothing changes."""
        return not (self.added or self.changed or self.retired)


def read_table(path: Path) -> pb.CodeTable:
    """The table of a file, of no version yet.

    Raises:
        DefectiveTable: With every bad cell.
        Unreadable: It is no table.
        OSError: It cannot be read.
    """
    sheet = Table(path, COLUMNS)
    table = pb.CodeTable()
    rows: dict[str, Row] = {}
    for row in sheet.rows():
        if row["code"] in rows:
            first = rows[row["code"]].number
            sheet.complain(row.problem("code", f"与第 {first} 行重复", f"Stands in row {first} already"))
            continue
        rows[row["code"]] = row
        made = _row(row, sheet)
        if made is not None:
            table.rows.append(made)
    problems = list(sheet.problems)
    problems += _relations(rows)
    problems += _heading(table, sheet, path)
    if problems:
        raise DefectiveTable([str(each) for each in problems])
    return table


def _row(row: Row, sheet: Table) -> pb.CodeRow | None:
    found = len(sheet.problems)
    if row["retired"].lower() not in _YES | _NO:
        sheet.complain(row.problem("retired", "填“是”或留空", "Yes or nothing"))
    for key in ("valid_from", "valid_until"):
        if row[key] and _day(row[key]) is None:
            sheet.complain(row.problem(key, "不是日期，如 2026-01-01", "No date such as 2026-01-01"))
    since, until = _day(row["valid_from"]), _day(row["valid_until"])
    if until and since and until <= since:
        sheet.complain(row.problem("valid_until", "早于启用日期", "Before the day it is used from"))
    pinyin = row["pinyin"].lower() or spelled(row["title_zh"])
    made = pb.CodeRow(
        code=row["code"],
        parent=row["parent"],
        title=pb.Title(zh=row["title_zh"], en=row["title_en"] or pinyin.title() or row["code"]),
        valid_from=since or "",
        valid_until=until or "",
        retired=row["retired"].lower() in _YES,
        replaced_by=row["replaced_by"].replace("、", " ").replace(",", " ").split(),
        pinyin=pinyin,
    )
    if len(sheet.problems) > found:
        return None
    try:
        validate(made)
    except (InvalidField, LimitExceeded) as error:
        name = error.field.partition("[")[0].replace("title.", "title_")
        key = name if name in row.values else "code"
        sheet.complain(row.problem(key, f"不合规则：{error.message}", error.message))
        return None
    return made


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text.replace("/", "-").replace(".", "-")).isoformat() if text else None
    except ValueError:
        return None


def _relations(rows: Mapping[str, Row]) -> Iterator[Problem]:
    """What each row says of others: they exist, and none stands above itself."""
    for code, row in rows.items():
        parent = row["parent"]
        if parent and parent not in rows:
            yield row.problem("parent", "表中没有此代码", "No such code in the table")
        elif _in_circle(code, rows):
            yield row.problem("parent", "上级关系成环", "The codes above it form a circle")
        for other in row["replaced_by"].replace("、", " ").replace(",", " ").split():
            if other not in rows or other == code:
                yield row.problem(
                    "replaced_by", f"表中没有代码 {other}", f"No other code {other} in the table"
                )


def _in_circle(code: str, rows: Mapping[str, Row]) -> bool:
    seen = {code}
    above = rows[code]["parent"]
    while above in rows:
        if above == code:
            return True
        if above in seen:
            return False
        seen.add(above)
        above = rows[above]["parent"]
    return False


def _heading(table: pb.CodeTable, sheet: Table, path: Path) -> Iterator[Problem]:
    said = sheet.preamble
    name, title = said.get("table", [""])[0:1], said.get("title", [])
    table.name = "".join(name)
    if not table.name or len(title) < 2:  # noqa: PLR2004 - both languages
        yield Problem(
            path.name, "A1", "#table #title", "", "表头之上须有 #table,名称 和 #title,中文,英文",
            "Above the headings stand #table,NAME and #title,CHINESE,ENGLISH",
        )  # fmt: skip
        return
    table.title.zh, table.title.en = title[:2]
    table.source = "，".join(said.get("source", []))
    for each in said.get("uses", []):
        procedure, _, field = each.rpartition(".")
        table.uses.add(procedure=procedure, field=field)
    if not table.rows:
        return
    try:
        head = pb.CodeTable()
        head.CopyFrom(table)
        del head.rows[1:]
        head.version, head.parts, head.digest = 1, 1, bytes(32)
        validate(head)
    except (InvalidField, LimitExceeded) as error:
        yield Problem(path.name, "A1", error.field, "", f"不合规则：{error.message}", error.message)


def spelled(title: str) -> str:
    """A Chinese title in pinyin without tones, a blank between syllables, v for ü; signs are left out.

    Phrases decide readings: 重庆 is `chong qing`.
    """
    try:
        # its dictionaries take 40 MiB: only for whoever publishes
        from pypinyin import lazy_pinyin  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError([say("codes.no_pinyin")]) from None
    pieces = (
        "".join(each for each in piece if each.isascii() and each.isalnum()) for piece in lazy_pinyin(title)
    )
    return " ".join(piece.lower() for piece in pieces if piece)


def following(
    table: pb.CodeTable, standing: list[pb.CodeRow], version: int
) -> tuple[pb.CodeTable, Difference]:
    """The version that follows the one in force, and what it changes.

    A code that the file leaves out stays, as retired: letters name it.
    """
    before = {row.code: row for row in standing}
    after = {row.code: row for row in table.rows}
    made = pb.CodeTable()
    made.CopyFrom(table)
    made.version = version
    retired = []
    for code, row in before.items():
        if code not in after:
            kept = made.rows.add()
            kept.CopyFrom(row)
            if not row.retired:
                kept.retired = True
                retired.append(code)
    changed = [code for code, row in after.items() if code in before and row != before[code]]
    added = [code for code in after if code not in before]
    unchanged = len(made.rows) - len(added) - len(changed) - len(retired)
    return made, Difference(tuple(added), tuple(changed), tuple(retired), unchanged)
