"""Work that is kept up."""

import asyncio

import pytest

from services.common.background import keep_up


async def test_what_fails_or_ends_begins_anew() -> None:
    """Whether by an error, by a call of its own that was cancelled, or for no reason at all."""
    begun = 0
    goes_on = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ZeroDivisionError
        if begun == 2:
            raise asyncio.CancelledError
        if begun == 4:
            goes_on.set()
            await asyncio.Event().wait()

    kept = asyncio.create_task(keep_up(work, "test", 0))
    async with asyncio.timeout(5):
        await goes_on.wait()
    assert begun == 4
    kept.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kept


async def test_between_two_beginnings_it_can_be_cancelled() -> None:
    """A process that stops waits for no pause."""

    async def work() -> None:
        raise ZeroDivisionError

    kept = asyncio.create_task(keep_up(work, "test", 60))
    await asyncio.sleep(0.01)
    kept.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await kept
