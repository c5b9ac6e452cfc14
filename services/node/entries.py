"""The common entries that a department's database mirrors, followed as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2
from sqlalchemy import Connection

from services.exchange import tables
from services.exchange.department import Department
from services.exchange.directory_handlers import LedgeredEntry

_PAGE: Final = 200
_PAUSE_S: Final = 1.0
_LAST_VERSION: Final = 2**63 - 1  # more than a database can be asked for


async def follow(department: Department, from_version: int) -> AsyncIterator[LedgeredEntry]:
    """The entries from a version on, then each as it comes; never ends by itself."""
    version = min(from_version, _LAST_VERSION)
    while True:
        rows = await department.read(_page(version))
        for row in rows:
            yield LedgeredEntry(row.version, row.position, common_entry_pb2.CommonEntry.FromString(row.entry))
            version = row.version + 1
        while not rows and department.directory.version < version:  # noqa: ASYNC110 - a second is soon
            await asyncio.sleep(_PAUSE_S)


def _page(version: int) -> Callable[[Connection], list[Any]]:
    columns = tables.common_entries.c
    query = (
        sa.select(columns.version, columns.position, columns.entry)
        .where(columns.version >= version)
        .order_by(columns.version)
        .limit(_PAGE)
    )
    return lambda connection: list(connection.execute(query))
