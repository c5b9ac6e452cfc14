"""SQLAlchemy engines that behave alike on SQLite and PostgreSQL.

SQLite: the driver of Python 3.11 opens transactions by guessing from the statement's text, so it is put
into autocommit and BEGIN is sent by us. A write begins IMMEDIATE: it waits for the writer before it reads
anything, so that a decision never rests on a snapshot which the lock then refuses to upgrade.
PostgreSQL: psycopg sends BEGIN with its options by itself; a read is REPEATABLE READ READ ONLY, which is
what a read transaction of SQLite is.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from services.common.errors import Unavailable

BUSY_TIMEOUT_MS: Final = 5_000
POOL_TIMEOUT_S: Final = 5
CONNECT_TIMEOUT_S: Final = 5
LOCK_TIMEOUT_S: Final = 30
"""How long a statement waits for a lock on PostgreSQL, whose holder may be frozen."""
IDLE_TIMEOUT_S: Final = 300
"""How long a transaction may stand without a word of ours before PostgreSQL ends it, and frees its locks."""
SILENCE: Final[dict[str, Any]] = {
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000,
}  # fmt: skip
"""Of a connection to PostgreSQL: a server that is gone without a word is noticed in 25 s, not after the two hours of
most kernels."""
READER_CACHE_KIB: Final = 512
"""Pages that a reading connection keeps for itself; the kernel keeps the rest once for all of them."""


def parse_url(url: str | URL) -> URL:
    """Normalise a database URL: `sqlite:///file` or `postgresql://...` (always psycopg 3).

    Raises:
        ValueError: Another database, or SQLite without a file.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ValueError(f"Storage is SQLite or PostgreSQL, not {backend}.")
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("SQLite needs a file: every connection of a pool would see a database of its own.")
    return parsed.set(drivername="sqlite+pysqlite")


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite URL, None for PostgreSQL."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def reader(url: URL, pool_size: int) -> Engine:
    """An engine whose transactions cannot write."""
    if url.get_backend_name() == "sqlite":
        pragmas = ("query_only = ON", f"cache_size = -{READER_CACHE_KIB}")
        return _sqlite(url, begin="BEGIN", pool_size=pool_size, pragmas=pragmas)
    engine = _postgresql(url, pool_size)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writer(url: URL, pool_size: int) -> Engine:
    """An engine for write transactions; on SQLite its single connection is the queue of writers."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=("foreign_keys = ON",))
    return _postgresql(url, pool_size)


def migrator(url: URL) -> Engine:
    """An engine to change tables with: SQLite rebuilds them, which foreign keys would turn into deletes."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=("foreign_keys = OFF",))
    # tables are changed when all others let go of them, and replicas migrate in turn
    return _postgresql(url, 1, waits_for_locks=True)


def _sqlite(url: URL, *, begin: str, pool_size: int, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        # few connections warm rather than all of them in turn, each with its pages and statements
        pool_use_lifo=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise Unavailable(f"The file system of {url.database} cannot hold a write-ahead log.")
        cursor.execute("PRAGMA synchronous = FULL")
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # the driver's own: of a small transaction a third would be the making of a result that nobody reads
        connection.connection.driver_connection.execute(begin)  # type: ignore[union-attr]  # it is open

    return engine


def _postgresql(url: URL, pool_size: int, *, waits_for_locks: bool = False) -> Engine:
    # imported here: a process on SQLite does not need the driver
    from services.common.arrays import register  # noqa: PLC0415

    lock_timeout_s = 0 if waits_for_locks else LOCK_TIMEOUT_S
    options = f"-c lock_timeout={lock_timeout_s}s -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_S}s"
    given = url.query.get("options", "")
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_S,
        use_native_hstore=False,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "liandong",
            # what the operator says stands last, and wins
            "options": f"{options} {given}".rstrip(),
            **SILENCE,
        },
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        register(connection)

    return engine
