"""Everyone who watches, fed from one reading of the tables.

While nobody watches nothing is read. A watcher has room for so many changes; one that does not take them
is ended with SLOW_READER and begins anew with the lists, so that it neither holds up the others nor
misses anything unknowingly.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import structlog
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.caller import Caller
from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.registry.oversight_scope import Scope
from services.registry.oversight_tail import Change, Tail

ROOM: Final = 5000
POLL: Final = timedelta(seconds=1)
_BETWEEN_STEPS: Final = timedelta(milliseconds=50)

_log = structlog.get_logger(__name__)


class WatcherTooSlow(LiandongError):
    """The stream's reader did not take its changes: list anew, then watch again."""

    reason = "SLOW_READER"
    code = "DEADLINE_EXCEEDED"


class OversightHub:
    """Hands changes to watchers.

    Args:
        database: The registry's database.
        directory: Gives the newest directory.
        clock: The time.
        room: Changes that may wait for one watcher.
        poll: The longest time between two readings.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        room: int = ROOM,
        poll: timedelta = POLL,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._room = room
        self._poll = poll
        self._watchers: set[_Watcher] = set()
        self._tail: Tail | None = None
        self._reading = asyncio.Lock()

    async def run(self, woken: asyncio.Event) -> None:
        """Read and hand out until cancelled; `woken` is set after commits, and cleared here."""
        while True:
            woken.clear()
            more = False
            try:
                more = await self.step()
            except LiandongError:
                _log.warning("oversight.failed", exc_info=True)
            # under load every commit wakes: one reading for many, at a pace that streams can follow
            await asyncio.sleep(_BETWEEN_STEPS.total_seconds())
            if not more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll.total_seconds()):
                        await woken.wait()

    async def step(self) -> bool:
        """Read once and hand out; whether there is more already.

        Raises:
            LiandongError: The database is busy, gone or failing; nothing was skipped.
        """
        async with self._reading:
            if not self._watchers:
                self._tail = None
                return False
            tail = self._tail
            assert tail is not None
            self._tail, changes, more = await asyncio.to_thread(self._read, tail)
        directory = self._directory()
        for watcher in tuple(self._watchers):
            watcher.offer(changes, directory)
        return more

    async def watch(self, caller: Caller, procedure: str) -> AsyncIterator[pb.WatchResponse]:
        """Changes that the caller sees, from now on.

        Raises:
            WatcherTooSlow: It did not take them.
        """
        watcher = _Watcher(caller, procedure, self._room)
        async with self._reading:
            if self._tail is None:
                self._tail = await asyncio.to_thread(self._start)
            self._watchers.add(watcher)
        try:
            while True:
                yield await watcher.take()
        finally:
            self._watchers.discard(watcher)

    def _start(self) -> Tail:
        return self._database.read(lambda connection: Tail.at_end(connection, self._clock.now()))

    def _read(self, tail: Tail) -> tuple[Tail, list[Change], bool]:
        def work(connection: Connection) -> tuple[Tail, list[Change], bool]:
            moved = tail.copy()
            return (moved, *moved.read(connection, self._directory(), self._clock.now()))

        return self._database.read(work)


class _Watcher:
    def __init__(self, caller: Caller, procedure: str, room: int) -> None:
        self._caller = caller
        self._procedure = procedure
        self._room = room
        self._waiting: asyncio.Queue[pb.WatchResponse | None] = asyncio.Queue()
        self._ended = False

    def offer(self, changes: list[Change], directory: Directory) -> None:
        # asked anew each time: an office may have moved while the stream was open
        scope = Scope.of(self._caller, directory)
        for change in changes:
            if self._ended or not change.seen_by(scope, self._procedure):
                continue
            if self._waiting.qsize() >= self._room:
                self._ended = True
                self._waiting.put_nowait(None)
            else:
                self._waiting.put_nowait(change.response)

    async def take(self) -> pb.WatchResponse:
        response = await self._waiting.get()
        if response is None:
            raise WatcherTooSlow
        return response
