"""A stock of cases becomes a ledger, mailboxes, and what every department's node holds of it.

Cases are folded by the product's own rules as their letters come by, in the order of the ledger; what the registry
and the nodes store of them is made by the functions that they use themselves. Letters that are admitted together are
answered by the Arrivals of those who got them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases import store
from services.cases import tables as case_tables
from services.cases.entry import Entry, dues_of
from services.cases.indexing import Index
from services.common.clock import from_microseconds, microseconds
from services.exchange import digests
from services.exchange import tables as exchange_tables
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.merkle import RightEdge
from services.procedures import case as states
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.facts import Admission
from services.procedures.fold import fold
from services.procedures.model import Procedure
from services.procedures.obligation import Obligation
from services.registry import ledger, tables, tallies
from services.registry.obligation_index import index_row
from tests.load import letters
from tests.load.letters import Author, Made
from tests.load.sink import Sink
from tests.load.stock import Case

REGISTRY_TABLES: Final = (
    tables.ledger, tables.batches, tables.ledger_nodes, tables.mailbox, tables.cases, tables.case_parties,
    tables.obligations, tables.ended_obligations, tables.act_index, tables.arrivals, tables.flows,
)  # fmt: skip
NODE_TABLES: Final = (
    exchange_tables.letters, exchange_tables.arrivals, exchange_tables.numbers, case_tables.cases,
    case_tables.case_parties, case_tables.obligations, case_tables.subjects, case_tables.subject_mentions,
    case_tables.case_items, case_tables.penalties, case_tables.search,
)  # fmt: skip
_GROUP: Final = 512
_BATCH: Final = 128
_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US
_ZONE_US: Final = 8 * 3_600 * _SECOND_US


@dataclass(slots=True)
class Running:
    """A case on its way.

    Attributes:
        letters: Rows of its letters, for those who join.
        places: Where they stand.
    """

    case: Case
    case_id: str
    procedure: Procedure
    index: Index = field(default_factory=Index)
    state: CaseState | None = None
    obligations: dict[tuple[str, int], Obligation] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    letters: list[tuple[Any, ...]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    title: str = ""
    changed_us: int = 0
    author: str = ""
    before: str = ""


class Books:
    """Everything that follows from letters, written as they come.

    Args:
        directory: Everything common.
        log_id: The ledger's name.
        registry: The registry.
        edge: The ledger below the first letter.
        authors: Departments that write, by name.
        book: Takes the registry's rows.
        nodes: Take the departments' rows; those without one hold none.
    """

    def __init__(
        self,
        directory: Directory,
        log_id: str,
        registry: str,
        edge: RightEdge,
        last_us: int,
        authors: Mapping[str, Author],
        book: Sink,
        nodes: Mapping[str, Sink],
    ) -> None:
        self._law = directory.law
        self._version = directory.version
        self._calendar = directory.law.calendar(registry)
        self._log_id = log_id
        self._registry = registry
        self._authors = authors
        self._book = book
        self._nodes = nodes
        self._running: dict[int, Running] = {}
        self._flows: Counter[tuple[int, str, str, str]] = Counter()
        self._ended: Counter[tuple[int, str, str, str]] = Counter()
        self._leaves: list[bytes] = []
        self.edge = edge
        self.now_us = last_us
        self.cursors: dict[str, tuple[int, int]] = {}
        self.letters = 0

    def take(self, cases: Sequence[Case]) -> Iterator[int]:
        """Write all acts of these cases in the order of their times; yields how many are written."""
        order = sorted(
            (at_us, case.index, index) for case in cases for index, (at_us, _) in enumerate(case.acts)
        )
        group: dict[int, tuple[int, int]] = {}
        for at_us, case, index in order:
            if case in group or len(group) == _GROUP:
                self._group(cases, group)
                group = {}
                yield self.letters
            group[case] = (at_us, index)
        self._group(cases, group)
        yield self.letters

    def close(self) -> None:
        """Write what is counted to the end."""
        for each in list(self._running.values()):
            self._finish(each)
        for table, counts in ((tables.flows, self._flows), (tables.ended_obligations, self._ended)):
            self._book.add(table, *((*key, count) for key, count in counts.items()))
        for name, sink in self._nodes.items():
            author = self._authors[name]
            sink.add(
                exchange_tables.numbers, *((author.word, year, last) for year, last in author.numbers.items())
            )

    # -- a group --------------------------------------------------------------------------------

    def _group(self, cases: Sequence[Case], group: Mapping[int, tuple[int, int]]) -> None:
        """Admit acts that come at one time, of each author together; then the Arrivals that answer them."""
        self.now_us = max(self.now_us + 1, max(at_us for at_us, _ in group.values()) + _SECOND_US)
        head = pb.ObservedHead(log_id=self._log_id, epoch=1, size=self.edge.size, root=self.edge.root)
        by_author: dict[str, list[tuple[Running, int]]] = {}
        for number, (_, index) in group.items():
            running = self._running.get(number) or self._begin(cases[number])
            step = running.case.flow.steps[running.case.acts[index][1]]
            by_author.setdefault(running.case.roles[step.role], []).append((running, index))
        came: dict[str, list[tuple[int, bytes, Running]]] = {}
        for name, acts in sorted(by_author.items()):
            for start in range(0, len(acts), _BATCH):
                self._batch(self._authors[name], acts[start : start + _BATCH], head, came)
        self.now_us += 1
        for name, arrived in sorted(came.items()):
            self._arrival(self._authors[name], arrived, head)
        self.edge, completed = self.edge.append(self._leaves)
        self._leaves = []
        self._book.add(tables.ledger_nodes, *ledger.stored(completed))
        self.letters += len(group)
        for number, (_, index) in group.items():
            running = self._running[number]
            if index == len(running.case.acts) - 1:
                self._finish(running)

    def _begin(self, case: Case) -> Running:
        procedure = self._law.newest(case.flow.procedure)
        assert procedure is not None
        case_id = letters.name_of(case.acts[0][0], "case", case.index)
        running = self._running[case.index] = Running(case, case_id, procedure)
        return running

    def _batch(
        self,
        author: Author,
        acts: Sequence[tuple[Running, int]],
        head: pb.ObservedHead,
        came: dict[str, list[tuple[int, bytes, Running]]],
    ) -> None:
        signed_us = self.now_us - _SECOND_US
        assertion = author.assertion(signed_us)
        extras = pb.Envelope(assertions=[assertion]).SerializeToString()
        digest = digests.sha256(assertion)
        made = [
            letters.act(
                author, running.case, running.case_id, index, running.procedure, registry=self._registry,
                assertion_digest=digest, head=head, log_id=self._log_id, signed_us=signed_us,
                based_on=running.state.last_position if running.state else None,
            )
            for running, index in acts
        ]  # fmt: skip
        proof, tree = letters.batch(author, made)
        first = self._position
        self._sign(first, proof, made)
        for number, ((running, _), letter) in enumerate(zip(acts, made, strict=True)):
            position = self._append(letter, "act", author.name, running.case_id, first, number, extras)
            recipients = self._apply(running, letter, position, letters.proof_of(proof, tree, number), extras)
            for name in recipients:
                if name != author.name:
                    came.setdefault(name, []).append((position, letter.digest, running))

    # -- the ledger -----------------------------------------------------------------------------

    @property
    def _position(self) -> int:
        return self.edge.size + len(self._leaves)

    def _sign(self, first: int, proof: pb.AuthorProof, made: Sequence[Made]) -> None:
        self._book.add(
            tables.batches,
            (
                first, proof.suite, proof.key_id, proof.tree_size, proof.root, proof.signature,
                b"".join(each.digest for each in made),
            ),
        )  # fmt: skip

    def _append(
        self, made: Made, kind: str, author: str, case_id: str | None, batch: int, index: int, extras: bytes
    ) -> int:
        position = self._position
        leaf_hash = Leaf(position, self.now_us, self._version, made.digest).hash()
        self._leaves.append(leaf_hash)
        self._book.add(
            tables.ledger,
            (
                position, made.letter_id, kind, author, case_id, made.digest, leaf_hash, self.now_us, self._version,
                batch, index, made.header, made.payload, extras, "",
            ),
        )  # fmt: skip
        return position

    def _place(self, names: Iterable[str], at: int, position: int) -> None:
        for name in names:
            self._book.add(tables.mailbox, (name, at, position))
            self.cursors[name] = max(self.cursors.get(name, (-1, -1)), (at, position))

    # -- an act ---------------------------------------------------------------------------------

    def _apply(
        self, running: Running, made: Made, position: int, proof: bytes, extras: bytes
    ) -> tuple[str, ...]:
        """Fold an act and deliver it; returns who gets it."""
        facts, content = made.facts, made.content
        assert facts is not None
        assert content is not None
        admitted_at = from_microseconds(self.now_us)
        folded = fold(running.state, facts, Admission(position, admitted_at, self._version), self._law)
        opens, running.state = running.state is None, folded.state
        for each in folded.changed:
            running.obligations[each.rule, each.ordinal] = each
        members = folded.state.members
        joined = [name for name in members if name not in running.members]
        running.members = members
        row = (
            made.letter_id, "act", running.case_id, facts.act, facts.author, made.number, "ADMITTED", position,
            self.now_us, self._version, microseconds(facts.signed_at), microseconds(facts.occurred_at), made.digest,
            made.header, made.payload, extras, proof, "", "", "", None, None, None, 0, "",
        )  # fmt: skip
        for name in joined:
            for place, past in zip(running.places, running.letters, strict=True):
                self._place([name], position, place)
                self._keep(name, past)
        running.places.append(position)
        running.letters.append(row)
        recipients = tuple(dict.fromkeys((facts.author, *members, *facts.recipients)))
        self._place(recipients, position, position)
        for name in recipients:
            self._keep(name, row)
        running.index.link(content)
        title = running.index.read(made.letter_id, content, made.payload, made.number)
        running.title = title or running.title
        running.changed_us = self.now_us
        if running.author != facts.author:
            running.before, running.author = running.author, facts.author
        day = (self.now_us + _ZONE_US) // _DAY_US
        for name in facts.recipients or members:
            if name != facts.author:
                self._flows[day, facts.procedure, facts.author, name] += 1
        closes = running.procedure.acts[facts.act].becomes in running.procedure.final
        self._book.add(
            tables.act_index,
            (
                position, running.case_id, facts.procedure, facts.act, facts.author, running.before, opens, closes,
                facts.item_code, facts.area_code, facts.outcome_code, self.now_us,
            ),
        )  # fmt: skip
        return recipients

    def _keep(self, name: str, row: tuple[Any, ...]) -> None:
        sink = self._nodes.get(name)
        if sink is not None:
            sink.add(exchange_tables.letters, row)

    def _arrival(
        self, author: Author, came: Sequence[tuple[int, bytes, Running]], head: pb.ObservedHead
    ) -> None:
        made = letters.arrival(author, [each[:2] for each in came], head, self.now_us)
        proof, tree = letters.batch(author, [made])
        first = self._position
        self._sign(first, proof, [made])
        position = self._append(made, "arrival", author.name, None, first, 0, b"")
        received_at = from_microseconds(self.now_us)
        for at, _, running in came:
            if running.state is not None:
                folded = arrive(running.state, [at], author.name, received_at)
                running.state = folded.state
                for each in folded.changed:
                    running.obligations[each.rule, each.ordinal] = each
        told = sorted({author.name, *(running.author for *_, running in came)})
        self._place(told, position, position)
        last, begin = came[-1][0], came[0][0]
        self._book.add(tables.arrivals, (author.name, last, begin, position, self.now_us))
        row = (
            made.letter_id, "arrival", None, "", author.name, "", "ADMITTED", position, self.now_us, self._version,
            self.now_us, self.now_us, made.digest, made.header, b"", b"", letters.proof_of(proof, tree, 0), "", "",
            "", None, None, None, 0, "",
        )  # fmt: skip
        for name in told:
            self._keep(name, row)
            if name in self._nodes:
                self._nodes[name].add(exchange_tables.arrivals, (author.name, last, begin, self.now_us))

    # -- a case ---------------------------------------------------------------------------------

    def _finish(self, running: Running) -> None:
        """Write a case as it stands after its last letter."""
        del self._running[running.case.index]
        state, procedure = running.state, running.procedure
        assert state is not None
        case_id = running.case_id
        parties = store.party_rows(state)
        self._book.add(
            tables.cases,
            (
                case_id, procedure.name, state.state, state.state in procedure.final, microseconds(state.opened_at),
                state.last_position, states.dumps(state),
            ),
        )  # fmt: skip
        self._book.add(tables.case_parties, *parties)
        owed = running.obligations.values()
        rows = [index_row(each, procedure, self._calendar) for each in owed]
        self._book.add(tables.obligations, *rows)
        self._ended.update(tallies.ended(rows))
        entry = Entry(state, (), state, title=running.title, dues=dues_of(state, self._law))
        obligations = [store.obligation_row(each, entry.dues.get((each.rule, each.ordinal))) for each in owed]
        for name in running.members:
            sink = self._nodes.get(name)
            if sink is None:
                continue
            row = store.case_row(entry, state, self._law, name, running.changed_us)
            sink.add(case_tables.cases, row)
            sink.add(case_tables.case_parties, *parties)
            sink.add(case_tables.obligations, *obligations)
            for table, rows in index_rows(running.index):
                sink.add(table, *rows)


def index_rows(index: Index) -> list[tuple[sa.Table, list[tuple[Any, ...]]]]:
    """What an index would write, by table; of rows with one key the one that stays."""
    subjects = {row[:2]: row for row in index._subjects}
    return [
        (case_tables.subjects, list(subjects.values())),
        (case_tables.subject_mentions, list(index._mentions.values())),
        (case_tables.case_items, list(dict.fromkeys(index._items))),
        (case_tables.penalties, list(index._penalties)),
        (case_tables.search, [(*key, matched) for key, matched in index._terms.items()]),
    ]
