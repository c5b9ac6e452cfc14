"""What is typed into a form, by the place of its field, and how values are written and read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.titles import short_name
from services.gateway.languages import Language
from services.gateway.web.filters import ZONE
from services.gateway.web.texts import text

Typed = Mapping[str, Sequence[str]]
"""What is typed, by name; several values only where several boxes are ticked."""
_MOMENT: Final = Timestamp.DESCRIPTOR.full_name
_FEN: Final = "_fen"
_MONEY: Final = re.compile(r"\d{1,14}(\.\d{1,2})?", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_INDEX: Final = re.compile(r"\d{1,4}", re.ASCII)
_DEPTH: Final = 12
"""No message is deeper; a name that is, is none of ours."""


@dataclass
class Node:
    """What is typed at one place, and below it."""

    values: Sequence[str] = ()
    inner: dict[str, Node] = field(default_factory=dict)

    @property
    def value(self) -> str:
        """What is typed here; empty if nothing is."""
        return self.values[0] if self.values else ""

    @property
    def rows(self) -> list[Node]:
        """In the order of their numbers, whichever these are."""
        return [self.inner[each] for each in sorted(filter(_INDEX.fullmatch, self.inner), key=int)]

    @property
    def is_blank(self) -> bool:
        """Nothing is typed here, nor below."""
        return not any(each.strip() for each in self.values) and all(
            each.is_blank for each in self.inner.values()
        )


def tree_of(typed: Typed, prefix: str = "") -> Node:
    """What is typed under names that begin so, by its place."""
    root = Node()
    for name, values in typed.items():
        if not name.startswith(prefix):
            continue
        node = root
        for step in name.removeprefix(prefix).split(".")[:_DEPTH]:
            node = node.inner.setdefault(step, Node())
        node.values = values
    return root


def next_row(typed: Typed, name: str) -> int:
    """The number of a row that is added to a list."""
    found = {each.removeprefix(f"{name}.").split(".")[0] for each in typed if each.startswith(f"{name}.")}
    return max((int(each) for each in found if _INDEX.fullmatch(each)), default=-1) + 1


def is_moment(each: FieldDescriptor) -> bool:
    """The field is a date and time."""
    return each.message_type is not None and each.message_type.full_name == _MOMENT


def is_money(each: FieldDescriptor) -> bool:
    """The field is an amount in fen, which people write in yuan."""
    return each.name.endswith(_FEN) and each.cpp_type in (
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
    )


def typed_of(message: Message, prefix: str = "") -> dict[str, Sequence[str]]:
    """What would have to be typed for a message; what is not set is empty."""
    found: dict[str, Sequence[str]] = {}
    for each, value in message.ListFields():
        name = prefix + each.name
        if not each.is_repeated:
            found.update(_written(each, value, name))
        elif each.enum_type is not None:
            found[name] = [_choice(each, one) for one in value]
        else:
            for index, one in enumerate(value):
                found.update(_written(each, one, f"{name}.{index}"))
    return found


def _written(each: FieldDescriptor, value: Any, name: str) -> dict[str, Sequence[str]]:
    if isinstance(value, Timestamp):
        local = value.ToDatetime(UTC).astimezone(ZONE)
        return {name: [local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")]}
    if each.message_type is not None:
        return {name: [""], **typed_of(value, f"{name}.")}
    if each.enum_type is not None:
        return {name: [_choice(each, value)]}
    if isinstance(value, bytes):
        return {name: [value.hex()]}
    if isinstance(value, bool):
        return {name: ["1"]}
    return {name: [f"{Decimal(value) / 100:.2f}" if is_money(each) else str(value)]}


def _choice(each: FieldDescriptor, number: int) -> str:
    assert each.enum_type is not None
    known = each.enum_type.values_by_number.get(number)
    return short_name(known) if known is not None else ""


@dataclass(frozen=True)
class Reader:
    """Reads what is typed into messages.

    Attributes:
        language: Of what is wrong.
        wrong: What could not be read, by name.
        kept: What was typed, without the rows that were left empty, the others numbered as in the message.
    """

    language: Language
    wrong: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Sequence[str]] = field(default_factory=dict)

    def read(self, message: Message, each: FieldDescriptor, prefix: str, tree: Node) -> None:
        """Read one field into a message."""
        name, node = prefix + each.name, tree.inner.get(each.name, Node())
        if each.is_repeated and each.enum_type is None:
            rows = [row for row in node.rows if not row.is_blank]
            for index, row in enumerate(rows):
                self._row(getattr(message, each.name), each, f"{name}.{index}", row)
        elif each.message_type is not None and not is_moment(each):
            if not node.is_blank:
                part = getattr(message, each.name)
                part.SetInParent()
                self._all(part, f"{name}.", node)
        else:
            self.kept[name] = node.values
            self._plain(message, each, name, node)

    def _row(self, rows: Any, each: FieldDescriptor, name: str, node: Node) -> None:
        if each.message_type is not None and not is_moment(each):
            self.kept[name] = [""]
            self._all(rows.add(), f"{name}.", node)
            return
        self.kept[name] = node.values
        value = self._value(each, node.value, name)
        # what could not be read keeps its place, so that those after it keep theirs
        empty = Timestamp() if is_moment(each) else each.default_value
        rows.extend([empty if value is None else value])

    def _all(self, part: Any, prefix: str, node: Node) -> None:
        for each in part.DESCRIPTOR.fields:
            self.read(part, each, prefix, node)

    def _plain(self, message: Message, each: FieldDescriptor, name: str, node: Node) -> None:
        values = [self._value(each, one, name) for one in node.values if one.strip()]
        if each.is_repeated:
            getattr(message, each.name).extend(one for one in values if one is not None)
        elif values and values[0] is not None:
            if is_moment(each):
                getattr(message, each.name).CopyFrom(values[0])
            else:
                setattr(message, each.name, values[0])

    def _value(self, each: FieldDescriptor, typed: str, name: str) -> Any:
        """One value; None if it cannot be one, which is noted."""
        try:
            return _value(each, typed.strip())
        except (ValueError, OverflowError):
            self.wrong[name] = text(f"form.unread_{_word(each)}", self.language)
            return None


def _word(each: FieldDescriptor) -> str:
    if is_moment(each):
        return "moment"
    if each.enum_type is not None:
        return "choice"
    if each.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    return "money" if is_money(each) else "number"


def _value(each: FieldDescriptor, typed: str) -> Any:
    """Raises `ValueError` or `OverflowError` for what cannot be one."""
    if each.enum_type is not None:
        return _number(each, typed)
    if is_moment(each):
        moment = Timestamp()
        moment.FromDatetime(datetime.fromisoformat(typed).replace(tzinfo=ZONE).astimezone(UTC))
        return moment
    if each.type == FieldDescriptor.TYPE_BOOL:
        return True
    if each.type == FieldDescriptor.TYPE_STRING:
        return typed
    if each.type == FieldDescriptor.TYPE_BYTES:
        return bytes.fromhex(typed)
    return _integer(each, typed.replace(",", "").replace("，", ""))


def _integer(each: FieldDescriptor, typed: str) -> int:
    if is_money(each):
        if not _MONEY.fullmatch(typed):
            raise ValueError(typed)
        return int(Decimal(typed) * 100)
    if not _WHOLE.fullmatch(typed):
        raise ValueError(typed)
    low, high = _RANGES[each.cpp_type]
    if not low <= (found := int(typed)) <= high:
        raise ValueError(typed)
    return found


def _number(each: FieldDescriptor, typed: str) -> int:
    assert each.enum_type is not None
    for one in each.enum_type.values:
        if one.number and short_name(one) == typed:
            return int(one.number)
    raise ValueError(typed)


_RANGES: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
