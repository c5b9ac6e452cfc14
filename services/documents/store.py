"""Everything that a sheet says, read from the department's database in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, drafts, queries, store, tables
from services.cases.entry import Entry
from services.cases.handling.seal_image import SealImage
from services.cases.handling.store import seal_of
from services.common.clock import from_microseconds
from services.common.errors import NotFound
from services.common.title import Title
from services.documents.letter import Addressee, Approved, Attached, Duty, Ledgered, Letter
from services.exchange import evidence_tables
from services.exchange import tables as exchange_tables
from services.exchange.department import Department
from services.exchange.digests import content_digest
from services.exchange.directory import Directory
from services.exchange.letters import URGENCIES, moment
from services.exchange.session import REFUSED
from services.procedures.admit import missing_approvals
from services.procedures.deadlines import explain
from services.procedures.facts import Urgency
from services.procedures.fold import limit_of
from services.procedures.law import Law, limit_key
from services.procedures.model import Procedure

_ANNOUNCED: Final = bytes(32)
_SIGN_FOR: Final = bodies_pb2.SignFor.DESCRIPTOR.full_name
_SIGNED: Final = 200


def read_letter(connection: Connection, department: Department, letter_id: str, now: datetime) -> Letter:
    """A letter, or an open draft, with everything that stands on its sheets.

    Raises:
        NotFound: Neither an act's letter nor an open draft of that id is here.
    """
    letters = exchange_tables.letters
    row = connection.execute(
        sa.select(letters).where(letters.c.letter_id == letter_id, letters.c.kind == "act")
    ).first()
    drafted = connection.execute(
        sa.select(tables.drafts).where(tables.drafts.c.letter_id == letter_id)
    ).first()
    if row is not None:
        return _sent(connection, department, row, drafted, now)
    if drafted is None or drafted.state != drafts.OPEN:
        raise NotFound("No letter and no open draft of that id is here.", field="letter_id")
    return _drafted(connection, department, drafted, now)


def _sent(connection: Connection, department: Department, row: Any, drafted: Any, now: datetime) -> Letter:
    directory = department.directory
    header = pb.Header.FromString(row.header)
    content = pb.ActContent.FromString(header.act.content)
    procedure = directory.law.procedure(content.procedure, content.procedure_version)
    entry = _entry(connection, content.case_id, directory.law, now)
    received = queries.received(connection, [row]).get(row.letter_id, {})
    signed = _signatures(connection, row)
    digest = content_digest(header.act.content)
    ledgered = None
    if row.position is not None:
        ledgered = Ledgered(
            department.log_id, row.position, from_microseconds(row.admitted_at_us), row.letter_digest
        )
    return Letter(
        letter_id=row.letter_id,
        draft=False,
        number=row.number,
        signed_at=from_microseconds(row.signed_at_us),
        actor_name=header.actor.name,
        actor_role=header.actor.role,
        drafted_by=drafted.drafted_name if drafted is not None else "",
        drafted_at=from_microseconds(drafted.drafted_at_us) if drafted is not None else None,
        approvals=approvals_of(header.act.approvals),
        missing=(),
        recipients=tuple(
            Addressee(
                name,
                _title(directory, name),
                from_microseconds(received[name]) if name in received else None,
                *signed.get(name, ("", None)),
            )
            for name in content.recipients
        ),
        duties=_duties(connection, directory, entry, procedure, content, row, header.author),
        body=None if header.sealed else bodies.parse_body(content.body_type, row.payload),
        sealed=header.sealed,
        ledgered=ledgered,
        content_digest=digest,
        seal=_seal(connection, department, row, digest),
        **_common(connection, directory, content, procedure, header.author, entry, row.payload),
    )


def _seal(connection: Connection, department: Department, row: Any, digest: bytes) -> SealImage | None:
    """On own letters alone: no department has another's picture, and what was refused is no letter."""
    if row.author != department.name or row.disposition == REFUSED:
        return None
    return seal_of(connection, row.letter_id, digest)


def _drafted(connection: Connection, department: Department, row: Any, now: datetime) -> Letter:
    directory = department.directory
    content = pb.ActContent.FromString(row.content)
    procedure = directory.law.procedure(content.procedure, content.procedure_version)
    act = procedure.acts.get(content.act) if procedure else None
    entry = _entry(connection, content.case_id, directory.law, now)
    given = drafts.approvals_of(connection, row.letter_id)
    approvals = [approval for approval, _ in given]
    missing = missing_approvals(act, ((each.role, each.subject) for each in approvals)) if act else ()
    return Letter(
        letter_id=row.letter_id,
        draft=True,
        number="",
        signed_at=None,
        actor_name="",
        actor_role="",
        drafted_by=row.drafted_name,
        drafted_at=from_microseconds(row.drafted_at_us),
        approvals=approvals_of(approvals),
        missing=missing,
        recipients=tuple(Addressee(name, _title(directory, name)) for name in content.recipients),
        duties=_promised(directory.law, entry, procedure, content, now),
        body=bodies.parse_body(row.body_type, row.body),
        sealed=False,
        ledgered=None,
        content_digest=row.content_digest,
        **_common(connection, directory, content, procedure, department.name, entry, row.body),
    )


def _common(
    connection: Connection,
    directory: Directory,
    content: pb.ActContent,
    procedure: Procedure | None,
    author: str,
    entry: Entry | None,
    payload: bytes,
) -> dict[str, Any]:
    """What a letter and a draft have alike."""
    act = procedure.acts.get(content.act) if procedure else None
    body = bodies.parse_body(content.body_type, payload)
    title = (entry.title if entry else "") or (bodies.title_of(body) if body is not None else "")
    return {
        "case_id": content.case_id,
        "procedure": content.procedure,
        "procedure_title": procedure.title if procedure else Title(content.procedure, content.procedure),
        "act": content.act,
        "act_title": act.title if act else Title(content.act, content.act),
        "case_title": title,
        "author": _title(directory, author),
        "sub_unit": content.sub_unit,
        "copies": tuple(_title(directory, each.department) for each in content.copies),
        "urgency": _urgency(content, entry),
        "occurred_at": moment(content.occurred_at),
        "requested_limit": moment(content.requested_limit) if content.HasField("requested_limit") else None,
        "materials": _materials(connection, content.materials),
        "amends": _number_of(connection, content.amended_letter),
    }


def _title(directory: Directory, name: str) -> Title:
    known = directory.departments.get(name)
    return Title(known.title.zh or name, known.title.en or name) if known else Title(name, name)


def _urgency(content: pb.ActContent, entry: Entry | None) -> Urgency | None:
    if content.urgency in URGENCIES:
        return URGENCIES[content.urgency]
    state = (entry.view or entry.admitted) if entry else None
    return state.urgency if state else None


def _entry(connection: Connection, case_id: str, law: Law, now: datetime) -> Entry | None:
    return store.load(connection, [case_id], now, law).get(case_id)


def approvals_of(found: Iterable[pb.Approval]) -> tuple[Approved, ...]:
    """Approvals as a sheet shows them."""
    return tuple(
        Approved(
            each.role,
            each.name,
            moment(each.approved_at),
            each.certificate,
            each.acting_for_name,
        )
        for each in found
    )


def _materials(connection: Connection, materials: Sequence[pb.Material]) -> tuple[Attached, ...]:
    """Materials with the names that their manifests tell, as far as these are here."""
    manifests = evidence_tables.manifests.c
    roots = {each.manifest_root for each in materials} - {_ANNOUNCED}
    rows = connection.execute(
        sa.select(manifests.root, manifests.file_name).where(
            manifests.root.in_(roots), manifests.file_name != ""
        )
    )
    names: Mapping[bytes, str] = {bytes(root): name for root, name in rows}
    return tuple(
        Attached(
            each.kind,
            names.get(each.manifest_root, ""),
            each.media_type,
            each.size,
            each.digest,
            announced=each.manifest_root == _ANNOUNCED,
        )
        for each in materials
    )


def _number_of(connection: Connection, letter_id: str) -> str:
    if not letter_id:
        return ""
    letters = exchange_tables.letters.c
    found = connection.execute(sa.select(letters.number).where(letters.letter_id == letter_id)).scalar()
    return str(found or "")


def _signatures(connection: Connection, row: Any) -> dict[str, tuple[str, datetime]]:
    """Who signed for a letter, by department: the first letter of it that says so after this one."""
    if row.position is None:
        return {}
    letters = exchange_tables.letters.c
    rows = connection.execute(
        sa.select(letters.author, letters.header, letters.payload, letters.occurred_at_us)
        .where(letters.case_id == row.case_id, letters.kind == "act", letters.position > row.position)
        .order_by(letters.position)
        .limit(_SIGNED)
    )
    found: dict[str, tuple[str, datetime]] = {}
    for author, header, payload, occurred_at_us in rows:
        parsed = pb.Header.FromString(header)
        content = pb.ActContent.FromString(parsed.act.content)
        if content.body_type == _SIGN_FOR and not parsed.sealed:
            body = bodies_pb2.SignFor.FromString(payload)
            found.setdefault(author, (body.signed_by, from_microseconds(occurred_at_us)))
    return found


# -- what is owed because of it -------------------------------------------------------------------


def _duties(
    connection: Connection,
    directory: Directory,
    entry: Entry | None,
    procedure: Procedure | None,
    content: pb.ActContent,
    row: Any,
    author: str,
) -> tuple[Duty, ...]:
    if procedure is None:
        return ()
    if row.position is None:
        return _promised(directory.law, entry, procedure, content, from_microseconds(row.signed_at_us))
    calendar = directory.law.calendar(content.home_registry)
    return tuple(
        Duty(
            title=procedure.obligations[each.rule].title,
            owed_by=_title(directory, each.owed_by),
            limit=each.limit,
            from_occurred=each.from_occurred,
            on_receipt=each.starts_on_receipt,
            fixed=each.fixed_due,
            of_recipient=each.owed_by in content.recipients and each.owed_by != author,
            explanation=explain(each, calendar),
        )
        for each in queries.obligations_of(connection, content.case_id)
        if each.opened_position == row.position and each.rule in procedure.obligations
    )


def _promised(
    law: Law, entry: Entry | None, procedure: Procedure | None, content: pb.ActContent, now: datetime
) -> tuple[Duty, ...]:
    """What a letter that is not admitted yet will set running, by the case as it stands."""
    effects = procedure.effects.get(content.act) if procedure else None
    if procedure is None or effects is None:
        return ()
    state = (entry.view or entry.admitted) if entry else None
    urgency = _urgency(content, entry) or Urgency.ORDINARY
    regional = law.limits_at(procedure, now)
    roles = {each.department: each.role for each in content.parties}
    if state is not None:
        roles |= {name: role for role, held in state.parties.items() for name in held}
    asked = {roles.get(name) for name in content.recipients}
    duties = []
    for rule in effects.opens:
        limit = (
            limit_of(state, rule, urgency)
            if state is not None
            else regional.get(limit_key(rule.name, urgency))
            or regional.get(rule.name)
            or rule.within[urgency]
        )
        duties.append(
            Duty(
                title=rule.title,
                owed_by=procedure.roles.get(rule.owed_by, Title(rule.owed_by, rule.owed_by)),
                limit=limit,
                from_occurred=rule.from_occurred,
                on_receipt=rule.starts_on_receipt,
                fixed=moment(content.requested_limit) if rule.requested_limit else None,
                of_recipient=rule.owed_by in asked,
            )
        )
    return tuple(duties)
