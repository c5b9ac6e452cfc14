"""What a node applies of what comes down: in order, once, whatever fails on the way."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1.bodies_pb2 import SignFor
from liandong.exchange.v1 import envelope_pb2

from services.cases.desk import DeskSession
from services.common.clock import ManualClock
from services.common.errors import LiandongError, Stale
from services.exchange import tables
from services.exchange.delivered import Delivered, Place
from services.exchange.keys import public_key_bytes, verify_batch
from services.exchange.session import Command
from services.exchange.verification import Verification
from tests.builders.departments import new_id
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def ledger() -> Ledger:
    """A ledger that holds its region."""
    return Ledger(ManualClock(MONDAY))


@pytest.fixture
def market(database_url: str, ledger: Ledger) -> Iterator[Node]:
    """The node of the receiver."""
    with node(database_url, ledger) as made:
        yield made


def count(market: Node, table: sa.FromClause) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return market.database.read(lambda connection: connection.execute(query).scalar_one())


def delivery(market: Node) -> Command:
    """A command that applies everything new, as the link makes it."""
    ledger, department = market.ledger, market.department
    after = department.cursor.position
    response = ledger.deliveries(department.name, after, ())
    head = ledger.checkpoint()[1]
    found = Verification(department).verify(response, head)
    return lambda session: session.inbox.deliver(found, response.checkpoint, head, Place(after, after))


def test_deliveries_after_a_lost_one_are_refused(market: Node, ledger: Ledger) -> None:
    """Several are under way to the writer: one that follows a failed one would leave a gap for ever."""
    ledger.registered(new_id())
    lost = delivery(market)
    ledger.registered(new_id())
    both = delivery(market)
    market.run(lost)
    with pytest.raises(Stale):
        market.run(both)
    with pytest.raises(Stale):
        market.run(lost)
    market.take()
    assert len(market.desk.known) == 2


def test_with_a_clock_that_is_off_letters_are_applied_once_and_without_arrival(
    market: Node, ledger: Ledger
) -> None:
    """No Arrival can be dated; silence stops no clock of the case."""
    case_id, _ = ledger.transferred()
    market.department.link.clock_offset_ms = 10 * 60 * 1000
    market.take()
    assert count(market, tables.outbox) == 0
    assert market.desk.known[case_id].admitted is not None
    market.department.link.clock_offset_ms = 0
    ledger.registered(new_id())
    market.take()
    assert count(market, tables.outbox) == 1


def test_a_fault_of_the_database_parks_nothing(
    market: Node, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nobody's letter that is wrong: the group fails, and the deliveries come again."""
    ledger.registered(new_id())

    def broken(self: DeskSession, delivered: Delivered) -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patched:
        patched.setattr(DeskSession, "deliver", broken)
        with pytest.raises(LiandongError):
            market.take()
    assert count(market, tables.parked) == 0
    market.take()
    assert len(market.desk.known) == 1


def test_a_restarted_node_remembers_the_head_that_it_verified(
    market: Node, ledger: Ledger, database_url: str
) -> None:
    """So that the registry must show that its next one continues it."""
    ledger.registered(new_id())
    market.take()
    head = market.department.head
    assert head is not None
    again = Node(database_url, ledger, market.department.name)
    try:
        assert again.department.head == head
        assert again.department.cursor == market.department.cursor
        assert again.department.directory.version == ledger.version
    finally:
        again.close()


def test_an_own_letter_always_has_the_departments_proof(market: Node, ledger: Ledger) -> None:
    """Also when the batch that it was sent in is forgotten before the receipt comes."""
    case_id, _ = ledger.transferred()
    market.take()
    recorded = market.record(cases_pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.submit()
    market.outbox._proofs.clear()
    market.take()
    query = sa.select(tables.letters.c.proof).where(tables.letters.c.letter_id == recorded.letter_id)
    stored = market.database.read(lambda connection: connection.execute(query).scalar_one())
    proof = envelope_pb2.AuthorProof.FromString(stored)
    key = public_key_bytes(market.signer.sign_key)
    verify_batch(key, proof.key_id, proof.tree_size, proof.root, proof.signature, suite=proof.suite)


def test_common_entries_are_kept_as_they_came(market: Node) -> None:
    """With header, proof and leaf: a dossier shows them to others."""
    kept = sa.select(sa.func.count()).where(tables.letters.c.kind == "common")
    found = market.database.read(lambda connection: connection.execute(kept).scalar_one())
    assert found == count(market, tables.common_entries) == market.ledger.version
