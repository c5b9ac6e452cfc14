"""The form of an act: its body by the contract, and around it what the procedure asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.common.title import Title
from services.common.titles import material_title
from services.gateway.languages import Language
from services.gateway.web import forms
from services.gateway.web.bodies import field_of, message_of
from services.gateway.web.case import Attached
from services.gateway.web.forms import Form, Shape, Typed
from services.gateway.web.page import Page
from services.gateway.web.procedures import Act, Procedure, printed
from services.gateway.web.texts import catalogue

PARTY: Final = "party."
MATERIAL: Final = "material."
ALSO: Final = "also"
RECIPIENTS: Final = "recipients"
COPIES: Final = "copies"
FOLLOWS: Final = "follows"
ITSELF: Final = "itself"
"""In place of a file: the letter as it is printed."""
_HEADER: Final = (
    "occurred_at",
    "requested_limit",
    "amended_letter",
    "outcome_code",
    "reason_code",
    "item_code",
    "area_code",
)
_ASIDE: Final = ("urgency", "requested_limit", "outcome_code", "reason_code")
"""What may be said of any act and is asked for where the act requires it."""
_SECTIONS: Final = frozenset({"section", "lead_section", "co_sections"})
_ROOT: Final = 32


@dataclass(frozen=True, slots=True)
class Need:
    """Something that is chosen: who holds a role, or which file is a kind of material.

    Attributes:
        name: Of the field.
        title: What it is called.
        options: Values with what they are called.
        chosen: The value.
        required: It must be chosen.
        wrong: What is wrong with it.
    """

    name: str
    title: str
    options: Sequence[tuple[str, str]]
    chosen: str
    required: bool
    wrong: str = ""

    @property
    def id(self) -> str:
        """Of the element."""
        return "f-" + self.name.replace(".", "-")


@dataclass(frozen=True, slots=True)
class ActForm:
    """The form as it is shown.

    Attributes:
        header: What the act asks for beside its body.
        body: What people write.
        aside: What may be said as well.
        parties: Who is to hold the roles that the act names.
        materials: The kinds that it needs.
        also: Files of the case, and whether each is attached as well.
        locked: Departments that get a copy by rule, with the rule.
        others: Departments, and whether each is addressed and copied in by hand.
        wrong: What is wrong, by name.
    """

    header: Form
    body: Form
    aside: Form
    parties: tuple[Need, ...]
    materials: tuple[Need, ...]
    also: tuple[tuple[Attached, bool], ...]
    locked: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, bool, bool], ...]
    wrong: Mapping[str, str]

    @property
    def shown(self) -> Mapping[str, Any]:
        """Every field by its name."""
        needs = {each.name: each for each in (*self.parties, *self.materials)}
        return {**self.header.shown, **self.body.shown, **self.aside.shown, **needs}


class Asking:
    """What an act asks for, in a case or to open one.

    Args:
        page: Who writes.
        procedure: The version that the case runs under.
        act: The act.
        case: As it stands; None for a new one.
        evidence: Files that can be attached.
        amendable: Own letters, id and title, that can be corrected.
    """

    def __init__(
        self, page: Page, procedure: Procedure, act: Act, case: pb.CaseView | None,
        evidence: Sequence[Attached], amendable: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        self._page = page
        self._language: Language = page.language
        self._procedure = procedure
        self._act = act
        self._case = case
        self._evidence = [each for each in evidence if each.name]
        self._amendable = amendable
        self.field = field_of(act.body)
        titles = {"occurred_at": act.occurred_at, **_titles()}
        required = [each for each in act.requires if each in _HEADER]
        header = ["occurred_at", *(each for each in required if each != "occurred_at")]
        draft = pb.ActDraft.DESCRIPTOR
        self._header = Shape(draft, only=header, titles=titles, choices=self._choices, required=required)
        self._aside = Shape(draft, only=[each for each in _ASIDE if each not in header], titles=titles)
        self._body = Shape(message_of(self.field), f"{self.field.name}.", choices=self._choices)

    def form(self, typed: Typed, wrong: Mapping[str, str] | None = None) -> ActForm:
        """The form to show."""
        wrong = wrong or {}
        held = self._held()
        return ActForm(
            header=self._header.form(typed, self._language, wrong),
            body=self._body.form(typed, self._language, wrong),
            aside=self._aside.form(typed, self._language, wrong),
            parties=tuple(self._party(role, typed, held, wrong) for role in self._act.names),
            materials=tuple(self._material(kind, typed, wrong) for kind in self._act.needs),
            also=tuple((each, each.name in typed.get(ALSO, ())) for each in self._evidence),
            locked=tuple(
                (self._page.name_of(name), self._page.say(self._procedure.roles[role]))
                for role in self._act.copies
                for name in held.get(role, ())
            ),
            others=tuple(
                (name, name in typed.get(RECIPIENTS, ()), name in typed.get(COPIES, ()))
                for name in self._departments()
            ),
            wrong=wrong,
        )

    def read(self, typed: Typed) -> tuple[pb.ActDraft, dict[str, str]]:
        """What the form says, as a draft; and what is wrong with it, by name."""
        draft, wrong = pb.ActDraft(), dict[str, str]()
        for shape in (self._header, self._aside):
            found = shape.read(typed, self._language)
            draft.MergeFrom(found.message)  # type: ignore[arg-type]
            wrong |= found.wrong
        body = self._body.read(typed, self._language)
        getattr(draft, self.field.name).CopyFrom(body.message)
        getattr(draft, self.field.name).SetInParent()
        wrong |= body.wrong
        draft.act = self._act.name
        if self._case is not None:
            draft.case_id = self._case.case_id
        else:
            draft.procedure = self._procedure.name
        known = set(self._departments())
        draft.recipients.extend(each for each in typed.get(RECIPIENTS, ()) if each in known)
        draft.copies.extend(
            envelopes.Copy(department=each) for each in typed.get(COPIES, ()) if each in known
        )
        self._read_parties(draft, typed, wrong)
        self._read_materials(draft, typed, wrong)
        return draft, wrong

    def printed(self, typed: Typed) -> list[str]:
        """Kinds of material that the printed letter itself is to be."""
        kinds = [each for each in self._act.needs if each in printed()]
        return [each for each in kinds if next(iter(typed.get(MATERIAL + each, ())), "") == ITSELF]

    def typed_of(self, draft: pb.ActDraft) -> dict[str, Sequence[str]]:
        """What would have to be typed for a draft."""
        body = getattr(draft, self.field.name)
        typed = forms.typed_of(draft) | forms.typed_of(body, f"{self.field.name}.")
        typed |= {RECIPIENTS: list(draft.recipients), COPIES: [each.department for each in draft.copies]}
        for party in draft.parties:
            typed[PARTY + party.role] = [party.department]
        names = {each.material.manifest_root: each.name for each in self._evidence}
        also = []
        for material in draft.materials:
            name = names.get(material.manifest_root, FOLLOWS)
            if material.kind in self._act.needs and MATERIAL + material.kind not in typed:
                typed[MATERIAL + material.kind] = [name]
            else:
                also.append(name)
        return {**typed, ALSO: also}

    def _read_parties(self, draft: pb.ActDraft, typed: Typed, wrong: dict[str, str]) -> None:
        held = self._held()
        for role in self._act.names:
            chosen = next(iter(typed.get(PARTY + role, ())), "")
            if chosen and chosen not in self._page.site.directory.departments:
                wrong[PARTY + role] = self._page.t("form.unread_choice")
            elif chosen and chosen not in held.get(role, ()):
                draft.parties.add(role=role, department=chosen)
            elif not chosen and not held.get(role):
                wrong[PARTY + role] = self._page.t("form.rule_required")

    def _read_materials(self, draft: pb.ActDraft, typed: Typed, wrong: dict[str, str]) -> None:
        files = {each.name: each for each in self._evidence}
        for kind in self._act.needs:
            chosen = next(iter(typed.get(MATERIAL + kind, ())), "")
            if chosen in files:
                material = envelopes.Material()
                material.CopyFrom(files[chosen].material)
                material.kind = kind
                draft.materials.append(material)
            elif chosen == ITSELF and kind in printed():
                continue
            elif chosen == FOLLOWS and self._act.may_follow:
                draft.materials.add(kind=kind, manifest_root=bytes(_ROOT), digest=bytes(_ROOT))
            else:
                wrong[MATERIAL + kind] = self._page.t("act.material_wanted")
        draft.materials.extend(files[each].material for each in typed.get(ALSO, ()) if each in files)

    def _party(
        self, role: str, typed: Typed, held: Mapping[str, Sequence[str]], wrong: Mapping[str, str]
    ) -> Need:
        chosen = next(iter(typed.get(PARTY + role, held.get(role, ()))), "")
        return Need(
            PARTY + role, self._page.say(self._procedure.roles[role]), self._titled(self._departments()), chosen,
            required=True, wrong=wrong.get(PARTY + role, ""),
        )  # fmt: skip

    def _material(self, kind: str, typed: Typed, wrong: Mapping[str, str]) -> Need:
        options = [(each.name, f"{each.file_name} · {each.kind}") for each in self._evidence]
        usual = ""
        if kind in printed():
            options.insert(0, (ITSELF, self._page.t("act.printed")))
            usual = ITSELF
        if self._act.may_follow:
            options.append((FOLLOWS, self._page.t("act.follows")))
        return Need(
            MATERIAL + kind, self._page.say(material_title(kind)), options,
            next(iter(typed.get(MATERIAL + kind, (usual,))), ""), required=True,
            wrong=wrong.get(MATERIAL + kind, ""),
        )  # fmt: skip

    def _held(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self._case.parties if self._case is not None else ():
            found.setdefault(each.role, []).append(each.department)
        return found

    def _departments(self) -> list[str]:
        own = self._page.caller.department
        return [each for each in self._page.site.directory.departments if each != own]

    def _titled(self, names: Sequence[str]) -> list[tuple[str, str]]:
        return [(each, self._page.name_of(each)) for each in names]

    def _choices(self, field: FieldDescriptor) -> Sequence[tuple[str, str]] | None:
        if field.is_repeated:
            return None
        if field.name == "competent_department":
            return self._titled(self._page.site.directory.departments)
        if field.name == "amended_letter":
            return self._amendable
        return None


def _titles() -> dict[str, Title]:
    return {
        name.removeprefix("act.field_"): Title(*pair)
        for name, pair in catalogue().items()
        if name.startswith("act.field_")
    }
