"""One database of one service: reads that cannot write, writes that happen once or not at all.

Both take a closure, so that a transaction that lost against another one can be run again: a closure must
change nothing outside its connection. Both block; from asyncio use `asyncio.to_thread`, and for the hot
way the `GroupCommitter`. Errors of the driver stay inside: see `faults`.
"""

import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine

from services.common import engines
from services.common.bulk import pipelined, send_commit
from services.common.errors import StorageFailed, Unavailable
from services.common.faults import Fault, Kind, classify, database_errors

__all__ = ["Database", "DatabaseInUse"]

T = TypeVar("T")

ATTEMPTS: Final = 6
"""How often a transaction is run that another one makes fail."""
DUPLICATE_ATTEMPTS: Final = 3
"""How often it is run when a key is there already: the next run sees the key, or is wrong for good."""
CLOSE_TIMEOUT_S: Final = 10.0
"""How long `close` waits for running transactions."""
_FIRST_PAUSE_S: Final = 0.005

_log = structlog.get_logger(__name__)


class DatabaseInUse(StorageFailed):
    """Another process holds this database: stop it, or give this one a database of its own."""


class Database:
    """The connections to one database.

    Args:
        url: `sqlite:///file` or `postgresql://...`.
        exclusive: Refuse a second process on the same SQLite file. PostgreSQL needs no such lock: there
            rows are the fence.
        pool_size: Connections for reads, and on PostgreSQL as many for writes; twice that at a peak.

    Raises:
        DatabaseInUse: `exclusive`, and another process was first.
        ValueError: The URL is of another kind.
    """

    def __init__(self, url: str | URL, *, exclusive: bool = False, pool_size: int = 8) -> None:
        self.url = engines.parse_url(url)
        self._lock = _hold(engines.sqlite_path(self.url)) if exclusive else None
        self._running = 0
        self._closed = False
        self._gate = threading.Condition()
        self._reader: Engine = engines.reader(self.url, pool_size)
        self._writer: Engine = engines.writer(self.url, pool_size)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.url.get_backend_name()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one unchanging view of the database; it cannot write and is always rolled back.

        Raises:
            Unavailable: The database is busy or not reachable.
            StorageFailed: The database is full or failing.
        """
        return _repeat(lambda: self._read_once(work))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and commit it, again if another transaction made it fail.

        Raises:
            Unavailable: The database stayed busy or is not reachable; nothing was kept.
            StorageFailed: The database is full or failing; nothing was kept.
            CommitInDoubt: The connection broke during the commit.
            ConstraintBroken: A constraint of the tables refuses what `work` writes.
            InvalidField: A value cannot be stored, such as a NUL in a text.
        """
        return _repeat(lambda: self.write_once(work))

    def write_once(
        self, work: Callable[[Connection], T], flush: Callable[[Connection], None] | None = None
    ) -> T:
        """Like `write`, but one attempt, for those who decide about the next one themselves.

        Args:
            work: Reads and decides.
            flush: Writes what was decided, see `bulk.pipelined`: sent together with the commit.

        Raises:
            Fault: The transaction failed because of the database. Other errors are those of `work`.
        """
        committing = False
        try:
            with self._open(), self._writer.connect() as connection:
                transaction = connection.begin()
                try:
                    result = work(connection)
                    if flush is not None:
                        with pipelined(connection):
                            flush(connection)
                            committing = True
                            send_commit(connection)
                    committing = True
                    transaction.commit()
                except BaseException:
                    transaction.rollback()
                    raise
                return result
        except database_errors() as error:
            raise classify(error, committing=committing) from None

    def close(self) -> None:
        """Let running transactions end, refuse new ones, close all connections, release the exclusive lock."""
        with self._gate:
            self._closed = True
            # a cancelled coroutine does not stop the thread that works for it
            if not self._gate.wait_for(lambda: not self._running, CLOSE_TIMEOUT_S):
                _log.warning("database.closed_early", running=self._running)
        self._reader.dispose()
        self._writer.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._gate:
            if self._closed:
                raise Unavailable("The service is stopping.")
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                if self._closed:
                    self._gate.notify_all()

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._open(), self._reader.connect() as connection:
                transaction = connection.begin()
                try:
                    return work(connection)
                finally:
                    transaction.rollback()
        except database_errors() as error:
            raise classify(error, committing=False) from None


def _repeat(attempt: Callable[[], T]) -> T:
    pause = _FIRST_PAUSE_S
    lost = 0
    for count in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except Fault as fault:
            # a pool hands out a dead connection once for each restart of the server, and drops the rest
            lost += fault.kind is Kind.LOST
            runs = {Kind.CONTENDED: ATTEMPTS, Kind.DUPLICATE: DUPLICATE_ATTEMPTS, Kind.LOST: count + 2 - lost}
            if count >= runs.get(fault.kind, 0):
                raise fault.error from None
            _log.info("database.again", attempt=count, kind=fault.kind.value)
        # without chance two transactions that collided would collide again
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        pause *= 2
    raise AssertionError("unreachable")


def _hold(path: Path | None) -> int | None:
    if path is None:
        return None
    # beside the database: SQLite's own locks on the file vanish when any descriptor of it is closed
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise DatabaseInUse(f"Process {holder} holds {path}: stop it first.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
