"""The interpreter set for a server: short turns between threads, little search for rubbish, memory given back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import time
from collections.abc import Callable
from typing import Final

_TURN_S: Final = 0.0005
_YOUNG: Final = 10_000
_MIDDLE: Final = 50
_OLD: Final = 40

_LOOK_S: Final = 10.0
"""How often it is looked whether a busy time is over."""
_QUIET: Final = 0.1
"""Of a processor: below it a process is quiet."""
_WORTH_S: Final = 0.5
"""Seconds of work after which there is something to give back."""
_ARENA_MAX: Final = -8  # M_ARENA_MAX of glibc, see mallopt(3)


def tune() -> None:
    """Call once, when everything is imported and before the first request.

    A writer thread must win the interpreter's lock back after each wait for the database; a loop that
    computes without pause keeps it for 5 ms by default (see `committer`).

    The collector looks for cycles after every 700 new objects and walks all of the heap ever more often as
    caches grow, though letters and cases make none, only calls of gRPC. What is loaded at start is set aside for
    good, the young are looked at after 10,000 objects, and all the rest seldom.

    The C library gives every thread an arena of its own, against waiting that the interpreter's lock leaves
    none of; two hold less that is free and cannot be given back.
    """
    sys.setswitchinterval(_TURN_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_ARENA_MAX, 2)


async def tidy(give_back: Callable[[], None] | None = None) -> None:
    """Give memory back whenever a busy time is over; runs until it is cancelled.

    Ended calls of gRPC lie in cycles, which the collector, set as above, finds late in a process that has gone
    quiet; and what is freed stays with the process until somebody asks.

    Args:
        give_back: What to do then; `give_memory_back` if None.
    """
    seen = done = 0.0
    while True:
        await asyncio.sleep(_LOOK_S)
        spent = time.process_time()
        if spent - seen < _QUIET * _LOOK_S and spent - done > _WORTH_S:
            (give_back or give_memory_back)()
            done = time.process_time()
        seen = spent


def give_memory_back() -> None:
    """Collect what nothing reaches, and return free pages to the kernel where the C library can."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
