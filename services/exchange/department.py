"""One department as its node hosts it: its database, keys, directory, and the one writer of all of it.

Everything that changes a department's database is a command of its group committer, decided against a
`DepartmentSession`. The session carries what all kinds of letters share (letters, outbox, inbox, numbers,
audit); cases and shared items take part as features, which fold the letters of their kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record, pipelined
from services.common.caller import request_id
from services.common.clock import Clock, microseconds
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.common.errors import ClockSkew, NotFound, Stale
from services.common.faults import DATABASE_ERRORS
from services.exchange import actors, tables
from services.exchange.assertions import Verifier
from services.exchange.checkpoint import Checkpoint, parse_checkpoint
from services.exchange.digests import Leaf, batch_leaf, letter_digest, sha256
from services.exchange.directory import Directory
from services.exchange.keys import sign_batch
from services.exchange.letters import Letter, check_sizes, extras_of, from_microseconds, timestamp
from services.exchange.merkle import BadProof

_log = structlog.get_logger(__name__)

T = TypeVar("T")

ZONE: Final = ZoneInfo("Asia/Shanghai")
CLOCK_TOLERANCE_MS: Final = 5 * 60 * 1000
REMEMBERED: Final = 100_000
"""Letters on their way whose case is kept in memory; of more it is read."""

RECORDED: Final = "RECORDED"
ADMITTED: Final = "ADMITTED"
REFUSED: Final = "REFUSED"

LETTERS: Final = Bulk(tables.letters)
OUTBOX: Final = Bulk(tables.outbox)
PARKED: Final = Bulk(tables.parked)
COMMON: Final = Bulk(tables.common_entries)
ARRIVALS: Final = Bulk(tables.arrivals)
AUDIT: Final = Bulk(
    tables.audit,
    ["at_us", "subject", "name", "role", "method", "case_id", "object_id", "result", "request_id"],
)
_SENT: Final = Bulk(tables.outbox, ["letter_id"])
_LINK: Final = Bulk(tables.link, ["id", "at", "position", "checkpoint", "sequence"])
_RECEIPTS: Final = Bulk(
    tables.letters,
    ["letter_id", "disposition", "position", "admitted_at_us", "common_version", "flags", "proof"],
)


class Place(NamedTuple):
    """A place in this department's mailbox."""

    at: int
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The registry's word that an own letter was admitted."""

    letter_id: str
    leaf: Leaf
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A letter of another party, verified, or a receipt of an own one, at its place."""

    place: Place
    leaf: Leaf
    letter: Letter | None
    receipt: Receipt | None
    flags: tuple[str, ...]
    proof: bytes
    raw: bytes
    error: str = ""


class OwnLetter(NamedTuple):
    """What of an own letter is needed when its receipt comes."""

    kind: str
    case_id: str | None
    digest: bytes


class OutboxItem(NamedTuple):
    """A recorded letter on its way."""

    sequence: int
    letter_id: str
    case_id: str | None
    header: bytes
    payload: bytes
    extras: bytes


class Feature(Protocol):
    """What a kind of letters means here; one for each attempt of a commit group."""

    def deliver(self, delivered: Delivered) -> None:
        """Fold an admitted letter of another party, or the receipt of an own one.

        Raises:
            Exception: It cannot be applied; nothing of the feature was changed.
        """
        ...

    def refused(self, letter_id: str, reason: str, not_submitted: frozenset[str]) -> None:
        """An own letter was refused for good."""
        ...

    def arrived(self, department: str, positions: Sequence[int], received_at: datetime) -> None:
        """Another department's node has these letters."""
        ...

    def law_changed(self) -> None:
        """The directory changed; what is computed from it must be."""
        ...

    def flush(self) -> None:
        """Write."""
        ...

    def committed(self) -> None:
        """It is durable: publish to memory."""
        ...

    def discard(self) -> None:
        """Nothing was kept."""
        ...


FeatureFactory = Callable[["DepartmentSession"], Feature]
Command = Callable[["DepartmentSession"], Any]


@dataclass(slots=True)
class LinkState:
    """What the link knows, for people."""

    connected: bool = False
    last_heard_at: datetime | None = None
    clock_offset_ms: int = 0
    error: str = ""


@dataclass(slots=True)
class Department:
    """A department that this process hosts.

    Attributes:
        name: Dotted name.
        registry: Name of its home registry.
        log_id: Name of the registry's ledger.
        registry_key: The registry's `sign` key, as known from joining.
        directory: Everything common, as far as delivered.
        head: The newest verified head.
        cursor: Where its mailbox is durable up to.
        sequence: The last outbox sequence used.
        offer: Takes what was just recorded to the link; set by the link.
        features: What takes part in every session, by kind of letter.
        recorded: Kind and case of own letters on their way, as far as remembered.
    """

    name: str
    registry: str
    log_id: str
    database: Database
    clock: Clock
    sign_key: Ed25519PrivateKey
    sign_key_id: str
    registry_key: bytes
    registry_key_id: str
    directory: Directory
    head: Checkpoint | None = None
    checkpoint: str = ""
    cursor: Place = Place(-1, -1)  # noqa: RUF009 - immutable
    sequence: int = 0
    link: LinkState = field(default_factory=LinkState)
    recorded: dict[str, OwnLetter] = field(default_factory=dict)
    features: Mapping[str, FeatureFactory] = field(default_factory=dict)
    offer: Callable[[Sequence[OutboxItem]], None] = lambda items: None
    proof_of: Callable[[str], bytes] = lambda letter_id: b""
    committer: GroupCommitter[Command, Any] = field(init=False)
    _verifier: tuple[object, Verifier] | None = None

    def start(self) -> None:
        """Read what is durable and start the writer."""
        self.database.write(self._load)
        self.committer = GroupCommitter(
            self.database, lambda connection: DepartmentSession(connection, self), name=f"writer-{self.name}"
        )

    def _load(self, connection: Connection) -> None:
        row = connection.execute(sa.select(tables.link)).first()
        if row is None:
            connection.execute(
                tables.link.insert().values(id=1, at=-1, position=-1, checkpoint="", sequence=0)
            )
        else:
            self.cursor = Place(row.at, row.position)
            self.checkpoint = row.checkpoint
            self.sequence = row.sequence
            if row.checkpoint:
                # verified before it was stored: the registry must show that it continues it
                self.head = parse_checkpoint(row.checkpoint).checkpoint
        entries = tables.common_entries
        for version, position, admitted_us, entry in connection.execute(
            sa.select(
                entries.c.version, entries.c.position, entries.c.admitted_at_us, entries.c.entry
            ).order_by(entries.c.version)
        ):
            self.directory = self.directory.apply(
                directory_pb.CommonEntry.FromString(entry),
                version=version, position=position, admitted_at=from_microseconds(admitted_us),
            )  # fmt: skip

    @property
    def clock_is_off(self) -> bool:
        """Whether our clock is too far off the registry's to date a letter."""
        return abs(self.link.clock_offset_ms) > CLOCK_TOLERANCE_MS

    @property
    def verifier(self) -> Verifier:
        """Verifies assertions by the issuers that this department lists now."""
        issuers = self.directory.issuers(self.name)
        key = tuple(sorted(issuers.items()))
        if self._verifier is None or self._verifier[0] != key:
            self._verifier = (key, Verifier(issuers, self.name))
        return self._verifier[1]

    async def run(self, command: Command) -> Any:
        """Run a command in the next commit group; returns after it is durable."""
        return await self.committer.submit(command)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read the database off the event loop."""
        return await asyncio.to_thread(self.database.read, work)


class DepartmentSession:
    """One attempt of one commit group of a department."""

    def __init__(self, connection: Connection, department: Department) -> None:
        self.connection = connection
        self.department = department
        self.directory = department.directory
        self.now = department.clock.now()
        self._cursor = department.cursor
        self._checkpoint: tuple[str, Checkpoint] | None = None
        self._sequence = department.sequence
        self._numbers: dict[tuple[str, int], int] = {}
        self._letters: list[Record] = []
        self._outbox: list[Record] = []
        self._offered: list[OutboxItem] = []
        self._receipts: list[Record] = []
        self._done: list[str] = []
        self._common: list[Record] = []
        self._arrivals: list[Record] = []
        self._audit: list[Record] = []
        self._parked: list[Record] = []
        self._blocked: set[str] | None = None
        self._recorded: dict[str, OwnLetter] = {}
        self.features = {kind: factory(self) for kind, factory in department.features.items()}

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
        self._letters.append(
            (
                header.letter_id, kind, case_id, act, header.author, number, RECORDED, None, None, None, now_us,
                now_us if occurred_at is None else microseconds(occurred_at), digest, frozen, payload, extras,
                b"", "", "", "", idempotency_key, request_digest,
            )
        )  # fmt: skip
        self._outbox.append((self._sequence, header.letter_id, case_id, 0, ""))
        self._recorded[header.letter_id] = OwnLetter(kind, case_id, digest)
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
        return f"{series}〔{year}〕{self._numbers[key]}号"

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
        own = self._own(letter_id)
        return own.case_id if own else None

    def _own(self, letter_id: str) -> OwnLetter | None:
        for memory in (self._recorded, self.department.recorded):
            if letter_id in memory:
                return memory[letter_id]
        outbox, letters = tables.outbox.c, tables.letters.c
        row = self.connection.execute(
            sa.select(letters.kind, outbox.case_id, letters.letter_digest)
            .join(tables.letters, letters.letter_id == outbox.letter_id)
            .where(outbox.letter_id == letter_id)
        ).first()
        return None if row is None else OwnLetter(*row)

    # -- what the link brings -------------------------------------------------------------------

    def deliver(
        self, deliveries: Sequence[Delivered], checkpoint: str, head: Checkpoint, after: Place | None = None
    ) -> None:
        """Apply verified deliveries in order, and answer them with one Arrival.

        Args:
            deliveries: The deliveries.
            checkpoint: The signed head that they were proved under.
            head: What it says.
            after: The place before the first; None to take it on trust.

        Raises:
            Stale: What came before these was not kept; nothing was changed.
            BadProof: A receipt is for another letter than the one recorded here; nothing was changed.
        """
        if after is not None and after != self._cursor:
            # several responses are under way to the writer, and an earlier one may have failed
            raise Stale("The deliveries before these were not kept.")
        for each in deliveries:
            if each.receipt is not None:
                own = self._own(each.receipt.letter_id)
                if own is not None and own.digest != each.leaf.letter_digest:
                    raise BadProof("The registry's receipt is for another letter than ours.")
        arrived: list[tuple[int, bytes]] = []
        for each in deliveries:
            self._deliver_one(each)
            if each.letter is not None and each.letter.kind in ("act", "item", "key_grant", "erasure"):
                arrived.append((each.leaf.position, each.leaf.letter_digest))
            self._cursor = each.place
        self._checkpoint = (checkpoint, head)
        # with a clock that cannot date a letter none is recorded; silence stops no clock of the case
        if arrived and not self.department.clock_is_off:
            self._record_arrival(arrived)

    def _deliver_one(self, delivered: Delivered) -> None:
        letter, receipt = delivered.letter, delivered.receipt
        if receipt is not None:
            self._receipt(delivered, receipt)
            return
        if letter is None:
            from services.exchange.parking import case_named  # noqa: PLC0415 - each knows the other

            self._park(delivered, case_named(delivered.raw), delivered.error or "It could not be read.")
            return
        self.keep(delivered, letter)
        if letter.kind == "common":
            self._common_entry(letter, delivered.leaf)
            return
        if letter.kind == "arrival":
            self._arrival(letter.header, delivered.leaf)
            return
        self._try(delivered, [letter.kind], letter.subject_id or "")

    def _try(self, delivered: Delivered, kinds: Iterable[str], case_id: str) -> None:
        if case_id and case_id in self._blocked_cases():
            self._park(delivered, case_id, "A letter of this case before it is parked.")
            return
        try:
            for kind in kinds:
                self.features[kind].deliver(delivered)
        except DATABASE_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # whatever is wrong with it, it is admitted and must not be lost: it blocks its case, in sight
            _log.exception("inbox.parked", letter_id=delivered.leaf.position, case_id=case_id)
            self._park(delivered, case_id, f"{type(error).__name__}: {error}"[:500])

    def keep(self, delivered: Delivered, letter: Letter) -> None:
        """Keep a letter that was delivered, applied or not."""
        header, leaf = letter.header, delivered.leaf
        facts = letter.facts
        self._letters.append(
            (
                header.letter_id, letter.kind, letter.subject_id, facts.act if facts else "", header.author,
                header.act.number if facts else "", ADMITTED, leaf.position, leaf.admitted_at_us,
                leaf.common_version, microseconds(facts.signed_at) if facts else leaf.admitted_at_us,
                microseconds(facts.occurred_at) if facts else leaf.admitted_at_us, letter.digest,
                letter.envelope.header, letter.envelope.payload, extras_of(letter.envelope), delivered.proof,
                ",".join(delivered.flags), "", "", None, None,
            )
        )  # fmt: skip

    def _receipt(self, delivered: Delivered, receipt: Receipt) -> None:
        leaf = receipt.leaf
        self._receipts.append(
            (
                receipt.letter_id, ADMITTED, leaf.position, leaf.admitted_at_us, leaf.common_version,
                ",".join(receipt.flags), self._own_proof(receipt.letter_id, leaf.letter_digest),
            )
        )  # fmt: skip
        own = self._own(receipt.letter_id)
        self._done.append(receipt.letter_id)
        if own is None:
            return  # answered before: an acknowledgement was lost with the connection
        if own.kind == "arrival":
            self._own_arrival(receipt.letter_id, leaf)
        elif own.kind in self.features:
            self._try(delivered, [own.kind], own.case_id or "")

    def _own_proof(self, letter_id: str, digest: bytes) -> bytes:
        """That this department signed a letter; signed anew where its batch is no longer remembered."""
        department = self.department
        known = department.proof_of(letter_id)
        if known:
            return known
        root = batch_leaf(digest)
        return pb.AuthorProof(
            suite=pb.SUITE_ED25519_SHA256_AES256GCM,
            key_id=department.sign_key_id,
            tree_size=1,
            root=root,
            signature=sign_batch(department.sign_key, department.sign_key_id, 1, root),
        ).SerializeToString()

    def _own_arrival(self, letter_id: str, leaf: Leaf) -> None:
        """The ledger has our word that letters came: the clocks that start on it start here as elsewhere."""
        letters = tables.letters.c
        frozen = self.connection.execute(
            sa.select(letters.header).where(letters.letter_id == letter_id, letters.kind == "arrival")
        ).scalar()
        if frozen is not None:
            self._arrival(pb.Header.FromString(frozen), leaf)

    def _common_entry(self, letter: Letter, leaf: Leaf) -> None:
        version = letter.header.common.version
        if version <= self.directory.version:
            return
        try:
            entry = directory_pb.CommonEntry.FromString(letter.envelope.payload)
        except DecodeError:
            # what nobody can read changes nothing, here as everywhere; its number is used up all the same
            entry = directory_pb.CommonEntry()
        self.directory = self.directory.apply(
            entry, version=version, position=leaf.position, admitted_at=from_microseconds(leaf.admitted_at_us)
        )
        self._common.append((version, leaf.position, leaf.admitted_at_us, letter.envelope.payload))
        for feature in self.features.values():
            feature.law_changed()

    def _arrival(self, header: pb.Header, leaf: Leaf) -> None:
        positions = sorted(each.position for each in header.arrival.letters)
        author = header.author
        self._arrivals.append((author, positions[-1], positions[0], leaf.admitted_at_us))
        received_at = from_microseconds(leaf.admitted_at_us)
        for feature in self.features.values():
            feature.arrived(author, positions, received_at)

    def _record_arrival(self, arrived: Sequence[tuple[int, bytes]]) -> None:
        letter_id = new_id()
        actor = pb.Actor(name="node", subject="node", role="node", service=True)
        header = self.header(letter_id, actor, "", b"", ())
        for position, digest in sorted(arrived):
            header.arrival.letters.add(position=position, letter_digest=digest)
        self.record(header, b"", (), case_id=None)

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
        self._done.append(letter_id)
        if row.kind in self.features:
            self.features[row.kind].refused(letter_id, reason, not_submitted)

    def put_off(self, letter_id: str, attempts: int, error: str) -> None:
        """The registry put an own letter off; seen in the outbox by people."""
        self.connection.execute(
            tables.outbox.update()
            .where(tables.outbox.c.letter_id == letter_id)
            .values(attempts=attempts, error=error)
        )

    # -- parked letters -------------------------------------------------------------------------

    def _blocked_cases(self) -> set[str]:
        if self._blocked is None:
            parked = tables.parked.c
            self._blocked = set(self.connection.execute(sa.select(parked.case_id).distinct()).scalars())
        return self._blocked

    def _park(self, delivered: Delivered, case_id: str, error: str) -> None:
        if case_id:
            self._blocked_cases().add(case_id)
        next_us = microseconds(self.now) + 60_000_000
        named = delivered.letter or delivered.receipt
        letter_id = named.letter_id if named else f"@{delivered.leaf.position}"
        self._parked.append(
            (delivered.leaf.position, letter_id, case_id, delivered.raw, delivered.proof, error, 0, next_us)
        )

    def retry_parked(self, case_id: str) -> None:
        """Apply the parked letters of a case again, in ledger order, up to the first that still cannot be."""
        from services.exchange import parking  # noqa: PLC0415 - each knows the other

        if parking.retry(self, case_id) and all(row[2] != case_id for row in self._parked):
            self._blocked_cases().discard(case_id)

    # -- writing --------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the group; features after the letters they refer to."""
        connection = self.connection
        for (series, year), last in self._numbers.items():
            self._write_number(series, year, last)
        with pipelined(connection):
            # a letter can come twice when an acknowledgement was lost with the connection
            LETTERS.upsert(connection, self._letters, ["letter_id"])
            OUTBOX.insert(connection, self._outbox)
            _RECEIPTS.update(
                connection,
                self._receipts,
                ["letter_id"],
                ["disposition", "position", "admitted_at_us", "common_version", "flags", "proof"],
            )
            _SENT.delete(connection, [(letter_id,) for letter_id in self._done])
            COMMON.upsert(connection, self._common, ["version"])
            ARRIVALS.upsert(connection, self._arrivals, ["department", "last_at"])
            PARKED.upsert(connection, self._parked, ["position"])
            AUDIT.insert(connection, self._audit)
            if self._checkpoint or self._outbox:
                checkpoint = self._checkpoint[0] if self._checkpoint else self.department.checkpoint
                _LINK.update(
                    connection,
                    [(1, self._cursor.at, self._cursor.position, checkpoint, self._sequence)],
                    ["id"],
                    ["at", "position", "checkpoint", "sequence"],
                )
        for feature in self.features.values():
            feature.flush()

    def _write_number(self, series: str, year: int, last: int) -> None:
        numbers = tables.numbers
        found = self.connection.execute(
            numbers.update().where(numbers.c.series == series, numbers.c.year == year).values(last=last)
        )
        if not found.rowcount:
            self.connection.execute(numbers.insert().values(series=series, year=year, last=last))

    def committed(self) -> None:
        """Publish to memory, hand new letters to the link."""
        department = self.department
        department.directory = self.directory
        department.sequence = self._sequence
        department.cursor = self._cursor
        if self._checkpoint:
            department.checkpoint, department.head = self._checkpoint
        if len(department.recorded) < REMEMBERED:
            department.recorded.update(self._recorded)
        for letter_id in self._done:
            department.recorded.pop(letter_id, None)
        for feature in self.features.values():
            feature.committed()
        if self._offered:
            department.offer(self._offered)

    def discard(self) -> None:
        """Nothing was kept, or nobody knows: read everything anew."""
        self.department.recorded.clear()
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
