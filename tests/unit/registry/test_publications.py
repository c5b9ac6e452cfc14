"""Common entries that are published together."""

from collections.abc import Iterable
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.errors import Conflict, InvalidField
from services.exchange.entry_check import check_entries
from services.exchange.merkle import RightEdge
from services.registry import ledger, tables
from services.registry.admission import AdmissionSession
from services.registry.commands import Admitted, Publications
from services.registry.publishing import publication
from tests.builders.departments import HEALTH
from tests.builders.ledger import MONDAY
from tests.builders.registry import Bench


def person(number: int, name: str = "王芳") -> directory_pb.CommonEntry:
    return directory_pb.CommonEntry(person=directory_pb.Person(id=f"p{number}", department=HEALTH, name=name))


def publish(registry: Bench, key: str, *entries: directory_pb.CommonEntry) -> list[int]:
    command = Publications(
        tuple([publication(registry.replica, entry, f"{key}/{index}") for index, entry in enumerate(entries)])
    )
    results = registry.committer.submit_blocking(command, timeout=20)
    return [each.position for each in results if isinstance(each, Admitted)]


def test_entries_stand_one_after_the_other_and_once(registry: Bench) -> None:
    """Repeated under their key they are answered as before."""
    first = publish(registry, "one", person(1), person(2), person(3))
    assert first == list(range(first[0], first[0] + 3))
    size = registry.replica.head.size
    assert publish(registry, "one", person(1), person(2), person(3)) == first
    assert registry.replica.head.size == size
    assert {each.id for each in registry.replica.directory.people_of(HEALTH)} >= {"p1", "p2", "p3"}


def test_of_entries_of_which_one_is_refused_none_is_published(registry: Bench) -> None:
    """Under a key that was used with other entries, also where only the last is another."""
    publish(registry, "one", person(1), person(2))
    size = registry.replica.head.size
    with pytest.raises(Conflict):
        publish(registry, "one", person(1), person(2, "李雷"))
    with pytest.raises(Conflict):
        publish(registry, "one", person(7), person(2))
    assert registry.replica.head.size == size
    assert ("p7", HEALTH) not in {
        (each.id, each.department) for each in registry.replica.directory.people_of(HEALTH)
    }


def test_each_is_checked_over_those_before_it(registry: Bench) -> None:
    """The refusal says which."""
    title = directory_pb.Title(zh="新局", en="New")
    department = directory_pb.CommonEntry(department=directory_pb.Department(name="new.qinghe", title=title))
    newcomer = directory_pb.CommonEntry(
        person=directory_pb.Person(id="p", department="new.qinghe", name="王")
    )
    directory = registry.replica.directory
    check_entries([department, newcomer], directory, MONDAY)
    with pytest.raises(InvalidField) as refused:
        check_entries([person(1), newcomer], directory, MONDAY)
    assert refused.value.field == "entries[1].person.department"


def test_the_heads_within_a_group_are_made_of_one_pass_over_its_leaves(
    registry: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each publication observes the head below it; each leaf is added to the tree once, and the tree is the ledger's."""
    count, added = 50, []
    append = RightEdge.append

    def counting(edge: RightEdge, leaf_hashes: Iterable[bytes]) -> Any:
        hashes = list(leaf_hashes)
        added.append(len(hashes))
        return append(edge, hashes)

    def publish_in_one_group(connection: sa.Connection) -> None:
        session = AdmissionSession(connection, registry.replica, registry.clock)
        for number in range(count):
            session.decide(publication(registry.replica, person(number), f"group/{number}"))
        session.prepare()
        session.flush()

    monkeypatch.setattr(RightEdge, "append", counting)
    registry.database.write(publish_in_one_group)
    assert sum(added) == count
    monkeypatch.undo()
    leaves = sa.select(tables.ledger.c.leaf_hash).order_by(tables.ledger.c.position)
    hashes = registry.database.read(lambda connection: connection.execute(leaves).scalars().all())
    stored = registry.database.read(
        lambda connection: connection.execute(sa.select(tables.ledger_head.c.edge)).scalar_one()
    )
    whole, completed = RightEdge().append(hashes)
    assert stored == whole.encode()
    nodes = sa.select(
        tables.ledger_nodes.c.level, tables.ledger_nodes.c.node_index, tables.ledger_nodes.c.hash
    )
    kept = registry.database.read(lambda connection: connection.execute(nodes).all())
    assert sorted(tuple(row) for row in kept) == sorted(ledger.stored(completed))
