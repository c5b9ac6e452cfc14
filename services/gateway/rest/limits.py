"""How often one caller may call, and how many streams one may hold open: counted in this process's memory.

How often is a bucket that fills steadily.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from services.common.errors import LiandongError

_KEPT: Final = 10_000
"""Buckets remembered; the one unused for longest is forgotten, which is as if it were full."""

_STREAMS_AGAIN_MS: Final = 15_000


class TooManyCalls(LiandongError):
    """Too many calls in a short time; try again later."""

    reason = "LIMIT_EXCEEDED"
    code = "RESOURCE_EXHAUSTED"


class TooManyStreams(TooManyCalls):
    """Too many streams are open; close one, or try again later."""


class RateLimit:
    """Buckets by caller.

    Args:
        per_second: How fast a bucket fills.
        burst: What it holds.
        clock: Monotonic seconds.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Take one call out of a caller's bucket.

        Raises:
            TooManyCalls: It is empty; says when there is one again.
        """
        self.check(key)
        self.count(key)

    def check(self, key: str) -> None:
        """Take nothing, but refuse where there is nothing left.

        Raises:
            TooManyCalls: The bucket is empty; says when there is something in it again.
        """
        held = self._held(key, self._clock())
        if held < 1:
            raise TooManyCalls(retry_after_ms=int((1 - held) / self._per_second * 1000) + 1)

    def count(self, key: str) -> None:
        """Take one out of a caller's bucket, as far as there is something in it."""
        now = self._clock()
        held = self._held(key, now)
        self._buckets.pop(key, None)
        self._buckets[key] = (max(0.0, held - 1), now)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)

    def _held(self, key: str, now: float) -> float:
        held, since = self._buckets.get(key, (float(self._burst), now))
        return min(float(self._burst), held + (now - since) * self._per_second)


class Streams:
    """Streams that callers hold open.

    Args:
        most: How many one caller may hold.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def answer(self, key: str, events: AsyncIterator[bytes]) -> Response:
        """Server-sent events as an answer that counts until it ends, however it does.

        Raises:
            TooManyStreams: The caller holds so many already.
        """
        if self._open[key] >= self._most:
            raise TooManyStreams(retry_after_ms=_STREAMS_AGAIN_MS)
        return _Counted(events, self._open, key)


class _Counted(StreamingResponse):
    def __init__(self, events: AsyncIterator[bytes], opened: Counter[str], key: str) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._opened = opened
        self._key = key

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._opened[self._key] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened[self._key] -= 1
            if not self._opened[self._key]:
                del self._opened[self._key]
