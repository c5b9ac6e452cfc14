"""A department on a database of each kind."""

from collections.abc import Iterator

import pytest

from tests.unit.sharing.sharing_world import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A department that shares items."""
    made = World(database_url)
    yield made
    made.close()
