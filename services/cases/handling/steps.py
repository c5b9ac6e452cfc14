"""What people do with the tasks of a document. Inside a command of the department's writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from services.cases.drafts import OPEN as DRAFT_OPEN
from services.cases.drafts import Drafts
from services.cases.handling import store, tables
from services.cases.handling.documents import Documents, Moved
from services.cases.handling.seal import Sealed, ToSeal
from services.cases.handling.store import Event, Kept
from services.common.clock import microseconds
from services.common.errors import InvalidField, LimitExceeded, RoleNotPermitted
from services.exchange import evidence_records, numbers
from services.exchange.actors import ActorFacts
from services.exchange.assertions import ContentMismatch
from services.exchange.evidence import EvidencePending
from services.exchange.session import DepartmentSession
from services.procedures import handling
from services.procedures.admit import permitted
from services.procedures.chain import AGREEING, Direction, Kind, Who
from services.procedures.delegation import actor_for
from services.procedures.document import Actor, NotYourStep, Person, StepOpen, Task

if TYPE_CHECKING:
    from services.cases.desk import DeskSession

_ATTACHMENTS: Final = 50


class Steps:
    """The tasks of a department's documents, in one session.

    Args:
        session: The department's.
        desk: Its cases.
    """

    def __init__(self, session: DepartmentSession, desk: DeskSession) -> None:
        self._session = session
        self._desk = desk
        self._documents: Documents = desk.documents
        self._drafts = Drafts(session, desk)

    def take(self, document_id: str, task_id: int, actor: ActorFacts) -> Kept:
        """Take a task up.

        Raises:
            NotFound: No such document.
            StepOpen: The task is not open.
            NotYourStep: It is not theirs to do.
        """
        kept, task, person = self._mine(document_id, task_id, actor)
        document = handling.take(kept.document, task.id, person, self._documents.clock)
        return self._save(kept.with_document(document), Event("taken", person, task.step, task.id))

    def complete(
        self,
        document_id: str,
        task_id: int,
        digest: bytes,
        note: str,
        assigned: Sequence[Who],
        actor: ActorFacts,
        *,
        sealed: Sealed | None = None,
    ) -> Kept:
        """Do a task; to seal, with the seal that was put on what `to_seal` told.

        Raises:
            NotFound: No such document.
            StepOpen: The task is not open, or is done in another way.
            NotYourStep: It is not theirs to do.
            InvalidField: The content that is agreed to is not named.
            ContentMismatch: Another content was agreed to, or sealed.
        """
        kept, task, person = self._mine(document_id, task_id, actor)
        step = kept.document.chain.step(task.step)
        if step.kind in AGREEING:
            _check_content(kept, digest)
        if step.kind is Kind.SIGN:
            self._drafts.approve(kept.letter_id, digest, person.person.role, actor, task.id, note)
            return store.by_id(self._session.connection, kept.document.id)
        self._check_way(kept, step.kind, step.acts)
        if assigned and step.kind is not Kind.DISPATCH:
            raise InvalidField("Only a dispatch names who handles it.", field="assigned")
        for each in assigned:
            self._check_who(each, "assigned")
        if sealed is not None:
            if self.to_seal(document_id, task_id, actor) != sealed.what:
                raise ContentMismatch("It changed while it was sealed.", field="electronic_seal")
            note = sealed.reference
        if step.kind is Kind.NUMBER:
            handling.complete(kept.document, task.id, person, self._documents.clock)
            numbered, events = self._documents.numbered(kept, person)
            return self._save(numbered, *events)
        document = handling.complete(
            kept.document, task.id, person, self._documents.clock, note=note, assigned=assigned
        )
        what = "sealed" if step.kind is Kind.SEAL else "done"
        moved = kept.with_document(document)
        events = [Event(what, person, task.step, task.id, note)]
        if step.kind is Kind.REGISTER and not kept.number:
            moved, numbered_event = self._registered(moved, person, task)
            events.append(numbered_event)
        return self._save(moved, *events)

    def to_seal(self, document_id: str, task_id: int, actor: ActorFacts) -> ToSeal:
        """What a seal service is to seal in a step; nothing changes.

        Raises:
            NotFound, StepOpen, NotYourStep: As `take`.
            InvalidField: Nothing is sealed in this step.
        """
        kept, task, person = self._mine(document_id, task_id, actor)
        if kept.document.chain.step(task.step).kind is not Kind.SEAL:
            raise InvalidField("Nothing is sealed in this step.", field="electronic_seal")
        handling.complete(kept.document, task.id, person, self._documents.clock)
        return ToSeal(
            self._session.department.name, kept.document.id, kept.document.digest, kept.number, actor.subject,
            actor.name,
        )  # fmt: skip

    def _check_way(self, kept: Kept, kind: Kind, acts: frozenset[str]) -> None:
        """Some steps are done by something else than saying so."""
        if kind is Kind.SEND:
            raise StepOpen("It is sent as a letter, which does this step.", field="task")
        view = self._desk.view(kept.case_id) if acts else None
        if view is None:
            return
        name, law = self._session.department.name, self._session.directory.law
        for each in permitted(view, name, law):
            if each.act in acts and each.allowed:
                raise StepOpen(f"The act {each.act} is to be sent, which does this step.", field="task")

    def _registered(self, kept: Kept, actor: Actor, task: Task) -> tuple[Kept, Event]:
        """Give what arrived its number in the department's register (收文编号)."""
        series = self._documents.series(kept, Direction.INBOUND)
        number = numbers.reserve(self._session, series, kept.document.id)
        return replace(kept, number=number), Event("numbered", actor, task.step, task.id, number)

    def give_back(self, document_id: str, task_id: int, to: str, reason: str, actor: ActorFacts) -> Kept:
        """Return a document to an earlier step.

        Raises:
            NotFound, StepOpen, NotYourStep: As `take`.
            InvalidField: It cannot be returned from here, or not there.
        """
        kept, task, person = self._mine(document_id, task_id, actor)
        document = handling.give_back(kept.document, task.id, to, reason, person, self._documents.clock)
        saved = self._save(
            kept.with_document(document), Event("returned", person, task.step, task.id, reason)
        )
        self._drop_approvals(saved, reason)
        return saved

    def _drop_approvals(self, kept: Kept, reason: str) -> None:
        """Where signatures no longer stand, the draft has no approvals either."""
        if kept.direction is not Direction.OUTBOUND or kept.state != DRAFT_OPEN:
            return
        signed = [step for step in kept.document.chain.steps if step.kind is Kind.SIGN]
        if not any(each.done_by for step in signed for each in kept.document.standing(step.name)):
            self._drafts.returned(kept.letter_id, reason)

    def add_signer(self, document_id: str, task_id: int, who: Who, actor: ActorFacts) -> Kept:
        """Ask one more to agree.

        Raises:
            NotFound, StepOpen, NotYourStep: As `take`.
            InvalidField: Nobody is added here, or they are asked already.
        """
        self._check_who(who, "who")
        kept, task, person = self._mine(document_id, task_id, actor)
        document = handling.add_signer(kept.document, task.id, who, person, self._documents.clock)
        return self._save(
            kept.with_document(document), Event("signer-added", person, task.step, task.id, str(who))
        )

    def hand_on(self, document_id: str, task_id: int, who: Who, note: str, actor: ActorFacts) -> Kept:
        """Give a task to somebody else.

        Raises:
            NotFound, StepOpen, NotYourStep: As `take`.
            InvalidField: Nothing is handed on here.
        """
        self._check_who(who, "who")
        kept, task, person = self._mine(document_id, task_id, actor)
        document = handling.hand_on(kept.document, task.id, who, note, person, self._documents.clock)
        words = f"{who} {note}".strip()
        return self._save(kept.with_document(document), Event("handed-on", person, task.step, task.id, words))

    # -- by telephone ---------------------------------------------------------------------------

    def record_call(
        self, document_id: str, task_id: int, approver: Person, at: datetime, words: str, actor: ActorFacts
    ) -> Kept:
        """Note that somebody agreed by telephone.

        Raises:
            NotFound, StepOpen: As `take`.
            NotYourStep: The approver could not do the task either.
            InvalidField: Nobody agrees by telephone in this step.
        """
        kept = store.by_id(self._session.connection, document_id)
        task = kept.document.task(task_id)
        self._check_approver(task, approver)
        clerk = Person(actor.subject, actor.name, actor.role)
        document = handling.called(kept.document, task_id, approver, clerk, at, words, self._documents.clock)
        return self._save(
            kept.with_document(document), Event("called", Actor(clerk), task.step, task.id, words)
        )

    def _check_approver(self, task: Task, approver: Person) -> None:
        session = self._session
        listed = session.directory.people.get((session.department.name, approver.subject))
        if listed is not None and approver.role not in listed.roles:
            raise RoleNotPermitted(f"{listed.name} has no role {approver.role}.", field="approver.role")
        section = self._documents.section_of(approver.subject)
        for who in task.whos:
            in_role = who.role == approver.role and who.section in ("", section)
            if who.subject == approver.subject or (not who.subject and in_role):
                return
        raise NotYourStep("The task is not theirs to agree to.", field="approver")

    def confirm(self, document_id: str, task_id: int, digest: bytes, denied: str, actor: ActorFacts) -> Kept:
        """Confirm, or deny, what was said on the telephone.

        Raises:
            NotFound: No such document.
            StepOpen: There is nothing to confirm.
            NotYourStep: Somebody else was on the telephone.
            ContentMismatch: The document has other content, or the assertion does not approve it.
        """
        kept = store.by_id(self._session.connection, document_id)
        task = kept.document.task(task_id)
        found = actor_for(task, self._documents.standing(actor), kept.procedure, kept.act, self._session.now)
        person = found or Actor(Person(actor.subject, actor.name, actor.role))
        document = handling.confirm(kept.document, task_id, person, denied, self._documents.clock)
        if not denied:
            _check_content(kept, digest)
        step = kept.document.chain.step(task.step)
        if not denied and step.kind is Kind.SIGN and kept.state == store.OPEN:
            self._drafts.approve(kept.letter_id, digest, person.person.role, actor, task.id)
            return store.by_id(self._session.connection, kept.document.id)
        what = "denied" if denied else "confirmed"
        return self._save(kept.with_document(document), Event(what, person, task.step, task.id, denied))

    # -- beside a step --------------------------------------------------------------------------

    def attach(
        self, document_id: str, step: str, kind: int, root: bytes, note: str, actor: ActorFacts
    ) -> Kept:
        """Put a scan or image beside a step; people of the case may read it, nobody is sent it.

        Raises:
            NotFound: No such document.
            InvalidField: Its chain has no such step.
            EvidencePending: The evidence is not here, or not theirs to name.
            LimitExceeded: Too much lies there.
        """
        session, connection = self._session, self._session.connection
        kept = store.by_id(connection, document_id)
        if step not in [each.name for each in kept.document.chain.steps]:
            raise InvalidField("The chain has no such step.", field="step")
        reader = evidence_records.case_reader(kept.case_id)
        mine = [actor.subject, session.department.name]
        holder = evidence_records.readable_holder(connection, root, [reader], mine)
        if holder is None or not evidence_records.complete_roots(connection, [root], holder):
            raise EvidencePending(
                "The evidence is not complete here; upload it first.", field="manifest_root"
            )
        attachments = tables.attachments
        if store.count_attachments(connection, kept.document.id) >= _ATTACHMENTS:
            raise LimitExceeded(f"At most {_ATTACHMENTS} lie beside a document.", field="manifest_root")
        person = Person(actor.subject, actor.name, actor.role)
        connection.execute(
            attachments.delete().where(
                attachments.c.document_id == kept.document.id,
                attachments.c.step == step,
                attachments.c.root == root,
            )
        )
        connection.execute(
            attachments.insert().values(
                document_id=kept.document.id, step=step, root=root, kind=kind, note=note,
                subject=person.subject, name=person.name, role=person.role, at_us=microseconds(session.now),
            )
        )  # fmt: skip
        evidence_records.grant(connection, [root], [reader], holder)
        return self._save(kept, Event("attached", Actor(person), step, note=note or root.hex()))

    # -- common ---------------------------------------------------------------------------------

    def _mine(self, document_id: str, task_id: int, actor: ActorFacts) -> tuple[Kept, Task, Actor]:
        kept = store.by_id(self._session.connection, document_id)
        task = kept.document.task(task_id)
        standing = self._documents.standing(actor)
        found = actor_for(task, standing, kept.procedure, kept.act, self._session.now)
        if found is None:
            raise NotYourStep(field="task")
        return kept, task, found

    def _save(self, kept: Kept, *events: Event) -> Kept:
        return self._documents.save(Moved(kept, events))

    def _check_who(self, who: Who, field: str) -> None:
        if not (who.role or who.section or who.subject):
            raise InvalidField("Name a role, a section or a person.", field=field)
        session = self._session
        department = session.directory.departments.get(session.department.name)
        if who.section and (
            department is None or who.section not in [each.id for each in department.sections]
        ):
            raise InvalidField(f"The department has no section {who.section}.", field=field)


def _check_content(kept: Kept, digest: bytes) -> None:
    if not digest:
        raise InvalidField("Name the content that is agreed to.", field="content_digest")
    if digest != kept.document.digest:
        raise ContentMismatch("The document has other content.", field="content_digest")
