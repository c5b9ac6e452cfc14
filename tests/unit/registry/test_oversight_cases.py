"""What is seen of one case, and by whom."""

import hashlib
from datetime import UTC

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import microseconds
from services.common.db import Database
from services.common.errors import NotFound
from services.procedures.case import dumps
from services.registry import tables
from services.registry.handlers.oversight import OversightHandlers
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import CONTEXT, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    STRANGER,
    case_id,
    duty,
    put,
    put_act,
    put_case,
    put_duties,
)


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


async def test_links_are_shown_to_those_who_may_know_of_them(
    database: Database, handlers: OversightHandlers
) -> None:
    """From both sides; a case out of the caller's sight is not told of."""
    for number in (1, 2, 3):
        put_case(database, number)
    put(
        database,
        tables.case_links,
        [(case_id(2), case_id(1), "parent"), (case_id(1), case_id(3), "referral")],
    )
    call_as(RECEIVER)
    response = await handlers.GetCaseOverview(pb.GetCaseOverviewRequest(case_id=case_id(1)), CONTEXT)
    assert [(each.case_id, each.relation, each.outgoing) for each in response.links] == [
        (case_id(2), "parent", False),
        (case_id(3), "referral", True),
    ]
    assert {(each.procedure, each.state, each.closed) for each in response.links} == {
        ("relay", "sent", False)
    }
