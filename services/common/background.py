"""Work that goes on as long as its process, though what it does may fail.

Nobody waits for such work, so nobody would see that it ended: letters would no longer go out, marks no longer
fire, a certificate run out unnoticed, and who watches wait for ever.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

AGAIN_S: Final = 5.0
LONGEST_S: Final = 300.0
"""The pause after a failure, and what it grows to while nothing but failures come."""

_log = structlog.get_logger(__name__)


async def keep_up(work: Callable[[], Coroutine[Any, Any, None]], name: str, again_s: float = AGAIN_S) -> None:
    """Do work that ends by being cancelled, and begin it anew after a pause when it ends otherwise.

    Args:
        work: Called for each beginning.
        name: For the log.
        again_s: The first pause.
    """
    loop = asyncio.get_running_loop()
    pause = again_s
    while True:
        began = loop.time()
        try:
            await work()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # not us: a call of ours was, its channel having been closed
            _log.warning("background.cut", work=name)
        except Exception:  # noqa: BLE001 - whatever it is, the work goes on
            _log.exception("background.failed", work=name)
        else:
            _log.error("background.ended", work=name)
        if loop.time() - began > LONGEST_S:
            pause = again_s
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_S)
