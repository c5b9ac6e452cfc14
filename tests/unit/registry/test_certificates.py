"""Certificates that end soon are told of 60, 30 and 7 days before, once each."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.exchange.directory import Directory
from services.exchange.letters import timestamp
from services.registry import tables
from services.registry.certificates import CertificateWatch
from services.registry.handlers.oversight import OversightHandlers
from services.registry.oversight_hub import OversightHub
from services.registry.oversight_scope import Scope
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    directory,
    registry_database,
    rows_of,
)

END = "2026-09-01"


def officer(
    number: str, until: str = END, department: str = RECEIVER, **changes: Any
) -> directory_pb.OfficerCertificate:
    return directory_pb.OfficerCertificate(
        number=number, department=department, subject=f"subject-{number}", name="孙强",
        valid_from=timestamp(at("2024-01-01")), valid_until=timestamp(at(until)), **changes,
    )  # fmt: skip


def seen(*officers: directory_pb.OfficerCertificate, office: str = OFFICE) -> Directory:
    held = {"case-transfer": office}
    return replace(directory(), offices=held, officers={each.number: each for each in officers})


def look(database: Database, moment: str | datetime, newest: Directory) -> int:
    clock = ManualClock(at(moment) if isinstance(moment, str) else moment)
    return CertificateWatch(database, lambda: newest, clock).look()


def told(database: Database) -> list[tuple[Any, ...]]:
    columns = tables.alerts.c
    return rows_of(
        database, sa.select(columns.mark, columns.addressee, columns.subject_department).order_by(columns.id)
    )


def test_department_and_office_are_warned_three_times(database: Database) -> None:
    """At each mark, whenever it is looked at between, and no more after the end."""
    newest = seen(officer("A"))
    raised = [
        look(database, moment, newest)
        for moment in (
            "2026-07-02", "2026-07-03", "2026-07-20", "2026-08-02", "2026-08-25", "2026-08-31", "2026-09-01",
            "2026-12-01",
        )
    ]  # fmt: skip
    assert raised == [0, 2, 0, 2, 2, 0, 0, 0]
    assert told(database) == [
        (mark, addressee, RECEIVER)
        for mark in ("60 d before", "30 d before", "7 d before")
        for addressee in (RECEIVER, OFFICE)
    ]


def test_the_office_hears_once_of_its_own_officers(database: Database) -> None:
    """Department and office in one: one alert."""
    assert look(database, "2026-08-30", seen(officer("A", department=OFFICE))) == 1


def test_a_renewal_ends_the_warnings_until_the_next_end(database: Database) -> None:
    """The same number with another end is warned of anew, in its time."""
    assert look(database, "2026-07-10", seen(officer("A"))) == 2
    renewed = seen(officer("A", "2031-09-01"))
    assert look(database, "2026-08-30", renewed) == 0
    assert look(database, "2031-07-05", renewed) == 2


def test_after_a_pause_the_last_mark_is_told(database: Database) -> None:
    """Neither all that were missed, nor certificates that ended long ago."""
    newest = seen(officer("A"), officer("long-over", "2026-01-01"), officer("just-over", "2026-08-20"))
    assert look(database, "2026-08-26", newest) == 4
    assert Counter(mark for mark, *_ in told(database)) == {"7 d before": 4}


def test_an_office_that_moved_is_not_told_again(database: Database) -> None:
    """What the old one was told stays told."""
    assert look(database, "2026-07-10", seen(officer("A"))) == 2
    assert look(database, "2026-07-11", seen(officer("A"), office=SENDER)) == 0
    assert look(database, "2026-08-10", seen(officer("A"), office=SENDER)) == 2


def test_two_replicas_tell_once(postgresql_url: str) -> None:
    """Looking at the same moment."""
    with registry_database(postgresql_url) as database:
        newest = seen(*(officer(f"N{number:03}") for number in range(50)))
        other = Database(postgresql_url)
        start = threading.Barrier(2)
        raised: Counter[int] = Counter()

        def work(index: int, own: Database) -> None:
            start.wait()
            raised[index] = look(own, "2026-07-10", newest)

        threads = [threading.Thread(target=work, args=each) for each in enumerate((database, other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        assert raised.total() == len(told(database)) == 100


@pytest.mark.parametrize("department", [RECEIVER, OFFICE])
async def test_alerts_name_the_certificate(database: Database, department: str) -> None:
    """In what oversight shows to the department and to the office; no case is in it."""
    newest = seen(officer("A"))
    look(database, "2026-08-30", newest)
    clock = ManualClock(at("2026-08-30"))
    handlers = OversightHandlers(
        database, lambda: newest, clock, OversightHub(database, lambda: newest, clock)
    )
    handlers._seen = lambda: (newest, Scope(department, frozenset()), clock.now())  # type: ignore[method-assign]
    asked = pb.ListAlertsRequest(addressee=department)
    (alert,) = (await handlers.ListAlerts(asked, None)).alerts  # type: ignore[arg-type]
    assert (alert.kind, alert.certificate, alert.mark) == (pb.ALERT_KIND_CERTIFICATE, "A", "7 d before")
    assert not alert.HasField("obligation")
