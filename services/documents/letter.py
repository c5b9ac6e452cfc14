"""A letter as documents know it: everything that a sheet says, gathered, before anything is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import Message

from services.cases.handling.seal_image import SealImage
from services.common.title import Title
from services.procedures.explanation import Explanation
from services.procedures.facts import Urgency
from services.procedures.obligation import Limit


@dataclass(frozen=True, slots=True)
class Approved:
    """One approval; `stood_for` names whom the person acted for, empty who acted in their own place."""

    role: str
    name: str
    at: datetime
    certificate: str = ""
    stood_for: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """One material; `name` is that of its file, empty where no manifest is here or it is only announced."""

    kind: str
    name: str
    media_type: str
    size: int
    digest: bytes
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Addressee:
    """A department that the letter goes to, when its node had it, and who signed for it."""

    department: str
    title: Title
    received_at: datetime | None = None
    signed_by: str = ""
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """What somebody owes because of the letter."""

    title: Title
    owed_by: Title
    limit: Limit
    from_occurred: bool = False
    on_receipt: bool = False
    fixed: datetime | None = None
    of_recipient: bool = True
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Ledgered:
    """Where an admitted letter stands, and the digests that prove it."""

    log_id: str
    position: int
    admitted_at: datetime
    letter_digest: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter or draft.

    Attributes:
        draft: It was not sent yet: no number, no date, marked as a draft.
        procedure: Name of the procedure, by which texts of acts are found.
        case_title: The case's title; empty if no body has named one.
        body: None where its type is unknown here or it is sealed.
        amends: Number of the letter that it corrects.
        missing: Roles whose approval a draft still lacks.
        ledgered: None while it is not admitted.
        seal: What the department's seal looked like when the letter was sealed; None where it was not.
    """

    letter_id: str
    case_id: str
    draft: bool
    procedure: str
    procedure_title: Title
    act: str
    act_title: Title
    case_title: str
    author: Title
    sub_unit: str
    recipients: tuple[Addressee, ...]
    copies: tuple[Title, ...]
    number: str
    urgency: Urgency | None
    occurred_at: datetime
    signed_at: datetime | None
    requested_limit: datetime | None
    actor_name: str
    actor_role: str
    drafted_by: str
    drafted_at: datetime | None
    approvals: tuple[Approved, ...]
    missing: tuple[str, ...]
    materials: tuple[Attached, ...]
    duties: tuple[Duty, ...]
    body: Message | None
    sealed: bool
    amends: str
    content_digest: bytes
    ledgered: Ledgered | None
    seal: SealImage | None = None
