"""Reading and voiding numbers: every number of a series is a letter's, reserved, or void with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases.handling import store
from services.cases.handling import tables as handling_tables
from services.cases.handling.documents import Moved
from services.cases.handling.store import Event, Kept
from services.common.clock import from_microseconds
from services.common.errors import InvalidField
from services.exchange import numbers, tables
from services.exchange.actors import ActorFacts
from services.exchange.numbers import number_text
from services.exchange.session import DepartmentSession
from services.procedures import handling
from services.procedures.chain import Direction
from services.procedures.document import Actor, Person

if TYPE_CHECKING:
    from services.cases.desk import DeskSession

RESERVED: Final = "RESERVED"
LETTER: Final = "LETTER"
REGISTERED: Final = "REGISTERED"
VOID: Final = "VOID"
LOST: Final = "UNSPECIFIED"
"""What a number would be that was issued and is nowhere; a test looks for one."""


class Number(NamedTuple):
    """A number and what it is."""

    number: str
    running: int
    state: str
    owner: str
    reason: str = ""
    voided_at: datetime | None = None


def last_number(connection: Connection, word: str, year: int) -> int:
    """The last number that was issued in a series and year; 0 before the first."""
    counters = tables.numbers.c
    query = sa.select(counters.last).where(counters.series == word, counters.year == year)
    return int(connection.execute(query).scalar() or 0)


def numbers_of(connection: Connection, word: str, year: int, after: int, limit: int) -> list[Number]:
    """The numbers of a series and year, from one on."""
    last = min(last_number(connection, word, year), after + limit)
    running = {number_text(word, year, each): each for each in range(after + 1, last + 1)}
    asked = list(running)
    letters, reserved, void = tables.letters.c, tables.reserved_numbers.c, tables.void_numbers.c
    found: dict[str, Number] = {}
    for number, letter_id in connection.execute(
        sa.select(letters.number, letters.letter_id).where(letters.number.in_(asked), letters.number != "")
    ):
        # an own letter has the number, whatever letters of others are called
        found[number] = Number(number, running[number], LETTER, letter_id)
    documents = handling_tables.documents
    for number, owner, direction in connection.execute(
        sa.select(reserved.number, reserved.owner, documents.c.direction)
        .outerjoin(documents, documents.c.document_id == reserved.owner)
        .where(reserved.number.in_(asked))
    ):
        state = REGISTERED if direction == Direction.INBOUND else RESERVED
        found[number] = Number(number, running[number], state, owner)
    for row in connection.execute(sa.select(tables.void_numbers).where(void.number.in_(asked))):
        voided_at = from_microseconds(row.voided_at_us)
        found[row.number] = Number(
            row.number, running[row.number], VOID, row.letter_id, row.reason, voided_at
        )
    return [found.get(each, Number(each, running[each], LOST, "")) for each in asked]


def void_number(
    session: DepartmentSession,
    desk: DeskSession,
    document_id: str,
    number: str,
    reason: str,
    actor: ActorFacts,
) -> Kept:
    """Void the number of a document that was not sent; its step that numbers is open again.

    Raises:
        NotFound: No such document.
        InvalidField: It has another number, or is a letter by now, or arrived.
    """
    kept = store.by_id(session.connection, document_id)
    if not kept.number or kept.number != number:
        raise InvalidField("That is not the document's number.", field="number")
    if kept.state != store.OPEN or kept.direction is not Direction.OUTBOUND:
        raise InvalidField("The number is a letter's by now.", field="number")
    documents = desk.documents
    person = Actor(Person(actor.subject, actor.name, actor.role))
    reopened = handling.reopen_number(kept.document, documents.clock)
    numbers.void(session, number, kept.document.id, reason)
    event = Event("number-voided", person, note=f"{number}: {reason}")
    return documents.save(Moved(replace(kept, document=reopened, number=""), (event,)), numbering=False)
