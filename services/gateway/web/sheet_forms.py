"""From what a sheet holds to the acts that it becomes: which fields there are, what is missing, what is sent.

A sheet is for one act. Where that act cannot be the first of a case, the case is opened before it by another one,
made from the same fields: what both bodies call alike is typed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as cases
from stdnum.cn import ric, uscc

from services.common.errors import NotFound
from services.common.title import Title
from services.gateway.languages import Language
from services.gateway.sheets.model import Fields, File, Sheet
from services.gateway.web import forms
from services.gateway.web.bodies import field_of, message_of
from services.gateway.web.form_values import tree_of
from services.gateway.web.procedures import OFFICE, Act, Procedure, Shortcut, printed
from services.gateway.web.texts import text

RECEIVER: Final = "receiver"
"""The role for which the duty lists say who is competent."""
PARTIES: Final = "parties."
COPIES: Final = "copies"
ANNOUNCED: Final = "announced"
OVERRIDE: Final = "override_reason"
"""The field of a body that says why another department was chosen than the one proposed."""
OTHER_MATERIAL: Final = "attachment"
_SUBJECTS: Final = "subjects"
_DIGEST_SIZE: Final = 32
_HEADER: Final = ("occurred_at", "urgency", "item_code", "area_code")
_ASKED: Final = ("requested_limit", "outcome_code", "reason_code", "amended_letter")


@dataclass(frozen=True)
class Plan:
    """What a sheet is to become.

    Attributes:
        procedure: The procedure.
        act: The act that the sheet is for.
        first: What opens the case before it; None where the act does itself.
    """

    procedure: Procedure
    act: Act
    first: Act | None = None

    @property
    def printed(self) -> frozenset[str]:
        """Kinds of material that are the printed letter itself: made here where nobody brings them."""
        return printed() & frozenset(self.act.needs)

    @cached_property
    def body(self) -> FieldDescriptor:
        """The field of `ActDraft` that holds the act's body."""
        return field_of(self.act.body)

    @cached_property
    def first_body(self) -> FieldDescriptor | None:
        """That of the act before it."""
        return field_of(self.first.body) if self.first is not None else None

    @property
    def prefix(self) -> str:
        """Before the names of the body's fields."""
        return f"{self.body.name}."

    @cached_property
    def shape(self) -> forms.Shape:
        """The body's own fields; whom it is about and why another was chosen stand elsewhere."""
        return forms.Shape(message_of(self.body), self.prefix, skip=(_SUBJECTS, OVERRIDE))

    @cached_property
    def subjects(self) -> forms.Shape | None:
        """Whom it is about; None where the act does not say."""
        if _SUBJECTS not in message_of(self.body).fields_by_name:
            return None
        return forms.Shape(message_of(self.body), self.prefix, only=(_SUBJECTS,))

    @cached_property
    def first_shape(self) -> forms.Shape | None:
        """What only the act before it says."""
        if self.first_body is None:
            return None
        known = message_of(self.body).fields_by_name
        only = [each.name for each in message_of(self.first_body).fields if each.name not in known]
        return (
            forms.Shape(message_of(self.first_body), f"{self.first_body.name}.", only=only) if only else None
        )

    def header(self) -> forms.Shape:
        """What stands in the act header."""
        asked = [each for each in _ASKED if each in self.act.requires]
        moment = (self.first or self.act).occurred_at
        # of what a rule demands the contract says nothing
        return forms.Shape(
            cases.ActDraft.DESCRIPTOR, only=(*_HEADER, *asked), titles={"occurred_at": moment, **_TITLES},
            required=("occurred_at", *(each for each in self.act.requires if each in (*_HEADER, *asked))),
        )  # fmt: skip

    @property
    def can_override(self) -> bool:
        """The body has room for why another department was chosen."""
        return OVERRIDE in message_of(self.body).fields_by_name

    @cached_property
    def roles(self) -> Mapping[str, Title]:
        """Roles that the sheet gives to departments."""
        own = set((self.first or self.act).by)
        named = set(self.act.names) if self.first else set(self.procedure.roles) - own - {OFFICE}
        return {name: title for name, title in self.procedure.roles.items() if name in named}

    @property
    def urgencies(self) -> Sequence[str]:
        """Urgencies that it can have."""
        every = ("ordinary", "urgent", "major")
        return [each for each in every if not self.act.only or each in self.act.only]

    def limits(self, urgency: str) -> list[tuple[Title, str]]:
        """What runs from the opening on, in an urgency, as far as it depends on that."""
        return [
            (title, within[urgency])
            for title, within in self.procedure.limits.values()
            if len(within) > 1 and urgency in within
        ][:1]


@dataclass(frozen=True)
class Read:
    """What a sheet says.

    Attributes:
        first: What opens the case; None where the act does.
        draft: The act, as far as it could be read.
        wrong: What is wrong or missing, by the name of the field.
        missing: Kinds of material that are needed and not there.
    """

    first: cases.ActDraft | None
    draft: cases.ActDraft
    wrong: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """A letter can be made of it."""
        return not self.wrong and not self.missing


def plan_for(procedure: Procedure, act: str, shortcuts: Mapping[str, Shortcut], department: str) -> Plan:
    """What a sheet for an act is to become.

    Raises:
        NotFound: There is no such act, or the department may not open a case with it.
    """
    found = procedure.act(act)
    for each in shortcuts.values():
        if (each.procedure, each.act) == (procedure.name, act):
            return Plan(procedure, found, procedure.act(each.first))
    if found not in procedure.may_open(department):
        raise NotFound("A case cannot be opened with this act.", field="act")
    return Plan(procedure, found)


def read(
    plan: Plan,
    sheet: Sheet,
    files: Sequence[File],
    language: Language,
    proposed: str = "",
    copied: Mapping[str, str] | None = None,
) -> Read:
    """What a sheet says, and what is missing.

    Args:
        plan: What it is to become.
        sheet: What was typed.
        files: Its files.
        language: Of what is wrong.
        proposed: The department that is competent by the lists; empty if none is known.
        copied: Departments that get a copy by a rule, with the clause.
    """
    typed = completed(plan, sheet.fields)
    draft = cases.ActDraft(procedure=plan.procedure.name, act=plan.act.name, case_id=sheet.case_id)
    wrong: dict[str, str] = {}
    _take(draft, plan.header(), typed, language, wrong)
    body = forms.Shape(message_of(plan.body), plan.prefix).read(typed, language)
    wrong |= body.wrong
    getattr(draft, plan.body.name).CopyFrom(body.message)
    _parties(plan, sheet, draft, language, wrong)
    if plan.can_override and proposed and not sheet.one(plan.prefix + OVERRIDE).strip():
        receiver = sheet.one(PARTIES + RECEIVER)
        if receiver and receiver != proposed:
            wrong[plan.prefix + OVERRIDE] = text("sheet.override_wanted", language)
    for department in dict.fromkeys((*(copied or {}), *sheet.all(COPIES))):
        draft.copies.add(department=department, clause=(copied or {}).get(department, ""))
    announced = sheet.all(ANNOUNCED) if plan.act.may_follow else ()
    _materials(draft, files, announced)
    there = {each.kind for each in files if each.is_there} | set(announced) | plan.printed
    missing = tuple(each for each in plan.act.needs if each not in there)
    first = None
    if plan.first is not None and plan.first_body is not None:
        first = _first(plan, sheet, draft, typed, language, wrong)
        # what was found when was said of the opening; the act itself is decided when it is made
        draft.ClearField("occurred_at")
        draft.ClearField("urgency")
    return Read(first, draft, wrong, missing)


def completed(plan: Plan, fields: Fields) -> dict[str, Sequence[str]]:
    """What was typed, with the kind of each subject read off its identifier where nobody chose it."""
    typed: dict[str, Sequence[str]] = {name: list(said) for name, said in fields.items()}
    for row in subject_rows(plan, fields):
        if any(typed.get(f"{row}.kind", ())) or not any(
            said[0].strip() for name, said in typed.items() if name.startswith(f"{row}.") and said
        ):
            continue
        typed[f"{row}.kind"] = [kind_of(str(next(iter(typed.get(f"{row}.identifier", ("",))))))]
    return typed


def subject_rows(plan: Plan, fields: Fields) -> list[str]:
    """Names of the rows of subjects, such as `transfer_letter.subjects.0`."""
    name = f"{plan.prefix}{_SUBJECTS}"
    numbers = {
        each.removeprefix(f"{name}.").partition(".")[0] for each in fields if each.startswith(f"{name}.")
    }
    return [f"{name}.{each}" for each in sorted(filter(str.isdecimal, numbers), key=int)]


def kind_of(identifier: str) -> str:
    """What an identifier is of: `UNIT`, `CITIZEN`, or `UNKNOWN`."""
    if uscc.is_valid(identifier):
        return "UNIT"
    return "CITIZEN" if ric.is_valid(identifier) else "UNKNOWN"


def shown(plan: Plan, typed: forms.Typed) -> dict[str, Sequence[str]]:
    """What the page shows: at least one subject to fill in."""
    name = f"{plan.prefix}{_SUBJECTS}"
    if plan.subjects is None or tree_of(typed, f"{name}.").inner:
        return dict(typed)
    return {**typed, f"{name}.0": [""]}


def _parties(
    plan: Plan, sheet: Sheet, draft: cases.ActDraft, language: Language, wrong: dict[str, str]
) -> None:
    for role in plan.roles:
        chosen = sheet.all(PARTIES + role)
        for department in chosen:
            draft.parties.add(role=role, department=department)
        if not chosen and (role == RECEIVER or len(plan.roles) == 1):
            wrong[PARTIES + role] = text("sheet.choose_department", language)


def _materials(draft: cases.ActDraft, files: Sequence[File], announced: Sequence[str]) -> None:
    for each in files:
        if each.is_there:
            draft.materials.add(
                kind=each.kind, manifest_root=each.root, digest=each.digest, size=each.size,
                media_type=each.media_type,
            )  # fmt: skip
    there = {each.kind for each in draft.materials}
    nothing = bytes(_DIGEST_SIZE)
    for kind in announced:
        if kind not in there:
            draft.materials.add(kind=kind, manifest_root=nothing, digest=nothing)


def _first(
    plan: Plan,
    sheet: Sheet,
    draft: cases.ActDraft,
    typed: forms.Typed,
    language: Language,
    wrong: dict[str, str],
) -> cases.ActDraft:
    assert plan.first is not None
    assert plan.first_body is not None
    first = cases.ActDraft(
        procedure=plan.procedure.name, act=plan.first.name, case_id=sheet.case_id, urgency=draft.urgency,
        item_code=draft.item_code, area_code=draft.area_code,
    )  # fmt: skip
    if draft.HasField("occurred_at"):
        first.occurred_at.CopyFrom(draft.occurred_at)
    opening: Message = getattr(first, plan.first_body.name)
    opening.SetInParent()
    body: Message = getattr(draft, plan.body.name)
    for each in message_of(plan.first_body).fields:
        same = body.DESCRIPTOR.fields_by_name.get(each.name)
        if same is None:
            continue
        value: Any = getattr(body, each.name)
        if each.is_repeated:
            getattr(opening, each.name).MergeFrom(value)
        else:
            setattr(opening, each.name, value)
    if plan.first_shape is not None:
        found = plan.first_shape.read(typed, language)
        wrong |= found.wrong
        opening.MergeFrom(found.message)
    return first


def _take(
    draft: cases.ActDraft, shape: forms.Shape, typed: forms.Typed, language: Language, wrong: dict[str, str]
) -> None:
    found = shape.read(typed, language)
    wrong |= found.wrong
    draft.MergeFrom(found.message)  # type: ignore[arg-type]


_TITLES: Final = {
    "urgency": Title("紧急程度", "Urgency"),
    "item_code": Title("事项编码", "Code of the matter"),
    "area_code": Title("行政区划", "Area"),
    "requested_limit": Title("要求完成的时间", "To be done by"),
    "outcome_code": Title("结果代码", "Code of the outcome"),
    "reason_code": Title("原因代码", "Code of the reason"),
    "amended_letter": Title("更正的函件", "Letter that is corrected"),
}
