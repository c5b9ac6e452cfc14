"""From what a sheet holds to the acts that it becomes."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import services.procedures
from services.common.errors import NotFound
from services.gateway.sheets.model import Fields, File, Person, Sheet
from services.gateway.web import sheet_forms
from services.gateway.web.procedures import Procedure, grouped, printed, read, shortcuts
from services.gateway.web.sheet_forms import Plan, plan_for

HEALTH, MARKET, JUSTICE = "health.qinghe", "market.qinghe", "justice.qinghe"
ZHAO = Person("1", "赵文博")
NOW = datetime(2026, 1, 5, 2, tzinfo=UTC)
CODE = "91110000600037341L"
FILLED = {
    "transfer_letter.title": ("案",), "transfer_letter.facts": ("事实",), "occurred_at": ("2026-01-05T10:00",),
    "transfer_letter.subjects.0.name": ("公司",), "transfer_letter.subjects.0.identifier": (CODE,),
    "discovery.source": ("INSPECTION",), "discovery.place": ("园区",), "urgency": ("URGENT",),
    "item_code": ("SJ-0101",), "parties.receiver": (MARKET,),
}  # fmt: skip


def every() -> list[Procedure]:
    """All procedures of the product."""
    folder = Path(services.procedures.__file__).parent
    return [read(each.read_text(encoding="utf-8"), JUSTICE) for each in sorted(folder.glob("*.yaml"))]


def plan(name: str = "case-transfer", act: str = "transfer") -> Plan:
    """What a sheet is to become."""
    return plan_for(next(each for each in every() if each.name == name), act, shortcuts(), HEALTH)


def sheet(fields: Fields, case_id: str = "") -> Sheet:
    """A sheet that holds this."""
    return Sheet(
        id="s", department=HEALTH, procedure="case-transfer", act="transfer", fields=fields, revision=1,
        begun_by=ZHAO, begun_at=NOW, changed_by=ZHAO, changed_at=NOW, case_id=case_id,
    )  # fmt: skip


def file(kind: str, *, there: bool = True) -> File:
    """A file of a kind."""
    root = b"r" * 32 if there else b""
    return File(
        id=kind,
        sheet="s",
        kind=kind,
        name="a.pdf",
        size=1,
        root=root,
        digest=root,
        added_by=ZHAO,
        added_at=NOW,
    )


def test_a_transfer_opens_its_case_from_the_same_fields() -> None:
    """What both acts say is typed once; time and urgency are the opening's."""
    found = sheet_forms.read(
        plan(), sheet(FILLED, "c"), [file("source-material"), file("preliminary-evidence")], "zh"
    )
    assert found.is_complete, found
    assert found.first is not None
    assert (found.first.act, found.first.case_id) == ("register", "c")
    opening, letter = found.first.discovery, found.draft.transfer_letter
    assert (opening.title, opening.facts, opening.place) == ("案", "事实", "园区")
    assert opening.subjects[0] == letter.subjects[0]
    assert opening.subjects[0].kind == 1
    assert found.first.urgency == 2
    assert found.first.occurred_at.ToJsonString() == "2026-01-05T02:00:00Z"
    assert not found.draft.HasField("occurred_at")
    assert [(each.role, each.department) for each in found.draft.parties] == [("receiver", MARKET)]
    assert [each.kind for each in found.draft.materials] == ["source-material", "preliminary-evidence"]


def test_what_is_missing_is_named() -> None:
    """Fields by their names, materials by their kinds; what is on its way is not there."""
    found = sheet_forms.read(plan(), sheet({}), [file("source-material", there=False)], "zh")
    assert set(found.wrong) == {
        "transfer_letter.title", "transfer_letter.facts", "occurred_at", "parties.receiver",
    }  # fmt: skip
    assert found.missing == ("source-material", "preliminary-evidence")


def test_who_does_not_follow_the_proposal_says_why() -> None:
    """One sentence; not asked where the proposal is followed, or there is none."""
    name = "transfer_letter.override_reason"
    asked: dict[str, tuple[str, ...]] = {**FILLED, "parties.receiver": (JUSTICE,)}
    assert name in sheet_forms.read(plan(), sheet(asked), [], "zh", MARKET).wrong
    assert name not in sheet_forms.read(plan(), sheet(asked), [], "zh", "").wrong
    assert name not in sheet_forms.read(plan(), sheet(FILLED), [], "zh", MARKET).wrong
    told = sheet_forms.read(plan(), sheet({**asked, name: ("经会商。",)}), [], "zh", MARKET)
    assert name not in told.wrong
    assert told.draft.transfer_letter.override_reason == "经会商。"


def test_copies_by_rule_stand_with_their_clause() -> None:
    """Beside those that were chosen; nobody twice."""
    found = sheet_forms.read(
        plan(), sheet({**FILLED, "copies": (JUSTICE, MARKET)}), [], "zh", copied={JUSTICE: "第五条"}
    )
    assert [(each.department, each.clause) for each in found.draft.copies] == [
        (JUSTICE, "第五条"),
        (MARKET, ""),
    ]


def test_material_may_follow_where_the_act_says_so() -> None:
    """Announced, it is named with nothing behind it; elsewhere the word is not heard."""
    announced: dict[str, tuple[str, ...]] = {"announced": ("stop-order", "preserved-evidence")}
    notice = sheet_forms.read(plan(act="immediate-notice"), sheet(announced), [], "zh")
    assert notice.missing == ()
    assert [bytes(each.manifest_root) for each in notice.draft.materials] == [bytes(32)] * 2
    assert sheet_forms.read(plan(), sheet(announced), [], "zh").missing


@pytest.mark.parametrize("procedure", every(), ids=lambda each: each.name)
def test_every_act_that_opens_a_case_has_a_form(procedure: Procedure) -> None:
    """Made from its contract in both languages, and what is missing of an empty one is said."""
    for act in procedure.may_open(JUSTICE):
        made = plan_for(procedure, act.name, {}, JUSTICE)
        assert made.shape.form({}, "zh").fields or made.subjects
        found = sheet_forms.read(made, sheet({}), [], "en")
        assert set(act.needs) == set(found.missing) | made.printed
        assert found.draft.WhichOneof("body") == made.body.name


def test_every_procedure_has_its_words() -> None:
    """A group and a sentence in both languages; nothing is named that is not there, and no act twice."""
    text = resources.files("services.gateway.web").joinpath("procedures.toml").read_text(encoding="utf-8")
    words: dict[str, Any] = tomllib.loads(text)
    procedures = every()
    assert set(words["procedures"]) == {each.name for each in procedures}
    assert {each["group"] for each in words["procedures"].values()} < set(words["groups"])
    for each in shortcuts().values():
        procedure = next(one for one in procedures if one.name == each.procedure)
        assert procedure.act(each.first).opens
        assert procedure.act(each.act).needs
    needed = {kind for one in procedures for act in one.acts.values() for kind in act.needs}
    assert printed() <= needed, "a kind that no act needs"
    offered = [
        (one.procedure.name, one.act.name)
        for _, choices in grouped(procedures, JUSTICE, "en")
        for one in choices
    ]
    assert len(offered) == len(set(offered)) == sum(len(each.may_open(JUSTICE)) for each in procedures)


def test_an_offices_act_is_offered_to_the_office_alone() -> None:
    """And a case is not opened by an act that comes later."""
    meeting = next(each for each in every() if each.name == "joint-meeting")
    assert plan_for(meeting, "collect", {}, JUSTICE).act.name == "collect"
    with pytest.raises(NotFound):
        plan_for(meeting, "collect", {}, HEALTH)
    with pytest.raises(NotFound):
        plan_for(next(each for each in every() if each.name == "case-transfer"), "accept", {}, HEALTH)
