"""Figures of any days as the tables show them, on both databases, with figures that were worked by hand."""

from dataclasses import replace
from typing import Any

import pytest
from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import InvalidField, LiandongError, NotFound, PermissionDenied
from services.common.page_tokens import PageTokenInvalid
from services.procedures.obligation import Outcome
from services.registry.handlers.indicators import IndicatorHandlers
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.indicators.figure_samples import (
    ask,
    boundary_duties,
    met,
    put_acts,
    put_ledger,
    short,
)
from tests.unit.registry.oversight_calls import CONTEXT, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    OTHER,
    RECEIVER,
    SENDER,
    STRANGER,
    case_id,
    duty,
    put_duties,
)

FEBRUARY = ("2026-02-01", "2026-02-28")
MARCH = ("2026-03-01", "2026-03-31")
APRIL = ("2026-04-01", "2026-04-30")


def items(indicator: str, period: tuple[str, str], **given: object) -> pb.ListFigureItemsRequest:
    return pb.ListFigureItemsRequest(
        indicator=indicator,
        period=pb.Period(first=period[0], last=period[1]),
        **given,  # type: ignore[arg-type]
    )


async def test_what_is_due_at_the_end_of_a_month_belongs_to_it(
    database: Database, figures: IndicatorHandlers
) -> None:
    """Also where its last day is a Saturday that is worked; the first instant of a month belongs to the one before."""
    put_duties(database, boundary_duties())
    call_as(OFFICE)
    assert await ask(figures, "due", *FEBRUARY) == [("", 2, None, 2)]
    assert await ask(figures, "due", *MARCH) == [("", 2, None, 2)]
    assert await ask(figures, "due", *APRIL) == [("", 1, None, 1)]
    assert await ask(figures, "timeliness", *FEBRUARY) == [("", 1, 2, 5000)]
    assert await ask(figures, "timeliness", *MARCH) == [("", 1, 2, 5000)]
    assert await ask(figures, "met-late", *FEBRUARY) == [("", 1, None, 1)]
    assert await ask(figures, "overdue", *MARCH) == [("", 1, None, 1)]
    assert await ask(figures, "due", "2026-02-28", "2026-02-28") == [("", 1, None, 1)]
    assert await ask(figures, "due", "2026-03-01", "2026-03-01") == [("", 0, None, 0)]


async def test_years_meet_over_new_year(database: Database, figures: IndicatorHandlers) -> None:
    """30 December and a day is due in the old year; 31 December and a day on Sunday 4 January, which is worked."""
    put_duties(
        database,
        [
            met(duty(1, "2025-12-30 10:00", "1 wd"), "2025-12-31 10:00", Outcome.ON_TIME, "2026-01-01"),
            duty(2, "2025-12-31 10:00", "1 wd"),
        ],
    )
    call_as(OFFICE)
    assert await ask(figures, "due", "2025-01-01", "2025-12-31") == [("", 1, None, 1)]
    assert await ask(figures, "due", "2026-01-04", "2026-01-04") == [("", 1, None, 1)]
    request = pb.GetFiguresRequest(
        indicators=["timeliness"],
        period=pb.Period(first="2026-01-01", last="2026-12-31"),
        compare=pb.COMPARE_PREVIOUS_YEAR,
    )
    response = await figures.GetFigures(request, CONTEXT)
    assert response.unfinished
    assert (response.compared_with.first, response.compared_with.last) == ("2025-01-01", "2025-12-31")
    (figure,) = response.figures
    assert (figure.value, figure.comparison.value, figure.comparison.change) == (0, 10_000, -10_000)


async def test_no_period_reaches_beyond_the_present(
    database: Database, figures: IndicatorHandlers, clock: ManualClock
) -> None:
    """What is due later today is not due yet; a period that has not begun has no data."""
    put_duties(database, boundary_duties())
    call_as(OFFICE)
    clock.set(at("2026-03-31 23:59"))
    assert await ask(figures, "overdue", *MARCH) == [("", 0, None, 0)]
    clock.set(at("2026-04-01 00:00"))
    assert await ask(figures, "overdue", *MARCH) == [("", 1, None, 1)]
    assert await ask(figures, "timeliness", "2026-12-01", "2026-12-31") == [("", 0, 0, None)]


async def test_every_outcome_is_counted_for_what_it_is(
    database: Database, figures: IndicatorHandlers
) -> None:
    """Excused is on time, transmitted late is not; what ended unjudged is not counted at all."""
    due = "2026-03-10"
    outcomes = [*Outcome, Outcome.ON_TIME]
    duties = [
        met(duty(number, "2026-03-02 10:00"), "2026-03-09 10:00", outcome, due)
        for number, outcome in enumerate(outcomes)
    ]
    duties.append(replace(duty(9, "2026-03-02 10:00"), lapsed_at=at("2026-03-03")))
    put_duties(database, duties)
    call_as(OFFICE)
    expected = {"due": 5, "met-on-time": 3, "met-late": 1, "transmitted-late": 1, "overdue": 0}
    for name, count in expected.items():
        assert await ask(figures, name, *MARCH) == [("", count, None, count)], name
    assert await ask(figures, "timeliness", *MARCH) == [("", 3, 5, 6000)]


async def test_times_are_measured_from_opening_to_discharge(
    database: Database, figures: IndicatorHandlers
) -> None:
    """1, 2, 3 and 10 days: 4 on the mean, 2.5 in the middle; what is open took no time yet."""
    for number, days in enumerate((1, 2, 3, 10)):
        each = met(
            duty(number, "2026-03-02 10:00"), f"2026-03-{2 + days:02d} 10:00", Outcome.LATE, "2026-03-04"
        )
        put_duties(database, [each])
    put_duties(database, [duty(8, "2026-03-02 10:00"), duty(9, "2026-03-02 10:00", owed_by=STRANGER)])
    call_as(OFFICE)
    day = 86_400
    assert await ask(figures, "handling-mean", *MARCH) == [("", 16 * day, 4, 4 * day)]
    assert await ask(figures, "handling-median", *MARCH) == [("", 5 * day // 2, 4, 5 * day // 2)]
    by_department: dict[str, Any] = {"group_by": pb.FIGURE_GROUP_DEPARTMENT}
    assert await ask(figures, "handling-median", *MARCH, **by_department) == [
        (RECEIVER, 5 * day // 2, 4, 5 * day // 2)
    ]
    assert await ask(figures, "handling-mean", *MARCH, **by_department) == [(RECEIVER, 16 * day, 4, 4 * day)]
    assert await ask(figures, "handling-median", *MARCH, department=STRANGER) == [("", 0, 0, None)]


async def test_received_counts_what_was_opened(database: Database, figures: IndicatorHandlers) -> None:
    """By the ledger positions between the period's ends."""
    put_ledger(database, ["2026-02-28 23:59", "2026-03-01 00:00", "2026-03-31 23:59", "2026-04-01 00:00"])
    put_duties(database, [duty(position, "2026-03-02 10:00") for position in range(4)])
    call_as(OFFICE)
    assert await ask(figures, "received", *MARCH) == [("", 2, None, 2)]
    found = await figures.ListFigureItems(items("received", MARCH), CONTEXT)
    assert [each.obligation.case_id for each in found.items] == [case_id(1), case_id(2)]


async def test_cases_and_letters(database: Database, figures: IndicatorHandlers) -> None:
    """Opened by whom, ended by whom, written by whom; listed by position."""
    put_ledger(database, [f"2026-03-{day:02d}" for day in range(1, 13)])
    call_as(OFFICE, "operator")
    put_acts(
        database,
        [
            (6, 3, "send", SENDER, "", True, False, "2026-03-07"),
            (7, 3, "note", RECEIVER, SENDER, False, False, "2026-03-08"),
            (8, 3, "answer", RECEIVER, SENDER, False, True, "2026-03-09"),
            (9, 4, "send", STRANGER, "", True, False, "2026-03-10"),
        ],
    )
    by_department: dict[str, Any] = {"group_by": pb.FIGURE_GROUP_DEPARTMENT}
    assert sorted(await ask(figures, "cases-opened", *MARCH, **by_department)) == [
        (SENDER, 1, None, 1), (STRANGER, 1, None, 1)
    ]  # fmt: skip
    assert await ask(figures, "cases-closed", *MARCH, **by_department) == [(RECEIVER, 1, None, 1)]
    assert sorted(await ask(figures, "letters", *MARCH, **by_department)) == [
        (SENDER, 1, None, 1), (RECEIVER, 2, None, 2), (STRANGER, 1, None, 1)
    ]  # fmt: skip
    assert await ask(figures, "letters", "2026-03-08", "2026-03-09") == [("", 2, None, 2)]
    found = await figures.ListFigureItems(items("letters", MARCH, department=RECEIVER), CONTEXT)
    assert [(each.letter.position, each.letter.act) for each in found.items] == [(7, "note"), (8, "answer")]
    assert found.items[0].letter.title_en == "Limit"


async def test_clocks_that_stand_and_what_is_left_over(
    database: Database, figures: IndicatorHandlers
) -> None:
    """Everything overdue that is open counts, however old; figures of how things stand need no period."""
    put_duties(
        database, [duty(1, "2025-11-03 10:00"), duty(2, "2026-03-30 10:00"), duty(3, "2026-05-20 10:00")]
    )
    call_as(OFFICE)
    assert await ask(figures, "backlog", *MARCH) == [("", 1, None, 1)]
    assert await ask(figures, "backlog", *APRIL) == [("", 2, None, 2)]
    assert await ask(figures, "suspended", *APRIL) == [("", 0, None, 0)]


async def test_the_office_sees_its_mechanism_a_department_itself_and_its_rank(
    database: Database, figures: IndicatorHandlers
) -> None:
    """And nothing of others: neither their figures nor their items."""
    put_duties(
        database,
        [
            met(duty(1, "2026-03-02 10:00"), "2026-03-04", Outcome.LATE, "2026-03-04"),
            met(duty(2, "2026-03-02 10:00", owed_by=STRANGER), "2026-03-03", Outcome.ON_TIME, "2026-03-04"),
        ],
    )
    put_duties(database, [duty(3, "2026-03-02 10:00", owed_by=SENDER)], procedure=OTHER)
    by_department: dict[str, Any] = {"group_by": pb.FIGURE_GROUP_DEPARTMENT}
    call_as(OFFICE)
    office = await ask(figures, "timeliness", *MARCH, **by_department)
    assert office == [(STRANGER, 1, 1, 10_000), (RECEIVER, 0, 1, 0)]
    assert await ask(figures, "due", *MARCH) == [("", 2, None, 2)]
    with pytest.raises(PermissionDenied):
        await ask(figures, "due", *MARCH, procedure="inspection", department=SENDER)
    assert await ask(figures, "due", *MARCH, procedure="inspection") == [("", 0, None, 0)]

    call_as(RECEIVER)
    request = pb.GetFiguresRequest(
        indicators=["timeliness"], period=pb.Period(first=MARCH[0], last=MARCH[1]), **by_department
    )
    own = (await figures.GetFigures(request, CONTEXT)).figures
    assert short(own) == [(RECEIVER, 0, 1, 0)]
    assert (own[0].rank, own[0].ranked_of) == (2, 3)
    assert await ask(figures, "due", *MARCH) == [("", 1, None, 1)]
    with pytest.raises(PermissionDenied):
        await ask(figures, "due", *MARCH, department=STRANGER)
    with pytest.raises(PermissionDenied):
        await figures.ListFigureItems(items("due", MARCH, department=STRANGER), CONTEXT)
    listed = await figures.ListFigureItems(items("due", MARCH), CONTEXT)
    assert [each.obligation.owed_by for each in listed.items] == [RECEIVER]

    call_as("registry.qinghe", "operator")
    assert await ask(figures, "due", *MARCH, group_by=pb.FIGURE_GROUP_PROCEDURE) == [
        ("inspection", 1, None, 1), ("relay", 2, None, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("part", [pb.FIGURE_PART_UNSPECIFIED, pb.FIGURE_PART_DENOMINATOR])
async def test_a_figure_lists_exactly_what_it_counts(
    database: Database, figures: IndicatorHandlers, part: "pb.FigurePart.ValueType"
) -> None:
    """Page by page, none twice, none missing; numerator and denominator each their own."""
    outcomes = [Outcome.ON_TIME, Outcome.LATE, Outcome.ON_TIME]
    duties = [
        met(duty(number, "2026-03-02 10:00"), "2026-03-03", outcomes[number % 3], "2026-03-05")
        for number in range(23)
    ]
    put_duties(database, duties)
    call_as(OFFICE)
    ((_, numerator, denominator, _),) = await ask(figures, "timeliness", *MARCH)
    seen: list[str] = []
    token = ""
    while True:
        page = await figures.ListFigureItems(
            items("timeliness", MARCH, part=part, page_size=5, page_token=token), CONTEXT
        )
        assert len(page.items) <= 5
        seen += [each.obligation.case_id for each in page.items]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == (denominator if part else numerator)


async def test_every_figure_of_a_split_lists_what_it_counts(
    database: Database, figures: IndicatorHandlers
) -> None:
    """For whoever asks: an office that owes something elsewhere too, a department, an operator."""
    duties = [duty(number, "2026-03-02 10:00", owed_by=(OFFICE, RECEIVER)[number % 2]) for number in range(5)]
    put_duties(database, duties)
    put_duties(database, [duty(9, "2026-03-02 10:00", owed_by=OFFICE)], procedure=OTHER)
    compared = 0
    for department, kind in ((OFFICE, "node"), (RECEIVER, "node"), ("registry.qinghe", "operator")):
        call_as(department, kind)
        for group in (pb.FIGURE_GROUP_DEPARTMENT, pb.FIGURE_GROUP_PROCEDURE, pb.FIGURE_GROUP_LEVEL):
            for key, count, _, _ in await ask(figures, "due", *MARCH, group_by=group):
                found = await figures.ListFigureItems(items("due", MARCH, group_by=group, key=key), CONTEXT)
                assert len(found.items) == count, (department, group, key)
                compared += 1
    assert compared == 2 + 1 + 1 + 1 + 1 + 1 + 2 + 2 + 1


async def test_what_cannot_be_asked_is_refused(database: Database, figures: IndicatorHandlers) -> None:
    """With the field that is wrong."""
    call_as(OFFICE)
    assert database
    with pytest.raises(NotFound):
        await ask(figures, "happiness", *MARCH)
    with pytest.raises(InvalidField):
        await ask(figures, "due", "2026-03-31", "2026-03-01")
    with pytest.raises(InvalidField) as refused:
        await ask(figures, "due", *MARCH, compare=pb.COMPARE_BASE)
    assert refused.value.field == "base"
    with pytest.raises(InvalidField):
        await figures.ListFigureItems(items("due", MARCH, part=pb.FIGURE_PART_DENOMINATOR), CONTEXT)
    with pytest.raises(InvalidField):
        await figures.ListFigureItems(
            items("cases-per-officer", MARCH, part=pb.FIGURE_PART_DENOMINATOR), CONTEXT
        )
    with pytest.raises(PageTokenInvalid):
        await figures.ListFigureItems(items("due", MARCH, page_token="x"), CONTEXT)
    for name in ("letters", "cases-opened"):
        with pytest.raises(LiandongError):
            await figures.ListFigureItems(items(name, MARCH, page_token="WyJ4Il0="), CONTEXT)


async def test_the_catalogue_says_what_stands_elsewhere(figures: IndicatorHandlers) -> None:
    """Each with titles in both languages, and why the registry does not see it."""
    found = await figures.ListIndicators(pb.ListIndicatorsRequest(), CONTEXT)
    names = {each.name for each in found.indicators}
    assert {"timeliness", "cases-per-officer", "area-coverage", "satisfaction"} <= names
    assert {each.name for each in found.elsewhere} >= {"object-coverage", "penalties"}
    assert all(each.title_zh and each.title_en and each.reason_zh for each in found.elsewhere)
