"""Open obligations are indexed anew when a calendar comes (docs/oversight.md).

Only a calendar moves what is open: a case keeps the limits it opened under, and an outage excuses a letter
when it is judged. The work is off admission's way: groups are read without a lock, and only rows that
really move are written, each only if it still holds the facts that were read. Whoever changed a row
meanwhile knew the newer calendar, since admission follows the ledger, and wins. A row that another
transaction holds is left for the next pass; passes repeat until one finds nothing to move. So it may be
killed at any point and run again, on any replica or on several at once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import microseconds
from services.common.db import Database
from services.exchange.directory import Directory
from services.procedures.calendar import ZONE, Calendar, CalendarYear
from services.registry import tables
from services.registry.obligation_index import OPEN, STANDING, Indexed, from_row, indexed

GROUP: Final = 500
PASSES: Final = 20
_BETWEEN_GROUPS: Final = timedelta(milliseconds=2)
_BETWEEN_PASSES: Final = timedelta(milliseconds=100)

_KEY: Final = ("case_id", "rule", "ordinal")
_SET: Final = ("due_at_us", "next_mark", "next_mark_at_us")
_ROWS: Final = Bulk(tables.obligations, [*_KEY, *_SET])
_FIRED: Final = Bulk(tables.alerts, ["case_id", "rule", "ordinal", "mark"])
_table: Final = tables.obligations.c
_ORDER: Final = (_table.due_at_us, _table.case_id, _table.rule, _table.ordinal)

_log = structlog.get_logger(__name__)


class _Moved(NamedTuple):
    key: tuple[str, str, int]
    facts: bytes
    to: Indexed


def touched_from(old: Calendar, new: Calendar) -> datetime | None:
    """From which due time on a change of the calendar can move anything; None if it changes nothing.

    A count reads no date after its last, so a notice for a year moves only what was due in it or later.
    """
    if (old.close_of_business, old.d_rolls) != (new.close_of_business, new.d_rolls):
        return datetime.min.replace(year=1970, tzinfo=ZONE)
    years = [each.year for each in _latest(new) - _latest(old)]
    return datetime.combine(date(min(years), 1, 1), datetime.min.time(), ZONE) if years else None


class Recomputation:
    """Brings the index of open obligations up to the newest calendar.

    Args:
        database: The registry's database.
        directory: Gives the newest directory.
        group: Rows read at once, and at most written at once.
    """

    def __init__(self, database: Database, directory: Callable[[], Directory], *, group: int = GROUP) -> None:
        self._database = database
        self._directory = directory
        self._group = group

    def after(self, old: Calendar, new: Calendar) -> int:
        """Move what a change of the calendar touches; returns how many rows moved.

        Raises:
            LiandongError: The database is busy, gone or failing; run it again, `run` will do.
        """
        since = touched_from(old, new)
        return 0 if since is None else self.run(since)

    def run(self, due_from: datetime | None = None) -> int:
        """Move every open obligation that is due from then on; all of them by default, as at start.

        Raises:
            LiandongError: The database is busy, gone or failing; run it again.
        """
        moved = 0
        for _ in range(PASSES):
            found, written = self.one_pass(due_from)
            moved += written
            if not found:
                return moved
            time.sleep(_BETWEEN_PASSES.total_seconds())
        _log.warning("recompute.unfinished", moved=moved)
        return moved

    def one_pass(self, due_from: datetime | None = None) -> tuple[int, int]:
        """Look at each open obligation once; returns how many had to move and how many could."""
        found = written = 0
        for procedure in sorted({name for name, _ in self._directory().law.procedures}):
            for rows in self._groups(procedure, 0 if due_from is None else microseconds(due_from)):
                moves = self._moves(rows)
                found += len(moves)
                written += self._write(moves) if moves else 0
                time.sleep(_BETWEEN_GROUPS.total_seconds())
        return found, written

    def _groups(self, procedure: str, due_from_us: int) -> Iterator[Sequence[Any]]:
        """The open obligations of a procedure by due time, a group at a time."""
        after: tuple[int, str, str, int] = (due_from_us, "", "", 0)
        while True:
            statement = (
                sa.select(tables.obligations)
                # standing duties are moved by `duty_keeper`
                .where(
                    _table.procedure == procedure, _table.state == OPEN, _table.procedure_version != STANDING
                )
                .where(sa.tuple_(*_ORDER) > sa.tuple_(*map(sa.literal, after)))
                .order_by(*_ORDER)
                .limit(self._group)
            )
            rows = self._database.read(partial(_all, statement))
            if rows:
                yield rows
            if len(rows) < self._group:
                return
            last = rows[-1]
            after = (last.due_at_us, last.case_id, last.rule, last.ordinal)

    def _moves(self, rows: Sequence[Any]) -> list[_Moved]:
        law = self._directory().law
        calendar = law.calendar(law.registry)
        fired = self._database.read(lambda connection: _fired(connection, rows))
        moves = []
        for row in rows:
            key = (row.case_id, row.rule, row.ordinal)
            try:
                rule = law.procedures[row.procedure, row.procedure_version].obligations[row.rule]
                to = indexed(from_row(row), rule, calendar, fired[key])
            except (LookupError, ValueError):
                # one row that cannot be read must not keep the others where they are
                _log.exception("recompute.unreadable", case_id=row.case_id, rule=row.rule)
                continue
            if (row.due_at_us, row.next_mark, row.next_mark_at_us) != to:
                moves.append(_Moved(key, row.facts, to))
        return moves

    def _write(self, moves: Sequence[_Moved]) -> int:
        return self._database.write(lambda connection: _write(connection, moves))


def _all(statement: sa.Select[Any], connection: Connection) -> Sequence[Any]:
    return connection.execute(statement).all()


def _latest(calendar: Calendar) -> set[CalendarYear]:
    return set({each.year: each for each in calendar.entries}.values())


def _fired(connection: Connection, rows: Sequence[Any]) -> defaultdict[tuple[str, str, int], set[str]]:
    fired: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)
    for alert in _FIRED.select_in(connection, "case_id", {row.case_id for row in rows}):
        fired[alert.case_id, alert.rule, alert.ordinal].add(alert.mark)
    return fired


def _write(connection: Connection, moves: Sequence[_Moved]) -> int:
    """Write the moves whose row is free and still holds the facts that were read."""
    keys = [move.key for move in moves]
    held = connection.execute(
        # skipped, not waited for: admission locks rows in the order of its letters, not of this index
        sa.select(*(_table[name] for name in (*_KEY, "state", "facts")))
        .where(sa.tuple_(*(_table[name] for name in _KEY)).in_(keys))
        .with_for_update(skip_locked=True)
    )
    facts = {(row.case_id, row.rule, row.ordinal): row.facts for row in held if row.state == OPEN}
    rows = [(*move.key, *move.to) for move in moves if facts.get(move.key) == move.facts]
    return _ROWS.update(connection, rows, _KEY, _SET)
