"""Links: which nodes are there, since when one is away, and what follows from it (docs/oversight.md).

The `cursors` row of a department says which replica serves its Deliver stream and when it was last heard
of. A replica that is killed cannot say that a link ended, so a link counts as up only while its row is
refreshed. A node that comes back after a while brings an outage into the ledger before its letters are
judged, so that what was signed in time is excused; one that stays silent is told to an office.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import from_microseconds, microseconds
from services.registry import tables

LINK_DOWN: Final = "LINK_DOWN"
TOPIC: Final = "outage"

AWAY_AFTER: Final = timedelta(minutes=5)
"""A node that was away longer brings an outage with it; shorter breaks are the net's daily life."""
STALE_AFTER: Final = timedelta(seconds=90)
"""A link that was not refreshed so long is down, whatever its row says."""

_BOX: Final = Bulk(tables.cursors, ["department", "at", "position", "last_seen_us"])
_SEEN: Final = Bulk(tables.cursors, ["department", "last_seen_us"])
_ALERTS: Final = Bulk(
    tables.alerts, ["kind", "addressee", "subject_department", "mark", "fires_at_us", "fired_at_us"]
)
_ONCE: Final = ("case_id", "rule", "ordinal", "mark", "kind", "addressee")
_NOWHERE: Final = -1
_table: Final = tables.cursors.c


@dataclass(frozen=True, slots=True)
class LinkOutage:
    """A link that was down: letters late for it are excused (docs/time.md, Four times of a letter)."""

    department: str
    since: datetime
    until: datetime

    def entry(self) -> common_entry_pb2.CommonEntry:
        """The common entry to publish before the department's letters are admitted."""
        entry = common_entry_pb2.CommonEntry()
        entry.outage.department = self.department
        entry.outage.since.FromDatetime(self.since)
        entry.outage.until.FromDatetime(self.until)
        return entry

    @property
    def idempotency_key(self) -> str:
        """The same for one absence, however often the node tries to come back."""
        return f"outage/{self.department}/{microseconds(self.since)}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """A department's link. `at` and `position` are the place in its mailbox up to which it has everything."""

    department: str
    connected: bool
    last_seen_at: datetime
    away_since: datetime | None
    at: int
    position: int


def connected(
    connection: Connection,
    department: str,
    replica: str,
    at: datetime,
    *,
    away_after: timedelta = AWAY_AFTER,
) -> LinkOutage | None:
    """Record that a replica serves the department's link.

    Args:
        connection: Inside the caller's transaction.
        department: Whose link.
        replica: Who serves it.
        at: Now.
        away_after: How long it must have been away to make an outage.

    Returns:
        The outage that ends now, as `outage_on_return` says it.
    """
    outage = outage_on_return(connection, department, at, away_after=away_after)
    now = microseconds(at)
    values = {"last_seen_us": now, "connected_replica": replica, "disconnected_us": None}
    if _update(connection, department, values) == 0:
        first = Bulk(tables.cursors)
        first.upsert(
            connection,
            [(department, _NOWHERE, _NOWHERE, now, replica, None)],
            ["department"],
            list(values),
        )
    return outage


def outage_on_return(
    connection: Connection, department: str, at: datetime, *, away_after: timedelta = AWAY_AFTER
) -> LinkOutage | None:
    """The outage that a node coming back now ends; None if it was never here or only shortly away."""
    row = connection.execute(sa.select(tables.cursors).where(_table.department == department)).first()
    if row is None:
        return None
    since = _away_since(row)
    return LinkOutage(department, since, at) if at - since > away_after else None


def disconnected(connection: Connection, department: str, replica: str, at: datetime) -> bool:
    """Record that a link ended; False if another replica serves it by now and nothing was changed."""
    values = {
        "last_seen_us": microseconds(at),
        "connected_replica": None,
        "disconnected_us": microseconds(at),
    }
    return _update(connection, department, values, _table.connected_replica == replica) > 0


def seen(connection: Connection, places: Mapping[str, tuple[int, int] | None], at: datetime) -> None:
    """Refresh links, and note the mailbox places that were acknowledged; None where none was."""
    now = microseconds(at)
    moved = [(name, *place, now) for name, place in places.items() if place is not None]
    _BOX.update(connection, moved, ["department"], ["at", "position", "last_seen_us"])
    still = [(name, now) for name, place in places.items() if place is None]
    _SEEN.update(connection, still, ["department"], ["last_seen_us"])


def states(
    connection: Connection, now: datetime, *, stale_after: timedelta = STALE_AFTER
) -> dict[str, LinkState]:
    """All links that ever were up, by department."""
    found = {}
    for row in connection.execute(sa.select(tables.cursors).order_by(_table.department)):
        last_seen = from_microseconds(row.last_seen_us)
        up = row.connected_replica is not None and now - last_seen <= stale_after
        away = None if up else _away_since(row)
        found[row.department] = LinkState(row.department, up, last_seen, away, row.at, row.position)
    return found


def tell_silent(
    connection: Connection,
    now: datetime,
    silence: timedelta,
    office: str,
    expected: Collection[str],
) -> int:
    """Tell an office of links that are down for longer than `silence`, once for each absence.

    Args:
        connection: Inside the caller's transaction.
        now: The time.
        silence: How long a link may be down untold.
        office: Who is told.
        expected: Departments that should be there; of others nobody is told.

    Returns:
        How many alerts were raised.
    """
    alerts = []
    for state in states(connection, now).values():
        since = state.away_since
        if since is None or now - since < silence or state.department not in expected:
            continue
        # the mark names department and absence: with the addressee that is what fires once
        mark = f"{state.department} {microseconds(since)}"
        fires_at = microseconds(since + silence)
        alerts.append((LINK_DOWN, office, state.department, mark, fires_at, microseconds(now)))
    return _ALERTS.upsert(connection, alerts, _ONCE)


def _away_since(row: Any) -> datetime:
    # a replica that was killed left no end: the last sign of life stands for it
    at = row.last_seen_us if row.disconnected_us is None else row.disconnected_us
    return from_microseconds(at)


def _update(
    connection: Connection, department: str, values: Mapping[str, Any], *conditions: sa.ColumnElement[bool]
) -> int:
    statement = sa.update(tables.cursors).where(_table.department == department, *conditions).values(values)
    return connection.execute(statement).rowcount
