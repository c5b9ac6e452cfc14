"""What was done and refused at the gateway: log-ins, accounts, tokens, calls.

Nodes note what people do in cases; what never reaches them is noted here. What changes something is noted in
the transaction that does it. Refusals may come by the thousand, so equal ones of a moment are one row with a
count, and what waits for being written is bounded. Rows are kept for a set time, by default the six months that
the Cybersecurity Law (网络安全法, article 21) asks for at least.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, RowMapping

from services.common.clock import Clock, from_microseconds, microseconds
from services.common.db import Database
from services.common.errors import LiandongError
from services.gateway.accounts import tables

OK: Final = "ok"
KEPT: Final = timedelta(days=183)
MOMENT_S: Final = 1.0
"""Refusals are written so long after the first one."""
MOST_WAITING: Final = 1000
PAGE: Final = 100
_PRUNED_EVERY: Final = timedelta(hours=1)
_MOST_TEXT: Final = 200
_AUDIT: Final = tables.audit.c

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was done or refused.

    Attributes:
        action: What: `log-in`, `account.add`, an RPC as `Service.Method`.
        result: `ok`, or the reason of the refusal.
        department: Whose person or system; empty where nobody was known.
        who: User name, or the token's id; empty where nobody was known.
        about: Account, token or path.
        origin: Address of the browser or system.
        request_id: The HTTP request's.
    """

    action: str
    result: str = OK
    department: str = ""
    who: str = ""
    about: str = ""
    origin: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, and from where.

    Attributes:
        who: User name; `operator` for whoever works on the gateway's machine.
        origin: Address of the browser.
        request_id: The HTTP request's.
    """

    who: str
    origin: str = ""
    request_id: str = ""

    def event(self, action: str, department: str, about: str = "", result: str = OK) -> Event:
        """What is noted of it."""
        return Event(
            action=action, result=result, department=department, who=self.who, about=about, origin=self.origin,
            request_id=self.request_id,
        )  # fmt: skip


OPERATOR: Final = By("operator")


@dataclass(frozen=True, slots=True)
class Noted:
    """A row.

    Attributes:
        id: Ascending.
        at: When.
        event: What.
        times: How often in that moment.
    """

    id: int
    at: datetime
    event: Event
    times: int


class Audit:
    """The audit of one gateway.

    Args:
        database: The gateway's own.
        clock: The time.
        kept: How long rows are kept.
    """

    def __init__(self, database: Database, clock: Clock, kept: timedelta = KEPT) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept
        self._pruned_at: datetime | None = None
        self._waiting: dict[Event, tuple[int, str]] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, connection: Connection, event: Event) -> None:
        """Note an event in the transaction that it belongs to."""
        now = self._clock.now()
        connection.execute(tables.audit.insert(), [_row(event, now, 1)])
        self._prune(connection, now)

    async def write(self, event: Event) -> None:
        """Note an event that belongs to no other transaction."""
        await asyncio.to_thread(self._database.write, lambda connection: self.note(connection, event))

    def refused(self, event: Event) -> None:
        """Note a refusal soon; to be called on the event loop."""
        same = dataclasses.replace(event, request_id="")
        if same not in self._waiting and len(self._waiting) >= MOST_WAITING:
            same = Event(action=event.action, result=event.result)
        times, _ = self._waiting.get(same, (0, ""))
        self._waiting[same] = (times + 1, event.request_id)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(MOMENT_S, self._begin)

    def _begin(self) -> None:
        self._soon = None
        writing = asyncio.ensure_future(self.flush())
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def flush(self) -> None:
        """Write what waits; what cannot be written is in the log."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        now = self._clock.now()
        rows = [
            _row(dataclasses.replace(event, request_id=request_id), now, times)
            for event, (times, request_id) in waiting.items()
        ]

        def work(connection: Connection) -> None:
            connection.execute(tables.audit.insert(), rows)
            self._prune(connection, now)

        try:
            await asyncio.to_thread(self._database.write, work)
        except LiandongError:
            _log.exception("audit.failed", rows=rows)

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        await asyncio.gather(self.flush(), *self._writing)

    async def read(
        self, department: str | None = None, *, before: int = 0, refused: bool = False, limit: int = PAGE
    ) -> list[Noted]:
        """Rows, the newest first.

        Args:
            department: Whose; None for all, also those of nobody known.
            before: Only rows with a smaller id, 0 for all.
            refused: Only what was refused.
            limit: At most so many.
        """
        query = sa.select(tables.audit).order_by(_AUDIT.id.desc()).limit(limit)
        if department is not None:
            query = query.where(_AUDIT.department == department)
        if before:
            query = query.where(_AUDIT.id < before)
        if refused:
            query = query.where(_AUDIT.result != OK)
        await self.flush()
        return await asyncio.to_thread(
            self._database.read,
            lambda connection: [_noted(each) for each in connection.execute(query).mappings()],
        )

    def _prune(self, connection: Connection, now: datetime) -> None:
        if self._pruned_at is None or now - self._pruned_at >= _PRUNED_EVERY:
            self._pruned_at = now
            connection.execute(sa.delete(tables.audit).where(_AUDIT.at_us < microseconds(now - self._kept)))


def _row(event: Event, now: datetime, times: int) -> dict[str, Any]:
    texts = {
        # no database keeps a NUL in a text
        name: value[:_MOST_TEXT].replace("\x00", "\ufffd")
        for name, value in dataclasses.asdict(event).items()
    }
    return {**texts, "at_us": microseconds(now), "times": times}


def _noted(row: RowMapping) -> Noted:
    event = Event(**{each.name: row[each.name] for each in dataclasses.fields(Event)})
    return Noted(row["id"], from_microseconds(row["at_us"]), event, row["times"])
