"""Webhooks of departments: made, looked at, replayed. The REST interface and the pages call the same."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

import structlog
import uuid_utils
from sqlalchemy import Connection

from services.common import page_tokens
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import LimitExceeded, NotFound
from services.gateway.audit import Audit, By
from services.gateway.rest.scopes import ScopeMissing
from services.gateway.webhooks import store
from services.gateway.webhooks.model import (
    MOST_WAITING,
    MOST_WEBHOOKS,
    OVERLAP,
    PING,
    TYPES,
    Delivery,
    Event,
    Off,
    Webhook,
    check_secret,
    check_types,
    event,
    new_secret,
)
from services.gateway.webhooks.targets import Targets

T = TypeVar("T")

_SECRET_BYTES: Final = 32
_log = structlog.get_logger(__name__)

Begin = Callable[[str], Awaitable[None]]
"""Called with a department of which somebody wants to be told; returns when it is read."""


class Webhooks:
    """The webhooks of a gateway's departments.

    Args:
        database: The gateway's own.
        clock: The time.
        targets: Where posts may go.
        begin: See `Begin`.
        audit: Where is noted who made and changed them.
    """

    def __init__(
        self, database: Database, clock: Clock, targets: Targets, begin: Begin, audit: Audit
    ) -> None:
        self._database = database
        self._clock = clock
        self._targets = targets
        self._begin = begin
        self._audit = audit

    async def create(
        self,
        department: str,
        *,
        by: By,
        title: str,
        url: str,
        types: Sequence[str],
        scopes: Collection[str],
        secret: str = "",
    ) -> tuple[Webhook, str]:
        """Make one; returns it and its secret, which is not shown again.

        Args:
            department: Whose events.
            by: Who makes it.
            title: Which system.
            url: Where it is posted.
            types: Of which types it is told.
            scopes: Of who makes it: nobody has others told what they may not read.
            secret: One that the system brings; a new one if empty.

        Raises:
            InvalidField: URL, types or secret are not of their form.
            TargetForbidden: The target lies inside.
            ScopeMissing: Of a type that the maker may not read.
            LimitExceeded: The department has too many.
            TargetUnknown: The target's name has no address.
            Unavailable: The node is not reached now.
        """
        check_types(types)
        for each in types:
            if TYPES[each] not in scopes:
                raise ScopeMissing(f"To be told of {each} needs the scope {TYPES[each]}.")
        if secret:
            check_secret(secret)
        await self._targets.check(url)
        await self._begin(department)
        chosen = secret or new_secret(secrets.token_bytes(_SECRET_BYTES))
        made = Webhook(
            id=uuid_utils.uuid7().hex, department=department, title=title, url=url,
            types=tuple(dict.fromkeys(types)), created_by=by.who, created_at=self._clock.now(),
        )  # fmt: skip

        def work(connection: Connection) -> None:
            if len(store.of_department(connection, department)) >= MOST_WEBHOOKS:
                raise LimitExceeded(f"A department has at most {MOST_WEBHOOKS} webhooks.")
            store.add(connection, made, chosen)
            self._note(connection, "add", department, by, made.id)

        await self._write(work)
        _log.info("webhook.created", webhook=made.id, department=department, by=by.who)
        return made, chosen

    async def of_department(self, department: str) -> list[Webhook]:
        """A department's, oldest first."""
        return await self._read(lambda connection: store.of_department(connection, department))

    async def get(self, department: str, webhook_id: str) -> Webhook:
        """One of a department's.

        Raises:
            NotFound: It has none of that id.
        """
        return await self._read(lambda connection: _of(connection, department, webhook_id))

    async def remove(self, department: str, webhook_id: str, *, by: By) -> None:
        """Remove one; what waited for it is not sent any more.

        Raises:
            NotFound: The department has none of that id.
        """

        def work(connection: Connection) -> None:
            if not store.remove(connection, department, webhook_id):
                raise NotFound(field="webhook")
            self._note(connection, "remove", department, by, webhook_id)

        await self._write(work)
        _log.info("webhook.removed", webhook=webhook_id, department=department, by=by.who)

    async def enable(self, department: str, webhook_id: str, *, by: By) -> Webhook:
        """Switch one on again; what waited goes on, what was missed can be replayed.

        Raises:
            NotFound: The department has none of that id.
        """
        return await self._switch(department, webhook_id, None, by)

    async def disable(self, department: str, webhook_id: str, *, by: By) -> Webhook:
        """Switch one off; what waits stays, what comes meanwhile can be replayed.

        Raises:
            NotFound: The department has none of that id.
        """
        return await self._switch(department, webhook_id, Off.BY_HAND, by)

    async def rotate(
        self, department: str, webhook_id: str, *, by: By, secret: str = ""
    ) -> tuple[Webhook, str]:
        """Give one a new secret; returns it and the secret, which is not shown again.

        For `OVERLAP` posts are signed under the one of before, too; that of an earlier change ends at once.

        Raises:
            NotFound: The department has none of that id.
            InvalidField: The secret is not of its form.
        """
        if secret:
            check_secret(secret)
        chosen = secret or new_secret(secrets.token_bytes(_SECRET_BYTES))
        until = self._clock.now() + OVERLAP

        def work(connection: Connection) -> Webhook:
            found = _of(connection, department, webhook_id)
            store.rotate(connection, webhook_id, chosen, until)
            self._note(connection, "rotate", department, by, webhook_id)
            return replace(found, old_secret_until=until)

        return await self._write(work), chosen

    async def _switch(self, department: str, webhook_id: str, off: Off | None, by: By) -> Webhook:
        def work(connection: Connection) -> Webhook:
            found = _of(connection, department, webhook_id)
            store.switch(connection, webhook_id, off)
            self._note(connection, "disable" if off else "enable", department, by, webhook_id)
            return replace(found, disabled=off)

        return await self._write(work)

    def _note(self, connection: Connection, action: str, department: str, by: By, about: str) -> None:
        self._audit.note(connection, by.event(f"webhook.{action}", department, about))

    async def ping(self, department: str, webhook_id: str, *, by: By) -> str:
        """Have something sent to see whether it arrives; the event's id.

        Raises:
            NotFound: The department has none of that id.
        """
        now = self._clock.now()
        made = event(department, f"ping-{uuid_utils.uuid7().hex}", PING, webhook_id, now, {})

        def work(connection: Connection) -> None:
            webhook = _of(connection, department, webhook_id)
            store.note(connection, department, [made], now)
            store.ask(connection, webhook, [(made.id, made.type)], now)
            self._note(connection, "ping", department, by, webhook_id)

        await self._write(work)
        return made.id

    async def replay(
        self,
        department: str,
        webhook_id: str,
        *,
        by: By,
        event_id: str = "",
        since: datetime | None = None,
    ) -> int:
        """Have one event delivered again, or all from a time on; how many. They keep their ids.

        Raises:
            NotFound: The department has no such webhook, or the event is not kept.
        """

        def work(connection: Connection) -> int:
            webhook = _of(connection, department, webhook_id)
            if since is not None:
                wanted = store.events_since(connection, webhook, since, MOST_WAITING)
            else:
                kind = store.event_type(connection, department, event_id)
                if kind is None or kind not in {*webhook.types, PING}:
                    raise NotFound("No such event is kept for the webhook.", field="eventId")
                wanted = [(event_id, kind)]
            about = f"{webhook_id} {since.isoformat() if since is not None else event_id}"
            self._note(connection, "replay", department, by, about)
            return store.ask(connection, webhook, wanted, self._clock.now())

        return await self._write(work)

    async def deliveries(
        self, department: str, webhook_id: str, *, state: str = "", page_size: int = 50, page_token: str = ""
    ) -> tuple[list[Delivery], str]:
        """What became of deliveries, newest first, and the token of the next page.

        Raises:
            NotFound: The department has none of that id.
            PageTokenInvalid: It is no token of this list.
        """
        before = page_tokens.decode(page_token, ((int,), (str,)))

        def work(connection: Connection) -> list[Delivery]:
            _of(connection, department, webhook_id)
            start = None if before is None else (before[0], before[1])
            return store.deliveries(connection, webhook_id, state, start, page_size + 1)

        found = await self._read(work)
        if len(found) <= page_size:
            return found, ""
        last = found[page_size - 1]
        return found[:page_size], page_tokens.encode([microseconds(last.created_at), last.event])

    async def note(self, department: str, events: Sequence[Event]) -> int:
        """Note events that are new, for whoever wants to be told; how many were new."""
        now = self._clock.now()
        return await self._write(lambda connection: store.note(connection, department, events, now))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)


def _of(connection: Connection, department: str, webhook_id: str) -> Webhook:
    found = store.get(connection, department, webhook_id)
    if found is None:
        raise NotFound(field="webhook")
    return found
