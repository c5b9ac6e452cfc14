"""OversightService over real TLS: the matrix, an office's reminders, and who may send them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb
from liandong.oversight.v1.oversight_service_pb2_grpc import OversightServiceStub

from services.common.channel import open_channel, remote_errors
from services.common.errors import InvalidField, LiandongError, NotFound, PermissionDenied
from tests.builders.departments import HEALTH, JUSTICE, MARKET
from tests.builders.exchange_client import certificate
from tests.wire.registry.conftest import World


@asynccontextmanager
async def calling(world: World, department: str, kind: str = "gateway") -> AsyncIterator[Any]:
    """The service, as a certificate of a department."""
    tls = certificate(world.registry, world.folder / "tls", department, kind)
    async with open_channel(world.registry.address, tls) as channel:
        with remote_errors():
            yield OversightServiceStub(channel)


def draft(view: pb.ObligationView, **other: Any) -> pb.ReminderDraft:
    facts: dict[str, Any] = {
        "case_id": view.case_id, "rule": view.rule, "ordinal": view.ordinal, "owed_by": view.owed_by,
        "text": "请抓紧移送。",
    }  # fmt: skip
    return pb.ReminderDraft(**{**facts, **other})


async def test_the_office_sees_the_matrix_and_reminds(world: World) -> None:
    """What a department owes is a cell; the reminder stands beside it, and a watcher hears of it at once."""
    await world.health.admit(world.health.opening())
    async with calling(world, JUSTICE) as stub:
        (cell,) = (await stub.GetMatrix(pb.GetMatrixRequest())).cells
        assert (cell.department, cell.procedure, cell.open) == (HEALTH, "case-transfer", 1)
        watching = stub.Watch(pb.WatchRequest(procedure="case-transfer"))
        heard = asyncio.ensure_future(watching.read())
        await asyncio.sleep(0.3)
        (view,) = (await stub.ListObligations(pb.ListObligationsRequest())).obligations
        answer = await stub.Remind(pb.RemindRequest(reminders=[draft(view)], person="何青"))
        assert [each.outcome for each in answer.results] == [pb.REMINDER_OUTCOME_SENT]
        async with asyncio.timeout(10):
            change = await heard
        assert change.alert.kind == pb.ALERT_KIND_OFFICE_REMINDER
        assert (change.alert.addressee, change.alert.reminder.person) == (HEALTH, "何青")
        overview = await stub.GetCaseOverview(pb.GetCaseOverviewRequest(case_id=view.case_id))
        assert overview.obligations[0].last_reminder.text == "请抓紧移送。"


@pytest.mark.parametrize(
    ("department", "kind", "refused"),
    [
        (HEALTH, "gateway", PermissionDenied),
        (MARKET, "gateway", NotFound),
        (JUSTICE, "operator", PermissionDenied),
    ],
)
async def test_nobody_else_reminds(
    world: World, department: str, kind: str, refused: type[LiandongError]
) -> None:
    """Not who owes it, not who knows nothing of it, and no operator."""
    await world.health.admit(world.health.opening())
    async with calling(world, JUSTICE) as office:
        (view,) = (await office.ListObligations(pb.ListObligationsRequest())).obligations
    with pytest.raises(refused):
        async with calling(world, department, kind) as stub:
            await stub.Remind(pb.RemindRequest(reminders=[draft(view)], person="何青"))


@pytest.mark.parametrize("wrong", [{"text": ""}, {"text": "催" * 501}, {"owed_by": ""}, {"rule": ""}])
async def test_a_reminder_without_its_parts_is_refused(world: World, wrong: dict[str, Any]) -> None:
    """Each field has its bounds."""
    view = pb.ObligationView(case_id="", rule="send", ordinal=1, owed_by=HEALTH)
    with pytest.raises(InvalidField):
        async with calling(world, JUSTICE) as stub:
            await stub.Remind(pb.RemindRequest(reminders=[draft(view, **wrong)], person="何青"))
