"""Races: of two acts that exclude each other, released at once from two nodes, one is admitted."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.federation.books import Books, examine, settle
from tests.federation.correspondent import Correspondent, Journal
from tests.federation.district import HEALTH, MARKET, federation

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("federation")]

Tell = Callable[[str], None]
Release = Callable[[], Awaitable[object]]
_REASONS = {"CASE_MOVED_ON", "NOT_PERMITTED_IN_STATE"}


class Race:
    """Two nodes, their cases, and the barrier.

    Args:
        sender: The one who transferred.
        receiver: The other.
    """

    def __init__(self, sender: Correspondent, receiver: Correspondent, journal: Journal) -> None:
        self.sender, self.receiver, self.journal = sender, receiver, journal
        self.at_once: Counter[str] = Counter()

    async def recall_against_sign_for(self, case_id: str) -> tuple[Release, Release]:
        """The sender takes back its letter while the receiver signs for it."""
        prepared = await self.sender.approved(self.sender.draft("recall", case_id))
        sign_for = self.receiver.draft("sign-for", case_id)
        return lambda: self.sender.send_prepared(prepared), lambda: self.receiver.send([sign_for])

    async def take_back_against_accept(self, case_id: str) -> tuple[Release, Release]:
        """The sender takes back a disputed case while the receiver accepts it after all."""
        take_back = self.sender.draft("take-back", case_id)
        accept = self.receiver.draft("accept", case_id)
        return lambda: self.sender.send([take_back]), lambda: self.receiver.send([accept])

    async def release(self, acts: tuple[Release, Release]) -> None:
        """Let both go at one barrier."""
        barrier = asyncio.Barrier(2)

        async def go(act: Release) -> None:
            await barrier.wait()
            await act()

        await asyncio.gather(*(go(act) for act in acts))

    async def disputed(self, case_ids: list[str]) -> None:
        """Let the receiver hold itself not competent."""
        for act in ("sign-for", "dispute"):
            await self.receiver.send([self.receiver.draft(act, case_id) for case_id in case_ids])


async def race(folder: Path, tell: Tell, rounds: int) -> None:
    """Run as many races, half of them of each pair, and look at what came of them."""
    journal = Journal()
    async with federation(folder, (HEALTH, MARKET)) as made:
        chance = random.Random(0)
        sender, receiver = (
            Correspondent(made.parties[name], other, journal, chance)
            for name, other in ((HEALTH, MARKET), (MARKET, HEALTH))
        )
        running = Race(sender, receiver, journal)
        for each in (sender, receiver):
            await each.bring_evidence()
        case_ids = await sender.open_cases(rounds)
        await asyncio.gather(*(sender.transfer(case_id) for case_id in case_ids))
        await settle(made)
        recalled, disputed = case_ids[::2], case_ids[1::2]
        await running.disputed(disputed)
        await settle(made)
        prepared = await asyncio.gather(
            *(running.recall_against_sign_for(each) for each in recalled),
            *(running.take_back_against_accept(each) for each in disputed),
        )
        before = set(journal.letters)
        chance.shuffle(prepared)
        for index, acts in enumerate(prepared):
            # who is released first by the loop is not always the same one
            await running.release(acts if index % 2 else (acts[1], acts[0]))
        await settle(made)
        books = await examine(made, journal)
        orders = outcomes(books, journal, before, case_ids)
        tell(f"rounds={rounds} {dict(orders)} refused_at_once={dict(journal.refused_at_once)}")
        by_sender, by_receiver = orders["recall"] + orders["take-back"], orders["sign-for"] + orders["accept"]
        assert by_sender + by_receiver == rounds
        assert by_sender
        assert by_receiver


def outcomes(books: Books, journal: Journal, before: set[str], case_ids: list[str]) -> Counter[str]:
    """Which act won how often, each case having one winner and one who was told why not."""
    admitted = {letter_id for letters in books.ledger_cases.values() for _, letter_id in letters}
    rows = {each.letter_id: each for letters in books.letters.values() for each in letters}
    orders: Counter[str] = Counter()
    refused_later = 0
    for case_id in case_ids:
        raced = [each for each in journal.letters.values() if each.case_id == case_id]
        raced = [each for each in raced if each.letter_id not in before]
        (winner,) = [each for each in raced if each.letter_id in admitted]
        orders[winner.act] += 1
        for each in raced:
            if each is not winner:
                assert rows[each.letter_id].disposition == "REFUSED"
                assert rows[each.letter_id].reason in _REASONS
                refused_later += 1
    # a node that had the other's act already refused without recording, with the same reasons
    assert set(journal.refused_at_once) <= _REASONS
    assert refused_later + sum(journal.refused_at_once.values()) == len(case_ids)
    return orders


async def test_one_of_two_acts_that_exclude_each_other_is_admitted(tmp_path: Path, tell: Tell) -> None:
    """The other's author is told why, both nodes and the registry have the same state, both orders occur."""
    await race(tmp_path, tell, 40)


@pytest.mark.soak
async def test_two_hundred_times(tmp_path: Path, tell: Tell) -> None:
    """The long form."""
    await race(tmp_path, tell, 200)
