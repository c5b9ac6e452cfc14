"""CodeService, as the registry serves it and every node mirrors it from the same entries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any, Final

import grpc.aio
from liandong.directory.v1 import code_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as entries
from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.common.permissions import ANY, PermissionTable, Rule
from services.exchange import code_store, codes
from services.exchange.directory import Directory
from services.procedures.calendar import ZONE

_METHODS: Final = ("ListTables", "GetCode", "SearchCodes")
_SERVICE: Final = "/liandong.directory.v1.CodeService"
_FOUND: Final = 20

REGISTRY_RULES: Final[PermissionTable] = {
    f"{_SERVICE}/{method}": Rule(kinds=frozenset({ANY})) for method in _METHODS
}
"""At the registry everyone with a certificate reads: codes are public."""

NODE_RULES: Final[PermissionTable] = {
    f"{_SERVICE}/{method}": Rule(kinds=frozenset({ANY}), same_department=True) for method in _METHODS
}
"""At a node its own department reads."""

Context = grpc.aio.ServicerContext[Any, Any]


class CodeHandlers:
    """Code tables on the wire.

    Args:
        current: The newest directory.
        database: Where the rows are.
        clock: For what may be used today.
    """

    def __init__(self, current: Callable[[], Directory], database: Database, clock: Clock) -> None:
        self._current = current
        self._database = database
        self._clock = clock

    async def ListTables(self, _request: pb.ListTablesRequest, _context: Context) -> pb.ListTablesResponse:
        """The tables in force."""
        directory = self._current()
        tables = directory.codes
        response = pb.ListTablesResponse(common_version=directory.version)
        for name, each in sorted(tables.in_force.items()):
            coming = tables.coming.get(name)
            response.tables.add(
                name=name,
                version=each.version,
                title=each.title,
                source=each.source,
                uses=[
                    entries.CodeUse(procedure=procedure, field=field)
                    for procedure, field in sorted(each.uses)
                ],
                rows=each.rows,
                digest=each.digest,
                coming=coming.version if coming else 0,
            )
        return response

    async def GetCode(self, request: pb.GetCodeRequest, _context: Context) -> pb.GetCodeResponse:
        """One code, retired ones too, with those above it."""
        table = self._table(request.table)
        key = (table.name, request.version or table.version)
        if key[1] > table.version:
            raise NotFound(f"{table.name} version {table.version} is in force.", field="version")

        def work(connection: Connection) -> pb.GetCodeResponse:
            row = code_store.find(connection, key, [request.code]).get(request.code)
            if row is None:
                raise NotFound(f"{table.name} has no code {request.code}.", field="code")
            view = self._view(*key, row)
            return pb.GetCodeResponse(code=view, above=code_store.above(connection, key, row))

        return await asyncio.to_thread(self._database.read, work)

    async def SearchCodes(self, request: pb.SearchCodesRequest, _context: Context) -> pb.SearchCodesResponse:
        """Codes by words, or in order."""
        size = request.page_size or _FOUND
        if not request.query.strip():
            return await asyncio.to_thread(
                self._database.read, lambda link: self._browse(link, request, size)
            )
        if request.page_token:
            raise InvalidField("A query has one page.", field="page_token")
        tables = (
            [self._table(request.table)] if request.table else list(self._current().codes.in_force.values())
        )
        day = None if request.include_retired else self._today()
        found = await asyncio.to_thread(
            self._database.read,
            lambda connection: code_store.search(
                connection, tables, request.query, parent=request.parent, usable_on=day, limit=size
            ),
        )
        return pb.SearchCodesResponse(
            codes=[self._view(table.name, table.version, row) for table, row in found]
        )

    def _browse(
        self, connection: Connection, request: pb.SearchCodesRequest, size: int
    ) -> pb.SearchCodesResponse:
        if not request.table:
            raise InvalidField("Without a query a table is named.", field="table")
        table, day = self._table(request.table), self._today()
        response, after = pb.SearchCodesResponse(), request.page_token
        while len(response.codes) <= size:
            rows = code_store.browse(connection, table, request.parent or None, after, size + 1)
            for row in rows:
                if request.include_retired or codes.usable(row, day):
                    response.codes.append(self._view(table.name, table.version, row))
            if len(rows) <= size:
                break
            after = rows[-1].code
        if len(response.codes) > size:
            del response.codes[size:]
            response.next_page_token = response.codes[-1].row.code
        return response

    def _table(self, name: str) -> codes.Heading:
        table = self._current().codes.in_force.get(name)
        if table is None:
            raise NotFound(f"No code table {name} is in force.", field="table")
        return table

    def _view(self, table: str, version: int, row: entries.CodeRow) -> pb.CodeView:
        return pb.CodeView(table=table, version=version, row=row, usable=codes.usable(row, self._today()))

    def _today(self) -> date:
        return self._clock.now().astimezone(ZONE).date()
