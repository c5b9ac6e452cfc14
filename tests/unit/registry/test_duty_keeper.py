"""Standing duties in the registry's index: opened once, moved by entries, ended by acts, told without flooding."""

import asyncio
import threading
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock, from_microseconds, microseconds
from services.common.db import Database
from services.exchange.directory import Directory
from services.procedures.calendar import CalendarYear
from services.procedures.duties import StandingDuties
from services.registry import tables
from services.registry.commands import Admitted
from services.registry.duty_keeper import DutyKeeper, Swept
from services.registry.handlers.oversight import OversightHandlers
from services.registry.marks import MarkScheduler
from services.registry.oversight_hub import OversightHub
from services.registry.oversight_scope import Scope
from services.registry.recompute import Recomputation
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, new_id
from tests.builders.registry import Bench
from tests.unit.procedures.deadline_samples import NATIONAL, at
from tests.unit.procedures.duty_samples import BULLETIN, OFFICE, REPORT, once, standing
from tests.unit.registry.oversight_samples import (
    directory,
    duty,
    put_duties,
    put_head,
    registry_database,
    rows_of,
)

columns = tables.obligations.c


def with_duties(made: StandingDuties, version: int = 1) -> Directory:
    newest = directory()
    return replace(newest, version=version, law=newest.law.with_standing(made))


def keeper(database: Database, clock: ManualClock, seen: Directory, **options: Any) -> DutyKeeper:
    return DutyKeeper(database, lambda: seen, clock, **options)


def swept(database: Database, clock: ManualClock, seen: Directory, **options: Any) -> list[Swept]:
    """Sweep until there is no more."""
    kept = keeper(database, clock, seen, **options)
    done = [kept.sweep()]
    while done[-1].more:
        done.append(kept.sweep())
    return done


def rows(database: Database) -> list[tuple[Any, ...]]:
    found = rows_of(
        database,
        sa.select(columns.rule, columns.ordinal, columns.owed_by, columns.due_at_us, columns.state).order_by(
            columns.ordinal, columns.owed_by, columns.rule
        ),
    )
    return [
        (rule, ordinal, owner, from_microseconds(due), state) for rule, ordinal, owner, due, state in found
    ]


def alerts(database: Database) -> list[tuple[Any, ...]]:
    alert = tables.alerts.c
    return rows_of(
        database, sa.select(alert.ordinal, alert.addressee, alert.mark, alert.kind).order_by(alert.id)
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at("2026-03-01"))


def test_occurrences_are_opened_when_their_time_comes(database: Database, clock: ManualClock) -> None:
    """Each owner has a row of its own; sweeping again opens nothing anew."""
    put_head(database, 0)
    seen = with_duties(standing(REPORT))
    clock.set(at("2026-02-23 12:00"))
    swept(database, clock, seen)
    before = rows(database)
    assert {ordinal for _, ordinal, *_ in before} == {202601, 202602}
    clock.set(at("2026-02-24"))
    assert swept(database, clock, seen) == [Swept(3, 0, more=False)]
    assert [row for row in rows(database) if row not in before] == [
        ("report", 202603, name, at("2026-03-10 17:00"), "OPEN") for name in sorted((HEALTH, OFFICE, MARKET))
    ]
    assert swept(database, clock, seen) == [Swept(0, 0, more=False)]


def test_after_a_pause_everything_is_opened_in_groups_and_each_row_is_told_of_once(
    database: Database, clock: ManualClock
) -> None:
    """A registry that was down for months opens what came due, a group at a time, and repeats no stale reminders."""
    put_head(database, 0)
    seen = with_duties(standing(REPORT))
    clock.set(at("2026-01-02"))
    swept(database, clock, seen)
    clock.set(at("2026-06-11 09:00"))
    done = swept(database, clock, seen, group=3)
    assert sum(each.opened for each in done) == 5 * 3
    assert max(each.opened for each in done) <= 5
    MarkScheduler(database, lambda: seen, clock).fire_due()
    told = Counter((ordinal, mark) for ordinal, _, mark, _ in alerts(database))
    # reminders before the due time would be of no use any more: the due mark alone is told, by both its actions
    assert told == {(ordinal, "due"): 3 * 2 for ordinal in range(202601, 202607)}
    assert MarkScheduler(database, lambda: seen, clock).fire_due() == 0


def test_marks_of_a_duty_fire_as_its_catalogue_says(database: Database, clock: ManualClock) -> None:
    """The owner is reminded, its leader warned, the office told and advised to supervise; each once."""
    put_head(database, 0)
    seen = with_duties(standing(once("2026-03-20", departments=(OFFICE, MARKET))))
    clock.set(at("2026-03-10"))
    swept(database, clock, seen)
    marks = MarkScheduler(database, lambda: seen, clock)
    for moment in ("2026-03-18 17:00", "2026-03-20 15:00", "2026-03-20 17:00", "2026-03-20 18:00"):
        clock.set(at(moment))
        marks.fire_due()
    assert [row[1:] for row in alerts(database)] == [
        (HEALTH, "2 d before", "REMIND"),
        (HEALTH, "2 h before", "REMIND"),
        (HEALTH, "2 h before", "WARN_LEADER"),
        (OFFICE, "due", "TELL_OFFICE"),
        (OFFICE, "due", "PROPOSE_SUPERVISION"),
    ]


def test_an_entry_moves_what_is_open(database: Database, clock: ManualClock) -> None:
    """Another day, another calendar, a duty that is struck: open rows follow, ended ones stay."""
    put_head(database, 0)
    made = standing(REPORT, BULLETIN)
    clock.set(at("2026-02-24"))
    swept(database, clock, with_duties(made))
    later = replace(REPORT, recurrence=replace(REPORT.recurrence, number=12))
    moved = made.with_duty(later, at("2026-03-02")).with_duty(
        replace(BULLETIN, withdrawn=True), at("2026-02-25")
    )
    clock.set(at("2026-03-02"))
    assert swept(database, clock, with_duties(moved, 2)) == [Swept(0, 4, more=False)]
    assert ("report", 202603, HEALTH, at("2026-03-12 17:00"), "OPEN") in rows(database)
    assert ("report", 202602, HEALTH, at("2026-02-10 17:00"), "OPEN") in rows(database)
    assert ("bulletin", 202602, OFFICE, at("2026-03-01"), "LAPSED") in rows(database)
    holiday = CalendarYear(2026, frozenset([date(2026, 3, 12)]), frozenset(), at("2026-03-03 10:00"), 50)
    newest = with_duties(moved, 3)
    newest = replace(newest, law=newest.law.with_calendar(NATIONAL.with_year(holiday)))
    clock.set(at("2026-03-03 11:00"))
    swept(database, clock, newest)
    assert ("report", 202603, HEALTH, at("2026-03-11 17:00"), "OPEN") in rows(database)
    # what letters opened is moved by its own work, which leaves duties alone
    put_duties(database, [duty(1, "2026-03-02 10:00")])
    assert Recomputation(database, lambda: newest).run() == 0


def test_a_replica_that_lags_behind_moves_nothing_back(database: Database, clock: ManualClock) -> None:
    """Who knows fewer entries leaves the work to who knows more."""
    put_head(database, 0)
    made = standing(REPORT)
    later = made.with_duty(
        replace(REPORT, recurrence=replace(REPORT.recurrence, number=12)), at("2026-03-02")
    )
    clock.set(at("2026-03-02"))
    swept(database, clock, with_duties(later, 2))
    after = rows(database)
    clock.set(at("2026-03-03"))
    assert swept(database, clock, with_duties(made, 1)) == [Swept(0, 0, more=False)]
    assert rows(database) == after


def test_two_registry_processes_open_each_occurrence_once(postgresql_url: str, clock: ManualClock) -> None:
    """Sweeping at the same moment, again and again, over one database."""
    with registry_database(postgresql_url) as database:
        put_head(database, 0)
        seen = with_duties(standing(REPORT, BULLETIN))
        other = Database(postgresql_url)
        start = threading.Barrier(2)
        opened: Counter[int] = Counter()

        def work(index: int, own: Database) -> None:
            start.wait()
            opened[index] = sum(each.opened for each in swept(own, clock, seen, group=2))

        clock.set(at("2026-12-31"))
        threads = [threading.Thread(target=work, args=each) for each in enumerate((database, other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        assert opened.total() == len(rows(database)) == 13 * 3 + 6


async def test_the_keeper_wakes_for_an_entry(database: Database, clock: ManualClock) -> None:
    """It sleeps until its poll, opens at once what an entry brings, and stops when cancelled."""
    put_head(database, 0)
    newest = [with_duties(standing(), 1)]
    woken = asyncio.Event()
    running = asyncio.create_task(
        DutyKeeper(database, lambda: newest[0], clock, poll=timedelta(minutes=5)).run(woken)
    )
    await asyncio.sleep(0.05)
    newest[0] = with_duties(standing(BULLETIN), 2)
    woken.set()
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(rows, database):  # noqa: ASYNC110 - the database wakes nobody
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_oversight_shows_duties_like_any_obligation(database: Database, clock: ManualClock) -> None:
    """To the office and to who owes it; with its name in place of a case, and in the figures."""
    put_head(database, 0)
    seen = with_duties(standing(once("2026-03-20")))
    clock.set(at("2026-03-20 17:00"))
    swept(database, clock, seen)
    MarkScheduler(database, lambda: seen, clock).fire_due()
    handlers = OversightHandlers(database, lambda: seen, clock, OversightHub(database, lambda: seen, clock))
    for department, expected in ((OFFICE, [HEALTH, OFFICE, MARKET]), (MARKET, [MARKET]), (WATER, [])):
        handlers._seen = lambda name=department: (  # type: ignore[method-assign, misc]
            seen,
            Scope(name, frozenset({"relay"}) if name == OFFICE else frozenset()),
            clock.now(),
        )
        found = await handlers.ListObligations(pb.ListObligationsRequest(), None)  # type: ignore[arg-type]
        assert sorted(each.owed_by for each in found.obligations) == sorted(expected)
        for each in found.obligations:
            assert (each.case_id, each.duty, each.period, each.title_zh) == (
                "",
                "once",
                "2026-03-20",
                "工作报告",
            )
            assert each.state == pb.OBLIGATION_STATE_OVERDUE
            assert list(each.discharged_by) == ["send"]
    handlers._seen = lambda: (seen, Scope(OFFICE, frozenset({"relay"})), clock.now())  # type: ignore[method-assign]
    figures = await handlers.GetIndicators(pb.GetIndicatorsRequest(), None)  # type: ignore[arg-type]
    assert sum(each.overdue for each in figures.indicators) == 0  # nothing was admitted when it opened
    raised = await handlers.ListAlerts(pb.ListAlertsRequest(), None)  # type: ignore[arg-type]
    assert {(each.kind, each.obligation.duty) for each in raised.alerts} == {
        (pb.ALERT_KIND_TELL_OFFICE, "once"),
        (pb.ALERT_KIND_PROPOSE_SUPERVISION, "once"),
    }


# -- acts that discharge ---------------------------------------------------------------------------


def published(registry: Bench, **changes: Any) -> str:
    """A report that every member owes today, by the end of the day; returns its period."""
    today = registry.clock.now().astimezone(at("2026-01-01").tzinfo).date()
    entry = directory_pb.StandingDuty(
        id="report",
        title=directory_pb.Title(zh="工作报告", en="Report"),
        source="M09",
        mechanism="case-transfer",
        owner=directory_pb.DUTY_OWNER_EVERY_MEMBER,
        cycle=directory_pb.DUTY_CYCLE_ONCE,
        every=1,
        starting=today.isoformat(),
        shift=directory_pb.DUTY_SHIFT_STAYS,
        lead_days=5,
        discharged_by=[directory_pb.DutyDischarge(procedure="case-transfer", acts=["register"])],
        marks=[directory_pb.DutyMark(name="due", actions=["remind"])],
        **changes,
    )
    registry.publish(directory_pb.CommonEntry(standing_duty=entry))
    return today.isoformat()


def test_an_act_that_names_a_duty_discharges_it(registry: Bench) -> None:
    """Opened or not; for its author alone; the first act counts, and one that names nothing does nothing."""
    period = published(registry)
    case_id = new_id()
    letter = registry.health.act(
        case_id, "register", parties={HEALTH: "sender"}, serves=[{"duty": "report", "period": period}]
    )
    position = registry.position(registry.health, letter)
    ended = rows(registry.database)
    discharged = [row for row in ended if row[0] == "report"]
    assert [(row[2], row[4]) for row in discharged] == [(HEALTH, "ON_TIME")]
    keeper_ = DutyKeeper(registry.database, lambda: registry.replica.directory, registry.clock)
    assert keeper_.sweep().opened == 3
    registry.registered()
    again = registry.market.act(
        new_id(), "register", parties={MARKET: "sender"}, serves=[{"duty": "report", "period": period}]
    )
    second = registry.position(registry.market, again)
    third = registry.health.act(
        new_id(), "register", parties={HEALTH: "sender"}, serves=[{"duty": "report", "period": period}]
    )
    registry.position(registry.health, third)
    by_owner = {row[2]: row[4] for row in rows(registry.database) if row[0] == "report"}
    assert by_owner == {HEALTH: "ON_TIME", MARKET: "ON_TIME", JUSTICE: "OPEN", WATER: "OPEN"}
    facts = rows_of(
        registry.database,
        sa.select(columns.owed_by, columns.facts).where(columns.rule == "report", columns.state == "ON_TIME"),
    )
    for owner, stored in facts:
        assert str({HEALTH: position, MARKET: second}[owner]).encode() in stored


def test_one_batch_may_discharge_twice_and_the_first_counts(registry: Bench) -> None:
    """Two acts of one group name the same occurrence: one row, by the first."""
    period = published(registry)
    served = [{"duty": "report", "period": period}]
    letters = [
        registry.health.act(new_id(), "register", parties={HEALTH: "sender"}, serves=served) for _ in range(2)
    ]
    first, second = registry.submit(registry.health, *letters)
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    (row,) = rows_of(registry.database, sa.select(columns.facts).where(columns.rule == "report"))
    assert str(first.position).encode() in row[0]


@pytest.mark.parametrize(
    "served",
    [
        {"duty": "unheard-of", "period": "2026-03"},
        {"duty": "report", "period": "2026-03"},
        {"duty": "report", "period": "2019-01-01"},
    ],
)
def test_a_duty_that_is_not_owed_refuses_the_act(registry: Bench, served: dict[str, str]) -> None:
    """Its author is told, so that a slip does not pass for a report."""
    published(registry)
    letter = registry.health.act(new_id(), "register", parties={HEALTH: "sender"}, serves=[served])
    assert registry.reason(registry.health, letter) == "DUTY_NOT_OWED"


def test_a_late_act_is_admitted_and_late(registry: Bench, clock: ManualClock) -> None:
    """Lateness refuses nothing; a duty done after its due time is late."""
    period = published(registry, minute=1)
    letter = registry.health.act(
        new_id(), "register", parties={HEALTH: "sender"}, serves=[{"duty": "report", "period": period}]
    )
    registry.position(registry.health, letter)
    (row,) = [each for each in rows(registry.database) if each[0] == "report"]
    assert row[4] == "LATE"
    assert microseconds(row[3]) < microseconds(registry.clock.now())
