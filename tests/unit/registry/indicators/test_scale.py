"""A month's figures are read by indexes, however much is stored."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.common.bulk import Bulk
from services.common.clock import from_microseconds, microseconds
from services.common.db import Database
from services.procedures.case import dumps_obligation
from services.procedures.obligation import Outcome
from services.registry import tables
from services.registry.indicators import catalogue, live, queries
from services.registry.indicators.amounts import dumps
from services.registry.indicators.catalogue import Indicator, Measure
from services.registry.indicators.figures import Group
from services.registry.indicators.live import Asked
from services.registry.indicators.periods import Month, Period
from services.registry.indicators.sight import Sight
from services.registry.obligation_index import LAPSED, OPEN
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_samples import case_id, directory, duty, put_head

CATALOGUE = catalogue.load()
FIRST = at("2024-01-01")
MONTHS = 24
MARCH = Period.of("2025-03-01", "2025-03-31")
OPERATOR = Sight(None, "", own=False)
_GROWING = ("obligations", "act_index", "ledger", "request", "act", "other")
_CHUNK = 5_000
_STATES = [each.value for each in Outcome]


def fill(database: Database, count: int) -> datetime:
    """Obligations, their acts and a ledger over two years, as even as a clock; returns the end."""
    step = timedelta(days=30.4 * MONTHS) / count
    facts = dumps_obligation(duty(1, "2024-01-02 10:00"))
    ledger, acts, owed = Bulk(tables.ledger), Bulk(tables.act_index), Bulk(tables.obligations)

    def row(number: int) -> tuple[Any, ...]:
        opened = FIRST + number * step
        open_still = number % 97 == 0
        state = OPEN if open_still else LAPSED if number % 31 == 0 else _STATES[number * 7919 % 4]
        due = opened + timedelta(days=3 + number % 5)
        # what stays open for long is rare; the newest is open still
        ended = None if open_still else microseconds(opened + timedelta(hours=1 + number % 90))
        return (
            case_id(number), "reply", 1, "relay" if number % 3 else "inspection", 1,
            f"d{number % 40:02d}.qinghe", number, microseconds(opened), microseconds(due), state, ended, None, None,
            facts,
        )  # fmt: skip

    def act(number: int) -> tuple[Any, ...]:
        author, before = f"d{number % 40:02d}.qinghe", f"d{(number + 1) % 40:02d}.qinghe"
        return (
            number, case_id(number // 6), "relay", "send" if number % 6 == 0 else "note", author, before,
            number % 6 == 0, number % 6 == 5, "", "", "", microseconds(FIRST + number * step),
        )  # fmt: skip

    def leaf(number: int) -> tuple[Any, ...]:
        moment = microseconds(FIRST + number * step)
        return (
            number, f"letter-{number}", "act", "d.qinghe", case_id(number // 6), b"", b"", moment, 0, number, 0,
            b"", b"", b"", "",
        )  # fmt: skip

    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))

        def work(connection: sa.Connection, numbers: range = numbers) -> None:
            owed.insert(connection, [row(number) for number in numbers])
            acts.insert(connection, [act(number) for number in numbers])
            ledger.insert(connection, [leaf(number) for number in numbers])

        database.write(work)
    put_head(database, count)
    database.write(lambda connection: connection.exec_driver_sql("ANALYZE"))
    return FIRST + count * step


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _m: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            sent.append((statement, parameters))

    sa.event.listen(database._reader, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(database._reader, "before_cursor_execute", note)


def scans(database: Database, sent: list[tuple[str, Any]]) -> list[str]:
    """The statements that walk a growing table from end to end."""
    found = []
    for statement, parameters in sent:
        plan = database.read(lambda connection, s=statement, p=parameters: _plan(connection, s, p))  # type: ignore[misc]
        found += [f"{each} in {statement}" for each in plan]
    return found


def _plan(connection: sa.Connection, statement: str, parameters: Any) -> list[str]:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        details = [row[3] for row in rows]
        return [
            each for each in details if any(each.split(" USING")[0] == f"SCAN {name}" for name in _GROWING)
        ]
    (explained,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalars()
    tree = json.loads(explained) if isinstance(explained, str) else explained
    return list(_sequential(tree[0]["Plan"]))


def _sequential(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in _GROWING:
        yield f"Seq Scan on {node['Relation Name']}"
    for each in node.get("Plans", ()):
        yield from _sequential(each)


def everything(
    database: Database, now: datetime, group: Group, sight: Sight = OPERATOR, period: Period = MARCH
) -> Callable[[], live.Found]:
    asked = Asked(tuple(CATALOGUE.indicators.values()), period, group, period.year_before())
    return lambda: database.read(
        lambda connection: live.find(connection, asked, sight, CATALOGUE, directory(), now)
    )


def listed(database: Database, now: datetime, measure: Measure, indicator: Indicator) -> int:
    def read(connection: sa.Connection) -> int:
        seen = live.window_of(connection, MARCH, OPERATOR, Group.NONE, directory(), now)
        if measure.items == "letters":
            return len(queries.list_acts(connection, seen, measure, None, 101, with_area=indicator.areas))
        return len(queries.list_obligations(connection, seen, measure, directory().law, None, 101))

    return database.read(read)


def test_no_growing_table_is_walked_for_a_month(database: Database) -> None:
    """Figures of all indicators in every split, for an office and for a department, with the year before."""
    end = fill(database, 40_000)
    with statements(database) as sent:
        for group in (Group.NONE, Group.DEPARTMENT, Group.PROCEDURE):
            assert everything(database, end, group)().figures
        own = Sight(None, "d07.qinghe", own=True)
        assert everything(database, end, Group.NONE, own)().figures
    assert len(sent) > 30
    assert scans(database, sent) == []
    # what it would find
    assert scans(database, [("SELECT facts FROM obligations", ())])


def test_no_growing_table_is_walked_for_a_page_of_items(database: Database) -> None:
    """Of whatever a figure counts."""
    end = fill(database, 40_000)
    shown = 0
    with statements(database) as sent:
        for indicator in CATALOGUE.indicators.values():
            for measure in indicator.measures:
                if measure.items:
                    shown += listed(database, end, measure, indicator)
    assert shown
    assert scans(database, sent) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_month_is_quick_however_much_is_stored(
    database: Database, record_property: Callable[[str, object], None]
) -> None:
    """All figures of a month with the year before, by department, of 200,000 obligations (LIANDONG_TEST_ROWS of more)."""
    count = int(os.environ.get("LIANDONG_TEST_ROWS", "200000"))
    end = fill(database, count)

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    whole = best(everything(database, end, Group.NONE))
    split = best(everything(database, end, Group.DEPARTMENT))
    own = best(everything(database, end, Group.NONE, Sight(None, "d07.qinghe", own=True)))
    year = best(everything(database, end, Group.NONE, OPERATOR, Period.of("2025-01-01", "2025-12-31")))
    page = best(
        lambda: listed(database, end, CATALOGUE.indicators["due"].numerator, CATALOGUE.indicators["due"])
    )
    record_property(
        "told",
        f"{database.dialect}, {count} obligations and acts: month {whole * 1000:.0f} ms, by department"
        f" {split * 1000:.0f} ms, of one department {own * 1000:.0f} ms, a year {year * 1000:.0f} ms, a page of items"
        f" {page * 1000:.0f} ms",
    )
    assert whole < 2 + count / 200_000


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_month_is_frozen_in_seconds(
    database: Database, record_property: Callable[[str, object], None]
) -> None:
    """Computed and written, with all medians in every split."""
    count = int(os.environ.get("LIANDONG_TEST_ROWS", "200000"))
    fill(database, count)
    month = Month.at(from_microseconds(MARCH.begin_us))

    def work() -> int:
        seen = database.read(
            lambda connection: queries.window(
                connection, month.period.begin_us, month.period.end_us, {"relay", "inspection"}
            )
        )
        given = database.read(
            lambda connection: live.measure(
                connection, tuple(CATALOGUE.indicators.values()), CATALOGUE, seen, directory()
            )
        )
        return len(dumps(given, CATALOGUE.text))

    start = time.perf_counter()
    size = work()
    took = time.perf_counter() - start
    record_property("told", f"{database.dialect}, {count}: {took * 1000:.0f} ms, {size // 1024} KiB")
    assert size
    assert took < 10
