"""The index over acts follows the ledger, whoever writes it, and can be made again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.registry import tables
from services.registry.indicators.act_index import ActIndexer, end_of
from tests.builders.departments import HEALTH, MARKET
from tests.builders.registry import Bench, bench


def rows(registry: Bench, *names: str) -> list[tuple[Any, ...]]:
    columns = [tables.act_index.c[name] for name in names]
    statement = sa.select(*columns).order_by(tables.act_index.c.position)
    return registry.database.read(lambda connection: [tuple(row) for row in connection.execute(statement)])


def indexer(registry: Bench, group: int = 500) -> ActIndexer:
    return ActIndexer(registry.database, lambda: registry.replica.directory, group=group)


def test_a_row_says_who_acted_before_and_where_a_case_begins_and_ends(registry: Bench) -> None:
    """Over a whole case: opened by the first act, ended by the last, each after another's."""
    case_id, at = registry.accepted()
    outcome = registry.market.act(case_id, "outcome", based_on=at, materials=["outcome-letter"])
    at = registry.position(registry.market, outcome)
    close = registry.health.act(case_id, "close", based_on=at, approved_by=["section-head"])
    registry.position(registry.health, close)
    indexer(registry, group=2).catch_up()
    assert rows(registry, "act", "author", "before", "opens", "closes") == [
        ("register", HEALTH, "", True, False),
        ("transfer", HEALTH, "", False, False),
        ("sign-for", MARKET, HEALTH, False, False),
        ("accept", MARKET, HEALTH, False, False),
        ("outcome", MARKET, HEALTH, False, False),
        ("close", HEALTH, MARKET, False, True),
    ]
    assert registry.database.read(end_of) == registry.replica.head.size


def test_indexing_again_changes_nothing(registry: Bench) -> None:
    """Also from the beginning: the index is a function of the ledger."""
    registry.accepted()
    registry.sent()
    indexer(registry).catch_up()
    columns = tuple(tables.act_index.columns.keys())
    before = rows(registry, *columns)
    assert len(before) == 6
    indexer(registry).catch_up()
    assert rows(registry, *columns) == before

    def forget(connection: sa.Connection) -> None:
        connection.execute(sa.delete(tables.act_index))
        connection.execute(sa.delete(tables.act_index_end))

    registry.database.write(forget)
    indexer(registry, group=3).catch_up()
    assert rows(registry, *columns) == before


@pytest.mark.postgresql
def test_two_processes_index_each_act_once(postgresql_url: str, tmp_path: Path) -> None:
    """Both at once, in small groups: nothing is missing, nothing stands twice."""
    with bench(postgresql_url, tmp_path) as first:
        for _ in range(12):
            first.sent()
        together = threading.Barrier(2)

        def work(_: int) -> None:
            mine = indexer(first, group=3)
            together.wait(10)
            mine.catch_up()

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(work, range(2)))
        indexer(first).catch_up()
        assert [act for (act,) in rows(first, "act")] == ["register", "transfer"] * 12
