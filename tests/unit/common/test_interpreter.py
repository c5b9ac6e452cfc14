"""The interpreter as servers set it."""

import asyncio
import gc
import time
import weakref

import pytest

from services.common import interpreter


class Ring:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


async def test_memory_is_given_back_once_after_each_busy_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while it is busy, not again and again while it is quiet."""
    monkeypatch.setattr(interpreter, "_LOOK_S", 0.02)
    spent, given = 0.0, 0

    def give_back() -> None:
        nonlocal given
        given += 1

    monkeypatch.setattr(time, "process_time", lambda: spent)
    tidying = asyncio.create_task(interpreter.tidy(give_back))
    try:
        for _ in range(20):
            spent += 1.0
            await asyncio.sleep(0.01)
        assert given == 0
        for expected in (1, 2):
            await asyncio.sleep(0.2)
            assert given == expected
            spent += 1.0
    finally:
        tidying.cancel()


def test_what_nothing_reaches_is_collected() -> None:
    """Rings are gone at once, however rarely the collector runs."""
    gc.disable()
    try:
        ring = weakref.ref(Ring())
        assert ring() is not None
        interpreter.give_memory_back()
        assert ring() is None
    finally:
        gc.enable()
