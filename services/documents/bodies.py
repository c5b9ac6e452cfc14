"""What people wrote in a body, as blocks of a document: any body, by its descriptor and the titles of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.titles import field_title, value_title
from services.documents.model import Align, Block, Cell, Face, Language, Paragraph, Table
from services.documents.words import date, instant, ordinal, pick, say

SHORT: Final = 30
"""A value of so many characters stands beside its title; a longer one below it."""
_CELL: Final = 24
_COLUMNS: Final = 5
_EXTENSION: Final = "liandong.cases.v1.ExtensionBody"


@dataclass(frozen=True, slots=True)
class Part:
    """A field that is set: its title, and either one short value or lines below the title.

    Attributes:
        lines: Paragraphs.
        items: The paragraphs are items of a list.
        table: The items as a table, where they are many and alike.
    """

    title: str
    value: str = ""
    lines: tuple[str, ...] = ()
    items: bool = False
    table: Table | None = None


def parts(body: Message, language: Language, skip: Sequence[str] = ()) -> list[Part]:
    """The fields of a body that are set, in their order; empty text, zero and `no` are not set.

    Args:
        body: What people wrote.
        language: Of the titles.
        skip: Names of fields that stand elsewhere.
    """
    if body.DESCRIPTOR.full_name == _EXTENSION:
        return _extension(body)
    return [_part(field, value, language) for field, value in body.ListFields() if field.name not in skip]


def lines(body: Message, language: Language) -> list[str]:
    """The same as plain text, for a terminal: a long value stands below its title."""
    shown = []
    for part in parts(body, language):
        shown.append(say("letter.pair", language, title=part.title, value=part.value).rstrip())
        shown += [f"  {line}" for line in part.lines]
    return shown


def blocks(found: Sequence[Part], language: Language) -> list[Block]:
    """Short fields at the beginning on a line of their own; from the first long one on, under numbered headings."""
    first = next((index for index, part in enumerate(found) if not part.value), len(found))
    laid: list[Block] = [
        Paragraph(say("letter.pair", language, title=part.title, value=part.value)) for part in found[:first]
    ]
    headed = len(found) > 1
    for number, part in enumerate(found[first:], 1):
        if headed:
            heading = say("letter.heading", language, number=ordinal(number, language), title=part.title)
            laid.append(Paragraph(heading, face=Face.HEI, align=Align.START, keep=True))
        if part.table is not None:
            laid.append(part.table)
            continue
        for index, line in enumerate(part.lines or (part.value,), 1):
            numbered = part.items and len(part.lines) > 1
            laid.append(
                Paragraph(say("letter.item", language, number=index, text=line) if numbered else line)
            )
    return laid


def _part(field: FieldDescriptor, value: Any, language: Language) -> Part:
    title = pick(field_title(field), language)
    if field.is_repeated:
        if field.message_type is not None:
            return Part(
                title,
                lines=tuple(_inline(each, language) for each in value),
                items=True,
                table=_table(value, language),
            )
        written = [_scalar(field, each, language) for each in value]
        if len(written) == 1 and len(written[0]) <= SHORT:
            return Part(title, value=written[0])
        return Part(title, lines=tuple(written), items=True)
    if field.message_type is not None and not isinstance(value, Timestamp):
        return Part(title, lines=(_inline(value, language),))
    written_one = _scalar(field, value, language)
    if len(written_one) <= SHORT and "\n" not in written_one:
        return Part(title, value=written_one)
    return Part(title, lines=_paragraphs(written_one))


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _inline(message: Message, language: Language) -> str:
    """A message in one sentence: its fields with their titles."""
    found = [
        say("letter.pair", language, title=pick(field_title(field), language), value=value)
        for field, value in _values(message, language)
    ]
    return say("letter.join", language).join(found) + say("letter.end", language)


def _values(message: Message, language: Language) -> Iterator[tuple[FieldDescriptor, str]]:
    for field, value in message.ListFields():
        if field.is_repeated:
            each = [
                _inline(one, language) if field.message_type is not None else _scalar(field, one, language)
                for one in value
            ]
            yield field, say("letter.between", language).join(each)
        elif field.message_type is not None and not isinstance(value, Timestamp):
            yield field, _inline(value, language)
        else:
            yield field, _scalar(field, value, language).replace("\n", " ")


def _table(messages: Sequence[Message], language: Language) -> Table | None:
    """Messages of few short fields as a table; None where it would be no clearer than sentences."""
    if len(messages) < 2:  # noqa: PLR2004 - one row is no table
        return None
    rows = [{field.number: text for field, text in _values(each, language)} for each in messages]
    numbers = sorted({number for row in rows for number in row})
    if len(numbers) > _COLUMNS or any(len(text) > _CELL for row in rows for text in row.values()):
        return None
    descriptor = messages[0].DESCRIPTOR
    share = 0.92 / len(numbers)
    header = (
        Cell(say("sheet.index", language), face=Face.HEI, align=Align.CENTRE),
        *(
            Cell(
                pick(field_title(descriptor.fields_by_number[number]), language),
                face=Face.HEI,
                align=Align.CENTRE,
            )
            for number in numbers
        ),
    )
    return Table(
        (0.08, *(share for _ in numbers)),
        (
            header,
            *(
                (Cell(str(index), align=Align.CENTRE), *(Cell(row.get(number, "")) for number in numbers))
                for index, row in enumerate(rows, 1)
            ),
        ),
        header=1,
    )


def _scalar(field: FieldDescriptor, value: Any, language: Language) -> str:
    if isinstance(value, Timestamp):
        at = value.ToDatetime(tzinfo=UTC)
        return date(at, language) if _midnight(at, language) else instant(at, language)
    if field.enum_type is not None:
        choice = field.enum_type.values_by_number.get(value)
        return pick(value_title(choice), language) if choice is not None else str(value)
    if isinstance(value, bool):
        return say("letter.yes", language)
    if isinstance(value, bytes):
        return value.hex()
    if field.name.endswith("_fen"):
        yuan, fen = divmod(int(value), 100)
        return f"{yuan:,}.{fen:02d}元" if language == "zh" else f"{yuan:,}.{fen:02d} yuan"
    return str(value)


def _midnight(at: datetime, language: Language) -> bool:
    return instant(at, language).endswith("00:00")


def _extension(body: Message) -> list[Part]:
    """A body of the region's own: its JSON, the names as its schema has them."""
    try:
        found = json.loads(getattr(body, "json", ""))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return [Part("", lines=_paragraphs(str(getattr(body, "json", ""))))]
    return [_of_json(str(name), value) for name, value in found.items()]


def _of_json(name: str, value: object) -> Part:
    if isinstance(value, list):
        return Part(name, lines=tuple(_flat(each) for each in value), items=True)
    text = _flat(value)
    return Part(name, value=text) if len(text) <= SHORT else Part(name, lines=_paragraphs(text))


def _flat(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
