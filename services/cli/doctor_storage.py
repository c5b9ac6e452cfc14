"""Doctor: databases, what waits in them, what is stuck, and calendars that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as entries
from sqlalchemy import Connection

from services.cli.doctor_files import check_space
from services.cli.findings import Findings
from services.cli.texts import say
from services.common.db import Database
from services.common.engines import parse_url, sqlite_path
from services.common.errors import LiandongError
from services.common.migrations import pending
from services.exchange import tables
from services.registry import ledger, store

_SERVICES: Final = Path(__file__).parent.parent
_NODE_AREAS: Final = ("exchange", "cases", "sharing", "notices")
_LONG_OUTBOX: Final = 1000
_NOTICE_MONTH: Final = 11
"""Notices for the next year come in November at the latest."""


def check_node_database(findings: Findings, url: str, today: date) -> None:
    """A department's database: reachable, migrated, room, outbox, parked letters, calendar."""
    database = _open(findings, url)
    if database is None:
        return
    try:
        waiting = [
            revision
            for area in _NODE_AREAS
            for revision in pending(url, _SERVICES / area / "migrations", version_table=f"{area}_version")
        ]
        if waiting:
            findings.yellow("migrated", say("found.pending", revisions=", ".join(waiting)), "node_migrate")
            return
        findings.green("migrated", say("found.current"))
        database.read(lambda connection: _look_at_node(findings, connection, today))
    except LiandongError as error:
        findings.red("database", error.message, "database")
    finally:
        database.close()


def check_registry_database(findings: Findings, url: str, today: date) -> None:
    """A registry's database: reachable, migrated, room, head, calendar."""
    database = _open(findings, url)
    if database is None:
        return
    try:
        waiting = pending(url, _SERVICES / "registry" / "migrations", version_table="registry_version")
        if waiting:
            findings.red("migrated", say("found.pending", revisions=", ".join(waiting)), "registry_migrate")
            return
        findings.green("migrated", say("found.current"))
        database.read(lambda connection: _look_at_registry(findings, connection, today))
    except LiandongError as error:
        findings.red("database", error.message, "database")
    finally:
        database.close()


def _open(findings: Findings, url: str) -> Database | None:
    try:
        parsed = parse_url(url)
    except (ValueError, sa.exc.ArgumentError) as error:
        findings.red("database", str(error), "database_url")
        return None
    file = sqlite_path(parsed)
    shown = str(file) if file else parsed.render_as_string(hide_password=True)
    # opening would make it
    if file is not None and not file.exists():
        findings.yellow("database", say("found.missing", path=file), "no_database")
        return None
    database = Database(url, pool_size=1)
    try:
        database.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
    except LiandongError as error:
        findings.red("database", f"{shown}: {error.message}", "database")
        database.close()
        return None
    findings.green("database", shown)
    if file is not None:
        check_space(findings, file.parent)
    return database


def _look_at_node(findings: Findings, connection: Connection, today: date) -> None:
    outbox = connection.execute(sa.select(sa.func.count()).select_from(tables.outbox)).scalar_one()
    put_off = connection.execute(
        sa.select(tables.outbox.c.letter_id, tables.outbox.c.error)
        .where(tables.outbox.c.error != "")
        .order_by(tables.outbox.c.sequence)
        .limit(1)
    ).first()
    if put_off is not None:
        findings.yellow("outbox", say("found.put_off", count=outbox, error=put_off.error), "put_off")
    elif outbox > _LONG_OUTBOX:
        findings.yellow("outbox", str(outbox), "outbox")
    else:
        findings.green("outbox", str(outbox))
    parked = connection.execute(sa.select(sa.func.count()).select_from(tables.parked)).scalar_one()
    if parked:
        error = connection.execute(
            sa.select(tables.parked.c.error).order_by(tables.parked.c.position).limit(1)
        ).scalar_one()
        findings.red("parked", say("found.parked", count=parked, error=error), "parked")
    else:
        findings.green("parked", "0")
    payloads = connection.execute(
        sa.select(tables.common_entries.c.entry).order_by(tables.common_entries.c.version)
    ).scalars()
    _check_calendar(findings, payloads, today)


def _look_at_registry(findings: Findings, connection: Connection, today: date) -> None:
    head = ledger.read_head(connection)
    if head.held_since_us is None:
        findings.green("head", say("found.head", log_id=head.log_id, size=head.size))
    else:
        findings.yellow("head", say("found.held", log_id=head.log_id, size=head.size), "held")
    payloads = [payload for _, payload, _ in store.common_entries(connection, 0, head.size)]
    _check_calendar(findings, payloads, today)


def _check_calendar(findings: Findings, payloads: Iterable[bytes], today: date) -> None:
    """Whether this year and the next have a notice; without one due times are provisional."""
    years = set()
    for payload in payloads:
        entry = entries.CommonEntry.FromString(payload)
        if entry.HasField("calendar"):
            years.add(entry.calendar.year)
    if today.year not in years:
        findings.red("calendar", say("found.no_notice", year=today.year), "calendar", year=today.year)
    following = today.year + 1
    if following in years:
        findings.green("calendar", say("found.notice", year=following))
    elif today.month >= _NOTICE_MONTH:
        findings.yellow("calendar", say("found.no_notice", year=following), "calendar", year=following)
    else:
        findings.green("calendar", say("found.not_due", year=following))
