"""The interpreter set for a server: short turns between threads, and no search for rubbish that is not there."""

from __future__ import annotations

import gc
import sys
from typing import Final

_TURN_S: Final = 0.0005
_YOUNG: Final = 50_000
_MIDDLE: Final = 20
_OLD: Final = 20


def tune() -> None:
    """Call once, when everything is imported and before the first request.

    A writer thread must win the interpreter's lock back after each wait for the database; a loop that
    computes without pause keeps it for 5 ms by default (see `committer`).

    The collector looks for cycles after every 700 new objects and walks all of the heap ever more often as
    caches grow, though letters and cases make none. What is loaded at start is set aside for good, and the
    rest is looked at after 50,000 objects, some hundred letters.
    """
    sys.setswitchinterval(_TURN_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
