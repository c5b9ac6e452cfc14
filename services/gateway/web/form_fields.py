"""A form as it is shown: its fields with labels, hints, what is typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from services.common.title import Title
from services.common.titles import field_title, short_name, value_title
from services.gateway.languages import Language
from services.gateway.web.form_rules import Rules, rules_of
from services.gateway.web.form_values import Node, is_moment, is_money
from services.gateway.web.texts import catalogue, text

LONG: Final = 300
"""A text of more characters is written in several lines."""
Choices = Callable[[FieldDescriptor], Sequence[tuple[str, str]] | None]
"""What may be chosen for a field of text: values with what they are called; None where it is typed freely."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice.

    Attributes:
        value: As it is sent.
        title: As it is read.
        chosen: It is chosen now.
    """

    value: str
    title: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field, as `form_fields.html` shows it.

    Attributes:
        name: In the form: its path.
        id: Of the element, for labels and links.
        kind: `text`, `long`, `number`, `money`, `moment`, `flag`, `choice`, `choices`, `group`, or `items`.
        title: Its label.
        hint: Below the label; may be empty.
        rules: Of the contract.
        value: What is typed.
        wrong: What is wrong with it; empty if nothing.
        options: Of `choice` and `choices`.
        inner: Fields of a `group`.
        rows: Of `items`: one field each, a group for messages.
        focus: It was added just now.
    """

    name: str
    id: str
    kind: str
    title: str
    hint: str
    rules: Rules
    value: str = ""
    wrong: str = ""
    options: tuple[Option, ...] = ()
    inner: tuple[Field, ...] = ()
    rows: tuple[Field, ...] = ()
    focus: bool = False

    @property
    def full(self) -> bool:
        """Nothing can be added."""
        return self.rules.most is not None and len(self.rows) >= self.rules.most


@dataclass(frozen=True)
class Form:
    """A form as it is shown.

    Attributes:
        fields: In the contract's order.
        wrong: What is wrong, by name.
    """

    fields: tuple[Field, ...]
    wrong: Mapping[str, str]

    @cached_property
    def shown(self) -> Mapping[str, Field]:
        """Every field by its name, those in rows among them."""
        return {each.name: each for each in _every(self.fields)}


def id_of(name: str) -> str:
    """The id of the element of a field."""
    return "f-" + name.replace(".", "-").replace("_", "-")


@dataclass(frozen=True)
class View:
    """Makes fields.

    Attributes:
        language: Of titles and hints.
        wrong: What is wrong, by name.
        added: The list to which a row was added just now.
        choices: For texts that are chosen from a list.
        titles: Of fields, before those of the catalogue.
    """

    language: Language
    wrong: Mapping[str, str]
    added: str
    choices: Choices | None
    titles: Mapping[str, Title]

    def field(self, each: FieldDescriptor, prefix: str, tree: Node) -> Field:
        """One field of a message."""
        name, node = prefix + each.name, tree.inner.get(each.name, Node())
        if not each.is_repeated or each.enum_type is not None:
            return self._one(each, name, node)
        rules = rules_of(each)
        rows = node.rows or ([Node()] if rules.required else [])
        shown = [self._one(each, f"{name}.{index}", row, index + 1) for index, row in enumerate(rows)]
        if shown and name == self.added:
            shown[-1] = _focused(shown[-1])
        return Field(
            name, id_of(name), "items", self._title(each), self._hint(each, rules), rules,
            wrong=self.wrong.get(name, ""), rows=tuple(shown),
        )  # fmt: skip

    def _one(self, each: FieldDescriptor, name: str, node: Node, number: int = 0) -> Field:
        rules, title = rules_of(each), self._title(each)
        kind, options = self._kind(each, rules, node)
        hint = self._hint(each, rules)
        if number:
            title, hint = text("form.row", self.language, title=title, number=number), ""
        inner: tuple[Field, ...] = ()
        if kind == "group" and each.message_type is not None:
            inner = tuple(self.field(one, f"{name}.", node) for one in each.message_type.fields)
        return Field(
            name, id_of(name), kind, title, hint, rules, value=node.value, wrong=self.wrong.get(name, ""),
            options=options, inner=inner,
        )  # fmt: skip

    def _kind(self, each: FieldDescriptor, rules: Rules, node: Node) -> tuple[str, tuple[Option, ...]]:
        if each.enum_type is not None:
            offered = [
                (short_name(one), self._say(value_title(one))) for one in each.enum_type.values if one.number
            ]
            return ("choices" if each.is_repeated else "choice"), _options(offered, node.values)
        if each.type == FieldDescriptor.TYPE_STRING and self.choices is not None:
            listed = self.choices(each)
            if listed is not None:
                others = [(one, one) for one in node.values if one and one not in dict(listed)]
                return "choice", _options([*listed, *others], node.values)
        return _plain_kind(each, rules), ()

    def _title(self, each: FieldDescriptor) -> str:
        return self._say(self.titles.get(each.name) or field_title(each))

    def _hint(self, each: FieldDescriptor, rules: Rules) -> str:
        if (name := f"form.hint_{each.name}") in catalogue():
            return text(name, self.language)
        if is_money(each):
            return text("form.yuan", self.language)
        long = (rules.longest or 0) > LONG and not each.is_repeated
        return text("form.longest", self.language, longest=rules.longest) if long else ""

    def _say(self, title: Title) -> str:
        return title.zh if self.language == "zh" else title.en


def _plain_kind(each: FieldDescriptor, rules: Rules) -> str:
    if each.message_type is not None:
        return "moment" if is_moment(each) else "group"
    if each.type == FieldDescriptor.TYPE_BOOL:
        return "flag"
    if each.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return "long" if (rules.longest or 0) > LONG else "text"
    return "money" if is_money(each) else "number"


def _options(offered: Sequence[tuple[str, str]], chosen: Collection[str]) -> tuple[Option, ...]:
    return tuple(Option(value, title, value in chosen) for value, title in offered)


def _focused(each: Field) -> Field:
    """The focus goes to the first thing that can be typed."""
    if each.kind == "group" and each.inner:
        return replace(each, inner=(_focused(each.inner[0]), *each.inner[1:]))
    return replace(each, focus=True)


def _every(fields: Sequence[Field]) -> Iterator[Field]:
    for each in fields:
        yield each
        yield from _every(each.inner)
        yield from _every(each.rows)
