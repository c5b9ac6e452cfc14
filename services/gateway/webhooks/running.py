"""What goes on in the background for webhooks: a feed for each department that is told of, and deliveries."""

from __future__ import annotations

import asyncio
from typing import Final

from services.common.background import keep_up
from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import Unavailable
from services.gateway.calls import Calls
from services.gateway.webhooks import store
from services.gateway.webhooks.deliverer import Deliverer
from services.gateway.webhooks.feed import Feed
from services.gateway.webhooks.targets import Targets

LOOK_S: Final = 10.0
"""How often is looked whether somebody wants to be told of another department."""


class Running:
    """The background of webhooks.

    Args:
        database: The gateway's own.
        clock: The time.
        calls: The services of all departments.
        targets: The way out.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calls: Calls,
        targets: Targets,
    ) -> None:
        self._database = database
        self._feeds = {name: Feed(name, calls, database, clock) for name in calls.departments}
        self._deliverer = Deliverer(database, clock, targets)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin, on the running loop."""
        self._tasks = {
            "": asyncio.create_task(keep_up(self._deliverer.run, "webhooks/deliveries")),
            "*": asyncio.create_task(keep_up(self._look, "webhooks/feeds")),
        }

    async def begin(self, department: str) -> None:
        """Read a department from now on.

        Raises:
            Unavailable: This gateway cannot read it.
            LiandongError: Its node is out of reach.
        """
        feed = self._feeds.get(department)
        if feed is None:
            raise Unavailable("This gateway has no issuer of assertions for the department.")
        await feed.step()
        self._follow(department)

    async def stop(self) -> None:
        """End; what is under way is sent again at the next start."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            wanted = await asyncio.to_thread(self._database.read, store.departments)
            for department in wanted & self._feeds.keys():
                self._follow(department)
            await asyncio.sleep(LOOK_S)

    def _follow(self, department: str) -> None:
        if department not in self._tasks:
            work = keep_up(self._feeds[department].run, f"webhooks/{department}")
            self._tasks[department] = asyncio.create_task(work)
