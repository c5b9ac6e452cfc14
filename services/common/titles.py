"""What people call the fields of bodies, their choices, kinds of material and roles; the words are titles.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from liandong.cases.v1 import case_service_pb2

from services.common.title import Title

_OWN: Final = "liandong."


@cache
def _catalogue() -> Mapping[str, Any]:
    text = resources.files("services.common").joinpath("titles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def field_title(field: Any) -> Title:
    """What a field of a body is called; its own name where the catalogue does not know it."""
    catalogue = _catalogue()
    message = field.containing_type
    pair = catalogue["messages"].get(message.name, {}).get(field.name) or catalogue["fields"].get(field.name)
    return Title(*pair) if pair else Title(field.name, field.name)


def value_title(value: Any) -> Title:
    """What a choice is called; its own name where the catalogue does not know it."""
    pair = _catalogue()["enums"].get(value.type.name, {}).get(short_name(value))
    return Title(*pair) if pair else Title(value.name, value.name)


def material_title(kind: str) -> Title:
    """What a kind of material is called; its own name where the catalogue does not know it, as a region's own."""
    return _entry("materials", kind)


def role_title(role: str) -> Title:
    """What a role of persons is called, likewise."""
    return _entry("people", role)


def _entry(table: str, name: str) -> Title:
    pair = _catalogue()[table].get(name)
    return Title(*pair) if pair else Title(name, name)


def short_name(value: Any) -> str:
    """A choice's name without that of its enum: `UNIT` of `SUBJECT_KIND_UNIT`."""
    prefix = "".join(f"_{each}" if each.isupper() else each.upper() for each in value.type.name)
    name: str = value.name
    return name.removeprefix(f"{prefix.lstrip('_')}_")


def body_messages() -> Iterator[Descriptor]:
    """Every message that a body of an act is, or holds."""
    waiting = [
        field.message_type for field in case_service_pb2.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
    ]
    seen: set[str] = set()
    while waiting:
        message = waiting.pop()
        if message is None or message.full_name in seen or not message.full_name.startswith(_OWN):
            continue
        seen.add(message.full_name)
        yield message
        waiting += [field.message_type for field in message.fields]
