"""Indicators of single mechanisms, over the procedures that come with the product, worked by hand."""

from dataclasses import replace
from typing import Any

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.common.clock import ManualClock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, PermissionDenied
from services.exchange.authority_lists import AuthorityLists
from services.procedures.law import Officer
from services.procedures.obligation import Outcome
from services.registry import tables
from services.registry.handlers.indicators import IndicatorHandlers
from services.registry.indicators import catalogue
from tests.unit.procedures.case_samples import SHIPPED
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.indicators.figure_samples import ask, met, put_acts, put_ledger
from tests.unit.registry.oversight_calls import CONTEXT, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    STRANGER,
    case_id,
    directory,
    duty,
    put,
    put_duties,
)

MARCH = ("2026-03-01", "2026-03-31")
BY_DEPARTMENT: dict[str, Any] = {"group_by": pb.FIGURE_GROUP_DEPARTMENT}


@pytest.fixture
def figures(database: Database, clock: ManualClock) -> IndicatorHandlers:
    """The service over a directory with the product's procedures, officers, and areas of a specialty."""
    small = directory(complaint=OFFICE, relay=OFFICE)
    law = small.law.with_procedures(list(SHIPPED.values()))
    for number, (department, until, suspended) in enumerate(
        [
            (SENDER, "2026-12-31", False),
            (SENDER, "2026-04-01", False),
            (SENDER, "2026-03-31", False),
            (SENDER, "2026-12-31", True),
            (RECEIVER, "2026-12-31", False),
        ]
    ):
        law = law.with_officer(
            Officer(f"Z-{number}", department, "p", at("2026-01-01"), at(until), suspended=suspended)
        )
    title = directory_pb.Title(zh="公共场所", en="Public places")
    lists = AuthorityLists()
    for area, withdrawn in (("north", False), ("south", False), ("west", True), ("", False)):
        lists = lists.with_row(
            directory_pb.Authority(item_code="A1", area_code=area, department=SENDER, withdrawn=withdrawn)
        )
    newest = replace(
        small,
        law=law,
        lists=lists,
        duties={"places": directory_pb.Duty(subject="places", title=title, item_codes=["A1"])},
    )
    return IndicatorHandlers(database, lambda: newest, clock, catalogue.load())


async def test_answers_count_for_who_gave_them(database: Database, figures: IndicatorHandlers) -> None:
    """Two answers and one sent back of the one, one of the other; of three asked one was satisfied, one fair."""
    put_ledger(database, [f"2026-03-{day:02d}" for day in range(1, 15)])
    rows = [
        (0, 1, "register", SENDER, "", True, False, "2026-03-01"),
        (1, 1, "answer", RECEIVER, SENDER, False, False, "2026-03-02"),
        (2, 1, "redo", OFFICE, RECEIVER, False, False, "2026-03-03"),
        (3, 1, "answer", RECEIVER, OFFICE, False, False, "2026-03-04"),
        (4, 1, "visit", OFFICE, RECEIVER, False, True, "2026-03-05"),
        (5, 2, "answer", STRANGER, SENDER, False, False, "2026-03-06"),
        (6, 2, "visit", OFFICE, STRANGER, False, True, "2026-03-07"),
    ]
    put_acts(database, rows, procedure="complaint")
    outcomes = tables.act_index.update()
    for position, outcome in ((4, "satisfied"), (6, "dissatisfied")):
        database.write(
            lambda connection, position=position, outcome=outcome: connection.execute(  # type: ignore[misc]
                outcomes.where(tables.act_index.c.position == position).values(outcome_code=outcome)
            )
        )
    call_as(OFFICE)
    assert await ask(figures, "answer-returns", *MARCH, **BY_DEPARTMENT) == [
        (STRANGER, 0, 1, 0), (RECEIVER, 1, 2, 5000)
    ]  # fmt: skip
    assert await ask(figures, "satisfaction", *MARCH, **BY_DEPARTMENT) == [
        (RECEIVER, 1, 2, 5000), (STRANGER, 0, 1, 0)
    ]  # fmt: skip
    assert await ask(figures, "satisfaction", *MARCH) == [("", 1, 3, 3333)]
    asked = pb.ListFigureItemsRequest(
        indicator="satisfaction",
        period=pb.Period(first=MARCH[0], last=MARCH[1]),
        part=pb.FIGURE_PART_DENOMINATOR,
    )
    call_as(RECEIVER)
    found = await figures.ListFigureItems(asked, CONTEXT)
    assert [(each.letter.position, each.letter.outcome_code) for each in found.items] == [
        (2, ""), (4, "satisfied")
    ]  # fmt: skip
    assert await ask(figures, "satisfaction", *MARCH) == [("", 1, 2, 5000)]


async def test_random_inspections_are_completed_and_closed(
    database: Database, figures: IndicatorHandlers
) -> None:
    """Of three tasks due two were finished, one of them late; the plan is not closed."""
    random = SHIPPED["random-inspection"]
    due = "2026-03-10"
    duties = [
        met(duty(1, "2026-03-02", rule="inspect"), "2026-03-09", Outcome.ON_TIME, due),
        met(duty(2, "2026-03-02", rule="inspect-own"), "2026-03-12", Outcome.LATE, due),
        duty(3, "2026-03-02", rule="inspect"),
        duty(4, "2026-03-02", rule="quota"),
        met(duty(5, "2026-03-02", rule="draw"), "2026-03-09", Outcome.ON_TIME, due),
    ]
    put_duties(database, duties, procedure=random)
    call_as("registry.qinghe", "operator")
    assert await ask(figures, "inspection-completion", *MARCH) == [("", 2, 3, 6667)]
    assert await ask(figures, "inspection-closing", *MARCH) == [("", 0, 1, 0)]


async def test_cases_areas_and_officers(database: Database, figures: IndicatorHandlers) -> None:
    """Two officers at the end of March: one's certificate ended a day before, one is suspended."""
    put_ledger(database, [f"2026-03-{day:02d}" for day in range(1, 15)])
    when = microseconds(at("2026-03-05"))
    rows = [
        (position, case_id(position), "relay", "send", SENDER, "", True, False, item, area, "", when)
        for position, (item, area) in enumerate(
            [("A1", "north"), ("A1", "north"), ("A1", "west"), ("A2", "south"), ("", "")]
        )
    ]  # fmt: skip
    put(database, tables.act_index, rows)
    call_as("registry.qinghe", "operator")
    assert await ask(figures, "cases-per-officer", *MARCH) == [("", 5, 3, 167)]
    assert await ask(figures, "cases-per-officer", *MARCH, **BY_DEPARTMENT) == [
        (SENDER, 5, 2, 250), (RECEIVER, 0, 1, 0)
    ]  # fmt: skip
    assert await ask(figures, "area-coverage", *MARCH, group_by=pb.FIGURE_GROUP_SPECIALTY) == [
        ("places", 1, 2, 5000)
    ]
    assert await ask(figures, "cases-opened", *MARCH, group_by=pb.FIGURE_GROUP_AREA) == [
        ("north", 2, None, 2), ("south", 1, None, 1), ("west", 1, None, 1)
    ]  # fmt: skip
    request = pb.GetFiguresRequest(
        indicators=["cases-opened"],
        period=pb.Period(first=MARCH[0], last=MARCH[1]),
        compare=pb.COMPARE_BASE_YEAR,
        group_by=pb.FIGURE_GROUP_SPECIALTY,
    )
    response = await figures.GetFigures(request, CONTEXT)
    (figure,) = response.figures
    assert (figure.title_zh, figure.value, figure.comparison.value) == ("公共场所", 3, 0)
    assert not figure.comparison.HasField("change")
    assert figure.target.growth == 2000
    assert not figure.target.HasField("met")
    assert response.compared_with.first == "2025-03-01"

    async def positions(**given: Any) -> list[int]:
        asked = pb.ListFigureItemsRequest(
            indicator="cases-opened", period=pb.Period(first=MARCH[0], last=MARCH[1]), **given
        )
        return [each.letter.position for each in (await figures.ListFigureItems(asked, CONTEXT)).items]

    # of each figure of a split exactly what it counts
    assert await positions(group_by=pb.FIGURE_GROUP_AREA, key="north") == [0, 1]
    assert await positions(group_by=pb.FIGURE_GROUP_ITEM, key="A2") == [3]
    assert await positions(group_by=pb.FIGURE_GROUP_SPECIALTY, key="places") == [0, 1, 2]
    assert await positions(group_by=pb.FIGURE_GROUP_SPECIALTY, key="none") == []
    assert await positions(group_by=pb.FIGURE_GROUP_DEPARTMENT, key=SENDER) == [0, 1, 2, 3, 4]
    assert await positions(group_by=pb.FIGURE_GROUP_DEPARTMENT, key=RECEIVER) == []
    assert await positions(group_by=pb.FIGURE_GROUP_PROCEDURE, key="relay") == [0, 1, 2, 3, 4]
    assert await positions(group_by=pb.FIGURE_GROUP_PROCEDURE, key="complaint") == []
    assert await positions(group_by=pb.FIGURE_GROUP_LEVEL, key="0") == [0, 1, 2, 3, 4]
    assert await positions(group_by=pb.FIGURE_GROUP_LEVEL, key="3") == []
    assert await positions(group_by=pb.FIGURE_GROUP_PROCEDURE, key="relay", procedure="complaint") == []
    with pytest.raises(PermissionDenied):
        await positions(group_by=pb.FIGURE_GROUP_DEPARTMENT, key=SENDER, department=RECEIVER)
    call_as(RECEIVER)
    with pytest.raises(PermissionDenied):
        await positions(group_by=pb.FIGURE_GROUP_DEPARTMENT, key=SENDER)


async def test_what_is_not_split_so_lists_nothing_so(figures: IndicatorHandlers) -> None:
    """Obligations name no matter."""
    call_as(OFFICE)
    asked = pb.ListFigureItemsRequest(
        indicator="due",
        period=pb.Period(first=MARCH[0], last=MARCH[1]),
        group_by=pb.FIGURE_GROUP_ITEM,
        key="A1",
    )
    with pytest.raises(InvalidField):
        await figures.ListFigureItems(asked, CONTEXT)
