"""How often one caller may call: a bucket that fills steadily, in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.common.errors import LiandongError

_KEPT: Final = 10_000
"""Buckets remembered; the one unused for longest is forgotten, which is as if it were full."""


class TooManyCalls(LiandongError):
    """Too many calls in a short time; try again later."""

    reason = "LIMIT_EXCEEDED"
    code = "RESOURCE_EXHAUSTED"


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
        now = self._clock()
        held, since = self._buckets.pop(key, (float(self._burst), now))
        held = min(self._burst, held + (now - since) * self._per_second)
        if held < 1:
            self._buckets[key] = (held, now)
            raise TooManyCalls(retry_after_ms=int((1 - held) / self._per_second * 1000) + 1)
        self._buckets[key] = (held - 1, now)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
