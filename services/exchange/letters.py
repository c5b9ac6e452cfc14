"""A letter as it travels, taken apart and checked once.

`open_letter` is the one way from bytes of another party to facts that rules may read: sizes, form, and
every digest that binds header, content, payload and assertions to each other. Who signed it, and
whether it may be said, is for others to judge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1.sharing_service_pb2 import Bulletin

from services.common import edge
from services.common.errors import InvalidField, LiandongError, LimitExceeded
from services.exchange import digests
from services.procedures.facts import ActFacts, Approval, Material, Urgency
from services.procedures.recurrence import parse_period

LETTER_LIMIT: Final = 256 * 1024
"""Bytes of a letter's payload."""
HEADER_LIMIT: Final = 64 * 1024
"""Bytes of a header."""
CONTENT_LIMIT: Final = 32 * 1024
"""Bytes of an act's content."""
ASSERTIONS: Final = 16
"""Assertions that travel with a letter."""
BATCH_LIMIT: Final = 1024 * 1024
"""Bytes of a record batch's payload."""
BATCH_BYTES: Final = 1024 * 1024 + 256 * 1024
"""Bytes of a batch of envelopes."""
BATCH_LETTERS: Final = 256
"""Letters in a batch."""

URGENCIES: Final = {
    pb.URGENCY_ORDINARY: Urgency.ORDINARY,
    pb.URGENCY_URGENT: Urgency.URGENT,
    pb.URGENCY_MAJOR: Urgency.MAJOR,
}
URGENCY_NUMBERS: Final = {urgency: number for number, urgency in URGENCIES.items()}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ROOT: Final = bytes(32)
_BULLETIN: Final = Bulletin.DESCRIPTOR.full_name
_ATTACHMENTS: Final = 20
_EARLIEST_S: Final = 0
_SECOND_NS: Final = 1_000_000_000
_LATEST_S: Final = 4_102_444_800  # 2100-01-01


class DigestMismatch(LiandongError):
    """A digest in the header is not that of the bytes."""

    reason = "DIGEST_MISMATCH"
    code = "INVALID_ARGUMENT"


class Letter:
    """An opened envelope.

    Attributes:
        envelope: The message it came in; its bytes fields are the letter.
        header: The parsed header.
        digest: The letter digest.
        kind: `act`, `arrival`, `item`, `key_grant`, `erasure` or `common`.
        content: The parsed content of an act.
        facts: What rules may read of an act.
    """

    __slots__ = ("content", "digest", "envelope", "facts", "header", "kind")

    def __init__(
        self,
        envelope: pb.Envelope,
        header: pb.Header,
        digest: bytes,
        content: pb.ActContent | None,
        facts: ActFacts | None,
    ) -> None:
        self.envelope = envelope
        self.header = header
        self.digest = digest
        self.kind: str = header.WhichOneof("kind") or ""
        self.content = content
        self.facts = facts

    @property
    def letter_id(self) -> str:
        """The letter's id."""
        return self.header.letter_id

    @property
    def subject_id(self) -> str | None:
        """What the letter is ordered by: its case, its item; None for clock events."""
        if self.content is not None:
            return self.content.case_id
        if self.kind == "item":
            return self.header.item.item_id or None
        return None


def open_letter(envelope: pb.Envelope) -> Letter:
    """Take an envelope apart and check everything that needs no knowledge of others.

    Raises:
        Malformed: Header or content are no such messages.
        InvalidField: A field breaks a rule of the contract.
        LimitExceeded: The payload is larger than its kind may be.
        DigestMismatch: Header, content, payload and assertions do not belong together.
    """
    header = edge.parse(pb.Header, envelope.header)
    limit = BATCH_LIMIT if header.HasField("item") and header.item.record_count else LETTER_LIMIT
    if len(envelope.payload) > limit:
        raise LimitExceeded(
            f"The payload has {len(envelope.payload)} bytes, {limit} are allowed.", field="payload"
        )
    if digests.sha256(envelope.payload) != header.payload_digest:
        raise DigestMismatch(field="payload_digest")
    if len(envelope.assertions) != len(header.assertion_digests):
        raise DigestMismatch("The header names another number of assertions.", field="assertion_digests")
    for index, (assertion, digest) in enumerate(
        zip(envelope.assertions, header.assertion_digests, strict=True)
    ):
        if digests.sha256(assertion) != digest:
            raise DigestMismatch(field=f"assertion_digests[{index}]")
    content = facts = None
    if header.HasField("act"):
        content = edge.parse(pb.ActContent, header.act.content)
        if not header.sealed and content.body_digest != header.payload_digest:
            raise DigestMismatch(field="act.content.body_digest")
        facts = facts_of(header, content)
    return Letter(envelope, header, digests.letter_digest(envelope.header), content, facts)


def check_sizes(header: pb.Header, frozen: bytes, payload: bytes, assertions: int) -> None:
    """Check an own letter before it is recorded: what no registry opens would stop the letters beside it.

    Args:
        header: The header.
        frozen: Its bytes.
        payload: The payload.
        assertions: How many travel with it.

    Raises:
        LimitExceeded: A size or count is more than a letter may have.
    """
    limit = BATCH_LIMIT if header.item.record_count else LETTER_LIMIT
    for field, found, most in (
        ("payload", len(payload), limit),
        ("act.content", len(header.act.content), CONTENT_LIMIT),
        ("header", len(frozen), HEADER_LIMIT),
        ("assertions", assertions, ASSERTIONS),
    ):
        if found > most:
            raise LimitExceeded(f"{field} of a letter: {found}, at most {most}.", field=field)


def _served(content: pb.ActContent) -> tuple[tuple[str, int], ...]:
    """The standing duties that an act names.

    Raises:
        InvalidField: A period is no month or date.
    """
    served = []
    for index, each in enumerate(content.serves):
        period = parse_period(each.period)
        if period is None:
            raise InvalidField("This is no month or date.", field=f"act.content.serves[{index}].period")
        served.append((each.duty, period))
    return tuple(served)


def facts_of(header: pb.Header, content: pb.ActContent) -> ActFacts:
    """The facts of an act, from its parsed header and content.

    Raises:
        InvalidField: A time is outside 1970 to 2100, a role is given twice to one department, or a period of a
            standing duty is none.
    """
    act = header.act
    parties: dict[str, str] = {}
    for party in content.parties:
        if party.department in parties:
            raise InvalidField("A department has one role in a case.", field="act.content.parties")
        parties[party.department] = party.role
    return ActFacts(
        letter_id=header.letter_id,
        case_id=content.case_id,
        procedure=content.procedure,
        procedure_version=content.procedure_version,
        act=content.act,
        author=header.author,
        occurred_at=moment(content.occurred_at, "act.content.occurred_at"),
        signed_at=moment(header.signed_at, "signed_at"),
        parties=parties,
        recipients=tuple(content.recipients),
        copies=tuple([copy.department for copy in content.copies]) if content.copies else (),
        urgency=URGENCIES.get(content.urgency),
        requested_limit=moment(content.requested_limit, "act.content.requested_limit")
        if content.HasField("requested_limit")
        else None,
        outcome_code=content.outcome_code,
        reason_code=content.reason_code,
        amended_letter=content.amended_letter,
        linked_cases=tuple([(link.case_id, link.relation) for link in content.linked_cases])
        if content.linked_cases
        else (),
        materials=tuple(
            [
                Material(each.kind, None if each.manifest_root == _NO_ROOT else each.manifest_root, each.size)
                for each in content.materials
            ]
        )
        if content.materials
        else (),
        approvals=tuple(
            [
                Approval(
                    each.role,
                    each.subject,
                    moment(each.approved_at, "act.approvals.approved_at"),
                    each.certificate,
                )
                for each in act.approvals
            ]
        )
        if act.approvals
        else (),
        item_code=content.item_code,
        area_code=content.area_code,
        sub_unit=content.sub_unit,
        actor_role=header.actor.role,
        actor_service=header.actor.service,
        actor_certificate=header.actor.certificate,
        serves=_served(content) if content.serves else (),
        based_on=act.based_on.position if act.HasField("based_on") else None,
        predecessor=act.predecessor,
        home_registry=content.home_registry,
    )


def manifest_roots(content: pb.ActContent) -> list[bytes]:
    """Roots of the evidence that must be complete before the act is admitted; announced ones left out."""
    return [each.manifest_root for each in content.materials if each.manifest_root != _NO_ROOT]


def attachment_roots(letter: Letter) -> list[bytes]:
    """Roots of the evidence that a bulletin in clear attaches; none of a body of any other type."""
    header = letter.header
    if header.payload_type != _BULLETIN or header.sealed:
        return []
    try:
        attached = Bulletin.FromString(letter.envelope.payload).attachments
    except DecodeError:
        return []  # shown as not displayable by whoever gets it
    return [root for root in attached[:_ATTACHMENTS] if len(root) == digests.DIGEST_SIZE]


def moment(stamp: Timestamp, field: str = "") -> datetime:
    """A timestamp as an aware datetime in UTC, to the microsecond.

    Raises:
        InvalidField: It is outside 1970 to 2100.
    """
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (_EARLIEST_S <= seconds < _LATEST_S and 0 <= nanos < _SECOND_NS):
        raise InvalidField("A time is to lie between 1970 and 2100.", field=field)
    return _EPOCH + timedelta(0, seconds, nanos // 1000)


def timestamp(at: datetime) -> Timestamp:
    """A datetime as a timestamp."""
    return timestamp_us((at - _EPOCH) // timedelta(microseconds=1))


def timestamp_us(microseconds: int) -> Timestamp:
    """Microseconds since 1970 as a timestamp."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def extras_of(envelope: pb.Envelope) -> bytes:
    """What an envelope carries beside header, payload and proof, for storage."""
    if not envelope.assertions and not envelope.wraps:
        return b""
    return pb.Envelope(assertions=envelope.assertions, wraps=envelope.wraps).SerializeToString()


def rebuild(header: bytes, payload: bytes, extras: bytes) -> pb.Envelope:
    """The envelope that was stored in parts; its proof is left empty.

    Raises:
        DecodeError: The stored parts are damaged.
    """
    envelope = pb.Envelope()
    if extras:
        envelope.ParseFromString(extras)
    envelope.header = header
    envelope.payload = payload
    return envelope
