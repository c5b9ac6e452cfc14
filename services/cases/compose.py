"""From what a person asks for to the frozen content of an act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from liandong.cases.v1 import case_service_pb2
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases import bodies, publicity
from services.common.errors import InvalidField, LiandongError, LimitExceeded
from services.exchange import extensions
from services.exchange.digests import sha256
from services.exchange.extensions import Schemas
from services.exchange.letters import CONTENT_LIMIT, LETTER_LIMIT, timestamp
from services.exchange.session import new_id
from services.exchange.subject_tokens import SubjectKeys
from services.procedures.case import CaseState
from services.procedures.law import Law
from services.procedures.model import Act, Procedure
from services.procedures.parties import Parties, with_office

NO_SUBJECT_KEYS: Final = SubjectKeys()


class Refused(LiandongError):
    """The act may not be done; `reason` says why, as the registry would."""

    code = "FAILED_PRECONDITION"


@dataclass(frozen=True, slots=True)
class Composed:
    """A frozen content with its body, and the rules it is said under."""

    content: pb.ActContent
    body_type: str
    body: bytes
    act: Act
    opens: bool


def compose(
    draft: case_service_pb2.ActDraft,
    author: str,
    registry: str,
    state: CaseState | None,
    law: Law,
    schemas: Schemas,
    now: datetime,
    subject_keys: SubjectKeys = NO_SUBJECT_KEYS,
) -> Composed:
    """Complete a draft: ids, procedure version, the author's own role, addressees.

    Args:
        draft: What is to be said; what everybody is going to read of it is masked in it.
        author: The department.
        registry: Its home registry.
        state: The case with the author's pending letters, None for a new one.
        law: The common entries as known here.
        schemas: What bodies of the region's own are checked by.
        now: For what the draft leaves to the clock.
        subject_keys: What tokens of subjects are made with.

    Raises:
        Refused: UNKNOWN_CASE, UNKNOWN_PROCEDURE or UNKNOWN_ACT.
        InvalidField: The body is not the act's, or not what its schema says.
        LimitExceeded: Body or content is larger than that of a letter may be.
        IdentifierInvalid: A subject's identifier has a wrong check digit.
    """
    procedure = _procedure(draft, state, law)
    act = procedure.acts.get(draft.act)
    if act is None:
        raise Refused(f"{procedure.name} has no act {draft.act}.", reason="UNKNOWN_ACT", field="draft.act")
    publicity.conceal(draft)
    body_type, body = bodies.body_of(draft)
    tokens: list[bytes] = []
    if body_type not in (act.body, extensions.BODY_TYPE):
        raise InvalidField(f"{act.name} takes a body of {act.body}.", field="draft.body")
    if bodies.names_subjects(body_type):
        name = draft.WhichOneof("body") or ""
        subjects = getattr(draft, name).subjects
        bodies.check_subjects(subjects, f"draft.{name}.subjects")
        tokens = subject_keys.tokens(bodies.normalised(each.identifier) for each in subjects)
    if len(body) > LETTER_LIMIT:
        raise LimitExceeded(
            f"The body has {len(body)} bytes, {LETTER_LIMIT} are allowed.",
            field=f"draft.{draft.WhichOneof('body')}",
        )
    if body_type == extensions.BODY_TYPE:
        extensions.check_body(draft.extension_body, schemas, "draft.extension_body")
    opens = state is None
    held = with_office(dict(state.parties) if state else {}, procedure, law)
    content = pb.ActContent(
        case_id=draft.case_id or new_id(),
        home_registry=state.home_registry if state else registry,
        procedure=procedure.name,
        procedure_version=procedure.version,
        act=act.name,
        sub_unit=draft.sub_unit,
        parties=draft.parties,
        recipients=draft.recipients,
        copies=draft.copies,
        urgency=draft.urgency or (pb.URGENCY_ORDINARY if opens else pb.URGENCY_UNSPECIFIED),
        outcome_code=draft.outcome_code,
        reason_code=draft.reason_code,
        amended_letter=draft.amended_letter,
        linked_cases=draft.linked_cases,
        materials=draft.materials,
        item_code=draft.item_code,
        area_code=draft.area_code,
        serves=draft.serves,
        body_type=body_type,
        body_digest=sha256(body),
        subject_tokens=tokens,
        subject_key_version=subject_keys.version if tokens else 0,
    )
    content.occurred_at.CopyFrom(draft.occurred_at if draft.HasField("occurred_at") else timestamp(now))
    if draft.HasField("requested_limit"):
        content.requested_limit.CopyFrom(draft.requested_limit)
    if opens and act.by[0] in procedure.roles and all(each.department != author for each in draft.parties):
        content.parties.add(role=act.by[0], department=author)
    _copy_in(content, author, act, held)
    if not draft.recipients:
        _address(content, author, state)
    if content.ByteSize() > CONTENT_LIMIT:
        raise LimitExceeded(
            f"The act has {content.ByteSize()} bytes beside its body, {CONTENT_LIMIT} are allowed.",
            field="draft",
        )
    return Composed(content, body_type, body, act, opens)


def _procedure(draft: case_service_pb2.ActDraft, state: CaseState | None, law: Law) -> Procedure:
    if state is not None:
        found = law.procedure(state.procedure, state.version)
        if found is None or draft.procedure not in ("", state.procedure):
            raise Refused(
                f"The case runs under {state.procedure}.", reason="UNKNOWN_PROCEDURE", field="draft.procedure"
            )
        return found
    if draft.case_id and not draft.procedure:
        raise Refused("No such case is here.", reason="UNKNOWN_CASE", field="draft.case_id")
    found = law.newest(draft.procedure)
    if found is None:
        raise Refused(
            f"No procedure {draft.procedure!r} is in force.",
            reason="UNKNOWN_PROCEDURE",
            field="draft.procedure",
        )
    return found


def _copy_in(content: pb.ActContent, author: str, act: Act, held: Parties) -> None:
    """Copy in whom the rule names, unless the draft addresses or copies them already."""
    names = [each.department for each in content.parties if each.role in act.copies]
    names += [name for role in act.copies for name in held.get(role, ())]
    told = {author, *content.recipients, *(each.department for each in content.copies)}
    content.copies.extend(pb.Copy(department=name) for name in dict.fromkeys(names) if name not in told)


def _address(content: pb.ActContent, author: str, state: CaseState | None) -> None:
    """Address the act to the other parties, named now or before; to the office only once it was called."""
    names = [each.department for each in content.parties]
    if state is not None:
        names += state.members
    others = {author, *(each.department for each in content.copies)}
    content.recipients.extend(dict.fromkeys(name for name in names if name not in others))
