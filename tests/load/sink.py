"""Many rows into one database at once, with nothing between them and the disk but the driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.common import engines

_ROWS: Final = 5_000
_KINDS: Final[tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...]] = (
    (sa.Boolean, "bool"),
    (sa.SmallInteger, "int2"),
    (sa.BigInteger, "int8"),
    (sa.Integer, "int4"),
    (sa.LargeBinary, "bytea"),
    (sa.Text, "text"),
)


class Sink:
    """Takes rows of any table and writes them in large pieces; nobody else may use the database meanwhile.

    Indexes are dropped at the beginning and made again at the end; rows of a sorted table are collected in a table of
    their own and copied in the order of its key, since a key of random order is what costs.

    Args:
        url: The database, its tables made.
        loaded: The tables to be loaded.
        ordered: Those of them whose key comes in no order.
    """

    def __init__(self, url: str, loaded: Iterable[sa.Table], ordered: Iterable[sa.Table] = ()) -> None:
        parsed = engines.parse_url(url)
        path = engines.sqlite_path(parsed)
        self._tables = list(loaded)
        self._ordered = {each.name for each in ordered}
        self._waiting: dict[str, list[Sequence[Any]]] = {each.name: [] for each in self._tables}
        self._engine = engines.migrator(parsed)
        self._sqlite: sqlite3.Connection | None = None
        self._postgresql: psycopg.Connection[Any] | None = None
        self._write: Callable[[sa.Table, list[Sequence[Any]]], None]
        for table in self._tables:
            for index in table.indexes:
                index.drop(self._engine)
        self._engine.dispose()  # its connection would hold the file
        if path is not None:
            self._sqlite = sqlite3.connect(path, isolation_level=None)
            # a load that dies is begun anew
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
                self._sqlite.execute(f"PRAGMA {pragma}")
            self._write = self._insert
        else:
            address = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self._postgresql = psycopg.connect(address)
            self._write = self._copy
        for table in self._tables:
            if table.name in self._ordered:
                self.execute(f"CREATE TABLE {self._target(table)} AS SELECT * FROM {table.name} WHERE 1 = 0")

    def add(self, table: sa.Table, *rows: Sequence[Any]) -> None:
        """Take rows, in the order of the table's columns."""
        waiting = self._waiting[table.name]
        waiting.extend(rows)
        if len(waiting) >= _ROWS:
            self._flush(table)

    def execute(self, statement: str, *parameters: Any) -> Any:
        """Run a statement; its marks are `?`."""
        if self._sqlite is not None:
            return self._sqlite.execute(statement, parameters)
        assert self._postgresql is not None
        return self._postgresql.execute(statement.replace("?", "%s").encode(), parameters)

    def close(self) -> None:
        """Write the rest, make the indexes, let the database look at what it holds."""
        for table in self._tables:
            self._flush(table)
            if table.name in self._ordered:
                keys = ", ".join(each.name for each in table.primary_key.columns)
                self.execute(f"INSERT INTO {table.name} SELECT * FROM {self._target(table)} ORDER BY {keys}")
                self.execute(f"DROP TABLE {self._target(table)}")
        if self._sqlite is not None:
            self._sqlite.execute("PRAGMA journal_mode = WAL")
            self._sqlite.close()
        if self._postgresql is not None:
            self._postgresql.commit()
        for table in self._tables:
            for index in table.indexes:
                index.create(self._engine)
        if self._postgresql is not None:
            # what autovacuum does within minutes; SQLite's own statistics are nobody's business in production
            self._postgresql.autocommit = True
            self._postgresql.execute("VACUUM (ANALYZE)")
            self._postgresql.execute("CHECKPOINT")
            self._postgresql.close()
        self._engine.dispose()

    def _target(self, table: sa.Table) -> str:
        return f"loading_{table.name}" if table.name in self._ordered else table.name

    def _flush(self, table: sa.Table) -> None:
        rows = self._waiting[table.name]
        if rows:
            self._write(table, rows)
            self._waiting[table.name] = []

    def _insert(self, table: sa.Table, rows: list[Sequence[Any]]) -> None:
        assert self._sqlite is not None
        marks = ", ".join("?" * len(table.columns))
        self._sqlite.execute("BEGIN")
        self._sqlite.executemany(f"INSERT INTO {self._target(table)} VALUES ({marks})", rows)
        self._sqlite.execute("COMMIT")

    def _copy(self, table: sa.Table, rows: list[Sequence[Any]]) -> None:
        assert self._postgresql is not None
        statement = f"COPY {self._target(table)} FROM STDIN WITH (FORMAT BINARY)"
        with self._postgresql.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.set_types([_kind(column) for column in table.columns])
            for row in rows:
                copy.write_row(row)


def _kind(column: sa.Column[Any]) -> str:
    return next(name for kind, name in _KINDS if isinstance(column.type, kind))
