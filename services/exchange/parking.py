"""Parked letters: admitted and verified, but not applied here yet.

A parked letter blocks its case: whatever of the case comes after it is parked behind it, own receipts
too, since a case is folded in ledger order or not at all. Trying again begins with the first and stops at
the first that still fails. Each is judged by the common entries of its own position, and Arrivals that
came meanwhile start the clocks that they would have started.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa
import structlog
from google.protobuf.message import DecodeError
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2, exchange_service_pb2
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.common.faults import database_errors
from services.exchange import tables
from services.exchange.delivered import Delivered, Place, Receipt
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.letters import open_letter, rebuild

if TYPE_CHECKING:
    from services.exchange.session import DepartmentSession

ATTEMPTS: Final = 12
"""After so many a letter waits for an operator."""
FIRST_PAUSE_US: Final = 60_000_000
_LONGEST_PAUSE_US: Final = 3_600_000_000

_log = structlog.get_logger(__name__)


class _Arrived(NamedTuple):
    received_at_us: int
    department: str
    position: int


def case_named(raw: bytes) -> str:
    """The case that a delivery names, as far as it can be made out; empty if it cannot."""
    try:
        delivery = exchange_service_pb2.Delivery.FromString(raw)
        header = envelope_pb2.Header.FromString(delivery.envelope.header)
        return envelope_pb2.ActContent.FromString(header.act.content).case_id
    except DecodeError:
        return ""


def retry(session: DepartmentSession, case_id: str) -> bool:
    """Apply the parked letters of a case again, in ledger order; says whether none is left.

    Letters of no case stand each for itself.
    """
    parked = tables.parked.c
    rows = session.connection.execute(
        sa.select(tables.parked).where(parked.case_id == case_id).order_by(parked.position)
    ).all()
    waiting: list[_Arrived] = []
    is_clear = True
    for row in rows:
        error = _apply(session, row, waiting)
        if error:
            _put_off(session, row, error)
            is_clear = False
            if case_id:
                break
        else:
            session.connection.execute(tables.parked.delete().where(parked.position == row.position))
    _arrive(session, waiting, None)
    return is_clear


def _apply(session: DepartmentSession, row: Any, waiting: list[_Arrived]) -> str:
    """Apply one parked letter; returns why it still cannot be."""
    try:
        delivered = _stored(session, row)
        letter = delivered.letter
        assert letter is not None
        _arrive(session, waiting, delivered.leaf.admitted_at_us)
        with _law_of(session, delivered.leaf.common_version):
            session.features[letter.kind].deliver(delivered)
    except database_errors():
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it stays in sight
        _log.warning("inbox.still_parked", letter_id=row.letter_id, case_id=row.case_id, exc_info=error)
        return f"{type(error).__name__}: {error}"[:500]
    if letter.facts is not None:
        waiting += _arrivals(session.connection, row.position, letter.facts.recipients)
    return ""


def _stored(session: DepartmentSession, row: Any) -> Delivered:
    """A parked letter as it was delivered: as it is kept, or if it could not be read then, from its bytes."""
    letters = tables.letters
    own = session.department.name
    kept = session.connection.execute(sa.select(letters).where(letters.c.position == row.position)).first()
    if kept is not None:
        leaf = Leaf(kept.position, kept.admitted_at_us, kept.common_version, kept.letter_digest)
        flags = tuple(kept.flags.split(",")) if kept.flags else ()
        letter = open_letter(rebuild(kept.header, kept.payload, kept.extras))
        receipt = Receipt(kept.letter_id, leaf, flags) if kept.author == own else None
        return Delivered(Place(row.position, row.position), leaf, letter, receipt, flags, kept.proof, b"")
    wire = exchange_service_pb2.Delivery.FromString(row.delivery)
    leaf = Leaf(
        wire.leaf.position, wire.leaf.admitted_at_us, wire.leaf.common_version, wire.leaf.letter_digest
    )
    letter = open_letter(wire.envelope)
    delivered = Delivered(
        Place(wire.cursor.at, wire.cursor.position), leaf, letter, None, tuple(wire.flags), row.proof, b""
    )
    session.inbox.keep(delivered, letter)
    return delivered


@contextmanager
def _law_of(session: DepartmentSession, version: int) -> Iterator[None]:
    """Let the session judge by the common entries of a letter's position."""
    newest = session.directory
    if version < newest.version:
        session.directory = directory_at(session.connection, newest.region, version)
    try:
        yield
    finally:
        session.directory = newest


def directory_at(connection: Connection, region: str, version: int) -> Directory:
    """The directory as it was at a common version."""
    entries = tables.common_entries.c
    directory = Directory.empty(region)
    for number, position, admitted_us, entry in connection.execute(
        sa.select(entries.version, entries.position, entries.admitted_at_us, entries.entry)
        .where(entries.version <= version)
        .order_by(entries.version)
    ):
        directory = directory.apply(
            directory_pb.CommonEntry.FromString(entry),
            version=number,
            position=position,
            admitted_at=from_microseconds(admitted_us),
        )
    return directory


def _arrivals(connection: Connection, position: int, departments: tuple[str, ...]) -> Iterator[_Arrived]:
    """The first Arrival of a letter by each of its addressees."""
    arrivals = tables.arrivals.c
    for department in departments:
        at = connection.execute(
            sa.select(arrivals.received_at_us)
            .where(
                arrivals.department == department, arrivals.last_at >= position, arrivals.first_at <= position
            )
            .order_by(arrivals.last_at)
            .limit(1)
        ).scalar()
        if at is not None:
            yield _Arrived(at, department, position)


def _arrive(session: DepartmentSession, waiting: list[_Arrived], until_us: int | None) -> None:
    """Hand on the Arrivals that came before a time, in their order."""
    waiting.sort()
    while waiting and (until_us is None or waiting[0].received_at_us <= until_us):
        at, department, position = waiting.pop(0)
        for feature in session.features.values():
            feature.arrived(department, [position], from_microseconds(at))


def _put_off(session: DepartmentSession, row: Any, error: str) -> None:
    attempts = row.attempts + 1
    pause = min(FIRST_PAUSE_US << min(attempts, ATTEMPTS), _LONGEST_PAUSE_US)
    session.connection.execute(
        tables.parked.update()
        .where(tables.parked.c.position == row.position)
        .values(
            attempts=attempts,
            error=error,
            next_attempt_us=microseconds(session.now) + pause if attempts < ATTEMPTS else None,
        )
    )
