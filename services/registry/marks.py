"""Marks fire: owners are reminded, their leaders warned, the mechanism's office is told (docs/oversight.md).

The index of next marks says which obligations to look at, nothing more. What fires is computed anew from
the facts and the newest calendar, and what has fired is known by the alerts: they are written in the same
transaction that moves the index on, so whatever is killed, repeated or recomputed, a mark of an obligation
fires once. Replicas share the work: each takes rows that no other holds, a group at a time, and holds them
for one short transaction, so that admission never waits long for an escalation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.common.clock import Clock, from_microseconds, microseconds
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.procedures.calendar import Calendar
from services.procedures.case import loads_obligation
from services.procedures.obligation import Obligation
from services.registry import tables
from services.registry.obligation_index import STANDING, MarkAt, rule_of, schedule

REMIND: Final = "REMIND"
WARN_LEADER: Final = "WARN_LEADER"
TELL_OFFICE: Final = "TELL_OFFICE"
PROPOSE_SUPERVISION: Final = "PROPOSE_SUPERVISION"

GROUP: Final = 500
"""Obligations in one transaction: some 50 ms, which is the longest that admission waits for a row."""
POLL: Final = timedelta(seconds=10)
"""The longest sleep: obligations that another replica admitted meanwhile are seen after it."""
_AT_LEAST: Final = timedelta(milliseconds=100)
_RETRY_LATER: Final = timedelta(minutes=1)

_KINDS: Final = {
    "remind": REMIND,
    "warn-leader": WARN_LEADER,
    "tell-office": TELL_OFFICE,
    "propose-supervision": PROPOSE_SUPERVISION,
}
_TO_OWNER: Final = frozenset({REMIND, WARN_LEADER})
_ONCE: Final = ("case_id", "rule", "ordinal", "mark", "kind", "addressee")
_ALERTS: Final = Bulk(
    tables.alerts,
    ["kind", "addressee", "subject_department", "procedure", *_ONCE[:4], "fires_at_us", "fired_at_us"],
)
_FIRED: Final = Bulk(tables.alerts, ["case_id", "rule", "ordinal", "mark", "kind"])
_KEY: Final = ("case_id", "rule", "ordinal")
_NEXT: Final = ("next_mark", "next_mark_at_us")
_OBLIGATIONS: Final = Bulk(tables.obligations, [*_KEY, *_NEXT])

_table: Final = tables.obligations.c
_DUE: Final = (
    sa.select(
        _table.case_id, _table.rule, _table.ordinal, _table.procedure, _table.procedure_version, _table.facts
    )
    .where(_table.next_mark_at_us <= sa.bindparam("now"))
    .order_by(_table.next_mark_at_us)
    .limit(sa.bindparam("group"))
    .with_for_update(skip_locked=True)
)
_EARLIEST: Final = sa.select(sa.func.min(_table.next_mark_at_us)).where(_table.next_mark_at_us.is_not(None))

_Key = tuple[str, str, int]

_log = structlog.get_logger(__name__)


class Fired(NamedTuple):
    """What one group did: obligations looked at, alerts raised."""

    obligations: int
    alerts: int


class MarkScheduler:
    """Fires marks when their time comes.

    Args:
        database: The registry's database.
        directory: Gives the newest directory: procedures, calendar, offices.
        clock: The time.
        group: Obligations in one transaction.
        poll: The longest sleep.
        on_alerts: Called after a commit that raised alerts, from whatever thread.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        group: int = GROUP,
        poll: timedelta = POLL,
        on_alerts: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._group = group
        self._poll = poll
        self._on_alerts = on_alerts

    async def run(self, wake: asyncio.Event) -> None:
        """Fire marks until cancelled; `wake` ends a sleep early."""
        while True:
            wake.clear()
            pause = self._poll
            try:
                # group by group, so that a cancelled scheduler stops, and admission's turn comes between
                while (await asyncio.to_thread(self.fire_group)).obligations >= self._group:
                    pass
                pause = await asyncio.to_thread(self._pause)
            except LiandongError:
                _log.warning("marks.failed", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await wake.wait()

    def fire_due(self) -> int:
        """Fire everything whose time has come; returns how many alerts were raised."""
        alerts = 0
        while True:
            fired = self.fire_group()
            alerts += fired.alerts
            if fired.obligations < self._group:
                return alerts

    def fire_group(self) -> Fired:
        """One transaction: at most `group` obligations whose next mark has come.

        Raises:
            LiandongError: The database is busy, gone or failing; nothing was kept.
        """
        directory, now = self._directory(), self._clock.now()
        fired = self._database.write(lambda connection: self._fire(connection, directory, now))
        if fired.alerts and self._on_alerts is not None:
            self._on_alerts()
        return fired

    def next_instant(self) -> datetime | None:
        """When the next mark comes; None while no obligation has one."""
        earliest = self._database.read(lambda connection: connection.execute(_EARLIEST).scalar())
        return None if earliest is None else from_microseconds(earliest)

    def _pause(self) -> timedelta:
        following = self.next_instant()
        if following is None:
            return self._poll
        # a mark whose time has come is being fired by another replica
        return max(_AT_LEAST, min(self._poll, following - self._clock.now()))

    def _fire(self, connection: Connection, directory: Directory, now: datetime) -> Fired:
        rows = connection.execute(_DUE, {"now": microseconds(now), "group": self._group}).all()
        if not rows:
            return Fired(0, 0)
        fired: defaultdict[_Key, set[tuple[str, str]]] = defaultdict(set)
        for alert in _FIRED.select_in(connection, "case_id", {row.case_id for row in rows}):
            fired[alert.case_id, alert.rule, alert.ordinal].add((alert.mark, alert.kind))
        law = directory.law
        calendar = law.calendar(law.registry)
        alerts: list[Record] = []
        moved: list[Record] = []
        for row in rows:
            key = (row.case_id, row.rule, row.ordinal)
            try:
                obligation, marks = _marks(row, directory, calendar)
                told = _newest(marks, now) if row.procedure_version == STANDING else marks
                alerts += _raised(row.procedure, obligation, told, now, directory, fired[key])
            except (LookupError, ValueError):
                # the directory of this replica may lag behind the one that admitted; one row that
                # cannot be read must not keep all others from firing
                _log.exception("marks.unreadable", case_id=row.case_id, rule=row.rule, ordinal=row.ordinal)
                moved.append((*key, None, microseconds(now + _RETRY_LATER)))
                continue
            following = next((each for each in marks if each.at > now), None)
            moved.append(
                (*key, following.mark.name, microseconds(following.at)) if following else (*key, None, None)
            )
        written = _ALERTS.upsert(connection, alerts, _ONCE)
        _OBLIGATIONS.update(connection, moved, _KEY, _NEXT)
        return Fired(len(rows), written)


def _marks(row: Any, directory: Directory, calendar: Calendar) -> tuple[Obligation, list[MarkAt]]:
    rule = rule_of(row, directory.law)
    obligation = loads_obligation(row.case_id, row.facts)
    return obligation, schedule(obligation, rule, calendar)


def _newest(marks: list[MarkAt], now: datetime) -> list[MarkAt]:
    """The last mark that has come, with those of the same instant.

    The calendar opens occurrences whether or not anybody is there to be told. After a long silence each says where
    it stands, once, and not all that should have been said meanwhile.
    """
    come = [each for each in marks if each.at <= now]
    return [each for each in come if each.at == come[-1].at]


def _raised(
    procedure: str,
    obligation: Obligation,
    marks: list[MarkAt],
    now: datetime,
    directory: Directory,
    fired: set[tuple[str, str]],
) -> list[Record]:
    """The alerts of all marks that have come and not fired; one that is told anew has another addressee."""
    alerts: list[Record] = []
    for at, mark in marks:
        if at > now:
            break
        for action in mark.actions:
            kind = _KINDS[action]
            # not left to the unique key: an office that moved meanwhile would be told again
            if (mark.name, kind) in fired:
                continue
            alerts.append(
                (
                    kind,
                    obligation.owed_by if kind in _TO_OWNER else _office(procedure, directory),
                    obligation.owed_by,
                    procedure,
                    obligation.case_id,
                    obligation.rule,
                    obligation.ordinal,
                    mark.name,
                    microseconds(at),
                    microseconds(now),
                )
            )
    return alerts


def _office(procedure: str, directory: Directory) -> str:
    # a mechanism without an office is told to the registry, whose operator sees to it
    return directory.office(procedure) or directory.law.registry
