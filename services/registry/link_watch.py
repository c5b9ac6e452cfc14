"""What one replica does about the links it serves: notes them, refreshes them, tells of silent ones.

Acknowledgements come many a second and are worth one row each; they are kept in memory and written
together, so a killed replica forgets at most the last second of them. The mailbox place in a row is for
people to see how far a node is; delivery starts from where the node itself says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError, ReadOnly
from services.exchange.directory import Directory
from services.registry import links
from services.registry.links import LinkOutage

SILENCE: Final = timedelta(minutes=30)
MECHANISM: Final = "case-transfer"
"""The mechanism whose office is told of silent links: the one that every department takes part in."""

_FLUSH: Final = timedelta(seconds=1)
_REFRESH: Final = timedelta(seconds=30)

_log = structlog.get_logger(__name__)


class LinkWatch:
    """Notes which departments are there.

    Args:
        database: The registry's database.
        replica: The name of this process among its replicas.
        directory: Gives the newest directory.
        clock: The time.
        publish: Puts an outage into the ledger; returns when it is durable.
        away_after: How long a node must have been away to bring an outage.
        silence: How long a link may be down before the office is told.
    """

    def __init__(
        self,
        database: Database,
        replica: str,
        directory: Callable[[], Directory],
        clock: Clock,
        publish: Callable[[LinkOutage], Awaitable[None]],
        *,
        away_after: timedelta = links.AWAY_AFTER,
        silence: timedelta = SILENCE,
    ) -> None:
        self._database = database
        self._replica = replica
        self._directory = directory
        self._clock = clock
        self._publish = publish
        self._away_after = away_after
        self._silence = silence
        self._streams: Counter[str] = Counter()
        # back, but with an outage that a held ledger did not take: their rows still say since when they are away
        self._unnoted: set[str] = set()
        self._places: dict[str, tuple[int, int] | None] = {}
        self._refreshed_at: datetime | None = None

    async def connected(self, department: str) -> None:
        """A link came up; returns when an outage that it ends is in the ledger.

        While the ledger is held the outage waits, and with it the note that the link is up: see `settle`.

        Raises:
            LiandongError: The outage could not be published or the link not be noted: refuse the stream,
                the node tries again.
        """
        try:
            await self._note(department)
            self._unnoted.discard(department)
        except ReadOnly:
            self._unnoted.add(department)
        self._streams[department] += 1

    async def settle(self, department: str) -> None:
        """Bring what a held ledger did not take of `connected`, before letters of the department are judged."""
        if department in self._unnoted:
            with contextlib.suppress(ReadOnly):
                await self._note(department)
                self._unnoted.discard(department)

    async def _note(self, department: str) -> None:
        now = self._clock.now()
        outage = await asyncio.to_thread(
            self._database.read, lambda each: self._outage(each, department, now)
        )
        if outage is not None:
            # before the row is touched: a replica that dies in between leaves the absence to the next
            await self._publish(outage)
        await asyncio.to_thread(
            self._database.write, lambda each: links.connected(each, department, self._replica, now)
        )

    async def seen(self, department: str, place: tuple[int, int]) -> None:
        """The department has everything up to this place of its mailbox."""
        self._places[department] = (place[0], place[1])

    async def disconnected(self, department: str) -> None:
        """A link ended; the department is away once its last one here has."""
        self._streams[department] -= 1
        if self._streams[department] > 0:
            return
        del self._streams[department]
        if department in self._unnoted:
            self._unnoted.discard(department)
            return
        now = self._clock.now()
        await asyncio.to_thread(
            self._database.write, lambda each: links.disconnected(each, department, self._replica, now)
        )

    async def run(self) -> None:
        """Write what was acknowledged, refresh links and tell of silent ones, until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH.total_seconds())
            try:
                await self.flush()
            except LiandongError:
                _log.warning("links.failed", exc_info=True)

    async def flush(self) -> None:
        """One round of `run`."""
        now = self._clock.now()
        # a row that is refreshed forgets since when its department was away
        places = {name: place for name, place in self._places.items() if name not in self._unnoted}
        self._places = {name: place for name, place in self._places.items() if name in self._unnoted}
        refresh = self._refreshed_at is None or now - self._refreshed_at >= _REFRESH
        if refresh:
            places = {**dict.fromkeys(self._streams.keys() - self._unnoted), **places}
        if places:
            await asyncio.to_thread(self._database.write, lambda each: links.seen(each, places, now))
        if refresh:
            await asyncio.to_thread(self._database.write, lambda each: self._tell(each, now))
            self._refreshed_at = now

    def _outage(self, connection: Connection, department: str, now: datetime) -> LinkOutage | None:
        return links.outage_on_return(connection, department, now, away_after=self._away_after)

    def _tell(self, connection: Connection, now: datetime) -> int:
        directory = self._directory()
        office = directory.office(MECHANISM) or directory.law.registry
        active = [name for name in directory.departments if directory.active(name)]
        expected = [name for name in active if name not in self._unnoted]
        return links.tell_silent(connection, now, self._silence, office, expected)
