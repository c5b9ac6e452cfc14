"""A registry that is restored: nodes that saw no more than it has go on with it, the others keep what they saw."""

import asyncio
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.exchange import tables
from services.exchange.checkpoint import parse_checkpoint
from services.registry import restoring
from services.registry import tables as registry_tables
from services.registry.bootstrap import at_ledger
from tests.federation.books import settle
from tests.federation.correspondent import Correspondent
from tests.federation.district import HEALTH, MARKET, REGISTRY, until
from tests.federation.house import House, correct

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("federation")]


def epoch(house: House, name: str) -> int:
    """The epoch of the newest head that a node has verified and kept."""
    ((note,),) = house.rows(name, sa.select(tables.link.c.checkpoint))
    return parse_checkpoint(note).checkpoint.epoch


async def hold(house: House) -> None:
    await asyncio.to_thread(
        at_ledger, house.settings, lambda connection, _: restoring.hold(connection, house.registry.clock)
    )


async def open_epoch(house: House, number: int) -> None:
    clock = house.registry.clock
    await asyncio.to_thread(
        at_ledger,
        house.settings,
        lambda connection, replica: restoring.open_epoch(connection, replica, clock, number),
    )


async def put_off(house: House, letter_id: str) -> None:
    """Wait until a letter was put off because the registry takes none."""

    async def waiting() -> str:
        query = sa.select(tables.outbox.c.error).where(tables.outbox.c.letter_id == letter_id)
        ((error,),) = await asyncio.to_thread(house.rows, HEALTH, query)
        return "" if error.startswith("READ_ONLY") else f"not put off: {error!r}"

    await until(waiting, 20)


async def test_nodes_go_on_with_a_ledger_that_continues_what_they_saw(
    house: House, sender: Correspondent
) -> None:
    """What was recorded while it was held is admitted in the new epoch, and both sides follow by themselves."""
    await house.lose_registry()
    await hold(house)
    await house.start_registry()
    letter_id = await correct(sender, house)
    await put_off(house, letter_id)
    size = house.registry.replica.head.size
    await house.lose_registry()
    await open_epoch(house, 2)
    await house.start_registry()
    await settle(house)
    ((position,),) = house.rows(
        HEALTH, sa.select(tables.letters.c.position).where(tables.letters.c.letter_id == letter_id)
    )
    # above the identity of the epoch, the outage of the time in between, and what absent links brought
    assert position >= size + 2
    assert [epoch(house, name) for name in (HEALTH, MARKET)] == [2, 2]


async def test_a_node_that_saw_more_stays_with_what_it_saw(
    house: House, sender: Correspondent, tmp_path: Path
) -> None:
    """It says so, changes nothing of what it has, and sends nothing; the registry judges nothing of it."""
    await house.lose_registry()
    backup = tmp_path / "backup"
    shutil.copytree(house.settings.data_dir, backup)
    await house.start_registry()
    await correct(sender, house)
    await settle(house)
    before = house.rows(HEALTH, sa.select(tables.letters))
    seen = sa.select(tables.link.c.at, tables.link.c.position, tables.link.c.checkpoint)
    cursor = house.rows(HEALTH, seen)
    await house.lose_registry()
    shutil.rmtree(house.settings.data_dir)
    shutil.copytree(backup, house.settings.data_dir)
    await hold(house)
    await open_epoch(house, 2)
    await house.start_registry()

    async def refused() -> str:
        error = house.hosted[HEALTH].department.link.error
        return "" if error.startswith("HEAD_UNKNOWN") else f"still {error!r}"

    await until(refused, 30)
    recorded = await correct(sender, house)
    await asyncio.sleep(2)
    rows = house.rows(HEALTH, sa.select(tables.letters))
    assert [each for each in rows if each.letter_id != recorded] == before
    assert house.rows(HEALTH, seen) == cursor
    assert len(house.rows(HEALTH, sa.select(tables.outbox))) == 1
    assert house.rows(REGISTRY, sa.select(registry_tables.refusals)) == []
