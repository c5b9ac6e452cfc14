"""A month is frozen once, as the ledger stood, and can be computed again from the ledger by anyone."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.common.clock import ManualClock, microseconds
from services.exchange.directory import Directory
from services.exchange.letters import timestamp
from services.registry import ledger, tables
from services.registry.handlers.indicators import IndicatorHandlers
from services.registry.indicators import catalogue
from services.registry.indicators.act_index import ActIndexer
from services.registry.indicators.amounts import Amount, dumps, loads
from services.registry.indicators.freeze import Freezer, NotFrozen, get_frozen, list_frozen
from services.registry.indicators.periods import Month
from services.registry.indicators.replay import replay
from tests.builders.departments import JUSTICE, MARKET
from tests.builders.registry import Bench, bench
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.indicators.figure_samples import short
from tests.unit.registry.indicators.ledger_walk import Walk, region_lists
from tests.unit.registry.oversight_calls import CONTEXT, call_as

CATALOGUE = catalogue.load()
DAY = timedelta(days=1)
JANUARY = at("2026-01-05 09:00")


@contextmanager
def walked(url: str, folder: Path, steps: int, seed: int) -> Iterator[tuple[Bench, ManualClock]]:
    """A ledger that chance wrote from January 2026 on."""
    clock = ManualClock(JANUARY)
    with bench(url, folder, clock) as registry:
        region_lists(registry)
        Walk(registry, clock, seed).take(steps)
        yield registry, clock


def freezer(registry: Bench, clock: ManualClock, directory: Callable[[], Directory] | None = None) -> Freezer:
    return Freezer(
        registry.database, directory or (lambda: registry.replica.directory), CATALOGUE, clock, delay=DAY
    )


def contents(registry: Bench) -> dict[Month, bytes]:
    def read(connection: sa.Connection) -> dict[Month, bytes]:
        months = [each.month for each in list_frozen(connection, None, 100)]
        return {month: get_frozen(connection, month)[1] for month in months}

    return registry.database.read(read)


@pytest.mark.parametrize("seed", range(6))
def test_a_frozen_month_is_computed_again_from_the_ledger(
    sqlite_url: str, tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Byte for byte, whatever chance wrote: letter by letter, without the tables that the registry counts by."""
    with walked(sqlite_url, tmp_path, 90, seed) as (registry, clock):
        frozen = freezer(registry, clock).freeze_due()
        for part in range(3):
            Walk(registry, clock, 100 * part + seed).take(20)
            frozen += freezer(registry, clock).freeze_due()
        assert len(frozen) >= 2
        counted: Counter[str] = Counter()
        for month in frozen:
            about, content = registry.database.read(
                lambda connection, month=month: get_frozen(connection, month)  # type: ignore[misc]
            )
            again = registry.database.read(
                lambda connection, month=month, about=about: replay(  # type: ignore[misc]
                    connection, month, about.size, CATALOGUE, "qinghe"
                )
            )
            assert again == loads(content), month
            assert sha256(dumps(again, CATALOGUE.text)).digest() == about.digest
            root = registry.database.read(
                lambda connection, about=about: registry.replica.hashes.root(connection, about.size)  # type: ignore[misc]
            )
            assert about.root == root
            for name, amounts in again.numerators.items():
                counted[name] += sum(each.amount for each in amounts)
        assert all(counted[name] for name in ("due", "met-on-time", "cases-opened", "overdue", "backlog"))
        record_property("told", f"seed {seed}: {dict(counted)}")


def test_every_month_that_is_over_is_frozen_and_none_before_its_time(sqlite_url: str, tmp_path: Path) -> None:
    """From the month of the first leaf on, one after the other; after the delay and not before."""
    clock = ManualClock(JANUARY)
    with bench(sqlite_url, tmp_path, clock) as registry:
        registry.sent()
        clock.set(at("2026-02-01 23:59"))
        assert freezer(registry, clock).freeze_due() == []
        clock.set(at("2026-02-02"))
        assert freezer(registry, clock).freeze_due() == [Month(2026, 1)]
        assert freezer(registry, clock).freeze_due() == []
        # nobody was there for three months
        clock.set(at("2026-05-03"))
        assert freezer(registry, clock).freeze_due() == [Month(2026, 2), Month(2026, 3), Month(2026, 4)]
        months = registry.database.read(lambda connection: list_frozen(connection, None, 2))
        assert [each.month for each in months] == [Month(2026, 4), Month(2026, 3)]
        older = registry.database.read(lambda connection: list_frozen(connection, 202603, 9))
        assert [each.month for each in older] == [Month(2026, 2), Month(2026, 1)]
        head = registry.database.read(ledger.read_head)
        assert {each.size for each in months} == {head.size}
        assert {each.root for each in months} == {head.edge.root}


async def test_what_comes_later_shows_as_a_difference(sqlite_url: str, tmp_path: Path) -> None:
    """The frozen month stays as it is; beside it stands what the ledger shows now."""
    clock = ManualClock(JANUARY)
    with bench(sqlite_url, tmp_path, clock) as registry:
        case_id, position = registry.sent()
        clock.set(at("2026-02-03"))
        assert freezer(registry, clock).freeze_due() == [Month(2026, 1)]
        before = contents(registry)
        sign = registry.market.act(case_id, "sign-for", based_on=position)
        registry.position(registry.market, sign)
        assert freezer(registry, clock).freeze_due() == []
        assert contents(registry) == before
        handlers = IndicatorHandlers(registry.database, lambda: registry.replica.directory, clock, CATALOGUE)
        call_as(JUSTICE)
        asked = pb.GetFrozenRequest(
            month="2026-01", indicators=["overdue", "met-late", "due"], with_live=True
        )
        found = await handlers.GetFrozen(asked, CONTEXT)
        shown = {each.indicator: (each.value, each.live.value, each.live.differs) for each in found.figures}
        # sending was due in January and done; signing and replying were due too, the first of them came in February
        assert shown == {"due": (3, 3, False), "met-late": (0, 1, True), "overdue": (2, 1, True)}
        assert found.month.month == "2026-01"
        asked.group_by = pb.FIGURE_GROUP_DEPARTMENT
        call_as(MARKET)
        own = await handlers.GetFrozen(asked, CONTEXT)
        assert {each.key for each in own.figures} == {MARKET}
        call_as("registry.qinghe", "operator")
        frames = handlers.GetFrozenContent(pb.GetFrozenContentRequest(month="2026-01"), CONTEXT)
        content = b"".join([each.frame async for each in frames])
        assert sha256(content).digest() == own.month.digest
        with pytest.raises(NotFrozen):
            await handlers.GetFrozen(pb.GetFrozenRequest(month="2026-02"), CONTEXT)
        listed = await handlers.ListFrozen(pb.ListFrozenRequest(), CONTEXT)
        assert [each.month for each in listed.months] == ["2026-01"]


def test_clocks_that_stand_are_frozen_as_they_stood(sqlite_url: str, tmp_path: Path) -> None:
    """Asked for material on 30 January until 10 February: the reply's clock stands at the end of January."""
    clock = ManualClock(at("2026-01-29 10:00"))
    with bench(sqlite_url, tmp_path, clock) as registry:
        case_id, position = registry.sent()
        clock.set(at("2026-01-29 10:02"))
        signed = registry.market.act(case_id, "sign-for", based_on=position)
        position = registry.position(registry.market, signed)
        asked = registry.market.act(
            case_id,
            "request-material",
            based_on=position,
            materials=["material-list"],
            requested_limit=timestamp(at("2026-02-10")),
        )
        registry.position(registry.market, asked)
        clock.set(at("2026-02-02"))
        (month,) = freezer(registry, clock).freeze_due()
        given = loads(contents(registry)[month])
        assert given.numerators["suspended"] == (Amount("case-transfer", MARKET, "", "", 1),)
        again = registry.database.read(
            lambda connection: replay(connection, month, registry.replica.head.size, CATALOGUE, "qinghe")
        )
        assert again == given


async def test_a_frozen_month_answers_like_a_live_one(sqlite_url: str, tmp_path: Path) -> None:
    """Right after freezing, in every split, for whoever asks."""
    with walked(sqlite_url, tmp_path, 120, 7) as (registry, clock):
        handlers = IndicatorHandlers(registry.database, lambda: registry.replica.directory, clock, CATALOGUE)
        month = freezer(registry, clock).freeze_due()[-1]
        period = pb.Period(first=month.period.first.isoformat(), last=month.period.last.isoformat())
        for department, kind, procedure in (
            (JUSTICE, "node", "case-transfer"), (MARKET, "node", ""), ("registry.qinghe", "operator", "")
        ):  # fmt: skip
            call_as(department, kind)
            for group in pb.FigureGroup.values():
                frozen = await handlers.GetFrozen(
                    pb.GetFrozenRequest(month=str(month), group_by=group, procedure=procedure), CONTEXT
                )
                live = await handlers.GetFigures(
                    pb.GetFiguresRequest(period=period, group_by=group, procedure=procedure), CONTEXT
                )
                assert sorted(short(frozen.figures), key=str) == sorted(short(live.figures), key=str)


@pytest.mark.postgresql
def test_two_processes_freeze_a_month_once(postgresql_url: str, tmp_path: Path) -> None:
    """Both at once, each with its own directory and connections: one row, and both hold it for frozen."""
    with bench(postgresql_url, tmp_path) as first:
        second = Bench(postgresql_url, tmp_path, first.clock, first.signers, "b")
        try:
            first.sent()
            month = Month.at(first.clock.now())
            clock = ManualClock(month.end + DAY)
            together = threading.Barrier(2)

            def work(registry: Bench) -> list[Month]:
                mine = freezer(registry, clock)
                together.wait(10)
                return mine.freeze_due()

            second.database.read(second.replica.load)
            with ThreadPoolExecutor(2) as threads:
                found = list(threads.map(work, (first, second)))
            assert [month] in found
            assert all(each in ([month], []) for each in found)
            columns = tables.frozen_months.c
            rows = first.database.read(
                lambda connection: connection.execute(sa.select(columns.month, columns.frozen_at_us)).all()
            )
            assert [tuple(row) for row in rows] == [(month.number, microseconds(clock.now()))]
            assert contents(first) == contents(second)
        finally:
            second.close()


def test_a_held_ledger_is_not_frozen(sqlite_url: str, tmp_path: Path) -> None:
    """Restored of an older copy it may lack letters of the month; once it goes on, so does freezing."""
    clock = ManualClock(JANUARY)
    with bench(sqlite_url, tmp_path, clock) as registry:
        registry.sent()
        clock.set(at("2026-02-03"))

        def held(since: int | None) -> None:
            registry.database.write(
                lambda connection: connection.execute(
                    sa.update(tables.ledger_head).values(held_since_us=since)
                )
            )

        held(microseconds(clock.now()))
        assert freezer(registry, clock).freeze_due() == []
        held(None)
        assert freezer(registry, clock).freeze_due() == [Month(2026, 1)]


def test_either_database_freezes_what_the_ledger_says(database_url: str, tmp_path: Path) -> None:
    """The month that runs, as if it were over."""
    with bench(database_url, tmp_path) as registry:
        registry.accepted()
        registry.sent()
        month = Month.at(registry.clock.now())
        assert freezer(registry, ManualClock(month.end + DAY)).freeze_due() == [month]
        (content,) = contents(registry).values()
        size = registry.replica.head.size
        again = registry.database.read(
            lambda connection: replay(connection, month, size, CATALOGUE, "qinghe")
        )
        assert again == loads(content)
        assert sum(each.amount for each in again.numerators["letters"]) == 6


def test_what_is_not_indexed_yet_is_not_frozen(sqlite_url: str, tmp_path: Path) -> None:
    """A replica that lags behind the ledger's directory leaves the month to another look, and loses nothing."""
    clock = ManualClock(JANUARY)
    with bench(sqlite_url, tmp_path, clock) as registry:
        registry.sent()
        old = registry.replica.directory
        region_lists(registry)
        registry.sent()
        clock.set(at("2026-02-03"))
        lagging = ActIndexer(registry.database, lambda: old)
        lagging.catch_up()
        indexed = registry.database.read(
            lambda connection: connection.execute(
                sa.select(sa.func.count()).select_from(tables.act_index)
            ).scalar()
        )
        assert indexed == 2
        # of what a freezer reads it catches up by itself; of what it cannot judge it waits
        assert freezer(registry, clock).freeze_due() == [Month(2026, 1)]
