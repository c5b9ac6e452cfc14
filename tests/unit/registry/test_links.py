"""Links: up while refreshed, an outage on return, an alert after silence."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import Unavailable
from services.registry import links, tables
from services.registry.link_watch import LinkWatch
from services.registry.links import LinkOutage, LinkState
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_samples import OFFICE, RECEIVER, SENDER, directory, rows_of

START = at("2026-03-02 10:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def connect(
    database: Database, moment: Any, replica: str = "a", department: str = SENDER
) -> LinkOutage | None:
    return database.write(lambda connection: links.connected(connection, department, replica, moment))


def disconnect(database: Database, moment: Any, replica: str = "a") -> bool:
    return database.write(lambda connection: links.disconnected(connection, SENDER, replica, moment))


def state(database: Database, moment: Any) -> LinkState:
    return database.read(lambda connection: links.states(connection, moment))[SENDER]


def test_the_first_time_is_no_return(database: Database) -> None:
    """Who was never here was never away."""
    assert connect(database, START) is None
    assert state(database, START) == LinkState(SENDER, True, START, None, -1, -1)


def test_a_short_absence_is_no_outage(database: Database) -> None:
    """Five minutes are the net's daily life."""
    connect(database, START)
    disconnect(database, START + MINUTE)
    assert connect(database, START + 6 * MINUTE) is None


def test_a_node_that_comes_back_brings_its_outage(database: Database) -> None:
    """From the end of its last link to now, as a common entry with a key of its own."""
    connect(database, START)
    disconnect(database, START + MINUTE)
    outage = connect(database, START + 7 * MINUTE)
    assert outage == LinkOutage(SENDER, START + MINUTE, START + 7 * MINUTE)
    entry = outage.entry().outage
    assert entry.department == SENDER
    assert entry.since.ToDatetime(tzinfo=START.tzinfo) == START + MINUTE
    assert entry.until.ToDatetime(tzinfo=START.tzinfo) == START + 7 * MINUTE
    assert outage.idempotency_key == LinkOutage(SENDER, START + MINUTE, START).idempotency_key


def test_a_killed_replica_leaves_the_last_sign_of_life(database: Database) -> None:
    """Nobody said that the link ended: it is down once it is no longer refreshed, since it last was."""
    connect(database, START)
    database.write(lambda connection: links.seen(connection, {SENDER: (4, 3)}, START + MINUTE))
    assert state(database, START + 2 * MINUTE).connected
    gone = state(database, START + 3 * MINUTE)
    assert gone == LinkState(SENDER, False, START + MINUTE, START + MINUTE, 4, 3)
    assert connect(database, START + 10 * MINUTE, "b") == LinkOutage(
        SENDER, START + MINUTE, START + 10 * MINUTE
    )


def test_the_end_of_an_old_link_does_not_end_the_new_one(database: Database) -> None:
    """A node that went over to another replica is there, whatever the first one says later."""
    connect(database, START, "a")
    connect(database, START + MINUTE, "b")
    assert disconnect(database, START + MINUTE, "a") is False
    assert state(database, START + MINUTE).connected
    assert disconnect(database, START + 2 * MINUTE, "b") is True
    assert state(database, START + 2 * MINUTE).away_since == START + 2 * MINUTE


def test_a_silent_link_is_told_once_for_each_absence(database: Database) -> None:
    """After the silence, once; again only after it was back; never of who is not expected."""

    def tell(moment: Any, expected: tuple[str, ...] = (SENDER, RECEIVER)) -> int:
        return database.write(
            lambda connection: links.tell_silent(connection, moment, 30 * MINUTE, OFFICE, expected)
        )

    connect(database, START)
    connect(database, START, department=RECEIVER)
    disconnect(database, START)
    assert tell(START + 29 * MINUTE) == 0
    # the other link is no longer refreshed here, but is not expected either
    assert tell(START + 30 * MINUTE, (SENDER,)) == 1
    assert tell(START + 90 * MINUTE, (SENDER,)) == 0
    connect(database, START + 91 * MINUTE)
    disconnect(database, START + 92 * MINUTE)
    assert tell(START + 122 * MINUTE, (SENDER,)) == 1
    assert tell(START + 122 * MINUTE) == 1
    columns = tables.alerts.c
    found = rows_of(database, sa.select(columns.kind, columns.addressee, columns.subject_department))
    assert sorted(found) == [("LINK_DOWN", OFFICE, each) for each in sorted((SENDER, SENDER, RECEIVER))]


async def test_the_outage_is_in_the_ledger_before_the_link_is_up(
    database: Database, clock: ManualClock
) -> None:
    """If it cannot be published the link is refused, and the absence is not forgotten."""
    published: list[LinkOutage] = []
    refuse = [Unavailable()]

    async def publish(outage: LinkOutage) -> None:
        if refuse:
            raise refuse.pop()
        assert not state(database, clock.now()).connected
        published.append(outage)

    watch = LinkWatch(database, "a", directory, clock, publish)
    await watch.connected(SENDER)
    await watch.disconnected(SENDER)
    clock.advance(10 * MINUTE)
    with pytest.raises(Unavailable):
        await watch.connected(SENDER)
    clock.advance(MINUTE)
    await watch.connected(SENDER)
    assert published == [LinkOutage(SENDER, START, START + 11 * MINUTE)]
    assert state(database, clock.now()).connected


async def test_a_link_is_up_while_one_of_its_streams_is(database: Database, clock: ManualClock) -> None:
    """A node that opens a new stream before the old one ends stays up."""

    async def publish(outage: LinkOutage) -> None:
        raise AssertionError(outage)

    watch = LinkWatch(database, "a", directory, clock, publish)
    await watch.connected(SENDER)
    await watch.connected(SENDER)
    await watch.disconnected(SENDER)
    assert state(database, clock.now()).connected
    await watch.disconnected(SENDER)
    assert not state(database, clock.now()).connected


async def test_links_are_refreshed_and_places_written_together(
    database: Database, clock: ManualClock
) -> None:
    """A quiet link stays up; of many acknowledgements the last is kept."""

    async def publish(outage: LinkOutage) -> None:
        raise AssertionError(outage)

    watch = LinkWatch(database, "a", lambda: directory(**{"case-transfer": OFFICE}), clock, publish)
    await watch.connected(SENDER)
    for place in range(50):
        await watch.seen(SENDER, (place, place))
    await watch.flush()
    for _ in range(10):
        clock.advance(MINUTE)
        await watch.flush()
    assert state(database, clock.now()) == LinkState(SENDER, True, clock.now(), None, 49, 49)
