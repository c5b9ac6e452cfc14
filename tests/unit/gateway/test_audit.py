"""What was done and refused at the gateway, on both databases."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.common.clock import ManualClock
from services.common.db import Database
from services.gateway import audit as module
from services.gateway import schema
from services.gateway.audit import KEPT, MOST_WAITING, Audit, Event
from tests.builders.ledger import MONDAY

REFUSED = Event(action="CaseService.GetCase", result="NOT_FOUND", department="health.qinghe", who="zhao")


@pytest.fixture
def clock() -> ManualClock:
    """The time."""
    return ManualClock(MONDAY)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The gateway's store."""
    made = Database(database_url)
    made.write(schema.metadata.create_all)
    yield made
    made.close()


@pytest.fixture
def audit(database: Database, clock: ManualClock) -> Audit:
    """Over it."""
    return Audit(database, clock)


async def test_what_belongs_to_a_transaction_is_kept_with_it(audit: Audit, database: Database) -> None:
    """And is gone with it."""
    event = Event(action="account.add", department="health.qinghe", who="operator", about="chen")
    database.write(lambda connection: audit.note(connection, event))

    def fails(connection: object) -> None:
        audit.note(connection, event)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fails)
    (found,) = await audit.read()
    assert (found.event, found.times) == (event, 1)


async def test_equal_refusals_of_a_moment_are_one_row(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their number, written though nobody asks."""
    monkeypatch.setattr(module, "MOMENT_S", 0.01)
    for number in range(500):
        audit.refused(Event(**{**_fields(REFUSED), "request_id": str(number)}))
    audit.refused(Event(action="log-in", result="NOT_KNOWN", origin="192.0.2.9"))
    await asyncio.sleep(0.3)
    found = {each.event.action: (each.times, each.event.request_id) for each in await audit.read()}
    assert found == {"CaseService.GetCase": (500, "499"), "log-in": (1, "")}


async def test_a_flood_takes_no_more_memory_than_is_set(audit: Audit) -> None:
    """Beyond it only what was refused is counted, no longer for whom."""
    for number in range(MOST_WAITING + 250):
        audit.refused(Event(**{**_fields(REFUSED), "about": f"/api/v1/cases/{number}"}))
    await audit.close()
    rows = await audit.read(limit=2 * MOST_WAITING)
    assert len(rows) == MOST_WAITING + 1
    assert [each.times for each in rows if not each.event.who] == [250]


async def test_it_is_kept_for_half_a_year(audit: Audit, clock: ManualClock) -> None:
    """And then forgotten."""
    await audit.write(Event(action="old"))
    clock.advance(KEPT - timedelta(days=1))
    await audit.write(Event(action="new"))
    assert [each.event.action for each in await audit.read()] == ["new", "old"]
    clock.advance(timedelta(days=2))
    await audit.write(Event(action="newest"))
    assert [each.event.action for each in await audit.read()] == ["newest", "new"]


async def test_it_is_read_by_department_and_page(audit: Audit) -> None:
    """What nobody known did belongs to no department."""
    for number in range(3):
        await audit.write(Event(action=str(number), department="health.qinghe"))
    await audit.write(Event(action="log-in", result="NOT_KNOWN"))
    await audit.write(Event(action="market", department="market.qinghe", result="NOT_FOUND"))
    first = await audit.read("health.qinghe", limit=2)
    assert [each.event.action for each in first] == ["2", "1"]
    rest = await audit.read("health.qinghe", before=first[-1].id)
    assert [each.event.action for each in rest] == ["0"]
    assert [each.event.action for each in await audit.read(refused=True)] == ["market", "log-in"]


def _fields(event: Event) -> dict[str, str]:
    return {name: getattr(event, name) for name in Event.__slots__}
