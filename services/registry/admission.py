"""Admission: batches become ledger entries, mailbox places, cases and obligations, in one transaction.

The session of one commit group. The first batch locks the head row, which orders all replicas; every
letter is then judged on the fold of everything below it, in memory, and applied to it; `flush` writes
what the group noted in one statement a table. Nothing that outlives the group is changed before the
commit, and a head is published, and so can be signed, only after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import structlog
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Query, Record, fetch
from services.common.clock import Clock, from_microseconds
from services.common.errors import Conflict, LiandongError, ReadOnly
from services.common.faults import database_errors
from services.exchange import evidence_records
from services.exchange.digests import Leaf
from services.exchange.keys import BadSignature
from services.exchange.letters import Letter
from services.procedures.case import CaseState
from services.registry import effects, ledger, store
from services.registry.commands import Admitted, Batch, Command, Publication, Publications, Refresh, Result
from services.registry.effects import Docket
from services.registry.group import Group, Signed
from services.registry.judgement import Answer, Bench, judge
from services.registry.ledger import Head
from services.registry.recent import Entry
from services.registry.replica import Replica, catch_up
from services.registry.store import Item, Known

_log = structlog.get_logger(__name__)

_INTERNAL_AGAIN_MS: Final = 60_000
_MESSAGE_KEPT: Final = 500
_HELD_AGAIN_MS: Final = 30_000


class AdmissionSession:
    """One attempt of one commit group; see `GroupCommitter`.

    Args:
        connection: Inside the group's transaction.
        replica: What the process remembers.
        clock: The time, where the database has none.
    """

    def __init__(self, connection: Connection, replica: Replica, clock: Clock) -> None:
        self._connection = connection
        self._replica = replica
        self._clock = clock
        self._is_locked = False
        self._is_begun = False
        self._answers: dict[str, tuple[bytes, Result]] = {}
        self._asked: set[str] = set()
        self._known: dict[str, Known] = {}

    def _take(self, head: Head) -> None:
        """Begin at a head: with what is remembered if that is as of it, else with what is read anew."""
        replica = self._replica
        self._is_begun = True
        self._head = self._new_head = head
        self._now_us = head.admitted_at_us
        self._now = from_microseconds(head.admitted_at_us)
        self._is_foreign = (head.size, head.epoch) != (replica.head.size, replica.head.epoch)
        self._directory, positions = replica.directory, list[int]()
        if self._is_foreign:
            self._directory, positions = catch_up(self._connection, replica.directory, head)
        self._foreign_common = list(enumerate(positions, start=replica.directory.version + 1))
        self._group = Group(head)
        self._read: dict[str, CaseState | None] = {}
        self._look()

    def _look(self) -> None:
        """Make anew what judges and effects look at; after each change of the directory."""
        self._bench = Bench(
            registry=self._replica.registry,
            epoch=self._head.epoch,
            directory=self._directory,
            now=self._now,
            case=self._case,
            answered=self._answered,
            evidence_missing=self._evidence_missing,
            head_seen_at=self._head_seen_at,
            verifier=self._replica.verifier,
            item=self._item,
        )
        self._docket = Docket(
            self._connection, self._group, self._directory, self._now, self._now_us, self._case, self._entry,
            self._replica.recent.delivered,
        )  # fmt: skip

    def _lock(self, *asked: Sequence[Query]) -> list[list[Record]]:
        """Hold the head's lock, and read under it."""
        if self._is_locked:
            return fetch(self._connection, *asked)
        head, found = ledger.lock_head(self._connection, self._clock.now(), *asked)
        self._take(head)
        self._is_locked = True
        return found

    def begin(self, commands: Sequence[Command]) -> None:
        """Lock the head if anything may be appended, and read for all batches at once."""
        if any(not isinstance(each, Refresh) for each in commands):
            self._ask([each for each in commands if isinstance(each, Batch)])

    def _ask(self, batches: Iterable[Batch]) -> None:
        """Read what was answered before to the letters of these batches, and their cases."""
        letters = [each for batch in batches for each in batch.letters if isinstance(each, Letter)]
        asked = {each.letter_id for each in letters}
        asked |= {each.facts.predecessor for each in letters if each.facts and each.facts.predecessor}
        asked -= self._asked
        if asked or not self._is_locked:
            self._asked |= asked
            found = self._lock(*store.asking_answers(self._connection, sorted(asked)))
            self._known.update(store.answers(*found))
            self._load_cases(letters)

    # -- deciding -------------------------------------------------------------------------------

    def decide(self, command: Command) -> tuple[Result, ...]:
        """Judge and apply one batch, or publish one common entry.

        Raises:
            BadSignature: The key that signed the batch is not valid any more.
            Conflict: The idempotency key of a publication was used with another entry.
            ReadOnly: The ledger is held, and nothing is published; letters are answered so.
            LiandongError: What a publication's change raised.
        """
        match command:
            case Batch():
                return self._decide(command)
            case Publication():
                self._lock()
                return self._publish([command])
            case Publications():
                self._lock()
                return self._publish(command.each)
            case Refresh():
                if not self._is_begun:
                    self._take(ledger.read_head(self._connection))
                return ()

    def _decide(self, batch: Batch) -> tuple[Result, ...]:
        self._ask([batch])
        key_id = batch.signed.proof.key_id
        if self._directory.sign_key(key_id, self._now) is None:
            raise BadSignature(f"{key_id} is not valid any more.", field="proof.key_id")
        first = -1
        results: list[Result] = []
        for index, letter in enumerate(batch.letters, start=batch.first):
            if isinstance(letter, Answer):
                # it has no id that could be trusted, so its refusal is not stored but found again
                results.append(letter)
                continue
            answer = self._repeat(letter, batch.author, self._known.get(letter.letter_id))
            if answer is None and self._head.held_since_us is not None:
                answer = Answer("READ_ONLY", "", ReadOnly.default_message(), _HELD_AGAIN_MS)
            if answer is None:
                answer = self._admit(letter, batch, index, first)
                if isinstance(answer, Admitted):
                    first = answer.position if first < 0 else first
            results.append(answer)
        return tuple(results)

    def _repeat(self, letter: Letter, author: str, known: Known | None) -> Result | None:
        """The stored answer to a letter that came before; another letter under its id is refused."""
        digest, stored = self._answers.get(letter.letter_id, (b"", None))
        if stored is None:
            if known is None:
                return None
            digest = known.digest if known.author == author else b""
            stored = (
                Answer(known.reason, known.field, known.message)
                if known.position is None
                else Admitted(known.position)
            )
        if digest != letter.digest:
            return Answer("REPLAYED_WITH_OTHER_CONTENT", "letter_id", "This id was used with another letter.")
        return stored

    def _admit(self, letter: Letter, batch: Batch, index: int, first: int) -> Result:
        try:
            answer = judge(letter, batch.author, self._bench)
            if answer is None:
                admitted = Admitted(self._apply(letter, batch.signed, index, first))
                self._answers[letter.letter_id] = letter.digest, admitted
                return admitted
        except LiandongError as error:
            answer = Answer(error.reason, error.field, error.message, error.retry_after_ms)
        except database_errors():
            raise
        except Exception:  # noqa: BLE001 - see below
            # one letter that we cannot judge must not stop those beside it; it stays with its author
            _log.exception("admission.failed", letter_id=letter.letter_id)
            return Answer("INTERNAL", "", "The registry could not judge this letter.", _INTERNAL_AGAIN_MS)
        # whose author is forged is not stored: it would take the id from the one who has it
        if not answer.retry_after_ms and answer.reason != "FORGED_AUTHOR":
            self._refuse(letter, batch.author, answer)
        return answer

    def _refuse(self, letter: Letter, author: str, answer: Answer) -> None:
        self._answers[letter.letter_id] = letter.digest, answer
        # it may quote the letter, and PostgreSQL stores no NUL
        message = answer.message.replace("\0", "")[:_MESSAGE_KEPT]
        self._group.refusals.append(
            (letter.letter_id, author, letter.digest, answer.reason, answer.field.replace("\0", ""), message,
             self._now_us)
        )  # fmt: skip

    def _apply(self, letter: Letter, signed: Signed, index: int, first: int) -> int:
        """Append a letter and everything that follows from it; returns its position."""
        group, flags = self._group, ""
        position = group.size
        match letter.kind:
            case "act":
                flags = effects.apply_act(letter, self._docket)
            case "arrival":
                effects.apply_arrival(letter, self._docket)
            case "item":
                effects.apply_item(letter, self._docket)
        leaf = Leaf(position, self._now_us, self._directory.version, letter.digest)
        group.append(letter, leaf, signed, index, position if first < 0 else first, flags)
        return position

    def _publish(self, publications: Sequence[Publication]) -> tuple[Result, ...]:
        """Publish entries one after the other; none of them if one is refused.

        All of them observe the head below the first.
        """
        # before anything is noted: what is refused must leave nothing
        known = self._published(publications)
        fresh = [each for each in publications if each.idempotency_key not in known]
        if fresh and self._head.held_since_us is not None:
            raise ReadOnly(retry_after_ms=_HELD_AGAIN_MS)
        below = self._group.head(self._directory.version, self._now_us) if fresh else self._head
        return tuple([known.get(each.idempotency_key) or self._enter(each, below) for each in publications])

    def _published(self, publications: Sequence[Publication]) -> dict[str, Admitted]:
        """What was published before under the keys of publications.

        Raises:
            Conflict: It was another entry.
        """
        digests = {each.idempotency_key: each.digest for each in publications if each.idempotency_key}
        noted = self._group.published
        found = store.published(self._connection, [key for key in digests if key not in noted])
        found |= {key: noted[key] for key in digests if key in noted}
        if any(row[1] != digests[key] for key, row in found.items()):
            raise Conflict(field="idempotency_key")
        return {key: Admitted(row[2]) for key, row in found.items()}

    def _enter(self, publication: Publication, below: Head) -> Admitted:
        group = self._group
        entry = publication.change(self._directory, self._now)
        if entry is None:
            return Admitted(self._directory.position)
        version = self._directory.version + 1
        letter, signed = publication.make(entry, version, below, self._now)
        position = self._apply(letter, signed, 0, -1)
        group.common.append((version, position))
        key = publication.idempotency_key
        if key:
            group.published[key] = (key, publication.digest, position, version)
        before = self._directory
        self._directory = before.apply(entry, version=version, position=position, admitted_at=self._now)
        if self._directory.codes is not before.codes:
            group.codes.append(entry.code_table)
        self._look()
        return Admitted(position)

    # -- looking up -----------------------------------------------------------------------------

    def _load_cases(self, letters: Sequence[Letter]) -> None:
        """Read the cases of a batch at once."""
        remembered = {} if self._is_foreign else self._replica.cases
        rest = {
            each.facts.case_id
            for each in letters
            if each.facts is not None
            and each.facts.case_id not in remembered
            and each.facts.case_id not in self._read
            and each.facts.case_id not in self._group.states
        }
        if rest:
            found = store.case_states(self._connection, rest)
            self._read.update({case_id: found.get(case_id) for case_id in rest})

    def _case(self, case_id: str) -> CaseState | None:
        state = self._group.states.get(case_id)
        if state is None and not self._is_foreign:
            state = self._replica.cases.get(case_id)
        if state is None:
            if case_id not in self._read:
                self._read[case_id] = store.case_states(self._connection, [case_id]).get(case_id)
            state = self._read[case_id]
        return state

    def _answered(self, letter_id: str) -> bool:
        return letter_id in self._answers or letter_id in self._known

    def _evidence_missing(self, author: str, roots: Sequence[bytes]) -> Collection[bytes]:
        # what the author itself brought: nobody sends what they cannot show
        return set(roots) - evidence_records.complete_roots(self._connection, roots, author)

    def _entry(self, position: int) -> Entry | None:
        return self._replica.recent.entry(position)

    def _item(self, item_id: str) -> Item | None:
        return self._group.items.get(item_id) or store.item(self._connection, item_id)

    def _head_seen_at(self, seen: pb.ObservedHead) -> datetime | None:
        """When the last leaf under an observed head was admitted, None if this ledger never had it."""
        own = self._head
        # heads that this group makes are not signed yet, so nobody can have seen them; one of an older epoch
        # is known if what it was over was not lost, as its root shows
        if seen.log_id != own.log_id or not 1 <= seen.epoch <= own.epoch or seen.size > own.size:
            return None
        if seen.size == 0:
            return from_microseconds(0)
        known = self._replica.roots.get(seen.size)
        if known is None:
            root = self._replica.hashes.root(self._connection, seen.size)
            known = root, store.admitted_at(self._connection, seen.size - 1)
            self._replica.roots[seen.size] = known
        return from_microseconds(known[1]) if known[0] == seen.root else None

    # -- writing --------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the head that this group leads to."""
        if self._is_locked:
            self._new_head = self._group.head(self._directory.version, self._now_us)

    def flush(self) -> None:
        """Write the group."""
        if self._is_locked:
            directory = self._directory
            self._group.write(
                self._connection, self._new_head, directory.law, directory.codes, self._replica.name
            )

    def committed(self) -> None:
        """Publish to memory what is durable now, and wake the streams."""
        if not self._is_begun:
            return
        replica, group = self._replica, self._group
        if self._is_foreign:
            replica.cases.clear()
            replica.recent.clear(self._head.size)
            replica.note_common(self._foreign_common)
        if group.entries:
            replica.remember_cases(group.states)
            replica.hashes.remember([(0, each.leaf.position, each.leaf_hash) for each in group.entries])
            replica.hashes.remember(group.completed)
            replica.recent.extend(group.entries, group.places, group.common_positions)
            replica.note_common(group.common)
        if group.entries or self._is_foreign:
            replica.advance(self._new_head, self._directory)

    def discard(self) -> None:
        """Nothing of this attempt was kept, or nobody knows.

        If it was kept after all, the next session sees a head that is not the remembered one.
        """
