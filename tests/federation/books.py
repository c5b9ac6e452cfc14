"""Everything that is kept anywhere, once all has settled: it must agree with itself and with what senders were told."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.cli.demo.party import Party
from services.cli.demo.verify import verify_registry
from services.common.channel import remote_errors
from services.common.errors import LiandongError, NotFound
from services.exchange import tables
from services.registry import tables as registry_tables
from tests.federation.correspondent import Journal, reconnect
from tests.federation.district import HEALTH, REGISTRY, Federation, until

_TIMEOUT_S: Final = 20
_SETTLE_S: Final = 120.0


async def examine(federation: Federation, journal: Journal) -> Books:
    """Compare what the correspondents were told with everything that is kept anywhere.

    Raises:
        AssertionError: Something recorded vanished, came twice, out of order, or is not the same everywhere.
    """
    addresses = federation.district.registry_addresses
    verified = {await verify_registry(each, federation.parties[HEALTH].tls) for each in addresses}
    assert len(verified) == 1
    books = await asyncio.to_thread(Books.read, federation)
    books.check_ledger()
    books.check_nodes()
    books.check_journal(journal)
    for party in federation.parties.values():
        for case_id in books.ledger_cases:
            await _compare_case(books, journal, party, case_id)
    return books


async def _compare_case(books: Books, journal: Journal, party: Party, case_id: str) -> None:
    """A department's timeline holds the case's letters in ledger order, and its state is the registry's."""
    metadata = party.actor("system")
    try:
        with remote_errors():
            timeline = await party.cases.GetTimeline(
                cases.GetTimelineRequest(case_id=case_id, limit=1000), metadata=metadata, timeout=_TIMEOUT_S
            )
            request = cases.GetCaseRequest(case_id=case_id)
            view = (await party.cases.GetCase(request, metadata=metadata, timeout=_TIMEOUT_S)).case
    except NotFound:
        # the office before it is called
        assert not any(position in books.mailboxes[party.name] for position, _ in books.ledger_cases[case_id])
        return
    shown = [
        (each.position.position, each.letter_id)
        for each in timeline.letters
        if each.disposition == exchange.DISPOSITION_ADMITTED
    ]
    assert shown == books.ledger_cases[case_id], (party.name, case_id)
    refused = {
        each.letter_id for each in timeline.letters if each.disposition == exchange.DISPOSITION_REFUSED
    }
    own = {each.letter_id for each in journal.by(party.name) if each.case_id == case_id}
    assert own <= refused | {letter_id for _, letter_id in shown}
    assert view.state_digest == books.digests[case_id], (party.name, case_id, view.state)
    assert view.pending == 0


async def settle(federation: Federation) -> None:
    """Heal everything and wait until every outbox is empty and every node has all that is for it."""

    async def unsettled() -> str:
        federation.district.check()
        for party in federation.parties.values():
            try:
                with remote_errors():
                    state = await party.cases.GetNodeState(
                        cases.GetNodeStateRequest(), metadata=party.actor("system"), timeout=_TIMEOUT_S
                    )
            except LiandongError as error:
                await reconnect(party)
                return f"{party.name}: {error.reason}"
            if not state.connected or state.outbox or state.parked:
                return (
                    f"{party.name}: connected={state.connected} outbox={state.outbox} parked={state.parked} "
                    f"{state.link_error}"
                )
        return await asyncio.to_thread(_undelivered, federation)

    federation.heal()
    await until(unsettled, _SETTLE_S)


def _undelivered(federation: Federation) -> str:
    box = registry_tables.mailbox.c
    newest = sa.select(box.department, sa.func.max(box.at)).group_by(box.department)
    for department, at in federation.rows(REGISTRY, newest):
        if department in federation.parties:
            cursor = federation.rows(department, sa.select(tables.link.c.at))[0][0]
            if cursor < at:
                return f"{department} stands at {cursor} of {at}"
    return ""


@dataclass(slots=True)
class Books:
    """Everything that is kept, read from the databases themselves.

    Attributes:
        ledger: Rows of the registry's ledger, by position.
        ledger_cases: (position, letter) of the acts of each case, in ledger order.
        digests: Of the states that the registry folded, by case.
        mailboxes: Positions that each department was to get.
        letters: Rows of each department's letters.
    """

    ledger: Sequence[Any]
    ledger_cases: dict[str, list[tuple[int, str]]]
    digests: dict[str, bytes]
    mailboxes: dict[str, set[int]]
    awaited: Sequence[Any]
    letters: dict[str, Sequence[Any]]
    left: dict[str, int]

    @classmethod
    def read(cls, federation: Federation) -> Books:
        """Read them."""
        rows = federation.rows
        columns = registry_tables.ledger.c
        ledger = rows(
            REGISTRY,
            sa.select(
                columns.position, columns.letter_id, columns.kind, columns.author, columns.case_id,
                columns.letter_digest,
            ).order_by(columns.position),
        )  # fmt: skip
        ledger_cases: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for each in ledger:
            if each.kind == "act":
                ledger_cases[each.case_id].append((each.position, each.letter_id))
        folded = rows(REGISTRY, sa.select(registry_tables.cases.c.case_id, registry_tables.cases.c.folded))
        mailboxes: dict[str, set[int]] = defaultdict(set)
        for each in rows(REGISTRY, sa.select(registry_tables.mailbox)):
            mailboxes[each.department].add(each.position)
        letters, left = {}, {}
        for name in federation.parties:
            letters[name] = rows(name, sa.select(tables.letters))
            left[name] = sum(
                rows(name, sa.select(sa.func.count()).select_from(table))[0][0]
                for table in (tables.outbox, tables.parked)
            )
        return cls(
            ledger=ledger,
            ledger_cases=dict(ledger_cases),
            digests={each.case_id: hashlib.sha256(each.folded).digest() for each in folded},
            mailboxes=mailboxes,
            awaited=rows(REGISTRY, sa.select(registry_tables.awaited_receipts)),
            letters=letters,
            left=left,
        )

    def check_ledger(self) -> None:
        """Positions without gaps, every letter once, every receipt of a letter that starts a clock there."""
        assert [each.position for each in self.ledger] == list(range(len(self.ledger)))
        assert len({each.letter_id for each in self.ledger}) == len(self.ledger)
        assert not self.awaited

    def check_nodes(self) -> None:
        """Nothing is on its way or stuck; every node has what was for it, as the ledger has it, and no more."""
        by_position = {each.position: each for each in self.ledger}
        for name, letters in self.letters.items():
            assert not self.left[name], name
            admitted = {each.position: each for each in letters if each.disposition == "ADMITTED"}
            assert {each.disposition for each in letters} <= {"ADMITTED", "REFUSED"}, name
            for position, each in admitted.items():
                entry = by_position[position]
                assert (each.letter_id, each.letter_digest) == (entry.letter_id, entry.letter_digest)
            common = {each.position for each in self.ledger if each.kind == "common"}
            assert set(admitted) == self.mailboxes[name] | common, name
            own = {each.letter_id for each in letters if each.author == name}
            assert own >= {each.letter_id for each in self.ledger if each.author == name}
            _check_numbers([each.number for each in letters if each.author == name and each.number])

    def check_journal(self, journal: Journal) -> None:
        """What the senders were told holds: each recorded letter is admitted, or refused in their sight."""
        admitted = {each.letter_id: each for each in self.ledger if each.kind == "act"}
        for name, letters in self.letters.items():
            rows = {each.letter_id: each for each in letters}
            for noted in journal.by(name):
                row = rows[noted.letter_id]
                if row.disposition == "REFUSED":
                    assert noted.letter_id not in admitted
                    assert row.reason, noted
                else:
                    assert admitted[noted.letter_id].position == row.position, noted
            told = {each.letter_id for each in journal.by(name)}
            acts = {each.letter_id for each in letters if each.kind == "act" and each.author == name}
            # everything was asked for until it was answered, so nothing is there that nobody knows of
            assert acts == told, name


def _check_numbers(numbers: Sequence[str]) -> None:
    """The numbers of a series run from 1 without gap, each once; those of refused letters are void, not free."""
    series: dict[str, list[int]] = defaultdict(list)
    for number in numbers:
        head, _, running = number.removesuffix("号").rpartition("〕")
        series[head].append(int(running))
    for head, issued in series.items():
        assert sorted(issued) == list(range(1, len(issued) + 1)), head
