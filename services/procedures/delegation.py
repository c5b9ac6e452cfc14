"""Who may do a task: in their own right, or for somebody absent (授权代办) within a period and for some acts.

A delegate acts in the absent person's role only within the delegation: whoever has a role by delegation alone
is refused in it outside, also where their assertion gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.procedures.chain import Who
from services.procedures.document import Actor, Person, Task


@dataclass(frozen=True, slots=True)
class Delegation:
    """Somebody acts for an absent person.

    Attributes:
        id: Counts the department's delegations.
        absent: Who is absent, in the role that is delegated.
        section: The absent person's.
        delegate: Who acts.
        since: From when.
        until: Until when, exclusive.
        scope: `procedure` or `procedure/act`; empty for all.
        holds_role: The delegate has the role also in their own right.
    """

    id: int
    absent: Person
    section: str
    delegate: Person
    since: datetime
    until: datetime
    scope: tuple[str, ...] = ()
    holds_role: bool = False

    def in_effect(self, at: datetime) -> bool:
        """Whether it holds at a time."""
        return self.since <= at < self.until

    def covers(self, procedure: str, act: str) -> bool:
        """Whether it is for an act."""
        return not self.scope or procedure in self.scope or f"{procedure}/{act}" in self.scope


@dataclass(frozen=True, slots=True)
class Standing:
    """Who somebody is in the department.

    Attributes:
        person: As the assertion names them, in their first role.
        roles: What the assertion gives.
        section: Theirs, as the directory says; empty if it does not.
        delegations: Made to them, ended ones too.
    """

    person: Person
    roles: frozenset[str]
    section: str = ""
    delegations: tuple[Delegation, ...] = ()

    @property
    def own_roles(self) -> frozenset[str]:
        """The roles held in one's own right."""
        delegated = {each.absent.role for each in self.delegations if not each.holds_role}
        return self.roles - delegated

    def in_effect(self, at: datetime) -> tuple[Delegation, ...]:
        """The delegations that hold at a time."""
        return tuple(each for each in self.delegations if each.in_effect(at))


def actor_for(
    task: Task, standing: Standing, procedure: str, act: str, at: datetime, role: str = ""
) -> Actor | None:
    """As whom somebody may do a task; None if they may not.

    Args:
        task: The task.
        standing: Who asks.
        procedure: Of the document.
        act: Of the document.
        at: Now.
        role: Only in this role, where it is given.
    """
    if task.waits_for_confirmation and task.call is not None:
        own = task.call.approver.subject == standing.person.subject
        return (
            Actor(Person(standing.person.subject, standing.person.name, task.call.approver.role))
            if own
            else None
        )
    for who in task.whos:
        if role in ("", who.role) and _own(who, standing):
            person = standing.person
            return Actor(Person(person.subject, person.name, who.role or person.role))
    for each in standing.in_effect(at):
        reaches = each.covers(procedure, act) and role in ("", each.absent.role)
        if reaches and any(_delegated(who, each) for who in task.whos):
            person = standing.person
            return Actor(Person(person.subject, person.name, each.absent.role), each.absent)
    return None


def _own(who: Who, standing: Standing) -> bool:
    if who.subject:
        return who.subject == standing.person.subject
    if not who.role:
        return bool(who.section) and who.section == standing.section
    return who.role in standing.own_roles and who.section in ("", standing.section)


def _delegated(who: Who, delegation: Delegation) -> bool:
    if who.subject:
        return who.subject == delegation.absent.subject and who.role in ("", delegation.absent.role)
    return who.role == delegation.absent.role and who.section in ("", delegation.section)


def keys_of(who: Who) -> str:
    """What an open task is found under: a person, a role, a section, or a role of a section."""
    if who.subject:
        return f"p:{who.subject}"
    return f"r:{who}"


def task_keys(task: Task) -> tuple[str, ...]:
    """Everything that an open task is found under."""
    if task.waits_for_confirmation and task.call is not None:
        return (f"p:{task.call.approver.subject}",)
    if task.taken_by is not None:
        return (f"p:{task.taken_by.subject}",)
    return tuple(dict.fromkeys(keys_of(each) for each in task.whos))


def own_keys(standing: Standing) -> tuple[str, ...]:
    """Under which keys somebody finds what is theirs to do."""
    section = (keys_of(Who(section=standing.section)),) if standing.section else ()
    roles = _role_keys(sorted(standing.own_roles), standing.section)
    return (f"p:{standing.person.subject}", *section, *roles)


def delegated_keys(delegation: Delegation) -> tuple[str, ...]:
    """Under which keys a delegate finds what is the absent person's to do."""
    absent = delegation.absent
    return (f"p:{absent.subject}", *_role_keys((absent.role,), delegation.section))


def _role_keys(roles: Iterable[str], section: str) -> Sequence[str]:
    keys = []
    for role in roles:
        keys.append(f"r:{role}")
        if section:
            keys.append(f"r:{role}@{section}")
    return keys
