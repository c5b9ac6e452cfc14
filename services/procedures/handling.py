"""What moves a letter on in its chain: a new value for each thing that people do.

Everything that people agreed to names the digest of the content: when the content changes, what was agreed
on another digest no longer stands, and the letter goes back to the first step that has to be done again. So
a letter that is through its chain was agreed to, by everyone it needed, as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.common.errors import InvalidField, LimitExceeded
from services.procedures.chain import AGREEING, Kind, Power, Step, Who
from services.procedures.document import (
    Actor,
    Call,
    Clocked,
    Document,
    NotYourStep,
    Outcome,
    Person,
    StepOpen,
    Task,
    people_of,
)

TASKS: Final = 200
"""Tasks of one letter, those that no longer stand included, after which it is not sent round any more."""


def start(document: Document, clock: Clocked) -> Document:
    """Put a new letter on its chain. What was drafted is drafted: an outbound letter begins behind it."""
    begun = _advance(document, clock)
    if document.drafter is not None:
        for task in begun.open_tasks:
            begun = _close(begun, task, Outcome.DONE, Actor(document.drafter), clock, "")
        begun = _advance(begun, clock)
    return begun


def take(document: Document, task_id: int, actor: Actor, clock: Clocked) -> Document:
    """Take a task up: nobody else does it then.

    Raises:
        StepOpen: It is not open.
        NotYourStep: Somebody else took it.
    """
    task = _open_task(document, task_id)
    _check_taken(task, actor)
    if task.taken_by is not None:
        return document
    return _put(document, replace(task, taken_by=actor.person, taken_at=clock.now))


def complete(
    document: Document,
    task_id: int,
    actor: Actor,
    clock: Clocked,
    *,
    note: str = "",
    assigned: Sequence[Who] = (),
) -> Document:
    """Do a task; the next step begins when it was the last of its own.

    Raises:
        StepOpen: It is not open.
        NotYourStep: Somebody else took it, or agreed to another part of the step already.
        InvalidField: A dispatch names nobody.
    """
    task = _open_task(document, task_id)
    _check_taken(task, actor)
    step = document.chain.step(task.step)
    # as many signatures take as many persons, also where one of them has two roles or acts for another
    if step.kind is Kind.SIGN and any(
        each.done_by is not None and each.done_by.subject == actor.person.subject
        for each in document.standing(step.name)
    ):
        raise NotYourStep("You have signed already; another person signs here.", field="task")
    if step.kind is Kind.DISPATCH:
        if not assigned:
            raise InvalidField("Name the section or person that handles it.", field="assigned")
        section = next((who.section for who in assigned if who.section), document.section)
        document = replace(document, assigned=tuple(assigned), section=section)
    done = _close(document, task, Outcome.DONE, actor, clock, note)
    return _advance(done, clock)


def answer(document: Document, actor: Actor, clock: Clocked, note: str) -> Document:
    """What has the present step done, whoever took it up: an own act that answers the letter was recorded."""
    step = document.current
    for task in document.standing(step.name) if step else ():
        if task.is_open:
            document = _close(document, task, Outcome.DONE, actor, clock, note)
    return _advance(document, clock)


def give_back(
    document: Document, task_id: int, to: str, reason: str, actor: Actor, clock: Clocked
) -> Document:
    """Return the letter to an earlier step, by default the first; what came after it is done again.

    Raises:
        StepOpen: The task is not open.
        InvalidField: That step is not an earlier one, or this one may not return.
        LimitExceeded: The letter went round too often.
    """
    task = _open_task(document, task_id)
    step = document.chain.step(task.step)
    if Power.RETURN not in step.powers:
        raise InvalidField("Nothing is returned from this step.", field="task")
    target = to or document.chain.steps[0].name
    names = [each.name for each in document.chain.steps]
    if target not in names[: names.index(step.name)]:
        raise InvalidField("Only an earlier step can be returned to.", field="to_step")
    _check_room(document)
    returned = _close(document, task, Outcome.RETURNED, actor, clock, reason)
    return _advance(_undo(returned, names[names.index(target) :]), clock)


def redraft(document: Document, digest: bytes, actor: Actor, clock: Clocked) -> Document:
    """Take a changed content; agreements on another digest no longer stand."""
    first, *rest = document.chain.steps
    fallen = {each.step for each in document.tasks if each.stands and each.digest not in (b"", digest)}
    drafted = next((each for each in document.standing(first.name) if each.is_open), None)
    if drafted is not None:
        document = _close(document, drafted, Outcome.DONE, actor, clock, "")
    document = replace(document, digest=digest)
    begin = next((index for index, step in enumerate(rest) if step.name in fallen), len(rest))
    later = [step.name for step in rest[begin:]]
    if drafted is None and not later:
        # nobody agreed to anything yet: whoever has the letter goes on with the new content
        return _advance(document, clock)
    return _advance(_undo(document, later), clock)


def add_signer(document: Document, task_id: int, who: Who, actor: Actor, clock: Clocked) -> Document:
    """Ask one more to agree in the same step.

    Raises:
        StepOpen: The task is not open.
        InvalidField: Nobody is added in this step, or they are asked already.
    """
    task = _open_task(document, task_id)
    step = document.chain.step(task.step)
    if Power.ADD_SIGNER not in step.powers:
        raise InvalidField("Nobody is added in this step.", field="task")
    if step.kind is Kind.SIGN and not who.role:
        raise InvalidField("Who signs does so in a role; name it.", field="who")
    if any(each.whos == (who,) for each in document.standing(step.name)):
        raise InvalidField("They are asked already.", field="who")
    _check_room(document)
    return _begin(document, step, (who,), clock, added_by=actor.person.name)


def hand_on(document: Document, task_id: int, who: Who, note: str, actor: Actor, clock: Clocked) -> Document:
    """Give a task to somebody else; its limit runs on.

    Raises:
        StepOpen: It is not open.
        InvalidField: Nothing is handed on in this step, or an approval to somebody of another role.
    """
    task = _open_task(document, task_id)
    step = document.chain.step(task.step)
    if Power.HAND_ON not in step.powers:
        raise InvalidField("Nothing is handed on in this step.", field="task")
    if step.kind is Kind.SIGN and who.role not in {each.role for each in task.whos}:
        raise InvalidField("An approval is handed on within its role.", field="who")
    _check_room(document)
    if step.kind is Kind.HANDLE:
        # who handles it now handles it also after a return
        assigned = tuple(who if (each,) == task.whos else each for each in document.assigned)
        document = replace(document, assigned=assigned)
    return _passed(document, task, who, note, actor, clock)


def hand_over(document: Document, before: str, after: Person, actor: Actor, clock: Clocked) -> Document:
    """Give whatever one person has to do with a letter to another, who takes their post.

    What only the person can do stays: to confirm what they said on the telephone.
    """
    for task in document.tasks:
        if not (task.stands and task.is_open):
            continue
        named = any(who.subject == before for who in task.whos)
        if task.taken_by is not None and task.taken_by.subject == before:
            named = True
        if named:
            role = next((who.role for who in task.whos if who.role), "")
            section = next((who.section for who in task.whos if who.section), "")
            successor = Who(role, section, after.subject)
            document = _passed(document, task, successor, "", actor, clock)
    if document.drafter is not None and document.drafter.subject == before:
        document = replace(document, drafter=replace(after, role=document.drafter.role))
    swap = {before: after.subject}
    return replace(
        document,
        assigned=tuple(replace(who, subject=swap.get(who.subject, who.subject)) for who in document.assigned),
    )


def called(
    document: Document,
    task_id: int,
    approver: Person,
    clerk: Person,
    at: datetime,
    words: str,
    clock: Clocked,
) -> Document:
    """Note that somebody agreed by telephone; it is provisional until they confirm it.

    Raises:
        StepOpen: The task is not open.
        InvalidField: Nobody agrees by telephone in this step, or the call lies ahead.
    """
    task = _open_task(document, task_id)
    step = document.chain.step(task.step)
    if Power.PHONE not in step.powers:
        raise InvalidField("Nobody agrees by telephone in this step.", field="task")
    if at > clock.now:
        raise InvalidField("The call lies ahead.", field="called_at")
    if approver.subject == clerk.subject:
        raise InvalidField("Whoever takes a call does not make it.", field="approver")
    confirm_by = clock.due(step.confirm_within)
    assert confirm_by is not None
    noted = replace(
        task,
        outcome=Outcome.PROVISIONAL,
        done_by=approver,
        done_at=clock.now,
        digest=document.digest,
        note=words,
        call=Call(approver, clerk, at, words, confirm_by),
    )
    return _advance(_put(document, noted), clock)


def confirm(document: Document, task_id: int, actor: Actor, denied: str, clock: Clocked) -> Document:
    """Confirm, or deny, what was said on the telephone; only the person who said it can.

    What was denied was never agreed to: unless the letter is gone, its step is open again.

    Raises:
        StepOpen: Nothing is to be confirmed.
        NotYourStep: Somebody else was on the telephone.
    """
    task = document.task(task_id)
    call = task.call
    if call is None or not task.waits_for_confirmation or not task.stands:
        raise StepOpen("There is no call to confirm here.", field="task")
    if actor.person.subject != call.approver.subject:
        raise NotYourStep("Only who was on the telephone confirms it.", field="task")
    if denied:
        document = _put(document, replace(task, call=replace(call, denied=denied), stands=False))
        if document.ended_at is not None:
            return document
        names = [each.name for each in document.chain.steps]
        document = _undo(document, names[names.index(task.step) + 1 :])
        step = document.chain.step(task.step)
        return _begin(document, step, task.whos, clock, added_by=task.added_by)
    confirmed = replace(
        task, outcome=Outcome.DONE, call=replace(call, confirmed_at=clock.now), done_at=clock.now
    )
    return _advance(_put(document, confirmed), clock)


def reopen_number(document: Document, clock: Clocked) -> Document:
    """The number was voided: the step that issues it is to be done again; later ones stay as they are."""
    step = next((each for each in document.chain.steps if each.kind is Kind.NUMBER), None)
    if step is None:
        return document
    return _advance(_undo(document, [step.name], also_open_later=True), clock)


def end(document: Document, clock: Clocked) -> Document:
    """The letter was sent or dropped: nothing of it is left to do."""
    for task in document.tasks:
        if task.stands and task.is_open:
            document = _put(document, replace(task, outcome=Outcome.VOID, stands=False))
    return replace(document, ended_at=clock.now)


# -- steps of a transition ------------------------------------------------------------------------


def _check_room(document: Document) -> None:
    """People can let a letter go round; not for ever."""
    if len(document.tasks) >= TASKS:
        raise LimitExceeded(f"A letter has at most {TASKS} tasks.", field="task")


def _open_task(document: Document, task_id: int) -> Task:
    task = document.task(task_id)
    if not task.is_open or not task.stands or document.ended_at is not None:
        raise StepOpen("The task is not open; read the letter again.", reason="STALE", field="task")
    return task


def _check_taken(task: Task, actor: Actor) -> None:
    theirs = {actor.person.subject, actor.acting_for.subject if actor.acting_for else ""}
    if task.taken_by is not None and task.taken_by.subject not in theirs:
        raise NotYourStep(f"{task.taken_by.name} took it up.", field="task")


def _put(document: Document, task: Task) -> Document:
    tasks = (*document.tasks[: task.id - 1], task, *document.tasks[task.id :])
    return replace(document, tasks=tasks)


def _close(
    document: Document, task: Task, outcome: Outcome, actor: Actor, clock: Clocked, note: str
) -> Document:
    kind = document.chain.step(task.step).kind
    agreed = kind in AGREEING and outcome is Outcome.DONE
    return _put(
        document,
        replace(
            task,
            outcome=outcome,
            done_by=actor.person,
            acting_for=actor.acting_for,
            done_at=clock.now,
            digest=document.digest if agreed else b"",
            note=note,
            stands=task.stands and outcome is Outcome.DONE,
        ),
    )


def _passed(document: Document, task: Task, who: Who, note: str, actor: Actor, clock: Clocked) -> Document:
    step = document.chain.step(task.step)
    passed = _close(document, task, Outcome.HANDED_ON, actor, clock, note)
    return _begin(passed, step, (who,), clock, due_at=task.due_at, added_by=task.added_by)


def _begin(
    document: Document,
    step: Step,
    whos: tuple[Who, ...],
    clock: Clocked,
    *,
    due_at: datetime | None = None,
    added_by: str = "",
) -> Document:
    task = Task(
        len(document.tasks) + 1,
        step.name,
        whos,
        clock.now,
        clock.due(step.within) if due_at is None else due_at,
        added_by=added_by,
    )
    return replace(document, tasks=(*document.tasks, task))


def _undo(document: Document, steps: Sequence[str], *, also_open_later: bool = False) -> Document:
    """Let the tasks of these steps stand no longer; what nobody did is void.

    Args:
        document: The letter.
        steps: Whose tasks fall.
        also_open_later: Close also the open tasks of later steps, which begin anew when it is their turn.
    """
    last = max((document.chain.index(name) for name in steps), default=0)
    for task in document.tasks:
        if not task.stands:
            continue
        later_open = also_open_later and task.is_open and document.chain.index(task.step) > last
        if task.step in steps or later_open:
            outcome = Outcome.VOID if task.is_open else task.outcome
            document = _put(document, replace(task, outcome=outcome, stands=False))
    return document


def _advance(document: Document, clock: Clocked) -> Document:
    """Begin the step that is next, if it has not begun."""
    step = document.current
    if step is None:
        last = document.chain.steps[-1].kind
        return end(document, clock) if last is Kind.DONE and document.ended_at is None else document
    if document.standing(step.name):
        return document
    for whos in people_of(document, step):
        document = _begin(document, step, whos, clock)
    return document
