"""Complaints that somebody wrote on the public site: registered like any other, by the department that first gets them.

Who complains and the telephone do not go into the letter, which whoever handles the complaint later gets as well, unless
the writer allows it; they are kept in a table of this department's alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2, case_service_pb2, complaint_bodies_pb2
from liandong.cases.v1 import public_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, status_codes, tables
from services.common.clock import microseconds
from services.common.errors import Conflict, NotFound

PROCEDURE: Final = "complaint"
_ACT: Final = "register"
_TITLE_AT_MOST: Final = 40
_CODES: Final = 5
"""How often one complaint is answered with a number and a code: whoever sends the form again gets another."""
_c, _s = tables.complaint_contacts.c, tables.status_codes.c


class NoContact(NotFound):
    """Nobody wrote this case on the public site."""


class AnsweredBefore(Conflict):
    """This complaint is registered, and was answered with a number and a code too often."""


def draft_of(request: pb.TakeComplaintRequest) -> case_service_pb2.ActDraft:
    """The act by which a complaint is registered.

    Raises:
        IdentifierInvalid: The unit's code has a wrong check digit.
    """
    subjects = []
    code = bodies.normalised(request.unit_code)
    if request.unit_name or code:
        kind = bodies_pb2.SUBJECT_KIND_UNIT if code else bodies_pb2.SUBJECT_KIND_UNKNOWN
        unit = bodies_pb2.Subject(kind=kind, name=request.unit_name or code, identifier=code)
        bodies.check_subject(unit, "unit_code")
        subjects.append(unit)
    passed_on = request.may_pass_contact_on
    record = complaint_bodies_pb2.ComplaintRecord(
        title=title_of(request.facts), facts=request.facts, place=request.place, subjects=subjects,
        channel=complaint_bodies_pb2.COMPLAINT_CHANNEL_PUBLIC_SITE, confidential=not passed_on,
        complainant=request.contact_name if passed_on else "",
        complainant_contact=request.contact_phone if passed_on else "",
    )  # fmt: skip
    return case_service_pb2.ActDraft(
        procedure=PROCEDURE, act=_ACT, item_code=request.item_code, complaint_record=record,
        materials=request.photographs,
    )  # fmt: skip


def title_of(facts: str) -> str:
    """What the case is called: how the complaint begins."""
    line = " ".join(facts.split())
    return line if len(line) <= _TITLE_AT_MOST else f"{line[: _TITLE_AT_MOST - 1]}…"


def receive(
    connection: Connection, case_id: str, request: pb.TakeComplaintRequest, now: datetime
) -> tuple[str, str]:
    """Keep who wrote a complaint that was just registered; gives a number and a code for it.

    Raises:
        AnsweredBefore: It was asked for too often.
    """
    if connection.execute(sa.select(_c.case_id).where(_c.case_id == case_id)).first() is None:
        connection.execute(
            tables.complaint_contacts.insert().values(
                case_id=case_id, name=request.contact_name, phone=request.contact_phone,
                passed_on=request.may_pass_contact_on, received_at_us=microseconds(now),
            )
        )  # fmt: skip
    issued = sa.select(sa.func.count()).select_from(tables.status_codes).where(_s.case_id == case_id)
    if connection.execute(issued).scalar_one() >= _CODES:
        raise AnsweredBefore(field="idempotency_key")
    return status_codes.issue(connection, case_id, now)


def contact_of(connection: Connection, case_id: str) -> Any:
    """Who wrote a complaint: a row of `complaint_contacts`.

    Raises:
        NoContact: It did not come that way.
    """
    row = connection.execute(sa.select(tables.complaint_contacts).where(_c.case_id == case_id)).first()
    if row is None:
        raise NoContact(field="case_id")
    return row
