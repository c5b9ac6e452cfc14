"""The SQL of document handling, and the stored form of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases.handling import tables
from services.cases.handling.seal_image import SealImage
from services.cases.handling.stored import dumps, loads
from services.common.clock import from_microseconds, microseconds
from services.common.errors import NotFound
from services.exchange import evidence_tables
from services.exchange.evidence_records import case_reader
from services.procedures.calendar import NEVER
from services.procedures.chain import IMPLICIT, Chain, Direction, Kind, Stated
from services.procedures.chain_source import load_chain
from services.procedures.delegation import Delegation, task_keys
from services.procedures.document import Actor, Document, Outcome, Person
from services.procedures.numbering import Series

OPEN: Final = "OPEN"
DONE: Final = "DONE"
DISCARDED: Final = "DISCARDED"
CONFIRM: Final = "confirm"
"""The kind under which a call that waits for its confirmation is queued."""

_NEVER_US: Final = microseconds(NEVER)


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it is stored.

    Attributes:
        title: What the letter's body gives as its title; empty if it gives none.
        number: Of one that goes out once it is signed, of one that arrived once it is registered.
        state: OPEN, DONE, DISCARDED.
        departments: Of the other side: the author of what arrived, the addressees of what goes out.
        letter_number: Of what arrived, the author's.
    """

    document: Document
    letter_id: str
    case_id: str
    direction: Direction
    procedure: str
    act: str
    chain_id: int
    started_at: datetime
    title: str = ""
    number: str = ""
    state: str = OPEN
    departments: tuple[str, ...] = ()
    letter_number: str = ""

    def with_document(self, document: Document) -> Kept:
        """The same with its document moved on."""
        return replace(self, document=document)

    @property
    def due_at(self) -> datetime | None:
        """When its most urgent open task is due."""
        dues = [each.due_at for each in self.document.open_tasks if each.due_at is not None]
        return min(dues) if dues else None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a document."""

    what: str
    actor: Actor
    step: str = ""
    task: int = 0
    note: str = ""


# -- documents ------------------------------------------------------------------------------------


def by_id(connection: Connection, document_id: str) -> Kept:
    """A document by its id, or its letter's.

    Raises:
        NotFound: There is none.
    """
    documents = tables.documents.c
    row = connection.execute(
        sa.select(tables.documents).where(
            sa.or_(documents.document_id == document_id, documents.letter_id == document_id)
        )
    ).first()
    if row is None:
        raise NotFound("No document of that id is here.", field="document_id")
    return kept(connection, row)


def by_letter(connection: Connection, letter_id: str) -> Kept | None:
    """The document of a letter, None if it has none."""
    row = connection.execute(
        sa.select(tables.documents).where(tables.documents.c.letter_id == letter_id)
    ).first()
    return None if row is None else kept(connection, row)


def open_inbound(connection: Connection, case_id: str) -> list[Kept]:
    """What arrived in a case and is not done."""
    documents = tables.documents.c
    rows = connection.execute(
        sa.select(tables.documents).where(
            documents.case_id == case_id, documents.state == OPEN, documents.direction == Direction.INBOUND
        )
    )
    return [kept(connection, row) for row in rows.all()]


def kept(connection: Connection, row: Any) -> Kept:
    """A document from its row."""
    chain = chain_of(connection, row.chain_id)
    return Kept(
        loads(row.folded, row.document_id, chain), row.letter_id, row.case_id, Direction(row.direction),
        row.procedure, row.act, row.chain_id, from_microseconds(row.started_at_us), row.title,
        row.number, row.state, tuple(row.departments.split()), row.letter_number,
    )  # fmt: skip


def save(connection: Connection, each: Kept, events: Sequence[Event], now: datetime) -> None:
    """Write a document, what it waits for, and what happened to it."""
    document, documents = each.document, tables.documents
    step, due = document.current, each.due_at
    values = {
        "letter_id": each.letter_id,
        "case_id": each.case_id,
        "title": each.title,
        "state": each.state,
        "step": step.name if step else "",
        "due_at_us": microseconds(due) if due else None,
        "number": each.number,
        "departments": " ".join(each.departments),
        "ended_at_us": microseconds(document.ended_at) if document.ended_at else None,
        "folded": dumps(document),
    }
    written = connection.execute(
        documents.update().where(documents.c.document_id == document.id).values(**values)
    )
    if not written.rowcount:
        connection.execute(
            documents.insert().values(
                document_id=document.id, direction=each.direction, procedure=each.procedure, act=each.act,
                chain_id=each.chain_id, started_at_us=microseconds(each.started_at),
                letter_number=each.letter_number, **values,
            )
        )  # fmt: skip
    queue = tables.queue
    connection.execute(queue.delete().where(queue.c.document_id == document.id))
    rows = list(_queue_rows(each))
    if rows:
        connection.execute(queue.insert(), rows)
    if events:
        connection.execute(tables.events.insert(), [_event_row(document.id, event, now) for event in events])
    people = {event.actor.person.subject for event in events if event.actor.person.subject}
    if document.drafter is not None:
        people.add(document.drafter.subject)
    _note_participants(connection, document.id, people)


def _queue_rows(each: Kept) -> Iterable[Mapping[str, object]]:
    for task in each.document.open_tasks:
        confirming = task.waits_for_confirmation
        due = task.call.confirm_by if confirming and task.call else task.due_at
        for key in task_keys(task):
            yield {
                "key": key,
                "due_at_us": microseconds(due) if due else _NEVER_US,
                "document_id": each.document.id,
                "task": task.id,
                "kind": CONFIRM if confirming else each.document.chain.step(task.step).kind.value,
                "procedure": each.procedure,
                "act": each.act,
            }


def _event_row(document_id: str, event: Event, now: datetime) -> Mapping[str, object]:
    person, absent = event.actor.person, event.actor.acting_for
    return {
        "document_id": document_id, "at_us": microseconds(now), "subject": person.subject,
        "name": person.name, "role": person.role, "for_subject": absent.subject if absent else "",
        "for_name": absent.name if absent else "", "what": event.what, "step": event.step,
        "task": event.task, "note": event.note,
    }  # fmt: skip


def _note_participants(connection: Connection, document_id: str, people: Iterable[str]) -> None:
    participants = tables.participants
    wanted = set(people)
    known = set(
        connection.execute(
            sa.select(participants.c.subject).where(
                participants.c.document_id == document_id, participants.c.subject.in_(wanted)
            )
        ).scalars()
    )
    new = [{"subject": each, "document_id": document_id} for each in sorted(wanted - known)]
    if new:
        connection.execute(participants.insert(), new)


# -- chains ---------------------------------------------------------------------------------------


def stated(connection: Connection) -> tuple[Stated, ...]:
    """Every chain that the department stated, ended ones too."""
    return tuple(_stated(row) for row in connection.execute(sa.select(tables.chains)).all())


def chain_of(connection: Connection, chain_id: int) -> Chain:
    """A chain by its number; 0 is the implicit one."""
    if not chain_id:
        return IMPLICIT
    source: str = connection.execute(
        sa.select(tables.chains.c.source).where(tables.chains.c.id == chain_id)
    ).scalar_one()
    return load_chain(source)


def _stated(row: Any) -> Stated:
    until = None if row.until_us is None else from_microseconds(row.until_us)
    return Stated(
        row.id, load_chain(row.source), row.procedure, row.act, from_microseconds(row.since_us), until
    )


# -- delegations ----------------------------------------------------------------------------------


def delegations_to(connection: Connection, delegate: str) -> tuple[Delegation, ...]:
    """Every delegation that was made to somebody."""
    rows = connection.execute(
        sa.select(tables.delegations)
        .where(tables.delegations.c.delegate == delegate)
        .order_by(tables.delegations.c.id)
    )
    return tuple(delegation(row) for row in rows)


def delegation(row: Any) -> Delegation:
    """A delegation from its row."""
    return Delegation(
        row.id, Person(row.absent, row.absent_name, row.role), row.section,
        Person(row.delegate, row.delegate_name), from_microseconds(row.since_us),
        from_microseconds(row.until_us), tuple(row.scope.split("\n")) if row.scope else (), row.holds_role,
    )  # fmt: skip


# -- number series --------------------------------------------------------------------------------


def series(connection: Connection) -> tuple[Series, ...]:
    """Every number series that the department set, ended ones too."""
    return tuple(
        Series(
            row.id, row.word, Direction(row.direction), row.procedure, row.act, row.section,
            from_microseconds(row.since_us),
            None if row.until_us is None else from_microseconds(row.until_us),
        )
        for row in connection.execute(sa.select(tables.number_series)).all()
    )  # fmt: skip


# -- the seal -------------------------------------------------------------------------------------


def seal_of(connection: Connection, letter_id: str, digest: bytes) -> SealImage | None:
    """The picture of the seal on a letter: of the one in force when it was sealed, with this content.

    None where its chain has no such step, nobody did it, or no picture was in force.
    """
    found = by_letter(connection, letter_id)
    if found is None or found.direction is not Direction.OUTBOUND or found.document.digest != digest:
        return None
    document = found.document
    steps = [step for step in document.chain.steps if step.kind is Kind.SEAL]
    done = [
        each.done_at
        for step in steps
        for each in document.standing(step.name)
        if each.outcome is Outcome.DONE
    ]
    sealed = [each for each in done if each is not None]
    if not sealed or not all(document.is_through(step) for step in steps):
        return None
    at_us, images = microseconds(max(sealed)), tables.seal_images.c
    row = connection.execute(
        sa.select(tables.seal_images)
        .where(images.since_us <= at_us, sa.or_(images.until_us.is_(None), images.until_us > at_us))
        .order_by(images.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return SealImage(row.png, row.width_mm, row.width_mm * row.pixels_high / row.pixels_wide)


# -- beside a document ----------------------------------------------------------------------------


def count_attachments(connection: Connection, document_id: str) -> int:
    """How much lies beside a document."""
    query = sa.select(sa.func.count()).where(tables.attachments.c.document_id == document_id)
    return int(connection.execute(query).scalar_one())


def attachments(connection: Connection, document_id: str, case_id: str) -> list[Any]:
    """What lies beside a document of a case, in the order in which it came, with what its files are called and are."""
    columns, files, grants = (
        tables.attachments.c,
        evidence_tables.manifests.c,
        evidence_tables.manifest_grants.c,
    )

    def said(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Of the manifest whose holder let the people of the case read it; of several any."""
        return (
            sa.select(sa.func.max(column))
            .where(
                files.root == columns.root, grants.root == files.root, grants.holder == files.holder,
                grants.reader == case_reader(case_id),
            )
            .correlate(tables.attachments)
            .scalar_subquery()
            .label(column.name)
        )  # fmt: skip

    query = sa.select(
        tables.attachments, said(files.file_name), said(files.media_type), said(files.size)
    ).where(columns.document_id == document_id)
    return list(connection.execute(query.order_by(columns.at_us, columns.root)))


def history(connection: Connection, document_id: str) -> list[Any]:
    """What happened to a document, oldest first."""
    events = tables.events.c
    query = sa.select(tables.events).where(events.document_id == document_id).order_by(events.id)
    return list(connection.execute(query))
