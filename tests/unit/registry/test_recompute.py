"""After a notice the index of open obligations follows, and nothing fires twice."""

import threading
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from services.common.clock import ManualClock, from_microseconds
from services.common.db import Database
from services.procedures.calendar import Calendar, CalendarYear
from services.procedures.obligation import Outcome
from services.registry import tables
from services.registry.marks import MarkScheduler
from services.registry.obligation_index import index_row
from services.registry.recompute import Recomputation, touched_from
from tests.unit.procedures.deadline_samples import at, year
from tests.unit.registry.oversight_samples import (
    PROCEDURE,
    case_id,
    directory,
    duty,
    put_duties,
    registry_database,
    rows_of,
)

EMPTY = Calendar("qinghe")
# admitted Monday 2 March 2027, 3 wd: without a notice 3, 4, 5 March count
NOTICE = year(2027, "2027-03-03 12:00", 7, holidays=("2027-03-04", "2027-03-05"))
KNOWN = EMPTY.with_year(NOTICE)
ADMITTED = "2027-03-02 10:00"


def recomputation(database: Database, calendar: Calendar = KNOWN, **options: Any) -> Recomputation:
    newest = directory(calendar)
    return Recomputation(database, lambda: newest, **options)


def index(database: Database, number: int = 1) -> tuple[Any, ...]:
    columns = tables.obligations.c
    found = rows_of(
        database,
        sa.select(columns.due_at_us, columns.next_mark, columns.next_mark_at_us).where(
            columns.case_id == case_id(number)
        ),
    )
    due, mark, mark_at = found[0]
    return from_microseconds(due), mark, None if mark_at is None else from_microseconds(mark_at)


def test_a_notice_moves_due_time_and_mark(database: Database) -> None:
    """Two holidays more: the due time and the next mark move behind them."""
    put_duties(database, [duty(1, ADMITTED)], EMPTY)
    assert index(database) == (at("2027-03-06"), "50%", at("2027-03-04 09:00"))
    assert recomputation(database).after(EMPTY, KNOWN) == 1
    assert index(database) == (at("2027-03-10"), "50%", at("2027-03-08 09:00"))
    assert recomputation(database).after(EMPTY, KNOWN) == 0


def test_a_notice_moves_marks_but_refires_none(database: Database) -> None:
    """What fired before the notice stays fired; the next mark waits for its new time."""
    put_duties(database, [duty(1, ADMITTED)], EMPTY)
    clock = ManualClock(at("2027-03-05 08:00"))
    old, new = directory(EMPTY), directory(KNOWN)
    assert MarkScheduler(database, lambda: old, clock).fire_due() == 1
    recomputation(database).run()
    assert index(database) == (at("2027-03-10"), "80%", at("2027-03-09 09:00"))
    clock.set(at("2027-03-08 09:00"))
    marks = MarkScheduler(database, lambda: new, clock)
    assert marks.fire_due() == 0
    clock.set(at("2027-03-09 09:00"))
    assert marks.fire_due() == 2


def test_a_mark_of_the_old_calendar_does_not_fire_before_the_index_follows(database: Database) -> None:
    """The index says when to look; what fires is computed by the newest calendar."""
    put_duties(database, [duty(1, ADMITTED)], EMPTY)
    new = directory(KNOWN)
    clock = ManualClock(at("2027-03-04 09:00"))
    assert MarkScheduler(database, lambda: new, clock).fire_due() == 0
    assert index(database)[1:] == ("50%", at("2027-03-08 09:00"))


def test_what_is_discharged_is_not_judged_again(database: Database) -> None:
    """Its row keeps the due time of the calendar it was discharged under."""
    done = duty(
        1, ADMITTED, discharged_at=at("2027-03-03"), outcome=Outcome.ON_TIME, due_frozen=at("2027-03-06")
    )
    put_duties(database, [done], EMPTY)
    assert recomputation(database).run() == 0
    assert index(database)[0] == at("2027-03-06")


def test_only_the_years_of_a_notice_are_touched() -> None:
    """Nothing that is due before the year can move; a change of closing hours moves everything."""
    assert touched_from(EMPTY, KNOWN) == at("2027-01-01")
    assert touched_from(KNOWN, KNOWN) is None
    closing = Calendar("qinghe", KNOWN.entries, close_of_business=at("2027-01-01 17:00").timetz())
    assert touched_from(KNOWN, closing) == at("1970-01-01")


def test_what_is_due_before_the_year_is_not_looked_at(database: Database) -> None:
    """Were its row wrong, this pass would not mend it, and a whole one does."""
    put_duties(database, [duty(1, "2026-03-02 10:00"), duty(2, ADMITTED)], EMPTY)
    shift = sa.update(tables.obligations).values(next_mark_at_us=tables.obligations.c.next_mark_at_us + 1)
    database.write(lambda connection: connection.execute(shift).rowcount)
    assert recomputation(database).after(EMPTY, KNOWN) == 1
    assert recomputation(database).run() == 1


def test_groups_are_bounded_and_every_row_is_reached(database: Database) -> None:
    """Many rows of one due time, fewer in a group than there are."""
    put_duties(database, [duty(number, ADMITTED) for number in range(25)], EMPTY)
    assert recomputation(database, group=4).run() == 25
    assert {index(database, number)[0] for number in range(25)} == {at("2027-03-10")}


def test_a_row_that_changed_meanwhile_wins(database: Database) -> None:
    """Between reading and writing admission discharged one row: it stays as admission left it."""
    put_duties(database, [duty(1, ADMITTED), duty(2, ADMITTED)], EMPTY)
    work = recomputation(database)
    rows = next(work._groups("relay", 0))
    moves = work._moves(rows)
    done = index_row(
        duty(
            1, ADMITTED, discharged_at=at("2027-03-03"), outcome=Outcome.ON_TIME, due_frozen=at("2027-03-06")
        ),
        PROCEDURE,
        KNOWN,
    )
    values = dict(zip(tables.obligations.columns.keys(), done, strict=True))
    update = sa.update(tables.obligations).where(tables.obligations.c.case_id == case_id(1)).values(values)
    database.write(lambda connection: connection.execute(update).rowcount)
    assert work._write(moves) == 1
    assert index(database, 1) == (at("2027-03-06"), None, None)
    assert index(database, 2)[0] == at("2027-03-10")


def test_a_row_that_admission_holds_is_left_for_the_next_pass(postgresql_url: str) -> None:
    """Recomputing neither waits for admission nor blocks it; it comes again."""
    with registry_database(postgresql_url) as database:
        put_duties(database, [duty(1, ADMITTED), duty(2, ADMITTED)], EMPTY)
        held, release = threading.Event(), threading.Event()

        def admission(connection: sa.Connection) -> None:
            columns = tables.obligations.c
            connection.execute(
                sa.update(tables.obligations).where(columns.case_id == case_id(1)).values(owed_by="x.qinghe")
            )
            held.set()
            release.wait(5)

        thread = threading.Thread(target=database.write, args=(admission,))
        thread.start()
        held.wait(5)
        assert recomputation(database).one_pass() == (2, 1)
        release.set()
        thread.join()
        assert recomputation(database).run() == 1
        assert index(database, 1)[0] == at("2027-03-10")


def test_an_earlier_due_time_is_held_to_the_day_after_the_notice(database: Database) -> None:
    """A make-up Saturday brings the due time forward, not before the next working day ends."""
    makeup = CalendarYear(2027, frozenset(), frozenset({at("2027-03-06").date()}), at("2027-03-05 12:00"), 8)
    put_duties(database, [duty(1, "2027-03-04 10:00")], EMPTY)
    assert index(database)[0] == at("2027-03-10")
    assert recomputation(database, EMPTY.with_year(makeup)).run() == 1
    assert index(database)[0] == at("2027-03-09")


def test_running_at_start_is_harmless(database: Database) -> None:
    """A registry that was killed in the middle runs it whole when it starts."""
    put_duties(database, [duty(number, ADMITTED) for number in range(3)], KNOWN)
    assert recomputation(database).run() == 0
    assert timedelta(0) < index(database)[0] - at(ADMITTED)
