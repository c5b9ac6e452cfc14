"""Answers that are dear to compute and change slowly, kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from services.common.clock import Clock

T = TypeVar("T")

_MOST: Final = 1024


class Kept(Generic[T]):
    """A bounded number of answers, each until its time.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: OrderedDict[Hashable, tuple[datetime, T]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, lifetime: timedelta, ask: Callable[[], Awaitable[T]]) -> T:
        """What is kept under a key, or a new answer; of several who want it at once one asks.

        Args:
            key: Says whose answer to what.
            lifetime: How long a new answer is kept.
            ask: Gets it; what it raises is kept for nobody.
        """
        kept = self._found.get(key)
        if kept is not None and self._clock.now() < kept[0]:
            self._found.move_to_end(key)
            return kept[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(key, lifetime, ask))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        # one who goes away does not take the answer from the others
        return await asyncio.shield(asking)

    async def _ask(self, key: Hashable, lifetime: timedelta, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        self._found[key] = (self._clock.now() + lifetime, answer)
        self._found.move_to_end(key)
        while len(self._found) > _MOST:
            self._found.popitem(last=False)
        return answer
