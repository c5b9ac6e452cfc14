"""A ledger, and a node of the receiving department on each database."""

from collections.abc import Iterator

import pytest

from services.cases.handlers.reading import ReadingHandlers
from services.common.clock import ManualClock
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def ledger() -> Ledger:
    """A ledger that holds its region, on a Monday morning."""
    return Ledger(ManualClock(MONDAY))


@pytest.fixture
def market(database_url: str, ledger: Ledger) -> Iterator[Node]:
    """The node of the receiver."""
    with node(database_url, ledger) as made:
        yield made


@pytest.fixture
def reading(market: Node, ledger: Ledger) -> ReadingHandlers:
    """Its reading handlers, with a clerk as the actor of fixtures that run in the test's context."""
    return ReadingHandlers(market.department, market.desk, ledger.prove)
