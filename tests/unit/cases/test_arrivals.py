"""Clocks that start on receipt start at every party, however letters and Arrivals come to it."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import TransferLetter
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.cases.desk import DeskSession
from services.cases.signing import Signing
from services.exchange.assertions import Purpose
from services.exchange.letters import timestamp
from services.exchange.session import DepartmentSession
from services.procedures import case as cases
from tests.builders.departments import HEALTH, JUSTICE, MARKET, root_of
from tests.builders.ledger import TRANSFER_MATERIALS, Ledger, Node, node
from tests.builders.registry import bring_evidence


@pytest.fixture
def justice(database_url: str, ledger: Ledger) -> Iterator[Node]:
    """The node of a third department that everything comes to."""
    with node(database_url, ledger, JUSTICE) as made:
        yield made


def arrive(ledger: Ledger, position: int) -> None:
    """The receiver has a letter."""
    digest = ledger.entries[position].leaf.letter_digest
    ledger.admit(ledger.market, ledger.market.arrival({position: digest}))


def state_of(made: Node, case_id: str) -> bytes:
    entry = made.desk.known[case_id]
    assert entry.admitted is not None
    return cases.dumps(entry.admitted)


def test_a_letter_and_its_arrival_may_come_together(justice: Node, ledger: Ledger, sqlite_url: str) -> None:
    """Who was away gets both in one delivery, and folds what those fold who got them one after the other."""
    case_id, position = ledger.transferred()
    with node(sqlite_url + "-other", ledger, JUSTICE) as other:
        other.take()
        arrive(ledger, position)
        other.take()
        justice.take()
        assert state_of(justice, case_id) == state_of(other, case_id)
    entry = justice.desk.known[case_id]
    assert entry.admitted is not None
    (reply,) = [each for each in entry.admitted.open_obligations if each.rule == "reply"]
    assert reply.received_at is not None


def test_so_may_a_receipt_and_the_arrival_of_ones_own_letter(
    database_url: str, ledger: Ledger, sqlite_url: str
) -> None:
    """The author was away as well: its own letter's receipt and the other's Arrival are one delivery."""
    with node(database_url, ledger, HEALTH) as health:
        case_id = health.register("无证行医").case_id
        health.exchange()
        position = transfer(health, case_id)
        arrive(ledger, position)
        health.take()
        with node(sqlite_url + "-other", ledger, JUSTICE) as other:
            other.take()
            assert state_of(health, case_id) == state_of(other, case_id)
    entry = health.desk.known[case_id]
    assert entry.admitted is not None
    (reply,) = [each for each in entry.admitted.open_obligations if each.rule == "reply"]
    assert reply.received_at is not None


def transfer(health: Node, case_id: str) -> int:
    """The node records its transfer, approved, and the ledger admits it; the receipt is still to come."""
    health.database.write(lambda connection: bring_evidence(connection, HEALTH))
    draft = pb.ActDraft(
        case_id=case_id,
        act="transfer",
        parties=[envelopes.Party(role="receiver", department=MARKET)],
        transfer_letter=TransferLetter(title="无证行医案", facts="诊所"),
        materials=[
            envelopes.Material(kind=kind, manifest_root=root_of(kind, HEALTH), digest=bytes(32), size=1)
            for kind in TRANSFER_MATERIALS
        ],
    )

    def command(session: DepartmentSession) -> None:
        desk = session.features["act"]
        assert isinstance(desk, DeskSession)
        composed = desk.compose(draft)
        content = composed.content.SerializeToString()
        approval = health.signer.assertion("leader-in-charge", content, Purpose.APPROVE)
        approved = envelopes.Approval(
            role="leader-in-charge",
            name="张三",
            subject="leader-in-charge-1",
            approved_at=timestamp(session.now),
            assertion_digest=sha256(approval).digest(),
        )
        actor = envelopes.Actor(name="系统", subject="system-1", role="system", service=True)
        desk.record(composed, Signing(actor, (health.signer.session, approval), (approved,)))

    health.run(command)
    return health.submit()[-1]
