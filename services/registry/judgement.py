"""May this letter be admitted? Everything that is asked of one letter, before anything is written.

The order is fixed, since an author acts on the first answer: who speaks, is the letter well dated, may
it be judged yet (retry), who acted and approved, and at last the procedure's own rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.errors import LiandongError
from services.exchange import extensions
from services.exchange.assertions import Purpose, Verifier
from services.exchange.digests import content_digest
from services.exchange.directory import Directory
from services.exchange.letters import Letter, attachment_roots, manifest_roots, moment
from services.procedures.admit import admit
from services.procedures.case import CaseState
from services.registry.store import Item

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_SOON_MS: Final = 500
_LATER_MS: Final = 5_000
_LAST_REVISION: Final = 2**31 - 1
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a letter is not admitted: stored and repeated if `retry_after_ms` is 0, else to be tried again."""

    reason: str
    field: str = ""
    message: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge looks at: the law and the ledger as they stand below the letter.

    Attributes:
        registry: The name of this registry.
        epoch: The ledger's.
        directory: As of the letter's position.
        now: Its admission, if it is admitted.
        case: Gives a case's state.
        answered: Whether a letter id was answered before.
        evidence_missing: Those of the roots whose evidence an author has not brought in full.
        head_seen_at: When the last leaf under an observed head was admitted, None if this ledger never had
            that head.
        verifier: Gives the verifier of a department's assertions.
        item: Gives a shared item.
    """

    registry: str
    epoch: int
    directory: Directory
    now: datetime
    case: Callable[[str], CaseState | None]
    answered: Callable[[str], bool]
    evidence_missing: Callable[[str, Sequence[bytes]], Collection[bytes]]
    head_seen_at: Callable[[pb.ObservedHead], datetime | None]
    verifier: Callable[[str, Directory], Verifier]
    item: Callable[[str], Item | None]


def judge(letter: Letter, author: str, bench: Bench) -> Answer | None:
    """Why the letter is not admitted, None if it is.

    Args:
        letter: The opened letter.
        author: The department of the certificate that submitted it.
        bench: What it is judged by.

    Raises:
        LiandongError: Likewise a reason against it.
    """
    header = letter.header
    if header.author != author:
        return Answer("FORGED_AUTHOR", "author", f"The certificate is that of {author}.")
    if not bench.directory.active(author):
        return Answer("DEPARTMENT_INACTIVE", "author", f"{author} is not active in the directory.")
    if header.suite != pb.SUITE_ED25519_SHA256_AES256GCM:
        return Answer("SUITE_UNSUPPORTED", "suite", "This suite is not accepted here.")
    if header.sealed:
        return Answer("SEALING_NOT_ENABLED", "sealed", "Sealed bodies are not enabled in this region.")
    signed_at = letter.facts.signed_at if letter.facts else moment(header.signed_at, "signed_at")
    if signed_at > bench.now + CLOCK_TOLERANCE:
        return Answer("CLOCK_AHEAD", "signed_at", "The letter is dated in the registry's future.", _LATER_MS)
    if header.HasField("observed_head"):
        seen_at = bench.head_seen_at(header.observed_head)
        if seen_at is None or seen_at > signed_at + CLOCK_TOLERANCE:
            return Answer("HEAD_UNKNOWN", "observed_head", "The head is not one of this ledger at that time.")
    match letter.kind:
        case "act":
            return _judge_act(letter, bench, signed_at)
        case "arrival":
            return None  # its positions and digests are checked where they are looked up
        case "item":
            return _judge_item(letter, bench, signed_at)
        case "common":
            return Answer("CALLER_NOT_PERMITTED", "kind", "Common entries are the registry's own.")
        case _:
            return Answer("INVALID_FIELD", "kind", "This kind of letter is not in use yet.")


def _judge_act(letter: Letter, bench: Bench, signed_at: datetime) -> Answer | None:
    facts, content = letter.facts, letter.content
    assert facts is not None
    assert content is not None
    directory = bench.directory
    if content.home_registry != bench.registry:
        return Answer("WRONG_REGISTRY", "act.content.home_registry", f"This is {bench.registry}.")
    act = letter.header.act
    if act.HasField("based_on") and act.based_on.epoch != bench.epoch:
        # the same place in both epochs only if it is under a head that this one continues
        seen = letter.header.observed_head
        if act.based_on.epoch > bench.epoch or act.based_on.position >= seen.size:
            return Answer("HEAD_UNKNOWN", "act.based_on", "The position is not one of this ledger's epoch.")
    for field, names in (
        ("recipients", facts.recipients),
        ("copies", facts.copies),
        ("parties", facts.parties),
    ):
        for name in names:
            if directory.department(name) is None:
                return Answer(
                    "UNKNOWN_DEPARTMENT", f"act.content.{field}", f"No department is called {name}."
                )
    if facts.predecessor:
        if not is_uuid7(facts.predecessor):
            return Answer("INVALID_FIELD", "act.predecessor", "This is no letter id.")
        if not bench.answered(facts.predecessor):
            return Answer(
                "PREDECESSOR_PENDING", "act.predecessor", "The letter before it has not come.", _SOON_MS
            )
    if facts.item_code and directory.delegation_expired(
        facts.author, facts.item_code, facts.area_code, signed_at
    ):
        return Answer(
            "DELEGATION_EXPIRED", "act.content.item_code", "The delegation of this matter has ended."
        )
    if content.materials:
        # also where evidence may follow: what is only announced has no root, and opens the duty to bring it
        roots = manifest_roots(content)
        if roots and bench.evidence_missing(facts.author, roots):
            return Answer(
                "EVIDENCE_PENDING", "act.content.materials", "Evidence is still on its way.", _SOON_MS
            )
    check_people(letter, bench.verifier(facts.author, directory), signed_at)
    if extensions.BODY_TYPE in (content.body_type, letter.header.payload_type):
        extensions.check_payload(letter.envelope.payload, letter.header.schema_digest, directory.schemas)
    refusal = admit(bench.case(facts.case_id), facts, bench.now, directory.law)
    if refusal is None:
        return None
    return Answer(refusal.reason, _field_path(refusal.field), refusal.message)


def _field_path(field: str) -> str:
    if field in ("author", "actor"):
        return field
    if field.partition("[")[0] in ("approvals", "based_on", "predecessor"):
        return f"act.{field}"
    if field == "actor_certificate":
        return "actor.certificate"
    return f"act.content.{field}" if field else ""


def check_people(letter: Letter, verifier: Verifier, signed_at: datetime) -> None:
    """Check that assertions stand behind the actor and each approval, for exactly this content.

    A person's sending and every approval carry the content digest. A system of the department may send
    under the assertion of its session, which carries none, but cannot approve.

    Raises:
        ActorInvalid, ActorExpired, ContentMismatch: See `Verifier.verify`.
        ActorMissing: No assertion stands behind the actor or an approval.
        RoleNotPermitted: A role was claimed that the assertion does not give.
    """
    header = letter.header
    by_digest = dict(zip(header.assertion_digests, letter.envelope.assertions, strict=True))
    digest = content_digest(header.act.content)
    approving: set[bytes] = set()
    for index, approval in enumerate(header.act.approvals):
        field = f"act.approvals[{index}]"
        token = by_digest.get(approval.assertion_digest)
        if token is None:
            raise LiandongError(
                "No assertion stands behind the approval.", reason="ACTOR_MISSING", field=field
            )
        claims = verifier.verify(token, moment(approval.approved_at, field), digest, Purpose.APPROVE)
        given = (claims.subject, claims.certificate) == (approval.subject, approval.certificate)
        if claims.service or not given or approval.role not in claims.roles:
            raise LiandongError(
                "The assertion does not give this approval.", reason="ROLE_NOT_PERMITTED", field=field
            )
        approving.add(approval.assertion_digest)
    actor = header.actor
    for assertion_digest, token in by_digest.items():
        if assertion_digest in approving:
            continue
        claims = verifier.verify(token, signed_at)
        if claims.subject != actor.subject or claims.service != actor.service:
            continue
        if actor.role not in claims.roles or claims.certificate != actor.certificate:
            raise LiandongError(
                "The actor's role is not given.", reason="ROLE_NOT_PERMITTED", field="actor.role"
            )
        if not claims.service:
            verifier.verify(token, signed_at, digest, Purpose.SEND)
        return
    raise LiandongError("No assertion stands behind the actor.", reason="ACTOR_MISSING", field="actor")


def _judge_item(letter: Letter, bench: Bench, signed_at: datetime) -> Answer | None:
    item = letter.header.item
    category = bench.directory.category(item.category)
    if category is None:
        return Answer("UNKNOWN_CATEGORY", "item.category", f"The catalogue has no {item.category}.")
    if item.act in (pb.ITEM_ACT_SUBSCRIBE, pb.ITEM_ACT_UNSUBSCRIBE):
        return None
    if not is_uuid7(item.item_id):
        return Answer("INVALID_FIELD", "item.item_id", "This is no item id.")
    for name in item.recipients:
        if bench.directory.department(name) is None:
            return Answer("UNKNOWN_DEPARTMENT", "item.recipients", f"No department is called {name}.")
    if category.by_hand:
        return Answer(
            "INVALID_FIELD", "item.category", "This category goes by hand; only its docket is kept."
        )
    if not item.HasField("formed_at") or moment(item.formed_at, "item.formed_at") > signed_at:
        return Answer("OCCURRED_AFTER_SIGNED", "item.formed_at", "Information is formed before it is signed.")
    if item.revision > (_LAST_REVISION if item.act != pb.ITEM_ACT_PUBLISH else 1):
        return Answer("INVALID_FIELD", "item.revision", "Revisions count from 1, which is the publication.")
    attached = attachment_roots(letter)
    if attached and bench.evidence_missing(letter.header.author, attached):
        return Answer("EVIDENCE_PENDING", "payload.attachments", "Evidence is still on its way.", _SOON_MS)
    known = bench.item(item.item_id)
    if item.act == pb.ITEM_ACT_PUBLISH:
        return None if known is None else Answer("CASE_EXISTS", "item.item_id", "An item of that id exists.")
    if known is None or known.author != letter.header.author or known.withdrawn:
        return Answer("ITEM_NOT_YOURS", "item.item_id", "The item is unknown, withdrawn or by another.")
    if known.category != item.category:
        return Answer("INVALID_FIELD", "item.category", f"The item is in {known.category}.")
    if item.act == pb.ITEM_ACT_CORRECT and item.revision != known.revision + 1:
        return Answer("STALE", "item.revision", f"The item stands at revision {known.revision}.")
    return None


def is_uuid7(text: str) -> bool:
    """Whether a text is a UUIDv7 as letters, cases and items have them."""
    return _UUID7.fullmatch(text) is not None
