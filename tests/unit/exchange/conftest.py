"""A ledger, and a node on each database."""

from collections.abc import Iterator

import pytest

from services.common.clock import ManualClock
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def ledger() -> Ledger:
    """A ledger that holds its region, on a Monday morning."""
    return Ledger(ManualClock(MONDAY))


@pytest.fixture
def market(database_url: str, ledger: Ledger) -> Iterator[Node]:
    """The node of a department."""
    with node(database_url, ledger) as made:
        yield made
