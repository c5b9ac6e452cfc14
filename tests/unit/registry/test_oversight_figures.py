"""What is counted: indicators, flows, and what stands open with each department."""

from datetime import UTC, timedelta

from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import microseconds
from services.common.db import Database
from services.procedures.obligation import Outcome
from services.registry import links, tables
from services.registry.handlers.oversight import OversightHandlers
from services.registry.oversight import day_of, position_at
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import CONTEXT, NOW, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    STRANGER,
    duty,
    ended,
    put,
    put_act,
    put_duties,
    put_head,
    put_mixed,
)


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


async def test_departments_show_link_mailbox_duties_and_certificate(
    database: Database, handlers: OversightHandlers
) -> None:
    """An office sees all departments, of their duties those of its mechanism; a department itself."""
    put_head(database, 9)
    put_mixed(database)
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
