"""JSON Schema (2020-12) of messages in protobuf's JSON mapping, with the contracts' rules.

Rules that JSON Schema can say are said (lengths, patterns, ranges, items); the others are the service's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

_KINDS: Final[Mapping[int, dict[str, Any]]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT64: {"type": "string", "pattern": r"^-?[0-9]{1,19}$"},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "pattern": r"^[0-9]{1,20}$"},
}
_KNOWN: Final[Mapping[str, dict[str, Any]]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
}
_RULES: Final = (
    ("min_len", "minLength"), ("max_len", "maxLength"), ("pattern", "pattern"), ("gte", "minimum"),
    ("lte", "maximum"), ("gt", "exclusiveMinimum"), ("lt", "exclusiveMaximum"), ("min_items", "minItems"),
    ("max_items", "maxItems"), ("unique", "uniqueItems"),
)  # fmt: skip


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
            if _rules(field).required:
                required.append(field.json_name)
        if required:
            found["required"] = required
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

    def parameters(self, field: FieldDescriptor) -> Iterator[tuple[str, dict[str, Any]]]:
        """A field as parameters of a query: a message by its fields."""
        kind = field.message_type
        if kind is None or kind.full_name in _KNOWN:
            yield field.name, self.of_field(field)
            return
        for each in kind.fields:
            for name, schema in self.parameters(each):
                yield f"{field.name}.{name}", schema

    def _one(self, field: FieldDescriptor, rules: validate_pb2.FieldRules | None) -> dict[str, Any]:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        found = dict(_KINDS[field.type])
        kind = rules.WhichOneof("type") if rules is not None else None
        if rules is None or kind is None:
            return found
        said = _said(getattr(rules, kind))
        if kind == "bytes":
            # the rules count bytes, the schema characters of Base64
            said = {
                key: -(-value * 4 // 3) if key == "minLength" else -(-value // 3) * 4
                for key, value in said.items()
                if key in {"minLength", "maxLength"}
            }
        if found["type"] == "string" and kind not in {"string", "bytes"}:
            return found
        return found | said

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


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]


def _said(rules: Any) -> dict[str, Any]:
    """What JSON Schema can say of the rules of one kind."""
    found: dict[str, Any] = {}
    names = {field.name for field, _ in rules.ListFields()}
    for name, keyword in _RULES:
        if name in names:
            found[keyword] = getattr(rules, name)
    if "len" in names:
        found |= {"minLength": rules.len, "maxLength": rules.len}
    if "in" in names:
        found["enum"] = list(getattr(rules, "in"))
    if "const" in names:
        found["const"] = rules.const
    return found
