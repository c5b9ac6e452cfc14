"""Whatever way a call goes, the gateway sees to what the registry cannot: who may, and under which name."""

from __future__ import annotations

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.errors import Unavailable
from services.gateway.callers import Caller
from services.gateway.calls import Calls, MayNotRemind, in_the_name_of, route_of


def somebody(*roles: str, service: bool = False) -> Caller:
    """A person of a department, or its system."""
    return Caller(
        department="health.qinghe", subject="zhao", name="赵文博", roles=roles, acr="pwd", service=service,
        scopes=frozenset(), key="account/1",
    )  # fmt: skip


def reminder() -> pb.RemindRequest:
    """One that names somebody else."""
    return pb.RemindRequest(person="somebody else", reminders=[pb.ReminderDraft(rule="transfer")])


@pytest.mark.parametrize(
    ("caller", "refused"),
    [
        (somebody("auditor"), MayNotRemind),
        (somebody("clerk"), Unavailable),
        (somebody("auditor", "coordinator"), Unavailable),
        (somebody("system", service=True), Unavailable),
    ],
)
async def test_who_may_not_remind_may_not_by_any_way(caller: Caller, refused: type[Exception]) -> None:
    """With one answer or a stream of them; the others come as far as there is a registry."""
    calls = Calls({}, {})
    with pytest.raises(refused):
        await calls.call(caller, reminder(), pb.RemindResponse, request_id="r")
    with pytest.raises(refused):
        await anext(calls.stream(caller, reminder(), pb.RemindResponse, request_id="r"))


def test_a_reminder_bears_the_name_of_who_sends_it() -> None:
    """Whatever the request says."""
    request = reminder()
    in_the_name_of(somebody("clerk"), route_of(request), request)
    assert request.person == "赵文博"
