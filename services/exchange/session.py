"""One attempt of one commit group of a department: what all kinds of letters share.

Letters, outbox, inbox, numbers and audit are here; cases and shared items take part as features, which
fold the letters of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.common.caller import request_id
from services.common.clock import microseconds
from services.common.errors import ClockSkew, NotFound
from services.exchange import actors, tables
from services.exchange.digests import letter_digest, sha256
from services.exchange.inbox import Inbox
from services.exchange.letters import check_sizes, timestamp
from services.exchange.numbers import number_text

if TYPE_CHECKING:
    from services.exchange.department import Department

ZONE: Final = ZoneInfo("Asia/Shanghai")
REMEMBERED: Final = 100_000
"""Letters on their way that are kept in memory; of more it is read what they are."""

ARRIVAL: Final = "arrival"

RECORDED: Final = "RECORDED"
REFUSED: Final = "REFUSED"

_LETTERS: Final = Bulk(tables.letters)
_SENT: Final = Bulk(tables.letters, ["letter_id", "sequence"])
_AUDIT: Final = Bulk(
    tables.audit,
    ["at_us", "subject", "name", "role", "method", "case_id", "object_id", "result", "request_id"],
)
_LINK: Final = Bulk(tables.link, ["id", "at", "position", "checkpoint", "sequence"])
_NUMBERS: Final = Bulk(tables.numbers)


class OwnLetter(NamedTuple):
    """What of an own letter is needed when its receipt comes.

    Attributes:
        kind: Of letter.
        case_id: What it is ordered by.
        digest: The letter digest.
        header: Of an Arrival; empty of other kinds.
    """

    kind: str
    case_id: str | None
    digest: bytes
    header: bytes


class OutboxItem(NamedTuple):
    """A recorded letter on its way."""

    sequence: int
    letter_id: str
    case_id: str | None
    header: bytes
    payload: bytes
    extras: bytes


Command = Callable[["DepartmentSession"], Any]


class DepartmentSession:
    """One attempt of one commit group of a department.

    Args:
        connection: Inside the group's transaction.
        department: Whose.

    Attributes:
        directory: Everything common, as far as applied in this group.
        now: The time of the group.
        inbox: Takes what the link brings.
        letters: Rows of letters to be kept.
        features: By kind of letter.
    """

    def __init__(self, connection: Connection, department: Department) -> None:
        self.connection = connection
        self.department = department
        self.directory = department.directory
        self.now = department.clock.now()
        self.inbox = Inbox(self)
        self.letters: list[Record] = []
        self._sequence = department.sequence
        self._numbers: dict[tuple[str, int], int] = {}
        self._offered: list[OutboxItem] = []
        self._recorded: dict[str, OwnLetter] = {}
        self._refused: list[str] = []
        self._audit: list[Record] = []
        self.features = {kind: factory(self) for kind, factory in department.features.items()}

    def begin(self, commands: Sequence[Command]) -> None:
        """Let the features read for all commands of the group at once."""
        for feature in self.features.values():
            feature.foresee(commands)

    def decide(self, command: Command) -> Any:
        """Run one command of the group."""
        return command(self)

    # -- recording own letters ------------------------------------------------------------------

    def header(
        self, letter_id: str, actor: pb.Actor, payload_type: str, payload: bytes, assertions: Sequence[bytes]
    ) -> pb.Header:
        """A header with everything that all kinds of letters share; `signed_at` is now.

        Raises:
            ClockSkew: Our clock cannot be trusted to date a letter.
        """
        department = self.department
        if department.clock_is_off:
            raise ClockSkew
        header = pb.Header(
            letter_id=letter_id,
            author=department.name,
            suite=pb.SUITE_ED25519_SHA256_AES256GCM,
            payload_type=payload_type,
            payload_digest=sha256(payload),
            assertion_digests=[sha256(each) for each in assertions],
            actor=actor,
            signed_at=timestamp(self.now),
        )
        head = department.head
        if head is not None:
            header.observed_head.log_id = head.log_id
            header.observed_head.epoch = head.epoch
            header.observed_head.size = head.size
            header.observed_head.root = head.root
        return header

    def record(
        self,
        header: pb.Header,
        payload: bytes,
        assertions: Sequence[bytes],
        *,
        case_id: str | None,
        act: str = "",
        number: str = "",
        occurred_at: datetime | None = None,
        idempotency_key: str | None = None,
        request_digest: bytes | None = None,
    ) -> bytes:
        """Freeze a letter and put it into the outbox; returns its digest.

        The header bytes never change after this: a retry in another batch has the same digest.

        Raises:
            LimitExceeded: It is larger than a letter may be; nothing was recorded.
        """
        frozen = header.SerializeToString()
        check_sizes(header, frozen, payload, len(assertions))
        digest = letter_digest(frozen)
        extras = pb.Envelope(assertions=assertions).SerializeToString() if assertions else b""
        self._sequence += 1
        now_us = microseconds(self.now)
        kind = header.WhichOneof("kind") or ""
        self.letters.append(
            (
                header.letter_id, kind, case_id, act, header.author, number, RECORDED, None, None, None, now_us,
                now_us if occurred_at is None else microseconds(occurred_at), digest, frozen, payload, extras,
                b"", "", "", "", idempotency_key, request_digest, self._sequence, 0, "",
            )
        )  # fmt: skip
        kept = frozen if kind == ARRIVAL else b""
        self._recorded[header.letter_id] = OwnLetter(kind, case_id, digest, kept)
        self._offered.append(OutboxItem(self._sequence, header.letter_id, case_id, frozen, payload, extras))
        return digest

    def issue_number(self, series: str) -> str:
        """The next letter number of a series (发文字号): series, year, running number; no gaps."""
        year = self.now.astimezone(ZONE).year
        key = (series, year)
        if key not in self._numbers:
            numbers = tables.numbers
            last = self.connection.execute(
                sa.select(numbers.c.last).where(numbers.c.series == series, numbers.c.year == year)
            ).scalar()
            self._numbers[key] = last or 0
        self._numbers[key] += 1
        return number_text(series, year, self._numbers[key])

    def audit(self, method: str, case_id: str = "", object_id: str = "", result: str = "ok") -> None:
        """Note who did what; the actor is that of the call that submitted the command."""
        actor = actors.current_or_none()
        self._audit.append(
            (
                microseconds(self.now),
                actor.subject if actor else "",
                actor.name if actor else "",
                actor.role if actor else "",
                method,
                case_id,
                object_id,
                result,
                request_id(),
            )
        )

    def case_of(self, letter_id: str) -> str | None:
        """The case of an own letter that is on its way, None if it is in none or not on its way."""
        own = self.own(letter_id)
        return own.case_id if own else None

    def own(self, letter_id: str) -> OwnLetter | None:
        """An own letter that is on its way."""
        for memory in (self._recorded, self.department.recorded):
            if letter_id in memory:
                return memory[letter_id]
        letters = tables.letters.c
        row = self.connection.execute(
            sa.select(letters.kind, letters.case_id, letters.letter_digest, letters.header).where(
                letters.letter_id == letter_id, letters.sequence.is_not(None)
            )
        ).first()
        return None if row is None else OwnLetter(*row)

    def record_arrival(self, arrived: Sequence[tuple[int, bytes]]) -> None:
        """Record that these letters, by position and digest, are durable here."""
        letter_id = new_id()
        actor = pb.Actor(name="node", subject="node", role="node", service=True)
        header = self.header(letter_id, actor, "", b"", ())
        for position, digest in sorted(arrived):
            header.arrival.letters.add(position=position, letter_digest=digest)
        self.record(header, b"", (), case_id=None)

    # -- own letters that do not come through ---------------------------------------------------

    def refused(self, letter_id: str, reason: str, message: str, not_submitted: frozenset[str]) -> None:
        """An own letter was judged and refused, or can no longer be sent; its number is void."""
        letters = tables.letters
        row = self.connection.execute(
            sa.select(letters.c.number, letters.c.disposition, letters.c.kind).where(
                letters.c.letter_id == letter_id
            )
        ).first()
        if row is None or row.disposition != RECORDED:
            return
        self.connection.execute(
            letters.update()
            .where(letters.c.letter_id == letter_id)
            .values(disposition=REFUSED, reason=reason, message=message)
        )
        if row.number:
            self.connection.execute(
                tables.void_numbers.insert().values(
                    number=row.number, letter_id=letter_id, reason=reason, voided_at_us=microseconds(self.now)
                )
            )
        self._refused.append(letter_id)
        if row.kind in self.features:
            self.features[row.kind].refused(letter_id, reason, not_submitted)

    def put_off(self, letter_id: str, attempts: int, error: str) -> None:
        """The registry put an own letter off; seen in the outbox by people."""
        self.connection.execute(
            tables.letters.update()
            .where(tables.letters.c.letter_id == letter_id)
            .values(attempts=attempts, error=error)
        )

    # -- writing --------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Let the features read what they need to write."""
        for feature in self.features.values():
            feature.prepare()

    def flush(self) -> None:
        """Write the group; features after the letters they refer to."""
        connection, inbox = self.connection, self.inbox
        # a letter can come twice when an acknowledgement was lost with the connection
        _LETTERS.upsert(connection, self.letters, ["letter_id"])
        inbox.flush(connection)
        # only now: the features still had to find them among those on their way
        _SENT.update(
            connection, [(letter_id, None) for letter_id in self._refused], ["letter_id"], ["sequence"]
        )
        _NUMBERS.upsert(
            connection, [(*key, last) for key, last in self._numbers.items()], ["series", "year"], ["last"]
        )
        _AUDIT.insert(connection, self._audit)
        if inbox.checkpoint or self._offered:
            checkpoint = inbox.checkpoint[0] if inbox.checkpoint else self.department.checkpoint
            _LINK.update(
                connection,
                [(1, inbox.cursor.at, inbox.cursor.position, checkpoint, self._sequence)],
                ["id"],
                ["at", "position", "checkpoint", "sequence"],
            )
        for feature in self.features.values():
            feature.flush()

    def committed(self) -> None:
        """Publish to memory, hand new letters to the link."""
        department = self.department
        department.directory = self.directory
        department.sequence = self._sequence
        department.cursor = self.inbox.cursor
        department.blocked = self.inbox.blocked
        if self.inbox.checkpoint:
            department.checkpoint, department.head = self.inbox.checkpoint
        if len(department.recorded) < REMEMBERED:
            department.recorded.update(self._recorded)
        for letter_id in (*self.inbox.settled, *self._refused):
            department.recorded.pop(letter_id, None)
        for feature in self.features.values():
            feature.committed()
        if self._offered:
            department.offer(self._offered)

    def discard(self) -> None:
        """Nothing was kept, or nobody knows: read everything anew."""
        self.department.recorded.clear()
        self.department.blocked = None
        for feature in self.features.values():
            feature.discard()


def find_letter(connection: Connection, letter_id: str) -> Any:
    """The row of a letter.

    Raises:
        NotFound: There is none here.
    """
    row = connection.execute(sa.select(tables.letters).where(tables.letters.c.letter_id == letter_id)).first()
    if row is None:
        raise NotFound("No letter of that id is here.", field="letter_id")
    return row


def new_id() -> str:
    """A UUIDv7: ids sort by time, so that indexes grow at their end."""
    from uuid_utils import uuid7  # noqa: PLC0415 - one place that knows where ids come from

    return str(uuid7())
