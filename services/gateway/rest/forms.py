"""Whether JSON has the form of a message: exactly as the OpenAPI document says it.

protobuf's own parser takes more than its JSON mapping writes: numbers as texts, `null`, enums by number,
Base64 with anything between. What is taken here is one form for each value, so that a mistake is found
where it is made, and named by the field.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.errors import FieldViolation, InvalidField, Malformed

_DEEPEST: Final = 32
_BITS: Final[Mapping[int, tuple[int, int]]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_AS_TEXT: Final = frozenset({FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64})
_DIGITS: Final = re.compile(r"-?(0|[1-9][0-9]{0,19})", re.ASCII)
YEARS: Final = "(?!0000|0001|9999)"
"""Before a time: with its offset one of the first or last year may lie outside what a Timestamp holds."""
_MOMENT: Final = re.compile(
    YEARS + r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_SPAN: Final = re.compile(r"-?\d{1,12}(\.\d{1,9})?s", re.ASCII)


def check_form(message: Descriptor, content: Mapping[str, Any], before: str = "", depth: int = 0) -> None:
    """Check an object against a message.

    Args:
        message: What it is to be.
        content: The object.
        before: Path of the object, with a dot behind it.
        depth: How deep it stands.

    Raises:
        InvalidField: A field that is unknown, given twice, or has not its form; named by its path.
        Malformed: It is nested too deeply.
    """
    if depth > _DEEPEST:
        raise Malformed("The JSON is nested too deeply.")
    given: set[str] = set()
    for key, value in content.items():
        field = message.fields_by_name.get(key) or message.fields_by_camelcase_name.get(key)
        if field is None:
            raise wrong(f"{before}{key}", "There is no field of this name.")
        path = f"{before}{field.name}"
        choice = field.containing_oneof
        name = field.name if choice is None else f"one of {choice.name}"
        if name in given:
            raise wrong(path, "This is given twice." if choice is None else f"Only {name} can be given.")
        given.add(name)
        if not field.is_repeated:
            _check(field, value, path, depth)
            continue
        if not isinstance(value, list):
            raise wrong(path, "This is a list.")
        for index, each in enumerate(value):
            _check(field, each, f"{path}[{index}]", depth)


def text_of(field: FieldDescriptor, value: str, path: str) -> Any:
    """The JSON value that a text in a path or query stands for.

    Raises:
        InvalidField: It stands for none.
    """
    if field.type == FieldDescriptor.TYPE_BOOL:
        if value not in {"true", "false"}:
            raise wrong(path, "This is true or false.")
        return value == "true"
    if field.type in _BITS and field.type not in _AS_TEXT:
        if not _DIGITS.fullmatch(value):
            raise wrong(path, "This is a whole number.")
        return int(value)
    return value


def _check(field: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    message = field.message_type
    if message is None:
        kind, told = _SCALARS[field.type]
        if not kind(field, value):
            raise wrong(path, told)
    elif message.full_name in TEXTS:
        if not TEXTS[message.full_name](value):
            raise wrong(path, f"This is a {message.name} as protobuf writes it in JSON.")
    elif not isinstance(value, dict):
        raise wrong(path, "This is an object.")
    elif not message.full_name.startswith("google.protobuf."):
        check_form(message, value, f"{path}.", depth + 1)


def _number(field: FieldDescriptor, value: Any) -> bool:
    low, high = _BITS[field.type]
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and low <= value <= high


def _number_as_text(field: FieldDescriptor, value: Any) -> bool:
    low, high = _BITS[field.type]
    return isinstance(value, str) and bool(_DIGITS.fullmatch(value)) and low <= int(value) <= high


def _bytes(_: FieldDescriptor, value: Any) -> bool:
    try:
        base64.b64decode(value.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        return False
    return True


def _text(_: FieldDescriptor, value: Any) -> bool:
    return isinstance(value, str)


def _truth(_: FieldDescriptor, value: Any) -> bool:
    return isinstance(value, bool)


def _decimal(_: FieldDescriptor, value: Any) -> bool:
    return type(value) in {int, float}


def _enum(field: FieldDescriptor, value: Any) -> bool:
    return isinstance(value, str) and field.enum_type is not None and value in field.enum_type.values_by_name


_SCALARS: Final[Mapping[int, tuple[Callable[[FieldDescriptor, Any], bool], str]]] = {
    FieldDescriptor.TYPE_STRING: (_text, "This is a text."),
    FieldDescriptor.TYPE_BOOL: (_truth, "This is true or false."),
    FieldDescriptor.TYPE_BYTES: (_bytes, "This is a text in Base64."),
    FieldDescriptor.TYPE_ENUM: (_enum, "This is the name of a value of the enum."),
    FieldDescriptor.TYPE_DOUBLE: (_decimal, "This is a number."),
    FieldDescriptor.TYPE_FLOAT: (_decimal, "This is a number."),
    FieldDescriptor.TYPE_INT32: (_number, "This is a whole number of 32 bits."),
    FieldDescriptor.TYPE_UINT32: (_number, "This is a whole number of 32 bits, not negative."),
    FieldDescriptor.TYPE_INT64: (_number_as_text, "This is a whole number of 64 bits, as a text."),
    FieldDescriptor.TYPE_UINT64: (
        _number_as_text,
        "This is a whole number of 64 bits, not negative, as a text.",
    ),
}


def _reads(kind: type[Timestamp | Duration], form: re.Pattern[str]) -> Callable[[Any], bool]:
    def reads(value: Any) -> bool:
        if not isinstance(value, str) or not form.fullmatch(value):
            return False
        try:
            kind().FromJsonString(value)
        except ValueError:
            return False
        return True

    return reads


TEXTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    Timestamp.DESCRIPTOR.full_name: _reads(Timestamp, _MOMENT),
    Duration.DESCRIPTOR.full_name: _reads(Duration, _SPAN),
    "google.protobuf.FieldMask": lambda value: isinstance(value, str),
}
"""Messages that are one text in JSON."""


def wrong(field: str, told: str) -> InvalidField:
    """The error of a field that has not the form that the document says."""
    return InvalidField(
        f"{field}: the value has not the form of its field. {told}",
        field=field,
        violations=[FieldViolation(field, "form", told)],
    )
