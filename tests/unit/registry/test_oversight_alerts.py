"""Alerts, and whom they concern."""

from typing import Any

from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.registry.handlers.oversight import OversightHandlers
from services.registry.marks import MarkScheduler
from tests.unit.registry.oversight_calls import CONTEXT, NOW, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    REGISTRY,
    STRANGER,
    directory,
    duty,
    put_duties,
)


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
