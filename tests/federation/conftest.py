"""What tests with several processes share."""

import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.federation.district import DATABASES


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line at the end of the run: seeds and figures."""
    return lambda line: record_property("told", line)


@pytest.fixture
def postgresql_urls(postgresql_server: str) -> Iterator[str]:
    """A URL with `{name}`: a database for the registry and one for each department, dropped after the test."""
    prefix = f"test_{secrets.token_hex(4)}_"
    names = [f"{prefix}{each.replace('.', '_')}" for each in DATABASES]
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
    head, _, query = postgresql_server.partition("?")
    yield f"{head.rpartition('/')[0]}/{prefix}{{name}}{'?' + query if query else ''}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
