"""The facts of a letter that rules may read: the domain's mirror of the clear act header.

Fold, admission and obligations see nothing else of a letter, so that sealed bodies and parties that
join late fold to the same state.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from services.common.records import record


class Urgency(enum.StrEnum):
    """How pressing a matter is; limits depend on it."""

    ORDINARY = "ordinary"
    URGENT = "urgent"
    MAJOR = "major"


@record(frozen=True, slots=True)
class Material:
    """One attachment: its kind, the root of its manifest (None while it is only announced), its size in bytes."""

    kind: str
    manifest_root: bytes | None = None
    size: int = 0


@record(frozen=True, slots=True)
class Approval:
    """One approval of the content: the role it was given in, the person's stable id, when, an officer's certificate."""

    role: str
    subject: str
    approved_at: datetime
    certificate: str = ""


@record(frozen=True, slots=True)
class ActFacts:
    """One act as the rules see it. Times are timezone-aware.

    `parties` maps departments to roles: all in the opening act, later only additions or changes.
    `based_on` is the last position of the case that the author had seen, None in the opening act.
    `serves` are the standing duties that it discharges, each with the number of the occurrence.
    """

    letter_id: str
    case_id: str
    procedure: str
    procedure_version: int
    act: str
    author: str
    occurred_at: datetime
    signed_at: datetime
    parties: Mapping[str, str] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    urgency: Urgency | None = None
    requested_limit: datetime | None = None
    outcome_code: str = ""
    reason_code: str = ""
    amended_letter: str = ""
    linked_cases: tuple[tuple[str, str], ...] = ()
    materials: tuple[Material, ...] = ()
    approvals: tuple[Approval, ...] = ()
    item_code: str = ""
    area_code: str = ""
    sub_unit: str = ""
    actor_role: str = ""
    actor_service: bool = False
    actor_certificate: str = ""
    based_on: int | None = None
    predecessor: str = ""
    home_registry: str = ""
    serves: tuple[tuple[str, int], ...] = ()


@record(frozen=True, slots=True)
class Admission:
    """Where and when the registry admitted a letter, and the common version it judged by."""

    position: int
    admitted_at: datetime
    common_version: int
