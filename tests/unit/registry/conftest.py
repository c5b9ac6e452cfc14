"""A ledger with a small region, and what the registry keeps beside it, once on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.clock import ManualClock
from services.common.db import Database
from services.registry.handlers.oversight import OversightHandlers
from services.registry.oversight_hub import OversightHub
from tests.builders.registry import Bench, bench
from tests.unit.registry.oversight_calls import NOW
from tests.unit.registry.oversight_samples import directory, registry_database


@pytest.fixture
def registry(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Admission over a fresh ledger, on SQLite and on PostgreSQL."""
    with bench(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The registry's tables, empty, on SQLite and on PostgreSQL."""
    with registry_database(database_url) as opened:
        yield opened


@pytest.fixture
def handlers(database: Database) -> OversightHandlers:
    """The oversight service over these tables."""
    clock = ManualClock(NOW)
    newest = directory()
    return OversightHandlers(database, lambda: newest, clock, OversightHub(database, lambda: newest, clock))
