"""How long a link waits before it connects again."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from services.common.clock import ManualClock
from services.common.errors import Unavailable
from services.exchange.department import Department
from services.exchange.link import Link
from tests.builders.ledger import MONDAY, Ledger, node


class Scripted(Link):
    """A link whose connections come to what the test says: True for one that brought something through."""

    def __init__(self, department: Department, clock: ManualClock, script: Sequence[bool]) -> None:
        super().__init__(department, lambda: None, clock)  # type: ignore[arg-type, return-value]
        self._script = iter(script)
        self.error: BaseException = Unavailable("The connection broke.")

    async def _session(self) -> None:
        came_through = next(self._script, None)
        if came_through is None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.get_running_loop().create_future()
        self._came_through = bool(came_through)
        raise self.error


@pytest.fixture
def department(sqlite_url: str) -> Iterator[Department]:
    """A department whose link is tried."""
    with node(sqlite_url, Ledger(ManualClock(MONDAY))) as made:
        yield made.department


async def pauses(link: Link, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each pause can be."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    with monkeypatch.context() as patched:
        patched.setattr("services.exchange.link.asyncio.sleep", sleep)
        patched.setattr("services.exchange.link.random.uniform", lambda low, high: high)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(link.run())
    return taken


async def test_a_registry_that_is_away_is_asked_less_and_less_often(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to every half minute."""
    link = Scripted(department, ManualClock(MONDAY), [False] * 8)
    assert await pauses(link, monkeypatch) == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_a_connection_that_served_is_resumed_at_once(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cuts of a connection that works in between are no reason to wait longer each time."""
    link = Scripted(department, ManualClock(MONDAY), [False, False, True, True, False])
    assert await pauses(link, monkeypatch) == [0.5, 1, 0.5, 0.5, 1]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), asyncio.InvalidStateError("RPC finished.")])
async def test_a_call_that_is_cut_off_does_not_end_the_link(
    department: Department, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The framework says so when a channel is closed under it; only who cancels the link ends it."""
    link = Scripted(department, ManualClock(MONDAY), [False, False])
    link.error = error
    assert await pauses(link, monkeypatch) == [0.5, 1]
    assert department.link.error.startswith("UNAVAILABLE")
