"""Whose work is where: what waits for a person, and what a person waits for. Every list by an index, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases.handling import store, tables
from services.common.clock import microseconds
from services.procedures.chain import AGREEING, Direction, Kind
from services.procedures.delegation import Delegation, Standing, delegated_keys, own_keys

APPROVING: Final = (*sorted(AGREEING), Kind.INSTRUCT.value, store.CONFIRM)
"""Kinds of tasks that wait for somebody's agreement."""
SIGNING_FOR: Final = (Kind.SIGN_FOR.value,)


class Place(NamedTuple):
    """Where a page of work ends."""

    due_at_us: int
    document_id: str
    task: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits for somebody.

    Attributes:
        delegation: Under which it may be done in another's place; None in one's own right.
    """

    place: Place
    delegation: Delegation | None


def waiting_for(
    connection: Connection,
    standing: Standing,
    kinds: Sequence[str],
    after: Place | None,
    limit: int,
    now: datetime,
    *,
    overdue: bool = False,
    due_from: datetime | None = None,
    due_before: datetime | None = None,
    document_id: str = "",
) -> list[Waiting]:
    """Open tasks that somebody may do, in their own right or for an absent person; what is due first is first.

    Args:
        connection: Inside a transaction.
        standing: Who asks.
        kinds: Only tasks of these kinds; all if empty.
        after: The place after which the page begins.
        limit: At most so many.
        now: The time.
        overdue: Only what is overdue.
        due_from: Only what is due then or later.
        due_before: Only what is due earlier.
        document_id: Only of this document.
    """
    queue = tables.queue.c
    found: dict[Place, Waiting] = {}
    for keys, delegation in _lanes(standing, now):
        query = (
            sa.select(queue.due_at_us, queue.document_id, queue.task)
            .where(queue.key.in_(keys))
            .distinct()
            .order_by(queue.due_at_us, queue.document_id, queue.task)
            .limit(limit)
        )
        if delegation is not None:
            query = query.where(queue.kind != store.CONFIRM, *_scope(delegation))
        if kinds:
            query = query.where(queue.kind.in_(kinds))
        if overdue:
            query = query.where(queue.due_at_us <= microseconds(now))
        if due_from is not None:
            query = query.where(queue.due_at_us >= microseconds(due_from))
        if due_before is not None:
            query = query.where(queue.due_at_us < microseconds(due_before))
        if document_id:
            query = query.where(queue.document_id == document_id)
        if after is not None:
            query = query.where(sa.tuple_(queue.due_at_us, queue.document_id, queue.task) > sa.tuple_(*after))
        for row in connection.execute(query):
            place = Place(*row)
            found.setdefault(place, Waiting(place, delegation))
    return [found[place] for place in sorted(found)][:limit]


def _lanes(standing: Standing, now: datetime) -> list[tuple[tuple[str, ...], Delegation | None]]:
    lanes: list[tuple[tuple[str, ...], Delegation | None]] = [(own_keys(standing), None)]
    return lanes + [(delegated_keys(each), each) for each in standing.in_effect(now)]


def _scope(delegation: Delegation) -> list[sa.ColumnElement[bool]]:
    if not delegation.scope:
        return []
    queue = tables.queue.c
    whole = [each for each in delegation.scope if "/" not in each]
    acts = [each for each in delegation.scope if "/" in each]
    return [sa.or_(queue.procedure.in_(whole), (queue.procedure + "/" + queue.act).in_(acts))]


def cases_of(connection: Connection, waiting: Sequence[Waiting]) -> set[str]:
    """The cases of what waits."""
    ids = [each.place.document_id for each in waiting]
    columns = tables.documents.c
    return set(connection.execute(sa.select(columns.case_id).where(columns.document_id.in_(ids))).scalars())


def waits_for_others(standing: Standing, now: datetime, *, overdue: bool = False) -> sa.Select[Any]:
    """Open documents in which somebody took part and has nothing to do now."""
    documents, queue = tables.documents.c, tables.queue.c
    mine = sa.exists().where(queue.document_id == documents.document_id, queue.key.in_(own_keys(standing)))
    query = _taken_part(standing).where(documents.state == store.OPEN, ~mine)
    return query.where(documents.due_at_us <= microseconds(now)) if overdue else query


def sent(standing: Standing) -> sa.Select[Any]:
    """Documents in which somebody took part and that were sent."""
    documents = tables.documents.c
    return _taken_part(standing).where(
        documents.state == store.DONE, documents.direction == Direction.OUTBOUND
    )


def _taken_part(standing: Standing) -> sa.Select[Any]:
    participants = tables.participants.c
    return (
        sa.select(tables.documents)
        .join(tables.participants, participants.document_id == tables.documents.c.document_id)
        .where(participants.subject == standing.person.subject)
    )


def newest(connection: Connection, asked: sa.Select[Any], before: str, limit: int) -> list[Any]:
    """A page of documents that are asked for, newest first."""
    participants = tables.participants.c
    # by the participants' key: it walks what was somebody's, newest first, and stops when the page is full
    query = asked.order_by(participants.document_id.desc()).limit(limit)
    if before:
        query = query.where(participants.document_id < before)
    return list(connection.execute(query))


def count(connection: Connection, asked: sa.Select[Any], limit: int) -> int:
    """How many documents are asked for, at most so many."""
    some = asked.with_only_columns(tables.documents.c.document_id).limit(limit).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def documents_page(
    connection: Connection, case_id: str, direction: str, state: str, before: str, limit: int
) -> list[Any]:
    """Rows of documents, newest first."""
    documents = tables.documents.c
    query = sa.select(tables.documents).order_by(documents.document_id.desc()).limit(limit)
    if case_id:
        query = query.where(documents.case_id == case_id)
    if direction:
        query = query.where(documents.direction == direction)
    if state:
        query = query.where(documents.state == state)
    if before:
        query = query.where(documents.document_id < before)
    return list(connection.execute(query))


def by_ids(connection: Connection, document_ids: Sequence[str]) -> dict[str, store.Kept]:
    """Documents by id."""
    rows = connection.execute(
        sa.select(tables.documents).where(tables.documents.c.document_id.in_(list(document_ids)))
    ).all()
    return {row.document_id: store.kept(connection, row) for row in rows}
