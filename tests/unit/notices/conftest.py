"""A department's tables of messages, empty, once on each database."""

from collections.abc import Iterator

import pytest

from services.common import engines
from services.common.db import Database
from services.notices import tables


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The tables."""
    engine = engines.migrator(engines.parse_url(database_url))
    tables.metadata.create_all(engine)
    engine.dispose()
    opened = Database(database_url)
    try:
        yield opened
    finally:
        opened.close()
