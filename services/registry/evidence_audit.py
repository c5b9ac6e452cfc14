"""Who used which evidence, written down on the registry."""

from __future__ import annotations

from typing import Final

from services.common.bulk import Bulk
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.exchange.evidence_access import EvidenceUse
from services.registry import tables

_USES: Final = Bulk(
    tables.evidence_uses, ["at_us", "department", "serial", "action", "root", "holder", "chunk_index"]
)


class EvidenceAudit:
    """Writes uses of evidence down.

    Args:
        database: The registry's.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, use: EvidenceUse) -> None:
        """Write one use down; blocks."""
        row = (
            microseconds(self._clock.now()), use.caller.department, use.caller.serial, use.action, use.root,
            use.holder, use.index,
        )  # fmt: skip
        self._database.write(lambda connection: _USES.insert(connection, [row]))
