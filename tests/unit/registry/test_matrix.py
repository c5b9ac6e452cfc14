"""How departments stand in mechanisms, as it is counted for the office's picture, and the lists behind it."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.procedures.law import Law
from services.procedures.loader import load_all
from services.procedures.obligation import Outcome
from services.registry.handlers.oversight import OversightHandlers
from services.registry.matrix import dispute_rules
from services.registry.oversight_hub import OversightHub
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import CONTEXT, NOW, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    OTHER,
    PROCEDURE,
    RECEIVER,
    REGISTRY,
    SENDER,
    STRANGER,
    case_id,
    directory,
    duty,
    ended,
    put_case,
    put_duties,
)

DISPUTED = replace(
    PROCEDURE,
    acts={**PROCEDURE.acts, "dispute": replace(PROCEDURE.acts["note"], body="liandong.cases.v1.Dispute")},
    obligations={
        **PROCEDURE.obligations,
        "settle": replace(
            PROCEDURE.obligations["silent"], name="settle", owed_by="office", opens_on=("dispute",)
        ),
    },
)
"""The mechanism with a letter that disputes, and the office that then has to settle it."""


@pytest.fixture
def busy(database: Database) -> OversightHandlers:
    """Market is overdue with one and owes another; case 3 is disputed; one ended; one is of another mechanism."""
    put_duties(database, [duty(1, "2026-02-26 10:00"), duty(2, "2026-03-04 10:00"), ended(5, Outcome.LATE)])
    settle = duty(3, "2026-03-04 10:00", "15 wd", rule="settle", owed_by=OFFICE)
    put_duties(database, [settle], procedure=DISPUTED)
    put_duties(database, [duty(6, "2026-03-04 10:00")], procedure=OTHER)
    for number in (1, 2, 3):
        put_case(database, number)
    base = directory()
    newest = replace(base, law=base.law.with_procedures([DISPUTED, OTHER]))
    clock = ManualClock(NOW)
    return OversightHandlers(database, lambda: newest, clock, OversightHub(database, lambda: newest, clock))


async def cells(handlers: OversightHandlers, soon: str = "") -> dict[tuple[str, str], tuple[int, ...]]:
    request = pb.GetMatrixRequest()
    if soon:
        stamp = Timestamp()
        stamp.FromDatetime(at(soon))
        request.soon_before.CopyFrom(stamp)
    answer = await handlers.GetMatrix(request, CONTEXT)
    return {
        (each.department, each.procedure): (each.open, each.soon, each.overdue, each.disputed)
        for each in answer.cells
    }


async def test_the_office_sees_every_department_in_its_mechanism(busy: OversightHandlers) -> None:
    """What is owed, what of it is due soon and overdue, and whose cases are in dispute: not the office's."""
    call_as(OFFICE)
    assert await cells(busy) == {
        (RECEIVER, "relay"): (1, 0, 1, 1),
        (SENDER, "relay"): (0, 0, 0, 1),
        (OFFICE, "relay"): (1, 0, 0, 0),
    }
    assert (await cells(busy, "2026-03-12 00:00"))[RECEIVER, "relay"] == (1, 1, 1, 1)


async def test_a_department_sees_its_own_row(busy: OversightHandlers) -> None:
    """In every mechanism, and nothing of others; a stranger sees nothing."""
    call_as(RECEIVER)
    assert await cells(busy) == {(RECEIVER, "relay"): (1, 0, 1, 1), (RECEIVER, "inspection"): (1, 0, 0, 0)}
    call_as(STRANGER)
    assert await cells(busy) == {}
    call_as(REGISTRY, "operator")
    assert len(await cells(busy)) == 4


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"disputed": True}, [3]),
        ({"disputed": True, "party": SENDER}, [3]),
        ({"disputed": True, "party": STRANGER}, []),
        ({"party": RECEIVER, "state": pb.OBLIGATION_STATE_OVERDUE}, [1]),
    ],
)
async def test_what_a_cell_counts_is_listed(
    busy: OversightHandlers, wanted: dict[str, Any], found: list[int]
) -> None:
    """By dispute, and by who takes part."""
    call_as(OFFICE)
    answer = await busy.ListObligations(pb.ListObligationsRequest(**wanted), CONTEXT)
    assert [each.case_id for each in answer.obligations] == [case_id(number) for number in found]


def test_what_a_dispute_opens_is_found_in_the_procedures_that_come_along() -> None:
    """An office's duty to settle, whatever the mechanism calls it."""
    law = Law(registry=REGISTRY).with_procedures(load_all())
    assert dispute_rules(law) == [("assistance", "settle"), ("case-transfer", "settle")]
