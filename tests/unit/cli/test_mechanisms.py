"""The page of mechanisms, and the scenarios that it tells."""

from pathlib import Path

import pytest

from services.cli.demo.scenario import BadScenario, Scenario, read, read_all
from services.cli.mechanisms import diagram, limits, page
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
        procedure = SHIPPED[scenario.cases[step.case].procedure]
        assert step.act in procedure.acts
        roles = {each.rstrip("-0123456789") for each in (step.by, *step.names, *step.to)}
        assert step.refused or roles <= procedure.roles.keys()
        assert {*step.then.due, *step.then.met, *step.then.gone} <= procedure.obligations.keys()
        assert not step.then.state or step.then.state in procedure.states
    assert any(step.refused for step in scenario.steps)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("mechanism: M04", "mechanism: four"), "mechanism"),
        (("by: police", "by: nobody"), "nobody is the nobody"),
        (("act: decide", "akt: decide"), r"steps\.\d+\.act"),
    ],
)
def test_a_scenario_that_contradicts_itself_is_refused(
    tmp_path: Path, change: tuple[str, str], place: str
) -> None:
    """With file and place."""
    folder = ROOT / "services" / "cli" / "demo" / "scenarios"
    text = (folder / "criminal-referral.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    with pytest.raises(BadScenario, match=rf"bad\.yaml.*{place}"):
        read(tmp_path / "bad.yaml")
