"""Databases on the PostgreSQL of a test run.

They are emptied after a test and used again: to create and to drop one has the server write all that it holds to the
disk, which takes longer than most tests.
"""

from typing import Final

import psycopg

_END_MS: Final = 10_000


def create(server: str, name: str) -> str:
    """Make an empty database on a server; returns its URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url_of(server, name)


def url_of(server: str, name: str) -> str:
    """The URL of a database on a server."""
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' + query if query else ''}"


def empty(url: str) -> None:
    """End who is connected to a database, and drop all that is in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(f"SELECT pg_terminate_backend(pid, {_END_MS}) {others}".encode())
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
