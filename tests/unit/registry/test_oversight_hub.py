"""Those who watch see what they may, in order, on every replica, and hold up nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.exchange.directory import Directory
from services.registry import links, tables
from services.registry.marks import MarkScheduler
from services.registry.oversight_hub import OversightHub, WatcherTooSlow
from services.registry.oversight_tail import Tail
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import NOW, caller
from tests.unit.registry.oversight_samples import (
    OFFICE,
    RECEIVER,
    SENDER,
    STRANGER,
    case_id,
    directory,
    duty,
    put,
    put_act,
    put_case,
    put_duties,
    put_head,
    registry_database,
)

DIRECTORY = directory()


@pytest.fixture
def database(database: Database) -> Database:
    put_head(database, 0)
    return database


def hub(database: Database, room: int = 100) -> OversightHub:
    return OversightHub(database, lambda: DIRECTORY, ManualClock(NOW), room=room)


class Watching:
    """A stream that is read in the background."""

    def __init__(self, stream: AsyncIterator[pb.WatchResponse]) -> None:
        self.stream = stream
        self.waiting = asyncio.ensure_future(anext(stream))

    async def next(self) -> pb.WatchResponse:
        response = await asyncio.wait_for(self.waiting, 5)
        self.waiting = asyncio.ensure_future(anext(self.stream))
        return response

    @property
    def is_quiet(self) -> bool:
        return not self.waiting.done()


@asynccontextmanager
async def watching(
    own: OversightHub, department: str, procedure: str = "", kind: str = "gateway"
) -> AsyncIterator[Watching]:
    before = len(own._watchers)
    watch = Watching(own.watch(caller(department, kind), procedure))
    for _ in range(1000):
        if len(own._watchers) > before:
            break
        await asyncio.sleep(0.005)
    try:
        yield watch
    finally:
        watch.waiting.cancel()
        await asyncio.gather(watch.waiting, return_exceptions=True)


async def test_an_act_reaches_those_who_may_see_it(database: Database) -> None:
    """With the state after it and the obligations it touched; nothing from before the watch began."""
    put_case(database, 1)
    put_act(database, 0, 1, "send", SENDER, at("2026-03-02 10:00"))
    own = hub(database)
    async with (
        watching(own, OFFICE) as office,
        watching(own, RECEIVER) as receiver,
        watching(own, STRANGER) as stranger,
        watching(own, RECEIVER, "inspection") as elsewhere,
    ):
        put_duties(database, [duty(1, at("2026-03-05 11:00"), opened_position=1)])
        put_duties(database, [duty(1, at("2026-03-02 10:00"), rule="report", opened_position=0)])
        put_act(database, 1, 1, "note", RECEIVER, at("2026-03-05 11:00"))
        assert await own.step() is False
        change = (await office.next()).act
        assert (change.case_id, change.procedure, change.state) == (case_id(1), "relay", "sent")
        assert (change.act.act, change.act.position) == ("note", 1)
        assert [each.rule for each in change.obligations] == ["reply"]
        assert (await receiver.next()).act == change
        await own.step()
        assert office.is_quiet
        assert stranger.is_quiet
        assert elsewhere.is_quiet
    assert own._watchers == set()


async def test_an_alert_reaches_office_and_addressee(database: Database) -> None:
    """With the obligation it is about."""
    own = hub(database)
    async with watching(own, OFFICE) as office, watching(own, STRANGER) as stranger:
        put_duties(database, [duty(1, "2026-03-02 10:00")])
        MarkScheduler(database, lambda: DIRECTORY, ManualClock(at("2026-03-04 09:00"))).fire_due()
        await own.step()
        alert = (await office.next()).alert
        assert (alert.mark, alert.kind, alert.obligation.rule) == ("50%", pb.ALERT_KIND_REMIND, "reply")
        assert stranger.is_quiet


async def test_a_link_that_comes_or_goes_is_told(database: Database) -> None:
    """Once for each change, to those who see the department."""
    own = hub(database)
    async with watching(own, OFFICE) as office, watching(own, STRANGER) as stranger:
        database.write(lambda connection: links.connected(connection, SENDER, "a", NOW))
        await own.step()
        state = (await office.next()).link
        assert (state.department, state.connected) == (SENDER, True)
        await own.step()
        assert office.is_quiet
        database.write(lambda connection: links.disconnected(connection, SENDER, "a", NOW))
        await own.step()
        assert not (await office.next()).link.connected
        assert stranger.is_quiet


async def test_a_slow_reader_is_ended_and_the_others_go_on(database: Database) -> None:
    """What it had is still handed out; then it learns that it was too slow."""
    put_case(database, 1)
    own = hub(database, room=2)
    async with watching(own, OFFICE) as slow, watching(own, RECEIVER) as quick:
        for position in range(6):
            put_act(database, position, 1, "note", RECEIVER, NOW)
            await own.step()
            assert (await quick.next()).act.act.position == position
        for position in range(3):
            assert (await slow.next()).act.act.position == position
        with pytest.raises(WatcherTooSlow):
            await slow.next()


async def test_every_replica_tells_the_same(postgresql_url: str) -> None:
    """Whoever admitted: the tables are what is read."""
    with registry_database(postgresql_url) as database:
        put_head(database, 0)
        put_case(database, 1)
        other = Database(postgresql_url)
        hubs = [hub(database), hub(other)]
        woken = [asyncio.Event(), asyncio.Event()]
        running = [asyncio.create_task(own.run(event)) for own, event in zip(hubs, woken, strict=True)]
        async with watching(hubs[0], OFFICE) as here, watching(hubs[1], OFFICE) as there:
            put_act(database, 0, 1, "send", SENDER, NOW)
            woken[0].set()
            assert await here.next() == await there.next()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        other.close()


async def test_nothing_is_read_while_nobody_watches(database: Database) -> None:
    """A new watcher begins at the end, however much came meanwhile."""
    own = hub(database)
    async with watching(own, OFFICE):
        assert own._tail is not None
    await own.step()
    assert own._tail is None
    put_case(database, 1)
    put_act(database, 0, 1, "send", SENDER, NOW)
    async with watching(own, OFFICE) as office:
        await own.step()
        assert office.is_quiet


def alert(number: int) -> tuple[object, ...]:
    return (
        number,
        "REMIND",
        RECEIVER,
        RECEIVER,
        "relay",
        case_id(number),
        "reply",
        1,
        "50%",
        0,
        0,
        "",
        "",
        "",
    )


def read(database: Database, tail: Tail, now: datetime, seen: Directory = DIRECTORY) -> list[int]:
    changes, _ = database.read(lambda connection: tail.read(connection, seen, now))
    return [change.response.alert.id for change in changes]


def test_an_alert_that_commits_out_of_turn_is_not_missed(database: Database) -> None:
    """Two replicas number at once: what comes late is told late; a number never used is given up."""
    put(database, tables.alerts, [alert(1)])
    tail = database.read(lambda connection: Tail.at_end(connection, NOW))
    put(database, tables.alerts, [alert(2), alert(5)])
    assert read(database, tail, NOW) == [2, 5]
    assert set(tail.missing) == {3, 4}
    put(database, tables.alerts, [alert(3), alert(6)])
    assert read(database, tail, NOW + timedelta(seconds=5)) == [3, 6]
    assert read(database, tail, NOW + timedelta(seconds=11)) == []
    assert tail.missing == {}


def test_a_reading_that_failed_is_repeated_whole(database: Database) -> None:
    """A tail moves on only with what was handed out."""
    tail = database.read(lambda connection: Tail.at_end(connection, NOW))
    put_case(database, 1)
    put_act(database, 0, 1, "send", SENDER, NOW)
    attempt = tail.copy()
    database.read(lambda connection: attempt.read(connection, DIRECTORY, NOW))
    assert (tail.position, attempt.position) == (-1, 0)
    count = sa.select(sa.func.count()).select_from(tables.ledger)
    assert database.read(lambda connection: connection.execute(count).scalar_one()) == 1
