"""Several replicas over one PostgreSQL: one order, one directory, no lease."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.exchange import merkle
from services.registry import ledger, mailboxes
from services.registry.commands import Admitted, Refresh
from services.registry.following import Follower
from services.registry.recent import Place
from tests.builders.departments import HEALTH, MARKET, new_id
from tests.builders.registry import Bench, bench

pytestmark = pytest.mark.postgresql


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two replicas of one registry."""
    with bench(postgresql_url, tmp_path) as first:
        second = Bench(postgresql_url, tmp_path, first.clock, first.signers, "b")
        try:
            yield first, second
        finally:
            second.close()


def calendar(year: int) -> directory_pb.CommonEntry:
    return directory_pb.CommonEntry(calendar=directory_pb.CalendarYear(region="qinghe", year=year))


def test_both_append_to_one_ledger(pair: tuple[Bench, Bench]) -> None:
    """Under load from both sides positions have no gap, times do not fall, and the root is right."""
    start = pair[0].replica.head.size

    def load(registry: Bench) -> list[int]:
        positions = []
        for _ in range(12):
            letters = [
                registry.health.act(new_id(), "register", parties={HEALTH: "sender"}) for _ in range(3)
            ]
            for result in registry.submit(registry.health, *letters):
                assert isinstance(result, Admitted)
                positions.append(result.position)
        return positions

    with ThreadPoolExecutor(2) as threads:
        found = [position for part in threads.map(load, pair) for position in part]
    assert sorted(found) == list(range(start, start + len(found)))
    first = pair[0]
    head = first.database.read(ledger.read_head)
    leaves = first.database.read(lambda connection: mailboxes.read_leaves(connection, 0, head.size))
    assert [leaf.admitted_at_us for leaf in leaves] == sorted(leaf.admitted_at_us for leaf in leaves)
    hashes = {leaf.position: leaf.hash() for leaf in leaves}
    assert merkle.root_from_multiproof(hashes, head.size, []) == head.edge.root


def test_a_case_goes_on_at_another_replica(pair: tuple[Bench, Bench]) -> None:
    """What one remembers of a case is not believed once the other appended."""
    first, second = pair
    case_id, at = first.sent()
    assert second.position(second.market, second.market.act(case_id, "sign-for", based_on=at)) == at + 1
    again = first.market.act(case_id, "sign-for", based_on=at)
    assert first.reason(first.market, again) == "CASE_MOVED_ON"


def test_a_letter_admitted_by_one_is_repeated_by_the_other(pair: tuple[Bench, Bench]) -> None:
    """A node that lost its connection sends the batch again, to whichever replica."""
    first, second = pair
    letter = first.health.act(new_id(), "register", parties={HEALTH: "sender"})
    assert first.submit(first.health, letter) == second.submit(second.health, letter)


def test_a_common_entry_of_one_is_law_at_the_other(pair: tuple[Bench, Bench]) -> None:
    """Before the next letter is judged there, with the version in its leaf."""
    first, second = pair
    version, position = first.publish(calendar(2031))
    assert second.replica.directory.version == version - 1
    _, at = second.registered()
    entry = second.replica.recent.entry(at)
    assert entry is not None
    assert entry.leaf.common_version == version
    assert second.replica.directory.years.keys() == first.replica.directory.years.keys()
    assert second.replica.common_positions[-1] == position
    assert second.publish(calendar(2032))[0] == version + 1


def test_a_head_signed_by_one_is_known_to_the_other(pair: tuple[Bench, Bench]) -> None:
    """A node may have seen it there a moment before it writes here."""
    first, second = pair
    first.registered()
    letter = second.health.act(new_id(), "register", parties={HEALTH: "sender"}, observed=first.observed())
    second.position(second.health, letter)


def test_memory_never_has_a_gap(pair: tuple[Bench, Bench]) -> None:
    """After the other appended, deliveries from before are read from the tables and none is missing."""
    first, second = pair
    before = Place(first.replica.head.size - 1, first.replica.head.size - 1)
    for _ in range(3):
        first.sent()
        second.sent()
    first.committer.submit_blocking(Refresh(), timeout=20)
    head = first.replica.head
    assert head == first.database.read(ledger.read_head)
    assert first.replica.recent.read(MARKET, before, 100, head.size) is None
    common = first.replica.common_positions
    found = first.database.read(
        lambda connection: mailboxes.read(connection, common, MARKET, before, 100, head.size)
    )
    assert len(found) == 12


async def test_a_commit_of_one_wakes_the_other(pair: tuple[Bench, Bench]) -> None:
    """By a notification, long before it would look by itself."""
    first, second = pair
    second.replica.attach(asyncio.get_running_loop())
    woken = second.replica.subscribe()
    follower = Follower(second.database, second.replica, second.committer, poll=timedelta(minutes=5))
    task = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(10):
            while second.replica.head != first.replica.head or not woken.is_set():
                await asyncio.to_thread(first.registered)
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_replica_looks_by_itself(pair: tuple[Bench, Bench]) -> None:
    """A notification can be lost; the poll finds what was appended."""
    first, second = pair
    second.replica.attach(asyncio.get_running_loop())
    woken = second.replica.subscribe()
    follower = Follower(second.database, second.replica, second.committer, poll=timedelta(milliseconds=50))
    await asyncio.to_thread(first.registered)
    task = asyncio.create_task(follower._look())
    try:
        async with asyncio.timeout(10):
            await woken.wait()
        assert second.replica.head == first.replica.head
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
