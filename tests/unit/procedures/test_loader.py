"""Reading procedures from YAML."""

from pathlib import Path

import pytest

from services.common.title import Title
from services.procedures import loader
from services.procedures.defects import DefectiveProcedure
from services.procedures.facts import Urgency
from services.procedures.loader import load_all, load_text
from services.procedures.model import AUTHOR, EVIDENCE
from services.procedures.obligation import Limit, Unit
from services.procedures.source import parse_limit
from tests.unit.procedures.case_samples import SHIPPED

FOLDER = Path(loader.__file__).parent


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("3 wd", Limit(3, Unit.WORKING_DAYS)),
        ("30 d", Limit(30, Unit.DAYS)),
        ("24 h", Limit(24, Unit.HOURS)),
        ("6 month", Limit(6, Unit.MONTHS)),
        ("1 year", Limit(1, Unit.YEARS)),
        ("at once", Limit(1, Unit.AT_ONCE)),
    ],
)
def test_a_limit_is_a_number_and_a_unit(text: str, limit: Limit) -> None:
    """Every unit of docs/time.md can be written."""
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "wd", "0 d", "-1 d", "3 days", "1.5 h", "3  wd", "fixed"])
def test_anything_else_is_no_limit(text: str) -> None:
    """Nothing is guessed."""
    assert parse_limit(text) is None


def test_every_shipped_procedure_is_sound() -> None:
    """All files of the product load together, linked procedures included."""
    assert {"case-transfer", "jurisdiction-dispute"} <= {each.name for each in load_all()}


def test_every_shipped_title_stands_in_both_languages() -> None:
    """Procedures, roles, states, acts, times and obligations read in Chinese and English."""
    for procedure in SHIPPED.values():
        titles = [procedure.title, *procedure.roles.values(), *procedure.states.values()]
        titles += [each for act in procedure.acts.values() for each in (act.title, act.occurred_at)]
        titles += [rule.title for rule in procedure.obligations.values()]
        for title in titles:
            assert any("一" <= character <= "鿿" for character in title.zh), title
            assert title.en.isascii(), title


def test_case_transfer_is_read_as_it_is_written() -> None:
    """Spot checks over every kind of value."""
    procedure = SHIPPED["case-transfer"]
    transfer, reply, send = (
        procedure.acts["transfer"],
        procedure.obligations["reply"],
        procedure.obligations["send"],
    )
    assert (procedure.version, procedure.initial, procedure.final) == (1, "new", frozenset({"closed"}))
    assert procedure.roles["sender"] == Title("移送单位", "Sender")
    assert transfer.in_states == {"registered", "announced"}
    assert transfer.body == "liandong.cases.v1.TransferLetter"
    assert procedure.acts["oral-transfer"].only == {Urgency.URGENT, Urgency.MAJOR}
    assert procedure.acts["dispute"].opens_case == "jurisdiction-dispute"
    assert procedure.acts["request-material"].at_most == 1
    assert (reply.suspended_by, reply.starts_on_receipt, reply.default) == ("material", True, False)
    assert [(mark.name, mark.actions) for mark in reply.marks][1] == ("80%", ("remind", "tell-office"))
    assert send.from_occurred
    assert send.within[Urgency.MAJOR] == Limit(1, Unit.AT_ONCE)
    assert procedure.obligations["material"].requested_limit
    assert procedure.obligations[EVIDENCE].owed_by == AUTHOR


def test_effects_are_ready_made() -> None:
    """What an act does to obligations is looked up, not searched."""
    effects = SHIPPED["case-transfer"].effects["accept"]
    assert effects.discharges == {"reply", "settle"}
    assert effects.lapses == {"material"}
    assert [rule.name for rule in effects.opens] == ["progress", "outcome"]


SMALL = """
procedure: small
version: 2
title: [小, Small]
source: [M01]
roles: [asker, helper]
states: {new: [新, New], asked: [已提, Asked], done: [完, Done]}
initial: new
final: [done]
at_once: 2 h
acts:
  ask: {title: [提, Ask], occurred_at: [时, When], body: liandong.cases.v1.Closing, by: asker, in: [new],
    becomes: asked, needs: [letter], evidence_may_follow: true}
  help: {title: [助, Help], occurred_at: [时, When], body: liandong.cases.v1.Closing, by: helper, in: [asked],
    becomes: done}
obligations:
  help: {title: [助, Help], owed_by: helper, opens_on: ask, discharged_by: help, within: at once}
"""


def test_a_word_stands_for_a_list_of_one_and_defaults_are_filled_in() -> None:
    """`opens_on: ask` is `[ask]`; the grace of `at once` and the duty of evidence come by themselves."""
    procedure = load_text(SMALL)
    rule = procedure.obligations["help"]
    assert rule.opens_on == ("ask",)
    assert rule.within[Urgency.ORDINARY] == Limit(2, Unit.AT_ONCE)
    assert procedure.obligations[EVIDENCE].within[Urgency.ORDINARY] == Limit(24, Unit.HOURS)
    assert procedure.roles["asker"] == Title("asker", "asker")
    assert procedure.acts["ask"].numbered


def test_the_sample_of_the_manual_is_sound() -> None:
    """What docs/procedures.md shows can be copied."""
    manual = (FOLDER.parents[1] / "docs" / "procedures.md").read_text(encoding="utf-8")
    sample = manual.split("```yaml\n")[1].split("```")[0]
    assert load_text(sample, "docs/procedures.md").name == "assistance"


def test_a_folder_is_checked_across_its_files(tmp_path: Path) -> None:
    """A procedure that another opens must be there."""
    text = SMALL.replace("becomes: done}", "becomes: done, opens_case: other}")
    (tmp_path / "small.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefectiveProcedure) as caught:
        load_all(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'small.yaml'}:15: No procedure of that name is loaded beside this one (other)"
    )


def test_all_defects_of_a_folder_are_told_at_once(tmp_path: Path) -> None:
    """One run names every slip in every file, in order."""
    for name in ("one", "two"):
        text = SMALL.replace("version: 2", "version: two").replace("by: helper, in", "by: 7, in")
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefectiveProcedure) as caught:
        load_all(tmp_path)
    assert [(Path(each.file).stem, each.line) for each in caught.value.defects] == [
        ("one", 3),
        ("one", 14),
        ("two", 3),
        ("two", 14),
    ]


def test_mechanisms_of_which_to_know_would_be_to_warn_are_confidential() -> None:
    """Whoever takes no part in such a case is not told that there is one about a subject."""
    assert {each.name for each in load_all() if each.confidential} == {
        "accountability", "criminal-referral", "discipline-referral", "enforcement-complaint",
    }  # fmt: skip
