"""From the registry's alerts for this department to messages for its people.

Alerts are read from the registry while the link is up, from where the last reading ended and a little
before: what two of its processes wrote out of turn is not missed, and what comes twice is one message,
because a message's id is that of its event. Standing in one transaction with how far it was read, nothing
is lost when the process ends between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import grpc.aio
import structlog
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.channel import liandong_error
from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.exchange.trust import instant
from services.notices import store
from services.notices.model import Event, Kind, event_key
from services.notices.people import recipients

POLL: Final = timedelta(seconds=30)
OVERLAP: Final = timedelta(minutes=10)
FIRST: Final = timedelta(days=1)
"""How old an alert may be that a new node tells people of."""
ALONE: Final = timedelta(minutes=5)
"""How long the registry may be out of reach before the node looks by itself."""
ALONE_EVERY: Final = timedelta(minutes=5)
_PAGE: Final = 500
_DEADLINE_S: Final = 20.0
_AT_MOST: Final = 20_000
_HOURS: Final = (" h", "at once")

_KINDS: Final = {
    pb.ALERT_KIND_REMIND: Kind.REMIND,
    pb.ALERT_KIND_WARN_LEADER: Kind.WARN_LEADER,
    pb.ALERT_KIND_TELL_OFFICE: Kind.TELL_OFFICE,
    pb.ALERT_KIND_PROPOSE_SUPERVISION: Kind.PROPOSE_SUPERVISION,
    pb.ALERT_KIND_LINK_DOWN: Kind.LINK_DOWN,
    pb.ALERT_KIND_CERTIFICATE: Kind.CERTIFICATE,
    pb.ALERT_KIND_OFFICE_REMINDER: Kind.OFFICE_REMINDER,
}

Own = Callable[[Connection, datetime, datetime], Sequence[Event]]

_log = structlog.get_logger(__name__)


class Feed:
    """Reads alerts and makes messages of them.

    Args:
        department: Whose.
        database: Its database.
        directory: Gives the newest directory: its people.
        oversight: Gives a stub of the registry's OversightService.
        clock: The time.
        told: Called after messages were made, on the loop.
        own: Gives the marks of what the department itself owes that came between two instants; None for none.
        poll: How often.
    """

    def __init__(
        self,
        department: str,
        database: Database,
        directory: Callable[[], Directory],
        oversight: Callable[[], Any],
        clock: Clock,
        told: Callable[[], None],
        own: Own | None = None,
        poll: timedelta = POLL,
    ) -> None:
        self._department = department
        self._database = database
        self._directory = directory
        self._oversight = oversight
        self._clock = clock
        self._told = told
        self._own = own
        self._alone_since: datetime | None = None
        self._looked_at: datetime | None = None
        self._poll_s = poll.total_seconds()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            if await self.round():
                self._told()
            await asyncio.sleep(self._poll_s)

    async def round(self) -> int:
        """Read what is new, or look by itself where the registry is long out of reach; how many messages came of it."""
        try:
            count = await self.step()
        except (grpc.aio.AioRpcError, LiandongError) as error:
            known = liandong_error(error) if isinstance(error, grpc.aio.AioRpcError) else error
        else:
            self._alone_since = None
            return count
        now = self._clock.now()
        if self._alone_since is None:
            # said once: the link says all the while that the registry is not there
            _log.warning("notices.feed", department=self._department, reason=known.reason)
            self._alone_since = now
        if now - self._alone_since < ALONE or (self._looked_at and now - self._looked_at < ALONE_EVERY):
            return 0
        self._looked_at = now
        try:
            return await self._alone(now)
        except LiandongError:
            _log.warning("notices.alone", department=self._department, exc_info=True)
            return 0

    async def _alone(self, now: datetime) -> int:
        own = self._own
        if own is None:
            return 0
        known = await asyncio.to_thread(self._database.read, store.read_until)
        since = (known or now - FIRST) - OVERLAP
        events = await asyncio.to_thread(self._database.read, lambda connection: own(connection, since, now))
        directory = self._directory()
        people = directory.people_of(self._department)
        told = [(_named(each, directory), self._recipients(each, people)) for each in events]
        # how far alerts were read stays: the registry's own word still comes
        return len(
            await asyncio.to_thread(self._database.write, lambda connection: store.add(connection, told))
        )

    async def step(self) -> int:
        """Read what is new; returns how many messages came of it.

        Raises:
            AioRpcError: The registry did not answer.
            LiandongError: The database is busy, gone or failing; nothing was kept.
        """
        if not self._is_known():
            # a node that is new: who is to be told is still on its way
            return 0
        now = self._clock.now()
        known = await asyncio.to_thread(self._database.read, store.read_until)
        since = (known or now - FIRST) - OVERLAP
        found = await self._since(since)
        directory = self._directory()
        events = [
            _named(event, directory) for each in found if (event := event_of(each, directory)) is not None
        ]
        people = directory.people_of(self._department)
        told = [(each, self._recipients(each, people)) for each in events]
        until = max([known or now - FIRST, *(each.raised_at for each in events)])

        def work(connection: Connection) -> int:
            new = store.add(connection, told)
            store.note_read(connection, until)
            return len(new)

        if known is not None and not told and until == known:
            return 0
        return await asyncio.to_thread(self._database.write, work)

    def _is_known(self) -> bool:
        """Whether the directory has come so far that it names the department."""
        return self._department in self._directory().departments

    def _recipients(self, event: Event, people: Sequence[directory_pb.Person]) -> tuple[str, ...]:
        told = recipients(people, event.kind, event.procedure)
        if event.person and event.subject == self._department:
            return tuple(dict.fromkeys((event.person, *told)))
        return told

    async def _since(self, since: datetime) -> Sequence[pb.Alert]:
        """Alerts for the department that fired since then, oldest first."""
        found: list[pb.Alert] = []
        asked = pb.ListAlertsRequest(addressee=self._department, page_size=_PAGE)
        while len(found) < _AT_MOST:
            page = await self._oversight().ListAlerts(asked, timeout=_DEADLINE_S)
            fresh = [each for each in page.alerts if (instant(each.fired_at) or since) >= since]
            found += fresh
            if len(fresh) < len(page.alerts) or not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        return found[::-1]


def _named(event: Event, directory: Directory) -> Event:
    """An event with what the department is called."""
    known = directory.department(event.subject)
    return event if known is None else replace(event, owner_zh=known.title.zh, owner_en=known.title.en)


def event_of(alert: pb.Alert, directory: Directory) -> Event | None:
    """An alert as an event; None of a kind that this program does not know."""
    kind, fired_at = _KINDS.get(alert.kind), instant(alert.fired_at)
    if kind is None or fired_at is None:
        return None
    about = alert.obligation
    duty = f"{about.duty}/{about.period}" if about.duty else ""
    # what is about no obligation is known by when it fires
    is_obligation = alert.HasField("obligation")
    which = [about.case_id or duty, about.rule, str(about.ordinal)]
    if not is_obligation:
        which = [alert.certificate, alert.fires_at.ToJsonString()]
    officer = directory.officers.get(alert.certificate) if alert.certificate else None
    title = f"{officer.name} {officer.number}" if officer else alert.certificate
    due_at = instant(about.due_at) if about.HasField("due_at") else None
    return Event(
        key=event_key(kind, alert.subject_department, which, alert.mark),
        kind=kind,
        urgent=about.limit.endswith(_HOURS),
        subject=alert.subject_department,
        mark=alert.mark if is_obligation or alert.certificate else "",
        raised_at=fired_at,
        title_zh=about.title_zh or title,
        title_en=about.title_en or title,
        person=officer.subject if officer else "",
        procedure=about.procedure,
        case_id=about.case_id,
        duty=duty,
        due_at=instant(officer.valid_until) if officer else due_at,
        said=alert.reminder.text,
    )
