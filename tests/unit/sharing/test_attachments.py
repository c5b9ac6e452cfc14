"""Evidence that an item names: here before it is published, asked for when others publish it."""

import pytest

from services.exchange import evidence_tables
from services.exchange import tables as exchange_tables
from services.exchange.session import new_id
from services.sharing.attachments import AttachmentMissing
from tests.unit.sharing.sharing_world import PUBLISH, World, bulletin


def test_attachments_must_be_here(world: World) -> None:
    """Nothing is published that names evidence which nobody could fetch."""
    body = bulletin()
    body.attachments.append(b"\7" * 32)
    with pytest.raises(AttachmentMissing) as caught:
        world.publish(body)
    assert caught.value.reason == "EVIDENCE_PENDING"
    assert world.rows(exchange_tables.letters) == []


def test_attachments_of_others_are_asked_for(world: World) -> None:
    """Those that can be any; what nobody checked is left out."""
    woken: list[bool] = []
    world.shelf.evidence_recorded = lambda: woken.append(True)
    body = bulletin()
    body.attachments.extend([b"\7" * 32, b"short"])
    world.deliver(world.foreign(PUBLISH, new_id(), 1, body))
    assert [(row.root, row.direction) for row in world.rows(evidence_tables.evidence_wanted)] == [
        (b"\7" * 32, "PULL")
    ]
    assert woken == [True]
