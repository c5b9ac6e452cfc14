"""Items of other departments, from the letters that the link brings."""

from services.exchange import tables as exchange_tables
from services.exchange.session import new_id
from tests.unit.sharing.sharing_world import CORRECT, POLICE, PUBLISH, WITHDRAW, World, bulletin


def test_an_item_of_another_department_is_folded(world: World) -> None:
    """With the place that the registry gave it; delivered twice it is the same."""
    item_id = new_id()
    letter = world.foreign(PUBLISH, item_id, 1, bulletin("警情通报", "夜间巡查。"))
    world.deliver(letter)
    world.deliver(letter)
    item = world.item(item_id)
    assert (item.author, item.revision, item.position) == (POLICE, 1, 101)
    assert world.found(terms=frozenset({"巡查"})) == [item_id]


def test_a_correction_of_something_never_seen_is_kept(world: World) -> None:
    """Who subscribed late gets what comes; if the publication comes after all, it takes its place."""
    item_id = new_id()
    early = world.foreign(PUBLISH, item_id, 1, bulletin("甲"))
    world.deliver(world.foreign(CORRECT, item_id, 3, bulletin("丙")))
    world.deliver(world.foreign(CORRECT, item_id, 2, bulletin("乙")), early)
    item = world.item(item_id)
    assert (item.revision, item.first_revision) == (3, 1)
    world.deliver(world.foreign(WITHDRAW, item_id, 4, bulletin("丙")))
    assert world.item(item_id).withdrawn


def test_what_cannot_be_shown_is_kept(world: World) -> None:
    """Another type, or bytes that are no bulletin: listed without body, never parked."""
    records, garbage = new_id(), new_id()
    world.deliver(
        world.foreign(PUBLISH, records, 1, b"{}", payload_type="region.Extension"),
        world.foreign(PUBLISH, garbage, 1, b"\xff\xff"),
    )
    assert sorted(world.found()) == sorted([records, garbage])
    assert [world.item(each).heading for each in (records, garbage)] == [None, None]
    assert world.rows(exchange_tables.parked) == []


def test_a_letter_that_names_no_item_is_parked(world: World) -> None:
    """It is admitted, so it is kept in sight; the others of the delivery are not held up."""
    good = new_id()
    world.deliver(world.foreign(PUBLISH, "", 1, bulletin()), world.foreign(PUBLISH, good, 1, bulletin()))
    assert world.found() == [good]
    assert [row.position for row in world.rows(exchange_tables.parked)] == [101]
