"""Two replicas change one department's entry at once: none undoes what the other published."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.directory import Directory
from services.exchange.joining import InvitationText, NotKeyHolder
from services.registry.commands import Refresh
from services.registry.credentials import Credentials
from services.registry.enrolment import DepartmentInactive, Enrolment
from services.registry.enrolment_store import EnrolmentStore
from services.registry.publishing import Publisher
from tests.builders.registry import Bench, bench
from tests.unit.registry.enrolment_world import Node

pytestmark = pytest.mark.postgresql

FIRE = "fire.qinghe"
ISSUER = pb.Issuer(issuer="https://login.fire", public_key=b"i" * 32)


class Replica:
    """One registry process: what it remembers is as old as its own last commit."""

    def __init__(self, registry: Bench) -> None:
        self.registry = registry
        self.publisher = Publisher(registry.database, registry.replica, registry.committer)
        settings = registry.settings
        self.enrolment = Enrolment(
            store=EnrolmentStore(registry.database),
            authority=Credentials.load(settings.data_dir, settings.name).authority,
            clock=registry.clock,
            current=lambda: registry.replica.directory,
            publish=self.publisher.publish_change,
            registry_address="registry.example.cn:7000",
            enrolment_address="registry.example.cn:7001",
        )

    def refresh(self) -> Directory:
        """Take over what the other appended."""
        self.registry.committer.submit_blocking(Refresh(), timeout=20)
        return self.registry.replica.directory

    async def token(self) -> str:
        text, _ = await self.enrolment.invite(FIRE)
        return InvitationText.parse(text).token


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Replica, Replica]]:
    """Two replicas that know of a listed department, and follow each other only when told to."""
    with bench(postgresql_url, tmp_path) as first:
        second = Bench(postgresql_url, tmp_path, first.clock, first.signers, "b")
        try:
            first.publish(entry())
            replicas = Replica(first), Replica(second)
            replicas[1].refresh()
            yield replicas
        finally:
            second.close()


def entry(
    title: str = "Fire", status: pb.DepartmentStatus.ValueType = pb.DEPARTMENT_STATUS_LISTED
) -> pb.CommonEntry:
    """What an operator's file says of the department: no keys."""
    department = pb.Department(name=FIRE, title=pb.Title(zh="消防", en=title), status=status)
    return pb.CommonEntry(department=department)


def listed(directory: Directory) -> pb.Department:
    department = directory.department(FIRE)
    assert department is not None
    return department


async def test_two_nodes_that_join_at_once_are_both_listed(pair: tuple[Replica, Replica]) -> None:
    """One after the other: the key of the later is current, that of the earlier ended and still known."""
    nodes = Node(FIRE), Node(FIRE)
    tokens = [await replica.token() for replica in pair]
    requests = nodes[0].join(tokens[0], issuers=(ISSUER,)), nodes[1].join(tokens[1])
    before = pair[0].registry.replica.directory.version
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(replica.enrolment.join(request) for replica, request in zip(pair, requests, strict=True))
        )
    directories = [replica.refresh() for replica in pair]
    assert [directory.version for directory in directories] == [before + 2] * 2
    now = pair[0].registry.clock.now()
    for directory in directories:
        department = listed(directory)
        assert {key.key_id for key in department.keys} == {node.sign_key_id for node in nodes}
        assert [key.HasField("valid_until") for key in department.keys] == [True, False]
        current = [node for node in nodes if directory.sign_key(node.sign_key_id, now) is not None]
        assert [node.sign_key_id for node in current] == [department.keys[-1].key_id]
        assert list(department.issuers) == [ISSUER]
    # whose key was replaced meanwhile is told at its next request, at either replica
    (replaced,) = [each for each in nodes if each.sign_key_id == listed(directories[0]).keys[0].key_id]
    for replica in pair:
        with pytest.raises(NotKeyHolder):
            await replica.enrolment.renew(replaced.renewal(replica.registry.clock.now()))


async def test_a_replaced_key_is_not_put_back_where_the_replacement_is_not_known_yet(
    pair: tuple[Replica, Replica],
) -> None:
    """A node that repeats its join at a replica that is behind would speak on with a lost key."""
    first, second = pair
    lost, new = Node(FIRE), Node(FIRE)
    token = await second.token()
    await second.enrolment.join(lost.join(token))
    first.refresh()
    await first.enrolment.join(new.join(await first.token()))
    assert second.registry.replica.directory.sign_key(lost.sign_key_id, second.registry.clock.now())
    with pytest.raises(NotKeyHolder, match="replaced"):
        await second.enrolment.join(lost.join(token))
    directory = second.refresh()
    assert directory.sign_key(lost.sign_key_id, second.registry.clock.now()) is None
    assert listed(directory).keys[-1].key_id == new.sign_key_id


async def test_a_suspension_is_not_undone_where_it_is_not_known_yet(pair: tuple[Replica, Replica]) -> None:
    """Joining makes a department active; not one that an operator has just suspended."""
    first, second = pair
    request = Node(FIRE).join(await second.token())
    await first.publisher.publish(entry(status=pb.DEPARTMENT_STATUS_SUSPENDED))
    with pytest.raises(DepartmentInactive):
        await second.enrolment.join(request)
    assert listed(second.refresh()).status == pb.DEPARTMENT_STATUS_SUSPENDED
    assert not listed(second.refresh()).keys


async def test_an_operators_entry_keeps_a_key_that_has_just_joined(pair: tuple[Replica, Replica]) -> None:
    """It lists none, so it leaves those that stand when it is admitted."""
    first, second = pair
    node = Node(FIRE)
    await first.enrolment.join(node.join(await first.token(), issuers=(ISSUER,)))
    await second.publisher.publish(entry("Fire Brigade"))
    directory = second.refresh()
    assert listed(directory).title.en == "Fire Brigade"
    assert directory.active(FIRE)
    assert directory.sign_key(node.sign_key_id, second.registry.clock.now()) == node.public
    assert list(listed(directory).issuers) == [ISSUER]


async def test_a_publication_repeated_after_a_join_is_the_same(pair: tuple[Replica, Replica]) -> None:
    """Its key stands for what the operator asked for, not for what completed it."""
    first, second = pair
    published = await first.publisher.publish(entry("Fire Brigade"), "k")
    await first.enrolment.join(Node(FIRE).join(await first.token()))
    assert await second.publisher.publish(entry("Fire Brigade"), "k") == published


async def test_joining_again_with_the_same_key_publishes_nothing(pair: tuple[Replica, Replica]) -> None:
    """At whichever replica the answer was lost."""
    first, second = pair
    request = Node(FIRE).join(await first.token())
    await first.enrolment.join(request)
    before = first.registry.replica.head.size
    await second.enrolment.join(request)
    first.refresh()
    assert first.registry.replica.head.size == before
