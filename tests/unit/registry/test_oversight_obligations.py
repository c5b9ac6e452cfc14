"""Which obligations an office, a department and an operator see, page by page, and what is said of each."""

from datetime import UTC
from typing import Any

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.db import Database
from services.common.errors import InvalidField
from services.procedures.obligation import Outcome, Suspension
from services.registry.handlers.oversight import OversightHandlers
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import CONTEXT, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    REGISTRY,
    SENDER,
    STRANGER,
    case_id,
    duty,
    ended,
    put_case,
    put_duties,
    put_mixed,
)


async def listed(handlers: OversightHandlers, **request: Any) -> list[str]:
    response = await handlers.ListObligations(pb.ListObligationsRequest(**request), CONTEXT)
    return [each.case_id for each in response.obligations]


async def test_an_office_sees_all_of_its_mechanism(database: Database, handlers: OversightHandlers) -> None:
    """By due time, and nothing of another mechanism that it has no part in."""
    put_mixed(database)
    call_as(OFFICE, "gateway")
    assert await listed(handlers) == [case_id(each) for each in (1, 4, 5, 2, 3)]
    assert await listed(handlers, procedure="inspection") == []


async def test_a_department_sees_what_it_owes_and_takes_part_in(
    database: Database, handlers: OversightHandlers
) -> None:
    """In whatever mechanism; and what others owe it in its own cases."""
    put_mixed(database)
    call_as(RECEIVER)
    assert await listed(handlers) == [case_id(each) for each in (1, 4, 2, 6)]
    call_as(SENDER)
    assert await listed(handlers) == []
    put_case(database, 2)
    put_case(database, 3)
    assert await listed(handlers) == [case_id(2), case_id(3)]
    assert await listed(handlers, owed_by=STRANGER) == [case_id(3)]
    call_as(RECEIVER)
    assert await listed(handlers, owed_by=RECEIVER, procedure="inspection") == [case_id(6)]
    assert await listed(handlers, owed_by=STRANGER) == [case_id(3)]


async def test_an_operator_sees_everything(database: Database, handlers: OversightHandlers) -> None:
    """Of all mechanisms."""
    put_mixed(database)
    call_as(REGISTRY, "operator")
    assert len(await listed(handlers)) == 6
    assert await listed(handlers, owed_by=STRANGER) == [case_id(5), case_id(3)]


@pytest.mark.parametrize(
    ("state", "cases"),
    [
        (pb.OBLIGATION_STATE_OPEN, [2, 3]),
        (pb.OBLIGATION_STATE_OVERDUE, [1]),
        (pb.OBLIGATION_STATE_ON_TIME, [4]),
        (pb.OBLIGATION_STATE_LATE, [5]),
        (pb.OBLIGATION_STATE_EXCUSED, []),
    ],
)
async def test_states_are_told_apart(
    database: Database, handlers: OversightHandlers, state: pb.ObligationState.ValueType, cases: list[int]
) -> None:
    """Open and overdue by the clock, the others by how they were discharged."""
    put_mixed(database)
    call_as(OFFICE)
    response = await handlers.ListObligations(pb.ListObligationsRequest(state=state), CONTEXT)
    assert [each.case_id for each in response.obligations] == [case_id(each) for each in cases]
    assert {each.state for each in response.obligations} <= {state}


async def test_due_before_is_exclusive(database: Database, handlers: OversightHandlers) -> None:
    """What is due at that time is not before it."""
    put_mixed(database)
    call_as(OFFICE)
    request = pb.ListObligationsRequest()
    request.due_before.FromDatetime(at("2026-03-06"))
    response = await handlers.ListObligations(request, CONTEXT)
    assert [each.case_id for each in response.obligations] == [case_id(1)]


async def test_pages_follow_each_other_without_gap_or_repeat(
    database: Database, handlers: OversightHandlers
) -> None:
    """Also through many of one due time, each seen for several reasons."""
    put_duties(database, [duty(number, "2026-03-03 10:00") for number in range(23)])
    for number in range(0, 23, 2):
        put_case(database, number)
    for department in (OFFICE, RECEIVER):
        call_as(department)
        found: list[str] = []
        request = pb.ListObligationsRequest(page_size=5)
        while True:
            response = await handlers.ListObligations(request, CONTEXT)
            found += [each.case_id for each in response.obligations]
            if not response.next_page_token:
                break
            assert len(response.obligations) == 5
            assert len(response.next_page_token) <= 200
            request.page_token = response.next_page_token
        assert found == [case_id(number) for number in range(23)]


@pytest.mark.parametrize("token", ["x", "W10=", "WzEsMl0=", "W251bGwsIiIsIiIsMV0=", "bnVsbA==", "é"])
async def test_a_page_token_of_another_list_is_refused(handlers: OversightHandlers, token: str) -> None:
    """It is a field of the request like any other."""
    call_as(OFFICE)
    with pytest.raises(InvalidField) as refused:
        await handlers.ListObligations(pb.ListObligationsRequest(page_token=token), CONTEXT)
    assert refused.value.field == "page_token"


async def test_an_obligation_says_what_people_ask(database: Database, handlers: OversightHandlers) -> None:
    """Limit, title, who discharges it, whether it stands still and whether its year is certain."""
    pause = Suspension(at("2028-03-02 12:00"), at("2028-04-01"))
    put_duties(database, [duty(1, "2028-03-02 10:00", suspensions=(pause,)), ended(2, Outcome.EXCUSED)])
    handlers._clock.set(at("2028-03-03"))  # type: ignore[attr-defined]
    call_as(OFFICE)
    response = await handlers.ListObligations(pb.ListObligationsRequest(), CONTEXT)
    excused, suspended = response.obligations
    assert (suspended.limit, suspended.title_zh, list(suspended.discharged_by)) == (
        "3 wd",
        "期限",
        ["answer"],
    )
    assert suspended.suspended
    assert suspended.provisional
    assert not excused.suspended
    assert excused.discharged_at.ToDatetime(tzinfo=UTC) == at("2026-03-04")
    assert excused.due_at.ToDatetime(tzinfo=UTC) == at("2026-03-06")


async def test_a_clock_with_no_end_in_sight_shows_no_due_time(
    database: Database, handlers: OversightHandlers
) -> None:
    """Never is not a date."""
    put_duties(database, [duty(1, "2026-03-02 10:00", suspensions=(Suspension(at("2026-03-03"), None),))])
    call_as(OFFICE)
    response = await handlers.ListObligations(pb.ListObligationsRequest(), CONTEXT)
    assert not response.obligations[0].HasField("due_at")
