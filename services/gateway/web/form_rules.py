"""What the contract says of a field, as a form needs it: bounds, and words for a rule that is broken."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.common.errors import FieldViolation
from services.gateway.languages import Language
from services.gateway.web.texts import catalogue, text

_STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d+)\])?")
_NUMBERS: Final = ("int32", "int64", "uint32", "uint64")


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds of one field; None where there is none.

    Attributes:
        required: Empty is refused; of a list, that it has no item.
        shortest: Characters, at least; of each item in a list of texts.
        longest: Characters, at most.
        pattern: Of a text.
        fewest: Items, at least.
        most: Items, at most.
        lowest: Of a number.
        highest: Of a number.
    """

    required: bool = False
    shortest: int | None = None
    longest: int | None = None
    pattern: str = ""
    fewest: int | None = None
    most: int | None = None
    lowest: int | None = None
    highest: int | None = None


@cache
def rules_of(field: FieldDescriptor) -> Rules:
    """What the contract says of a field."""
    found = field.GetOptions().Extensions[validate_pb2.field]
    required = bool(found.required)
    fewest = most = None
    one = found
    if field.is_repeated:
        fewest, most = _set(found.repeated, "min_items"), _set(found.repeated, "max_items")
        required = required or bool(fewest)
        one = found.repeated.items
    kind = one.WhichOneof("type") or ""
    lowest = highest = None
    if kind in _NUMBERS:
        number = getattr(one, kind)
        lowest, above = _set(number, "gte"), _set(number, "gt")
        highest, below = _set(number, "lte"), _set(number, "lt")
        lowest = lowest if above is None else above + 1
        highest = highest if below is None else below - 1
    text_rules = one.string
    shortest = _set(text_rules, "len") or _set(text_rules, "min_len")
    if not field.is_repeated:
        required = required or bool(shortest) or 0 in one.enum.not_in or bool(lowest and lowest > 0)
    return Rules(
        required=required,
        shortest=shortest,
        longest=_set(text_rules, "len") or _set(text_rules, "max_len"),
        pattern=text_rules.pattern,
        fewest=fewest,
        most=most,
        lowest=lowest,
        highest=highest,
    )


def name_of(path: str) -> str:
    """How a form names the field at a path: `subjects.0.name` for `subjects[0].name`."""
    return re.sub(r"\[(\d+)\]", r".\1", path)


def wrong_by_name(
    kind: Descriptor, violations: Iterable[FieldViolation], language: Language, prefix: str = ""
) -> dict[str, str]:
    """What is wrong, in words, by the name that its field has in a form; the first of several at one field.

    Args:
        kind: The message that was checked.
        violations: What `edge.validate`, or a service, found; their paths begin at the message.
        language: Of the words.
        prefix: Before the names in the form.
    """
    found: dict[str, str] = {}
    for each in violations:
        name = prefix + name_of(each.field) if each.field else ""
        found.setdefault(name, _said(_field_at(kind, each.field), each, language))
    return found


def _said(field: FieldDescriptor | None, violation: FieldViolation, language: Language) -> str:
    rules = rules_of(field) if field is not None else Rules()
    rule = violation.rule.rpartition(".")[2]
    if rule == "min_len" and rules.shortest == 1:
        rule = "required"
    name = f"form.rule_{rule}"
    if name not in catalogue():
        return text("form.rule_other", language) if language == "zh" else violation.message
    return text(
        name, language, shortest=rules.shortest, longest=rules.longest, fewest=rules.fewest, most=rules.most,
        lowest=rules.lowest, highest=rules.highest,
    )  # fmt: skip


def _field_at(kind: Descriptor, path: str) -> FieldDescriptor | None:
    field = None
    message: Descriptor | None = kind
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        if match is None or message is None:
            return None
        field = message.fields_by_name.get(match[1])
        message = field.message_type if field is not None else None
    return field


def _set(rules: Any, name: str) -> int | None:
    return int(getattr(rules, name)) if rules.HasField(name) else None
