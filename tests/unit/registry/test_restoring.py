"""After a restore: held, a ledger takes nothing; released or opened anew, it goes on and says since when it did not."""

import asyncio
from datetime import datetime, timedelta

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.clock import ManualClock, from_microseconds
from services.common.errors import ReadOnly
from services.exchange import merkle
from services.exchange.checkpoint import verify_checkpoint
from services.exchange.keys import public_key_bytes
from services.registry import ledger, mailboxes, restoring
from services.registry.commands import Admitted, Refresh
from services.registry.ledger import Head
from services.registry.link_watch import LinkWatch
from services.registry.links import LinkOutage
from services.registry.recent import Place
from services.registry.restoring import NotHeld, WrongEpoch
from tests.builders.departments import HEALTH, LOG_ID, MARKET, Sent, new_id
from tests.builders.registry import Bench


def opening(registry: Bench, **changes: object) -> Sent:
    return registry.health.act(new_id(), "register", parties={HEALTH: "sender"}, **changes)  # type: ignore[arg-type]


def hold(registry: Bench) -> Head:
    return registry.database.write(lambda connection: restoring.hold(connection, registry.clock))


def release(registry: Bench) -> Head:
    return registry.database.write(
        lambda connection: restoring.release(connection, registry.replica, registry.clock)
    )


def open_epoch(registry: Bench, number: int) -> Head:
    return registry.database.write(
        lambda connection: restoring.open_epoch(connection, registry.replica, registry.clock, number)
    )


def refresh(registry: Bench) -> Head:
    """Take over what an operator's command did, as a following replica does."""
    registry.committer.submit_blocking(Refresh(), timeout=20)
    return registry.replica.head


def outages(registry: Bench) -> list[tuple[datetime, datetime]]:
    return [
        (each.since.ToDatetime(), each.until.ToDatetime())
        for each in registry.replica.directory.outages
        if not each.department
    ]


def test_a_held_ledger_takes_nothing(registry: Bench) -> None:
    """Letters are put off, not judged; what was answered before is answered as before; entries are refused."""
    before = opening(registry)
    at = registry.position(registry.health, before)
    head = hold(registry)
    fresh, forged = opening(registry), opening(registry, author=MARKET)
    known, *put_off = registry.submit(registry.health, before, fresh, forged)
    assert known == Admitted(at)
    assert [each.reason for each in put_off] == ["READ_ONLY"] * 2  # type: ignore[union-attr]
    assert all(each.retry_after_ms > 0 for each in put_off)  # type: ignore[union-attr]
    with pytest.raises(ReadOnly) as refused:
        registry.publish(registry.water.entry())
    assert refused.value.is_retryable
    assert refused.value.retry_after_ms > 0
    assert registry.database.read(ledger.read_head) == head
    assert head.size == registry.replica.head.size


def test_holding_again_changes_nothing(registry: Bench) -> None:
    """It is held since the first time."""
    assert hold(registry) == hold(registry)


def test_a_held_ledger_is_read_and_proved(registry: Bench) -> None:
    """From the tables as after a start."""
    _, at = registry.sent()
    size = hold(registry).size
    registry.replica.recent.clear(size)
    assert at in [place.position for place, _ in registry.mailbox(MARKET)]
    path = registry.database.read(lambda each: registry.replica.hashes.inclusion(each, at, size))
    (leaf,) = registry.database.read(lambda each: mailboxes.read_leaves(each, at, at + 1))
    merkle.verify_inclusion(leaf.hash(), at, size, path, registry.replica.head.edge.root)


def test_released_it_goes_on_in_its_epoch(registry: Bench) -> None:
    """What waited is admitted, and nobody is late for the time in between."""
    letter = opening(registry)
    held = hold(registry)
    assert registry.reason(registry.health, letter) == "READ_ONLY"
    released = release(registry)
    assert (released.epoch, released.held_since_us) == (1, None)
    assert registry.position(registry.health, letter) == released.size
    assert held.held_since_us is not None
    ((since, until),) = outages(registry)
    assert since == from_microseconds(held.held_since_us).replace(tzinfo=None)
    assert until == from_microseconds(released.admitted_at_us).replace(tzinfo=None)
    law = registry.replica.directory.law
    assert law.outages_of(HEALTH) == law.outages_of(MARKET) != ()


def test_a_new_epoch_goes_on_over_what_there_is(registry: Bench) -> None:
    """Its first leaf is the registry's identity with its number; the heads say it, signed."""
    registry.sent()
    before = registry.replica.head
    hold(registry)
    opened = open_epoch(registry, 2)
    assert (opened.epoch, opened.held_since_us) == (2, None)
    head = refresh(registry)
    assert head == opened
    first = registry.replica.recent.read(MARKET, Place(before.size - 1, before.size - 1), 1, head.size)
    assert first is None
    entry = registry.database.read(lambda each: mailboxes.read_entries(each, [before.size]))[before.size]
    named = directory_pb.CommonEntry.FromString(entry.payload).registry
    assert (named.epoch, named.log_id) == (2, LOG_ID)
    identity = registry.replica.directory.registry()
    assert identity is not None
    assert identity.epoch == 2
    _, note = registry.replica.checkpoint()
    signed = verify_checkpoint(note, LOG_ID, [public_key_bytes(registry.replica.sign_key)])
    assert (signed.epoch, signed.size) == (2, head.size)
    proof = registry.database.read(
        lambda each: registry.replica.hashes.consistency(each, before.size, head.size)
    )
    merkle.verify_consistency(before.size, before.edge.root, head.size, head.edge.root, proof)


def test_an_epoch_is_opened_once_and_only_over_a_held_ledger(registry: Bench) -> None:
    """The number is asked for, so that repeating the command opens no second one."""
    with pytest.raises(NotHeld):
        open_epoch(registry, 2)
    with pytest.raises(NotHeld):
        release(registry)
    hold(registry)
    for number in (1, 3):
        with pytest.raises(WrongEpoch, match="epoch 1; the next one is 2"):
            open_epoch(registry, number)
    open_epoch(registry, 2)
    with pytest.raises(NotHeld):
        open_epoch(registry, 2)


def test_letters_that_waited_for_the_new_epoch_are_admitted(registry: Bench) -> None:
    """They name a head and a place of the epoch before, which the new one continues."""
    case_id, at = registry.sent()
    observed = registry.observed()
    waiting = registry.market.act(case_id, "sign-for", based_on=at, observed=observed)
    hold(registry)
    open_epoch(registry, 2)
    registry.position(registry.market, waiting)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ("root", "observed_head"),
        ("larger", "observed_head"),
        ("no epoch", "observed_head"),
        ("unseen", "act.based_on"),
        ("above", "act.based_on"),
        ("later epoch", "act.based_on"),
    ],
)
def test_what_names_a_lost_part_of_an_older_epoch_is_refused(registry: Bench, wrong: str, field: str) -> None:
    """A head that is not continued, a place that is under none that is."""
    case_id, at = registry.sent()
    observed = registry.observed()
    hold(registry)
    open_epoch(registry, 2)
    match wrong:
        case "root":
            observed.root = bytes(32)
        case "larger":
            observed.size += 100
        case "no epoch":
            observed.epoch = 0
        case "above":
            at = observed.size
    letter = registry.market.act(
        case_id, "sign-for", based_on=at, observed=None if wrong == "unseen" else observed
    )
    if wrong == "later epoch":
        letter.header.act.based_on.epoch = 3
        letter = registry.market.seal(letter.header, letter.envelope.payload, letter.envelope.assertions)
    (answer,) = registry.submit(registry.market, letter)
    assert (answer.reason, answer.field) == ("HEAD_UNKNOWN", field)  # type: ignore[union-attr]


def test_an_outage_waits_until_the_ledger_takes_it(registry: Bench) -> None:
    """A department that comes back meanwhile is served; its absence ends when its letters can be judged."""

    async def play() -> list[LinkOutage]:
        published: list[LinkOutage] = []
        held = True

        async def publish(outage: LinkOutage) -> None:
            if held:
                raise ReadOnly
            published.append(outage)

        watch = LinkWatch(
            registry.database, "a", lambda: registry.replica.directory, clock, publish, silence=timedelta(0)
        )
        await watch.connected(HEALTH)
        await watch.disconnected(HEALTH)
        left_at = clock.now()
        clock.advance(timedelta(hours=2))
        await watch.connected(HEALTH)
        await watch.seen(HEALTH, (1, 1))
        await watch.settle(HEALTH)
        await watch.flush()
        clock.advance(timedelta(hours=1))
        held = False
        await watch.settle(HEALTH)
        assert [(each.since, each.until) for each in published] == [(left_at, clock.now())]
        await watch.settle(HEALTH)
        await watch.disconnected(HEALTH)
        clock.advance(timedelta(minutes=1))
        await watch.connected(HEALTH)
        return published

    clock = ManualClock(registry.clock.now())
    assert len(asyncio.run(play())) == 1
