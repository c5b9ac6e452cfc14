"""What people wrote in a body, by the titles of its fields, as pages show it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2, case_service_pb2

from services.common.errors import NotFound
from services.common.title import Title
from services.common.titles import field_title, value_title
from services.gateway.languages import Language
from services.gateway.web.filters import moment
from services.gateway.web.form_values import is_money
from services.gateway.web.texts import text

_LONG: Final = 40


@dataclass(frozen=True, slots=True)
class Part:
    """A field that is set.

    Attributes:
        title: What it is called.
        lines: What it says; several of a list, or of a text of several paragraphs.
        parts: Of each message that it holds, the fields that are set.
        long: It is a text to be read, not a value to be looked up.
    """

    title: str
    lines: tuple[str, ...] = ()
    parts: tuple[tuple[Part, ...], ...] = ()
    long: bool = False


def body_in(draft: case_service_pb2.ActDraft) -> Message | None:
    """The body that a draft, or an answer in its shape, holds."""
    name = draft.WhichOneof("body")
    found: Message | None = getattr(draft, name) if name else None
    return found


def field_of(body: str) -> FieldDescriptor:
    """The field of a draft that holds a body, by the full name of its message.

    Raises:
        NotFound: This gateway does not know the body.
    """
    for each in case_service_pb2.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields:
        if each.message_type is not None and each.message_type.full_name == body:
            return each
    raise NotFound("This gateway does not know what the act carries.", field="act")


def message_of(field: FieldDescriptor) -> Descriptor:
    """What a field of a body is made of."""
    assert field.message_type is not None
    return field.message_type


def parts(body: Message, language: Language, skip: Collection[str] = ()) -> tuple[Part, ...]:
    """The fields of a body that are set, in their order."""
    if isinstance(body, bodies_pb2.ExtensionBody):
        return _extension(body)
    return tuple(
        _part(field, value, language) for field, value in body.ListFields() if field.name not in skip
    )


def _part(field: FieldDescriptor, value: Any, language: Language) -> Part:
    title = _say(field_title(field), language)
    many = list(value) if field.is_repeated else [value]
    if field.message_type is not None and not isinstance(many[0], Timestamp):
        return Part(title, parts=tuple(parts(each, language) for each in many))
    lines = tuple(
        line for each in many for line in _scalar(field, each, language).split("\n") if line.strip()
    )
    return Part(title, lines, long=len(lines) > 1 or any(len(each) > _LONG for each in lines))


def _scalar(field: FieldDescriptor, value: Any, language: Language) -> str:
    if isinstance(value, Timestamp):
        return moment(value)
    if field.enum_type is not None:
        choice = field.enum_type.values_by_number.get(value)
        return _say(value_title(choice), language) if choice is not None else str(value)
    if isinstance(value, bool):
        return text("app.yes" if value else "app.no", language)
    if isinstance(value, bytes):
        return value.hex()
    if is_money(field):
        return text("case.yuan", language, amount=f"{value // 100:,}.{value % 100:02}")
    return str(value)


def _extension(body: bodies_pb2.ExtensionBody) -> tuple[Part, ...]:
    """The region's own words; its schema says what they mean."""
    try:
        found = json.loads(body.json)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return (Part(body.schema, (body.json,), long=True),)
    return tuple(
        Part(str(name), (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),))
        for name, value in found.items()
    )


def _say(title: Title, language: Language) -> str:
    return title.zh if language == "zh" else title.en
