"""Counts that are kept as letters come: added to in the transaction of what they count, read in place of counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Record, execute
from services.registry import tables
from services.registry.obligation_index import OPEN, STANDING

BUCKET: Final = 8_192
"""Ledger positions whose ended obligations are counted together."""


class Tally:
    """Counts by the key of a table.

    Args:
        table: Its key, and one column that counts.
    """

    def __init__(self, table: sa.Table) -> None:
        keys = [each.name for each in table.primary_key.columns]
        (count,) = [each.name for each in table.columns if each.name not in keys]
        columns = ", ".join((*keys, count))
        added = (
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {count} = {table.name}.{count} + excluded.{count}"
        )
        types = ["bigint" if isinstance(table.c[each].type, sa.Integer) else "text" for each in keys]
        arrays = ", ".join(f"%s::{each}[]" for each in (*types, "bigint"))
        into = f"INSERT INTO {table.name} ({columns})"
        self._postgresql = f"{into} SELECT * FROM unnest({arrays}) {added}"  # noqa: S608 - names of ours
        self._sqlite = f"{into} VALUES ({', '.join('?' * (len(keys) + 1))}) {added}"

    def add(self, connection: Connection, counts: Mapping[Any, int]) -> None:
        """Add to the counts of these keys."""
        rows = [(*key, count) for key, count in counts.items()]
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            execute(connection, self._postgresql, tuple([list(column) for column in zip(*rows, strict=True)]))
            return
        for row in rows:
            execute(connection, self._sqlite, row)


FLOWS: Final = Tally(tables.flows)
ENDED: Final = Tally(tables.ended_obligations)
_COLUMNS: Final = {column.name: index for index, column in enumerate(tables.obligations.columns)}
_KEY: Final = len(tables.obligations.primary_key.columns)


def ended(rows: Iterable[Record]) -> Counter[tuple[int, str, str, str]]:
    """What rows of obligations that one group writes add to `ENDED`: of several of one obligation the last counts.

    An obligation of a case ends once and is not written again. Standing duties are counted by their rows: there are
    few, and what opens one is no letter.
    """
    last = {row[:_KEY]: row for row in rows}
    version, state, position, procedure, owed_by = (
        _COLUMNS[name] for name in ("procedure_version", "state", "opened_position", "procedure", "owed_by")
    )
    return Counter(
        (row[position] // BUCKET, row[procedure], row[owed_by], row[state])
        for row in last.values()
        if row[state] != OPEN and row[version] != STANDING
    )
