"""Months are frozen: once, as they stand when the month is over and the delay has passed, and never again.

A frozen month names the ledger that it was computed of, size and root, so that anyone who holds that ledger
can compute it again (`replay`). Whatever is corrected later shows as a difference between the frozen and the live
figures; the frozen row is written once and no statement changes it.

Any number of processes may freeze: each looks for the first month that is not frozen, computes it in one
reading transaction, and writes it under its key, which the first of them gets. A process that is killed has
written all or nothing, and the months that were missed meanwhile are frozen one by one at the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.common.clock import Clock, from_microseconds, microseconds
from services.common.db import Database
from services.common.errors import LiandongError, NotFound, Unavailable
from services.exchange.directory import Directory
from services.registry import ledger, tables
from services.registry.indicators import act_index, queries
from services.registry.indicators.act_index import ActIndexer
from services.registry.indicators.amounts import Measured, dumps, loads
from services.registry.indicators.catalogue import Catalogue
from services.registry.indicators.live import measure
from services.registry.indicators.periods import Month
from services.registry.recompute import Recomputation
from services.registry.replica import catch_up

POLL: Final = timedelta(minutes=10)
"""The longest sleep: what another process froze or a clock that was set is seen after it."""
_RETRY: Final = timedelta(minutes=1)
_ATTEMPTS: Final = 5

_MONTHS: Final = Bulk(tables.frozen_months)
_table: Final = tables.frozen_months.c
_ABOUT: Final = tuple(each for each in tables.frozen_months.columns if each.name != "content")

_log = structlog.get_logger(__name__)


class NotFrozen(NotFound):
    """The month is not frozen yet."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen month, and the ledger that it was computed of."""

    month: Month
    log_id: str
    epoch: int
    size: int
    root: bytes
    common_version: int
    frozen_at: datetime
    digest: bytes


class Freezer:
    """Freezes every month that is over.

    Args:
        database: The registry's database.
        directory: Gives the newest directory of this replica.
        catalogue: The indicators.
        clock: The time.
        delay: How long after its end a month is frozen.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        catalogue: Catalogue,
        clock: Clock,
        *,
        delay: timedelta,
    ) -> None:
        self._database = database
        self._directory = directory
        self._catalogue = catalogue
        self._clock = clock
        self._delay = delay
        self._indexer = ActIndexer(database, directory)
        self._recomputation = Recomputation(database, directory)

    async def run(self) -> None:
        """Freeze until cancelled."""
        while True:
            pause = POLL
            try:
                # month by month, so that a cancelled freezer stops
                while await asyncio.to_thread(self.freeze_next) is not None:
                    pass
            except LiandongError:
                _log.warning("freeze.failed", exc_info=True)
                pause = _RETRY
            await asyncio.sleep(pause.total_seconds())

    def freeze_due(self) -> list[Month]:
        """Freeze all months that are over; returns those that this call froze, or found frozen meanwhile."""
        found = []
        while (month := self.freeze_next()) is not None:
            found.append(month)
        return found

    def freeze_next(self) -> Month | None:
        """Freeze the first month that is not; None if there is none whose time has come.

        Raises:
            LiandongError: The database is busy, gone or failing, or this replica lags behind; try again.
        """
        month = self._database.read(_first_missing)
        if month is None or self._clock.now() < month.end + self._delay:
            return None
        if self._database.read(ledger.read_head).held_since_us is not None:
            # restored, perhaps of an older copy: what nodes still hold of the month is to come in again first
            return None
        row = self._computed(month)
        written = self._database.write(lambda connection: _MONTHS.upsert(connection, [row], ["month"]))
        if written:
            _log.info("freeze.frozen", month=str(month), size=row[3])
        return month

    def _computed(self, month: Month) -> Record:
        for _ in range(_ATTEMPTS):
            self._indexer.catch_up()
            calendar = _calendar(self._directory())
            # due times of open obligations are an index that may lag behind a calendar: it is brought up first
            self._recomputation.run()
            row = self._database.read(partial(self._row, month, calendar))
            if row is not None:
                return row
        raise Unavailable("The ledger grows by calendars or faster than it is indexed; it is tried again.")

    def _row(self, month: Month, calendar: object, connection: Connection) -> Record | None:
        head = ledger.read_head(connection)
        # the directory is taken first, so that it is of this head or an earlier one
        directory, _ = catch_up(connection, self._directory(), head)
        if directory.version != head.common_version or _calendar(directory) != calendar:
            return None
        seen = queries.window(
            connection,
            month.period.begin_us,
            month.period.end_us,
            {name for name, _ in directory.law.procedures},
        )
        if act_index.end_of(connection) < seen.last:
            return None
        indicators = tuple(self._catalogue.indicators.values())
        given = measure(connection, indicators, self._catalogue, seen, directory)
        content = dumps(given, self._catalogue.text)
        return (
            month.number, head.log_id, head.epoch, head.size, head.edge.root, head.common_version,
            microseconds(self._clock.now()), sha256(content).digest(), content,
        )  # fmt: skip


def list_frozen(connection: Connection, before: int | None, limit: int) -> list[Frozen]:
    """The newest frozen months below a month's number."""
    statement = sa.select(*_ABOUT).order_by(_table.month.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_table.month < before)
    return [_frozen(row) for row in connection.execute(statement)]


def get_frozen(connection: Connection, month: Month) -> tuple[Frozen, bytes]:
    """A frozen month and its content.

    Raises:
        NotFrozen: There is none.
    """
    row = connection.execute(sa.select(tables.frozen_months).where(_table.month == month.number)).first()
    if row is None:
        raise NotFrozen(f"The month {month} is not frozen yet.", field="month")
    return _frozen(row), row.content


def read_frozen(connection: Connection, months: Sequence[Month]) -> dict[Month, Measured]:
    """What was measured in these months, as far as they are frozen."""
    numbers = [month.number for month in months]
    rows = connection.execute(
        sa.select(_table.month, _table.content).where(_table.month.in_(numbers)).order_by(_table.month)
    )
    return {Month.numbered(number): loads(content) for number, content in rows}


def _first_missing(connection: Connection) -> Month | None:
    newest = connection.execute(sa.select(sa.func.max(_table.month))).scalar()
    if newest is not None:
        return Month.numbered(newest).shifted(1)
    first = connection.execute(
        sa.select(tables.ledger.c.admitted_at_us).where(tables.ledger.c.position == 0)
    ).scalar()
    return None if first is None else Month.at(from_microseconds(first))


def _calendar(directory: Directory) -> object:
    return directory.law.calendar(directory.law.registry)


def _frozen(row: Any) -> Frozen:
    return Frozen(
        Month.numbered(row.month),
        row.log_id,
        row.epoch,
        row.size,
        row.root,
        row.common_version,
        from_microseconds(row.frozen_at_us),
        row.digest,
    )
