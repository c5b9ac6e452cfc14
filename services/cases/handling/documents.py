"""The documents of a department in one session: begun with a draft or an arrival, moved on by its people.

Everything here runs inside a command of the department's writer, and raises before it changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.cases.handling import store
from services.cases.handling.people import section_of, standing_of
from services.cases.handling.store import Event, Kept
from services.exchange import numbers
from services.exchange.actors import ActorFacts
from services.exchange.session import DepartmentSession
from services.procedures import handling
from services.procedures.chain import IMPLICIT, Direction, Kind, in_force
from services.procedures.delegation import Standing, actor_for
from services.procedures.document import Actor, Clocked, Document, NotYourStep, Person, StepOpen, Task
from services.procedures.numbering import series_of

if TYPE_CHECKING:
    from liandong.exchange.v1 import envelope_pb2 as pb

    from services.cases.handling.rules import HandlingRules

NODE: Final = Actor(Person("", "node", "system"))
"""Who does what the node does by itself."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a document begins with.

    Attributes:
        case_id: Its case.
        letter_id: The letter, or the draft.
        procedure: Of the act.
        act: The act.
        approvers: The roles that the law asks to approve it.
        digest: Of the content; empty of what arrived.
        numbered: Its letters carry numbers.
        title: What its body gives as its title.
        departments: Of the other side: the author, or the addressees.
        letter_number: Of what arrived, the author's.
    """

    case_id: str
    letter_id: str
    procedure: str
    act: str
    approvers: tuple[str, ...] = ()
    digest: bytes = b""
    numbered: bool = True
    title: str = ""
    departments: tuple[str, ...] = ()
    letter_number: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A document that has moved on, not written yet."""

    kept: Kept
    events: tuple[Event, ...]

    @property
    def actor(self) -> Actor:
        """Who moved it."""
        return self.events[0].actor

    def signers(self, role: str) -> int:
        """How many sign it in a role: those of the law, and those who were added."""
        document = self.kept.document
        signing = [step.name for step in document.chain.steps if step.kind is Kind.SIGN]
        return sum(
            each.stands and each.step in signing and any(who.role == role for who in each.whos)
            for each in document.tasks
        )


class Documents:
    """The documents of a department.

    Args:
        session: The department's.
        rules: Its chains and number series.
        moved: Where documents that moved on are noted, for those who watch.
    """

    def __init__(
        self, session: DepartmentSession, rules: HandlingRules, moved: list[tuple[str, str]]
    ) -> None:
        self._session = session
        self._connection = session.connection
        self._rules = rules
        self._moved = moved

    @property
    def clock(self) -> Clocked:
        """The time of the session, by the calendar of the region."""
        session = self._session
        return Clocked(session.now, session.directory.law.calendar(session.department.registry))

    def standing(self, actor: ActorFacts) -> Standing:
        """Who somebody is here."""
        session = self._session
        return standing_of(self._connection, session.directory, session.department.name, actor)

    def section_of(self, subject: str) -> str:
        """Somebody's section, as the directory says; empty if it does not."""
        return section_of(self._session.directory, self._session.department.name, subject)

    # -- an outbound letter ---------------------------------------------------------------------

    def replaced(self, letter_id: str, actor: ActorFacts) -> Kept | None:
        """The document whose draft is to be replaced or dropped.

        Raises:
            NotYourStep: It is neither the actor's draft nor in their hands.
        """
        kept = store.by_letter(self._connection, letter_id)
        if kept is None or kept.document.chain.is_implicit:
            return kept
        drafter = kept.document.drafter
        if drafter is not None and drafter.subject == actor.subject:
            return kept
        self.in_hand(kept, actor)
        return kept

    def drafted(self, begun: Begun, actor: ActorFacts, replaced: Kept | None) -> None:
        """Put a draft on its chain, or a changed content where the one before it was."""
        person = Person(actor.subject, actor.name, actor.role)
        if replaced is not None and (replaced.procedure, replaced.act) == (begun.procedure, begun.act):
            document = handling.redraft(replaced.document, begun.digest, Actor(person), self.clock)
            self.save(
                Moved(
                    replace(
                        replaced,
                        document=document,
                        letter_id=begun.letter_id,
                        case_id=begun.case_id,
                        title=begun.title,
                        departments=begun.departments,
                    ),
                    (Event("redrafted", Actor(person), note=begun.digest.hex()),),
                )
            )
            return
        if replaced is not None:
            self.save(self._dropped(replaced, Actor(person), "another act was drafted in its place"))
        self._begin(begun, Direction.OUTBOUND, person)

    def signing(
        self, letter_id: str, role: str, actor: ActorFacts, task_id: int = 0, note: str = ""
    ) -> Moved | None:
        """What an approval in a role does to the letter's document; None where it does nothing.

        Raises:
            StepOpen: An earlier step is not through.
            NotYourStep: Nothing of the step is theirs to sign.
        """
        kept = store.by_letter(self._connection, letter_id)
        if kept is None:
            return None
        document, standing = kept.document, self.standing(actor)
        # no chain holds anybody up, but a role that is somebody's by delegation alone is theirs within it
        lenient = document.chain.is_implicit and role in standing.own_roles
        if document.chain.is_implicit:
            # returned and approved all the same: the draft was taken up as it is
            document = self._taken_up(document)
        step = document.current
        if step is None or step.kind is not Kind.SIGN:
            if lenient:
                return None
            raise self.not_through(kept)
        for task in document.standing(step.name):
            if not (task.is_open or task.waits_for_confirmation) or task_id not in (0, task.id):
                continue
            found = actor_for(task, standing, kept.procedure, kept.act, self._session.now, role)
            if found is None:
                continue
            try:
                return self._signed(kept, document, task, found, note)
            except NotYourStep:
                if not lenient:
                    raise
        if lenient:
            return None
        raise NotYourStep("No signature of this letter waits for you in this role.", field="role")

    def _signed(self, kept: Kept, document: Document, task: Task, actor: Actor, note: str) -> Moved:
        if task.waits_for_confirmation:
            moved, what = handling.confirm(document, task.id, actor, "", self.clock), "confirmed"
        else:
            moved, what = handling.complete(document, task.id, actor, self.clock, note=note), "done"
        return Moved(kept.with_document(moved), (Event(what, actor, task.step, task.id, note),))

    def _taken_up(self, document: Document) -> Document:
        step = document.current
        if step is not None and step.kind is Kind.DRAFT and document.drafter is not None:
            for task in document.standing(step.name):
                document = handling.complete(document, task.id, Actor(document.drafter), self.clock)
        return document

    def returning(self, letter_id: str, reason: str, actor: ActorFacts) -> Moved | None:
        """What returning a draft to its drafter does to its document.

        Raises:
            NotYourStep: It is not in the actor's hands.
        """
        kept = store.by_letter(self._connection, letter_id)
        step = kept.document.current if kept is not None else None
        if kept is None or step is None:
            return None
        if not kept.document.chain.is_implicit:
            task, found = self.in_hand(kept, actor)
        elif step.kind is Kind.DRAFT:
            return None
        else:
            task = next(each for each in kept.document.standing(step.name) if each.is_open)
            found = Actor(Person(actor.subject, actor.name, actor.role))
        document = handling.give_back(kept.document, task.id, "", reason, found, self.clock)
        return Moved(kept.with_document(document), (Event("returned", found, task.step, task.id, reason),))

    def sending(self, letter_id: str, actor: ActorFacts) -> Moved | None:
        """What sending does to the letter's document; its number is the letter's.

        Raises:
            StepOpen: A step before is not through.
            NotYourStep: Sending is somebody else's.
        """
        kept = store.by_letter(self._connection, letter_id)
        if kept is None:
            return None
        document = kept.document
        person = Actor(Person(actor.subject, actor.name, actor.role))
        step = document.current
        task: Task | None = None
        if not document.chain.is_implicit:
            if step is None or step.kind is not Kind.SEND:
                raise self.not_through(kept)
            if actor.assertion.service:
                # a system sends what people agreed to
                task = next(each for each in document.standing(step.name) if each.is_open)
            else:
                task, person = self.in_hand(kept, actor)
            document = handling.complete(document, task.id, person, self.clock)
        ended = handling.end(document, self.clock)
        return Moved(
            replace(kept, document=ended, state=store.DONE),
            (Event("sent", person, step.name if step else "", task.id if task else 0),),
        )

    def sent(self, moved: Moved, number: str) -> None:
        """The letter is recorded under its number."""
        if moved.kept.number:
            numbers.release(self._session, moved.kept.number)
        self.save(Moved(replace(moved.kept, number=number), moved.events))

    def series(self, letter: Kept, direction: Direction = Direction.OUTBOUND) -> str:
        """What the letter's number begins with."""
        section = letter.document.section
        return self.series_word(direction, letter.procedure, letter.act, section)

    def series_word(self, direction: Direction, procedure: str, act: str, section: str) -> str:
        """What numbers begin with: as the department set it, else its own word."""
        session = self._session
        found = series_of(self._rules.series, direction, procedure, act, section, session.now)
        if found is not None:
            return found.word
        name = session.department.name
        word = session.directory.number_word(name) or name
        return word if direction is Direction.OUTBOUND else f"{word}收"

    def discarded(self, kept: Kept | None, actor: ActorFacts) -> None:
        """The draft was dropped: its number is void."""
        if kept is not None and kept.state == store.OPEN:
            person = Actor(Person(actor.subject, actor.name, actor.role))
            self.save(self._dropped(kept, person, "the draft was discarded"))

    def _dropped(self, kept: Kept, actor: Actor, why: str) -> Moved:
        if kept.number:
            numbers.void(self._session, kept.number, kept.document.id, why)
        ended = handling.end(kept.document, self.clock)
        return Moved(
            replace(kept, document=ended, state=store.DISCARDED), (Event("discarded", actor, note=why),)
        )

    # -- what arrived ---------------------------------------------------------------------------

    def arrived(self, content: pb.ActContent, header: pb.Header, title: str) -> None:
        """Begin the handling of a letter that arrived, where the department has a chain for it."""
        letter_id = header.letter_id
        begun = Begun(
            content.case_id, letter_id, content.procedure, content.act, title=title,
            departments=(header.author,), letter_number=header.act.number,
        )  # fmt: skip
        chain = in_force(self._rules.stated, Direction.INBOUND, begun.procedure, begun.act, self._session.now)
        if chain is not None and store.by_letter(self._connection, letter_id) is None:
            self._begin(begun, Direction.INBOUND, None)

    def answered(self, case_id: str, act: str, actor: pb.Actor) -> None:
        """An own act was recorded: it may do a step of what arrived in its case."""
        if act not in self._rules.answering:
            return
        person = Actor(Person(actor.subject, actor.name, actor.role))
        for kept in store.open_inbound(self._connection, case_id):
            step = kept.document.current
            if step is None or act not in step.acts:
                continue
            event = Event("done", person, step.name, note=act)
            answered = handling.answer(kept.document, person, self.clock, act)
            self.save(Moved(kept.with_document(answered), (event,)))

    # -- both -----------------------------------------------------------------------------------

    def _begin(self, begun: Begun, direction: Direction, drafter: Person | None) -> None:
        now = self._session.now
        stated = in_force(self._rules.stated, direction, begun.procedure, begun.act, now)
        document = Document(
            id=begun.letter_id,
            chain=stated.chain if stated else IMPLICIT,
            approvers=begun.approvers,
            drafter=drafter,
            section=self.section_of(drafter.subject) if drafter else "",
            digest=begun.digest,
            numbered=begun.numbered,
        )
        kept = Kept(
            handling.start(document, self.clock), begun.letter_id, begun.case_id, direction,
            begun.procedure, begun.act, stated.id if stated else 0, now, begun.title,
            departments=begun.departments, letter_number=begun.letter_number,
        )  # fmt: skip
        self.save(Moved(kept, (Event("started", Actor(drafter) if drafter else NODE),)))

    def not_through(self, kept: Kept) -> StepOpen:
        """Why something has to wait, with the step that is open."""
        step = kept.document.current
        if step is None:
            return StepOpen("The document has ended.", field="letter_id")
        called = any(each.waits_for_confirmation for each in kept.document.standing(step.name))
        why = "agreed to by telephone and not confirmed" if called else "not through"
        return StepOpen(f"The step {step.name} ({step.title.zh}) is {why}.", field="letter_id")

    def in_hand(self, kept: Kept, actor: ActorFacts) -> tuple[Task, Actor]:
        """The open task of the present step that is the actor's.

        Raises:
            NotYourStep: There is none.
        """
        step, standing = kept.document.current, self.standing(actor)
        for task in kept.document.standing(step.name) if step else ():
            found = actor_for(task, standing, kept.procedure, kept.act, self._session.now)
            if task.is_open and found is not None:
                return task, found
        raise NotYourStep("The document is not in your hands now.", field="letter_id")

    def save(self, moved: Moved, *, numbering: bool = True) -> Kept:
        """Write a document, and do what the node does by itself: to number what was signed."""
        kept, events = moved.kept, list(moved.events)
        step = kept.document.current
        if numbering and step is not None and step.kind is Kind.NUMBER:
            kept, numbered = self.numbered(kept, NODE)
            events += numbered
        if kept.document.ended_at is not None and kept.state == store.OPEN:
            kept = replace(kept, state=store.DONE)
        store.save(self._connection, kept, events, self._session.now)
        self._moved.append((kept.document.id, ""))
        return kept

    def numbered(self, kept: Kept, actor: Actor) -> tuple[Kept, Sequence[Event]]:
        """Issue the number of what was signed, unless it has one already."""
        step = kept.document.current
        assert step is not None
        number = kept.number or numbers.reserve(self._session, self.series(kept), kept.document.id)
        document, events = kept.document, []
        for task in document.standing(step.name):
            if task.is_open:
                document = handling.complete(document, task.id, actor, self.clock, note=number)
                events.append(Event("numbered", actor, step.name, task.id, number))
        return replace(kept, document=document, number=number), events
