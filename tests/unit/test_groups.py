"""That pytest-xdist has the groups that tests are marked with."""

import os

import pytest


@pytest.mark.xdist_group("seen")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs everything")
def test_a_group_is_kept_together(request: pytest.FixtureRequest) -> None:
    """The name that the scheduler goes by ends with the group; without it two workers start each district."""
    assert request.node.nodeid.endswith("@seen")
