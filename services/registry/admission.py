"""Admission: batches become ledger entries, mailbox places, folded cases and obligations, all in one transaction.

The session of one commit group. The first batch locks the head row, which orders all replicas; every
letter is then judged on the fold of everything below it, in memory, and applied to it; `flush` writes
what the group noted in one statement a table. Nothing that memory holds is changed before the commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from services.common.bulk import Record
from services.common.clock import Clock, microseconds
from services.common.errors import Conflict, LiandongError
from services.exchange import digests
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.letters import Letter, extras_of, from_microseconds
from services.exchange.merkle import BatchTree
from services.procedures import case as cases
from services.procedures.case import CaseState
from services.procedures.facts import Admission
from services.procedures.fold import arrive, fold
from services.procedures.obligation import Obligation
from services.registry import ledger, store
from services.registry.judgement import Answer, Bench, judge
from services.registry.ledger import Head
from services.registry.obligation_index import index_row
from services.registry.recent import BatchProof, Entry, Recent
from services.registry.replica import Replica

_log = structlog.get_logger(__name__)

_DAY_US: Final = 86_400_000_000
_ZONE_US: Final = 8 * 3_600_000_000  # Asia/Shanghai has no daylight saving time


@dataclass(frozen=True, slots=True)
class Batch:
    """One verified batch of a department: its letters, already opened, and the author's proof over them."""

    author: str
    letters: tuple[Letter | Answer, ...]
    letter_ids: tuple[str, ...]
    tree: BatchTree
    proof: BatchProof
    digests: bytes


@dataclass(frozen=True, slots=True)
class Publication:
    """A common entry to be published by the registry itself."""

    entry: directory_pb.CommonEntry
    topic: str
    idempotency_key: str
    make: Callable[[int, Head, datetime], tuple[Letter, BatchTree, BatchProof]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A letter's place."""

    position: int


Result = Admitted | Answer


class AdmissionSession:
    """One attempt of one commit group; see `GroupCommitter`."""

    def __init__(
        self,
        connection: Connection,
        replica: Replica,
        clock: Clock,
        evidence_complete: Callable[[Connection, bytes], bool],
    ) -> None:
        self._connection = connection
        self._replica = replica
        self._evidence_complete = evidence_complete
        self._head = ledger.lock_head(connection, clock.now())
        self._directory = replica.directory
        self._foreign_common: list[int] = []
        self._foreign = self._head.size != replica.head.size or self._head.epoch != replica.head.epoch
        if self._foreign:
            self._catch_up()
        self._now = from_microseconds(self._head.admitted_at_us)
        self._new: dict[str, Result] = {}
        self._digests: dict[str, bytes] = {}
        self._states: dict[str, CaseState] = {}
        self._loaded: dict[str, CaseState | None] = {}
        self._entries: list[Entry] = []
        self._case_of: dict[int, str] = {}
        self._completed: list[tuple[int, int, bytes]] = []
        self._places: list[tuple[str, int, int]] = []
        self._common: list[int] = []
        self._obligations: dict[tuple[str, str, int], Obligation] = {}
        self._flows: Counter[tuple[int, str, str, str]] = Counter()
        self._rows: dict[str, list[Record]] = {
            name: [] for name in ("ledger", "batches", "parties", "refusals", "arrivals", "awaited", "items", "subscribe", "unsubscribe")
        }
        self._received: list[tuple[str, list[int]]] = []

    # -- deciding -------------------------------------------------------------------------------

    def decide(self, command: Batch | Publication) -> tuple[Result, ...]:
        """Judge and apply one batch, or publish one common entry.

        Raises:
            Conflict: The idempotency key of a publication was used with another entry.
        """
        if isinstance(command, Publication):
            return (self._publish(command),)
        known = store.answered(
            self._connection, [letter_id for letter_id in command.letter_ids if letter_id not in self._new]
        )
        self._load_cases(command)
        first: int | None = None
        results: list[Result] = []
        for index, (letter_id, letter) in enumerate(zip(command.letter_ids, command.letters, strict=True)):
            answer = self._repeat(letter_id, letter, command.author, known.get(letter_id))
            if answer is None:
                answer = letter if isinstance(letter, Answer) else self._admit(letter, command, index, first)
                if isinstance(answer, Admitted):
                    first = answer.position if first is None else first
                if isinstance(answer, Admitted) or not answer.retry_after_ms:
                    self._new[letter_id] = answer
            results.append(answer)
        return tuple(results)

    def _repeat(
        self, letter_id: str, letter: Letter | Answer, author: str, known: store.Known | None
    ) -> Result | None:
        """The stored answer to a letter that came before; another letter under its id is refused."""
        digest = None if isinstance(letter, Answer) else letter.digest
        if letter_id in self._new:
            stored, first_digest = self._new[letter_id], self._digests.get(letter_id)
        elif known is not None:
            stored, first_digest = (
                Answer(known.reason, known.field, known.message) if known.position is None else Admitted(known.position),
                known.digest,
            )
            if known.author != author:
                return Answer("REPLAYED_WITH_OTHER_CONTENT", "letter_id", "Another department used this id.")
        else:
            if digest is not None:
                self._digests[letter_id] = digest
            return None
        if digest is not None and first_digest is not None and digest != first_digest:
            return Answer("REPLAYED_WITH_OTHER_CONTENT", "letter_id", "This id was used with another letter.")
        return stored

    def _admit(self, letter: Letter, batch: Batch, index: int, first: int | None) -> Result:
        try:
            answer = judge(letter, batch.author, self._bench())
            if answer is None:
                return self._apply(letter, batch.proof, batch.tree, index, first, batch.digests)
        except LiandongError as error:
            answer = Answer(error.reason, error.field, error.message)
        except Exception:
            # one letter that we cannot judge must not stop those beside it; it stays with its author
            _log.exception("admission.failed", letter_id=letter.letter_id)
            return Answer("INTERNAL", "", "The registry could not judge this letter.", 60_000)
        if not answer.retry_after_ms:
            self._rows["refusals"].append(
                (letter.letter_id, batch.author, letter.digest, answer.reason, answer.field, answer.message, self._head.admitted_at_us)
            )
        return answer

    def _bench(self) -> Bench:
        replica, directory = self._replica, self._directory
        return Bench(
            registry=replica.registry,
            directory=directory,
            now=self._now,
            case=self._case,
            answered=self._answered,
            evidence_complete=lambda root: self._evidence_complete(self._connection, root),
            head_known=self._head_known,
            verifier=lambda department: replica.verifier(department, directory),
            subscription_item=self._item,
        )

    # -- applying -------------------------------------------------------------------------------

    def _apply(
        self, letter: Letter, proof: BatchProof, tree: BatchTree, index: int, first: int | None, all_digests: bytes
    ) -> Admitted:
        """Append a letter and everything that follows from it. Works on values first, so that it fails whole."""
        position = self._head.size
        admission = Admission(position, self._now, self._head.common_version)
        flags: tuple[str, ...] = ()
        recipients: tuple[str, ...] = ()
        match letter.kind:
            case "act":
                flags, recipients = self._apply_act(letter, admission)
            case "arrival":
                recipients = self._apply_arrival(letter, position)
            case "item":
                recipients = self._apply_item(letter, position)
        leaf = Leaf(position, self._head.admitted_at_us, self._head.common_version, letter.digest)
        leaf_hash = leaf.hash()
        edge, completed = self._head.edge.append((leaf_hash,))
        self._completed += completed
        self._head = replace(self._head, edge=edge)
        batch = position if first is None else first
        if first is None:
            self._rows["batches"].append(
                (batch, proof.suite, proof.key_id, proof.size, proof.root, proof.signature, all_digests)
            )
        author = letter.header.author
        extras = extras_of(letter.envelope)
        flag_text = ",".join(flags)
        self._rows["ledger"].append(
            (
                position, letter.letter_id, letter.kind, author, letter.subject_id, letter.digest, leaf_hash,
                leaf.admitted_at_us, leaf.common_version, batch, index, letter.envelope.header,
                letter.envelope.payload, extras, flag_text,
            )
        )  # fmt: skip
        self._entries.append(
            Entry(
                leaf, leaf_hash, letter.letter_id, letter.kind, author, letter.envelope.header,
                letter.envelope.payload, extras, flag_text, proof, index, tree.path(index),
            )
        )  # fmt: skip
        if letter.kind == "common":
            self._common.append(position)
        else:
            places = self._places
            places.append((author, position, position))
            for name in recipients:
                if name != author:
                    places.append((name, position, position))
        return Admitted(position)

    def _apply_act(self, letter: Letter, admission: Admission) -> tuple[tuple[str, ...], tuple[str, ...]]:
        facts = letter.facts
        assert facts is not None
        before = self._case(facts.case_id)
        law = self._directory.law
        folded = fold(before, facts, admission, law)
        flags = law.authority_flags(facts)
        state = folded.state
        members = state.members
        earlier = before.members if before else ()
        added = [name for name in members if name not in earlier]
        if before is not None:
            for name in added:
                self._deliver_past(name, facts.case_id, admission.position)
        if added or before is None or before.parties != state.parties:
            self._rows["parties"] += [
                (facts.case_id, name, role) for role, names in state.parties.items() for name in names
            ]
        self._states[facts.case_id] = state
        self._case_of[admission.position] = facts.case_id
        for each in folded.changed:
            self._note_obligation(each)
            if each.starts_on_receipt and each.received_at is None and each.opened_position == admission.position:
                self._rows["awaited"].append((each.owed_by, admission.position, facts.case_id))
        recipients = tuple(dict.fromkeys((*members, *facts.recipients, *facts.copies)))
        day = (self._head.admitted_at_us + _ZONE_US) // _DAY_US
        for name in facts.recipients or members:
            if name != facts.author:
                self._flows[day, facts.procedure, facts.author, name] += 1
        return flags, recipients

    def _note_obligation(self, obligation: Obligation) -> None:
        self._obligations[obligation.case_id, obligation.rule, obligation.ordinal] = obligation

    def _deliver_past(self, department: str, case_id: str, at: int) -> None:
        """Give a new party what was said in the case before it joined (earlier envelopes first)."""
        positions = store.case_positions(self._connection, case_id)
        positions += [position for position, case in self._case_of.items() if case == case_id]
        self._places += [(department, at, position) for position in positions]

    def _apply_arrival(self, letter: Letter, position: int) -> tuple[str, ...]:
        """Note what came, start the clocks that waited for it, tell those whose letters came.

        Raises:
            LiandongError: A position is not in the ledger, or the letter there is another.
        """
        department = letter.header.author
        listed = {each.position: each.letter_digest for each in letter.header.arrival.letters}
        authors: set[str] = set()
        rest: list[int] = []
        recent = self._replica.recent
        for each, digest in listed.items():
            entry = recent.entry(each) if not self._foreign else None
            if entry is None:
                rest.append(each)
            elif entry.leaf.letter_digest != digest:
                raise LiandongError("Another letter stands there.", reason="DIGEST_MISMATCH", field="arrival.letters")
            else:
                authors.add(entry.author)
        if rest:
            found = store.letters_at(self._connection, rest)
            for each in rest:
                known = found.get(each)
                if known is None or known[0] != listed[each]:
                    raise LiandongError("Another letter stands there.", reason="DIGEST_MISMATCH", field="arrival.letters")
                authors.add(known[1])
        positions = sorted(listed)
        self._rows["arrivals"].append(
            (department, positions[-1], positions[0], position, self._head.admitted_at_us)
        )
        told = authors
        awaited = [wait for wait in store.waits(self._connection, department, positions) if wait[0] in listed]
        for case_id in dict.fromkeys(case for _, case in awaited):
            state = self._case(case_id)
            if state is None:
                continue
            folded = arrive(state, [at for at, case in awaited if case == case_id], department, self._now)
            self._states[case_id] = folded.state
            for each in folded.changed:
                self._note_obligation(each)
            told.update(folded.state.members)
        if awaited:
            self._received.append((department, [at for at, _ in awaited]))
        return tuple(sorted(told))

    def _apply_item(self, letter: Letter, position: int) -> tuple[str, ...]:
        header = letter.header
        item = header.item
        if item.act == pb.ITEM_ACT_SUBSCRIBE:
            self._rows["subscribe"].append((item.category, header.author))
            return ()
        if item.act == pb.ITEM_ACT_UNSUBSCRIBE:
            self._rows["unsubscribe"].append((item.category, header.author))
            return ()
        withdrawn = item.act == pb.ITEM_ACT_WITHDRAW
        self._rows["items"].append(
            (item.item_id, header.author, item.category, max(item.revision, 1), withdrawn, position)
        )
        named = tuple(item.recipients)
        if item.restricted:
            return named
        ended = {department for category, department in self._rows["unsubscribe"] if category == item.category}
        started = {department for category, department in self._rows["subscribe"] if category == item.category}
        stored = set(store.subscribers(self._connection, item.category))
        return tuple(sorted((stored | started) - ended | set(named)))

    def _publish(self, publication: Publication) -> Result:
        digest = digests.sha256(publication.entry.SerializeToString(deterministic=True))
        key = publication.idempotency_key
        if key:
            known = store.published(self._connection, key)
            if known is not None:
                if known[0] != digest:
                    raise Conflict(field="idempotency_key")
                return Admitted(known[1])
        version = self._head.common_version + 1
        letter, tree, proof = publication.make(version, self._head, self._now)
        admitted = self._apply(letter, proof, tree, 0, None, letter.digest)
        self._head = replace(self._head, common_version=version)
        self._directory = self._directory.apply(
            publication.entry, version=version, position=admitted.position, admitted_at=self._now
        )
        if key:
            self._connection.execute(
                store.tables.published.insert().values(
                    idempotency_key=key, request_digest=digest, position=admitted.position, version=version
                )
            )
        return admitted

    # -- looking up -----------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Another replica appended: take its common entries, trust nothing remembered."""
        for position, payload, admitted_us in store.common_entries(self._connection, self._directory.version):
            self._foreign_common.append(position)
            entry = directory_pb.CommonEntry.FromString(payload)
            self._directory = self._directory.apply(
                entry, version=self._directory.version + 1, position=position, admitted_at=from_microseconds(admitted_us)
            )

    def _load_cases(self, batch: Batch) -> None:
        wanted = {
            letter.facts.case_id for letter in batch.letters if not isinstance(letter, Answer) and letter.facts
        }
        cached = {} if self._foreign else self._replica.cases
        rest = [case for case in wanted if case not in self._states and case not in self._loaded and case not in cached]
        if rest:
            found = store.case_states(self._connection, rest)
            self._loaded.update({case: found.get(case) for case in rest})

    def _case(self, case_id: str) -> CaseState | None:
        state = self._states.get(case_id)
        if state is None and not self._foreign:
            state = self._replica.cases.get(case_id)
        if state is None:
            if case_id not in self._loaded:
                self._loaded[case_id] = store.case_states(self._connection, [case_id]).get(case_id)
            state = self._loaded[case_id]
        return state

    def _answered(self, letter_id: str) -> bool:
        if letter_id in self._new:
            return True
        return bool(store.answered(self._connection, [letter_id]))

    def _item(self, item_id: str) -> tuple[str, str, int, bool] | None:
        for row in reversed(self._rows["items"]):
            if row[0] == item_id:
                return (row[1], row[2], row[3], row[4])
        return store.item(self._connection, item_id)

    def _head_known(self, head: pb.ObservedHead) -> datetime | None:
        """When the last leaf under an observed head was admitted, None if this ledger never had it."""
        own = self._head
        if head.log_id != own.log_id or head.epoch != own.epoch or head.size > own.size:
            return None
        if head.size == 0:
            return from_microseconds(0)
        roots = self._replica.roots
        known = roots.get(head.size)
        if known is None:
            if head.size > self._replica.head.size:
                return None  # nobody can have seen a head that is not signed yet
            known = roots[head.size] = self._replica.hashes.root(self._connection, head.size)
        if known != head.root:
            return None
        entry = self._replica.recent.entry(head.size - 1)
        if entry is not None:
            return from_microseconds(entry.leaf.admitted_at_us)
        return from_microseconds(store.admitted_at(self._connection, head.size - 1))

    # -- writing --------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the group."""
        connection, rows = self._connection, self._rows
        store.REFUSALS.upsert(connection, rows["refusals"], ["letter_id"])
        if not self._entries:
            return
        store.LEDGER.insert(connection, rows["ledger"])
        store.BATCHES.insert(connection, rows["batches"])
        store.MAILBOX.upsert(connection, self._places, ["department", "at", "position"])
        store.CASES.upsert(
            connection,
            [self._case_row(state) for state in self._states.values()],
            ["case_id"],
            ["state", "closed", "last_position", "folded"],
        )
        store.PARTIES.upsert(connection, rows["parties"], ["case_id", "department"], ["role"])
        store.OBLIGATIONS.upsert(
            connection,
            [self._obligation_row(each) for each in self._obligations.values()],
            ["case_id", "rule", "ordinal"],
            ["due_at_us", "state", "ended_at_us", "next_mark", "next_mark_at_us", "facts"],
        )
        store.AWAITED.upsert(connection, rows["awaited"], ["department", "position"])
        for department, positions in self._received:
            store.delete_awaited(connection, department, positions)
        store.ARRIVALS.upsert(connection, rows["arrivals"], ["department", "last_at"])
        store.ITEMS.upsert(connection, rows["items"], ["item_id"], ["revision", "withdrawn", "position"])
        store.SUBSCRIPTIONS.upsert(connection, rows["subscribe"], ["category", "department"])
        store.delete_subscriptions(connection, rows["unsubscribe"])
        store.count_flows(connection, self._flows)
        ledger.write(connection, self._head, self._completed)
        store.notify(connection, self._head.size)

    def _obligation_row(self, obligation: Obligation) -> Record:
        law = self._directory.law
        state = self._states[obligation.case_id]
        procedure = law.procedure(state.procedure, state.version)
        assert procedure is not None
        return index_row(obligation, procedure, law.calendar(state.home_registry))

    def _case_row(self, state: CaseState) -> Record:
        procedure = self._directory.law.procedure(state.procedure, state.version)
        closed = procedure is not None and state.state in procedure.final
        return (
            state.case_id, state.procedure, state.state, closed, microseconds(state.opened_at),
            state.last_position, cases.dumps(state),
        )  # fmt: skip

    def committed(self) -> None:
        """Publish to memory what is durable now, and wake the streams."""
        if not self._entries:
            return
        replica = self._replica
        if self._foreign:
            replica.cases.clear()
            replica.recent = Recent(self._entries[0].leaf.position)
        replica.remember_cases(self._states)
        replica.hashes.remember(
            [(0, entry.leaf.position, entry.leaf_hash) for entry in self._entries]
        )
        replica.hashes.remember(self._completed)
        replica.recent.extend(self._entries, self._places, self._common)
        replica.common_positions += self._foreign_common + self._common
        replica.advance(self._head, self._directory)

    def discard(self) -> None:
        """Nothing of this attempt was kept, or nobody knows: read everything anew next time."""
        self._replica.cases.clear()


