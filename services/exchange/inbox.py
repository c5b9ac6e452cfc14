"""What the link brings, in one commit group: letters of others, receipts of own ones, common entries.

Everything is kept before it is applied. What cannot be applied is parked and blocks its case, in sight;
what was applied is answered with one Arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
import structlog
from google.protobuf.message import DecodeError
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record
from services.common.clock import from_microseconds, microseconds
from services.common.errors import Stale
from services.common.faults import database_errors
from services.exchange import code_store, parking, tables
from services.exchange.checkpoint import Checkpoint
from services.exchange.delivered import Delivered, Place, Receipt
from services.exchange.digests import Leaf, batch_leaf
from services.exchange.keys import sign_batch
from services.exchange.letters import Letter, extras_of
from services.exchange.merkle import BadProof

if TYPE_CHECKING:
    from services.exchange.session import DepartmentSession

_log = structlog.get_logger(__name__)

ADMITTED: Final = "ADMITTED"
FIRST_RETRY_US: Final = 60_000_000

_COMMON: Final = Bulk(tables.common_entries)
_ARRIVALS: Final = Bulk(tables.arrivals)
_PARKED: Final = Bulk(tables.parked)
_ANSWER: Final = (
    "disposition", "position", "admitted_at_us", "common_version", "flags", "proof", "sequence",
)  # fmt: skip
_RECEIPTS: Final = Bulk(tables.letters, ["letter_id", *_ANSWER])


class Inbox:
    """The department's inbox in one attempt of one commit group.

    Args:
        session: The attempt.

    Attributes:
        cursor: The mailbox is applied or parked up to here.
        checkpoint: The newest head delivered, as signed and as it says; None if none came.
        settled: Own letters whose receipt came.
        blocked: Cases with a parked letter; None until asked for.
    """

    def __init__(self, session: DepartmentSession) -> None:
        self._session = session
        self._department = session.department
        self.cursor = session.department.cursor
        self.checkpoint: tuple[str, Checkpoint] | None = None
        self.settled: list[str] = []
        self.blocked = session.department.blocked
        self._receipts: list[Record] = []
        self._common: list[Record] = []
        self._codes: list[directory_pb.CodeTable] = []
        self._arrivals: list[Record] = []
        self._parked: list[Record] = []

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
        if after is not None and after != self.cursor:
            # several responses are under way to the writer, and an earlier one may have failed
            raise Stale("The deliveries before these were not kept.")
        for each in deliveries:
            if each.receipt is not None:
                own = self._session.own(each.receipt.letter_id)
                if own is not None and own.digest != each.leaf.letter_digest:
                    raise BadProof("The registry's receipt is for another letter than ours.")
        arrived: list[tuple[int, bytes]] = []
        for each in deliveries:
            self._take(each)
            if each.letter is not None and each.letter.kind in ("act", "item", "key_grant", "erasure"):
                arrived.append((each.leaf.position, each.leaf.letter_digest))
            self.cursor = each.place
        self.checkpoint = (checkpoint, head)
        # with a clock that cannot date a letter none is recorded; silence stops no clock of the case
        if arrived and not self._department.clock_is_off:
            self._session.record_arrival(arrived)

    def _take(self, delivered: Delivered) -> None:
        letter, receipt = delivered.letter, delivered.receipt
        if receipt is not None:
            self._receipt(delivered, receipt)
        elif letter is None:
            case_id = parking.case_named(delivered.raw)
            self._park(delivered, case_id, delivered.error or "It could not be read.")
        else:
            self.keep(delivered, letter)
            match letter.kind:
                case "common":
                    self._common_entry(letter, delivered.leaf)
                case "arrival":
                    self._arrival(letter.header, delivered.leaf)
                case kind:
                    self._apply(delivered, kind, letter.subject_id or "")

    def _apply(self, delivered: Delivered, kind: str, case_id: str) -> None:
        if case_id and case_id in self._blocked_cases():
            self._park(delivered, case_id, "A letter of this case before it is parked.")
            return
        try:
            self._session.features[kind].deliver(delivered)
        except database_errors():
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # whatever is wrong with it, it is admitted and must not be lost: it blocks its case, in sight
            _log.exception("inbox.parked", letter_id=delivered.leaf.position, case_id=case_id)
            self._park(delivered, case_id, f"{type(error).__name__}: {error}"[:500])

    def keep(self, delivered: Delivered, letter: Letter) -> None:
        """Keep a letter that was delivered, applied or not."""
        header, leaf = letter.header, delivered.leaf
        facts = letter.facts
        self._session.letters.append(
            (
                header.letter_id, letter.kind, letter.subject_id, facts.act if facts else "", header.author,
                header.act.number if facts else "", ADMITTED, leaf.position, leaf.admitted_at_us,
                leaf.common_version, microseconds(facts.signed_at) if facts else leaf.admitted_at_us,
                microseconds(facts.occurred_at) if facts else leaf.admitted_at_us, letter.digest,
                letter.envelope.header, letter.envelope.payload, extras_of(letter.envelope), delivered.proof,
                ",".join(delivered.flags), "", "", None, None, None, 0, "",
            )
        )  # fmt: skip

    # -- receipts -------------------------------------------------------------------------------

    def _receipt(self, delivered: Delivered, receipt: Receipt) -> None:
        leaf, letter_id = receipt.leaf, receipt.letter_id
        self._receipts.append(
            (
                letter_id, ADMITTED, leaf.position, leaf.admitted_at_us, leaf.common_version,
                ",".join(receipt.flags), self._own_proof(letter_id, leaf.letter_digest), None,
            )
        )  # fmt: skip
        own = self._session.own(letter_id)
        self.settled.append(letter_id)
        if own is None:
            return  # answered before: an acknowledgement was lost with the connection
        if own.kind == "arrival":
            # the ledger has our word that letters came: the clocks that start on it start here as elsewhere
            self._arrival(pb.Header.FromString(own.header), leaf)
        elif own.kind in self._session.features:
            self._apply(delivered, own.kind, own.case_id or "")

    def _own_proof(self, letter_id: str, digest: bytes) -> bytes:
        """That this department signed a letter; signed anew where its batch is no longer remembered."""
        department = self._department
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

    # -- what concerns all ----------------------------------------------------------------------

    def _common_entry(self, letter: Letter, leaf: Leaf) -> None:
        session, version = self._session, letter.header.common.version
        if version <= session.directory.version:
            return
        try:
            entry = directory_pb.CommonEntry.FromString(letter.envelope.payload)
        except DecodeError:
            # what nobody can read changes nothing, here as everywhere; its number is used up all the same
            entry = directory_pb.CommonEntry()
        before = session.directory
        session.directory = before.apply(
            entry, version=version, position=leaf.position, admitted_at=from_microseconds(leaf.admitted_at_us)
        )
        if session.directory.codes is not before.codes:
            self._codes.append(entry.code_table)
        self._common.append((version, leaf.position, leaf.admitted_at_us, letter.envelope.payload))
        for feature in session.features.values():
            feature.law_changed()

    def _arrival(self, header: pb.Header, leaf: Leaf) -> None:
        positions = sorted(each.position for each in header.arrival.letters)
        author = header.author
        self._arrivals.append((author, positions[-1], positions[0], leaf.admitted_at_us))
        received_at = from_microseconds(leaf.admitted_at_us)
        for feature in self._session.features.values():
            feature.arrived(author, positions, received_at)

    # -- parked letters -------------------------------------------------------------------------

    def _blocked_cases(self) -> frozenset[str]:
        if self.blocked is None:
            self.blocked = blocked_cases(self._session.connection)
        return self.blocked

    def _park(self, delivered: Delivered, case_id: str, error: str) -> None:
        if case_id:
            self.blocked = self._blocked_cases() | {case_id}
        next_us = microseconds(self._session.now) + FIRST_RETRY_US
        named = delivered.letter or delivered.receipt
        letter_id = named.letter_id if named else f"@{delivered.leaf.position}"
        self._parked.append(
            (delivered.leaf.position, letter_id, case_id, delivered.raw, delivered.proof, error, 0, next_us)
        )

    def retry_parked(self, case_id: str) -> None:
        """Apply the parked letters of a case again, in ledger order, up to the first that still cannot be."""
        if parking.retry(self._session, case_id) and all(row[2] != case_id for row in self._parked):
            self.blocked = self._blocked_cases() - {case_id}

    # -- writing --------------------------------------------------------------------------------

    def flush(self, connection: Connection) -> None:
        """Write, after the letters."""
        _RECEIPTS.update(connection, self._receipts, ["letter_id"], _ANSWER)
        _COMMON.upsert(connection, self._common, ["version"])
        code_store.write(connection, self._codes, self._session.directory.codes)
        _ARRIVALS.upsert(connection, self._arrivals, ["department", "last_at"])
        _PARKED.upsert(connection, self._parked, ["position"])


def blocked_cases(connection: Connection) -> frozenset[str]:
    """Cases with a parked letter."""
    return frozenset(connection.execute(sa.select(tables.parked.c.case_id).distinct()).scalars())
