"""The multi-row statements of the hot way.

One statement a table and commit group, its text fixed so that the server's and the driver's prepared
statements apply: on PostgreSQL the rows are transposed into one array for each column and unnested, on
SQLite they go to `executemany`. The types come from the table's metadata; only those that are the same on
both databases are taken: text, integers, bytes, floats, truth values. Times are microseconds, documents
are text or bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    Row,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.dialects import postgresql, sqlite

Record = tuple[Any, ...]
Pack = Callable[[Sequence[Any]], Any]

_POSTGRESQL: Final[Dialect] = postgresql.dialect()  # type: ignore[no-untyped-call]
_SQLITE: Final[Dialect] = sqlite.dialect()
_SQLITE_CHUNK: Final = 512
_CACHED: Final = 256


class Query(NamedTuple):
    """A statement that reads, its marks the driver's own, and what stands at them."""

    statement: str
    parameters: tuple[Any, ...] = ()


def fetch(connection: Connection, *asked: Sequence[Query]) -> list[list[Record]]:
    """Run reads of the hot way in one exchange with the server, and the transaction's beginning with them.

    Args:
        connection: Inside a transaction.
        asked: Queries in groups, made by `Bulk.query_in`; nothing in the later may need the earlier's rows.

    Returns:
        The rows of each group, as tuples in the order of the columns.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return [[row for each in group for row in driver.execute(*each)] for group in asked]
    with driver.pipeline():
        cursors = [[driver.execute(*each, binary=True) for each in group] for group in asked]
    return [[row for cursor in group for row in cursor.fetchall()] for group in cursors]


def execute(connection: Connection, statement: str, parameters: Sequence[Any]) -> int:
    """Run one statement of the hot way that returns no rows; the marks are the driver's own.

    It goes to the driver's connection at once, as everything here does: what lies between costs more than a
    small statement itself.

    Returns:
        How many rows were written; -1 inside `pipelined`, where nobody knows yet.
    """
    driver: Any = connection.connection.driver_connection
    written: int = driver.execute(statement, parameters).rowcount
    return written


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send the statements inside without waiting for one before the next; errors come at the end of the block.

    Only `Bulk` writes, `execute` and `send_commit` may stand inside: no result can be read here.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    with driver.pipeline():
        yield


def send_commit(connection: Connection) -> None:
    """Send the commit behind the statements of `pipelined`, as its last one; then commit as usual, at no cost.

    Not the driver's own commit inside: it waits for the answer without having sent everything when the
    socket takes no more, and so for ever when a group is larger than the socket's buffer.
    """
    if connection.dialect.name != "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute("COMMIT", prepare=False)


class Bulk:
    """Multi-row statements over some columns of one table; build once, use from any thread.

    Args:
        table: The table.
        columns: The columns in the order in which rows are given and returned; all when empty.

    Raises:
        TypeError: A column's type is not one that both databases share.
    """

    def __init__(self, table: Table, columns: Iterable[str] = ()) -> None:
        names = tuple(columns) or tuple(table.columns.keys())
        self.table = table
        self.columns = names
        self._types = {name: _array_type(table.columns[name]) for name in names}
        self._indexes = {name: index for index, name in enumerate(names)}
        quote = _POSTGRESQL.identifier_preparer
        self._quoted = {name: quote.quote(table.columns[name].name) for name in table.columns.keys()}  # noqa: SIM118
        self._name = {
            "postgresql": quote.format_table(table),
            "sqlite": _SQLITE.identifier_preparer.format_table(table),
        }
        # bound here, not on the class: two Bulks of one table have different statements
        self._insert_sql = lru_cache(maxsize=_CACHED)(self._build_insert)
        self._update_sql = lru_cache(maxsize=_CACHED)(self._build_update)
        self._delete_sql = lru_cache(maxsize=_CACHED)(self._build_delete)
        self._select_sql = lru_cache(maxsize=_CACHED)(self._build_select)
        self._keys_sql = lru_cache(maxsize=_CACHED)(self._build_keys)

    def insert(self, connection: Connection, rows: Sequence[Record]) -> int:
        """Insert rows and return how many; a key that exists fails the transaction."""
        return self._run(connection, self._insert_sql(connection.dialect.name, None, ()), rows, self.columns)

    def upsert(
        self,
        connection: Connection,
        rows: Sequence[Record],
        key_columns: Sequence[str],
        update_columns: Sequence[str] = (),
    ) -> int:
        """Insert rows; where the key exists, update the named columns, or nothing when none is named.

        Of two rows with one key the later wins, or the earlier when nothing is updated.

        Returns:
            How many rows were inserted or updated.
        """
        keys = tuple(key_columns)
        statement = self._insert_sql(connection.dialect.name, keys, tuple(update_columns))
        return self._run(
            connection, statement, self._last_of_each(rows, keys, bool(update_columns)), self.columns
        )

    def update(
        self,
        connection: Connection,
        rows: Sequence[Record],
        key_columns: Sequence[str],
        set_columns: Sequence[str],
    ) -> int:
        """Set columns of the rows with these keys; of two rows with one key the later wins.

        Returns:
            How many rows were found: fewer than given means that some did not exist.
        """
        keys, values = tuple(key_columns), tuple(set_columns)
        statement = self._update_sql(connection.dialect.name, keys, values)
        used = keys + values
        rows = self._last_of_each(rows, keys, True)
        if used != self.columns:
            picked = [self._indexes[name] for name in used]
            rows = [tuple([row[index] for index in picked]) for row in rows]
        return self._run(connection, statement, rows, used)

    def delete(self, connection: Connection, rows: Sequence[Record]) -> int:
        """Delete the rows that have these values in all of the columns; returns how many."""
        statement = self._delete_sql(connection.dialect.name)
        return self._run(connection, statement, rows, self.columns)

    def select_in(self, connection: Connection, column: str, values: Iterable[Any]) -> list[Row[Any]]:
        """The rows whose column has one of these values, in no promised order."""
        asked = self.query_in(connection, column, values)
        return [row for each in asked for row in connection.exec_driver_sql(*each)]

    def query_in(
        self, connection: Connection, column: str, values: Iterable[Any], **equal: str | int
    ) -> list[Query]:
        """What `select_in` asks, for `fetch`; nothing where there are no values.

        Args:
            connection: Inside a transaction.
            column: The column.
            values: Its values.
            equal: Further columns, each with the one value that it is to have.
        """
        fixed, names = tuple(equal.values()), tuple(equal)
        wanted = list(values)
        if not wanted:
            return []
        if connection.dialect.name == "postgresql":
            packed = _packers()[_array_type(self.table.columns[column])](wanted)
            return [Query(self._select_sql("postgresql", column, 0, names), (packed, *fixed))]
        queries: list[Query] = []
        for start in range(0, len(wanted), _SQLITE_CHUNK):
            chunk = wanted[start : start + _SQLITE_CHUNK]
            # rounded up to a power of two, the rest filled with the last value: few statements to prepare
            places = 1 << (len(chunk) - 1).bit_length()
            chunk += chunk[-1:] * (places - len(chunk))
            queries.append(Query(self._select_sql("sqlite", column, places, names), (*chunk, *fixed)))
        return queries

    def query_keys(self, connection: Connection, keys: Sequence[str], rows: Sequence[Record]) -> list[Query]:
        """The rows whose columns `keys` have the values of one of these, for `fetch`, in no promised order."""
        if not rows:
            return []
        names = tuple(keys)
        if connection.dialect.name == "postgresql":
            packed = tuple(
                _packers()[_array_type(self.table.columns[name])](values)
                for name, values in zip(names, zip(*rows, strict=True), strict=True)
            )
            return [Query(self._keys_sql("postgresql", names, 0), packed)]
        queries: list[Query] = []
        for start in range(0, len(rows), _SQLITE_CHUNK // len(names)):
            chunk = list(rows[start : start + _SQLITE_CHUNK // len(names)])
            places = 1 << (len(chunk) - 1).bit_length()
            chunk += chunk[-1:] * (places - len(chunk))
            statement = self._keys_sql("sqlite", names, places)
            queries.append(Query(statement, tuple([value for row in chunk for value in row])))
        return queries

    def _run(
        self, connection: Connection, statement: str, rows: Sequence[Record], columns: Sequence[str]
    ) -> int:
        if not rows:
            return 0
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            written: int = driver.executemany(statement, rows).rowcount
            return written
        packers = _packers()
        arrays = tuple(
            packers[self._types[name]](values)
            for name, values in zip(columns, zip(*rows, strict=True), strict=True)
        )
        return execute(connection, statement, arrays)

    def _last_of_each(self, rows: Sequence[Record], keys: tuple[str, ...], last: bool) -> Sequence[Record]:
        if not last:
            return rows
        if len(keys) == 1:
            index = self._indexes[keys[0]]
            by_key: dict[Any, Record] = {row[index]: row for row in rows}
        else:
            indexes = [self._indexes[name] for name in keys]
            by_key = {tuple([row[index] for index in indexes]): row for row in rows}
        return rows if len(by_key) == len(rows) else list(by_key.values())

    def _source(self, columns: Sequence[str]) -> str:
        return "unnest(" + ", ".join(f"%b::{self._types[name]}[]" for name in columns) + ")"

    def _list(self, columns: Iterable[str]) -> str:
        return ", ".join(self._quoted[name] for name in columns)

    def _build_insert(self, dialect: str, keys: tuple[str, ...] | None, updates: tuple[str, ...]) -> str:
        target = f"INSERT INTO {self._name[dialect]} ({self._list(self.columns)})"
        if dialect == "postgresql":
            # S608: every name comes from the table's metadata and is quoted
            statement = f"{target} SELECT * FROM {self._source(self.columns)}"  # noqa: S608
        else:
            statement = f"{target} VALUES ({', '.join('?' * len(self.columns))})"
        if keys is None:
            return statement
        changes = ", ".join(f"{self._quoted[name]} = excluded.{self._quoted[name]}" for name in updates)
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        return f"{statement} ON CONFLICT ({self._list(keys)}) DO {action}"

    def _build_update(self, dialect: str, keys: tuple[str, ...], values: tuple[str, ...]) -> str:
        name = self._name[dialect]
        if dialect == "postgresql":
            changes = ", ".join(f"{self._quoted[value]} = new.{self._quoted[value]}" for value in values)
            where = " AND ".join(f"old.{self._quoted[key]} = new.{self._quoted[key]}" for key in keys)
            source = f"{self._source(keys + values)} AS new({self._list(keys + values)})"
            return f"UPDATE {name} AS old SET {changes} FROM {source} WHERE {where}"  # noqa: S608 - as above
        count = len(keys)
        changes = ", ".join(
            f"{self._quoted[value]} = ?{index}" for index, value in enumerate(values, start=count + 1)
        )
        where = " AND ".join(f"{self._quoted[key]} = ?{index}" for index, key in enumerate(keys, start=1))
        return f"UPDATE {name} SET {changes} WHERE {where}"  # noqa: S608 - as above

    def _build_delete(self, dialect: str) -> str:
        name = self._name[dialect]
        if dialect == "postgresql":
            where = " AND ".join(
                f"old.{self._quoted[key]} = gone.{self._quoted[key]}" for key in self.columns
            )
            source = f"{self._source(self.columns)} AS gone({self._list(self.columns)})"
            return f"DELETE FROM {name} AS old USING {source} WHERE {where}"  # noqa: S608 - names are the table's
        where = " AND ".join(f"{self._quoted[key]} = ?" for key in self.columns)
        return f"DELETE FROM {name} WHERE {where}"  # noqa: S608 - as above

    def _build_keys(self, dialect: str, keys: tuple[str, ...], places: int) -> str:
        found = f"SELECT {self._list(self.columns)} FROM {self._name[dialect]}"  # noqa: S608 - names are the table's
        if dialect == "postgresql":
            where = " AND ".join(f"{self._quoted[key]} = wanted.k{index}" for index, key in enumerate(keys))
            aliases = ", ".join(f"k{index}" for index in range(len(keys)))
            return f"{found} JOIN {self._source(keys)} AS wanted({aliases}) ON {where}"
        row = f"({', '.join('?' * len(keys))})"
        return f"{found} WHERE ({self._list(keys)}) IN (VALUES {', '.join([row] * places)})"

    def _build_select(self, dialect: str, column: str, places: int, equal: tuple[str, ...]) -> str:
        found = f"SELECT {self._list(self.columns)} FROM {self._name[dialect]} WHERE {self._quoted[column]}"  # noqa: S608
        mark = "%s" if dialect == "postgresql" else "?"
        further = "".join(f" AND {self._quoted[name]} = {mark}" for name in equal)
        if dialect == "postgresql":
            return f"{found} = ANY(%b::{_array_type(self.table.columns[column])}[]){further}"
        return f"{found} IN ({', '.join('?' * places)}){further}"


def _array_type(column: Column[Any]) -> str:
    kinds: tuple[tuple[type[Any], str], ...] = (
        (Boolean, "boolean"),
        (SmallInteger, "bigint"),
        (BigInteger, "bigint"),
        (Integer, "bigint"),
        (Float, "double precision"),
        (LargeBinary, "bytea"),
        (String, "text"),
    )
    for kind, name in kinds:
        if isinstance(column.type, kind):
            return name
    raise TypeError(f"{column} is {column.type}: store it as text, integer, bytes, float or boolean.")


@lru_cache(maxsize=1)
def _packers() -> dict[str, Pack]:
    # imported at the first use: a process on SQLite does not need the driver
    from services.common import arrays  # noqa: PLC0415

    return {
        "boolean": arrays.pack_boolean,
        "bigint": arrays.pack_bigint,
        "double precision": arrays.pack_double,
        "bytea": arrays.pack_bytea,
        "text": arrays.pack_text,
    }
