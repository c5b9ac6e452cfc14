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

import structlog
from liandong.cases.v1 import case_service_pb2
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases import bodies, code_check, duties, materials, store
from services.cases.acts import SendActs
from services.cases.casebook import Casebook
from services.cases.compose import Composed, Refused, compose
from services.cases.entry import Entry, Recorded, fold_pending, overlay
from services.cases.handling.documents import Documents
from services.cases.handling.rules import HandlingRules, read_rules
from services.cases.indexing import Index
from services.cases.signing import Signing, act_header
from services.common.bulk import Record
from services.common.clock import from_microseconds
from services.exchange.delivered import Delivered
from services.exchange.evidence_transfer import Direction
from services.exchange.letters import Letter, manifest_roots
from services.exchange.session import ZONE, Command, DepartmentSession, new_id
from services.procedures.admit import admit
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.chain import Direction as Way
from services.procedures.facts import ActFacts, Admission
from services.procedures.fold import fold

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Desk:
    """What a department's cases keep in memory between sessions.

    Attributes:
        known: Cases by id, the most recently used last. Only the writer's thread changes it.
        changed: Told (case, letter) after each commit.
        moved: Told (document, "") after each commit that moved documents on.
        evidence_recorded: Called after a commit that asked for evidence to be moved.
        rules: What the department stated about handling; None until read.
    """

    known: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    changed: Callable[[Sequence[tuple[str, str]]], None] = lambda pairs: None
    moved: Callable[[Sequence[tuple[str, str]]], None] = lambda pairs: None
    evidence_recorded: Callable[[], None] = lambda: None
    rules: HandlingRules | None = None

    def feature(self, session: DepartmentSession) -> DeskSession:
        """The desk's part in a session."""
        return DeskSession(self, session)


class DeskSession:
    """The desk in one attempt of one commit group.

    Attributes:
        cases: The cases that the group looks at.
    """

    def __init__(self, desk: Desk, session: DepartmentSession) -> None:
        self._desk = desk
        self._session = session
        self._department = session.department.name
        self.cases = Casebook(desk.known, session)
        self._index = Index()
        self._pairs: list[tuple[str, str]] = []
        self._keys: dict[str, tuple[bytes, Recorded] | None] = {}
        self._recalculate = False
        self._folded: dict[int, str] = {}
        self._moves_evidence = False
        self._served: list[Record] = []
        self._rules = desk.rules
        self._moved: list[tuple[str, str]] = []

    @property
    def rules(self) -> HandlingRules:
        """What the department stated about the handling of its letters."""
        if self._rules is None:
            self._rules = read_rules(self._session.connection)
        return self._rules

    def restated(self) -> None:
        """A chain or a number series was written: read them anew."""
        self._rules = None

    @property
    def documents(self) -> Documents:
        """The department's documents in this session."""
        return Documents(self._session, self.rules, self._moved)

    # -- own acts -------------------------------------------------------------------------------

    def foresee(self, commands: Sequence[Command]) -> None:
        """Read the cases of all acts that are to be sent, and what was answered before under their keys."""
        sending = [each for each in commands if isinstance(each, SendActs)]
        if sending:
            self.cases.preload([one.draft.case_id for each in sending for one in each.requests])
            self._read_answers([key for each in sending for key in each.keys])

    def answered(self, key: str) -> tuple[bytes, Recorded] | None:
        """What was answered before under an idempotency key: request digest and answer."""
        if key not in self._keys:
            self._read_answers([key])
        return self._keys[key]

    def _read_answers(self, keys: Sequence[str]) -> None:
        asked = dict.fromkeys(key for key in keys if key not in self._keys)
        self._keys |= {**asked, **store.answered(self._session.connection, list(asked))}

    def sent(self, letter_id: str) -> Recorded:
        """What became of a letter that was recorded before."""
        return store.sent(self._session.connection, letter_id)

    def view(self, case_id: str) -> CaseState | None:
        """A case with own pending letters, None if it is not here."""
        return self.cases.folded(case_id).view

    def compose(self, draft: case_service_pb2.ActDraft) -> Composed:
        """Freeze what a draft says; see `compose.compose`."""
        session, directory = self._session, self._session.directory
        state = self.cases.folded(draft.case_id).view if draft.case_id else None
        composed = compose(
            draft, self._department, session.department.registry, state, directory.law, directory.schemas,
            session.now, session.department.subject_keys,
        )  # fmt: skip
        day = session.now.astimezone(ZONE).date()
        code_check.check(session.connection, composed.content, composed.opens, directory.codes, day)
        return composed

    def check(self, letter_id: str, composed: Composed, signing: Signing) -> tuple[pb.Header, ActFacts]:
        """The header that a content would be sent under now, and its facts, judged.

        Raises:
            Refused: With the reason for which the registry would refuse it.
        """
        entry = self.cases.entry(composed.content.case_id)
        header, facts = act_header(
            self._session, entry, letter_id, composed.content, composed.body_type, composed.body, signing
        )
        view = self.cases.folded(facts.case_id).view
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
        number: str = "",
        series: str = "",
    ) -> Recorded:
        """Sign an act and put it on its way.

        Args:
            composed: What it says.
            signing: Who signs.
            letter_id: The draft's; a new one if empty.
            key: Idempotency key.
            request_digest: Of the request under that key.
            number: Issued when it was signed; else one is issued now.
            series: What a number that is issued now begins with.

        Raises:
            Conflict: The key was used with another request.
            Refused: The act may not be done; nothing was changed.
        """
        letter_id = letter_id or new_id()
        header, facts = self.check(letter_id, composed, signing)
        session = self._session
        roots = manifest_roots(composed.content)
        holder = ""
        if roots:
            holder = materials.holder_of(
                session.connection, composed.content, roots, signing.actor.subject, self._department
            )
        content = composed.content
        case_id = content.case_id
        documents = self.documents
        if not composed.act.numbered:
            number = ""
        elif not number:
            number = session.issue_number(
                series or documents.series_word(Way.OUTBOUND, content.procedure, content.act, "")
            )
        header.act.number = number
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
        before = self.cases.entry(case_id)
        after = replace(before, pending=(*before.pending, facts))
        self.cases.put(case_id, self._read_body(after, letter_id, content, composed.body, number))
        # an act that leaves the state shows in no list: its fold waits until somebody looks
        new_parties = before.is_new or bool(content.parties)
        if new_parties or composed.act.becomes is not None:
            self.cases.relist(case_id, parties=new_parties)
        self._pairs.append((case_id, letter_id))
        documents.answered(case_id, content.act, signing.actor)
        recorded = Recorded(letter_id, case_id, number)
        if key is not None and request_digest is not None:
            self._keys[key] = (request_digest, recorded)
        return recorded

    # -- everybody's acts -----------------------------------------------------------------------

    def deliver(self, delivered: Delivered) -> None:
        """Fold an admitted act: another party's, or an own one by its receipt."""
        if delivered.receipt is not None:
            self._fold_own(delivered)
        elif delivered.letter is not None and delivered.letter.facts is not None:
            self._fold_foreign(delivered, delivered.letter, delivered.letter.facts)

    def _fold_foreign(self, delivered: Delivered, letter: Letter, facts: ActFacts) -> None:
        law = self._session.directory.law
        entry = self.cases.entry(facts.case_id)
        procedure = law.procedure(facts.procedure, facts.procedure_version)
        act = procedure.acts.get(facts.act) if procedure else None
        if (
            procedure is not None
            and act is not None
            and entry.admitted is None
            and procedure.initial not in act.in_states
        ):
            # a copy of one act in a case that this department is no party of: kept, nothing to fold
            self._begin_handling(letter)
            return
        folded = fold(entry.admitted, facts, self._admission(delivered), law)
        self._folded[delivered.leaf.position] = facts.case_id
        entry = self.cases.settle(facts.case_id, folded, entry.pending)
        content = letter.content
        assert content is not None
        self._move_evidence(content, manifest_roots(content), self._department, Direction.PULL)
        number = letter.header.act.number
        read = self._read_body(entry, facts.letter_id, content, letter.envelope.payload, number)
        self.cases.put(facts.case_id, read)
        self._pairs.append((facts.case_id, facts.letter_id))
        self._begin_handling(letter)

    def _begin_handling(self, letter: Letter) -> None:
        if not self.rules.inbound:
            return
        content = letter.content
        assert content is not None
        told = (*content.recipients, *(each.department for each in content.copies))
        if self._department in told:
            title = bodies.title_in(content.body_type, letter.envelope.payload)
            self.documents.arrived(content, letter.header, title)

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
        entry = self.cases.entry(case_id)
        law, admission = self._session.directory.law, self._admission(delivered)
        folded = fold(entry.admitted, facts, admission, law)
        if facts.serves:
            self._served += duties.served_rows(facts, admission, law)
        self._folded[delivered.leaf.position] = case_id
        in_order = bool(entry.pending) and entry.pending[0].letter_id == letter_id
        rest = tuple(each for each in entry.pending if each.letter_id != letter_id)
        self.cases.settle(case_id, folded, rest, in_order=in_order)
        self._pairs.append((case_id, letter_id))

    def _own_facts(self, letter_id: str) -> tuple[str, ActFacts | None]:
        case_id = self._session.case_of(letter_id)
        if case_id is None:
            return "", None
        for facts in self.cases.entry(case_id).pending:
            if facts.letter_id == letter_id:
                return case_id, facts
        # answered before: the acknowledgement was lost with the connection
        return case_id, None

    def _admission(self, delivered: Delivered) -> Admission:
        leaf = delivered.leaf
        return Admission(leaf.position, from_microseconds(leaf.admitted_at_us), leaf.common_version)

    def refused(self, letter_id: str, reason: str, not_submitted: frozenset[str]) -> None:
        """An own act was refused: later ones that were built on it and not sent yet are decided again."""
        case_id = self._session.case_of(letter_id)
        if case_id is None:
            return
        entry = self.cases.entry(case_id)
        index = next((i for i, each in enumerate(entry.pending) if each.letter_id == letter_id), None)
        if index is None:
            return
        rest = entry.pending[:index] + entry.pending[index + 1 :]
        self.cases.put(case_id, replace(entry, pending=rest, view=entry.admitted, laid=0))
        self.cases.relist(case_id)
        self._pairs.append((case_id, letter_id))
        law, now = self._session.directory.law, self._session.now
        state = overlay(entry.admitted, entry.pending[:index], now, law)
        for facts in entry.pending[index + 1 :]:
            if admit(state, facts, now, law) is None:
                state = fold_pending(state, facts, now, law)
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
            entry = self.cases.entry(case_id)
            if entry.admitted is None:
                continue
            folded = arrive(entry.admitted, opened, department, received_at)
            if folded.state is not entry.admitted:
                self.cases.settle(case_id, folded, entry.pending)

    def law_changed(self) -> None:
        """A common entry came: due times may have moved."""
        self._recalculate = True

    def _move_evidence(
        self, content: pb.ActContent, roots: Sequence[bytes], holder: str, direction: Direction
    ) -> None:
        if roots:
            materials.move(self._session.connection, content, roots, holder, direction)
            self._moves_evidence = True

    def _read_body(
        self, entry: Entry, letter_id: str, content: pb.ActContent, payload: bytes, number: str
    ) -> Entry:
        self._index.link(content)
        title = self._index.read(letter_id, content, payload, number)
        return replace(entry, title=title) if title and title != entry.title else entry

    # -- memory and disk ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Compute due times anew where a calendar changed."""
        if self._recalculate:
            self.cases.recompute()

    def flush(self) -> None:
        """Write cases, obligations and what they are found by."""
        connection = self._session.connection
        self.cases.flush(connection)
        self._index.flush(connection)
        duties.write(connection, self._served)

    def committed(self) -> None:
        """Publish the cases of a durable commit."""
        self.cases.committed()
        self._desk.rules = self._rules
        if self._pairs:
            self._desk.changed(self._pairs)
        if self._moved:
            self._desk.moved(self._moved)
        if self._moves_evidence:
            self._desk.evidence_recorded()

    def discard(self) -> None:
        """Nothing was kept, or nobody knows."""
        self._desk.known.clear()
        self._desk.rules = None
