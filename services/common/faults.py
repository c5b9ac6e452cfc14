"""What a driver's error means, said once for both databases.

Driver text never leaves the process: it is logged here, and what travels on is a typed error. The kind
decides what the one who ran the transaction may do next.
"""

import sqlite3
import sys
from enum import Enum
from typing import Final

import structlog
from sqlalchemy import exc

from services.common.errors import (
    CommitInDoubt,
    Internal,
    InvalidField,
    LiandongError,
    StorageFailed,
    Unavailable,
)

_ERRORS: Final[tuple[type[Exception], ...]] = (exc.DBAPIError, exc.TimeoutError, sqlite3.Error)

RETRY_AFTER_MS: Final = 1000

_log = structlog.get_logger(__name__)


def database_errors() -> tuple[type[Exception], ...]:
    """Everything a transaction may raise because of its database; catch these and `classify` them.

    Nobody can raise psycopg's who has not loaded it: a process on SQLite does without it, eight MiB.
    """
    psycopg = sys.modules.get("psycopg")
    return _ERRORS if psycopg is None else (*_ERRORS, psycopg.Error)


class ConstraintBroken(Internal):
    """The storage refused what was decided; the request id finds it in the log."""


class Kind(Enum):
    """What may be done after a failed transaction."""

    CONTENDED = "contended"
    """Rolled back because of another transaction: the same work may succeed when run again."""
    DUPLICATE = "duplicate"
    """A key is there already: taken by another replica just now, or decided wrongly; a few runs will tell."""
    LOST = "lost"
    """The connection broke before the commit: nothing was kept, a new connection may succeed."""
    IN_DOUBT = "in doubt"
    """The connection broke during the commit: nobody knows; whoever cached must read again."""
    BUSY = "busy"
    """Waited long enough for a lock or a connection: every other work would wait too."""
    STORAGE = "storage"
    """Disk full, read-only, broken: every other work would fail too."""
    CONTENT = "content"
    """This work itself is what the database refuses."""


class Fault(Exception):
    """A transaction failed; `error` is what a caller may see, `kind` what may be done."""

    def __init__(self, kind: Kind, error: LiandongError) -> None:
        super().__init__(kind, error)
        self.kind = kind
        self.error = error


_LOST_STATES: Final = ("08", "57P", "25P03")
_CONTENDED_STATES: Final = frozenset({"40001", "40P01", "40002"})
_DUPLICATE_STATE: Final = "23505"
_BUSY_STATES: Final = frozenset({"53300", "53400", "55P03", "57014"})
_STORAGE_STATES: Final = ("53", "58", "25006", "XX")
_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
    }
)


def classify(error: Exception, *, committing: bool) -> Fault:
    """Say what a database error means, and log the driver's own words.

    Args:
        error: One of `database_errors`.
        committing: Whether COMMIT had been sent when it came.

    Returns:
        The fault to raise in its place.
    """
    driver = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    if isinstance(driver, sqlite3.Error):
        kind = _sqlite_kind(driver, committing=committing)
    elif isinstance(error, exc.TimeoutError):
        kind = Kind.BUSY
    else:
        invalidated = isinstance(error, exc.DBAPIError) and error.connection_invalidated
        kind = _postgresql_kind(driver, committing=committing, invalidated=invalidated)
    state = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorname", None) or ""
    _log.warning(
        "database.fault",
        kind=kind.value,
        committing=committing,
        driver_error=type(driver).__name__,
        state=state,
        # the server quotes the value in data exceptions, class 22; elsewhere only below the first line
        text="" if state.startswith("22") else str(driver).partition("\n")[0][:500],
    )
    return Fault(kind, _error_of(kind, driver))


def _sqlite_kind(driver: sqlite3.Error, *, committing: bool) -> Kind:
    # the low byte is the primary code, the rest says more about it
    primary = getattr(driver, "sqlite_errorcode", 0) & 0xFF
    if primary in _SQLITE_BUSY:
        # the driver has waited already, and a transaction that begins IMMEDIATE never collides later
        return Kind.BUSY
    if primary == sqlite3.SQLITE_IOERR and committing:
        # the commit frame may have reached the write-ahead log before the sync failed
        return Kind.IN_DOUBT
    if primary in _SQLITE_STORAGE:
        return Kind.STORAGE
    return Kind.CONTENT


def _postgresql_kind(driver: BaseException, *, committing: bool, invalidated: bool) -> Kind:
    state = getattr(driver, "sqlstate", None) or ""
    if not state:
        # no answer of the server at all: the connection is gone, or libpq refused to use it
        if invalidated or type(driver).__name__ in {"OperationalError", "InterfaceError"}:
            return Kind.IN_DOUBT if committing else Kind.LOST
        return Kind.CONTENT
    if state.startswith(_LOST_STATES) or state == "40003":
        return Kind.IN_DOUBT if committing else Kind.LOST
    if state in _CONTENDED_STATES:
        return Kind.CONTENDED
    if state == _DUPLICATE_STATE:
        return Kind.DUPLICATE
    if state in _BUSY_STATES:
        return Kind.BUSY
    if state.startswith(_STORAGE_STATES):
        return Kind.STORAGE
    return Kind.CONTENT


def _error_of(kind: Kind, driver: BaseException) -> LiandongError:
    match kind:
        case Kind.DUPLICATE:
            return ConstraintBroken()
        case Kind.CONTENDED | Kind.LOST | Kind.BUSY:
            return Unavailable(
                "The storage is busy or not reachable; try again.", retry_after_ms=RETRY_AFTER_MS
            )
        case Kind.IN_DOUBT:
            return CommitInDoubt(retry_after_ms=RETRY_AFTER_MS)
        case Kind.STORAGE:
            return StorageFailed(retry_after_ms=RETRY_AFTER_MS)
        case Kind.CONTENT:
            if type(driver).__name__ in _UNSTORABLE:
                return InvalidField("A value cannot be stored.")
            return ConstraintBroken()


# a NUL in a text, a number out of range: sent by a caller, seen by no rule of the contract
_UNSTORABLE: Final = frozenset(
    {"DataError", "UntranslatableCharacter", "CharacterNotInRepertoire", "NumericValueOutOfRange"}
)
