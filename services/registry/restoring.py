"""After a restore: the ledger is held, and then either whole again or opened anew (docs/operations.md).

Held, it takes nothing: letters are put off, entries and joins are refused for the time being. Reading, delivery
and proofs go on. That it is held stands in the head's row, which every append locks: one command holds all
replicas, from the next group on, and no memory of any of them has to know.

Each step runs in a transaction of its caller, under the head's lock.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from sqlalchemy import Connection

from services.common.clock import Clock, from_microseconds
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.registry import ledger, tables
from services.registry.admission import AdmissionSession
from services.registry.ledger import Head
from services.registry.publishing import changing, publication
from services.registry.replica import Replica


class NotHeld(LiandongError):
    """The ledger takes letters: hold it first, and bring back what can be brought back."""

    code = "FAILED_PRECONDITION"


class WrongEpoch(LiandongError):
    """The next epoch has another number."""

    code = "FAILED_PRECONDITION"


def hold(connection: Connection, clock: Clock) -> Head:
    """Take no letters from now on; of a ledger that is held already, since then."""
    head, _ = ledger.lock_head(connection, clock.now())
    if head.held_since_us is None:
        # the clock of the head, which never goes back: the outage of this time is told by it
        _set(connection, held_since_us=head.admitted_at_us)
    return ledger.read_head(connection)


def release(connection: Connection, replica: Replica, clock: Clock) -> Head:
    """Take letters again, in the same epoch: for a ledger that has everything that was ever signed.

    Raises:
        NotHeld: It takes letters.
    """
    head, _ = ledger.lock_head(connection, clock.now())
    since = _held(head)
    _set(connection, held_since_us=None)
    _publish(connection, replica, clock, since, ())
    return ledger.read_head(connection)


def open_epoch(connection: Connection, replica: Replica, clock: Clock, number: int) -> Head:
    """Take letters again in a new epoch: for a ledger that lost what cannot be brought back.

    The first leaf of the epoch is the registry's identity with the new number.

    Args:
        connection: The transaction.
        replica: This process's view of the ledger, as of before.
        clock: The time.
        number: Of the epoch to be opened; asked for so that a repeated command opens no second one.

    Raises:
        NotHeld: The ledger takes letters.
        WrongEpoch: The next epoch has another number.
    """
    head, _ = ledger.lock_head(connection, clock.now())
    since = _held(head)
    if number != head.epoch + 1:
        raise WrongEpoch(f"The ledger is at epoch {head.epoch}; the next one is {head.epoch + 1}.")
    _set(connection, held_since_us=None, epoch=number)
    identity = directory_pb.CommonEntry(registry=replica.directory.registry())
    identity.registry.epoch = number
    _publish(connection, replica, clock, since, (identity,))
    return ledger.read_head(connection)


def _held(head: Head) -> datetime:
    if head.held_since_us is None:
        raise NotHeld
    return from_microseconds(head.held_since_us)


def _set(connection: Connection, **values: int | None) -> None:
    connection.execute(sa.update(tables.ledger_head).where(tables.ledger_head.c.id == 1).values(**values))


def _publish(
    connection: Connection,
    replica: Replica,
    clock: Clock,
    since: datetime,
    entries: tuple[directory_pb.CommonEntry, ...],
) -> None:
    """Append entries, and the outage of everybody's link that ends now: nobody is late for it."""

    def outage(_directory: Directory, now: datetime) -> directory_pb.CommonEntry:
        return directory_pb.CommonEntry(outage=directory_pb.Outage(since=_stamp(since), until=_stamp(now)))

    session = AdmissionSession(connection, replica, clock)
    for entry in entries:
        session.decide(publication(replica, entry))
    session.decide(changing(replica, outage))
    session.prepare()
    session.flush()


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
