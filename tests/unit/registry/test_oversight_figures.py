"""What is counted: indicators, flows, and what stands open with each department."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import microseconds
from services.common.db import Database
from services.procedures.obligation import Outcome
from services.registry import links, oversight, tables, tallies
from services.registry.handlers.oversight import OversightHandlers
from services.registry.obligation_index import index_row
from services.registry.oversight import day_of, position_at
from services.registry.oversight_scope import Scope
from tests.unit.procedures.deadline_samples import NATIONAL, at
from tests.unit.registry.oversight_calls import CONTEXT, NOW, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    PROCEDURE,
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


@pytest.mark.parametrize("caller", [OFFICE, RECEIVER, STRANGER])
@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 40), (0, 8), (8, 40), (3, 37), (8, 16), (9, 15), (15, 17), (7, 25), (5, 5), (40, 40)],
)
async def test_a_period_is_counted_alike_from_rows_and_from_what_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch, caller: str, first: int, last: int
) -> None:
    """Wherever it begins and ends: open, ended, overdue, and standing duties, as the rows alone say."""
    for module in (tallies, oversight):
        monkeypatch.setattr(module, "BUCKET", 8)
    for position in range(40):
        put_act(database, position, position, "send", SENDER, NOW + timedelta(minutes=position))
    chance = random.Random(7)
    outcomes = [None, *Outcome]
    duties = []
    for number in range(80):
        owner, outcome = chance.choice((RECEIVER, STRANGER)), chance.choice(outcomes)
        made = (
            duty(number, "2026-03-01 10:00", owed_by=owner)
            if outcome is None
            else ended(number, outcome, owner)
        )
        duties.append(replace(made, opened_position=chance.randrange(40)))
    put_duties(database, duties)
    call_as(caller)
    scope = Scope(caller, frozenset({PROCEDURE.name} if caller == OFFICE else ()))
    begin, end = (NOW + timedelta(minutes=each) for each in (first, last))
    counted = database.read(
        lambda connection: oversight.count_obligations(
            connection, scope, {PROCEDURE.name, "x"}, begin, end, NOW
        )
    )
    expected: Counter[tuple[str, str]] = Counter()
    for each in duties:
        if first <= each.opened_position < last and caller in (OFFICE, each.owed_by):
            expected[each.owed_by, each.outcome.value if each.outcome else "OPEN"] += 1
    assert {(each.department, each.state): each.obligations for each in counted} == expected
    late = [each.past_due for each in counted if each.state == "OPEN"]
    assert late == [each.obligations for each in counted if each.state == "OPEN"]


def test_an_obligation_that_ends_in_the_group_that_opened_it_is_counted_once() -> None:
    """And what is open, or a standing duty, not at all."""
    opened, over = duty(1, "2026-03-03 10:00"), ended(1, Outcome.ON_TIME)
    rows = [index_row(each, PROCEDURE, NATIONAL) for each in (opened, over, duty(2, "2026-03-03 10:00"))]
    bucket = over.opened_position // tallies.BUCKET
    assert tallies.ended(rows) == {(bucket, PROCEDURE.name, RECEIVER, "ON_TIME"): 1}
    standing = [(*row[:4], 0, *row[5:]) for row in rows]
    assert not tallies.ended(standing)


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
