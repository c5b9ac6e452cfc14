"""A word at the end of the run, and databases for a district of departments with a gateway."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.builders import postgresql
from tests.load.district import DEPARTMENTS


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line at the end of the run: figures."""
    return lambda line: record_property("told", line)


@pytest.fixture
def postgresql_urls(postgresql_server: str) -> Iterator[str]:
    """A URL with `{name}`: an empty database for the registry, for the gateway, and for each department."""
    prefix = f"load_{secrets.token_hex(4)}_"
    names = [each.replace(".", "_") for each in ("registry", "gateway", *DEPARTMENTS)]
    for name in names:
        postgresql.create(postgresql_server, prefix + name)
    yield postgresql.url_of(postgresql_server, prefix + "{name}")
    for name in names:
        postgresql.empty(postgresql.url_of(postgresql_server, prefix + name))
