"""Forms made from the contracts: every body of every act is shown and read again without loss."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2, case_service_pb2
from starlette.datastructures import FormData

from services.common.edge import validate
from services.common.errors import InvalidField
from services.gateway.languages import LANGUAGES
from services.gateway.web import forms
from services.gateway.web.form_rules import rules_of
from services.gateway.web.site import environment
from services.gateway.web.texts import text

BODIES = [field.message_type for field in case_service_pb2.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields]


class FakePage:
    """What the templates of forms need of a page."""

    def __init__(self, language: Any) -> None:
        self.language = language

    def t(self, name: str, **values: object) -> str:
        return text(name, self.language, **values)


class Browser(HTMLParser):
    """Collects what a browser would send of a form whose last button is not pressed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.controls: set[str] = set()
        self._area: str | None = None
        self._text = ""
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label" and "for" in found:
            self.labels.add(found["for"])
        if tag in ("input", "select", "textarea") and found.get("type") not in ("hidden", "checkbox"):
            self.controls.add(found["id"])
        if tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.sent.setdefault(found["name"], []).append(found.get("value", ""))
        elif tag == "textarea":
            self._area, self._text = found["name"], ""
        elif tag == "select":
            self._select = found["name"]
            self.sent.setdefault(self._select, [""])
        elif tag == "option" and "selected" in found:
            self.sent[self._select] = [found["value"]]

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            self.sent.setdefault(self._area, []).append(self._text.removeprefix("\n"))
            self._area = None


TEMPLATE: Final = environment().from_string(
    '{% import "form_fields.html" as f %}{{ f.summary(page, form) }}{{ f.fields(page, form, "x") }}'
)


def shown(form: forms.Form, language: Any = "zh") -> str:
    return TEMPLATE.render(page=FakePage(language), form=form)


def filled(kind: Descriptor, rows: int = 2) -> Message:
    """A message in which everything is set, within its rules, with what might break out of a page."""
    message: Message = GetMessageClass(kind)()
    for each in kind.fields:
        _fill(message, each, rows)
    return message


def _fill(message: Message, each: Any, rows: int) -> None:
    if each.message_type is not None and each.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        getattr(message, each.name).FromJsonString("2026-03-02T01:30:00Z")
    elif each.message_type is not None:
        many = getattr(message, each.name)
        for _ in range(rows):
            many.add().CopyFrom(filled(each.message_type, rows))
    elif each.is_repeated:
        getattr(message, each.name).extend(_value(each, index) for index in range(rows))
    else:
        setattr(message, each.name, _value(each, 0))


def _value(each: FieldDescriptor, index: int) -> Any:
    rules = rules_of(each)
    if each.enum_type is not None:
        return [one.number for one in each.enum_type.values if one.number][index]
    if each.type == FieldDescriptor.TYPE_STRING:
        return f"“甲”<b>&amp;\"'{index}"[: rules.longest]
    if each.type == FieldDescriptor.TYPE_BYTES:
        return b"\1\2"
    if each.type == FieldDescriptor.TYPE_BOOL:
        return True
    return max(rules.lowest or 0, 1) + index


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_body_is_shown_and_read_again_as_it_was(kind: Descriptor, language: Any) -> None:
    """What a browser sends of a filled form is the message that it was made of; every control has its label."""
    message = filled(kind)
    validate(message)
    shape = forms.Shape(kind, "body.")
    browser = Browser(shown(shape.form(forms.typed_of(message, "body."), language), language))
    assert browser.controls <= browser.labels
    assert len(browser.ids) == len(set(browser.ids))
    found = shape.read(browser.sent, language)
    assert found.wrong == {}
    assert found.message == message
    assert shape.form(found.typed, language) == shape.form(forms.typed_of(message, "body."), language)


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.name)
def test_an_empty_form_says_what_is_missing_beside_each_field(kind: Descriptor) -> None:
    """What the contract requires, and nothing else; each fault has a field that is shown."""
    shape = forms.Shape(kind, "body.")
    browser = Browser(shown(shape.form({}, "zh")))
    found = shape.read(browser.sent, "zh")
    assert found.message == GetMessageClass(kind)()
    required = {f"body.{each.name}" for each in kind.fields if rules_of(each).required}
    assert set(found.wrong) == required
    page = shown(shape.form(found.typed, "zh", found.wrong))
    assert all(name in shape.form({}, "zh").shown for name in found.wrong)
    assert page.count('class="wrong"') == len(required)


def test_nothing_typed_is_lost_when_it_is_wrong() -> None:
    """A date, an amount and a number that are none stand there again, each with its fault."""
    shape = forms.Shape(bodies_pb2.OutcomeLetter.DESCRIPTOR)
    typed = {"result": ["罚"], "fine_fen": ["十元"], "decided_at": ["yesterday"]}
    found = shape.read(typed, "zh")
    assert set(found.wrong) == {"fine_fen", "decided_at"}
    form = shape.form(found.typed, "zh", found.wrong)
    assert form.shown["fine_fen"].value == "十元"
    assert form.shown["decided_at"].value == "yesterday"
    assert form.shown["fine_fen"].wrong


@pytest.mark.parametrize(
    ("typed", "fen"), [("1234.5", 123450), ("1,234.05", 123405), ("0.01", 1), ("3", 300)]
)
def test_money_is_typed_in_yuan(typed: str, fen: int) -> None:
    """And kept in whole fen, without a float in between."""
    found = forms.Shape(bodies_pb2.OutcomeLetter.DESCRIPTOR).read(
        {"result": ["罚"], "fine_fen": [typed]}, "zh"
    )
    assert found.wrong == {}
    assert found.message.fine_fen == fen  # type: ignore[attr-defined]


@pytest.mark.parametrize("typed", ["1.005", "1e9", "-1", "NaN", "9" * 30, "１２"])
def test_what_is_no_amount_is_refused(typed: str) -> None:
    """Also what Python would take for a number."""
    found = forms.Shape(bodies_pb2.OutcomeLetter.DESCRIPTOR).read(
        {"result": ["罚"], "fine_fen": [typed]}, "zh"
    )
    assert set(found.wrong) == {"fine_fen"}


def test_rows_are_added_and_removed_without_script() -> None:
    """A button says which; what was typed elsewhere stays, and the new row gets the focus."""
    shape = forms.Shape(bodies_pb2.TransferLetter.DESCRIPTOR, "t.")
    added = forms.changed({"t.title": ["甲"], "add": ["t.subjects"]})
    assert added is not None
    form = shape.form(added, "zh")
    assert len(form.shown["t.subjects"].rows) == 1
    assert form.shown["t.subjects.0.kind"].focus
    assert form.shown["t.title"].value == "甲"
    again = forms.changed({**added, "t.subjects.0.name": ["乙"]})
    assert again is not None
    assert [each.name for each in shape.form(again, "zh").shown["t.subjects"].rows] == [
        "t.subjects.0",
        "t.subjects.1",
    ]
    fewer = forms.changed(
        {name: value for name, value in again.items() if name != "add"} | {"remove": ["t.subjects.0"]}
    )
    assert fewer is not None
    assert len(shape.form(fewer, "zh").shown["t.subjects"].rows) == 1
    assert "t.subjects.0.name" not in fewer
    assert forms.changed({"t.title": ["甲"]}) is None


def test_a_row_left_empty_is_no_row() -> None:
    """The others are numbered as the message numbers them, so that a fault stands beside its field."""
    shape = forms.Shape(bodies_pb2.TransferLetter.DESCRIPTOR)
    typed: dict[str, Sequence[str]] = {
        "title": ["甲"], "facts": ["乙"],
        "subjects.0": [""], "subjects.0.name": [" "], "subjects.0.kind": [""],
        "subjects.7": [""], "subjects.7.name": ["丙"], "subjects.7.kind": [""],
    }  # fmt: skip
    found = shape.read(typed, "zh")
    assert [each.name for each in found.message.subjects] == ["丙"]  # type: ignore[attr-defined]
    assert set(found.wrong) == {"subjects.0.kind"}
    assert shape.form(found.typed, "zh", found.wrong).shown["subjects.0.name"].value == "丙"


def test_a_list_is_not_longer_than_the_contract_permits() -> None:
    """The button is disabled, and what comes all the same is refused beside the list."""
    shape = forms.Shape(bodies_pb2.TransferLetter.DESCRIPTOR)
    typed = {f"subjects.{each}.name": ["甲"] for each in range(33)}
    assert shape.form(typed, "zh").shown["subjects"].full
    assert shape.read(typed, "zh").wrong["subjects"] == "最多32项。"


def test_hostile_names_and_values_are_nothing() -> None:
    """Neither deep nor strange names, nor choices that are none, reach the message."""
    shape = forms.Shape(bodies_pb2.TransferLetter.DESCRIPTOR)
    typed = {
        "title": ["甲"], "facts": ["乙"], ".".join(["subjects"] * 5000): ["x"], "subjects.x.name": ["x"],
        "subjects.99999999.name": ["x"], "subjects.²": ["x"], "__class__": ["x"], "subjects.0.kind": ["9"],
    }  # fmt: skip
    found = shape.read(typed, "zh")
    assert found.wrong == {"subjects.0.kind": "请从列出的选项中选择。", "subjects.0.name": "请填写此项。"}


def test_texts_may_be_chosen_from_a_list() -> None:
    """What was typed before and is in no list stays to be seen."""
    shape = forms.Shape(
        bodies_pb2.Dispute.DESCRIPTOR,
        choices=lambda field: [("a.b", "甲局")] if field.name == "competent_department" else None,
    )
    field = shape.form({"competent_department": ["c.d"]}, "zh").shown["competent_department"]
    assert [(each.value, each.chosen) for each in field.options] == [("a.b", False), ("c.d", True)]


def test_a_service_s_words_stand_beside_their_field() -> None:
    """By the path that it names, as far as the form has it."""
    kind = case_service_pb2.ActDraft.DESCRIPTOR
    draft = case_service_pb2.ActDraft(act="transfer")
    draft.transfer_letter.subjects.add(name="x" * 201)
    with pytest.raises(InvalidField) as refused:
        validate(case_service_pb2.SendActRequest(draft=draft, idempotency_key="1"))
    found = forms.wrong_in(refused.value, "zh", "draft.", kind)
    assert found["transfer_letter.subjects.0.name"] == "最多200字。"
    assert found["transfer_letter.title"] == "请填写此项。"


def test_what_was_posted_is_taken_as_it_was_typed() -> None:
    """Lines end as they are kept, and boxes of one name come together."""
    form = FormData([("a", "1\r\n2"), ("b", "x"), ("b", "y")])
    assert forms.typed_in(form) == {"a": ["1\n2"], "b": ["x", "y"]}
