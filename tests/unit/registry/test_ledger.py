"""The ledger: appended under its locked head, proved by stored subtrees."""

from hashlib import sha256

import pytest
from sqlalchemy import Connection, select

from services.common.clock import microseconds
from services.common.db import Database
from services.common.errors import LiandongError
from services.exchange import merkle
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.keys import public_key_bytes
from services.exchange.merkle import RightEdge
from services.registry import ledger, mailboxes, store, tables
from services.registry.ledger import Hashes, Head
from tests.builders.departments import LOG_ID
from tests.builders.registry import Bench


def fill(registry: Bench, cases: int) -> None:
    for _ in range(cases):
        registry.registered()


def leaves(registry: Bench) -> dict[int, bytes]:
    size = registry.replica.head.size
    found = registry.database.read(lambda connection: mailboxes.read_leaves(connection, 0, size))
    return {leaf.position: leaf.hash() for leaf in found}


def test_the_stored_head_is_the_root_over_all_leaves(registry: Bench) -> None:
    """Whoever hashes the leaves anew gets the head."""
    fill(registry, 3)
    head = registry.replica.head
    known = leaves(registry)
    assert sorted(known) == list(range(head.size))
    assert merkle.root_from_multiproof(known, head.size, []) == head.edge.root
    assert registry.database.read(ledger.read_head) == head


def test_a_proof_needs_no_memory(registry: Bench) -> None:
    """Inclusion, consistency and multiproof are made from the tables alone, for every size there was."""
    fill(registry, 6)
    size = registry.replica.head.size
    root = registry.replica.head.edge.root
    known = leaves(registry)
    for position in range(size):
        path = registry.database.read(
            lambda connection, position=position: Hashes().inclusion(connection, position, size)  # type: ignore[misc]
        )
        merkle.verify_inclusion(known[position], position, size, path, root)
    for first in range(1, size + 1):
        path, before = registry.database.read(
            lambda connection, first=first: (  # type: ignore[misc]
                Hashes().consistency(connection, first, size),
                Hashes().root(connection, first),
            )
        )
        merkle.verify_consistency(first, before, size, root, path)
    some = [0, 3, 4, size - 1]
    proof = registry.database.read(lambda connection: Hashes().multiproof(connection, some, size))
    merkle.verify_multiproof({each: known[each] for each in some}, size, proof, root)


def test_a_proof_combines_what_is_stored(database: Database) -> None:
    """Every kind of proof is made, though every second level of subtrees has no row."""
    database.write(lambda connection: ledger.create(connection, "test.ledger"))
    digests = [sha256(str(position).encode()).digest() for position in range(700)]
    edge, completed = RightEdge().append(digests)

    def write(connection: Connection) -> None:
        rows = [
            (at, f"letter-{at}", "act", "a.b", None, each, each, 0, 0, at, 0, b"", b"", b"", "")
            for at, each in enumerate(digests)
        ]
        store.LEDGER.insert(connection, rows)
        ledger.write(connection, Head("test.ledger", 1, edge, 0, 0), completed)

    database.write(write)
    levels = select(tables.ledger_nodes.c.level).distinct()
    assert set(database.read(lambda connection: connection.execute(levels).scalars().all())) == {2, 4, 6, 8}
    for position in (0, 1, 255, 256, 511, 639, 697, 699):
        path = database.read(lambda each, at=position: Hashes().inclusion(each, at, 700))  # type: ignore[misc]
        merkle.verify_inclusion(digests[position], position, 700, path, edge.root)
    for first in (1, 15, 16, 17, 255, 512, 641, 699):
        before = RightEdge().append(digests[:first])[0].root
        path = database.read(lambda each, of=first: Hashes().consistency(each, of, 700))  # type: ignore[misc]
        merkle.verify_consistency(first, before, 700, edge.root, path)
        assert database.read(lambda each, of=first: Hashes().root(each, of)) == before  # type: ignore[misc]


def test_what_was_just_admitted_is_proved_from_memory(registry: Bench) -> None:
    """The same proof as from the tables, without one of their rows."""
    fill(registry, 4)
    size = registry.replica.head.size
    stored = registry.database.read(lambda connection: Hashes().multiproof(connection, [size - 2], size))
    warm = registry.replica.hashes
    registry.database.read(lambda connection: warm.multiproof(connection, [size - 2], size))
    assert warm.prove_from_memory([size - 2], size) == stored
    assert Hashes().prove_from_memory([size - 2], size) is None


def test_the_head_is_signed_by_the_registry(registry: Bench) -> None:
    """The note verifies under the key of the directory, and names size and root."""
    fill(registry, 1)
    head, note = registry.replica.checkpoint()
    key = public_key_bytes(registry.replica.sign_key)
    checkpoint = verify_checkpoint(note, LOG_ID, [key])
    assert (checkpoint.size, checkpoint.root) == (head.size, head.edge.root)
    assert registry.replica.directory.sign_key(registry.replica.key_id, registry.clock.now()) == key


def test_admission_times_never_go_back(registry: Bench) -> None:
    """Positions rise by one and times do not fall, and both are those of the registry's clock."""
    begin = microseconds(registry.clock.now())
    fill(registry, 5)
    size = registry.replica.head.size
    found = registry.database.read(lambda connection: mailboxes.read_leaves(connection, 0, size))
    times = [leaf.admitted_at_us for leaf in found]
    assert [leaf.position for leaf in found] == list(range(size))
    assert times == sorted(times)
    assert abs(times[-1] - begin) < 60_000_000


def test_a_head_is_published_only_after_its_commit(registry: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commit fails nothing is remembered, so no head can be signed; afterwards all goes on."""
    before = registry.replica.head
    with monkeypatch.context() as faults:
        faults.setattr(ledger, "write", _broken)
        with pytest.raises(ZeroDivisionError):
            registry.registered()
        assert registry.replica.head is before
        assert registry.replica.recent.end == before.size
    _, position = registry.registered()
    assert position == before.size


def test_creating_a_ledger_again_changes_nothing(registry: Bench) -> None:
    """An interrupted `init` may be repeated."""
    fill(registry, 1)
    registry.database.write(lambda connection: ledger.create(connection, LOG_ID))
    assert registry.database.read(ledger.read_head) == registry.replica.head


def test_a_leaf_beyond_the_head_has_no_proof(registry: Bench) -> None:
    """Asking for it is an error of ours, not a proof."""
    size = registry.replica.head.size
    with pytest.raises((IndexError, LiandongError)):
        registry.database.read(lambda connection: Hashes().inclusion(connection, size, size))


def _broken(*_: object) -> None:
    raise ZeroDivisionError
