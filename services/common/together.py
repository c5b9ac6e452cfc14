"""Coroutines that need each other: they run side by side, and end together.

One that waits for its partner (a window to open, room in a queue) waits for ever once the partner has
failed. So partners are run together, and the first that ends or fails ends them all. A
`asyncio.TaskGroup` does nearly that, but it waits without limit for those it cancels, and a framework's
call that does not answer to a cancellation would hold the failure back.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

GRACE_S: Final = 10.0
"""How long those are waited for that are ended because another one did."""

_log = structlog.get_logger(__name__)


async def run_together(*coroutines: Coroutine[Any, Any, None], grace_s: float = GRACE_S) -> None:
    """Run these until the first ends, then cancel the others and wait for them, but not for ever.

    Args:
        coroutines: What is run side by side.
        grace_s: How long to wait for the cancelled ones; who is not done by then is left behind and logged.

    Raises:
        BaseException: What the first that failed raised; what the cancelled ones raise is dropped.
    """
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_seen)
        _, left = await asyncio.wait(tasks, timeout=grace_s)
        for task in left:
            _log.error("together.left_behind", task=repr(task.get_coro()))


def _seen(task: "asyncio.Task[None]") -> None:
    """Take note of how it ended, or the loop reports an error that nobody looked at."""
    if not task.cancelled():
        task.exception()
