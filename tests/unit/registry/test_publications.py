"""Common entries that are published together."""

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.errors import Conflict, InvalidField
from services.exchange.entry_check import check_entries
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
