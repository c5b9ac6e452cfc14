"""A ledger with a small region, once on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.registry import Bench, bench


@pytest.fixture
def registry(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Admission over a fresh ledger, on SQLite and on PostgreSQL."""
    with bench(database_url, tmp_path) as made:
        yield made
