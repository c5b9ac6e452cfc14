"""An Arrival is a department's word about its own in-tray: it names what was delivered there, nothing else."""

from typing import Any

import pytest
import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb

from services.registry import store, tables
from services.registry.commands import Admitted
from services.registry.judgement import Answer
from tests.builders.departments import HEALTH, MARKET, WATER, Signer, new_id
from tests.builders.registry import CATEGORY, Bench


@pytest.fixture(params=[True, False], ids=["memory", "tables"])
def remembered(request: pytest.FixtureRequest) -> bool:
    """Whether what the Arrival names is still in memory."""
    return bool(request.param)


def rows(registry: Bench, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
    wanted = [table.c[name] for name in columns]
    return registry.database.read(
        lambda connection: [tuple(row) for row in connection.execute(sa.select(*wanted).order_by(*wanted))]
    )


def arrive(
    registry: Bench, signer: Signer, *positions: int, remembered: bool = True
) -> tuple[str, str] | None:
    """Reason and field of the answer to a department's Arrival, None if it is admitted."""
    digests = dict(rows(registry, tables.ledger, "position", "letter_digest"))
    if not remembered:
        registry.replica.recent.clear(registry.replica.head.size)
    (result,) = registry.submit(signer, signer.arrival({at: digests[at] for at in positions}))
    assert isinstance(result, Answer | Admitted)
    return (result.reason, result.field) if isinstance(result, Answer) else None


def test_what_went_to_others_did_not_arrive(registry: Bench, remembered: bool) -> None:
    """The field says which letter; nothing is noted as come, also of the letters that did come."""
    _, sent = registry.sent()
    _, only_own = registry.registered()
    refused = arrive(registry, registry.market, sent, only_own, remembered=remembered)
    assert refused == ("NOT_ADDRESSED", "arrival.letters[1]")
    assert arrive(registry, registry.water, sent) == ("NOT_ADDRESSED", "arrival.letters[0]")
    assert rows(registry, tables.arrivals, "department") == []
    assert rows(registry, tables.awaited_receipts, "department", "position") == [(MARKET, sent)]


def test_the_refusal_is_judged(registry: Bench) -> None:
    """The same letter gets the same answer when it comes again."""
    _, sent = registry.sent()
    entry = registry.replica.recent.entry(sent)
    assert entry is not None
    letter = registry.water.arrival({sent: entry.leaf.letter_digest})
    first = registry.submit(registry.water, letter)
    assert registry.submit(registry.water, letter) == first
    assert rows(registry, tables.refusals, "letter_id", "reason") == [(letter.letter_id, "NOT_ADDRESSED")]


def test_an_own_letter_did_not_arrive(registry: Bench, remembered: bool) -> None:
    """Its author has a receipt of it."""
    _, sent = registry.sent()
    refused = arrive(registry, registry.health, sent, remembered=remembered)
    assert refused == ("NOT_ADDRESSED", "arrival.letters[0]")


def test_a_common_entry_is_addressed_to_nobody(registry: Bench, remembered: bool) -> None:
    """Everyone gets those; nobody answers for them."""
    refused = arrive(registry, registry.market, 0, remembered=remembered)
    assert refused == ("NOT_ADDRESSED", "arrival.letters[0]")


def test_who_joined_a_case_was_given_its_past(registry: Bench, remembered: bool) -> None:
    """At the place of the act that brought it in, so none of the letter's own."""
    _, registered = registry.registered()
    _, sent = registry.sent()
    past = sent - 1
    assert arrive(registry, registry.market, past, sent, remembered=remembered) is None
    # a case that it did not join is none of its business
    refused = arrive(registry, registry.market, registered, past)
    assert refused == ("NOT_ADDRESSED", "arrival.letters[0]")


def test_who_is_only_copied_to_was_given_that_letter(registry: Bench, remembered: bool) -> None:
    """And no other of the case."""
    case_id, registered = registry.registered()
    copied = registry.health.act(
        case_id, "transfer", parties={MARKET: "receiver"}, recipients=[MARKET],
        materials=["transfer-letter", "source-material", "preliminary-evidence"],
        approved_by=["leader-in-charge"], based_on=registered,
        copies=[pb.Copy(department=WATER, clause="M03 12")],
    )  # fmt: skip
    at = registry.position(registry.health, copied)
    assert arrive(registry, registry.water, at, remembered=remembered) is None
    refused = arrive(registry, registry.water, registered, at)
    assert refused == ("NOT_ADDRESSED", "arrival.letters[0]")


def test_subscribers_were_given_what_is_shared(registry: Bench, remembered: bool) -> None:
    """From their subscription on."""
    publish = pb.ITEM_ACT_PUBLISH
    before = registry.position(registry.health, registry.health.item(publish, CATEGORY, new_id(), revision=1))
    registry.position(registry.market, registry.market.item(pb.ITEM_ACT_SUBSCRIBE, CATEGORY))
    after = registry.position(registry.health, registry.health.item(publish, CATEGORY, new_id(), revision=1))
    assert arrive(registry, registry.market, after, remembered=remembered) is None
    assert arrive(registry, registry.market, before, after) == ("NOT_ADDRESSED", "arrival.letters[0]")


def test_what_is_in_memory_is_not_looked_up(registry: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly every Arrival comes seconds after its letters: the question costs no statement."""

    def never(*_: object) -> None:
        raise AssertionError("a table was asked")

    monkeypatch.setattr(store, "delivered", never)
    monkeypatch.setattr(store, "cases_at", never)
    positions = [registry.sent()[1] for _ in range(3)]
    assert arrive(registry, registry.market, *positions) is None


def test_an_arrival_far_behind_costs_one_statement_more(
    registry: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the past of a case asks for more."""
    monkeypatch.setattr(store, "cases_at", None)
    positions = [registry.sent()[1] for _ in range(3)]
    assert arrive(registry, registry.market, *positions, remembered=False) is None
    assert rows(registry, tables.arrivals, "department", "first_at", "last_at") == [
        (MARKET, positions[0], positions[-1])
    ]


def test_health_hears_of_what_market_has(registry: Bench) -> None:
    """An Arrival goes to the authors of what came, to nobody else."""
    _, sent = registry.sent()
    assert arrive(registry, registry.market, sent) is None
    at = registry.replica.head.size - 1
    found = [department for department, position in rows(registry, tables.mailbox, "department", "position")
             if position == at]  # fmt: skip
    assert found == [HEALTH, MARKET]
