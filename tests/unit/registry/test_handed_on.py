"""Clocks that wait for a receipt, and whose duty goes to another department before it comes."""

import asyncio

from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.clock import from_microseconds
from services.procedures.obligation import Obligation
from services.registry import tables
from services.registry.commands import Admitted
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, Sent, new_id
from tests.builders.registry import Bench
from tests.unit.registry.test_admission import rows

ACT = "title: [办, Do], occurred_at: [办时, When], body: liandong.cases.v1.Discovery"
SOURCE = f"""
procedure: keys
version: 1
title: [钥匙, Keys]
source: [M07]
roles: {{asker: [借, Asker], keeper: [管, Keeper], guest: [客, Guest]}}
states: {{new: [新, New], asked: [问, Asked], done: [完, Done]}}
initial: new
final: [done]
acts:
  ask: {{{ACT}, by: asker, in: [new], becomes: asked}}
  turn-to: {{{ACT}, by: asker, in: [asked], names: [keeper, guest]}}
  answer: {{{ACT}, by: keeper, in: [asked], becomes: done}}
obligations:
  answer: {{title: [答, Answer], owed_by: keeper, opens_on: [ask], starts_on: receipt, discharged_by: [answer],
    within: 2 wd}}
"""


def asked(registry: Bench, *, water_is_told: bool = False) -> tuple[str, int]:
    """A case in which MARKET owes an answer from the day that it has the letter; the letter's position."""
    entry = directory_pb.Procedure(name="keys", version=1, source=SOURCE)
    registry.publish(directory_pb.CommonEntry(procedure=entry))
    case_id = new_id()
    parties = {HEALTH: "asker", MARKET: "keeper", **({WATER: "guest"} if water_is_told else {})}
    letter = registry.health.act(case_id, "ask", procedure="keys", parties=parties, recipients=[MARKET])
    return case_id, registry.position(registry.health, letter)


def turned(registry: Bench, case_id: str, at: int, name: str = WATER, role: str = "keeper") -> Sent:
    """The letter by which WATER is to answer instead, or another comes as a guest."""
    return registry.health.act(case_id, "turn-to", procedure="keys", parties={name: role}, based_on=at)


def arrival(registry: Bench, name: str, *positions: int) -> Sent:
    """The department's word that it has the letters at these positions."""
    digests = dict(rows(registry, tables.ledger, "position", "letter_digest"))
    return registry.signers[name].arrival({at: digests[at] for at in positions})


def owed(registry: Bench, case_id: str) -> Obligation:
    (answer,) = registry.replica.cases[case_id].open_obligations
    return answer


def test_the_receipt_of_the_new_keeper_starts_its_clock(registry: Bench) -> None:
    """It gets the letter of the past when it is named; that of the old one starts nothing, and everybody is told."""
    case_id, at = asked(registry)
    registry.position(registry.health, turned(registry, case_id, at))
    registry.position(registry.market, arrival(registry, MARKET, at))
    assert (owed(registry, case_id).owed_by, owed(registry, case_id).received_at) == (WATER, None)
    position = registry.position(registry.water, arrival(registry, WATER, at))
    entry = registry.replica.recent.entry(position)
    assert entry is not None
    assert owed(registry, case_id).received_at == from_microseconds(entry.leaf.admitted_at_us)
    for member in (HEALTH, MARKET):
        assert position in [place.position for place, _ in registry.mailbox(member)]
    assert rows(registry, tables.awaited_receipts, "department") == []


async def test_the_receipt_may_come_in_the_same_commit(registry: Bench) -> None:
    """As that of a department which has the letter already, while another makes it the keeper."""
    case_id, at = asked(registry, water_is_told=True)
    # while the first is written the others queue up
    letters = [
        (registry.market, registry.market.act(new_id(), "register", parties={MARKET: "sender"})),
        (registry.health, turned(registry, case_id, at)),
        (registry.water, arrival(registry, WATER, at)),
    ]
    commands = [registry.open(signer.name, signer.batch(letter)) for signer, letter in letters]
    results = await asyncio.gather(*[registry.committer.submit(each) for each in commands])
    assert all(isinstance(each, Admitted) for result in results for each in result), results
    assert owed(registry, case_id).owed_by == WATER
    assert owed(registry, case_id).received_at is not None
    waiting = rows(registry, tables.awaited_receipts, "department", "position")
    assert waiting == [(MARKET, at)]


def test_who_joins_later_gets_the_receipt_that_started_the_clock(registry: Bench) -> None:
    """Not one that came before the seat was handed on, for letters of other cases on both sides of this one."""
    _, before = another(registry)
    case_id, at = asked(registry)
    _, after = another(registry)
    early = registry.position(registry.water, arrival(registry, WATER, before, after))
    turn = registry.position(registry.health, turned(registry, case_id, at))
    started = registry.position(registry.water, arrival(registry, WATER, at, turn))
    registry.position(registry.health, turned(registry, case_id, turn, JUSTICE, "guest"))
    came = [place.position for place, _ in registry.mailbox(JUSTICE)]
    assert started in came
    assert early not in came


def another(registry: Bench) -> tuple[str, int]:
    """A case between MARKET and WATER, and the position of its first letter."""
    case_id = new_id()
    parties = {MARKET: "sender", WATER: "receiver"}
    letter = registry.market.act(case_id, "register", parties=parties)
    return case_id, registry.position(registry.market, letter)
