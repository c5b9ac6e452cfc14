"""Partners run side by side and end together."""

import asyncio

import pytest
from structlog.testing import capture_logs

from services.common.errors import Unavailable
from services.common.together import run_together


async def fail_soon(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def test_who_waits_for_a_partner_that_failed_is_ended() -> None:
    """Room in a queue that nobody empties any more is not waited for."""
    full: asyncio.Queue[int] = asyncio.Queue(1)
    full.put_nowait(1)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="gone"):
            await run_together(full.put(2), fail_soon(Unavailable("gone")))


async def test_the_first_that_ends_well_ends_the_others() -> None:
    """They may put their things in order."""
    said: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            said.append("ended")

    await run_together(asyncio.sleep(0), wait(), wait())
    assert said == ["ended", "ended"]


async def test_what_the_others_raise_while_ending_is_dropped() -> None:
    """The first failure is the cause; the loop complains of none that nobody looked at."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise KeyError("late")

    with pytest.raises(Unavailable):
        await run_together(wait(), fail_soon(Unavailable("first")), wait())
    await asyncio.sleep(0)
    assert complaints == []


async def test_one_that_does_not_end_is_left_behind() -> None:
    """The failure is told all the same, and the log names what was left."""
    stubborn = asyncio.Event()

    async def deaf() -> None:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue

    with capture_logs() as log, pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            await run_together(deaf(), fail_soon(Unavailable("gone")), grace_s=0.05)
    assert [each["event"] for each in log] == ["together.left_behind"]
    assert "deaf" in log[0]["task"]
    stubborn.set()


async def test_who_cancels_them_all_ends_them_all() -> None:
    """From outside, too."""
    ended = 0

    async def wait() -> None:
        nonlocal ended
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended += 1

    task = asyncio.create_task(run_together(wait(), wait()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == 2
