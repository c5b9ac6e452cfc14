"""Officers' certificates that end soon: department and office are warned 60, 30 and 7 days before, once each (M13).

What is to be told is computed from the directory; what was told is known by the alerts, whose key names the
certificate and the day on which it ends. So a renewal ends the warnings, and the next end brings new ones;
any number of replicas may look, at any time; and after a pause the last mark that came is told, not all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.exchange.officers import newest_mark
from services.exchange.trust import moment
from services.procedures.calendar import ZONE
from services.registry import tables
from services.registry.link_watch import MECHANISM

CERTIFICATE: Final = "CERTIFICATE"
POLL: Final = timedelta(hours=1)

_PREFIX: Final = "certificate/"
_ALERTS: Final = Bulk(
    tables.alerts,
    ["kind", "addressee", "subject_department", "procedure", "case_id", "rule", "ordinal", "mark", "fires_at_us",
     "fired_at_us"],
)  # fmt: skip
_ONCE: Final = ("case_id", "rule", "ordinal", "mark", "kind", "addressee")
_FIRED: Final = Bulk(tables.alerts, ["case_id", "ordinal", "mark", "kind", "addressee"])
_DAY: Final = timedelta(days=1)

_log = structlog.get_logger(__name__)


def number_of(alert: Any) -> str:
    """The certificate that an alert's row is about; empty if it is about none."""
    return str(alert.case_id.removeprefix(_PREFIX)) if alert.kind == CERTIFICATE else ""


class CertificateWatch:
    """Warns of certificates that end.

    Args:
        database: The registry's.
        directory: Gives the newest directory.
        clock: The time.
        on_alerts: Called after a commit that raised alerts, from whatever thread.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        on_alerts: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._on_alerts = on_alerts

    async def run(self, woken: asyncio.Event) -> None:
        """Look every hour, and when certificates changed, until cancelled."""
        while True:
            officers = self._directory().officers
            try:
                await asyncio.to_thread(self.look)
            except LiandongError:
                _log.warning("certificates.failed", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL.total_seconds()):
                    while self._directory().officers is officers:
                        await woken.wait()
                        woken.clear()

    def look(self) -> int:
        """Raise what is to be raised now; returns how many alerts.

        Raises:
            LiandongError: The database is busy, gone or failing; nothing was kept.
        """
        directory = self._directory()
        due = self._due(directory)
        if not due:
            return 0
        raised = self._database.write(lambda connection: _raise(connection, due))
        if raised and self._on_alerts is not None:
            self._on_alerts()
        return raised

    def _due(self, directory: Directory) -> list[Record]:
        now = self._clock.now()
        # the office that is told of silent links: the one whose mechanism everybody takes part in
        office = directory.office(MECHANISM) or directory.law.registry
        rows: list[Record] = []
        for entry in directory.officers.values():
            until = moment(entry, "valid_until")
            days = None if until is None else newest_mark(until, now)
            if until is None or days is None:
                continue
            end = until.astimezone(ZONE)
            ordinal = end.year * 10000 + end.month * 100 + end.day
            about = (MECHANISM, f"{_PREFIX}{entry.number}", "certificate", ordinal, f"{days} d before")
            times = (microseconds(until - days * _DAY), microseconds(now))
            rows += [
                (CERTIFICATE, addressee, entry.department, *about, *times)
                for addressee in dict.fromkeys((entry.department, office))
            ]
        return rows


def _raise(connection: Connection, rows: list[Record]) -> int:
    told: set[tuple[Any, ...]] = set()
    for alert in _FIRED.select_in(connection, "case_id", {row[4] for row in rows}):
        if alert.kind == CERTIFICATE:
            told.add((alert.case_id, alert.ordinal, alert.mark, alert.addressee))
            told.add((alert.case_id, alert.ordinal, alert.mark))
    # an office that moved is not told what the old one was: the row of the department says that both were
    new = [
        row
        for row in rows
        if (row[4], row[6], row[7], row[1]) not in told
        and (row[1] == row[2] or (row[4], row[6], row[7]) not in told)
    ]
    return _ALERTS.upsert(connection, new, _ONCE)
