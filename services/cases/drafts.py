"""Drafts: an act frozen for approval. What is approved is what is sent, or it is not sent at all.

Everything here runs inside a command of the department's writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import case_service_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, tables
from services.cases.compose import Composed, Refused
from services.cases.desk import DeskSession
from services.cases.entry import Recorded
from services.cases.handling.documents import Begun
from services.cases.signing import Signing
from services.common.clock import from_microseconds, microseconds
from services.common.errors import Conflict, LiandongError, LimitExceeded, NotFound, RoleNotPermitted
from services.exchange.actors import ActorFacts
from services.exchange.assertions import ContentMismatch, Purpose
from services.exchange.digests import content_digest, sha256
from services.exchange.letters import timestamp_us
from services.exchange.session import DepartmentSession, new_id
from services.procedures.admit import missing_approvals
from services.procedures.document import NotYourStep
from services.procedures.model import Act

OPEN: Final = "OPEN"
SENT: Final = "SENT"
DISCARDED: Final = "DISCARDED"
_APPROVALS: Final = 12


@dataclass(frozen=True, slots=True)
class Draft:
    """A frozen act that waits.

    Attributes:
        content: The frozen bytes; `content_digest` is over exactly these.
        asked: The act as it was asked for, with its body.
        approvals: Role, person, time and assertion of each approval.
    """

    letter_id: str
    case_id: str
    content: bytes
    content_digest: bytes
    asked: case_service_pb2.ActDraft
    body_type: str
    body: bytes
    drafted_by: str
    drafted_name: str
    drafted_at: datetime
    returned_reason: str
    state: str
    approvals: tuple[tuple[pb.Approval, bytes], ...] = ()

    def composed(self, act: Act) -> Composed:
        """The draft as the desk takes it."""
        return Composed(pb.ActContent.FromString(self.content), self.body_type, self.body, act, opens=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A draft with what it still needs."""

    draft: Draft
    act: Act
    missing: tuple[str, ...]
    finding: LiandongError | None


class Drafts:
    """The drafts of a department, in one session."""

    def __init__(self, session: DepartmentSession, desk: DeskSession) -> None:
        self._session = session
        self._desk = desk
        self._connection = session.connection
        self._documents = desk.documents

    def prepare(
        self,
        asked: case_service_pb2.ActDraft,
        actor: ActorFacts,
        key: str | None,
        request_digest: bytes,
        replaces: str,
    ) -> Shown:
        """Freeze an act.

        Raises:
            Conflict: The key was used with another request.
            Refused: Case, procedure or act are unknown, or the body is not the act's.
            NotYourStep: The draft that is to be replaced is not in the actor's hands.
        """
        if key is not None:
            known = self._connection.execute(
                sa.select(tables.drafts).where(tables.drafts.c.idempotency_key == key)
            ).first()
            if known is not None:
                if known.request_digest != request_digest:
                    raise Conflict(field="idempotency_key")
                return self.show(self._draft(known), actor)
        composed = self._desk.compose(asked)
        replaced = None
        if replaces:
            self.open(replaces)
            replaced = self._documents.replaced(replaces, actor)
            self._end(replaces, DISCARDED)
        content = composed.content.SerializeToString()
        draft = Draft(
            new_id(), composed.content.case_id, content, content_digest(content), asked, composed.body_type,
            composed.body, actor.subject, actor.name, self._session.now, "", OPEN,
        )  # fmt: skip
        self._connection.execute(
            tables.drafts.insert().values(
                letter_id=draft.letter_id, case_id=draft.case_id, act=composed.act.name, content=content,
                content_digest=draft.content_digest, draft=asked.SerializeToString(), body_type=draft.body_type,
                body=draft.body, drafted_by=draft.drafted_by, drafted_name=draft.drafted_name,
                drafted_at_us=microseconds(draft.drafted_at), state=OPEN, idempotency_key=key,
                request_digest=request_digest,
            )
        )  # fmt: skip
        begun = Begun(
            draft.case_id, draft.letter_id, composed.content.procedure, composed.act.name,
            composed.act.approved_by, draft.content_digest, composed.act.numbered,
            bodies.title_in(draft.body_type, draft.body), tuple(composed.content.recipients),
        )  # fmt: skip
        self._documents.drafted(begun, actor, replaced)
        return self.show(draft, actor)

    def asked_under(self, key: str) -> tuple[bytes, str] | None:
        """What was prepared under an idempotency key: the digest of the request, and the case; None for nothing."""
        drafts = tables.drafts.c
        known = self._connection.execute(
            sa.select(drafts.request_digest, drafts.case_id).where(drafts.idempotency_key == key)
        ).first()
        return None if known is None else (bytes(known.request_digest), known.case_id)

    def approve(
        self, letter_id: str, digest: bytes, role: str, actor: ActorFacts, task: int = 0, note: str = ""
    ) -> Shown:
        """Note an approval; the assertion must be for approving exactly this content.

        On a chain of the department's this is what signing is, and only what is to be signed now can be
        approved. Of more persons in one role than the act asks for, the last to approve stand.

        Raises:
            NotFound: No such draft is open.
            ContentMismatch: The digest asked for or asserted is not the draft's.
            RoleNotPermitted: A system cannot approve; a person only in a role that the assertion gives.
            LimitExceeded: More roles have approved than a letter can bear.
            StepOpen: An earlier step of the chain is not through.
            NotYourStep: Nothing of the chain's signing is theirs, or they have approved in another role.
        """
        draft = self.open(letter_id)
        check_bound(draft, digest, actor, Purpose.APPROVE)
        if actor.assertion.service:
            raise RoleNotPermitted("A system of the department cannot approve.", field="role")
        if role not in actor.roles:
            raise RoleNotPermitted(f"The assertion does not give the role {role}.", field="role")
        if any(each.subject == actor.subject and each.role != role for each, _ in draft.approvals):
            raise NotYourStep(
                "You have approved in another role already; another person approves here.", field="role"
            )
        moved = self._documents.signing(letter_id, role, actor, task, note)
        asked = max(1, self._act(draft).approved_by.count(role), moved.signers(role) if moved else 0)
        others = [
            each.subject for each, _ in draft.approvals if each.role == role and each.subject != actor.subject
        ]
        replaced = [actor.subject, *others[: max(0, len(others) + 1 - asked)]]
        kept = [each for each, _ in draft.approvals if each.role != role or each.subject not in replaced]
        if len(kept) >= _APPROVALS:
            raise LimitExceeded(f"A letter has at most {_APPROVALS} approvals.", field="role")
        absent = moved.actor.acting_for if moved else None
        approvals = tables.approvals
        self._connection.execute(
            approvals.delete().where(
                approvals.c.letter_id == letter_id,
                approvals.c.role == role,
                approvals.c.subject.in_(replaced),
            )
        )
        self._connection.execute(
            approvals.insert().values(
                letter_id=letter_id, role=role, subject=actor.subject, name=actor.name,
                approved_at_us=microseconds(self._session.now), assertion=actor.token,
                certificate=actor.assertion.certificate,
                acting_for_subject=absent.subject if absent else "",
                acting_for_name=absent.name if absent else "",
            )
        )  # fmt: skip
        if moved is not None:
            self._documents.save(moved)
        return self.show(self.open(letter_id), actor)

    def give_back(self, letter_id: str, reason: str, actor: ActorFacts) -> Shown:
        """Return a draft with a reason; its approvals fall away.

        Raises:
            NotFound: No such draft is open.
            NotYourStep: It is not in the actor's hands.
        """
        self.open(letter_id)
        moved = self._documents.returning(letter_id, reason, actor)
        if moved is not None:
            self._documents.save(moved)
        self.returned(letter_id, reason)
        return self.show(self.open(letter_id), actor)

    def returned(self, letter_id: str, reason: str) -> None:
        """Note why a draft came back; its approvals fall away."""
        self._connection.execute(tables.approvals.delete().where(tables.approvals.c.letter_id == letter_id))
        self._connection.execute(
            tables.drafts.update()
            .where(tables.drafts.c.letter_id == letter_id)
            .values(returned_reason=reason)
        )

    def discard(self, letter_id: str, actor: ActorFacts) -> None:
        """Drop a draft that was not sent.

        Raises:
            NotFound: No such draft is open.
            NotYourStep: It is neither the actor's draft nor in their hands.
        """
        self.open(letter_id)
        kept = self._documents.replaced(letter_id, actor)
        self._end(letter_id, DISCARDED)
        self._documents.discarded(kept, actor)

    def send(self, letter_id: str, digest: bytes, actor: ActorFacts) -> Recorded:
        """Sign a draft and record it for sending; repeating it answers the same.

        Raises:
            NotFound: No such draft.
            ContentMismatch: The digest asked for or asserted is not the draft's.
            Refused: With the reason for which the registry would refuse it.
            StepOpen: It is not through its chain.
        """
        draft = self._find(letter_id)
        if actor.assertion.service:
            # a system sends what people approved; its own assertion is that of its session
            if digest != draft.content_digest:
                raise ContentMismatch(field="content_digest")
        else:
            check_bound(draft, digest, actor, Purpose.SEND)
        if draft.state == SENT:
            return self._desk.sent(letter_id)
        if draft.state != OPEN:
            raise Refused("The draft was discarded.", reason="LETTER_FINAL", field="letter_id")
        act = self._act(draft)
        signing = self._signing(draft, actor)
        moved = self._documents.sending(letter_id, actor)
        recorded = self._desk.record(
            draft.composed(act),
            signing,
            letter_id=letter_id,
            number=moved.kept.number if moved else "",
            series=self._documents.series(moved.kept) if moved else "",
        )
        self._end(letter_id, SENT)
        if moved is not None:
            self._documents.sent(moved, recorded.number)
        return recorded

    def list(self, case_id: str, awaiting_role: str, actor: ActorFacts) -> list[Shown]:
        """Open drafts, oldest first."""
        drafts = tables.drafts.c
        query = sa.select(tables.drafts).where(drafts.state == OPEN).order_by(drafts.drafted_at_us).limit(500)
        if case_id:
            query = query.where(drafts.case_id == case_id)
        shown = [self.show(self._draft(row), actor) for row in self._connection.execute(query).all()]
        return [each for each in shown if not awaiting_role or awaiting_role in each.missing]

    def show(self, draft: Draft, actor: ActorFacts) -> Shown:
        """A draft with what it still needs, judged as of now."""
        act = self._act(draft)
        missing = missing_approvals(act, ((each.role, each.subject) for each, _ in draft.approvals))
        finding: LiandongError | None = None
        try:
            self._desk.check(draft.letter_id, draft.composed(act), self._signing(draft, actor))
        except LiandongError as error:
            finding = error
        return Shown(draft, act, missing, finding)

    def open(self, letter_id: str) -> Draft:
        """A draft that can still be changed.

        Raises:
            NotFound: There is none of that id.
        """
        draft = self._find(letter_id)
        if draft.state != OPEN:
            raise NotFound("No open draft has that id.", field="letter_id")
        return draft

    def _find(self, letter_id: str) -> Draft:
        row = self._connection.execute(
            sa.select(tables.drafts).where(tables.drafts.c.letter_id == letter_id)
        ).first()
        if row is None:
            raise NotFound("No draft has that id.", field="letter_id")
        return self._draft(row)

    def _draft(self, row: Any) -> Draft:
        return Draft(
            row.letter_id, row.case_id, row.content, row.content_digest,
            case_service_pb2.ActDraft.FromString(row.draft), row.body_type, row.body, row.drafted_by,
            row.drafted_name, from_microseconds(row.drafted_at_us), row.returned_reason, row.state,
            approvals_of(self._connection, row.letter_id),
        )  # fmt: skip

    def _act(self, draft: Draft) -> Act:
        content = pb.ActContent.FromString(draft.content)
        procedure = self._session.directory.law.procedure(content.procedure, content.procedure_version)
        act = procedure.acts.get(content.act) if procedure else None
        if act is None:
            raise Refused("The procedure is no longer in force.", reason="UNKNOWN_PROCEDURE")
        return act

    def _signing(self, draft: Draft, actor: ActorFacts) -> Signing:
        return Signing(
            actor.header(),
            (actor.token, *(token for _, token in draft.approvals)),
            tuple(approval for approval, _ in draft.approvals),
        )

    def _end(self, letter_id: str, state: str) -> None:
        self._connection.execute(
            tables.drafts.update().where(tables.drafts.c.letter_id == letter_id).values(state=state)
        )


def check_bound(draft: Draft, digest: bytes, actor: ActorFacts, purpose: Purpose) -> None:
    """Check that request and assertion mean exactly this content.

    Raises:
        ContentMismatch: They do not, or the assertion was made for something else.
    """
    if digest != draft.content_digest:
        raise ContentMismatch("The draft has other content.", field="content_digest")
    if actor.assertion.content_digest != draft.content_digest or actor.assertion.purpose is not purpose:
        raise ContentMismatch(
            f"The assertion is not made to {purpose.value} this content.", field="content_digest"
        )


def approvals_of(connection: Connection, letter_id: str) -> tuple[tuple[pb.Approval, bytes], ...]:
    """The approvals of a draft with the assertions behind them, in their order."""
    approvals = tables.approvals
    rows = connection.execute(
        sa.select(approvals).where(approvals.c.letter_id == letter_id).order_by(approvals.c.approved_at_us)
    )
    return tuple(
        (
            pb.Approval(
                role=row.role, subject=row.subject, name=row.name, approved_at=timestamp_us(row.approved_at_us),
                assertion_digest=sha256(row.assertion), certificate=row.certificate,
                acting_for_subject=row.acting_for_subject, acting_for_name=row.acting_for_name,
            ),
            row.assertion,
        )
        for row in rows
    )  # fmt: skip
