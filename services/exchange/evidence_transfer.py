"""Evidence between a node and its registry, in the background: up for letters sent, down for delivered ones.

What is to be moved stands in the table `evidence_wanted`, written in the transaction of the letter that names
it, so nothing is forgotten when the process is killed. A row goes when its evidence has arrived; a failure
leaves it, with its reason and the time of the next attempt, in sight of an operator. What a pause cannot cure
(the registry refuses the manifest, the file is spoilt) is still tried, once an hour.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import grpc.aio
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from typing_extensions import override

from services.common.bulk import Bulk
from services.common.clock import Clock, SystemClock, from_microseconds, microseconds
from services.common.errors import Internal, LiandongError, Unavailable
from services.exchange.evidence import EvidencePending, chunks_of_store
from services.exchange.evidence_client import download, upload
from services.exchange.evidence_records import EvidenceRecords, any_manifest, mark_complete
from services.exchange.evidence_store import EvidenceStore, off_loop
from services.exchange.evidence_tables import evidence_wanted

if TYPE_CHECKING:
    # a class for type checkers only
    from liandong.exchange.v1.evidence_service_pb2_grpc import EvidenceServiceAsyncStub

AT_ONCE: Final = 2
IDLE_S: Final = 30.0
"""How often the table is looked at though nobody woke us: another process may have written to it."""
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_HOPELESS_PAUSE: Final = timedelta(hours=1)
_MAX_DOUBLINGS: Final = 10

_WANTED: Final = Bulk(evidence_wanted)
_log = structlog.get_logger(__name__)

OpenStub = Callable[[], "EvidenceServiceAsyncStub"]
"""The registry, asked for before each transfer: its channel changes when certificates are renewed."""
OnArrival = Callable[[Connection, bytes], None]
"""Called with the root in the transaction that ends the transfer."""


class Direction(StrEnum):
    """Which way evidence is to go."""

    PUSH = "PUSH"
    PULL = "PULL"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Evidence that has not yet arrived where it is to go; `error` is the reason of the last failure."""

    root: bytes
    attempts: int
    next_attempt_at: datetime
    error: str


def enqueue(connection: Connection, roots: Iterable[bytes], direction: Direction) -> None:
    """Ask for evidence to be moved, at once, in the caller's transaction; repeating it is harmless.

    After the commit `wake` spares the wait for the next look at the table.
    """
    rows = [(root, direction.value, 0, 0, "") for root in roots]
    _WANTED.upsert(connection, rows, ("root", "direction"), ("next_attempt_at_us",))


class _Transfers(ABC):
    """The loop over one direction of the table; a subclass moves the bytes."""

    direction: Direction

    def __init__(
        self,
        store: EvidenceStore,
        records: EvidenceRecords,
        open_stub: OpenStub,
        *,
        clock: Clock | None = None,
        on_arrival: OnArrival | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._store = store
        self._records = records
        self._database = records.database
        self._open_stub = open_stub
        self._clock = clock or SystemClock()
        self._on_arrival = on_arrival
        self._at_once = at_once
        self._woken = asyncio.Event()

    @abstractmethod
    async def _transfer(self, root: bytes) -> None:
        """Move one evidence; what it raises is noted and tried again."""

    def _arrived(self, connection: Connection, root: bytes) -> None:  # noqa: B027 - not all have something
        """What else the transaction does that ends a transfer."""

    def wake(self) -> None:
        """There is new work; from the event loop's thread."""
        self._woken.set()

    async def pending(self, root: bytes) -> Wanted | None:
        """How far a transfer is; None when there is none, or it has ended well."""
        found = await off_loop(self._read, evidence_wanted.c.root == root, 1)
        return found[0] if found else None

    async def waiting(self, limit: int = 100) -> list[Wanted]:
        """What has not yet arrived, the next attempt first; for an operator."""
        return await off_loop(self._read, sa.true(), limit)

    async def run(self) -> None:
        """Move evidence until cancelled."""
        running: dict[asyncio.Task[None], bytes] = {}
        try:
            while True:
                self._woken.clear()
                pause = IDLE_S
                try:
                    pause = await self._start_due(running)
                except LiandongError as error:
                    # the table cannot be read now: the loop outlives that, it has nothing to lose
                    _log.warning("evidence.queue", direction=self.direction, reason=error.reason)
                    pause = _FIRST_PAUSE.total_seconds()
                await self._wait(running, pause)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def run_due(self) -> int:
        """Try once everything whose time has come; answers how many were tried."""
        due = await off_loop(self._read, self._is_due(), 1000)
        for wanted in due:
            await self._attempt(wanted)
        return len(due)

    async def _start_due(self, running: dict[asyncio.Task[None], bytes]) -> float:
        """Start what is due, as far as there is room; answers how long nothing else will be due."""
        room = self._at_once - len(running)
        if not room:
            return IDLE_S
        others = evidence_wanted.c.root.not_in(list(running.values()))
        for wanted in await off_loop(self._read, others, room):
            now = self._clock.now()
            if wanted.next_attempt_at > now:
                return min(IDLE_S, (wanted.next_attempt_at - now).total_seconds())
            running[asyncio.create_task(self._attempt(wanted))] = wanted.root
        return IDLE_S

    async def _wait(self, running: dict[asyncio.Task[None], bytes], pause_s: float) -> None:
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({woken, *running}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        for task in [task for task in running if task.done()]:
            del running[task]
            if task.cancelled():
                # not by us: its channel was closed under it, and the row still stands
                _log.warning("evidence.cut", direction=self.direction)
                await asyncio.sleep(_FIRST_PAUSE.total_seconds())
            elif (error := task.exception()) is not None:
                # the attempt could not even be noted; the row still stands, and its time has come
                _log.warning("evidence.attempt", direction=self.direction, exc_info=error)
                await asyncio.sleep(_FIRST_PAUSE.total_seconds())

    async def _attempt(self, wanted: Wanted) -> None:
        try:
            await self._transfer(wanted.root)
        except LiandongError as error:
            await off_loop(self._note_failure, wanted, error)
        except grpc.aio.UsageError:
            # the connection was replaced in the middle: what arrived stays, the rest goes over the new one
            await off_loop(self._note_failure, wanted, Unavailable("The connection was replaced."))
        except Exception as error:  # noqa: BLE001 - one evidence that breaks us must not stop the others
            _log.error("evidence.transfer", direction=self.direction, root=wanted.root.hex(), exc_info=error)
            await off_loop(self._note_failure, wanted, Internal())
        else:
            await off_loop(self._note_arrival, wanted.root)

    def _note_arrival(self, root: bytes) -> None:
        def work(connection: Connection) -> None:
            connection.execute(sa.delete(evidence_wanted).where(self._is_row(root)))
            self._arrived(connection, root)
            if self._on_arrival is not None:
                self._on_arrival(connection, root)

        self._database.write(work)
        _log.info("evidence.moved", direction=self.direction, root=root.hex())

    def _note_failure(self, wanted: Wanted, error: LiandongError) -> None:
        attempts = wanted.attempts + 1
        again = microseconds(self._clock.now() + _pause(attempts, error))
        self._database.write(
            lambda connection: connection.execute(
                sa.update(evidence_wanted)
                .where(self._is_row(wanted.root))
                .values(attempts=attempts, next_attempt_at_us=again, error=error.reason)
            )
        )
        _log.warning(
            "evidence.not_moved",
            direction=self.direction,
            root=wanted.root.hex(),
            attempts=attempts,
            reason=error.reason,
            text=error.message,
        )

    def _is_row(self, root: bytes) -> sa.ColumnElement[bool]:
        return sa.and_(evidence_wanted.c.root == root, evidence_wanted.c.direction == self.direction.value)

    def _is_due(self) -> sa.ColumnElement[bool]:
        return evidence_wanted.c.next_attempt_at_us <= microseconds(self._clock.now())

    def _read(self, where: sa.ColumnElement[bool], limit: int) -> list[Wanted]:
        query = (
            sa.select(evidence_wanted)
            .where(evidence_wanted.c.direction == self.direction.value, where)
            .order_by(evidence_wanted.c.next_attempt_at_us, evidence_wanted.c.root)
            .limit(limit)
        )
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [
            Wanted(bytes(row.root), row.attempts, from_microseconds(row.next_attempt_at_us), row.error)
            for row in rows
        ]


class EvidencePusher(_Transfers):
    """From the author's node to the registry: roots named by letters recorded here.

    Args:
        store: The node's chunks.
        records: The node's manifests.
        open_stub: The registry.
        clock: To time attempts by.
        on_arrival: What else is done in the transaction that ends a transfer.
        at_once: Transfers side by side.
    """

    direction = Direction.PUSH

    @override
    async def _transfer(self, root: bytes) -> None:
        held = await off_loop(self._database.read, lambda connection: any_manifest(connection, root))
        if not held.complete:
            raise EvidencePending("The evidence is not yet complete at its author's node.")
        await upload(self._open_stub(), held.manifest, chunks_of_store(self._store, held.manifest))


class EvidencePuller(_Transfers):
    """From the registry to the recipient's node: roots named by letters delivered here.

    Args:
        department: The node's department, under whose name the evidence is held.
        store: The node's chunks.
        records: The node's manifests.
        open_stub: The registry.
        clock: To time attempts by.
        on_arrival: What else is done in the transaction that ends a transfer.
        at_once: Transfers side by side.
    """

    direction = Direction.PULL

    def __init__(
        self,
        department: str,
        store: EvidenceStore,
        records: EvidenceRecords,
        open_stub: OpenStub,
        *,
        clock: Clock | None = None,
        on_arrival: OnArrival | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        super().__init__(store, records, open_stub, clock=clock, on_arrival=on_arrival, at_once=at_once)
        self._department = department

    @override
    async def _transfer(self, root: bytes) -> None:
        manifest = await download(self._open_stub(), root, self._store)
        await off_loop(self._records.register, manifest, self._department)

    @override
    def _arrived(self, connection: Connection, root: bytes) -> None:
        mark_complete(connection, root, self._department)


def _pause(attempts: int, error: LiandongError) -> timedelta:
    if error.retry_after_ms:
        return timedelta(milliseconds=error.retry_after_ms)
    hopeful = error.is_retryable or error.reason in {"UNAVAILABLE", "INTERNAL", "SLOW_READER", "NOT_FOUND"}
    if not hopeful and attempts > 1:
        return _HOPELESS_PAUSE
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(attempts - 1, _MAX_DOUBLINGS)))
    # spread: after an outage all departments come back at once
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
