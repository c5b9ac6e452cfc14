"""What an office, a department and an operator see, page by page."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.caller import Caller, set_caller
from services.common.clock import ManualClock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.procedures.case import dumps
from services.procedures.obligation import Outcome, Suspension
from services.registry import links, tables
from services.registry.handlers.oversight import OversightHandlers
from services.registry.marks import MarkScheduler
from services.registry.oversight import day_of, position_at
from services.registry.oversight_hub import OversightHub
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_samples import (
    OFFICE,
    OTHER,
    RECEIVER,
    REGISTRY,
    SENDER,
    STRANGER,
    case_id,
    directory,
    duty,
    put,
    put_act,
    put_case,
    put_duties,
    put_head,
    registry_database,
)

NOW = at("2026-03-05 12:00")
CONTEXT: Any = SimpleNamespace()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with registry_database(database_url) as opened:
        yield opened


@pytest.fixture
def handlers(database: Database) -> OversightHandlers:
    clock = ManualClock(NOW)
    newest = directory()
    return OversightHandlers(database, lambda: newest, clock, OversightHub(database, lambda: newest, clock))


def call_as(department: str, kind: str = "node") -> None:
    set_caller(Caller(department, kind, "", "01", datetime(2027, 1, 1, tzinfo=UTC)))


def ended(number: int, outcome: Outcome, owed_by: str = RECEIVER) -> Any:
    opened = duty(number, "2026-03-02 10:00", owed_by=owed_by)
    return replace(opened, discharged_at=at("2026-03-04"), outcome=outcome, due_frozen=at("2026-03-06"))


async def listed(handlers: OversightHandlers, **request: Any) -> list[str]:
    response = await handlers.ListObligations(pb.ListObligationsRequest(**request), CONTEXT)
    return [each.case_id for each in response.obligations]


def mixed(database: Database) -> None:
    """Open, overdue, ended; two mechanisms; owed by two departments."""
    put_duties(
        database,
        [
            duty(1, "2026-02-26 10:00"),
            duty(2, "2026-03-03 10:00"),
            duty(3, "2026-03-04 10:00", owed_by=STRANGER),
            ended(4, Outcome.ON_TIME),
            ended(5, Outcome.LATE, STRANGER),
        ],
    )
    put_duties(database, [duty(6, "2026-03-04 10:00")], procedure=OTHER)


async def test_an_office_sees_all_of_its_mechanism(database: Database, handlers: OversightHandlers) -> None:
    """By due time, and nothing of another mechanism that it has no part in."""
    mixed(database)
    call_as(OFFICE, "gateway")
    assert await listed(handlers) == [case_id(each) for each in (1, 4, 5, 2, 3)]
    assert await listed(handlers, procedure="inspection") == []


async def test_a_department_sees_what_it_owes_and_takes_part_in(
    database: Database, handlers: OversightHandlers
) -> None:
    """In whatever mechanism; and what others owe it in its own cases."""
    mixed(database)
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
    mixed(database)
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
    mixed(database)
    call_as(OFFICE)
    response = await handlers.ListObligations(pb.ListObligationsRequest(state=state), CONTEXT)
    assert [each.case_id for each in response.obligations] == [case_id(each) for each in cases]
    assert {each.state for each in response.obligations} <= {state}


async def test_due_before_is_exclusive(database: Database, handlers: OversightHandlers) -> None:
    """What is due at that time is not before it."""
    mixed(database)
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


async def test_a_case_shows_acts_parties_and_who_received_what_when(
    database: Database, handlers: OversightHandlers
) -> None:
    """A mailbox place is received by the first range of arrivals that covers it."""
    folded = put_case(database, 1, last_position=7)
    put_act(database, 3, 1, "send", SENDER, at("2026-03-02 10:00"))
    put_act(database, 7, 1, "note", RECEIVER, at("2026-03-03 10:00"))
    put_duties(database, [duty(1, "2026-03-02 10:00", opened_position=3)])
    # the office joined with the act at 7 and was given the earlier one then
    put(
        database,
        tables.mailbox,
        [(SENDER, 3, 3), (RECEIVER, 3, 3), (SENDER, 7, 7), (OFFICE, 7, 3), (OFFICE, 7, 7)],
    )
    received = [microseconds(at(f"2026-03-0{day}")) for day in (4, 5, 6)]
    put(
        database,
        tables.arrivals,
        [(RECEIVER, 5, 1, 8, received[0]), (RECEIVER, 9, 2, 9, received[1]), (OFFICE, 7, 3, 10, received[2])],
    )
    call_as(RECEIVER)
    response = await handlers.GetCaseOverview(pb.GetCaseOverviewRequest(case_id=case_id(1)), CONTEXT)
    assert (response.procedure, response.procedure_version, response.state) == ("relay", 1, "sent")
    assert [(each.role, each.department) for each in response.parties] == [
        ("sender", SENDER),
        ("receiver", RECEIVER),
        ("office", OFFICE),
    ]
    assert [(each.act, each.author, each.position) for each in response.acts] == [
        ("send", SENDER, 3),
        ("note", RECEIVER, 7),
    ]
    seen = [
        {each.department: microseconds(each.received_at.ToDatetime(tzinfo=UTC)) for each in act.received}
        for act in response.acts
    ]
    assert seen == [{RECEIVER: received[0], OFFICE: received[2]}, {OFFICE: received[2]}]
    assert [each.rule for each in response.obligations] == ["reply"]
    assert response.state_digest == hashlib.sha256(dumps(folded)).digest()


async def test_a_case_of_others_does_not_exist(database: Database, handlers: OversightHandlers) -> None:
    """A stranger cannot tell it from one that never was."""
    put_case(database, 1)
    call_as(STRANGER)
    messages = set()
    for number in (1, 2):
        with pytest.raises(NotFound) as refused:
            await handlers.GetCaseOverview(pb.GetCaseOverviewRequest(case_id=case_id(number)), CONTEXT)
        messages.add(refused.value.message)
    assert len(messages) == 1


async def test_indicators_count_what_was_opened_in_the_period(
    database: Database, handlers: OversightHandlers
) -> None:
    """By position between the period's ends; an office all departments, a department itself."""
    for position in range(8):
        put_act(
            database, position, 50 + position, "send", SENDER, at("2026-03-01") + timedelta(days=position)
        )
    put_duties(
        database,
        [
            duty(1, "2026-02-26 10:00"),
            duty(2, "2026-03-03 10:00"),
            ended(3, Outcome.ON_TIME),
            ended(4, Outcome.TRANSMITTED_LATE),
            ended(5, Outcome.EXCUSED, STRANGER),
            duty(6, "2026-03-04 10:00"),
        ],
    )
    request = pb.GetIndicatorsRequest()
    getattr(request, "from").FromDatetime(at("2026-03-02"))
    request.to.FromDatetime(at("2026-03-06 10:00"))
    call_as(OFFICE)
    response = await handlers.GetIndicators(request, CONTEXT)
    assert list(response.indicators) == [
        pb.Indicator(
            department=RECEIVER, procedure="relay", owed=4, on_time=1, transmitted_late=1, open=1, overdue=1
        ),
        pb.Indicator(department=STRANGER, procedure="relay", owed=1, excused=1),
    ]
    call_as(STRANGER)
    own = await handlers.GetIndicators(request, CONTEXT)
    assert [each.department for each in own.indicators] == [STRANGER]
    call_as(OFFICE)
    assert not (await handlers.GetIndicators(pb.GetIndicatorsRequest(procedure="x"), CONTEXT)).indicators
    assert (await handlers.GetIndicators(pb.GetIndicatorsRequest(), CONTEXT)).indicators


def test_positions_are_found_by_time(database: Database) -> None:
    """The first at or after a moment; the ledger's end if none is."""
    assert database.read(lambda connection: position_at(connection, NOW)) == 0
    for position in range(5):
        put_act(database, position, position, "send", SENDER, NOW + timedelta(seconds=position // 2))

    def find(second: int) -> int:
        return database.read(lambda connection: position_at(connection, NOW + timedelta(seconds=second)))

    assert [find(second) for second in (-1, 0, 1, 2, 3)] == [0, 0, 2, 4, 5]


async def test_flows_count_letters_between_departments(
    database: Database, handlers: OversightHandlers
) -> None:
    """The days of the period in the region's zone; a department sees its own."""
    first = day_of(at("2026-03-02"))
    put(
        database,
        tables.flows,
        [
            (first - 1, "relay", SENDER, RECEIVER, 100),
            (first, "relay", SENDER, RECEIVER, 2),
            (first + 1, "relay", SENDER, RECEIVER, 3),
            (first + 1, "inspection", STRANGER, RECEIVER, 5),
            (first + 2, "relay", SENDER, RECEIVER, 100),
        ],
    )
    request = pb.GetFlowsRequest()
    getattr(request, "from").FromDatetime(at("2026-03-02"))
    request.to.FromDatetime(at("2026-03-04"))
    call_as(OFFICE)
    assert list((await handlers.GetFlows(request, CONTEXT)).flows) == [
        pb.Flow(author=SENDER, recipient=RECEIVER, letters=5)
    ]
    call_as(STRANGER)
    assert list((await handlers.GetFlows(request, CONTEXT)).flows) == [
        pb.Flow(author=STRANGER, recipient=RECEIVER, letters=5)
    ]
    call_as(RECEIVER)
    request.procedure = "inspection"
    assert len((await handlers.GetFlows(request, CONTEXT)).flows) == 1


async def test_alerts_come_newest_first_to_those_they_concern(
    database: Database, handlers: OversightHandlers
) -> None:
    """The office all of its mechanism, the department its own and those about it, a stranger none."""
    put_duties(database, [duty(number, "2026-03-02 10:00") for number in range(4)])
    newest = directory()
    MarkScheduler(database, lambda: newest, ManualClock(NOW)).fire_due()

    async def all_alerts(**filters: Any) -> list[pb.Alert]:
        request, found = pb.ListAlertsRequest(page_size=5, **filters), list[pb.Alert]()
        while True:
            response = await handlers.ListAlerts(request, CONTEXT)
            found += response.alerts
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token

    call_as(OFFICE)
    seen = await all_alerts()
    assert [each.id for each in seen] == sorted((each.id for each in seen), reverse=True)
    assert len(seen) == 12
    assert {each.obligation.rule for each in seen} == {"reply"}
    assert len(await all_alerts(addressee=OFFICE)) == 4
    assert len(await all_alerts(addressee=RECEIVER)) == 8
    call_as(RECEIVER)
    assert len(await all_alerts()) == 12
    assert len(await all_alerts(addressee=RECEIVER)) == 8
    assert len(await all_alerts(addressee=OFFICE)) == 4
    call_as(STRANGER)
    assert await all_alerts() == []
    assert await all_alerts(addressee=RECEIVER) == []
    call_as(REGISTRY, "operator")
    assert len(await all_alerts()) == 12


async def test_departments_show_link_mailbox_duties_and_certificate(
    database: Database, handlers: OversightHandlers
) -> None:
    """An office sees all departments, of their duties those of its mechanism; a department itself."""
    put_head(database, 9)
    mixed(database)
    database.write(lambda connection: links.connected(connection, RECEIVER, "a", NOW))
    database.write(lambda connection: links.seen(connection, {RECEIVER: (4, 4)}, NOW))
    put(database, tables.mailbox, [(RECEIVER, place, place) for place in (3, 4, 5, 6)])
    end = microseconds(at("2026-04-01"))
    put(
        database,
        tables.certificates,
        [
            ("01", RECEIVER, "node", end - 9, b""),
            ("02", RECEIVER, "node", end, b""),
            ("03", RECEIVER, "gateway", end + 9, b""),
        ],
    )
    call_as(OFFICE)
    response = await handlers.ListDepartmentStates(pb.ListDepartmentStatesRequest(), CONTEXT)
    assert response.ledger_size == 9
    assert [each.department for each in response.departments] == [SENDER, OFFICE, RECEIVER, STRANGER]
    state = response.departments[2]
    assert (state.connected, state.waiting, state.open, state.overdue) == (True, 2, 1 + 1, 1)
    assert microseconds(state.certificate_not_after.ToDatetime(tzinfo=UTC)) == end
    assert not response.departments[0].connected
    call_as(RECEIVER)
    own = (await handlers.ListDepartmentStates(pb.ListDepartmentStatesRequest(), CONTEXT)).departments
    assert [(each.department, each.open) for each in own] == [(RECEIVER, 3)]
