"""Marks fire once, whatever is repeated, killed, recomputed or done by two at a time."""

import asyncio
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.common.clock import ManualClock, microseconds
from services.common.db import Database
from services.exchange.directory import Directory
from services.procedures.obligation import Outcome
from services.registry import tables
from services.registry.marks import Fired, MarkScheduler
from services.registry.obligation_index import index_row
from tests.unit.procedures.deadline_samples import NATIONAL, at
from tests.unit.registry.oversight_samples import (
    OFFICE,
    PROCEDURE,
    RECEIVER,
    REGISTRY,
    STRANGER,
    directory,
    duty,
    put_duties,
    registry_database,
    rows_of,
)

HALF, MOST, DUE = at("2026-03-04 09:00"), at("2026-03-05 09:00"), at("2026-03-06")
ADMITTED = "2026-03-02 10:00"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at(ADMITTED))


def scheduler(
    database: Database, clock: ManualClock, seen: Directory | None = None, **options: Any
) -> MarkScheduler:
    newest = seen or directory()
    return MarkScheduler(database, lambda: newest, clock, **options)


def alerts(database: Database) -> list[tuple[Any, ...]]:
    columns = tables.alerts.c
    return rows_of(
        database,
        sa.select(columns.mark, columns.kind, columns.addressee).order_by(columns.case_id, columns.id),
    )


def next_marks(database: Database) -> list[str | None]:
    return [row[0] for row in rows_of(database, sa.select(tables.obligations.c.next_mark))]


def reindex(database: Database, *duties: Any, calendar: Any = NATIONAL) -> None:
    rows = [index_row(each, PROCEDURE, calendar) for each in duties]
    with_names = [dict(zip(tables.obligations.columns.keys(), row, strict=True)) for row in rows]

    def work(connection: sa.Connection) -> None:
        for values in with_names:
            key = [tables.obligations.c[name] == values[name] for name in ("case_id", "rule", "ordinal")]
            connection.execute(sa.update(tables.obligations).where(*key).values(values))

    database.write(work)


def test_marks_fire_at_their_times(database: Database, clock: ManualClock) -> None:
    """Half the time reminds the one who owes, most of it tells the office too, the due time the office."""
    put_duties(database, [duty(1, ADMITTED)])
    marks = scheduler(database, clock)
    assert marks.fire_due() == 0
    assert marks.next_instant() == HALF
    clock.set(HALF - timedelta(microseconds=1))
    assert marks.fire_due() == 0
    clock.set(HALF)
    assert marks.fire_due() == 1
    clock.set(MOST)
    assert marks.fire_due() == 2
    clock.set(DUE)
    assert marks.fire_due() == 1
    assert alerts(database) == [
        ("50%", "REMIND", RECEIVER),
        ("80%", "REMIND", RECEIVER),
        ("80%", "TELL_OFFICE", OFFICE),
        ("due", "TELL_OFFICE", OFFICE),
    ]
    assert marks.next_instant() is None
    columns = tables.alerts.c
    assert rows_of(
        database,
        sa.select(
            columns.procedure, columns.subject_department, columns.fires_at_us, columns.fired_at_us
        ).where(columns.mark == "50%"),
    ) == [("relay", RECEIVER, microseconds(HALF), microseconds(HALF))]


def test_a_discovery_registered_late_fires_all_marks_that_are_past(
    database: Database, clock: ManualClock
) -> None:
    """Nothing is skipped because it came too late to wait for."""
    late = duty(1, "2026-03-09 10:00", occurred_at=at(ADMITTED), from_occurred=True)
    put_duties(database, [late])
    clock.set(at("2026-03-09 10:00"))
    assert scheduler(database, clock).fire_group() == Fired(1, 4)
    assert next_marks(database) == [None]


def test_a_discharged_obligation_fires_nothing(database: Database, clock: ManualClock) -> None:
    """Its row has no mark, whatever it had before."""
    put_duties(database, [duty(1, ADMITTED)])
    done = replace(duty(1, ADMITTED), discharged_at=MOST, outcome=Outcome.ON_TIME, due_frozen=DUE)
    reindex(database, done)
    clock.set(DUE)
    assert scheduler(database, clock).fire_due() == 0


def test_firing_again_repeats_nothing(database: Database, clock: ManualClock) -> None:
    """A row that admission writes anew names its first mark again; it is passed over."""
    put_duties(database, [duty(1, ADMITTED)])
    clock.set(MOST)
    marks = scheduler(database, clock)
    assert marks.fire_due() == 3
    reindex(database, duty(1, ADMITTED))
    assert next_marks(database) == ["50%"]
    assert marks.fire_group() == Fired(1, 0)
    assert next_marks(database) == ["due"]


def test_an_office_that_moved_is_not_told_what_was_told_before(
    database: Database, clock: ManualClock
) -> None:
    """A mark tells an office once, not each office once."""
    put_duties(database, [duty(1, ADMITTED)])
    clock.set(MOST)
    scheduler(database, clock).fire_due()
    reindex(database, duty(1, ADMITTED))
    clock.set(DUE)
    assert scheduler(database, clock, directory(relay=STRANGER)).fire_due() == 1
    assert alerts(database)[-2:] == [("80%", "TELL_OFFICE", OFFICE), ("due", "TELL_OFFICE", STRANGER)]


def test_a_mechanism_without_office_tells_the_registry(database: Database, clock: ManualClock) -> None:
    """Nobody's alert is somebody's: the registry's operator sees to it."""
    put_duties(database, [duty(1, ADMITTED)])
    clock.set(DUE)
    scheduler(database, clock, directory(inspection=OFFICE)).fire_due()
    assert ("due", "TELL_OFFICE", REGISTRY) in alerts(database)


def test_a_crash_between_alert_and_advance_repeats_nothing(database: Database, clock: ManualClock) -> None:
    """Alert and advance are one transaction: after the crash both are undone, and done once."""
    put_duties(database, [duty(1, ADMITTED)])
    clock.set(HALF)
    marks = scheduler(database, clock)

    class Crash(Exception):
        pass

    def crashing(connection: sa.Connection) -> None:
        assert marks._fire(connection, directory(), clock.now()) == Fired(1, 1)
        raise Crash

    with pytest.raises(Crash):
        database.write(crashing)
    assert alerts(database) == []
    assert next_marks(database) == ["50%"]
    assert marks.fire_due() == 1
    assert scheduler(database, clock).fire_due() == 0
    assert alerts(database) == [("50%", "REMIND", RECEIVER)]


def test_a_row_that_cannot_be_read_keeps_no_other_from_firing(database: Database, clock: ManualClock) -> None:
    """It is tried again later, when this replica may know the procedure."""
    unknown = replace(PROCEDURE, version=9)
    put_duties(database, [duty(1, ADMITTED)], procedure=unknown)
    put_duties(database, [duty(2, ADMITTED)])
    clock.set(HALF)
    marks = scheduler(database, clock)
    assert marks.fire_group() == Fired(2, 1)
    assert marks.next_instant() == HALF + timedelta(minutes=1)
    clock.advance(timedelta(minutes=1))
    known = replace(directory(), law=directory().law.with_procedure(unknown))
    assert scheduler(database, clock, known).fire_due() == 1


def test_two_schedulers_share_the_work_and_fire_each_mark_once(
    postgresql_url: str, clock: ManualClock
) -> None:
    """Two registry processes over one PostgreSQL: together everything, nothing twice."""
    with registry_database(postgresql_url) as database:
        put_duties(database, [duty(number, ADMITTED) for number in range(400)])
        clock.set(MOST)
        other = Database(postgresql_url)
        raised: Counter[int] = Counter()
        start = threading.Barrier(2)

        def work(index: int, own: Database) -> None:
            marks = scheduler(own, clock, group=20)
            start.wait()
            raised[index] = marks.fire_due()

        threads = [threading.Thread(target=work, args=each) for each in enumerate((database, other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # what one holds the other skips; the last look finds what both had passed by
        rest = scheduler(database, clock).fire_due()
        other.close()
        assert raised.total() + rest == 400 * 3
        assert all(raised[index] for index in (0, 1))
        found = rows_of(
            database, sa.select(tables.alerts.c.case_id, tables.alerts.c.mark, tables.alerts.c.kind)
        )
        assert len(found) == len(set(found)) == 400 * 3


def test_a_row_that_admission_holds_is_passed_by(postgresql_url: str, clock: ManualClock) -> None:
    """Escalation waits for nobody, and nobody waits for a mark."""
    with registry_database(postgresql_url) as database:
        put_duties(database, [duty(1, ADMITTED), duty(2, ADMITTED)])
        clock.set(HALF)
        marks = scheduler(database, clock)

        def admission(connection: sa.Connection) -> Fired:
            connection.execute(
                sa.update(tables.obligations)
                .where(tables.obligations.c.case_id == duty(1, ADMITTED).case_id)
                .values(owed_by=RECEIVER)
            )
            return marks.fire_group()

        assert database.write(admission) == Fired(1, 1)
        assert marks.fire_group() == Fired(1, 1)


async def test_the_scheduler_wakes_when_told(database: Database, clock: ManualClock) -> None:
    """It sleeps until the next mark, fires when woken, and stops when cancelled."""
    put_duties(database, [duty(1, ADMITTED)])
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    marks = scheduler(database, clock, on_alerts=lambda: loop.call_soon_threadsafe(told.set))
    running = asyncio.create_task(marks.run(wake))
    await asyncio.sleep(0.05)
    assert not told.is_set()
    clock.set(HALF)
    wake.set()
    await asyncio.wait_for(told.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert alerts(database) == [("50%", "REMIND", RECEIVER)]
