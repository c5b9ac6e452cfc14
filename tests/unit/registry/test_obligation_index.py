"""Rows of obligations: computed from facts, in the order of the table, quick enough for admission."""

import time
from dataclasses import replace
from datetime import UTC, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.clock import from_microseconds, microseconds
from services.procedures.calendar import NEVER
from services.procedures.deadlines import due_time
from services.procedures.model import Procedure
from services.procedures.obligation import Obligation, Outcome, Suspension
from services.registry import tables
from services.registry.obligation_index import (
    Indexed,
    after_mark,
    from_row,
    index_row,
    indexed,
    next_mark,
    schedule,
)
from tests.unit.procedures.deadline_samples import NATIONAL, at, pause
from tests.unit.registry.oversight_samples import PROCEDURE, RECEIVER, duty, rule

REPLY = PROCEDURE.obligations["reply"]
REPORT = PROCEDURE.obligations["report"]


def row(obligation: Obligation, procedure: Procedure = PROCEDURE) -> dict[str, Any]:
    names = tables.obligations.columns.keys()
    values = index_row(obligation, procedure, NATIONAL)
    assert len(values) == len(names)
    return dict(zip(names, values, strict=True))


def test_a_row_stands_in_the_order_of_the_table() -> None:
    """Every column has its value; times are microseconds."""
    found = row(duty(7, "2026-03-02 10:00"))
    assert found["rule"] == "reply"
    assert (found["procedure"], found["procedure_version"]) == ("relay", 1)
    assert found["owed_by"] == RECEIVER
    assert found["opened_position"] == 7
    assert from_microseconds(found["opened_at_us"]) == at("2026-03-02 10:00")
    assert from_microseconds(found["due_at_us"]) == at("2026-03-06")
    assert found["state"] == "OPEN"
    assert found["ended_at_us"] is None
    assert found["next_mark"] == "50%"
    assert from_microseconds(found["next_mark_at_us"]) == at("2026-03-04 09:00")


def test_a_discharged_obligation_keeps_its_frozen_due_time_and_has_no_mark() -> None:
    """The outcome is the state, the frozen due time stands whatever the calendar says."""
    found = row(
        replace(
            duty(1, "2026-03-02 10:00"),
            discharged_at=at("2026-03-05 10:00"),
            outcome=Outcome.TRANSMITTED_LATE,
            due_frozen=at("2026-03-05"),
        )
    )
    assert found["state"] == "TRANSMITTED_LATE"
    assert from_microseconds(found["due_at_us"]) == at("2026-03-05")
    assert from_microseconds(found["ended_at_us"]) == at("2026-03-05 10:00")
    assert found["next_mark"] is found["next_mark_at_us"] is None


def test_a_lapsed_obligation_has_no_mark() -> None:
    """What ended unjudged reminds nobody."""
    found = row(replace(duty(1, "2026-03-02 10:00"), lapsed_at=at("2026-03-03")))
    assert (found["state"], found["next_mark"]) == ("LAPSED", None)


def test_a_clock_stopped_with_no_end_in_sight_has_no_mark() -> None:
    """Due never, and no mark waits in the index."""
    stopped = duty(1, "2026-03-02 10:00", suspensions=(Suspension(at("2026-03-02 12:00"), None),))
    found = row(stopped)
    assert from_microseconds(found["due_at_us"]) == NEVER
    assert found["next_mark_at_us"] is None


def test_a_rule_without_marks_has_none() -> None:
    """The row is kept all the same."""
    assert row(duty(1, "2026-03-02 10:00", rule="silent"))["next_mark"] is None


def test_a_lead_may_come_before_a_share() -> None:
    """Marks fire in the order of their instants, not of the procedure's text."""
    mixed = rule("reply", {"due": ("remind",), "80%": ("remind",), "4 d before": ("remind",)})
    procedure = replace(PROCEDURE, obligations={"reply": mixed})
    obligation = duty(1, "2026-03-02 10:00")
    assert row(obligation, procedure)["next_mark"] == "4 d before"
    assert [each.mark.name for each in schedule(obligation, mixed, NATIONAL)] == ["4 d before", "80%", "due"]


@given(
    days=st.integers(1, 60),
    minutes=st.integers(0, 365 * 24 * 60),
    paused=st.none() | st.integers(1, 20 * 24 * 60),
    name=st.sampled_from(["reply", "report"]),
)
def test_the_first_mark_is_the_first_of_the_schedule(
    days: int, minutes: int, paused: int | None, name: str
) -> None:
    """The short way of admission and the long way of the scheduler agree."""
    opened = at("2025-06-01") + timedelta(minutes=minutes)
    since = opened + timedelta(minutes=paused or 0)
    pauses = (Suspension(since, since + timedelta(days=9), since + timedelta(days=4)),) if paused else ()
    obligation = duty(1, opened.astimezone(UTC), f"{days} wd", rule=name, suspensions=pauses)
    first = next_mark(obligation, PROCEDURE.obligations[name], NATIONAL)
    assert first is not None
    found = row(obligation)
    assert (found["next_mark"], found["next_mark_at_us"]) == (first.mark.name, microseconds(first.at))
    assert from_microseconds(found["due_at_us"]) == due_time(obligation, NATIONAL)
    assert from_row(SimpleNamespace(**found)) == obligation


def test_marks_that_fired_are_passed_over() -> None:
    """The next mark is the earliest that has not fired; after the last there is none."""
    obligation = duty(1, "2026-03-02 10:00")
    left = next_mark(obligation, REPLY, NATIONAL, fired={"50%"})
    assert left is not None
    assert left.mark.name == "80%"
    assert next_mark(obligation, REPLY, NATIONAL, fired={"50%", "80%", "due"}) is None
    assert next_mark(obligation, REPLY, NATIONAL, after=at("2026-03-06")) is None
    assert indexed(obligation, REPLY, NATIONAL, {"50%", "80%", "due"}) == Indexed(
        microseconds(at("2026-03-06")), None, None
    )


def test_each_mark_is_followed_by_the_next() -> None:
    """From the first to none; a name that is not known begins anew."""
    obligation = duty(1, "2026-03-02 10:00", rule="report")
    names: list[str] = []
    following = after_mark(obligation, REPORT, NATIONAL, "")
    while following is not None:
        names.append(following.mark.name)
        following = after_mark(obligation, REPORT, NATIONAL, following.mark.name)
    assert names == ["2 d before", "due"]


def test_a_row_gives_the_obligation_back() -> None:
    """Whatever became of it: still open, suspended, lapsed, discharged."""
    opened = duty(1, "2026-02-12 10:00", suspensions=(pause("2026-02-14 10:00", "2026-02-24 10:00"),))
    lapsed = replace(opened, lapsed_at=at("2026-02-25"))
    discharged = replace(
        opened, discharged_at=at("2026-02-25"), outcome=Outcome.ON_TIME, due_frozen=at("2026-02-27")
    )
    for obligation in (opened, lapsed, discharged):
        assert from_row(SimpleNamespace(**row(obligation))) == obligation


@pytest.mark.parametrize("within", ["3 wd", "24 h", "30 d"])
def test_a_plain_row_is_cheap(within: str) -> None:
    """Admission writes several per letter: far below a tenth of a millisecond even on a busy machine."""
    obligation = duty(1, "2026-03-02 10:00", within)
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(200):
            index_row(obligation, PROCEDURE, NATIONAL)
        best = min(best, (time.perf_counter() - begin) / 200)
    assert best < 0.0001
