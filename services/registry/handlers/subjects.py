"""SubjectIndexService: wire to queries, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from liandong.oversight.v1 import subject_index_service_pb2 as pb
from sqlalchemy import Connection

from services.common.caller import caller
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import PermissionDenied
from services.exchange.directory import Directory
from services.registry import subject_index
from services.registry.rate_limit import RateLimit

Context = grpc.aio.ServicerContext[Any, Any]

_BURST: Final = 200
_PER_SECOND: Final = 5.0


class SubjectIndexHandlers:
    """Open cases elsewhere.

    Args:
        database: The registry's.
        directory: The newest.
        clock: The time.
        limit: How often one department may ask: as often as its people draft, not as often as a list is tried.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        limit: RateLimit | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._limit = limit or RateLimit(_BURST, _PER_SECOND)

    async def FindOpenCases(
        self, request: pb.FindOpenCasesRequest, _context: Context
    ) -> pb.FindOpenCasesResponse:
        """Departments with an open case about a subject."""
        asker, now = caller(), self._clock.now()
        directory = self._directory()
        if not directory.active(asker.department):
            raise PermissionDenied("Only active members are told of each other's cases.")
        self._limit.take(asker.department, now)
        tokens = list(request.tokens)

        def work(connection: Connection) -> list[subject_index.Elsewhere]:
            found = subject_index.open_cases(connection, asker.department, tokens, directory)
            subject_index.write_down(connection, asker, tokens, len(found), microseconds(now))
            return found

        found = await asyncio.to_thread(self._database.write, work)
        return pb.FindOpenCasesResponse(cases=[pb.OpenCase(**each._asdict()) for each in found])
