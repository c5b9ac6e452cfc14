"""JSON Schema (2020-12) of messages in protobuf's JSON mapping, with the contracts' rules.

Rules that JSON Schema can say are said (lengths, patterns, ranges, items); the others are the service's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from services.gateway.rest.forms import YEARS

_INT32: Final = (-(2**31), 2**31 - 1)
_UINT32: Final = (0, 2**32 - 1)
_INT64: Final = (-(2**63), 2**63 - 1)
_UINT64: Final = (0, 2**64 - 1)
_KINDS: Final[Mapping[int, dict[str, Any]]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "minimum": _INT32[0], "maximum": _INT32[1]},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": _UINT32[0], "maximum": _UINT32[1]},
}
_AS_TEXT: Final = {FieldDescriptor.TYPE_INT64: _INT64, FieldDescriptor.TYPE_UINT64: _UINT64}
"""64-bit integers are texts: their range is said as a pattern."""
_BASE64: Final = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_BASE64_32: Final = r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"
_URL_32: Final = r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"
_DIGEST_SIZE: Final = 32
_KNOWN: Final[Mapping[str, dict[str, Any]]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time", "pattern": f"^{YEARS}"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
}
_RULES: Final = (
    ("min_len", "minLength"), ("max_len", "maxLength"), ("max_bytes", "maxLength"), ("gte", "minimum"),
    ("lte", "maximum"), ("gt", "exclusiveMinimum"), ("lt", "exclusiveMaximum"), ("min_items", "minItems"),
    ("max_items", "maxItems"), ("unique", "uniqueItems"),
)  # fmt: skip
_WIDE: Final = re.compile(r"\\x\{([0-9a-f]{4})\}")
"""A character in the patterns of the contracts (RE2), which JSON Schema (ECMA-262) writes as `\\uXXXX`."""


class Schemas:
    """Schemas of messages and enums, each once under its full name.

    Args:
        comments: By full name.
    """

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._found: dict[str, dict[str, Any]] = {}

    def components(self) -> dict[str, dict[str, Any]]:
        """Everything that was referred to, by name."""
        return dict(sorted(self._found.items()))

    def reference(self, message: Descriptor) -> dict[str, Any]:
        """A reference to a message's schema."""
        known = _KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        if message.full_name not in self._found:
            self._found[message.full_name] = {}
            self._found[message.full_name] = self.without(message, ())
        return {"$ref": f"#/components/schemas/{message.full_name}"}

    def without(self, message: Descriptor, left_out: Collection[str]) -> dict[str, Any]:
        """A message's own schema, some fields left out, such as those that stand in the path."""
        found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
        told = self._comments.get(message.full_name, "")
        if told:
            found["description"] = told
        required = []
        for field in message.fields:
            if field.name in left_out:
                continue
            found["properties"][field.json_name] = self.of_field(field)
            if is_required(field):
                required.append(field.json_name)
        if required:
            found["required"] = required
        choices = [_choice(each) for each in message.oneofs if len(each.fields) > 1]
        if len(choices) == 1:
            found["oneOf"] = choices[0]
        elif choices:
            found["allOf"] = [{"oneOf": each} for each in choices]
        return found

    def of_field(self, field: FieldDescriptor) -> dict[str, Any]:
        """A field's schema."""
        rules = _rules(field)
        owner = field.containing_type
        told = self._comments.get(f"{owner.full_name}.{field.name}", "") if owner is not None else ""
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            found: dict[str, Any] = {"type": "object", "additionalProperties": self._one(value, None)}
        elif field.is_repeated:
            items = self._one(field, rules.repeated.items if rules.HasField("repeated") else None)
            found = {"type": "array", "items": items}
            if rules.HasField("repeated"):
                found |= _said(rules.repeated)
        else:
            found = self._one(field, rules)
        if told:
            found["description"] = told
        return found

    def in_path(self, field: FieldDescriptor) -> dict[str, Any]:
        """A field as a variable of a path, never empty; bytes are in Base64 for URLs."""
        found = self.of_field(field)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "pattern": _URL_32, "description": found.get("description", "")}
        return {"minLength": 1, **found} if field.type == FieldDescriptor.TYPE_STRING else found

    def parameters(self, field: FieldDescriptor) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """A field as parameters of a query, a message by its fields: name, schema, whether it is required."""
        kind = field.message_type
        if kind is None or kind.full_name in _KNOWN:
            yield field.json_name, self.of_field(field), is_required(field)
            return
        for each in kind.fields:
            for name, schema, required in self.parameters(each):
                yield f"{field.json_name}.{name}", schema, required and is_required(field)

    def _one(self, field: FieldDescriptor, rules: validate_pb2.FieldRules | None) -> dict[str, Any]:
        if field.message_type is not None:
            return self.reference(field.message_type)
        kind = rules.WhichOneof("type") if rules is not None else None
        own = getattr(rules, kind) if kind is not None else None
        if field.enum_type is not None:
            reference = self._enum(field.enum_type)
            left_out = [field.enum_type.values_by_number[each].name for each in getattr(own, "not_in", ())]
            return {"allOf": [reference], "not": {"enum": left_out}} if left_out else reference
        if field.type in _AS_TEXT:
            return {"type": "string", "pattern": _between(own, *_AS_TEXT[field.type])}
        if field.type == FieldDescriptor.TYPE_BYTES:
            return _bytes(own, or_none=_may_be_empty(rules))
        found = dict(_KINDS[field.type])
        if own is not None:
            found |= _said(own)
        return found

    def _enum(self, enum: EnumDescriptor) -> dict[str, Any]:
        if enum.full_name not in self._found:
            lines = [
                f"{value.name}: {self._comments.get(f'{enum.full_name}.{value.name}', '')}"
                for value in enum.values
            ]
            told = self._comments.get(enum.full_name, "")
            self._found[enum.full_name] = {
                "type": "string",
                "enum": [value.name for value in enum.values],
                "description": "\n".join([told, *lines]),
            }
        return {"$ref": f"#/components/schemas/{enum.full_name}"}


def is_required(field: FieldDescriptor) -> bool:
    """Whether a message without this field breaks a rule: it is required, or what stands for its absence is none."""
    rules = _rules(field)
    if rules.required:
        return True
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    kind = rules.WhichOneof("type")
    if kind is None or (field.has_presence and not field.is_repeated):
        return False
    own = getattr(rules, kind)
    names = {each.name for each, _ in own.ListFields()}
    if field.is_repeated:
        return bool(own.min_items)
    if field.enum_type is not None:
        return 0 in own.not_in
    if kind in {"string", "bytes"}:
        if getattr(own, "len", 0) or own.min_len:
            return True
        if kind == "string" and own.pattern and not re.search(_ecma(own.pattern), ""):
            return True
        return bool(getattr(own, "in")) and "" not in getattr(own, "in")
    return ("gte" in names and own.gte > 0) or ("gt" in names and own.gt >= 0)


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]


def _choice(choice: OneofDescriptor) -> list[dict[str, Any]]:
    """One of several fields, or none of them where none is required."""
    each: list[dict[str, Any]] = [{"required": [field.json_name]} for field in choice.fields]
    if choice.GetOptions().Extensions[validate_pb2.oneof].required:
        return each
    return [{"not": {"anyOf": list(each)}}, *each]


def _ecma(pattern: str) -> str:
    return _WIDE.sub(lambda found: f"\\u{found[1]}", pattern)


def _may_be_empty(rules: validate_pb2.FieldRules | None) -> bool:
    return rules is not None and rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE


def _bytes(rules: Any, *, or_none: bool) -> dict[str, Any]:
    """Rules count bytes, the schema characters of Base64.

    Raises:
        ValueError: They are said in a way that is not known here.
    """
    found = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    if rules is None:
        return found
    if rules.len == _DIGEST_SIZE:
        return found | {"pattern": f"^$|{_BASE64_32}" if or_none else _BASE64_32}
    if or_none:
        raise ValueError("No pattern is made for bytes that may be absent, but for digests.")
    if rules.len:
        found |= {"minLength": -(-rules.len // 3) * 4, "maxLength": -(-rules.len // 3) * 4}
    if rules.min_len:
        found["minLength"] = -(-rules.min_len // 3) * 4
    if rules.max_len:
        found["maxLength"] = -(-rules.max_len // 3) * 4
    return found


def _between(rules: Any, low: int, high: int) -> str:
    """The pattern of whole numbers in a range."""
    names = {each.name for each, _ in rules.ListFields()} if rules is not None else set()
    low = rules.gte if "gte" in names else low
    high = rules.lte if "lte" in names else high
    if low > 0:
        if low > 1:
            raise ValueError(f"No pattern is made for numbers from {low} on.")
        return f"^(?:{_up_to(high, zero=False)})$"
    parts = _up_to(high)
    return f"^(?:{parts})$" if low == 0 else f"^(?:{parts}|-(?:{_up_to(-low, zero=False)}))$"


def _up_to(high: int, *, zero: bool = True) -> str:
    """Alternatives of whole numbers to a highest one, without leading zeros."""
    digits = str(high)
    parts = ["0"] if zero else []
    if len(digits) > 1:
        parts.append(f"[1-9][0-9]{{0,{len(digits) - 2}}}")
    for at, digit in enumerate(digits):
        lowest = 1 if at == 0 else 0
        if int(digit) > lowest:
            rest = len(digits) - at - 1
            parts.append(digits[:at] + f"[{lowest}-{int(digit) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join([*parts, digits])


def _said(rules: Any) -> dict[str, Any]:
    """What JSON Schema can say of the rules of one kind."""
    found: dict[str, Any] = {}
    names = {field.name for field, _ in rules.ListFields()}
    for name, keyword in _RULES:
        if name in names:
            found[keyword] = getattr(rules, name)
    if "pattern" in names:
        found["pattern"] = _ecma(rules.pattern)
    if "len" in names:
        found |= {"minLength": rules.len, "maxLength": rules.len}
    if "in" in names:
        found["enum"] = list(getattr(rules, "in"))
    if "not_in" in names:
        found["not"] = {"enum": list(rules.not_in)}
    if "const" in names:
        found["const"] = rules.const
    return found
