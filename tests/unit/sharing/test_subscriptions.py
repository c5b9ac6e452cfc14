"""Which categories a department gets."""

from services.exchange import tables as exchange_tables
from services.sharing import store
from tests.unit.sharing.sharing_world import NEWS, World


def subscribed(world: World) -> dict[str, bool]:
    return {name: each.subscribed for name, each in world.database.read(store.subscriptions).items()}


def test_a_subscription_holds_at_once_and_falls_with_its_letter(world: World) -> None:
    """Refused, it is again what the registry has."""
    first = world.subscribe(NEWS)
    assert subscribed(world) == {NEWS: True}
    world.refuse(first.letter_id, "UNKNOWN_CATEGORY")
    assert subscribed(world) == {NEWS: False}
    second = world.subscribe(NEWS)
    third = world.subscribe(NEWS, subscribed=False)
    world.deliver(world.receipt(second.letter_id))
    assert subscribed(world) == {NEWS: False}
    world.refuse(third.letter_id)
    assert subscribed(world) == {NEWS: True}


def test_subscriptions_of_one_category_keep_their_order(world: World) -> None:
    """They stand under one id in the outbox, so the last wish is the last to come."""
    world.subscribe(NEWS)
    world.subscribe(NEWS, subscribed=False)
    assert [row.case_id for row in world.rows(exchange_tables.outbox)] == [NEWS, NEWS]
