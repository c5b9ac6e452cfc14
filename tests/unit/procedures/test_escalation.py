"""Who hears of a limit that is missed: the leader in charge is warned, or supervision is proposed to the office."""

import pytest

from tests.unit.procedures.case_samples import SHIPPED

LADDERS = [
    ("criminal-referral", "decide", "due", {"remind", "warn-leader", "tell-office"}),
    ("criminal-referral", "send", "due", {"remind", "tell-office", "propose-supervision"}),
    ("criminal-referral", "obey", "80%", {"remind", "warn-leader"}),
    ("criminal-referral", "obey", "due", {"remind", "tell-office", "propose-supervision"}),
    ("complaint", "dispose", "due", {"remind", "warn-leader", "tell-office"}),
    ("complaint", "answer", "80%", {"remind", "warn-leader", "tell-office"}),
    ("complaint", "answer", "due", {"remind", "tell-office", "propose-supervision"}),
    ("supervised-case", "finish", "10 d before", {"remind", "warn-leader"}),
    ("supervised-case", "publish", "due", {"remind", "tell-office", "propose-supervision"}),
    ("campaign", "tasks", "5 d before", {"remind", "warn-leader"}),
    ("campaign", "report", "due", {"remind", "warn-leader", "tell-office", "propose-supervision"}),
    ("emergency", "report", "due", {"remind", "warn-leader", "tell-office"}),
    ("emergency", "instruction", "due", {"remind", "warn-leader", "tell-office", "propose-supervision"}),
]


@pytest.mark.parametrize(("procedure", "rule", "mark", "told"), LADDERS)
def test_a_missed_limit_goes_up(procedure: str, rule: str, mark: str, told: set[str]) -> None:
    """Each mark says once who hears of it."""
    marks = {each.name: each.actions for each in SHIPPED[procedure].obligations[rule].marks}
    assert set(marks[mark]) == told
    assert len(marks[mark]) == len(told)


@pytest.mark.parametrize("procedure", sorted({each[0] for each in LADDERS}))
def test_both_steps_of_the_ladder_are_there(procedure: str) -> None:
    """Of each such procedure some limit warns the leader, and some leads to supervision."""
    rules = SHIPPED[procedure].obligations.values()
    actions = {action for rule in rules for mark in rule.marks for action in mark.actions}
    assert {"warn-leader", "propose-supervision"} <= actions
