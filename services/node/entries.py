"""The common entries that a department's database mirrors, followed as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2

from services.exchange import tables
from services.exchange.department import Department
from services.exchange.directory_handlers import LedgeredEntry

_PAGE = 200
_PAUSE_S = 1.0


async def follow(department: Department, from_version: int) -> AsyncIterator[LedgeredEntry]:
    """The entries from a version on, then each as it comes; never ends by itself."""
    version = from_version
    while True:
        columns = tables.common_entries.c
        query = (
            sa.select(columns.version, columns.position, columns.entry)
            .where(columns.version >= version)
            .order_by(columns.version)
            .limit(_PAGE)
        )
        rows = await department.read(lambda connection, query=query: connection.execute(query).all())
        for row in rows:
            yield LedgeredEntry(row.version, row.position, common_entry_pb2.CommonEntry.FromString(row.entry))
            version = row.version + 1
        while not rows and department.directory.version < version:
            await asyncio.sleep(_PAUSE_S)
