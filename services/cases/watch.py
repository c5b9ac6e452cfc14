"""Who watches cases, and what changed since they looked.

The desk tells after each commit, from the writer's thread; each watcher hears of it in its own loop. What
waits for a watcher is bounded: one that does not take it is ended and lists anew, so that it holds up
neither the writer nor the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from services.common.errors import LiandongError

WAITING: Final = 1024
"""Changes that may wait for one watcher."""
WRITE_TIMEOUT_S: Final = 30.0

Change = tuple[str, str]
"""A case and the letter that changed it."""


class SlowReader(LiandongError):
    """The reader did not take what was written for it in time: list anew and watch again."""

    code = "RESOURCE_EXHAUSTED"


class Watcher:
    """What changed since one reader took it last, in order."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Change, None] = {}
        self._woken = asyncio.Event()
        self._overrun = False

    async def take(self) -> list[Change]:
        """What changed, at least one.

        Raises:
            SlowReader: More changed than may wait.
        """
        await self._woken.wait()
        if self._overrun:
            raise SlowReader(reason="SLOW_READER")
        self._woken.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def tell(self, changes: Sequence[Change]) -> None:
        """Note changes; from any thread."""
        matching = [each for each in changes if self.case_id in ("", each[0])]
        if matching:
            # a closed loop has nobody waiting
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._note, matching)

    def _note(self, changes: list[Change]) -> None:
        self._waiting.update(dict.fromkeys(changes))
        if len(self._waiting) > WAITING:
            self._overrun = True
            self._waiting.clear()
        self._woken.set()


class CaseWatch:
    """The watchers of one department's cases; `changed` is what the desk is to call."""

    def __init__(self) -> None:
        self._watchers: tuple[Watcher, ...] = ()

    @contextlib.contextmanager
    def watch(self, case_id: str) -> Iterator[Watcher]:
        """Hear of changes from here on, of one case or, if empty, of all."""
        watcher = Watcher(case_id)
        # replaced, never changed: the writer's thread goes through it meanwhile
        self._watchers = (*self._watchers, watcher)
        try:
            yield watcher
        finally:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def changed(self, changes: Sequence[Change]) -> None:
        """Tell the watchers; from the writer's thread, after the commit."""
        for watcher in self._watchers:
            watcher.tell(changes)


async def write(context: Any, message: Message) -> None:
    """Write one message of a stream.

    Raises:
        SlowReader: The reader did not take it in time.
    """
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await context.write(message)
    except TimeoutError:
        raise SlowReader(reason="SLOW_READER") from None
