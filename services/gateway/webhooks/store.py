"""Rows of webhooks. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import from_microseconds, microseconds
from services.gateway.webhooks import tables
from services.gateway.webhooks.model import MOST_WAITING, Delivery, Event, Off, State, Webhook

_HOOKS: Final = tables.webhooks.c
_EVENTS: Final = tables.events.c
_DELIVERIES: Final = tables.deliveries.c
_FEEDS: Final = tables.feeds.c
_ADDED: Final = Bulk(tables.deliveries)


@dataclass(frozen=True, slots=True)
class Read:
    """How far a department was read: positions of letters and bulletins, number of the newest alert."""

    letters: int
    bulletins: int
    alerts: int


@dataclass(frozen=True, slots=True)
class Post:
    """What is to be posted."""

    delivery: Delivery
    url: str
    secrets: tuple[str, ...]
    body: bytes


def add(connection: Connection, webhook: Webhook, secret: str) -> None:
    """Add a webhook."""
    connection.execute(
        tables.webhooks.insert().values(
            id=webhook.id, department=webhook.department, title=webhook.title, url=webhook.url,
            types=" ".join(webhook.types), secret=secret, old_secret="", old_secret_until_us=None,
            created_by=webhook.created_by, created_at_us=microseconds(webhook.created_at), disabled="",
        )
    )  # fmt: skip


def of_department(connection: Connection, department: str) -> list[Webhook]:
    """A department's, oldest first."""
    query = sa.select(tables.webhooks).where(_HOOKS.department == department)
    return [_webhook(row) for row in connection.execute(query.order_by(_HOOKS.created_at_us, _HOOKS.id))]


def departments(connection: Connection) -> set[str]:
    """Departments of which somebody wants to be told."""
    return set(connection.execute(sa.select(_HOOKS.department).where(_HOOKS.disabled == "")).scalars())


def get(connection: Connection, department: str, webhook_id: str) -> Webhook | None:
    """One of a department's."""
    query = sa.select(tables.webhooks).where(_HOOKS.department == department, _HOOKS.id == webhook_id)
    row = connection.execute(query).first()
    return None if row is None else _webhook(row)


def remove(connection: Connection, department: str, webhook_id: str) -> bool:
    """Remove one and its deliveries; whether it was there."""
    connection.execute(
        sa.delete(tables.deliveries).where(
            _DELIVERIES.webhook == webhook_id, _DELIVERIES.department == department
        )
    )
    found = connection.execute(
        sa.delete(tables.webhooks).where(_HOOKS.department == department, _HOOKS.id == webhook_id)
    )
    return bool(found.rowcount)


def switch(connection: Connection, webhook_id: str, disabled: Off | None) -> None:
    """Switch one off with a reason, or on with none."""
    connection.execute(
        sa.update(tables.webhooks).where(_HOOKS.id == webhook_id).values(disabled=disabled or "")
    )


def rotate(connection: Connection, webhook_id: str, secret: str, until: datetime) -> None:
    """Give one a new secret; the one that it has signs, too, until a time."""
    connection.execute(
        sa.update(tables.webhooks)
        .where(_HOOKS.id == webhook_id)
        .values(old_secret=_HOOKS.secret, secret=secret, old_secret_until_us=microseconds(until))
    )


def read_until(connection: Connection, department: str) -> Read | None:
    """How far a department was read; None: never."""
    row = connection.execute(sa.select(tables.feeds).where(_FEEDS.department == department)).first()
    return None if row is None else Read(row.letters, row.bulletins, row.alerts)


def note_read(connection: Connection, department: str, read: Read) -> None:
    """Note how far."""
    values = {"letters": read.letters, "bulletins": read.bulletins, "alerts": read.alerts}
    changed = connection.execute(
        sa.update(tables.feeds).where(_FEEDS.department == department).values(**values)
    )
    if not changed.rowcount:
        connection.execute(tables.feeds.insert().values(department=department, **values))


def note(connection: Connection, department: str, found: Sequence[Event], now: datetime) -> int:
    """Note events that are new, each with a delivery to every webhook that wants it; how many were new."""
    known = set(
        connection.execute(
            sa.select(_EVENTS.id).where(
                _EVENTS.department == department, _EVENTS.id.in_([each.id for each in found])
            )
        ).scalars()
    )
    fresh = list({each.id: each for each in found if each.id not in known}.values())
    if not fresh:
        return 0
    at = microseconds(now)
    connection.execute(
        tables.events.insert(),
        [
            {
                "department": department, "id": each.id, "type": each.type, "subject": each.subject,
                "at_us": microseconds(each.at), "noted_at_us": at, "body": each.body,
            }
            for each in fresh
        ],
    )  # fmt: skip
    for webhook in of_department(connection, department):
        wanted = [(each.id, each.type) for each in fresh if each.type in webhook.types]
        if not webhook.disabled:
            ask(connection, webhook, wanted, now)
    return len(fresh)


def ask(connection: Connection, webhook: Webhook, wanted: Sequence[tuple[str, str]], now: datetime) -> int:
    """Have events delivered, again if they were; with too many waiting the webhook is switched off instead.

    Args:
        connection: The caller's transaction.
        webhook: To which.
        wanted: Ids and types of events.
        now: The time.

    Returns:
        How many will be delivered.
    """
    waiting = connection.execute(
        sa.select(sa.func.count()).where(
            _DELIVERIES.webhook == webhook.id, _DELIVERIES.state == State.WAITING.value
        )
    ).scalar_one()
    if waiting + len(wanted) > MOST_WAITING:
        switch(connection, webhook.id, Off.BEHIND)
        return 0
    at = microseconds(now)
    rows = [
        (webhook.id, event, webhook.department, kind, State.WAITING.value, 0, at, at, None, 0, "")
        for event, kind in wanted
    ]
    changed = ("state", "attempts", "next_at_us", "ended_at_us", "status", "error")
    _ADDED.upsert(connection, rows, ("webhook", "event"), changed)
    return len(rows)


def events_since(
    connection: Connection, webhook: Webhook, since: datetime, limit: int
) -> list[tuple[str, str]]:
    """Ids and types of events that a webhook wants, noted from a time on, oldest first."""
    query = sa.select(_EVENTS.id, _EVENTS.type).where(
        _EVENTS.department == webhook.department, _EVENTS.noted_at_us >= microseconds(since),
        _EVENTS.type.in_(webhook.types),
    )  # fmt: skip
    rows = connection.execute(query.order_by(_EVENTS.noted_at_us, _EVENTS.id).limit(limit))
    return [(row.id, row.type) for row in rows]


def event_type(connection: Connection, department: str, event_id: str) -> str | None:
    """The type of an event that is kept."""
    query = sa.select(_EVENTS.type).where(_EVENTS.department == department, _EVENTS.id == event_id)
    return connection.execute(query).scalar_one_or_none()


def due_webhooks(connection: Connection, now: datetime) -> list[str]:
    """Webhooks that are switched on and have something due."""
    query = (
        sa.select(_DELIVERIES.webhook)
        .join(tables.webhooks, _HOOKS.id == _DELIVERIES.webhook)
        .where(_DELIVERIES.next_at_us <= microseconds(now), _HOOKS.disabled == "")
    )
    return sorted(connection.execute(query.distinct()).scalars())


def due(connection: Connection, webhook_id: str, now: datetime, limit: int) -> list[Post]:
    """What is to be posted now to a webhook, longest due first."""
    query = (
        sa.select(
            tables.deliveries,
            _HOOKS.url,
            _HOOKS.secret,
            _HOOKS.old_secret,
            _HOOKS.old_secret_until_us,
            _EVENTS.body,
        )
        .select_from(tables.deliveries)
        .join(tables.webhooks, _HOOKS.id == _DELIVERIES.webhook)
        .join(
            tables.events,
            sa.and_(_EVENTS.department == _DELIVERIES.department, _EVENTS.id == _DELIVERIES.event),
        )
        .where(
            _DELIVERIES.webhook == webhook_id,
            _DELIVERIES.next_at_us <= microseconds(now),
            _HOOKS.disabled == "",
        )
        .order_by(_DELIVERIES.next_at_us, _DELIVERIES.created_at_us, _DELIVERIES.event)
        .limit(limit)
    )
    return [
        Post(_delivery(row), row.url, _secrets(row, now), bytes(row.body))
        for row in connection.execute(query)
    ]


def _secrets(row: Any, now: datetime) -> tuple[str, ...]:
    if row.old_secret and microseconds(now) < row.old_secret_until_us:
        return row.secret, row.old_secret
    return (row.secret,)


def claim(connection: Connection, delivery: Delivery, until: datetime) -> bool:
    """Keep a delivery from other processes until a time; false: another was first."""
    assert delivery.next_at is not None
    changed = connection.execute(
        sa.update(tables.deliveries)
        .where(*_is(delivery), _DELIVERIES.next_at_us == microseconds(delivery.next_at))
        .values(next_at_us=microseconds(until))
    )
    return bool(changed.rowcount)


def settle(connection: Connection, delivery: Delivery) -> None:
    """Note what became of an attempt."""
    connection.execute(
        sa.update(tables.deliveries)
        .where(*_is(delivery))
        .values(
            state=delivery.state.value, attempts=delivery.attempts, status=delivery.status, error=delivery.error,
            next_at_us=None if delivery.next_at is None else microseconds(delivery.next_at),
            ended_at_us=None if delivery.ended_at is None else microseconds(delivery.ended_at),
        )
    )  # fmt: skip


def deliveries(
    connection: Connection, webhook_id: str, state: str, before: tuple[int, str] | None, limit: int
) -> list[Delivery]:
    """Deliveries of a webhook, newest first."""
    query = sa.select(tables.deliveries).where(_DELIVERIES.webhook == webhook_id)
    if state:
        query = query.where(_DELIVERIES.state == state)
    if before is not None:
        query = query.where(sa.tuple_(_DELIVERIES.created_at_us, _DELIVERIES.event) < sa.tuple_(*before))
    query = query.order_by(_DELIVERIES.created_at_us.desc(), _DELIVERIES.event.desc()).limit(limit)
    return [_delivery(row) for row in connection.execute(query)]


def forget(connection: Connection, before: datetime) -> None:
    """Remove events noted before a time, with their deliveries."""
    limit = microseconds(before)
    connection.execute(sa.delete(tables.deliveries).where(_DELIVERIES.created_at_us < limit))
    connection.execute(sa.delete(tables.events).where(_EVENTS.noted_at_us < limit))


def _is(delivery: Delivery) -> tuple[sa.ColumnElement[bool], ...]:
    return (_DELIVERIES.webhook == delivery.webhook, _DELIVERIES.event == delivery.event)


def _webhook(row: Any) -> Webhook:
    return Webhook(
        id=row.id, department=row.department, title=row.title, url=row.url, types=tuple(row.types.split()),
        created_by=row.created_by, created_at=from_microseconds(row.created_at_us),
        disabled=Off(row.disabled) if row.disabled else None,
        old_secret_until=None if row.old_secret_until_us is None else from_microseconds(row.old_secret_until_us),
    )  # fmt: skip


def _delivery(row: Any) -> Delivery:
    return Delivery(
        webhook=row.webhook, event=row.event, type=row.type, state=State(row.state), attempts=row.attempts,
        created_at=from_microseconds(row.created_at_us),
        next_at=None if row.next_at_us is None else from_microseconds(row.next_at_us),
        ended_at=None if row.ended_at_us is None else from_microseconds(row.ended_at_us),
        status=row.status, error=row.error,
    )  # fmt: skip
