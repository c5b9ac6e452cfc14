"""The SQL of messages, deliveries and preferences."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, time
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import from_microseconds, microseconds
from services.notices import tables
from services.notices.channels import Outgoing
from services.notices.model import Event, Wishes, message_id, texts
from services.notices.people import EVERYBODY

WAITING: Final = "WAITING"
SENDING: Final = "SENDING"
SENT: Final = "SENT"
FAILED: Final = "FAILED"
UNKNOWN: Final = "UNKNOWN"

_MESSAGES: Final = Bulk(tables.messages)
_READS: Final = Bulk(tables.reads)
_DELIVERIES: Final = Bulk(tables.deliveries)
_PREFERENCES: Final = Bulk(tables.preferences)
_FEED: Final = Bulk(tables.feed)
_m: Final = tables.messages.c
_d: Final = tables.deliveries.c


class Text(NamedTuple):
    """A message that waits for its digest."""

    id: str
    zh: str
    en: str


class Taken(NamedTuple):
    """A delivery that is being sent: what, through which channel, the how many-th attempt."""

    message: Outgoing
    channel: str
    attempts: int


# -- messages -------------------------------------------------------------------------------------


def add(connection: Connection, events: Sequence[tuple[Event, Sequence[str]]]) -> list[tuple[str, str]]:
    """Note events for people; returns (message, person) of those that are new."""
    rows: dict[str, tuple[Any, ...]] = {}
    for event, people in events:
        zh, en = texts(event)
        for person in people:
            each = message_id(event.key, person)
            rows[each] = (
                each, person, event.kind.value, event.urgent, zh, en, event.case_id, event.duty, event.subject,
                None if event.due_at is None else microseconds(event.due_at), microseconds(event.raised_at), None,
            )  # fmt: skip
    known = {row.id for row in _MESSAGES.select_in(connection, "id", list(rows))}
    new = [row for each, row in rows.items() if each not in known]
    _MESSAGES.upsert(connection, new, ["id"])
    return [(row[0], row[1]) for row in new]


def page(
    connection: Connection, person: str, *, unread: bool, kind: str, after: tuple[int, str] | None, limit: int
) -> Sequence[Any]:
    """A person's messages below a key, newest first, each with when it was read."""
    statement = _own(person).order_by(_m.raised_at_us.desc(), _m.id.desc()).limit(limit)
    if unread:
        statement = statement.where(tables.reads.c.read_at_us.is_(None))
    if kind:
        statement = statement.where(_m.kind == kind)
    if after is not None:
        statement = statement.where(sa.tuple_(_m.raised_at_us, _m.id) < sa.tuple_(*map(sa.literal, after)))
    return connection.execute(statement).all()


def count_unread(connection: Connection, person: str) -> int:
    """How many messages a person has not read."""
    own = _own(person).where(tables.reads.c.read_at_us.is_(None)).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(own)).scalar_one())


def mark_read(connection: Connection, person: str, ids: Collection[str], now: datetime) -> int:
    """Note that a person has read messages of its own; returns how many it had not."""
    found = connection.execute(
        _own(person).where(_m.id.in_(sorted(ids)), tables.reads.c.read_at_us.is_(None))
    ).all()
    return _READS.upsert(
        connection, [(row.id, person, microseconds(now)) for row in found], ["message", "person"]
    )


def _own(person: str) -> sa.Select[Any]:
    mine = sa.and_(tables.reads.c.message == _m.id, tables.reads.c.person == person)
    return (
        sa.select(tables.messages, tables.reads.c.read_at_us)
        .select_from(tables.messages.outerjoin(tables.reads, mine))
        .where(_m.person.in_([person, EVERYBODY]))
    )


def people_waiting(connection: Connection) -> list[str]:
    """Persons with messages that are in no delivery yet."""
    return list(connection.execute(sa.select(_m.person).where(_m.delivery.is_(None)).distinct()).scalars())


def waiting(connection: Connection, person: str, *, urgent: bool) -> list[Text]:
    """A person's messages that are in no delivery yet, oldest first."""
    rows = connection.execute(
        sa.select(_m.id, _m.text_zh, _m.text_en)
        .where(_m.person == person, _m.delivery.is_(None), _m.urgent.is_(urgent))
        .order_by(_m.raised_at_us, _m.id)
    )
    return [Text(*row) for row in rows]


# -- deliveries -----------------------------------------------------------------------------------


def has_delivery(connection: Connection, delivery: str) -> bool:
    """Whether messages went into this delivery."""
    return connection.execute(sa.select(_m.id).where(_m.delivery == delivery).limit(1)).first() is not None


def deliver(
    connection: Connection,
    delivery: str,
    person: str,
    wishes: Wishes,
    messages: Collection[str],
    words: tuple[str, str],
    now: datetime,
    *,
    urgent: bool,
) -> None:
    """Put messages into a delivery, through each of a person's channels."""
    connection.execute(
        sa.update(tables.messages).where(_m.id.in_(sorted(messages))).values(delivery=delivery)
    )
    now_us = microseconds(now)
    rows = [
        (delivery, channel, person, address, *words, urgent, WAITING, 0, now_us, now_us, None, "")
        for channel, address in sorted(wishes.channels.items())
    ]
    _DELIVERIES.upsert(connection, rows, ["id", "channel"])


def take(connection: Connection, now: datetime, limit: int, *, urgent_only: bool) -> list[Taken]:
    """Deliveries whose time has come, from now on as being sent."""
    statement = (
        sa.select(tables.deliveries)
        .where(_d.state == WAITING, _d.next_at_us <= microseconds(now))
        .order_by(_d.next_at_us)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if urgent_only:
        statement = statement.where(_d.urgent.is_(True))
    rows = connection.execute(statement).all()
    for row in rows:
        _set(connection, row.id, row.channel, state=SENDING, attempts=row.attempts + 1, next_at_us=None)
    return [
        Taken(Outgoing(f"{row.id}", row.address, row.subject, row.text), row.channel, row.attempts + 1)
        for row in rows
    ]


def settle(connection: Connection, delivery: str, channel: str, state: str, error: str, at: datetime) -> None:
    """Note how an attempt ended; `at` is when it is tried next for WAITING, else when it ended."""
    at_us = microseconds(at)
    is_over = state != WAITING
    _set(
        connection,
        delivery,
        channel,
        state=state,
        error=error[:500],
        next_at_us=None if is_over else at_us,
        ended_at_us=at_us if is_over else None,
    )


def interrupted(connection: Connection, channels: Collection[str], now: datetime) -> tuple[int, int]:
    """After a start: what was being sent when the process ended. Returns how many are sent again, how many in doubt.

    Args:
        connection: A write transaction.
        channels: Names of those that may be sent the same id again.
        now: The time.
    """
    rows = connection.execute(sa.select(_d.id, _d.channel).where(_d.state == SENDING)).all()
    again = [row for row in rows if row.channel in channels]
    for row in again:
        settle(connection, row.id, row.channel, WAITING, "interrupted", now)
    for row in rows:
        if row not in again:
            settle(connection, row.id, row.channel, UNKNOWN, "interrupted", now)
    return len(again), len(rows) - len(again)


def deliveries(
    connection: Connection, state: str, person: str, after: tuple[int, str, str] | None, limit: int
) -> Sequence[Any]:
    """Deliveries below a key, newest first."""
    key = (_d.created_at_us, _d.id, _d.channel)
    statement = (
        sa.select(tables.deliveries)
        .order_by(_d.created_at_us.desc(), _d.id.desc(), _d.channel.desc())
        .limit(limit)
    )
    if state:
        statement = statement.where(_d.state == state)
    if person:
        statement = statement.where(_d.person == person)
    if after is not None:
        statement = statement.where(sa.tuple_(*key) < sa.tuple_(*map(sa.literal, after)))
    return connection.execute(statement).all()


def messages_in(connection: Connection, found: Collection[str]) -> dict[str, list[str]]:
    """Ids of the messages in deliveries."""
    inside: dict[str, list[str]] = {}
    rows = connection.execute(
        sa.select(_m.delivery, _m.id).where(_m.delivery.in_(sorted(found))).order_by(_m.raised_at_us, _m.id)
    )
    for delivery, each in rows:
        inside.setdefault(str(delivery), []).append(each)
    return inside


def _set(connection: Connection, delivery: str, channel: str, **values: Any) -> None:
    connection.execute(
        sa.update(tables.deliveries).where(_d.id == delivery, _d.channel == channel).values(**values)
    )


# -- preferences and feed -------------------------------------------------------------------------


def wishes(connection: Connection, person: str) -> Wishes:
    """What a person wants; the defaults if it never said."""
    row = connection.execute(
        sa.select(tables.preferences).where(tables.preferences.c.person == person)
    ).first()
    if row is None:
        return Wishes()
    minute = row.digest_minute
    at = None if minute is None else time(minute // 60, minute % 60)
    return Wishes(json.loads(row.channels), at, row.language)


def set_wishes(connection: Connection, person: str, wanted: Wishes) -> None:
    """Keep what a person wants."""
    at = wanted.digest_at
    minute = None if at is None else at.hour * 60 + at.minute
    channels = json.dumps(dict(wanted.channels), ensure_ascii=False, sort_keys=True)
    row = (person, channels, minute, wanted.language)
    _PREFERENCES.upsert(connection, [row], ["person"], ["channels", "digest_minute", "language"])


def read_until(connection: Connection) -> datetime | None:
    """Until when alerts were read; None before the first time."""
    found = connection.execute(sa.select(tables.feed.c.read_until_us)).scalar()
    return None if found is None else from_microseconds(found)


def note_read(connection: Connection, until: datetime) -> None:
    """Note until when alerts were read."""
    _FEED.upsert(connection, [(1, microseconds(until))], ["id"], ["read_until_us"])
