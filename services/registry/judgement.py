"""May this letter be admitted? Everything that is asked of one letter, before anything is written.

The order is fixed, since an author acts on the first answer: who speaks, is the letter well dated, may
it be judged yet (retry), who acted and approved, and at last the procedure's own rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb
from services.common.errors import LiandongError
from services.exchange.assertions import Purpose, Verifier
from services.exchange.digests import content_digest
from services.exchange.directory import Directory
from services.exchange.letters import Letter, manifest_roots, moment
from services.procedures.admit import admit
from services.procedures.case import CaseState

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_SOON_MS: Final = 500
_LATER_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a letter is not admitted: stored and repeated if `retry_after_ms` is 0, else to be tried again."""

    reason: str
    field: str = ""
    message: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge looks at: the law and the ledger as they stand below the letter."""

    registry: str
    directory: Directory
    now: datetime
    case: Callable[[str], CaseState | None]
    answered: Callable[[str], bool]
    evidence_complete: Callable[[bytes], bool]
    head_known: Callable[[pb.ObservedHead], datetime | None]
    verifier: Callable[[str], Verifier]
    subscription_item: Callable[[str], tuple[str, str, int, bool] | None]


def judge(letter: Letter, author: str, bench: Bench) -> Answer | None:
    """Why the letter is not admitted, None if it is.

    Args:
        letter: The opened letter.
        author: The department of the certificate that submitted it.
        bench: What it is judged by.
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
    signed_at = moment(header.signed_at, "signed_at")
    if signed_at > bench.now + CLOCK_TOLERANCE:
        return Answer("CLOCK_AHEAD", "signed_at", "The letter is dated in the registry's future.", _LATER_MS)
    if header.HasField("observed_head"):
        seen_at = bench.head_known(header.observed_head)
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
    if facts is None or content is None:
        return Answer("MALFORMED", "act", "An act has content.")
    if content.home_registry != bench.registry:
        return Answer("WRONG_REGISTRY", "act.content.home_registry", f"This is {bench.registry}.")
    for field, names in (("recipients", facts.recipients), ("copies", facts.copies), ("parties", facts.parties)):
        for name in names:
            if bench.directory.department(name) is None:
                return Answer("UNKNOWN_DEPARTMENT", f"act.content.{field}", f"No department is called {name}.")
    if facts.predecessor and not bench.answered(facts.predecessor):
        return Answer("PREDECESSOR_PENDING", "act.predecessor", "The letter before it has not come.", _SOON_MS)
    procedure = bench.directory.law.procedure(facts.procedure, facts.procedure_version)
    spec = procedure.acts.get(facts.act) if procedure else None
    if not (spec and spec.evidence_may_follow):
        for root in manifest_roots(content):
            if not bench.evidence_complete(root):
                return Answer("EVIDENCE_PENDING", "act.content.materials", "Evidence is still on its way.", _SOON_MS)
    try:
        check_people(letter, bench.verifier(facts.author), signed_at)
    except LiandongError as error:
        return Answer(error.reason, error.field or "assertions", error.message)
    refusal = admit(bench.case(facts.case_id), facts, bench.now, bench.directory.law)
    if refusal is None:
        return None
    return Answer(refusal.reason, f"act.content.{refusal.field}" if refusal.field else "", refusal.message)


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
            raise LiandongError("No assertion stands behind the approval.", reason="ACTOR_MISSING", field=field)
        claims = verifier.verify(token, moment(approval.approved_at, field), digest, Purpose.APPROVE)
        if claims.service or claims.subject != approval.subject or approval.role not in claims.roles:
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
            raise LiandongError("The actor's role is not given.", reason="ROLE_NOT_PERMITTED", field="actor.role")
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
    for name in item.recipients:
        if bench.directory.department(name) is None:
            return Answer("UNKNOWN_DEPARTMENT", "item.recipients", f"No department is called {name}.")
    if category.by_hand:
        return Answer("INVALID_FIELD", "item.category", "This category goes by hand; only its docket is kept.")
    if not item.HasField("formed_at") or moment(item.formed_at, "item.formed_at") > signed_at:
        return Answer("OCCURRED_AFTER_SIGNED", "item.formed_at", "Information is formed before it is signed.")
    known = bench.subscription_item(item.item_id)
    if item.act == pb.ITEM_ACT_PUBLISH:
        if known is not None:
            return Answer("CASE_EXISTS", "item.item_id", "An item of that id exists.")
        return None
    if known is None or known[0] != letter.header.author or known[3]:
        return Answer("ITEM_NOT_YOURS", "item.item_id", "The item is unknown, withdrawn or by another.")
    if item.revision != known[2] + 1:
        return Answer("STALE", "item.revision", f"The item stands at revision {known[2]}.")
    return None

