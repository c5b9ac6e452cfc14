"""A letter on its way through a department (办文): where in its chain it stands, and who is to do what.

A step is through when it has tasks that stand and all of them are done; `handling` moves a letter on.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import InvalidField, LiandongError
from services.procedures.calendar import Calendar
from services.procedures.chain import ASSIGNED, DRAFTER, OWN_SECTION, Chain, Kind, Step, Who
from services.procedures.deadlines import due_time
from services.procedures.obligation import Limit, Obligation


class StepOpen(LiandongError):
    """A step of the letter's chain is not through; the message names it."""

    reason = "STEP_OPEN"
    code = "FAILED_PRECONDITION"


class NotYourStep(LiandongError):
    """The step is not yours to do: it is another's, or your delegation does not reach it."""

    reason = "NOT_YOUR_STEP"
    code = "PERMISSION_DENIED"


class Outcome(enum.StrEnum):
    """What became of a task."""

    OPEN = "OPEN"
    DONE = "DONE"
    PROVISIONAL = "PROVISIONAL"  # agreed to by telephone, not yet confirmed
    RETURNED = "RETURNED"
    HANDED_ON = "HANDED_ON"
    VOID = "VOID"  # never done: the step was left, or the content changed


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody: the issuer's stable id, the name, the role acted in."""

    subject: str
    name: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An agreement given by telephone (电话同意), as the clerk wrote it down.

    Attributes:
        approver: Who agreed.
        clerk: Who took the call.
        called_at: When.
        words: What was said.
        confirm_by: Until when the approver is to confirm it.
        confirmed_at: When it was confirmed; None while it was not.
        denied: The approver says that it was not so; the reason.
    """

    approver: Person
    clerk: Person
    called_at: datetime
    words: str
    confirm_by: datetime
    confirmed_at: datetime | None = None
    denied: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One person's or role's part in a step.

    Attributes:
        id: Counts the letter's tasks from 1.
        step: The step.
        whos: Any one of these may do it.
        started_at: When it could first be done.
        due_at: When it is due, exclusive; None without a limit.
        outcome: What became of it.
        stands: Whether it counts for its step; an earlier round's does not.
        taken_by: Who took it up; nobody else does it then.
        taken_at: When.
        done_by: Who did it.
        acting_for: In whose place, by a delegation.
        done_at: When.
        digest: The content that was agreed to.
        note: Opinion, reason or instruction.
        added_by: Who asked for it beside those that the chain names.
        call: Where it was agreed to by telephone.
    """

    id: int
    step: str
    whos: tuple[Who, ...]
    started_at: datetime
    due_at: datetime | None = None
    outcome: Outcome = Outcome.OPEN
    stands: bool = True
    taken_by: Person | None = None
    taken_at: datetime | None = None
    done_by: Person | None = None
    acting_for: Person | None = None
    done_at: datetime | None = None
    digest: bytes = b""
    note: str = ""
    added_by: str = ""
    call: Call | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do it."""
        return self.outcome is Outcome.OPEN

    @property
    def waits_for_confirmation(self) -> bool:
        """Agreed to by telephone, neither confirmed nor denied."""
        return self.outcome is Outcome.PROVISIONAL and self.call is not None and not self.call.denied


@dataclass(frozen=True, slots=True)
class Document:
    """A letter in its chain.

    Attributes:
        id: Stays when the content changes and the letter gets another id.
        chain: The steps, as they were when it began.
        approvers: The roles of the act's `approved_by`: what the law asks.
        drafter: Who drafted it; nobody for one that arrived.
        section: The drafter's section, or the one it was dispatched to.
        digest: Of the content as it is.
        numbered: Its letters carry numbers.
        tasks: All, in the order in which they began.
        assigned: To whom it was dispatched.
        ended_at: When it was sent, done or dropped.
    """

    id: str
    chain: Chain
    approvers: tuple[str, ...] = ()
    drafter: Person | None = None
    section: str = ""
    digest: bytes = b""
    numbered: bool = True
    tasks: tuple[Task, ...] = ()
    assigned: tuple[Who, ...] = ()
    ended_at: datetime | None = None

    def standing(self, step: str) -> tuple[Task, ...]:
        """The tasks that count for a step."""
        return tuple(each for each in self.tasks if each.step == step and each.stands)

    def task(self, task_id: int) -> Task:
        """A task by its number.

        Raises:
            InvalidField: There is none.
        """
        if not 1 <= task_id <= len(self.tasks):
            raise InvalidField("The letter has no such task.", field="task")
        return self.tasks[task_id - 1]

    @property
    def current(self) -> Step | None:
        """The step that it is in; None when it is through or ended."""
        if self.ended_at is not None:
            return None
        return next((step for step in self.chain.steps if not self.is_through(step)), None)

    def is_through(self, step: Step) -> bool:
        """Whether a step is done as the letter is now."""
        tasks = self.standing(step.name)
        if not tasks:
            return step.kind in (Kind.SIGN, Kind.NUMBER) and not people_of(self, step)
        return all(self._counts(step, each) for each in tasks)

    def _counts(self, step: Step, task: Task) -> bool:
        """A call lets the chain go on, but never stands in for an approval that the law asks for."""
        if task.outcome is Outcome.DONE:
            return True
        by_law = step.kind is Kind.SIGN and any(who.role in self.approvers for who in task.whos)
        return task.outcome is Outcome.PROVISIONAL and not by_law

    @property
    def open_tasks(self) -> tuple[Task, ...]:
        """What people still have to do, confirmations of calls included."""
        if self.ended_at is not None:
            return tuple(each for each in self.tasks if each.stands and each.waits_for_confirmation)
        return tuple(
            each for each in self.tasks if each.stands and (each.is_open or each.waits_for_confirmation)
        )


@dataclass(frozen=True, slots=True)
class Clocked:
    """What a transition is timed by."""

    now: datetime
    calendar: Calendar

    def due(self, limit: Limit | None) -> datetime | None:
        """When a limit that begins now ends; None without one."""
        if limit is None:
            return None
        # the arithmetic of obligations is the one arithmetic of limits
        clock = Obligation("", "", 1, "", "", 0, "", limit, self.now, self.now)
        return due_time(clock, self.calendar)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and whether in another's place.

    Attributes:
        person: Who, in the role acted in.
        acting_for: The absent person, None for oneself.
    """

    person: Person
    acting_for: Person | None = None


# -- who ------------------------------------------------------------------------------------------


def people_of(document: Document, step: Step) -> tuple[tuple[Who, ...], ...]:
    """Who does a step: one entry for each task, each with those of whom any one may do it."""
    if step.kind is Kind.SIGN and document.approvers:
        asked = [(_of_section(document, role, step),) for role in document.approvers]
        further = [(_resolved(document, who),) for who in step.each if who.role not in document.approvers]
        return (*asked, *further)
    if step.each:
        return tuple(whos for who in step.each if (whos := _spread(document, who)))
    if step.kind is Kind.NUMBER and not (step.by and document.numbered):
        return ((Who("registry-clerk"),),) if document.numbered else ()
    if step.by == (Who(ASSIGNED),):
        return tuple((who,) for who in document.assigned)
    whos = tuple(each for who in step.by for each in _spread(document, who))
    return (whos,) if whos else ()


def _of_section(document: Document, role: str, step: Step) -> Who:
    """An approver of the law's, of the section that the chain names for the role."""
    named = next((who for who in (*step.by, *step.each) if who.role == role), Who(role))
    return _resolved(document, named)


def _resolved(document: Document, who: Who) -> Who:
    return replace(who, section=document.section) if who.section == OWN_SECTION else who


def _spread(document: Document, who: Who) -> tuple[Who, ...]:
    if who.role == DRAFTER:
        return (Who(subject=document.drafter.subject),) if document.drafter else ()
    if who.role == ASSIGNED:
        return document.assigned
    return (_resolved(document, who),)
