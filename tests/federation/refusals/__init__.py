"""What must be refused, tried against real processes: each with its documented reason, nothing stored, all alive.

A package of its own, so that the federation which all of it runs against ends with the last of these tests.
"""

from typing import Final

import pytest

MARKS: Final = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("refusals"),
    pytest.mark.timeout(300),
]
"""Of every module here: one loop and one worker, as there is one federation."""
