"""The link: what a department's node and its registry say to each other, over one connection.

Up: recorded letters in signed batches over one stream. Two lanes are served in turn, what was just
recorded and what a reconnection finds in the outbox, so that a backlog delays no fresh letter; within a
case the order of recording holds. A batch takes what is there and never waits for company; a few are in
flight. The answer only says what became of a letter: an admitted one is folded when its receipt comes
down in ledger order, so losing an answer loses nothing, and sending again is answered the same.

Nothing goes up before the registry's head was seen to continue what is known here.

Down: deliveries under signed heads. Nothing is believed: checkpoint, place of every leaf, author's
signature and digests are verified before the node applies anything. A gap ends the stream; it begins
anew from the cursor that is durable.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import grpc.aio
import structlog
from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2_grpc as stubs
from liandong.exchange.v1 import reason_pb2

from services.common.channel import liandong_error, open_channel
from services.common.clock import Clock
from services.common.errors import LiandongError, Unavailable
from services.common.tls import TlsFiles
from services.common.together import run_together
from services.exchange.checkpoint import Checkpoint, verify_checkpoint
from services.exchange.continuity import check_continued, must_be_proved
from services.exchange.delivered import Delivered, Place
from services.exchange.department import Department
from services.exchange.letters import moment
from services.exchange.outbox import Outbox, SignedBatch, refused_among
from services.exchange.session import Command, DepartmentSession
from services.exchange.verification import Verification

_log = structlog.get_logger(__name__)

BATCHES_IN_FLIGHT: Final = 3
GRANT_LETTERS: Final = 2_048
GRANT_BYTES: Final = 16 * 1024 * 1024
APPLIES_IN_FLIGHT: Final = 2
SILENCE: Final = timedelta(seconds=90)
"""The registry gives a sign of life every 20 s; longer silence is a dead connection."""
_FIRST_PAUSE_S: Final = 0.5
_LAST_PAUSE_S: Final = 30.0
_CONSISTENCY_EVERY: Final = timedelta(seconds=60)

Connect = Callable[[], grpc.aio.Channel]


class Gap(LiandongError):
    """A delivery is missing before this one: the stream begins anew."""

    reason = "STALE"
    code = "ABORTED"


class Link:
    """Keeps one department connected.

    Args:
        department: Whose.
        connect: Opens a channel to the registry with the certificate as it is now.
        clock: To judge silence by.
    """

    def __init__(self, department: Department, connect: Connect, clock: Clock) -> None:
        self._department = department
        self._connect = connect
        self._clock = clock
        self.outbox = Outbox(department)
        department.offer = self.outbox.offer
        department.proof_of = self.outbox.proof_of
        self._checked_at = clock.now() - _CONSISTENCY_EVERY
        self._came_through = False

    async def run(self) -> None:
        """Stay connected until cancelled, with a growing pause after each failure."""
        self.outbox.attach(asyncio.get_running_loop())
        pause = _FIRST_PAUSE_S
        while True:
            began = self._clock.now()
            self._came_through = False
            try:
                await self._session()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # not us: a call of ours was
                self._down(Unavailable("The connection was given up."))
            except asyncio.InvalidStateError:
                # what the framework says of writing to a call that has ended
                self._down(Unavailable("The registry ended the stream."))
            except grpc.aio.AioRpcError as error:
                self._down(liandong_error(error))
            except LiandongError as error:
                self._down(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the link tries again
                _log.exception("link.failed", department=self._department.name)
                self._down(Unavailable(f"{type(error).__name__}: {error}"))
            # a connection that served is not one that fails: only those back off that bring nothing through
            if self._came_through or self._clock.now() - began > timedelta(seconds=60):
                pause = _FIRST_PAUSE_S
            # without chance all nodes would come back at once to a registry that was restarted
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
            pause = min(pause * 2, _LAST_PAUSE_S)

    def _down(self, error: LiandongError) -> None:
        state = self._department.link
        said = f"{error.reason}: {error.message}"
        if state.connected or state.error != said:
            _log.warning(
                "link.down", department=self._department.name, reason=error.reason, error=error.message
            )
        state.connected = False
        state.error = said

    async def _session(self) -> None:
        """One connection, both streams; ends with the first that ends."""
        channel = self._connect()
        try:
            stub = stubs.ExchangeServiceStub(channel)
            await self.outbox.restart()
            trusted = asyncio.Event()
            await run_together(self._deliver(stub, trusted), self._submit(stub, trusted))
        finally:
            await channel.close(None)

    # -- up -------------------------------------------------------------------------------------

    async def _submit(self, stub: Any, trusted: asyncio.Event) -> None:
        # a registry that was restored to less than we saw would refuse for good what was built on it
        await trusted.wait()
        call = stub.Submit()
        window = asyncio.Semaphore(BATCHES_IN_FLIGHT)
        flying: dict[int, SignedBatch] = {}

        async def send() -> None:
            sequence = 0
            while True:
                await window.acquire()
                batch = await self.outbox.take()
                sequence += 1
                flying[sequence] = batch
                batch.request.sequence = sequence
                await _write(call, batch.request)

        async def receive() -> None:
            while True:
                response = await call.read()
                if response is grpc.aio.EOF:
                    raise Unavailable("The registry ended the stream.")
                batch = flying.pop(response.sequence)
                window.release()
                await self._answered(batch, response)
                self._came_through = True

        async def watch() -> None:
            while True:
                waiting = frozenset(flying)
                await asyncio.sleep(SILENCE.total_seconds())
                if waiting & flying.keys():
                    raise Unavailable("The registry has not answered a batch for too long.")

        try:
            await run_together(send(), receive(), watch())
        finally:
            call.cancel()

    async def _answered(self, batch: SignedBatch, response: pb.SubmitResponse) -> None:
        refused: list[tuple[str, str, str]] = []
        put_off: list[tuple[str, int, str]] = []
        for item, outcome in zip(batch.items, response.outcomes, strict=True):
            reason = reason_pb2.Reason.Name(outcome.reason).removeprefix("REASON_")
            if outcome.disposition == pb.DISPOSITION_ADMITTED:
                self.outbox.answered(item)
            elif outcome.disposition == pb.DISPOSITION_RETRY:
                attempts = self.outbox.put_off(item, outcome.retry_after_ms / 1000)
                put_off.append((item.letter_id, attempts, f"{reason}: {outcome.message}"))
            else:
                self.outbox.answered(item)
                refused.append((item.letter_id, reason, outcome.message))
        if not refused and not put_off:
            return
        waiting = self.outbox.not_submitted([item.case_id for item in batch.items])

        def command(session: DepartmentSession) -> None:
            for letter_id, reason, message in refused:
                session.refused(letter_id, reason, message, waiting)
            for letter_id, attempts, error in put_off:
                session.put_off(letter_id, attempts, error)

        await self._department.run(command)
        if refused and waiting:
            self.outbox.drop(await self._refused_locally(waiting))

    async def _refused_locally(self, letter_ids: frozenset[str]) -> list[str]:
        return await self._department.read(lambda connection: refused_among(connection, letter_ids))

    # -- down -----------------------------------------------------------------------------------

    async def _deliver(self, stub: Any, trusted: asyncio.Event) -> None:
        """Take deliveries; `trusted` is set once the registry's head continues what was seen here."""
        department = self._department
        start = department.cursor
        call = stub.Deliver()
        verification = Verification(department)
        applying: asyncio.Queue[tuple[asyncio.Future[Any], Place, int, int]] = asyncio.Queue(
            APPLIES_IN_FLIGHT
        )

        async def receive() -> None:
            await _write(
                call,
                pb.DeliverRequest(
                    start=pb.Cursor(at=start.at, position=start.position),
                    grant_letters=GRANT_LETTERS,
                    grant_bytes=GRANT_BYTES,
                ),
            )
            received = start
            while True:
                response = await _read(call)
                self._heard(response)
                if not response.deliveries and trusted.is_set():
                    continue
                head = await self._verified_head(stub, response)
                trusted.set()
                if not response.deliveries:
                    continue
                first = response.deliveries[0].previous
                if Place(first.at, first.position) != received:
                    raise Gap
                deliveries = verification.verify(response, head)
                applied = department.committer.submit(_apply(deliveries, response.checkpoint, head, received))
                received = deliveries[-1].place
                await applying.put((applied, received, len(deliveries), response.charged_bytes))

        async def acknowledge() -> None:
            while True:
                applied, place, letters, size = await applying.get()
                await applied
                self._came_through = True
                await _write(
                    call,
                    pb.DeliverRequest(
                        acknowledged=pb.Cursor(at=place.at, position=place.position),
                        grant_letters=letters,
                        grant_bytes=size,
                    ),
                )

        try:
            await run_together(receive(), acknowledge())
        finally:
            call.cancel()

    def _heard(self, response: pb.DeliverResponse) -> None:
        state = self._department.link
        now = self._clock.now()
        if not state.connected:
            _log.info("link.up", department=self._department.name)
        state.connected = True
        state.error = ""
        state.last_heard_at = now
        offset = moment(response.registry_time, "registry_time") - now
        state.clock_offset_ms = round(offset.total_seconds() * 1000)

    async def _verified_head(self, stub: Any, response: pb.DeliverResponse) -> Checkpoint:
        """The head of a response: signed by the registry, and continuing the last one that was verified.

        Consistency is proved at reconnection, then once a minute, and at once over the beginning of an epoch;
        between, every leaf is proved under its head, and two heads that do not belong together are found at
        the next proof.
        """
        department = self._department
        keys = [each.key.public_key for each in department.directory.registries.values()] or [
            department.registry_key
        ]
        head = verify_checkpoint(response.checkpoint, department.log_id, keys)
        known = department.head
        now = self._clock.now()
        at_once = must_be_proved(known, head)
        if known is not None and known.size and (at_once or now - self._checked_at >= _CONSISTENCY_EVERY):
            proof = await stub.GetConsistencyProof(
                pb.GetConsistencyProofRequest(first_size=known.size, second_size=head.size), timeout=30
            )
            check_continued(known, head, proof.path)
            self._checked_at = now
            if head.epoch != known.epoch:
                _log.warning("link.epoch", department=department.name, epoch=head.epoch, size=head.size)
        return head


async def _read(call: Any) -> pb.DeliverResponse:
    try:
        async with asyncio.timeout(SILENCE.total_seconds()):
            response = await call.read()
    except TimeoutError:
        raise Unavailable("The registry has been silent for too long.") from None
    if response is grpc.aio.EOF:
        raise Unavailable("The registry ended the stream.")
    return response  # type: ignore[no-any-return]


async def _write(call: Any, request: Any) -> None:
    try:
        async with asyncio.timeout(SILENCE.total_seconds()):
            await call.write(request)
    except TimeoutError:
        raise Unavailable("The registry has taken nothing for too long.") from None


def _apply(deliveries: list[Delivered], checkpoint: str, head: Checkpoint, after: Place) -> Command:
    return lambda session: session.inbox.deliver(deliveries, checkpoint, head, after)


def connect_with(target: str, tls: TlsFiles) -> Connect:
    """Opens channels to a registry with the certificate that is on disk at that moment."""
    return lambda: open_channel(target, tls)
