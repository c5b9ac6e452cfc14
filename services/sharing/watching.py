"""Who watches a department's shared items: each hears of every change, or is told that it fell behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from services.common.errors import LiandongError

WATCHED: Final = 1024
"""Changed items that may wait for one watcher."""


class WatcherTooSlow(LiandongError):
    """More items changed than were taken: list the bulletins, then watch again."""

    code = "RESOURCE_EXHAUSTED"


class Watcher:
    """What changed since one reader took it last; an item that changes twice is told once."""

    def __init__(self, category: str) -> None:
        self.category = category
        self._loop = asyncio.get_running_loop()
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._overrun = False

    async def take(self) -> list[str]:
        """The items that changed, at least one.

        Raises:
            WatcherTooSlow: More changed than may wait.
        """
        await self._woken.wait()
        if self._overrun:
            raise WatcherTooSlow(reason="SLOW_READER")
        self._woken.clear()
        taken = list(self._changed)
        self._changed.clear()
        return taken

    def tell(self, changed: Mapping[str, str]) -> None:
        """Note changed items (id to category); from any thread."""
        matching = [item for item, category in changed.items() if self.category in ("", category)]
        if matching:
            # a closed loop has nobody waiting
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._note, matching)

    def _note(self, item_ids: list[str]) -> None:
        self._changed.update(dict.fromkeys(item_ids))
        if len(self._changed) > WATCHED:
            self._overrun = True
            self._changed.clear()
        self._woken.set()


class Watchers:
    """Everybody who watches the items of one department."""

    def __init__(self) -> None:
        self._watchers: tuple[Watcher, ...] = ()

    @contextmanager
    def watch(self, category: str) -> Iterator[Watcher]:
        """Hear of items that change from here on, of one category or, if empty, of all."""
        watcher = Watcher(category)
        # replaced, never changed: the writer's thread goes through it meanwhile
        self._watchers = (*self._watchers, watcher)
        try:
            yield watcher
        finally:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def tell(self, changed: Mapping[str, str]) -> None:
        """Tell of items (id to category) that changed durably; from any thread."""
        for watcher in self._watchers:
            watcher.tell(changed)
