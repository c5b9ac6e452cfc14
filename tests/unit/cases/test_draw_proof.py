"""A draw is proved offline, from its file, its lists and the registry's key; whatever is changed is found."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.cases import draw_proof
from services.cases.draw_proof import Announced, Proof, ProofBroken, dumps, loads, plan_of, verify
from services.common.clock import ManualClock
from services.exchange import keys
from services.exchange.digests import Leaf
from services.exchange.merkle import BatchTree, consistency_proof
from services.procedures.draw import DrawError, Lists, Plan, commitment, read_lists
from tests.builders.departments import MARKET, new_id
from tests.builders.ledger import MONDAY, Ledger
from tests.unit.procedures.test_draw import EXCLUSIONS, OBJECTS, OFFICERS

PLAN = Plan("2026 school hygiene", {"school": 4}, {"clinic": 250}, {"A": 1, "B": 2, "C": 4}, margin=5)
NOTICE = "liandong.cases.v1.DrawNotice"


@pytest.fixture
def lists() -> Lists:
    return read_lists(OBJECTS, OFFICERS, EXCLUSIONS)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(ManualClock(MONDAY))


def announced(ledger: Ledger, payload: bytes, act: str = "announce-draw", body: str = NOTICE) -> int:
    letter = ledger.market.act(
        new_id(),
        act,
        procedure="random-inspection",
        parties={MARKET: "initiator"},
        payload=payload,
        body_type=body,
    )
    return ledger.admit(ledger.market, letter)[0]


def path(tree: BatchTree) -> Callable[[int, int], bytes]:
    return lambda level, index: tree._rows[level][index]


def proof_of(ledger: Ledger, position: int, plan: Plan, lists: Lists) -> Proof:
    """Draw as the command does, from what the ledger shows now."""
    size, tree = draw_proof.seed_size(position, plan.margin), ledger.tree()
    entry = ledger.entries[position]
    leaf = Leaf(position, entry.leaf.admitted_at_us, entry.leaf.common_version, entry.leaf.letter_digest)
    return draw_proof.drawn(
        plan,
        lists,
        Announced(entry.envelope.header, entry.envelope.payload, leaf, tuple(tree.path(position))),
        ledger.tree(size).root,
        consistency_proof(size, tree.size, path(tree)),
        ledger.checkpoint()[0],
    )


def grow(ledger: Ledger, count: int) -> None:
    for _ in range(count):
        ledger.registered(new_id())


def drawn(ledger: Ledger, lists: Lists, further: int = 9) -> Proof:
    position = announced(ledger, draw_proof.notice(PLAN, lists).SerializeToString())
    grow(ledger, further)
    return proof_of(ledger, position, PLAN, lists)


def key_of(ledger: Ledger) -> bytes:
    return keys.public_key_bytes(ledger.registry.sign_key)


@pytest.mark.parametrize("further", [5, 6, 9, 40])
def test_a_draw_is_proved_from_its_file(ledger: Ledger, lists: Lists, further: int) -> None:
    """By whoever has the lists and the registry's key; however far the ledger has grown, the seed is one."""
    proof = drawn(ledger, lists, further)
    verify(loads(dumps(proof)), lists, key_of(ledger))
    grow(ledger, 3)
    later = proof_of(ledger, proof.announced.leaf.position, PLAN, lists)
    assert (later.root, later.pairs) == (proof.root, proof.pairs)
    verify(later, lists, key_of(ledger))
    body = draw_proof.result(proof, lists)
    assert [(each.object, tuple(each.officers)) for each in body.pairs] == [
        (each.object, each.officers) for each in proof.pairs
    ]
    assert body.seed == proof.root.hex()
    assert body.excluded[0] == "LD-0：school-01：配偶任职"


def test_the_seed_is_not_there_before_the_ledger_has_grown(ledger: Ledger, lists: Lists) -> None:
    """Four of five leaves: a proof of a head that is too old is refused."""
    position = announced(ledger, draw_proof.notice(PLAN, lists).SerializeToString())
    grow(ledger, 4)
    entry, tree = ledger.entries[position], ledger.tree()
    early = Proof(
        PLAN,
        Announced(entry.envelope.header, entry.envelope.payload, entry.leaf, tuple(tree.path(position))),
        tree.root,
        (),
        ledger.checkpoint()[0],
        (),
    )
    with pytest.raises(ProofBroken, match="older than the seed"):
        verify(early, lists, key_of(ledger))


@pytest.mark.parametrize(
    ("objects", "officers", "exclusions"),
    [
        (OBJECTS.replace("clinic-03,第3号", "clinic-03,第三号"), OFFICERS, EXCLUSIONS),
        (OBJECTS + "clinic-99,x,clinic,A\n", OFFICERS, EXCLUSIONS),
        (OBJECTS, OFFICERS.replace("人员1", "人员9"), EXCLUSIONS),
        (OBJECTS, OFFICERS, EXCLUSIONS.replace("school-01", "school-02")),
        (OBJECTS, OFFICERS, ""),
    ],
)
def test_lists_that_were_changed_afterwards_are_refused(
    ledger: Ledger, lists: Lists, objects: str, officers: str, exclusions: str
) -> None:
    """A name, an object more, a conflict more or less: not what was announced; the draw cannot be repeated for it."""
    proof = drawn(ledger, lists)
    other = read_lists(objects, officers, exclusions)
    with pytest.raises(ProofBroken, match="announced"):
        verify(proof, other, key_of(ledger))
    again = proof_of(ledger, proof.announced.leaf.position, PLAN, other)
    with pytest.raises(ProofBroken, match="announced"):
        verify(again, other, key_of(ledger))


def _swap(record: dict[str, Any]) -> None:
    record["result"][0], record["result"][1] = record["result"][1], record["result"][0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_swap, "another result"),
        (lambda r: r["result"][0]["officers"].reverse(), "another result"),
        (lambda r: r["plan"].update(margin=4), "size"),
        (lambda r: r["plan"]["quotas"].update(school=5), "announced"),
        (lambda r: r["seed"].update(root="00" * 32), "of that size"),
        (lambda r: r["seed"]["consistency"].pop(), "of that size"),
        (lambda r: r["announcement"]["inclusion"].pop(), "at its place"),
        (lambda r: r["announcement"].update(admitted_at_us=1), "at its place"),
        (lambda r: r["announcement"].update(letter_digest="00" * 32), "another letter"),
        (lambda r: r["announcement"].update(payload=""), "body"),
        (lambda r: r["announcement"].update(header="!"), "cannot be read"),
        (lambda r: r["seed"].update(checkpoint="liandong.qinghe\n"), "signed"),
        (lambda r: r.update(format="liandong-draw-proof/2"), "form"),
        (lambda r: r.pop("result"), "cannot be read"),
        (lambda r: r["plan"].update(extra=1), "extra"),
    ],
)
def test_whatever_is_changed_in_the_file_is_found(
    ledger: Ledger, lists: Lists, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    """Result, plan, seed, place, letter, head: each part is held by another."""
    record = json.loads(dumps(drawn(ledger, lists)))
    change(record)
    with pytest.raises((ProofBroken, DrawError), match=why):
        verify(loads(json.dumps(record)), lists, key_of(ledger))


def test_only_an_announcement_announces(ledger: Ledger, lists: Lists) -> None:
    """The same body in another act, or another method, is none; nor is another registry's word."""
    said = draw_proof.notice(PLAN, lists)
    other_act = announced(ledger, said.SerializeToString(), act="plan")
    said.method = "coin"
    other_method = announced(ledger, said.SerializeToString())
    good = announced(ledger, draw_proof.notice(PLAN, lists).SerializeToString())
    grow(ledger, 9)
    for position, why in ((other_act, "announces no draw"), (other_method, "method")):
        with pytest.raises(ProofBroken, match=why):
            verify(proof_of(ledger, position, PLAN, lists), lists, key_of(ledger))
    with pytest.raises(ProofBroken, match="signed"):
        verify(proof_of(ledger, good, PLAN, lists), lists, keys.public_key_bytes(ledger.health.sign_key))


def test_a_longer_wait_gives_no_choice_of_seed(ledger: Ledger, lists: Lists) -> None:
    """A root of another size is not the seed, though a head of that size was signed."""
    proof = drawn(ledger, lists)
    size, tree = proof.seed_size + 1, ledger.tree()
    chosen = replace(
        proof, root=ledger.tree(size).root, consistency=tuple(consistency_proof(size, tree.size, path(tree)))
    )
    with pytest.raises(ProofBroken, match="of that size"):
        verify(chosen, lists, key_of(ledger))


@pytest.mark.parametrize(
    "said",
    [
        {}, {"name": 1}, {"name": "a", "quota": {}}, {"name": "a", "quotas": {"x": "1"}}, {"name": "a", "quotas": [1]},
        {"name": "a", "margin": "1"}, {"name": "a", "officers_each": True},
    ],
)  # fmt: skip
def test_plans_that_cannot_be_read_are_refused(said: dict[str, Any]) -> None:
    """Unknown keys and wrong types, before anything is announced."""
    with pytest.raises(DrawError):
        plan_of(said)


def test_the_announcement_says_what_is_drawn(lists: Lists) -> None:
    """Method, quota with shares rounded up, digests, commitment."""
    said = draw_proof.notice(PLAN, lists)
    assert (said.method, said.quota, said.margin) == ("liandong-draw/1", 7, 5)
    assert said.commitment == commitment(PLAN, lists)
    assert said.objects.startswith("SHA-256 ")
    with pytest.raises(DrawError):
        draw_proof.notice(replace(PLAN, quotas={"hotel": 1}), lists)
