"""The desk: where a department's acts are recorded and everybody's are folded.

A feature of the department's session. A case has two states here: `admitted`, the fold of what the
ledger holds, the same as everywhere, and `view`, with the department's own pending letters folded on
top. The view is rebuilt after each receipt, since only then is it known what came in between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog
from liandong.cases.v1 import case_service_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, store
from services.cases.compose import Composed, Refused, compose
from services.cases.entry import Entry, Recorded, dues_of, fold_pending, overlay
from services.common.clock import microseconds
from services.common.errors import Conflict
from services.exchange import evidence_records, evidence_transfer
from services.exchange.delivered import Delivered
from services.exchange.evidence_transfer import Direction
from services.exchange.letters import Letter, facts_of, from_microseconds, manifest_roots
from services.exchange.session import DepartmentSession, new_id
from services.procedures.admit import admit
from services.procedures.case import CaseState
from services.procedures.deadlines import due_time
from services.procedures.facts import ActFacts, Admission
from services.procedures.fold import Folded, arrive, fold
from services.procedures.obligation import Obligation

_log = structlog.get_logger(__name__)

_CASES: Final = 10_000


@dataclass(slots=True)
class Desk:
    """What a department's cases keep in memory between sessions.

    Attributes:
        known: Cases by id, the most recently used last. Only the writer's thread changes it.
        changed: Told (case, letter) after each commit.
        evidence_recorded: Called after a commit that asked for evidence to be moved.
    """

    known: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    changed: Callable[[Sequence[tuple[str, str]]], None] = lambda pairs: None
    evidence_recorded: Callable[[], None] = lambda: None

    def feature(self, session: DepartmentSession) -> DeskSession:
        """The desk's part in a session."""
        return DeskSession(self, session)


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs and what stands behind it.

    Attributes:
        actor: As the header names it.
        assertions: The actor's assertion, then those of the approvals.
        approvals: As the header names them.
    """

    actor: pb.Actor
    assertions: tuple[bytes, ...]
    approvals: tuple[pb.Approval, ...] = ()


class DeskSession:
    """The desk in one attempt of one commit group."""

    def __init__(self, desk: Desk, session: DepartmentSession) -> None:
        self._desk = desk
        self._session = session
        self._department = session.department.name
        self._entries: dict[str, Entry] = {}
        self._changed_cases: set[str] = set()
        self._changed_parties: set[str] = set()
        self._obligations: dict[tuple[str, str, int], Obligation] = {}
        self._subjects: list[tuple[Any, ...]] = []
        self._terms: dict[tuple[str, str], str] = {}
        self._pairs: list[tuple[str, str]] = []
        self._keys: dict[str, tuple[bytes, Recorded]] = {}
        self._recalculate = False
        self._folded: dict[int, str] = {}
        self._moves_evidence = False

    # -- own acts -------------------------------------------------------------------------------

    def preload(self, case_ids: Sequence[str]) -> None:
        """Read cases that are not in memory, in one go."""
        known, entries = self._desk.known, self._entries
        missing = [
            each for each in dict.fromkeys(case_ids) if each and each not in entries and each not in known
        ]
        if missing:
            entries.update(self._load(missing))

    def answered(self, keys: Sequence[str]) -> dict[str, tuple[bytes, Recorded]]:
        """What was answered before under these idempotency keys: request digest and answer."""
        found = store.answered(self._session.connection, [key for key in keys if key not in self._keys])
        return found | {key: self._keys[key] for key in keys if key in self._keys}

    def sent(self, letter_id: str) -> Recorded:
        """What became of a letter that was recorded before."""
        return store.sent(self._session.connection, letter_id)

    def view(self, case_id: str) -> CaseState | None:
        """A case with own pending letters, None if it is not here."""
        return self._fresh(case_id).view

    def compose(self, draft: case_service_pb2.ActDraft) -> Composed:
        """Freeze what a draft says; see `compose.compose`."""
        session = self._session
        state = self._fresh(draft.case_id).view if draft.case_id else None
        return compose(
            draft, self._department, session.department.registry, state, session.directory.law, session.now
        )

    def check(self, letter_id: str, composed: Composed, signing: Signing) -> tuple[pb.Header, ActFacts]:
        """The header that a content would be sent under now, and its facts, judged.

        Raises:
            Refused: With the reason for which the registry would refuse it.
        """
        header, facts = self._header(letter_id, composed.content, composed.body_type, composed.body, signing)
        view = self._fresh(facts.case_id).view
        refusal = admit(view, facts, self._session.now, self._session.directory.law)
        if refusal is not None:
            field = f"draft.{refusal.field}" if refusal.field else ""
            raise Refused(refusal.message, reason=refusal.reason, field=field)
        return header, facts

    def record(
        self,
        composed: Composed,
        signing: Signing,
        *,
        letter_id: str = "",
        key: str | None = None,
        request_digest: bytes | None = None,
    ) -> Recorded:
        """Sign an act and put it on its way.

        Raises:
            Conflict: The key was used with another request.
            Refused: The act may not be done; nothing was changed.
        """
        letter_id = letter_id or new_id()
        header, facts = self.check(letter_id, composed, signing)
        session = self._session
        roots = manifest_roots(composed.content)
        holder = self._own_evidence(composed.content, roots, signing.actor.subject) if roots else ""
        number = ""
        if composed.act.numbered:
            word = session.directory.number_word(self._department) or self._department
            number = session.issue_number(word)
            header.act.number = number
        content = composed.content
        case_id = content.case_id
        session.record(
            header,
            composed.body,
            signing.assertions,
            case_id=case_id,
            act=content.act,
            number=number,
            occurred_at=facts.occurred_at,
            idempotency_key=key,
            request_digest=request_digest,
        )
        self._move_evidence(content, roots, holder, Direction.PUSH)
        before = self._entry(case_id)
        after = replace(before, pending=(*before.pending, facts))
        after = self._read_body(case_id, content.body_type, composed.body, after, number)
        self._entries[case_id] = after
        # an act that leaves the state shows in no list: its fold waits until somebody looks
        if before.is_new or composed.act.becomes is not None or content.parties:
            self._fresh(case_id)
            self._changed_cases.add(case_id)
        if before.is_new or content.parties:
            self._changed_parties.add(case_id)
        if after.title != before.title:
            self._changed_cases.add(case_id)
        self._pairs.append((case_id, letter_id))
        recorded = Recorded(letter_id, case_id, number)
        if key is not None and request_digest is not None:
            self._keys[key] = (request_digest, recorded)
        return recorded

    def _header(
        self, letter_id: str, content: pb.ActContent, body_type: str, body: bytes, signing: Signing
    ) -> tuple[pb.Header, ActFacts]:
        header = self._session.header(letter_id, signing.actor, body_type, body, signing.assertions)
        entry = self._entry(content.case_id)
        act = header.act
        act.content = content.SerializeToString()
        if signing.approvals:
            act.approvals.extend(signing.approvals)
        if entry.admitted is not None:
            head = self._session.department.head
            act.based_on.log_id = self._session.department.log_id
            act.based_on.epoch = head.epoch if head else 1
            act.based_on.position = entry.admitted.last_position
        if entry.pending:
            act.predecessor = entry.pending[-1].letter_id
        return header, facts_of(header, content)

    # -- everybody's acts -----------------------------------------------------------------------

    def deliver(self, delivered: Delivered) -> None:
        """Fold an admitted act: another party's, or an own one by its receipt."""
        if delivered.receipt is not None:
            self._fold_own(delivered)
        elif delivered.letter is not None and delivered.letter.facts is not None:
            self._fold_foreign(delivered, delivered.letter, delivered.letter.facts)

    def _fold_foreign(self, delivered: Delivered, letter: Letter, facts: ActFacts) -> None:
        law = self._session.directory.law
        entry = self._entry(facts.case_id)
        procedure = law.procedure(facts.procedure, facts.procedure_version)
        act = procedure.acts.get(facts.act) if procedure else None
        if (
            procedure is not None
            and act is not None
            and entry.admitted is None
            and procedure.initial not in act.in_states
        ):
            return  # a copy of one act in a case that this department is no party of: kept, nothing to fold
        folded = fold(entry.admitted, facts, self._admission(delivered), law)
        self._folded[delivered.leaf.position] = facts.case_id
        entry = self._settle(facts.case_id, entry, folded, entry.pending)
        content = letter.content
        assert content is not None
        self._move_evidence(content, manifest_roots(content), self._department, Direction.PULL)
        self._entries[facts.case_id] = self._read_body(
            facts.case_id, content.body_type, letter.envelope.payload, entry, letter.header.act.number
        )
        self._pairs.append((facts.case_id, facts.letter_id))

    def _fold_own(self, delivered: Delivered) -> None:
        assert delivered.receipt is not None
        letter_id = delivered.receipt.letter_id
        case_id, facts = self._own_facts(letter_id)
        if facts is None and delivered.letter is not None and delivered.letter.facts is not None:
            # parked since its receipt came: it is no longer among those on their way
            facts = delivered.letter.facts
            case_id = facts.case_id
        if facts is None:
            return
        entry = self._entry(case_id)
        folded = fold(entry.admitted, facts, self._admission(delivered), self._session.directory.law)
        self._folded[delivered.leaf.position] = case_id
        in_order = bool(entry.pending) and entry.pending[0].letter_id == letter_id
        rest = tuple(each for each in entry.pending if each.letter_id != letter_id)
        self._settle(case_id, entry, folded, rest, in_order=in_order)
        self._pairs.append((case_id, letter_id))

    def _own_facts(self, letter_id: str) -> tuple[str, ActFacts | None]:
        case_id = self._session.case_of(letter_id)
        if case_id is None:
            return "", None
        for facts in self._entry(case_id).pending:
            if facts.letter_id == letter_id:
                return case_id, facts
        # answered before: the acknowledgement was lost with the connection
        return case_id, None

    def _settle(
        self,
        case_id: str,
        entry: Entry,
        folded: Folded,
        pending: tuple[ActFacts, ...],
        *,
        in_order: bool = False,
    ) -> Entry:
        """Take a new admitted state, and lay the pending letters over it again.

        Args:
            case_id: The case.
            entry: As it was.
            folded: What admission made of it.
            pending: What is still on its way.
            in_order: What was admitted is the first of what was pending: with nothing in between, the
                view already is the fold of the rest, but for the times of what is now admitted.
        """
        state = folded.state
        before = entry.admitted
        if before is None or before.parties != state.parties:
            self._changed_parties.add(case_id)
        dues = dict(entry.dues)
        calendar = self._session.directory.law.calendar(state.home_registry)
        for each in folded.changed:
            self._obligations[case_id, each.rule, each.ordinal] = each
            if each.open:
                dues[each.rule, each.ordinal] = due_time(each, calendar)
            else:
                dues.pop((each.rule, each.ordinal), None)
        # what is admitted in order is already in the view, if it was laid there
        view, laid = (entry.view, entry.laid - 1) if in_order and entry.laid and pending else (state, 0)
        self._entries[case_id] = Entry(state, pending, view, laid, entry.title, dues)
        self._changed_cases.add(case_id)
        # laid anew, since what is pending may no longer fit; in order it still does, and changes no list
        return self._entries[case_id] if in_order else self._fresh(case_id)

    def _overlay(self, state: CaseState | None, pending: Sequence[ActFacts]) -> CaseState | None:
        return overlay(state, pending, self._session.now, self._session.directory.law)

    def _fold_pending(self, state: CaseState | None, facts: ActFacts) -> CaseState:
        return fold_pending(state, facts, self._session.now, self._session.directory.law)

    def _admission(self, delivered: Delivered) -> Admission:
        leaf = delivered.leaf
        return Admission(leaf.position, from_microseconds(leaf.admitted_at_us), leaf.common_version)

    def refused(self, letter_id: str, reason: str, not_submitted: frozenset[str]) -> None:
        """An own act was refused: later ones that were built on it and not sent yet are decided again."""
        case_id = self._session.case_of(letter_id)
        if case_id is None:
            return
        entry = self._entry(case_id)
        index = next((i for i, each in enumerate(entry.pending) if each.letter_id == letter_id), None)
        if index is None:
            return
        rest = entry.pending[:index] + entry.pending[index + 1 :]
        self._entries[case_id] = replace(entry, pending=rest, view=entry.admitted, laid=0)
        self._fresh(case_id)
        self._changed_cases.add(case_id)
        self._pairs.append((case_id, letter_id))
        law, now = self._session.directory.law, self._session.now
        state = self._overlay(entry.admitted, entry.pending[:index])
        for facts in entry.pending[index + 1 :]:
            if admit(state, facts, now, law) is None:
                state = self._fold_pending(state, facts)
            elif facts.letter_id in not_submitted:
                message = f"It followed {letter_id}, which was refused: {reason}."
                self._session.refused(facts.letter_id, "PREDECESSOR_REFUSED", message, not_submitted)
                return  # refusing it has decided the rest

    def arrived(self, department: str, positions: Sequence[int], received_at: datetime) -> None:
        """Clocks that start on receipt start."""
        acts = self._session.directory.law.received_acts
        found = store.awaiting_receipt(self._session.connection, positions, acts)
        for position in positions:
            # a letter and its Arrival come together to one who was away: it is not in the table yet
            case_id = self._folded.get(position)
            if case_id is not None:
                found.setdefault(case_id, []).append(position)
        for case_id, opened in found.items():
            entry = self._entry(case_id)
            if entry.admitted is None:
                continue
            folded = arrive(entry.admitted, opened, department, received_at)
            if folded.state is not entry.admitted:
                self._settle(case_id, entry, folded, entry.pending)

    def law_changed(self) -> None:
        """A common entry came: due times may have moved."""
        self._recalculate = True

    def _move_evidence(
        self, content: pb.ActContent, roots: Sequence[bytes], holder: str, direction: Direction
    ) -> None:
        """Ask for the act's evidence to be moved, and let those who see the case read it."""
        if not roots:
            return
        connection = self._session.connection
        evidence_transfer.enqueue(connection, roots, direction)
        evidence_records.grant(connection, roots, [evidence_records.case_reader(content.case_id)], holder)
        self._moves_evidence = True

    def _own_evidence(self, content: pb.ActContent, roots: Sequence[bytes], subject: str) -> str:
        """Whose complete evidence an act names: the sender's own, the department's, or the case's.

        Raises:
            Refused: A root is unknown here, not complete, or not theirs to name.
        """
        holder = self._department
        readers = [evidence_records.case_reader(content.case_id)]
        for root in roots:
            found = evidence_records.readable_holder(
                self._session.connection, root, readers, [subject, self._department]
            )
            if found is None or not evidence_records.complete_roots(self._session.connection, [root], found):
                raise Refused(
                    "The material's evidence is not complete here; upload it first.",
                    reason="EVIDENCE_PENDING",
                    field="draft.materials",
                )
            holder = found
        return holder

    # -- reading bodies -------------------------------------------------------------------------

    def _read_body(self, case_id: str, body_type: str, payload: bytes, entry: Entry, number: str) -> Entry:
        if number:
            self._terms[number.lower(), case_id] = "number"
        if not bodies.searched(body_type):
            return entry
        body = bodies.parse_body(body_type, payload)
        if body is None:
            return entry
        for term in bodies.terms(bodies.text_of(body)):
            self._terms.setdefault((term, case_id), "body")
        title = bodies.title_of(body)
        for term in bodies.terms(title):
            self._terms[term, case_id] = "title"
        for index, subject in enumerate(bodies.subjects_of(body)):
            identifier = bodies.normalised(subject.identifier)
            self._subjects.append(
                (case_id, index, str(subject.kind), subject.name, identifier, subject.SerializeToString())
            )
            for term in bodies.terms(subject.name):
                self._terms[term, case_id] = "subject"
            if identifier:
                self._terms[identifier.lower(), case_id] = "identifier"
        return replace(entry, title=title) if title and title != entry.title else entry

    # -- memory and disk ------------------------------------------------------------------------

    def _entry(self, case_id: str) -> Entry:
        entry = self._entries.get(case_id)
        if entry is None:
            entry = self._desk.known.get(case_id)
        if entry is None:
            entry = self._load([case_id]).get(case_id, Entry())
            self._entries[case_id] = entry
        return entry

    def _fresh(self, case_id: str) -> Entry:
        """A case with its view folded."""
        entry = self._entry(case_id)
        if entry.laid != len(entry.pending):
            session = self._session
            entry = self._entries[case_id] = entry.folded(session.now, session.directory.law)
        return entry

    def prepare(self) -> None:
        """Compute due times anew where a calendar changed."""
        if self._recalculate:
            self._recompute(self._session.connection)

    def flush(self) -> None:
        """Write cases, obligations and what they are found by."""
        connection = self._session.connection
        law = self._session.directory.law
        now_us = microseconds(self._session.now)
        states = {
            case_id: view
            for case_id in self._changed_cases | self._changed_parties
            if (view := self._entries[case_id].view) is not None
        }
        store.write_cases(
            connection,
            [
                store.case_row(self._entries[case_id], view, law, self._department, now_us)
                for case_id, view in states.items()
            ],
        )
        store.write_parties(
            connection,
            [
                row
                for case_id in self._changed_parties & states.keys()
                for row in store.party_rows(states[case_id])
            ],
        )
        store.write_obligations(
            connection,
            [
                store.obligation_row(each, self._entries[case_id].dues.get((rule, ordinal)))
                for (case_id, rule, ordinal), each in self._obligations.items()
            ],
        )
        store.write_subjects(connection, self._subjects)
        store.write_terms(
            connection, [(term, case_id, matched) for (term, case_id), matched in self._terms.items()]
        )

    def _load(self, case_ids: Sequence[str]) -> dict[str, Entry]:
        session = self._session
        return store.load(session.connection, case_ids, session.now, session.directory.law)

    def _recompute(self, connection: Connection) -> None:
        """Move the due times of open obligations to the calendar as it is now."""
        before = self._session.department.directory.law.calendars
        if before == self._session.directory.law.calendars:
            return
        # what is remembered of other cases was computed by the calendar of before
        self._desk.known.clear()
        for case_id in store.open_cases(connection):
            entry = self._entry(case_id)
            if entry.admitted is None:
                continue
            for each in entry.admitted.open_obligations:
                self._obligations.setdefault((case_id, each.rule, each.ordinal), each)
            self._entries[case_id] = replace(entry, dues=dues_of(entry.admitted, self._session.directory.law))
            self._changed_cases.add(case_id)

    def committed(self) -> None:
        """Publish the cases of a durable commit."""
        known = self._desk.known
        for case_id, entry in self._entries.items():
            known[case_id] = entry
            known.move_to_end(case_id)
        while len(known) > _CASES:
            known.popitem(last=False)
        if self._pairs:
            self._desk.changed(self._pairs)
        if self._moves_evidence:
            self._desk.evidence_recorded()

    def discard(self) -> None:
        """Nothing was kept, or nobody knows."""
        self._desk.known.clear()


def replayed(known: tuple[bytes, Recorded], request_digest: bytes) -> Recorded:
    """The stored answer to a repeated request.

    Raises:
        Conflict: The key was used with another request.
    """
    if known[0] != request_digest:
        raise Conflict(field="idempotency_key")
    return known[1]
