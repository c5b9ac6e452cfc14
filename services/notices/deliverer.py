"""Messages go out: urgent ones at once, all others in one digest for each person and working day.

What is sent is noted before it is sent and again afterwards. When the process ends in between, nobody here
knows whether the other side took it; `channels` says what is done then. So a message goes out at most once
through a channel that cannot know repetitions, and through one that can at least once, under one id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError
from services.notices import model, store
from services.notices.channels import Channel, FateUnknown, NotTaken, Rejected
from services.notices.model import Hours, digest_is_due
from services.notices.people import EVERYBODY
from services.notices.store import Taken
from services.procedures.calendar import Calendar

POLL: Final = timedelta(seconds=30)
AT_ONCE: Final = 20
"""Deliveries taken at once."""
LIMIT_S: Final = 180.0
"""How long an attempt may take as a whole, a server that answers a byte at a time included."""
_ABREAST: Final = 4
"""How many of them are sent at a time."""

_log = structlog.get_logger(__name__)


class Deliverer:
    """Makes deliveries of messages, and sends them.

    Args:
        database: The department's.
        channels: The channels that the operator set up.
        hours: When people are told.
        calendar: Gives the newest calendar.
        clock: The time.
        attempts: How often a delivery is tried.
        poll: The longest sleep.
        limit_s: How long an attempt may take.
    """

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        hours: Hours,
        calendar: Callable[[], Calendar],
        clock: Clock,
        *,
        attempts: int,
        poll: timedelta = POLL,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._database = database
        self._channels: Mapping[str, Channel] = {each.name: each for each in channels}
        self._hours = hours
        self._calendar = calendar
        self._clock = clock
        self._attempts = attempts
        self._poll_s = poll.total_seconds()
        self._limit_s = limit_s
        self._woken = asyncio.Event()
        self._threads = _threads()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(sorted(self._channels))

    def wake(self) -> None:
        """There are new messages."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                # also after a failure of the database: what it did not take down stands as being sent
                await self._begin()
                await self._serve()
        finally:
            threads, self._threads = self._threads, _threads()
            threads.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        """Deliver until the database fails; then nothing is being sent any more."""
        failed = False
        while not failed:
            self._woken.clear()
            try:
                await self.step()
            except LiandongError:
                _log.warning("notices.failed", exc_info=True)
                failed = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()

    async def _begin(self) -> None:
        repeating = {name for name, each in self._channels.items() if each.repeats}
        while True:
            try:
                again, doubtful = await asyncio.to_thread(
                    self._database.write,
                    lambda connection: store.interrupted(connection, repeating, self._clock.now()),
                )
            except LiandongError:
                _log.warning("notices.failed", exc_info=True)
                await asyncio.sleep(self._poll_s)
                continue
            if again or doubtful:
                _log.warning("notices.interrupted", again=again, doubtful=doubtful)
            return

    async def step(self) -> int:
        """Make the deliveries that are due and send what waits; returns how many attempts were made.

        Raises:
            LiandongError: The database is busy, gone or failing.
        """
        await asyncio.to_thread(self._database.write, self._make)
        tried = 0
        while True:
            now = self._clock.now()
            quiet = self._hours.is_quiet(now)
            taken = await asyncio.to_thread(
                self._database.write, partial(store.take, now=now, limit=AT_ONCE, urgent_only=quiet)
            )
            if not taken:
                return tried
            tried += len(taken)
            ended = await asyncio.gather(*map(self._send, taken), return_exceptions=True)
            for error in filter(None, ended):
                raise error

    def _make(self, connection: Connection) -> None:
        now, calendar = self._clock.now(), self._calendar()
        for person in store.people_waiting(connection):
            wishes = store.wishes(connection, person)
            for each in store.waiting(connection, person, urgent=True):
                words = model.urgent_texts(each.zh, each.en, wishes.language)
                store.deliver(
                    connection, f"urgent/{each.id}", person, wishes, [each.id], words, now, urgent=True
                )
            day = digest_is_due(wishes, self._hours, calendar, now)
            delivery = f"digest/{person}/{day}"
            rest = store.waiting(connection, person, urgent=False)
            if day is None or not rest or (person != EVERYBODY and store.has_delivery(connection, delivery)):
                continue
            words = model.digest_texts([(each.zh, each.en) for each in rest], wishes.language, day)
            store.deliver(
                connection, delivery, person, wishes, [each.id for each in rest], words, now, urgent=False
            )

    async def _send(self, taken: Taken) -> None:
        channel = self._channels.get(taken.channel)
        state, error, last = store.SENT, "", store.FAILED
        pause = timedelta(0)
        try:
            if channel is None:
                raise NotTaken("The channel is not set up on this node.")
            await self._attempt(channel, taken)
        except NotTaken as refused:
            state, error = store.WAITING, str(refused)
        except Rejected as refused:
            state, error = store.FAILED, str(refused)
        except FateUnknown as lost:
            repeats = channel is not None and channel.repeats
            state, error = store.WAITING if repeats else store.UNKNOWN, str(lost)
            last = store.UNKNOWN
        except Exception as fault:  # noqa: BLE001 - a channel's fault must not end the others' deliveries
            _log.exception("notices.channel", channel=taken.channel)
            state, error = store.UNKNOWN, type(fault).__name__
        if state == store.WAITING:
            pause = model.pause_after(taken.attempts)
            if taken.attempts >= self._attempts:
                state = last
        if state in (store.FAILED, store.UNKNOWN):
            _log.warning("notices.undelivered", channel=taken.channel, state=state, attempts=taken.attempts)
        at = self._clock.now() + pause
        await asyncio.to_thread(
            self._database.write,
            lambda connection: store.settle(connection, taken.message.id, taken.channel, state, error, at),
        )

    async def _attempt(self, channel: Channel, taken: Taken) -> None:
        sending = self._threads.submit(channel.send, taken.message)
        try:
            async with asyncio.timeout(self._limit_s):
                await asyncio.wrap_future(sending)
        except TimeoutError:
            if sending.cancelled():
                raise NotTaken("All others before it take too long.") from None
            raise FateUnknown("No answer in time") from None


def _threads() -> ThreadPoolExecutor:
    """Of its own: a server that does not answer must not hold the threads that read the database."""
    return ThreadPoolExecutor(_ABREAST, "notices")
