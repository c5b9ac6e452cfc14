"""Answers that are kept for a while."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.common.clock import ManualClock
from services.gateway.web.kept import Kept

HOUR = timedelta(hours=1)


class Asked:
    """A service that counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0
        self.fault: Exception | None = None

    async def ask(self) -> int:
        """How often."""
        self.times += 1
        times = self.times
        await asyncio.sleep(0.01)
        if self.fault is not None:
            raise self.fault
        return times


async def test_an_answer_is_asked_for_once_until_its_time() -> None:
    """However many want it at once; another key has its own."""
    clock, asked = ManualClock(datetime(2026, 2, 1, tzinfo=UTC)), Asked()
    kept = Kept[int](clock)
    assert await asyncio.gather(*(kept.get("a", HOUR, asked.ask) for _ in range(5))) == [1] * 5
    assert await kept.get("b", HOUR, asked.ask) == 2
    clock.advance(HOUR - timedelta(seconds=1))
    assert await kept.get("a", HOUR, asked.ask) == 1
    clock.advance(timedelta(seconds=1))
    assert await kept.get("a", HOUR, asked.ask) == 3


async def test_a_fault_is_not_kept() -> None:
    """The next one asks again."""
    kept, asked = Kept[int](ManualClock(datetime(2026, 2, 1, tzinfo=UTC))), Asked()
    asked.fault = ValueError("not now")
    with pytest.raises(ValueError, match="not now"):
        await kept.get("a", HOUR, asked.ask)
    asked.fault = None
    assert await kept.get("a", HOUR, asked.ask) == 2


async def test_one_who_goes_away_does_not_take_the_answer_from_others() -> None:
    """A closed browser ends its own request only."""
    kept, asked = Kept[int](ManualClock(datetime(2026, 2, 1, tzinfo=UTC))), Asked()
    first = asyncio.create_task(kept.get("a", HOUR, asked.ask))
    second = asyncio.create_task(kept.get("a", HOUR, asked.ask))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert asked.times == 1
