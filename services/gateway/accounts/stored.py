"""What the parts of the accounts share: the gateway's store, the clock, the audit."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.gateway.audit import Audit

T = TypeVar("T")

SECRET_BYTES: Final = 32
SEEN_EVERY: Final = timedelta(minutes=1)
"""That something was used is written at most so often."""


class Stored:
    """A part that keeps something in the gateway's store.

    Args:
        database: The gateway's own.
        clock: The time.
        audit: Where it is noted; one of its own if none is given.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit | None = None) -> None:
        self._database = database
        self._clock = clock
        self.audit = audit or Audit(database, clock)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)


def digest_of(secret: str) -> bytes:
    """What is stored of 32 random bytes that somebody holds."""
    return hashlib.sha256(secret.encode()).digest()
