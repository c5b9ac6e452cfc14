"""What one commit group appends and changes: noted in memory while it is decided, written at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from sqlalchemy import Connection

from services.common.bulk import Record
from services.common.clock import microseconds
from services.exchange import code_store, evidence_records
from services.exchange.codes import CodeTables
from services.exchange.digests import Leaf
from services.exchange.evidence_records import department_reader
from services.exchange.letters import Letter, extras_of
from services.exchange.merkle import BatchTree
from services.procedures import case as cases
from services.procedures.case import CaseState
from services.procedures.law import Law
from services.registry import ledger, store, tallies
from services.registry.ledger import Head
from services.registry.recent import BatchProof, Entry
from services.registry.store import Flow, Item

_CASE_CHANGES: Final = ("state", "closed", "last_position", "folded")
_OBLIGATION_CHANGES: Final = ("due_at_us", "state", "ended_at_us", "next_mark", "next_mark_at_us", "facts")


@dataclass(frozen=True, slots=True)
class Grant:
    """Evidence that departments may read from now on."""

    holder: str
    roots: tuple[bytes, ...]
    departments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """A batch as its author signed it.

    Attributes:
        tree: The tree over all of its letters.
        proof: The signature over the root.
        digests: The letter digests of all leaves, 32 bytes each.
    """

    tree: BatchTree
    proof: BatchProof
    digests: bytes


class Group:
    """The notes of one commit group, in ledger order."""

    def __init__(self, head: Head) -> None:
        self._first = head
        self._edge = head.edge
        self.size = head.size
        self.entries: list[Entry] = []
        self.places: list[tuple[str, int, int]] = []
        self.common: list[tuple[int, int]] = []
        self.states: dict[str, CaseState] = {}
        self.letters_of_case: dict[str, list[int]] = {}
        self.items: dict[str, Item] = {}
        self.subscriptions: dict[tuple[str, str], bool] = {}
        self.flows: Counter[Flow] = Counter()
        self.grants: list[Grant] = []
        self.obligations: list[Record] = []
        self.parties: list[Record] = []
        self.links: list[Record] = []
        self.subjects: list[Record] = []
        self.awaited: dict[tuple[str, int], str] = {}
        self.received: list[tuple[str, int]] = []
        self.arrivals: list[Record] = []
        self.refusals: list[Record] = []
        self.published: dict[str, Record] = {}
        self.codes: list[directory_pb.CodeTable] = []
        self.completed: list[tuple[int, int, bytes]] = []
        self._ledger: list[Record] = []
        self._batches: dict[int, Record] = {}
        self._item_rows: list[Record] = []

    def append(self, letter: Letter, leaf: Leaf, signed: Signed, index: int, batch: int, flags: str) -> None:
        """Note a letter at the ledger's end.

        Args:
            letter: The letter.
            leaf: Its leaf, at position `size`.
            signed: The batch that it came in.
            index: Its place in it.
            batch: Position of the first letter that was admitted from the same batch.
            flags: Findings, with commas between.
        """
        envelope = letter.envelope
        header, payload, extras = envelope.header, envelope.payload, extras_of(envelope)
        leaf_hash = leaf.hash()
        position, letter_id, kind, author = leaf.position, letter.letter_id, letter.kind, letter.header.author
        proof = signed.proof
        if batch == position:
            self._batches[batch] = (
                batch, proof.suite, proof.key_id, proof.size, proof.root, proof.signature, signed.digests,
            )  # fmt: skip
        self._ledger.append(
            (
                position, letter_id, kind, author, letter.subject_id, leaf.letter_digest, leaf_hash,
                leaf.admitted_at_us, leaf.common_version, batch, index, header, payload, extras, flags,
            )
        )  # fmt: skip
        self.entries.append(
            Entry(
                leaf, leaf_hash, letter_id, kind, author, header, payload, extras, flags, proof, index,
                signed.tree.path(index),
            )
        )  # fmt: skip
        self.size += 1

    def deliver(self, position: int, author: str, recipients: Iterable[str]) -> None:
        """Note whom the letter at a position goes to; its author gets the receipt."""
        places = self.places
        places.append((author, position, position))
        places += [(name, position, position) for name in recipients if name != author]

    def note_item(self, item_id: str, item: Item, position: int) -> None:
        """Note a shared item as its letter leaves it."""
        self.items[item_id] = item
        self._item_rows.append((item_id, item.author, item.category, item.revision, item.withdrawn, position))

    def head(self, common_version: int, admitted_at_us: int) -> Head:
        """The head after everything that was noted; remembers the subtrees that were completed."""
        # it may be asked for after each entry, so only what came since is added
        further = self.entries[self._edge.size - self._first.size :]
        self._edge, completed = self._edge.append([entry.leaf_hash for entry in further])
        self.completed += completed
        return replace(
            self._first, edge=self._edge, common_version=common_version, admitted_at_us=admitted_at_us
        )

    def write(self, connection: Connection, head: Head, law: Law, codes: CodeTables, replica: str) -> None:
        """Write everything, one statement a table.

        Args:
            connection: Holds the head's lock.
            head: What `head` gave.
            law: As of that head.
            codes: Likewise.
            replica: Who writes.
        """
        # of the same letter refused twice in one group the first answer stands, as it does later
        store.REFUSALS.upsert(connection, self.refusals, ["letter_id"])
        if not self.entries:
            return
        store.delete_awaited(connection, self.received)
        self._write_subscriptions(connection)
        for grant in self.grants:
            readers = [department_reader(name) for name in grant.departments]
            evidence_records.grant(connection, grant.roots, readers, grant.holder)
        store.LEDGER.insert(connection, self._ledger)
        store.BATCHES.insert(connection, list(self._batches.values()))
        # above the head nothing can be in the table yet
        store.MAILBOX.insert(connection, list(dict.fromkeys(self.places)))
        self._write_cases(connection, law)
        store.ARRIVALS.upsert(connection, self.arrivals, ["department", "last_at"])
        store.ITEMS.upsert(connection, self._item_rows, ["item_id"], ["revision", "withdrawn", "position"])
        tallies.FLOWS.add(connection, self.flows)
        store.PUBLISHED.insert(connection, list(self.published.values()))
        code_store.write(connection, self.codes, codes)
        ledger.write(connection, head, self.completed)
        store.notify(connection, replica)

    def _write_cases(self, connection: Connection, law: Law) -> None:
        store.CASES.upsert(
            connection,
            [_case_row(state, law) for state in self.states.values()],
            ["case_id"],
            _CASE_CHANGES,
        )
        store.PARTIES.upsert(connection, self.parties, ["case_id", "department"], ["role"])
        store.OBLIGATIONS.upsert(
            connection, self.obligations, ["case_id", "rule", "ordinal"], _OBLIGATION_CHANGES
        )
        tallies.ENDED.add(connection, tallies.ended(self.obligations))
        store.LINKS.upsert(connection, self.links, ["case_id", "linked", "relation"])
        store.SUBJECTS.upsert(connection, self.subjects, ["token", "case_id"])
        awaited = [
            (department, position, case_id) for (department, position), case_id in self.awaited.items()
        ]
        store.AWAITED.upsert(connection, awaited, ["department", "position"])

    def _write_subscriptions(self, connection: Connection) -> None:
        started = [key for key, wanted in self.subscriptions.items() if wanted]
        ended = [key for key, wanted in self.subscriptions.items() if not wanted]
        store.SUBSCRIPTIONS.upsert(connection, started, ["category", "department"])
        store.delete_subscriptions(connection, ended)

    @property
    def common_positions(self) -> Sequence[int]:
        """Positions of the common entries among the letters."""
        return [position for _, position in self.common]


def _case_row(state: CaseState, law: Law) -> Record:
    procedure = law.procedure(state.procedure, state.version)
    closed = procedure is not None and state.state in procedure.final
    return (
        state.case_id, state.procedure, state.state, closed, microseconds(state.opened_at),
        state.last_position, cases.dumps(state),
    )  # fmt: skip
