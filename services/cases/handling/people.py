"""Who somebody is in the department: by the assertion, the directory's list of people, and delegations."""

from __future__ import annotations

from sqlalchemy import Connection

from services.cases.handling import store
from services.exchange.actors import ActorFacts
from services.exchange.directory import Directory
from services.procedures.delegation import Standing
from services.procedures.document import Person


def section_of(directory: Directory, department: str, subject: str) -> str:
    """Somebody's section, as the directory says; empty if it does not."""
    person = directory.people.get((department, subject))
    return person.section if person is not None and not person.retired else ""


def standing_of(connection: Connection, directory: Directory, department: str, actor: ActorFacts) -> Standing:
    """Who somebody is here."""
    return Standing(
        Person(actor.subject, actor.name, actor.role),
        actor.roles,
        section_of(directory, department, actor.subject),
        store.delegations_to(connection, actor.subject),
    )
