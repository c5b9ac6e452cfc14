"""What cells of standing stock are read as, and what a kind of standing stock is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2

from services.cli.sheets import Column, Problem, Row
from services.procedures.calendar import ZONE

_YES: Final = frozenset({"是", "1", "y", "yes", "true"})
_NO: Final = frozenset({"", "否", "0", "n", "no", "false"})
_KINDS: Final = {
    "单位": bodies_pb2.SUBJECT_KIND_UNIT, "个人": bodies_pb2.SUBJECT_KIND_CITIZEN,
    "未知": bodies_pb2.SUBJECT_KIND_UNKNOWN,
}  # fmt: skip


class BadCell(Exception):
    """A cell cannot be read."""

    def __init__(self, key: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.key, self.zh, self.en = key, zh, en


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of standing stock.

    Attributes:
        name: On the command line.
        title: Of its sheet, and in English.
        columns: Of its template.
        make: What a row becomes; raises `BadCell`.
        key: What a row is known by: its second occurrence in a file is refused.
        fields: Beginning of a field's path to the column that it comes from.
        materials: Columns that name files, with the kind of material that each becomes.
    """

    name: str
    title: tuple[str, str]
    columns: tuple[Column, ...]
    make: Callable[[Row], Message]
    key: tuple[str, ...]
    fields: Mapping[str, str]
    materials: Mapping[str, str] = field(default_factory=dict)

    def problem(self, row: Row, at: str, zh: str, en: str) -> Problem:
        """A problem that was found with a field of the message, at the row's cell."""
        matching = [path for path in self.fields if at.startswith(path)]
        key = self.fields[max(matching, key=len)] if matching else self.key[0]
        return row.problem(key, zh, en)


def moment(row: Row, key: str) -> Timestamp | None:
    """A day, its beginning, or a time; None for an empty cell."""
    text = row[key].replace("/", "-").replace("年", "-").replace("月", "-").rstrip("日")
    if not text:
        return None
    try:
        found = datetime.combine(date.fromisoformat(text), time(), ZONE)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise BadCell(
                key, "不是日期或时间，如 2026-01-01 或 2026-01-01 09:30", "No date or time"
            ) from None
    stamp = Timestamp()
    stamp.FromDatetime(found if found.tzinfo else found.replace(tzinfo=ZONE))
    return stamp


def word(row: Row, key: str, words: Mapping[str, Any], otherwise: Any = None) -> Any:
    """What a word stands for; `otherwise` for an empty cell."""
    text = row[key]
    if not text and otherwise is not None:
        return otherwise
    if text not in words:
        listed = "、".join(dict.fromkeys(words))
        raise BadCell(key, f"应为：{listed}", f"One of: {listed}")
    return words[text]


def flag(row: Row, key: str) -> bool:
    """Yes or no."""
    if row[key].lower() not in _YES | _NO:
        raise BadCell(key, "填“是”或留空", "是 (yes) or nothing")
    return row[key].lower() in _YES


def listed(row: Row, key: str) -> list[str]:
    """Several words in one cell."""
    text = row[key]
    for sign in "、，,;；\n":
        text = text.replace(sign, " ")
    return text.split()


def subject(row: Row, prefix: str = "") -> bodies_pb2.Subject:
    """A subject from its columns, whose keys may have a beginning of their own."""
    kind = word(row, f"{prefix}kind", _KINDS, bodies_pb2.SUBJECT_KIND_UNKNOWN)
    if row[f"{prefix}identifier"] and kind == bodies_pb2.SUBJECT_KIND_UNKNOWN:
        raise BadCell(f"{prefix}kind", "有代码或号码时须填类别", "With an identifier its kind is said")
    return bodies_pb2.Subject(
        kind=kind, name=row[f"{prefix}name"], identifier=row[f"{prefix}identifier"].upper(),
        address=row[f"{prefix}address"], telephone=row[f"{prefix}telephone"],
        representative=row[f"{prefix}representative"],
    )  # fmt: skip
