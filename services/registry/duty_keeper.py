"""The index of standing duties: occurrences open when their time comes, and move when a rule or calendar does.

What is owed when is a function of the ledger (`procedures.duties`); the rows are an index over it, beside
those of obligations that letters opened, so that marks, oversight and figures treat both alike. One row
says how far the calendar was swept and by which entries open rows were computed. Holding its lock for a
short transaction is how replicas take turns; the key of a row is how what two of them open is one. After a
pause everything since is opened, a group at a time; of the marks that were missed each row fires the last
(`marks`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
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
from services.procedures.case import loads_obligation
from services.procedures.duties import Occurrence
from services.procedures.law import Law
from services.registry import tables
from services.registry.obligation_index import OPEN, STANDING, standing_row
from services.registry.oversight import position_at

GROUP: Final = 500
"""Rows in one transaction."""
POLL: Final = timedelta(seconds=30)
_AGAIN: Final = timedelta(days=1)
"""Swept anew each time: an entry may become known here after the instant from which it holds."""
_EVERY: Final = timedelta(hours=1)
"""So often it is swept though nothing seems to open."""

_KEY: Final = ("case_id", "rule", "ordinal")
_CHANGES: Final = ("due_at_us", "state", "ended_at_us", "next_mark", "next_mark_at_us", "facts")
_ROWS: Final = Bulk(tables.obligations)
_UPDATES: Final = Bulk(tables.obligations, [*_KEY, *_CHANGES])
_SWEEPS: Final = Bulk(tables.duty_sweeps)
_columns: Final = tables.obligations.c
_CHANGED: Final = tuple(tables.obligations.columns.keys().index(name) for name in (*_KEY, *_CHANGES))

_SWEPT: Final = sa.select(tables.duty_sweeps.c.swept_until_us, tables.duty_sweeps.c.common_version).where(
    tables.duty_sweeps.c.id == 1
)

_log = structlog.get_logger(__name__)


class Swept(NamedTuple):
    """What one transaction did: rows opened, rows moved or lapsed, and whether there is more to do now."""

    opened: int
    moved: int
    more: bool


class DutyKeeper:
    """Keeps the index of standing duties.

    Args:
        database: The registry's.
        directory: Gives the newest directory.
        clock: The time.
        group: Rows in one transaction.
        poll: The longest sleep.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        group: int = GROUP,
        poll: timedelta = POLL,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._group = group
        self._poll_s = poll.total_seconds()

    async def run(self, woken: asyncio.Event) -> None:
        """Keep it until cancelled; `woken` is set after commits, and an entry among them ends a sleep early."""
        while True:
            version = self._directory().version
            try:
                while (await asyncio.to_thread(self.sweep)).more:
                    pass
            except LiandongError:
                _log.warning("duties.failed", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    while self._directory().version == version:
                        await woken.wait()
                        woken.clear()

    def sweep(self) -> Swept:
        """One transaction: open what is to be opened, then move what a new entry moved.

        Raises:
            LiandongError: The database is busy, gone or failing; nothing was kept.
        """
        directory, now = self._directory(), self._clock.now()
        standing = directory.law.standing
        if not standing.duties:
            return Swept(0, 0, more=False)
        seen = self._database.read(lambda connection: connection.execute(_SWEPT).first())
        if seen is not None and seen.common_version == directory.version:
            until = from_microseconds(seen.swept_until_us)
            if now - until < _EVERY and not standing.opening(until, now):
                return Swept(0, 0, more=False)
        return self._database.write(lambda connection: self._sweep(connection, directory, now))

    def _sweep(self, connection: Connection, directory: Directory, now: datetime) -> Swept:
        _SWEEPS.upsert(connection, [(1, 0, 0)], ["id"])
        until_us, version = connection.execute(_SWEPT.with_for_update()).one()
        if version > directory.version:
            # another replica knows more: it does the work
            return Swept(0, 0, more=False)
        until = from_microseconds(until_us)
        left_at, rows = self._opened(connection, directory.law, until - _AGAIN if until_us else until, now)
        opened = _ROWS.upsert(connection, rows, _KEY)
        if left_at is not None:
            self._note(connection, left_at, version)
            return Swept(opened, 0, more=True)
        moved, complete = 0, True
        if version < directory.version:
            moved, complete = self._move(connection, directory.law, now)
        self._note(connection, now, directory.version if complete else version)
        return Swept(opened, moved, more=False)

    def _note(self, connection: Connection, until: datetime, version: int) -> None:
        _SWEEPS.upsert(
            connection, [(1, microseconds(until), version)], ["id"], ["swept_until_us", "common_version"]
        )

    def _opened(
        self, connection: Connection, law: Law, after: datetime, now: datetime
    ) -> tuple[datetime | None, list[Record]]:
        """Rows that are missing; and where they are more than a group, the instant before which none is."""
        calendar = law.calendar(law.registry)
        rows: list[Record] = []
        new = 0
        for occurrence in law.standing.opening(after, now):
            if new >= self._group:
                return occurrence.opens_at, rows
            there = _there(connection, occurrence)
            missing = [owner for owner in occurrence.owners if owner not in there]
            position = position_at(connection, occurrence.opens_at) if missing else 0
            rows += [
                standing_row(occurrence.as_obligation(owner, calendar, position), occurrence.rule, calendar)
                for owner in missing
            ]
            new += len(missing)
        return None, rows

    def _move(self, connection: Connection, law: Law, now: datetime) -> tuple[int, bool]:
        """Compute every open row anew; returns how many changed, and whether all could be held."""
        is_open = sa.and_(_columns.procedure_version == STANDING, _columns.state == OPEN)
        wanted = connection.execute(sa.select(sa.func.count()).where(is_open)).scalar_one()
        # skipped, not waited for: admission locks rows in the order of its letters
        held = connection.execute(
            sa.select(tables.obligations).where(is_open).with_for_update(skip_locked=True)
        ).all()
        changed: list[Record] = []
        for row in held:
            after = _anew(row, law, now)
            if after is not None and tuple(after[at] for at in _CHANGED) != tuple(row[at] for at in _CHANGED):
                changed.append(tuple(after[at] for at in _CHANGED))
        _UPDATES.update(connection, changed, _KEY, _CHANGES)
        return len(changed), len(held) >= wanted


def _there(connection: Connection, occurrence: Occurrence) -> set[str]:
    """Owners whose row is there, open or ended."""
    rows = connection.execute(
        sa.select(_columns.owed_by).where(
            _columns.rule == occurrence.rule.id,
            _columns.ordinal == occurrence.period,
            _columns.procedure_version == STANDING,
            _columns.case_id.in_([occurrence.key(owner) for owner in occurrence.owners]),
        )
    )
    return set(rows.scalars())


def _anew(row: Any, law: Law, now: datetime) -> Record | None:
    """An open row as it is to be now; None while its duty is not known here."""
    obligation = loads_obligation(row.case_id, row.facts)
    occurrence = law.standing.occurrence(row.rule, row.ordinal)
    calendar = law.calendar(law.registry)
    if occurrence is not None and row.owed_by in occurrence.owners:
        fresh = occurrence.as_obligation(row.owed_by, calendar, obligation.opened_position)
        return standing_row(fresh, occurrence.rule, calendar)
    known = law.standing.newest(row.rule)
    return None if known is None else standing_row(replace(obligation, lapsed_at=now), known, calendar)
