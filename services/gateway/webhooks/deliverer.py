"""Deliveries as they fall due: one at a time to each webhook, several webhooks side by side.

A delivery is claimed before it is posted and settled after; a process that ends between leaves it to be
posted again when the claim is over. So a receiver may be told twice, and knows it by the `webhook-id`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError
from services.gateway.webhooks import store
from services.gateway.webhooks.model import KEPT, Delivery, Off, State, headers_of, pause_after
from services.gateway.webhooks.store import Post
from services.gateway.webhooks.targets import NotPosted, Targets

T = TypeVar("T")

AT_ONCE: Final = 8
LOOK_S: Final = 1.0
"""How often due deliveries are looked for."""
_CLAIM: Final = timedelta(minutes=2)
_IN_A_ROW: Final = 20
_TIDY_S: Final = 3600.0
_GONE: Final = 410
_TAKEN: Final = range(200, 300)

_log = structlog.get_logger(__name__)


class Deliverer:
    """Posts what is due.

    Args:
        database: The gateway's own.
        clock: The time.
        targets: The way out.
    """

    def __init__(self, database: Database, clock: Clock, targets: Targets) -> None:
        self._database = database
        self._clock = clock
        self._targets = targets
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver until cancelled."""
        loop = asyncio.get_running_loop()
        tidied = loop.time()
        try:
            while True:
                for webhook_id in await self._read(
                    lambda connection: store.due_webhooks(connection, self._clock.now())
                ):
                    if webhook_id not in self._running and len(self._running) < AT_ONCE:
                        task = asyncio.create_task(self._serve(webhook_id))
                        self._running[webhook_id] = task
                        task.add_done_callback(partial(self._ended, webhook_id))
                if loop.time() - tidied > _TIDY_S:
                    tidied = loop.time()
                    await self._write(lambda connection: store.forget(connection, self._clock.now() - KEPT))
                await asyncio.sleep(LOOK_S)
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, webhook_id: str) -> None:
        """Post what is due to one webhook, until one fails: then others may be served."""
        try:
            posts = await self._read(
                lambda connection: store.due(connection, webhook_id, self._clock.now(), _IN_A_ROW)
            )
            for post in posts:
                claimed = await self._write(partial(self._claim, post=post))
                if claimed and not await self._post(post):
                    return
        except LiandongError as error:
            # the store cannot be written now; the claim ends by itself
            _log.warning("webhook.store", webhook=webhook_id, reason=error.reason)

    def _ended(self, webhook_id: str, task: asyncio.Task[None]) -> None:
        self._running.pop(webhook_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("webhook.failed", webhook=webhook_id, exc_info=error)

    def _claim(self, connection: Connection, post: Post) -> bool:
        return store.claim(connection, post.delivery, self._clock.now() + _CLAIM)

    async def _post(self, post: Post) -> bool:
        now = self._clock.now()
        status, error = 0, ""
        try:
            headers = headers_of(post.secrets, post.delivery.event, post.body, now)
            status = await self._targets.post(post.url, headers, post.body)
        except NotPosted as failed:
            error = str(failed)
        except LiandongError as refused:
            error = refused.message
        taken = status in _TAKEN
        delivery = self._after(
            post.delivery, status, error or ("" if taken else f"HTTP {status}"), taken=taken
        )

        def work(connection: Connection) -> None:
            store.settle(connection, delivery)
            if status == _GONE:
                store.switch(connection, delivery.webhook, Off.GONE)

        await self._write(work)
        _log.info(
            "webhook.posted", webhook=delivery.webhook, event_id=delivery.event, state=delivery.state.value,
            attempts=delivery.attempts, status=status, error=delivery.error,
        )  # fmt: skip
        return taken

    def _after(self, delivery: Delivery, status: int, error: str, *, taken: bool) -> Delivery:
        now = self._clock.now()
        attempts = delivery.attempts + 1
        tried = replace(delivery, attempts=attempts, status=status, error=error)
        if taken:
            return replace(tried, state=State.SENT, next_at=None, ended_at=now)
        pause = pause_after(attempts)
        if pause is None:
            return replace(tried, state=State.FAILED, next_at=None, ended_at=now)
        return replace(tried, next_at=now + pause)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)
