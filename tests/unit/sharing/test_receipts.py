"""The registry's word that an own letter was admitted gives its item a place, whatever was forgotten meanwhile."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.common.errors import LiandongError
from services.exchange import tables as exchange_tables
from services.exchange.session import new_id
from services.sharing import tables
from services.sharing.feature import Shelf
from tests.unit.sharing.sharing_world import MONDAY, World


def test_a_receipt_gives_the_item_its_place(world: World) -> None:
    """Also when it comes a second time, since an acknowledgement was lost."""
    answer = world.publish()
    receipt = world.receipt(answer.letter_id, MONDAY + timedelta(seconds=5))
    world.deliver(receipt)
    world.deliver(receipt)
    item = world.item(answer.item_id)
    assert (item.position, item.admitted_at_us) == (101, receipt.leaf.admitted_at_us)
    assert world.shelf.pending == {}


def test_receipts_are_known_after_a_restart(world: World, database_url: str) -> None:
    """What is on its way is read from the outbox, not only remembered."""
    answer = world.publish()
    world.department.committer.close(10)
    again = World(database_url)
    again.deliver(again.receipt(answer.letter_id))
    assert again.item(answer.item_id).position == 101
    again.close()


def test_a_receipt_that_was_parked_is_still_taken(world: World) -> None:
    """Its letter has left the outbox, and memory may be new: the item gets its place all the same."""
    answer = world.publish()
    receipt = world.receipt(answer.letter_id)
    world.run(
        lambda session: session.connection.execute(exchange_tables.letters.update().values(sequence=None))
    )
    world.shelf.pending = None
    world.deliver(receipt)
    assert world.item(answer.item_id).position == 101


def test_receipts_of_other_letters_are_not_ours(world: World) -> None:
    """A receipt of an act changes nothing here, and costs no query once what is pending is known."""
    world.deliver(world.receipt(new_id()))
    assert world.rows(tables.items) == []
    assert not world.shelf.pending


def test_a_failed_group_forgets_what_it_read(world: World) -> None:
    """After it, memory is read anew from what is durable."""
    answer = world.publish()

    with pytest.raises(LiandongError):
        world.run(lambda session: session.connection.execute(sa.text("SELECT * FROM nowhere")))
    assert world.shelf.pending is None
    world.deliver(world.receipt(answer.letter_id))
    assert world.item(answer.item_id).position is not None


def test_a_shelf_is_empty_until_it_is_asked() -> None:
    """What is on its way is read at the first receipt."""
    assert Shelf().pending is None
