"""Reminders that an office sends: by the office alone, once a day, kept, and told."""

from datetime import timedelta

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import LiandongError, NotFound, PermissionDenied
from services.procedures.obligation import Outcome
from services.registry.handlers.oversight import OversightHandlers
from services.registry.oversight_hub import OversightHub
from services.registry.rate_limit import RateLimit, TooManyRequests
from tests.unit.registry.oversight_calls import CONTEXT, NOW, call_as
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    STRANGER,
    case_id,
    directory,
    duty,
    ended,
    put_case,
    put_duties,
)

TEXT = "答复期限已超期，请抓紧办理。"


class Desk:
    """The office's desk over a registry: two obligations of market, one that ended."""

    def __init__(self, database: Database) -> None:
        put_duties(
            database, [duty(1, "2026-02-26 10:00"), duty(2, "2026-03-04 10:00"), ended(5, Outcome.LATE)]
        )
        newest = directory()
        self.clock = ManualClock(NOW)
        self.woken = 0
        self.handlers = OversightHandlers(
            database,
            lambda: newest,
            self.clock,
            OversightHub(database, lambda: newest, self.clock),
            self._wake,
        )
        call_as(OFFICE, "gateway")

    def _wake(self) -> None:
        self.woken += 1

    async def remind(self, *numbers: int, owed_by: str = RECEIVER) -> list[int]:
        drafts = [
            pb.ReminderDraft(case_id=case_id(each), rule="reply", ordinal=1, owed_by=owed_by, text=TEXT)
            for each in numbers
        ]
        answer = await self.handlers.Remind(pb.RemindRequest(reminders=drafts, person="何青"), CONTEXT)
        return [each.outcome for each in answer.results]

    async def listed(self) -> dict[str, pb.ObligationView]:
        answer = await self.handlers.ListObligations(pb.ListObligationsRequest(), CONTEXT)
        return {each.case_id: each for each in answer.obligations}

    async def alerts(self) -> list[pb.Alert]:
        return list((await self.handlers.ListAlerts(pb.ListAlertsRequest(), CONTEXT)).alerts)


@pytest.fixture
def desk(database: Database) -> Desk:
    """The desk, once on each database."""
    return Desk(database)


async def test_a_reminder_is_kept_with_who_and_when_and_told(desk: Desk) -> None:
    """The list says it, an alert goes to the department, and streams are woken."""
    assert await desk.remind(1, 2) == [pb.REMINDER_OUTCOME_SENT] * 2
    view = (await desk.listed())[case_id(1)]
    assert view.reminders == 1
    last = view.last_reminder
    assert (last.department, last.person, last.text) == (OFFICE, "何青", TEXT)
    assert last.at.ToDatetime(NOW.tzinfo) == NOW
    alerts = await desk.alerts()
    assert {(each.kind, each.addressee, each.mark) for each in alerts} == {
        (pb.ALERT_KIND_OFFICE_REMINDER, RECEIVER, "2026-03-05")
    }
    assert all(each.reminder.text == TEXT for each in alerts)
    assert desk.woken == 1


async def test_an_obligation_is_reminded_of_once_a_day(desk: Desk) -> None:
    """Again on the same day changes nothing, on the next it is another; also within one request."""
    assert await desk.remind(1, 1) == [pb.REMINDER_OUTCOME_SENT, pb.REMINDER_OUTCOME_SENT_BEFORE]
    assert await desk.remind(1, 2) == [pb.REMINDER_OUTCOME_SENT_BEFORE, pb.REMINDER_OUTCOME_SENT]
    desk.clock.advance(timedelta(days=1))
    assert await desk.remind(1) == [pb.REMINDER_OUTCOME_SENT]
    assert (await desk.listed())[case_id(1)].reminders == 2


async def test_what_is_over_is_not_reminded_of(desk: Desk) -> None:
    """And says so; the others are sent."""
    assert await desk.remind(5, 1) == [pb.REMINDER_OUTCOME_OVER, pb.REMINDER_OUTCOME_SENT]
    assert len(await desk.alerts()) == 1


async def test_only_the_office_reminds(desk: Desk, database: Database) -> None:
    """Who owes it may not, who takes part may not, and a stranger is told of nothing; nothing is sent in part."""
    put_case(database, 1)
    for department, refused in ((RECEIVER, PermissionDenied), (SENDER, NotFound), (STRANGER, NotFound)):
        call_as(department)
        with pytest.raises(refused):
            await desk.remind(1)
    call_as(OFFICE)
    with pytest.raises(LiandongError) as error:
        await desk.remind(1, 999)
    assert error.value.field == "reminders[1]"
    with pytest.raises(NotFound):
        await desk.remind(1, owed_by=SENDER)
    assert await desk.alerts() == []


async def test_a_department_reminds_no_faster_than_people_do(database: Database) -> None:
    """What comes faster is refused with how long to wait."""
    newest, clock = directory(), ManualClock(NOW)
    hub = OversightHub(database, lambda: newest, clock)
    handlers = OversightHandlers(database, lambda: newest, clock, hub, limit=RateLimit(1, 1.0))
    put_duties(database, [duty(1, "2026-02-26 10:00")])
    call_as(OFFICE)
    draft = pb.ReminderDraft(case_id=case_id(1), rule="reply", ordinal=1, owed_by=RECEIVER, text=TEXT)
    request = pb.RemindRequest(reminders=[draft], person="何青")
    await handlers.Remind(request, CONTEXT)
    with pytest.raises(TooManyRequests):
        await handlers.Remind(request, CONTEXT)
