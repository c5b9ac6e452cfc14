"""Forms made from a message of the contracts: its fields, their rules and titles; nothing is said of a form twice.

What is typed is a mapping of names to values, `Typed`, in which a field's name is its path: `transfer_letter.title`,
`transfer_letter.subjects.0.name`. A form is shown from it and a message is read from it, so that nothing that was
typed is lost, however wrong it is:

    shape = forms.Shape(TransferLetter.DESCRIPTOR, "transfer_letter.")
    typed = forms.typed_of(body, "transfer_letter.")         # a form filled in; {} for an empty one
    return page.render("x.html", form=shape.form(typed, page.language))

and in the template, where `add` and `remove` are buttons of the same form, without script too:

    {% import "form_fields.html" as forms %}
    <form id="letter" method="post" novalidate>{{ pieces.csrf(page) }}
      {{ forms.summary(page, form) }}{{ forms.fields(page, form, "letter") }} <button>...</button></form>

When it comes back:

    typed = forms.typed_in(page.form)
    if (changed := forms.changed(typed)) is not None:        # an item was added or removed: show it again
        return page.render("x.html", form=shape.form(changed, page.language))
    found = shape.read(typed, page.language)                 # found.message, found.wrong by name, found.typed
    if found.wrong:
        return page.render("x.html", status=400, form=shape.form(found.typed, page.language, found.wrong))
    draft.transfer_letter.CopyFrom(found.message)

What a service finds later (`error.violations`, paths such as `draft.transfer_letter.title`) is put beside its field
by `wrong_in(error, page.language, "draft.", ActDraft.DESCRIPTOR)`. Rows that were left empty are dropped;
`found.typed` numbers the others anew, as the message does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.datastructures import FormData

from services.common.edge import validate
from services.common.errors import FieldViolation, LiandongError
from services.common.title import Title
from services.gateway.languages import Language
from services.gateway.web.form_fields import Choices, Field, Form, View
from services.gateway.web.form_rules import name_of, wrong_by_name
from services.gateway.web.form_values import Reader, Typed, next_row, tree_of, typed_of
from services.gateway.web.texts import catalogue, text

__all__ = [
    "ADD",
    "REMOVE",
    "Choices",
    "Form",
    "Read",
    "Shape",
    "Typed",
    "changed",
    "typed_in",
    "typed_of",
    "wrong_in",
]

ADD: Final = "add"
REMOVE: Final = "remove"


@dataclass(frozen=True)
class Read:
    """What a form says.

    Attributes:
        message: As far as it could be read.
        typed: What was typed without the rows that were left empty.
        wrong: What is wrong, by name; empty if the message keeps every rule.
    """

    message: Message
    typed: Typed
    wrong: Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """The fields of a message that a form has.

    Attributes:
        kind: The message.
        prefix: Before each name, such as `transfer_letter.`.
        only: Names of the fields; empty: all.
        skip: Names of fields that stand elsewhere.
        choices: For texts that are chosen from a list, such as departments.
        titles: Of fields for which the catalogue has no word, or another is wanted.
        required: Names of fields that are wanted though the contract lets them be empty.
    """

    kind: Descriptor
    prefix: str = ""
    only: Collection[str] = ()
    skip: Collection[str] = ()
    choices: Choices | None = None
    titles: Mapping[str, Title] = field(default_factory=dict)
    required: Collection[str] = ()

    def form(self, typed: Typed, language: Language, wrong: Mapping[str, str] | None = None) -> Form:
        """The form to show.

        Args:
            typed: What is typed; a name under `ADD` is that of the list to which a row was added just now.
            language: Of titles and hints.
            wrong: What is wrong, by name.
        """
        added = next(iter(typed.get(ADD, ())), "")
        view = View(language, wrong or {}, added, self.choices, self.titles)
        tree = tree_of(typed, self.prefix)
        shown = (self._wanted(view.field(each, self.prefix, tree), each) for each in self._fields())
        return Form(tuple(shown), wrong or {})

    def read(self, typed: Typed, language: Language) -> Read:
        """Read the message and check it against the rules of the contract.

        Args:
            typed: What was posted; names that are none of these fields are not looked at.
            language: Of what is wrong.
        """
        message: Message = GetMessageClass(self.kind)()
        tree, reader = tree_of(typed, self.prefix), Reader(language)
        for each in self._fields():
            reader.read(message, each, self.prefix, tree)
        wrong: dict[str, str] = {}
        try:
            validate(message)
        except LiandongError as error:
            names = {each.name for each in self._fields()}
            mine = [each for each in error.violations if name_of(each.field).split(".")[0] in names]
            wrong = wrong_by_name(self.kind, mine, language, self.prefix)
        for each in self._fields():
            if each.name in self.required and not is_set(message, each):
                wrong.setdefault(self.prefix + each.name, text("form.rule_required", language))
        # what could not be read is not there, and would be said to be missing
        return Read(message, reader.kept, wrong | reader.wrong)

    def _wanted(self, shown: Field, each: FieldDescriptor) -> Field:
        if each.name not in self.required:
            return shown
        return replace(shown, rules=replace(shown.rules, required=True))

    def _fields(self) -> Iterator[FieldDescriptor]:
        for each in self.kind.fields:
            if (not self.only or each.name in self.only) and each.name not in self.skip:
                yield each


def is_set(message: Message, field: FieldDescriptor) -> bool:
    """Whether a field says something."""
    if field.message_type is not None and not field.is_repeated:
        return message.HasField(field.name)
    return bool(getattr(message, field.name))


def typed_in(form: FormData) -> dict[str, Sequence[str]]:
    """What was posted, files aside."""
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return dict(found)


def changed(typed: Typed) -> dict[str, Sequence[str]] | None:
    """What is typed after a button of a list was pressed, with a row more or less; None if none was.

    What is under `ADD` stays, so that the new row gets the focus.
    """
    if add := next(iter(typed.get(ADD, ())), ""):
        return {**typed, f"{add}.{next_row(typed, add)}": [""]}
    if gone := next(iter(typed.get(REMOVE, ())), ""):
        return {
            name: values
            for name, values in typed.items()
            if name not in (gone, REMOVE) and not name.startswith(f"{gone}.")
        }
    return None


def wrong_in(
    error: LiandongError, language: Language, within: str = "", kind: Descriptor | None = None
) -> dict[str, str]:
    """What a service found wrong, by the name that its field has in a form; under an empty name what has no field.

    Args:
        error: What it said.
        language: Of the words.
        within: What its paths begin with and names here do not, such as `draft.`.
        kind: The message that stands there, for words that name its bounds.
    """
    named = f"reasons.{error.reason}"
    words = text(named, language) if named in catalogue() else error.message
    if not error.violations:
        return {name_of(error.field.removeprefix(within)): words}
    violations = [
        FieldViolation(each.field.removeprefix(within), each.rule, each.message) for each in error.violations
    ]
    if kind is None or error.reason not in _BY_RULE:
        return {name_of(each.field): words for each in violations}
    return wrong_by_name(kind, violations, language)


_BY_RULE: Final = ("INVALID_FIELD", "LIMIT_EXCEEDED")
"""Reasons that only say that a rule is broken: which one, says more."""
