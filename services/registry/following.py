"""Following the ledger where others append to it too.

On PostgreSQL a replica is told of each commit of another by a notification, and looks by itself now and
then, since a notification can be lost with its connection. On any database a commit whose fate was unknown
may have been kept; looking finds it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from services.common import engines
from services.common.db import Database
from services.common.errors import LiandongError
from services.registry import ledger, store
from services.registry.commands import Refresh
from services.registry.handlers.exchange import Committer
from services.registry.replica import Replica

POLL: Final = timedelta(seconds=5)
_AGAIN_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Follower:
    """Keeps a replica up with its ledger.

    Args:
        database: The registry's.
        replica: What this process remembers.
        committer: The one that may change it.
        poll: How often to look unasked.
    """

    def __init__(
        self, database: Database, replica: Replica, committer: Committer, poll: timedelta = POLL
    ) -> None:
        self._database = database
        self._replica = replica
        self._committer = committer
        self._poll_s = poll.total_seconds()
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            if self._database.dialect == "postgresql":
                group.create_task(self._listen())

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._told.wait()
            except TimeoutError:
                pass
            self._told.clear()
            try:
                head = await asyncio.to_thread(self._database.read, ledger.read_head)
                known = self._replica.head
                if (head.epoch, head.size) != (known.epoch, known.size):
                    await self._committer.submit(Refresh())
            except LiandongError:
                _log.warning("following.failed", exc_info=True)

    async def _listen(self) -> None:
        # imported here: a process on SQLite does not need the driver
        import psycopg  # noqa: PLC0415

        address = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    address,
                    autocommit=True,
                    application_name="liandong-listen",
                    connect_timeout=engines.CONNECT_TIMEOUT_S,
                    **engines.SILENCE,
                )
                async with connection:
                    await connection.execute(f"LISTEN {store.CHANNEL}")
                    # what was appended while nobody listened
                    self._told.set()
                    async for notice in connection.notifies():
                        if notice.payload != self._replica.name:
                            self._told.set()
            except psycopg.Error as error:
                _log.warning("following.connection", error=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
