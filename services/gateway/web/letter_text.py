"""What a letter says, as lines: each field of its body with what people call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as cases

from services.common.title import Title
from services.common.titles import field_title, value_title
from services.gateway.languages import Language
from services.gateway.web.filters import moment
from services.gateway.web.form_values import is_money
from services.gateway.web.texts import text

_FEN: Final = 100
_CLAUSES: Final = ("provisions", "basis", "legal_basis", "clause")
"""Fields that name the clause of law that a letter rests on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `depth` counts the things that it is inside of."""

    title: str
    value: str
    depth: int = 0


def body_of(draft: cases.ActDraft) -> Message | None:
    """The body of an act; None where its kind is not known here."""
    name = draft.WhichOneof("body")
    return getattr(draft, name) if name else None


def clause_of(draft: cases.ActDraft) -> str:
    """The clause of law that an act rests on, as its author wrote it; empty for none."""
    body = body_of(draft)
    for name in _CLAUSES:
        value = getattr(body, name, "") if body is not None else ""
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def lines(message: Message | None, language: Language, depth: int = 0) -> Iterator[Line]:
    """What is set of a message, in the order of the contract."""
    for field, value in message.ListFields() if message is not None else ():
        title = _say(field_title(field), language)
        for one in value if field.is_repeated else (value,):
            if field.message_type is None or isinstance(one, Timestamp):
                yield Line(title, _plain(field, one, language), depth)
            else:
                yield Line(title, "", depth)
                yield from lines(one, language, depth + 1)


def _plain(field: FieldDescriptor, value: Any, language: Language) -> str:
    if isinstance(value, Timestamp):
        return moment(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return _say(value_title(known), language) if known is not None else str(value)
    if isinstance(value, bool):
        return text("app.yes" if value else "app.no", language)
    if isinstance(value, bytes):
        return value.hex()
    if is_money(field):
        yuan = f"{value // _FEN:,}.{value % _FEN:02d}"
        return f"{yuan}元" if language == "zh" else f"CNY {yuan}"
    return str(value)


def _say(title: Title, language: Language) -> str:
    return title.zh if language == "zh" else title.en
