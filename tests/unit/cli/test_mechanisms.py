"""The page of mechanisms, and the scenarios that it tells."""

from datetime import datetime
from pathlib import Path

import pytest

from services.cli.demo.commands import CommandFailed, value_at
from services.cli.demo.furnishing import beginning, code_tables
from services.cli.demo.scenario import BadScenario, Run, Scenario, read, read_all
from services.cli.mechanisms import diagram, limits, page
from services.procedures.calendar import ZONE
from services.procedures.loader import load_all
from tests.unit.procedures.case_samples import SHIPPED

ROOT = Path(__file__).parents[3]
SCENARIOS = {each.scenario: each for each in read_all()}


def test_the_page_is_that_of_the_data() -> None:
    """`make docs` was run after the last change of a procedure or scenario."""
    made = page(load_all(ROOT / "services" / "procedures"), read_all())
    assert (ROOT / "docs" / "mechanisms.md").read_text(encoding="utf-8") == made


@pytest.mark.parametrize("name", SHIPPED)
def test_a_diagram_shows_every_state_and_every_step(name: str) -> None:
    """In the procedure's own words."""
    procedure, drawn = SHIPPED[name], diagram(SHIPPED[name])
    assert all(f'"{title.zh}<br/>{title.en}"' in drawn for title in procedure.states.values())
    assert all(act.title.zh in drawn for act in procedure.acts.values() if act.becomes)
    assert drawn.count("--> [*]") == len(procedure.final)


def test_limits_are_written_as_in_the_procedure() -> None:
    """One for all urgencies stands once; a star marks what the office has to confirm."""
    rules = SHIPPED["case-transfer"].obligations
    assert limits(rules["reply"]) == "3 wd"
    assert limits(rules["send"]) == "ordinary 3 wd, urgent 24 h, major at once"
    assert limits(rules["sign"]) == "1 wd*"
    assert limits(rules["material"]) == "the date set"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_fits_its_procedures(scenario: Scenario) -> None:
    """Acts, roles, obligations and states are declared; something is refused in it."""
    for step in scenario.steps:
        if isinstance(step, Run):
            continue
        procedure = SHIPPED[scenario.cases[step.case].procedure]
        assert step.act in procedure.acts
        roles = {each.rstrip("-0123456789") for each in (step.by, *step.names, *step.to)}
        assert step.refused or roles <= procedure.roles.keys()
        assert {
            *step.then.due,
            *step.then.met,
            *step.then.late,
            *step.then.gone,
        } <= procedure.obligations.keys()
        assert not step.then.state or step.then.state in procedure.states
    assert any(step.refused for step in scenario.steps)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("mechanism: M04", "mechanism: four"), r"4: mechanism"),
        (("by: police", "by: nobody"), r"\d+: steps\.\d+\.by: nobody is the nobody"),
        (("act: decide", "akt: decide"), r"\d+: steps\.\d+\.act"),
        (("messages list --kind", "messages lost --kind"), r"run: there is no such command: messages lost"),
        (("messages list --kind", "messages list --sort"), r"run: .*--sort"),
        (("warn-leader --json", "warn-leader --json now"), r"run: there is no place for now"),
        (("已届满，{case}", "已届满，{nothing}"), r"once: nothing before it is called nothing"),
    ],
)
def test_a_scenario_that_contradicts_itself_is_refused(
    tmp_path: Path, change: tuple[str, str], place: str
) -> None:
    """With file, line and place."""
    folder = ROOT / "services" / "cli" / "demo" / "scenarios"
    text = (folder / "criminal-referral.yaml").read_text(encoding="utf-8")
    changed = text.replace(change[0], change[1], 1)
    (tmp_path / "bad.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(BadScenario, match=rf"bad\.yaml:{place}" if place[0].isdigit() else place) as refused:
        read(tmp_path / "bad.yaml")
    line = int(str(refused.value).split(":")[1])
    # the line of the change, or of the key above it
    wrong = text[: text.index(change[0])].count("\n") + 1
    assert wrong - 1 <= line <= wrong


def test_what_a_command_printed_is_found_by_its_way() -> None:
    """Keys, places in lists, and the first of a list that has a value."""
    found = {"duties": [{"duty": "drill", "period": "2026-10"}, {"duty": "roster", "period": "2026-12"}]}
    assert value_at(found, "duties.duty=roster.period") == "2026-12"
    assert value_at(found, "duties.0.period") == "2026-10"
    for way in ("duties.duty=bulletin.period", "duties.2.period", "duty", "duties.0.period.day"):
        with pytest.raises(CommandFailed, match="nothing stands at"):
            value_at(found, way)


def test_a_furnished_district_has_two_whole_months_behind_it() -> None:
    """Whatever the day: the ledger begins with a month that was over before the two of the bulletin began."""
    for now in ("2026-11-22T04:00:00+00:00", "2026-12-31T16:00:00+00:00", "2026-03-01T00:00:00+00:00"):
        moment = datetime.fromisoformat(now).astimezone(ZONE)
        began = beginning(datetime.fromisoformat(now)).astimezone(ZONE)
        assert (began.day, began.hour, began.minute) == (1, 0, 0)
        assert (moment.year * 12 + moment.month) - (began.year * 12 + began.month) == 3


def test_the_districts_code_tables_are_those_that_come_with_the_product() -> None:
    """Each in parts that can be published, with pinyin."""
    tables = [each.code_table for each in code_tables()]
    assert {each.name for each in tables} >= {"area", "cause", "industry", "specialty"}
    rows = {row.code: row.pinyin for each in tables if each.name == "area" for row in each.rows}
    assert rows["liuzhuang-02"] == "dong chen cun"
