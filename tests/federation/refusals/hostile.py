"""Well-formed messages at their extremes: every field holds the worst value that its rules let pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from services.common import edge
from services.common.errors import InvalidField, LimitExceeded

_ID: Final = "019a0000-0000-7000-8000-000000000000"
_TEXTS: Final = (
    "'; DROP TABLE letters; --%s%n${x}{{x}}",
    "\u202e\ufeff\U0001f4a9\u0000"[:3] * 10,
    "../" * 10,
    "\ud7ff\uffff",
    _ID,
    "health.qinghe",
    "case-transfer",
    "a" * 40,
    "node",
    "x" * 16,
    "",
)
_BYTES: Final = (b"\xff" * 4096, bytes(64), b"\xff" * 32, bytes(32), b"x", b"")
_INTEGERS: Final = (
    2**64 - 1,
    2**63,
    2**63 - 1,
    -(2**63),
    2**32 - 1,
    2**31,
    2**31 - 1,
    -(2**31),
    1000,
    2026,
    500,
    1,
    0,
)
_TIMES: Final = (
    Timestamp(seconds=253402300799, nanos=999_999_999),
    Timestamp(seconds=-62135596800),
    Timestamp(seconds=4_102_444_799),
    Timestamp(seconds=1),
)
_DEPTH: Final = 6


def fill(kind: Descriptor, variant: int) -> Message:
    """A message of a type; each variant begins with other extremes."""
    message = _made(kind, variant, 0)
    edge.validate(message)
    return message


@cache
def _made(kind: Descriptor, variant: int, depth: int) -> Message:
    message = GetMessageClass(kind)()
    chosen: set[str] = set()
    for field in kind.fields:
        group = field.containing_oneof
        if group is not None:
            # another member of it in each variant
            if group.name in chosen or group.fields[variant % len(group.fields)] is not field:
                continue
            chosen.add(group.name)
        if field.message_type is not None and (depth >= _DEPTH or field.message_type.GetOptions().map_entry):
            continue
        for value in _values(field, variant, depth):
            _set(message, field, value)
            if not _is_wrong(message, field.name):
                break
        else:
            message.ClearField(field.name)
    return message


def _values(field: FieldDescriptor, variant: int, depth: int) -> Sequence[Any]:
    if field.message_type is not None:
        if field.message_type.full_name == "google.protobuf.Timestamp":
            return _turned(_TIMES, variant)
        return [_made(field.message_type, variant, depth + 1)]
    if field.enum_type is not None:
        return [2**31 - 1, *reversed([each.number for each in field.enum_type.values])]
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return _turned(_BYTES if field.type == FieldDescriptor.TYPE_BYTES else _TEXTS, variant)
        case FieldDescriptor.CPPTYPE_BOOL:
            return [variant % 2 == 0]
        case FieldDescriptor.CPPTYPE_INT32 | FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_INT64:
            return _turned(_INTEGERS, variant)
        case FieldDescriptor.CPPTYPE_UINT64:
            return _turned(_INTEGERS, variant)
        case _:
            return [0]


def _turned(values: Sequence[Any], variant: int) -> Sequence[Any]:
    return [*values[variant:], *values[:variant]]


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    message.ClearField(field.name)
    try:
        if field.is_repeated:
            times = [value, value] if field.message_type is None else [value]
            getattr(message, field.name).extend(times)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    except ValueError:
        message.ClearField(field.name)  # no number of this width


def _is_wrong(message: Message, name: str) -> bool:
    """Whether the rules of the field are broken; what is missing elsewhere is not its fault."""
    try:
        edge.validate(message)
    except (InvalidField, LimitExceeded) as error:
        return any(each.field.startswith(name) for each in error.violations)
    return False
