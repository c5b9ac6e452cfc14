"""What people see: lists, what they have read, and what changes while they watch."""

from datetime import timedelta

import pytest

from services.exchange.session import new_id
from services.sharing import store, tables, watching
from tests.unit.sharing.sharing_world import (
    CORRECT,
    DAY,
    HEALTH,
    MONDAY,
    NEWS,
    PRACTICE,
    PUBLISH,
    World,
    bulletin,
)


def test_lists_are_filtered_and_paged(world: World) -> None:
    """The last seen first; the key of the last row is where the next page begins."""
    ids = [new_id() for _ in range(5)]
    for number, item_id in enumerate(ids):
        category = PRACTICE if number % 2 else NEWS
        at = MONDAY + timedelta(minutes=number // 2)
        world.deliver(world.foreign(PUBLISH, item_id, 1, bulletin(), category=category, admitted_at=at))
    own = world.publish().item_id
    world.correct(own, bulletin("更正"))
    assert world.found(category=PRACTICE) == [ids[3], ids[1]]
    assert world.found(author=HEALTH) == [own]
    paged: list[str] = []
    before = None
    while True:
        rows = world.page(store.Wanted(before=before), 2)
        if not rows:
            break
        paged += [item.item_id for item in rows]
        before = (rows[-1].seen_at_us, rows[-1].item_id)
    assert paged == world.found()
    assert len(set(paged)) == 6


def test_reading_is_by_person_and_revision(world: World) -> None:
    """A correction makes an item unread again; the time of the first reading stays."""
    item_id = new_id()
    world.deliver(world.foreign(PUBLISH, item_id, 1, bulletin()))
    world.say(lambda feature, _: feature.read(item_id, 1, "u-17", "王芳"))
    world.clock.advance(DAY)
    world.say(lambda feature, _: feature.read(item_id, 1, "u-17", "王芳"))
    (row,) = world.rows(tables.item_reads)
    assert (row.subject, row.revision, row.read_at_us) == ("u-17", 1, int(MONDAY.timestamp() * 1_000_000))
    world.deliver(world.foreign(CORRECT, item_id, 2, bulletin()))
    assert (world.read_revision(item_id, "u-17"), world.read_revision(item_id, "u-18")) == (1, 0)


async def test_who_watches_hears_each_item_once(world: World) -> None:
    """Of its category; what changes twice before it is taken is told once."""
    with world.shelf.watchers.watch(NEWS) as watcher:
        answer = world.publish()
        world.publish(category=PRACTICE)
        world.correct(answer.item_id, bulletin())
        await world.department.run(lambda session: None)
        assert await watcher.take() == [answer.item_id]


async def test_who_does_not_take_what_changed_is_told_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for a watcher is bounded: past that it lists anew."""
    monkeypatch.setattr(watching, "WATCHED", 2)
    with world.shelf.watchers.watch("") as watcher:
        for _ in range(3):
            world.publish()
        await world.department.run(lambda session: None)
        with pytest.raises(watching.WatcherTooSlow) as caught:
            await watcher.take()
    assert caught.value.reason == "SLOW_READER"
