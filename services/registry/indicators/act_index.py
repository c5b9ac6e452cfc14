"""The index over acts that indicators read, written after admission and beside it.

Admission is not made slower by what is counted later: this index follows the ledger, a group at a time and at
most a few groups a second, on whichever replica is first. A row says of an act what its header says, and of
its place in the case who had acted before and whether the case began or ended with it: a pure function of the
ledger, so that the index can be dropped and made again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record, fetch
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.registry import tables
from services.registry.case_overview import parse_act

GROUP: Final = 500
"""Positions in one transaction: some 30 ms."""
PAUSE: Final = timedelta(seconds=1)
"""Between two looks, so that a stream of letters is indexed in groups."""
POLL: Final = timedelta(seconds=30)
"""The longest sleep: what another replica began and left is seen after it."""

_ROWS: Final = Bulk(tables.act_index)
_AUTHORS: Final = Bulk(tables.act_index, ["case_id", "author", "before"])
_END: Final = Bulk(tables.act_index_end)
_ledger: Final = tables.ledger.alias("act")
_other: Final = tables.ledger.alias("other")

_PREVIOUS: Final = (
    sa.select(_other.c.position)
    .where(
        _other.c.case_id == _ledger.c.case_id,
        _other.c.position < sa.bindparam("begin"),
        _other.c.kind == "act",
    )
    .order_by(_other.c.position.desc())
    .limit(1)
    .scalar_subquery()
)
_ACTS: Final = (
    sa.select(
        _ledger.c.position,
        _ledger.c.case_id,
        _ledger.c.author,
        _ledger.c.header,
        _ledger.c.common_version,
        _ledger.c.admitted_at_us,
        _PREVIOUS.label("previous"),
    )
    .where(
        _ledger.c.position >= sa.bindparam("begin"),
        _ledger.c.position < sa.bindparam("end"),
        _ledger.c.kind == "act",
    )
    .order_by(_ledger.c.position)
)

_log = structlog.get_logger(__name__)


class ActIndexer:
    """Follows the ledger with the index.

    Args:
        database: The registry's database.
        directory: Gives the newest directory.
        group: Positions in one transaction.
    """

    def __init__(self, database: Database, directory: Callable[[], Directory], *, group: int = GROUP) -> None:
        self._database = database
        self._directory = directory
        self._group = group

    async def run(self, woken: asyncio.Event) -> None:
        """Follow until cancelled; `woken` is set when the ledger grows."""
        while True:
            woken.clear()
            try:
                # group by group, so that a cancelled indexer stops
                while await asyncio.to_thread(self.index_group):
                    pass
            except LiandongError:
                _log.warning("act_index.failed", exc_info=True)
            await asyncio.sleep(PAUSE.total_seconds())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL.total_seconds()):
                    await woken.wait()

    def catch_up(self) -> None:
        """Index all that this replica's directory can read.

        Raises:
            LiandongError: The database is busy, gone or failing; what was indexed stays.
        """
        while self.index_group():
            pass

    def index_group(self) -> bool:
        """One transaction; whether there may be more to do.

        Raises:
            LiandongError: The database is busy, gone or failing; nothing was kept.
        """
        directory = self._directory()
        return self._database.write(lambda connection: self._index(connection, directory))

    def _index(self, connection: Connection, directory: Directory) -> bool:
        begin = _claim(connection)
        size = connection.execute(sa.select(tables.ledger_head.c.size)).scalar() or 0
        if begin is None or begin >= size:
            return False
        end = min(begin + self._group, size)
        acts = connection.execute(_ACTS, {"begin": begin, "end": end}).all()
        # of each case its last act in the index says who had acted before: nobody walks over the case
        last = _last_authors(connection, {each.previous for each in acts if each.previous is not None})
        rows: list[Record] = []
        for row in acts:
            if row.common_version > directory.version:
                # another replica is ahead: what it judged by comes here in a moment
                end = row.position
                break
            author, before = last.get(row.case_id, ("", ""))
            if author != row.author:
                before = author
            rows.append(indexed(row, before, not author, directory))
            last[row.case_id] = row.author, before
        _ROWS.upsert(connection, rows, ["position"])
        _END.update(connection, [(1, end)], ["id"], ["position"])
        return begin < end < size


def _last_authors(connection: Connection, positions: Iterable[int]) -> dict[str, tuple[str, str]]:
    """Of the cases of indexed acts: the act's author, and who had acted before."""
    (rows,) = fetch(connection, _AUTHORS.query_in(connection, "position", positions))
    return {case_id: (author, before) for case_id, author, before in rows}


def indexed(row: Any, before: str, opens: bool, directory: Directory) -> Record:
    """The row of an act, in the order of the columns of `tables.act_index`.

    Args:
        row: position, case_id, author, header, admitted_at_us.
        before: Author of the case's last act before by another; empty if there is none.
        opens: Whether it is the first act of its case.
        directory: Knows the act's procedure.
    """
    _, content = parse_act(row.header)
    procedure = directory.law.procedure(content.procedure, content.procedure_version)
    act = procedure.acts.get(content.act) if procedure else None
    closes = procedure is not None and act is not None and act.becomes in procedure.final
    return (
        row.position, row.case_id, content.procedure, content.act, row.author, before,
        opens, closes, content.item_code, content.area_code, content.outcome_code,
        row.admitted_at_us,
    )  # fmt: skip


def end_of(connection: Connection) -> int:
    """Acts below this position are indexed."""
    return connection.execute(sa.select(tables.act_index_end.c.position)).scalar() or 0


def _claim(connection: Connection) -> int | None:
    """How far the index is, its row locked; None while another replica holds it."""
    row = tables.act_index_end
    claimed = connection.execute(sa.select(row.c.position).with_for_update(skip_locked=True)).scalar()
    if claimed is None:
        # the first time: of two that begin at once the other's row is waited for, and then seen as held
        _END.upsert(connection, [(1, 0)], ["id"])
        claimed = connection.execute(sa.select(row.c.position).with_for_update(skip_locked=True)).scalar()
    return claimed
