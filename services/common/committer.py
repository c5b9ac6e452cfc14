"""Group commit: many commands, one transaction, one wait for the disk.

One thread writes for one database. It takes everything that is waiting, never waits for company, and runs
it as one group: every command is decided in order against a `Session` that already shows the effects of
the commands before it, then the session writes all at once, then the transaction commits. So a lone
command pays no delay, and a crowd shares the cost of the disk.

What a command may do: return a result, or raise a `LiandongError` *before* it changed the session: then it
alone fails. Any other exception in `decide` may have left the session half changed, so the attempt is
thrown away and the group runs again without that command. When writing or committing fails because of
what is written, the group is halved, in order, until the poisoned command stands alone and fails alone.
When it fails because of the database (gone, full), all fail, since the next half would too.

Answers are given only after the commit; a caller who stops waiting does not stop it. The commit runs in a
thread on purpose: nothing that the event loop cancels can reach it.

The interpreter's lock: the writer gives it up at every wait for the database and must win it back, and a
coroutine that computes without pause keeps it for up to 5 ms each time. `interpreter.tune` makes that
0.5 ms. Measured with a loop that is always busy in turns of 4 ms, a lone command of five statements: SQLite
p50 12.5 to 8.1 ms, PostgreSQL p95 24.7 to 16.1 ms, of which 8 ms are the loop's own two turns; what the loop
gets done falls by under 5 %. With turns of 0.2 ms there is no difference.
"""

import asyncio
import contextlib
import contextvars
import copy
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import Connection

from services.common.db import DUPLICATE_ATTEMPTS, Database
from services.common.errors import Internal, LiandongError, Unavailable
from services.common.faults import Fault, Kind, database_errors

C = TypeVar("C")
R = TypeVar("R")
C_contra = TypeVar("C_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

ATTEMPTS: Final = 5
"""How often a whole group is run that another transaction makes fail."""
_PAUSE_S: Final = 0.005
_RETRY_AFTER_MS: Final = 250
_HALVED: Final = frozenset({Kind.CONTENT, Kind.DUPLICATE, Kind.CONTENDED})
"""Faults that one command of a group may be the cause of."""

_log = structlog.get_logger(__name__)


class Session(Protocol[C_contra, R_co]):
    """One attempt of one group, over one connection."""

    def begin(self, commands: Sequence[C_contra], /) -> None:
        """The commands of the group, in order: what they all need can be read at once."""
        ...

    def decide(self, command: C_contra, /) -> R_co:
        """Decide one command, in sight of those before it, and note what to write.

        Raises:
            LiandongError: Refused; raised before anything of the session was changed.
        """
        ...

    def prepare(self) -> None:
        """All is decided: read what must still be read to write it."""
        ...

    def flush(self) -> None:
        """Write everything noted, in as few statements as can be; see `bulk.pipelined`."""
        ...

    def committed(self) -> None:
        """The transaction is durable: publish to caches, wake streams. Quick, and without the database."""
        ...

    def discard(self) -> None:
        """The attempt was not kept, or nobody knows: drop every cache that saw it."""
        ...


class _Entry(Generic[C, R]):
    __slots__ = ("command", "context", "error", "future", "result")

    def __init__(self, command: C, future: "asyncio.Future[R] | Future[R]") -> None:
        self.command = command
        self.future = future
        # decided on another thread, but logged with the request's own id
        self.context = contextvars.copy_context()
        self.result: R | None = None
        self.error: BaseException | None = None


class GroupCommitter(Generic[C, R]):
    """The one writer of a database.

    Args:
        database: Where the groups are written.
        session_factory: Makes the session of an attempt; its connection is inside the transaction.
        max_group: The most commands in one transaction.
        queue_limit: The most commands waiting; more are refused at once.
        name: For the thread and the log.
    """

    def __init__(
        self,
        database: Database,
        session_factory: Callable[[Connection], Session[C, R]],
        *,
        max_group: int = 256,
        queue_limit: int = 4096,
        name: str = "committer",
    ) -> None:
        self._database = database
        self._factory = session_factory
        self._max_group = max_group
        self._queue_limit = queue_limit
        self._waiting: queue.SimpleQueue[_Entry[C, R] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, command: C) -> "asyncio.Future[R]":
        """Queue a command from a coroutine; await the future for its result after the commit.

        Raises:
            Unavailable: Closed, or too many are waiting. Everything else comes through the future.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._put(_Entry(command, future))
        return future

    def submit_blocking(self, command: C, timeout: float | None = None) -> R:
        """Queue a command from a thread without a loop and wait for its result.

        Raises:
            Unavailable: Closed, or too many are waiting.
            TimeoutError: No answer in time; the command may still be committed.
        """
        future: Future[R] = Future()
        self._put(_Entry(command, future))
        return future.result(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Refuse new commands, commit what is waiting, stop the thread. Blocks; may be called again."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join(timeout)

    @property
    def waiting(self) -> int:
        """How many commands wait for the next group."""
        return self._waiting.qsize()

    def _put(self, entry: _Entry[C, R]) -> None:
        with self._gate:
            if self._closed:
                raise Unavailable("The service is stopping.", retry_after_ms=_RETRY_AFTER_MS)
            if self._waiting.qsize() >= self._queue_limit:
                raise Unavailable("Too many commands are waiting.", retry_after_ms=_RETRY_AFTER_MS)
            self._waiting.put(entry)

    def _run(self) -> None:
        ending = False
        while not ending:
            entry = self._waiting.get()
            group: list[_Entry[C, R]] = []
            while entry is not None:
                # nobody waits for it any more, and nothing was promised yet
                if not entry.future.cancelled():
                    group.append(entry)
                if len(group) >= self._max_group:
                    break
                try:
                    entry = self._waiting.get_nowait()
                except queue.Empty:
                    break
            ending = entry is None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Entry[C, R]]) -> None:
        try:
            self._write(group)
        except BaseException as error:  # noqa: BLE001 - see below
            # the thread must outlive every mistake in a session, or all later commands would hang; what a
            # library in Rust panics with is no `Exception`
            _log.exception("committer.failed", commands=len(group))
            _fail(group, error)
        _resolve(group)

    def _write(self, group: list[_Entry[C, R]], *, is_half: bool = False) -> None:
        attempts = 0
        runs = {
            Kind.CONTENDED: ATTEMPTS,
            # the halves are further runs already: a poisoned key must not hold up the writer
            Kind.DUPLICATE: 1 if is_half else DUPLICATE_ATTEMPTS,
            # one restart of the server leaves each pooled connection dead once
            Kind.LOST: 2,
        }
        while group:
            attempts += 1
            try:
                self._attempt(group)
            except _Spoiled as spoiled:
                # its own error stands; the others are decided again without it
                attempts -= 1
                group = [entry for entry in group if entry is not spoiled.entry]
            except Fault as fault:
                if attempts < runs.get(fault.kind, 0):
                    time.sleep(_PAUSE_S * attempts * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
                    continue
                if fault.kind in _HALVED and len(group) > 1:
                    self._halve(group)
                else:
                    _fail(group, fault.error)
                return
            except BaseException as error:  # noqa: BLE001 - whatever a session raises, it is the command's answer
                if len(group) > 1:
                    self._halve(group)
                else:
                    _fail(group, error)
                return
            else:
                return

    def _halve(self, group: list[_Entry[C, R]]) -> None:
        middle = len(group) // 2
        self._write(group[:middle], is_half=True)
        self._write(group[middle:], is_half=True)

    def _attempt(self, group: list[_Entry[C, R]]) -> None:
        sessions: list[Session[C, R]] = []

        def work(connection: Connection) -> None:
            session = self._factory(connection)
            sessions.append(session)
            session.begin([entry.command for entry in group])
            for entry in group:
                entry.result = entry.error = None
                try:
                    entry.result = entry.context.run(session.decide, entry.command)
                except LiandongError as error:
                    entry.error = error
                except database_errors():
                    raise
                except BaseException as error:
                    entry.error = error
                    raise _Spoiled(entry) from error
            session.prepare()

        try:
            self._database.write_once(work, lambda _: sessions[0].flush())
        except BaseException:
            for session in sessions:
                with _logged("committer.discard"):
                    session.discard()
            raise
        for session in sessions:
            try:
                session.committed()
            except Exception:  # noqa: BLE001 - see below
                # durable all the same: the callers get their answers, the caches start anew
                _log.exception("committer.committed")
                with _logged("committer.discard"):
                    session.discard()


class _Spoiled(Exception):
    def __init__(self, entry: "_Entry[Any, Any]") -> None:
        super().__init__()
        self.entry = entry


@contextlib.contextmanager
def _logged(event: str) -> Any:
    try:
        yield
    except Exception:  # noqa: BLE001 - clearing up must not hide what went wrong before
        _log.exception(event)


def _fail(entries: "Iterable[_Entry[Any, Any]]", error: BaseException) -> None:
    for entry in entries:
        if entry.error is None:
            # each caller's interceptor writes its own request id and traceback into it
            entry.error = copy.copy(error)


def _resolve(group: "list[_Entry[Any, Any]]") -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Entry[Any, Any]]] = {}
    for entry in group:
        if isinstance(entry.future, asyncio.Future):
            by_loop.setdefault(entry.future.get_loop(), []).append(entry)
        else:
            _settle(entry)
    for loop, entries in by_loop.items():
        # one wake-up of the loop for the whole group; a closed loop has nobody waiting
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, entries)


def _settle_all(entries: "list[_Entry[Any, Any]]") -> None:
    for entry in entries:
        _settle(entry)


def _settle(entry: "_Entry[Any, Any]") -> None:
    if entry.future.done():
        return
    if entry.error is None:
        entry.future.set_result(entry.result)
    else:
        entry.future.set_exception(_answerable(entry.error))


def _answerable(error: BaseException) -> Exception:
    """What a future can hold and every caller expects."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    _log.error("committer.broken", exc_info=error)
    answer = Internal()
    answer.__cause__ = error
    return answer
