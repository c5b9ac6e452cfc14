"""Standing stock of a department: its register of subjects, and the cases that were open before it joined.

Everything is checked before anything is written, in one command of the department's writer: all of a call, or nothing.
What is sent again under its keys changes nothing. A system signs nothing that people have to approve: the opening act of
such a case is prepared as a draft, and opens the case when they have approved and sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

import sqlalchemy as sa
from liandong.cases.v1 import import_service_pb2 as pb
from liandong.cases.v1 import subject_service_pb2
from liandong.exchange.v1 import envelope_pb2 as envelopes
from sqlalchemy import Connection

from services.cases import bodies, materials, tables
from services.cases.compose import Composed, Refused
from services.cases.desk import DeskSession
from services.cases.drafts import Draft, Drafts
from services.cases.entry import Recorded
from services.cases.signing import Signing
from services.common.bulk import Bulk
from services.common.errors import Conflict, InvalidField, LiandongError, LimitExceeded
from services.exchange.actors import ActorFacts
from services.exchange.digests import sha256
from services.exchange.letters import manifest_roots
from services.exchange.session import DepartmentSession, new_id
from services.exchange.subject_names import name_key

P = ParamSpec("P")
T = TypeVar("T")

SUBJECTS: Final = 50_000
CASES: Final = 5_000
_FAULTS: Final = 200
_REGISTER: Final = Bulk(tables.registered_subjects)
_KEYS: Final = Bulk(tables.registered_subjects, ["key", "subject"])


@dataclass(slots=True)
class Outcome:
    """What an import does, or would do.

    Attributes:
        added: Rows that are new.
        changed: Rows that are here with other content.
        unchanged: Rows that are here as they are.
        faults: Row, from 0, and what is wrong with it.
        awaiting: Of those that are new: cases whose opening act waits for people to approve it.
        case_ids: Cases in the order of the rows; empty texts where there is none yet.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    awaiting: int = 0
    faults: list[tuple[int, LiandongError]] = field(default_factory=list)
    case_ids: list[str] = field(default_factory=list)

    def check(self, row: int, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T | None:
        """Do something for a row, and note what it is refused with."""
        try:
            return work(*given, **named)
        except LiandongError as error:
            if len(self.faults) < _FAULTS:
                self.faults.append((row, error))
            return None


def import_subjects(
    session: DepartmentSession, rows: Sequence[subject_service_pb2.RegisteredSubject], *, dry_run: bool
) -> Outcome:
    """Take subjects onto the register; what is wrong is told, and then nothing is taken.

    Raises:
        LimitExceeded: More than 50,000.
    """
    outcome = Outcome()
    _bounded(len(rows), SUBJECTS)
    _distinct([each.key for each in rows], outcome)
    for index, each in enumerate(rows):
        outcome.check(index, bodies.check_subjects, [each.subject], "subject")
    found = _KEYS.select_in(session.connection, "key", [each.key for each in rows])
    known: dict[str, bytes] = {row.key: row.subject for row in found}
    fresh = []
    for each in rows:
        content = each.SerializeToString(deterministic=True)
        before = known.get(each.key)
        outcome.unchanged += before == content
        outcome.changed += before is not None and before != content
        outcome.added += before is None
        if before != content:
            subject = each.subject
            identifier = bodies.normalised(subject.identifier)
            fresh.append((each.key, identifier, name_key(subject.name), content))
    if not outcome.faults and not dry_run:
        _REGISTER.upsert(session.connection, fresh, ["key"], ["identifier", "name_key", "subject"])
        told = f"{outcome.added} added, {outcome.changed} changed, {outcome.unchanged} unchanged"
        session.audit("ImportSubjects", "", told)
    return outcome


def registered(
    connection: Connection, identifier: str, keys: Sequence[str], limit: int
) -> list[subject_service_pb2.RegisteredSubject]:
    """What the register says of an identifier, or of names without one."""
    own = tables.registered_subjects.c
    by_name = sa.and_(own.name_key.in_(list(keys)), own.identifier == "")
    wanted = sa.or_(own.identifier == identifier, by_name) if identifier else by_name
    rows = connection.execute(sa.select(own.subject).where(wanted).order_by(own.key).limit(limit)).scalars()
    return [subject_service_pb2.RegisteredSubject.FromString(each) for each in rows]


def import_cases(
    session: DepartmentSession,
    desk: DeskSession,
    rows: Sequence[pb.StandingCase],
    actor: ActorFacts,
    *,
    dry_run: bool,
) -> Outcome:
    """Record the opening acts of cases, each at the time when its fact happened, or draft them; see the module.

    Raises:
        LimitExceeded: More than 5,000.
    """
    outcome = Outcome()
    _bounded(len(rows), CASES)
    _distinct([each.key for each in rows], outcome)
    drafts = Drafts(session, desk)
    signing = Signing(actor.header(), (actor.token,))
    ready: list[tuple[int, pb.StandingCase, bytes, str, Composed]] = []
    for index, each in enumerate(rows):
        digest = sha256(each.draft.SerializeToString(deterministic=True))
        outcome.case_ids.append("")
        known = _known(desk, drafts, _key(each.key))
        if known is not None:
            before, outcome.case_ids[index] = known
            outcome.check(index, _same, before, digest)
            outcome.unchanged += 1
            continue
        letter_id = new_id()
        composed = outcome.check(index, _opening, desk, each)
        if composed is not None:
            outcome.check(index, _judged, desk, letter_id, composed, signing)
            if not dry_run:
                # a preview comes before the files
                outcome.check(index, _held, session, composed.content, actor)
            outcome.awaiting += bool(composed.act.approved_by)
            ready.append((index, each, digest, letter_id, composed))
        outcome.added += 1
    if not outcome.faults and not dry_run:
        for index, each, digest, letter_id, composed in ready:
            key = _key(each.key)
            if composed.act.approved_by:
                made: Draft | Recorded = _drafted(session, drafts, each, actor, digest)
            else:
                made = desk.record(composed, signing, letter_id=letter_id, key=key, request_digest=digest)
            session.audit("ImportCases", made.case_id, made.letter_id)
            outcome.case_ids[index] = made.case_id
    return outcome


def _drafted(
    session: DepartmentSession, drafts: Drafts, row: pb.StandingCase, actor: ActorFacts, digest: bytes
) -> Draft:
    """A draft that people can approve and send: its evidence is theirs as well, though a system brought it."""
    draft = drafts.prepare(row.draft, actor, _key(row.key), digest, "").draft
    content = envelopes.ActContent.FromString(draft.content)
    materials.lend(session.connection, content, manifest_roots(content), _held(session, content, actor))
    return draft


def _held(session: DepartmentSession, content: envelopes.ActContent, actor: ActorFacts) -> str:
    roots = manifest_roots(content)
    return materials.holder_of(session.connection, content, roots, actor.subject, session.department.name)


def _known(desk: DeskSession, drafts: Drafts, key: str) -> tuple[bytes, str] | None:
    """What was imported under a key, as a letter or a draft: digest of the request, and the case."""
    answered = desk.answered(key)
    if answered is not None:
        return answered[0], answered[1].case_id
    return drafts.asked_under(key)


def _judged(desk: DeskSession, letter_id: str, composed: Composed, signing: Signing) -> None:
    try:
        desk.check(letter_id, composed, signing)
    except Refused as error:
        # that is what it will wait for; it is asked for after everything else that the act needs
        if error.reason != "APPROVAL_MISSING":
            raise


def _opening(desk: DeskSession, row: pb.StandingCase) -> Composed:
    if row.draft.case_id:
        raise InvalidField("A case of before is opened: it has no id here.", field="draft.case_id")
    if not row.draft.HasField("occurred_at"):
        raise InvalidField("A case of before says when its fact happened.", field="draft.occurred_at")
    return desk.compose(row.draft)


def _key(key: str) -> str:
    """The idempotency key of a case: whoever imports it, it is the same."""
    return f"import:{key}"


def _same(before: bytes, digest: bytes) -> None:
    if before != digest:
        raise Conflict("It was imported before with other content; correct it in the case.", field="key")


def _bounded(count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(f"{count:,} rows, at most {limit:,} in one call.")


def _distinct(keys: Sequence[str], outcome: Outcome) -> None:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key in seen:
            outcome.check(index, _twice, key)
        seen.add(key)


def _twice(key: str) -> None:
    raise InvalidField(f"The key {key} stands twice.", field="key")
