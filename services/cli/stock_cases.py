"""Templates of open cases: their columns come from the opening act of a procedure and from the body that it carries.

Nothing here knows a procedure by name: whatever a region's offices, fields, choices and materials are called, the
procedure and the catalogue of titles say.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import import_service_pb2 as imports
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services import procedures
from services.cli.sheets import Column, Row
from services.cli.stock_cells import BadCell, Kind, flag, listed, moment, subject, word
from services.common import titles
from services.common.config import ConfigurationError
from services.exchange.evidence import Manifest, manifest_of
from services.procedures.defects import DefectiveProcedure
from services.procedures.loader import load
from services.procedures.model import Act, Procedure

CASES: Final = "cases"
USUAL: Final = "case-transfer"
"""The procedure of open cases where none is named."""
_URGENCIES: Final = {
    "一般": envelopes.URGENCY_ORDINARY, "紧急": envelopes.URGENCY_URGENT, "重大": envelopes.URGENCY_MAJOR,
}  # fmt: skip
_HEADER: Final = {
    "item_code": ("事项编码", "Item code"), "area_code": ("区划编码", "Area code"),
    "outcome_code": ("结果编码", "Outcome code"), "reason_code": ("理由编码", "Reason code"),
}  # fmt: skip
_ALWAYS: Final = ("item_code", "area_code")
_BODIES: Final = {
    field.message_type.full_name: field  # type: ignore[union-attr]  # every choice is a message
    for field in cases.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
}
_NOTE: Final = "\n（存量办件，原编号：{key}）"
_LONGEST: Final = 19_000
_FEN: Final = "_fen"
_OWN: Final = ".yaml"
_SUBJECT: Final = bodies_pb2.Subject.DESCRIPTOR.full_name
_MOMENT: Final = Timestamp.DESCRIPTOR.full_name

Put = Callable[[Message, Row], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """A column, what its cell puts into the draft or body, and the fields that it stands for."""

    column: Column
    put: Put
    fields: tuple[str, ...] = ()


def opening(procedure: str = USUAL, act: str = "") -> Kind:
    """The template of open cases of a procedure.

    Args:
        procedure: Its name, or the file of a region's own, as `own.yaml`.
        act: Which of its opening acts; the first that it declares if empty.

    Raises:
        ConfigurationError: There is none such, or it cannot open a case of before.
        OSError: The file cannot be read.
    """
    known = {each.stem: each for each in sorted(Path(procedures.__path__[0]).glob("*.yaml"))}
    file = Path(procedure) if procedure.endswith(_OWN) else known.get(procedure)
    if file is None:
        raise ConfigurationError([f"--procedure: {', '.join(known)}, FILE{_OWN}"])
    try:
        rules = load(file)
    except DefectiveProcedure as error:
        raise ConfigurationError([str(each) for each in error.defects]) from None
    acts = [each for each in rules.acts.values() if rules.initial in each.in_states]
    chosen = next((each for each in acts if act in ("", each.name)), None)
    if chosen is None:
        raise ConfigurationError([f"--act: {', '.join(each.name for each in acts)}"])
    if "linked_cases" in chosen.requires or chosen.body not in _BODIES:
        raise ConfigurationError([f"{procedure}: {chosen.name} 须关联办件，不能导入 / needs another case"])
    return _kind(rules, chosen)


def _kind(rules: Procedure, act: Act) -> Kind:
    body = _BODIES[act.body]
    head = list(_header(rules, act))
    fields = list(_fields(body))
    columns = [_KEY, *(each.column for each in (*head, *fields))]
    materials = [_material(kind) for kind in act.needs]
    paths = {path: each.column.key for each in (*head, *fields) for path in each.fields}

    def make(row: Row) -> imports.StandingCase:
        made = imports.StandingCase(key=row["key"])
        made.draft.procedure, made.draft.act = rules.name, act.name
        for each in head:
            each.put(made.draft, row)
        inner = getattr(made.draft, body.name)
        inner.SetInParent()
        for each in fields:
            each.put(inner, row)
        return made

    return Kind(
        CASES,
        (f"在办{rules.title.zh}"[:31], f"Open cases: {rules.title.en}"),
        tuple(_distinct([*columns, *materials])),
        make,
        ("key",),
        {
            "key": "key", "draft.procedure": "key", "draft.act": "key", f"draft.{body.name}": "key",
            "draft.materials": materials[0].key if materials else "key", **paths,
        },
        materials={each.key: kind for each, kind in zip(materials, act.needs, strict=True)},
    )  # fmt: skip


# -- what stands in the header ----------------------------------------------------------------------

_KEY: Final = Column("key", "原编号", "Old number", True, 60, "再次导入时以此识别", "Known again by it")


def _header(rules: Procedure, act: Act) -> Iterator[Cell]:
    happened = Column(
        "occurred_at",
        act.occurred_at.zh,
        act.occurred_at.en,
        True,
        20,
        "期限自此起算",
        "Limits run from here",
    )
    yield Cell(happened, partial(_put_moment, "occurred_at", "occurred_at"), ("draft.occurred_at",))
    urgency = Column(
        "urgency", "紧急程度", "Urgency", False, 10, "、".join(_URGENCIES), "Ordinary, urgent, major"
    )
    yield Cell(urgency, _put_urgency, ("draft.urgency",))
    for name, (zh, en) in _HEADER.items():
        if name in _ALWAYS or name in act.requires:
            column = Column(name, zh, en, name in act.requires, 40)
            yield Cell(column, partial(_put_text, name, name, ""), (f"draft.{name}",))
    if "requested_limit" in act.requires:
        column = Column("limit", "期限", "Limit", True, 20, "须晚于导入之时", "Later than the import")
        yield Cell(column, partial(_put_moment, "limit", "requested_limit"), ("draft.requested_limit",))
    for role, title in rules.roles.items():
        if role not in act.by and role != "office":
            # the opening act names whom it likes, and must name those that it says it names
            column = Column(
                f"party_{role}", title.zh, title.en, role in act.names and role not in rules.many, 400,
                "部门名称，如 health.qinghe", "Dotted name of the department",
            )  # fmt: skip
            yield Cell(column, partial(_put_party, column.key, role), ("draft.parties",))


def _put_urgency(draft: Message, row: Row) -> None:
    draft.urgency = word(row, "urgency", _URGENCIES, envelopes.URGENCY_ORDINARY)  # type: ignore[attr-defined]


def _put_party(key: str, role: str, draft: Message, row: Row) -> None:
    for department in listed(row, key):
        draft.parties.add(role=role, department=department)  # type: ignore[attr-defined]


# -- what stands in the body ------------------------------------------------------------------------


def _fields(body: FieldDescriptor) -> Iterator[Cell]:
    assert body.message_type is not None
    noted = next((name for name in ("facts", "text") if name in body.message_type.fields_by_name), "")
    for field in body.message_type.fields:
        path = f"draft.{body.name}.{field.name}"
        inner = field.message_type.full_name if field.message_type is not None else ""
        if inner == _SUBJECT and field.is_repeated:
            yield from _subject(field.name, path)
            continue
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if inner and inner != _MOMENT:
            # rows within a row: people add them in the case, unless the act cannot be without
            if rules.required or rules.repeated.min_items:
                raise ConfigurationError([f"{path} 是表中之表，不能导入 / a table within a cell"])
            continue
        title = titles.field_title(field)
        longest = min(rules.string.max_len or _LONGEST, _LONGEST)
        needed = rules.required or rules.string.min_len > 0 or rules.repeated.min_items > 0
        note = _NOTE if field.name == noted else ""
        put, help_zh, help_en = _reader(field, note)
        if note:
            longest -= len(note) + _KEY.limit
        column = Column(field.name, title.zh, title.en, needed, longest, help_zh, help_en)
        yield Cell(column, put, (path,))


def _reader(field: FieldDescriptor, note: str) -> tuple[Put, str, str]:
    """How a cell is read into a field, and what to write there."""
    name = field.name
    if field.enum_type is not None:
        words = {
            titles.value_title(each).zh: each.number for each in field.enum_type.values if each.number != 0
        }
        several = bool(field.is_repeated)
        return partial(_put_words if several else _put_word, name, words), "、".join(words), "One of these"
    if field.message_type is not None:
        return partial(_put_moment, name, name), "如 2026-01-01 09:30", "Such as 2026-01-01 09:30"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return partial(_put_flag, name), "填“是”或留空", "是 (yes) or nothing"
    if field.type != FieldDescriptor.TYPE_STRING:
        unit = ("元", "In yuan") if name.endswith(_FEN) else ("整数", "A whole number")
        return partial(_put_number, name), *unit
    if field.is_repeated:
        return partial(_put_texts, name), "多项以分号分隔", "Several, separated by semicolons"
    return partial(_put_text, name, name, note), "", ""


def _put_text(key: str, name: str, note: str, message: Message, row: Row) -> None:
    setattr(message, name, row[key] + note.format(key=row["key"]))


def _put_texts(key: str, message: Message, row: Row) -> None:
    parts = row[key].replace("；", ";").replace("\n", ";").split(";")
    getattr(message, key).extend(each.strip() for each in parts if each.strip())


def _put_word(key: str, words: Mapping[str, int], message: Message, row: Row) -> None:
    setattr(message, key, word(row, key, words, 0))


def _put_words(key: str, words: Mapping[str, int], message: Message, row: Row) -> None:
    for each in listed(row, key):
        if each not in words:
            raise BadCell(key, f"应为：{'、'.join(words)}", f"Of these: {'、'.join(words)}")
        getattr(message, key).append(words[each])


def _put_flag(key: str, message: Message, row: Row) -> None:
    setattr(message, key, flag(row, key))


def _put_number(key: str, message: Message, row: Row) -> None:
    try:
        value = Decimal(row[key].replace(",", "") or "0") * (100 if key.endswith(_FEN) else 1)
        if value != value.to_integral_value() or value < 0:
            raise InvalidOperation
        setattr(message, key, int(value))
    except (InvalidOperation, ValueError):
        raise BadCell(key, "不是数", "No such number") from None


def _put_moment(key: str, name: str, message: Message, row: Row) -> None:
    found = moment(row, key)
    if found is not None:
        getattr(message, name).CopyFrom(found)


def _subject(name: str, path: str) -> Iterator[Cell]:
    """Columns of one subject; further ones are added in the case."""

    def put(message: Message, row: Row) -> None:
        if row["subject_name"]:
            getattr(message, name).append(subject(row, "subject_"))

    def nothing(_message: Message, _row: Row) -> None:
        """Read with the name."""

    for key, zh, en, longest, help_zh, help_en in (
        ("name", "当事人", "Subject", 200, "", ""),
        ("kind", "当事人类别", "Subject kind", 10, "单位、个人", "Unit (单位) or person (个人)"),
        ("identifier", "当事人代码或号码", "Identifier", 18, "须校验", "Checked"),
        ("address", "当事人地址", "Address of the subject", 300, "", ""),
        ("telephone", "当事人电话", "Telephone of the subject", 40, "", ""),
        ("representative", "法定代表人", "Representative", 100, "", ""),
    ):
        column = Column(f"subject_{key}", zh, en, False, longest, help_zh, help_en)
        first = key == "name"
        yield Cell(
            column, put if first else nothing, (path, f"{path}[0].name") if first else (f"{path}[0].{key}",)
        )


# -- materials --------------------------------------------------------------------------------------


def _material(kind: str) -> Column:
    title = titles.material_title(kind)
    zh, en = f"材料：{title.zh}", f"Material: {title.en}"
    return Column(
        f"material_{kind}", zh, en, True, 200, "文件名，与本表在同一文件夹", "A file beside this one"
    )


async def attach(
    kind: Kind, row: Row, made: imports.StandingCase, folder: Path
) -> list[tuple[Path, Manifest]]:
    """Name a row's materials in its draft; returns the files, whose bytes are still to go to the node.

    Raises:
        BadCell: There is no such file.
    """
    files = []
    for key, name in kind.materials.items():
        if not row[key]:
            continue
        path = folder / row[key]
        if Path(row[key]).name != row[key] or not path.is_file():
            raise BadCell(key, "没有此文件", "There is no such file")
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        manifest = await manifest_of(path, media_type=media_type)
        made.draft.materials.add(
            kind=name, manifest_root=manifest.root, digest=manifest.digest, size=manifest.size,
            media_type=manifest.media_type,
        )  # fmt: skip
        files.append((path, manifest))
    return files


def _distinct(columns: list[Column]) -> Iterator[Column]:
    """The columns, each under a heading of its own."""
    zh: set[str] = set()
    en: set[str] = set()
    for each in columns:
        column = each
        while column.zh in zh or column.en in en:
            column = replace(column, zh=f"{column.zh}（{each.key}）", en=f"{column.en} ({each.key})")
        zh.add(column.zh)
        en.add(column.en)
        yield column
