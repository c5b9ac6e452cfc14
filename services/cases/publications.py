"""What a department has published, by its own acts: texts that went out, results made known, decisions, draws.

A row is noted with the letter that says so, in its transaction; shown is what was admitted. A text that was
taken down in its case afterwards is not shown any more, and one that was corrected says so.

Of a decision, a penalty or a permit, the newest letter of its case stands. A penalty is shown while an obligation
`shown-...` of its case runs, whether or not somebody has filed it meanwhile. Of one that was withdrawn the notice is
shown in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from google.protobuf.message import Message
from liandong.cases.v1 import (
    openness_bodies_pb2,
    publicity_bodies_pb2,
    sampling_bodies_pb2,
    supervision_bodies_pb2,
)
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2
from sqlalchemy import Connection

from services.cases import bodies, tables
from services.common.clock import microseconds
from services.common.errors import NotFound
from services.exchange import tables as exchange_tables

TEXT: Final = "text"
RESULT: Final = "result"
NOTICE: Final = "draw-notice"
DRAW: Final = "draw"
PENALTY: Final = "penalty"
PERMIT: Final = "permit"
WITHDRAWAL: Final = "withdrawal"
TAKE_DOWN: Final = "take-down"
"""The act that takes down what was published in its case."""
WITHDRAWN: Final = "withdrawn"
ENDED: Final = "ended"
CORRECTED: Final = "corrected"
_TITLE_AT_MOST: Final = 200
_RESULT_TITLE_AT_MOST: Final = 60

KINDS: Final = {
    TEXT: pb.PUBLISHED_KIND_TEXT,
    RESULT: pb.PUBLISHED_KIND_RESULT,
    NOTICE: pb.PUBLISHED_KIND_DRAW_NOTICE,
    DRAW: pb.PUBLISHED_KIND_DRAW,
    PENALTY: pb.PUBLISHED_KIND_PENALTY,
    PERMIT: pb.PUBLISHED_KIND_PERMIT,
    WITHDRAWAL: pb.PUBLISHED_KIND_WITHDRAWAL,
}
_DECISIONS: Final = (PENALTY, PERMIT)
_TERM: Final = "shown-"
"""How the obligations begin that say how long a penalty is shown."""
_BODIES: Final = {
    openness_bodies_pb2.PublishedText.DESCRIPTOR.full_name: TEXT,
    supervision_bodies_pb2.SupervisionPublication.DESCRIPTOR.full_name: RESULT,
    sampling_bodies_pb2.DrawNotice.DESCRIPTOR.full_name: NOTICE,
    sampling_bodies_pb2.DrawResult.DESCRIPTOR.full_name: DRAW,
    publicity_bodies_pb2.PublicisedPenalty.DESCRIPTOR.full_name: PENALTY,
    publicity_bodies_pb2.PublicisedPermit.DESCRIPTOR.full_name: PERMIT,
    publicity_bodies_pb2.PublicityWithdrawal.DESCRIPTOR.full_name: WITHDRAWAL,
    publicity_bodies_pb2.PublicityEnding.DESCRIPTOR.full_name: ENDED,
}

_p, _l, _o = tables.publications.c, exchange_tables.letters.c, tables.obligations.c


_other, _of_letter = tables.publications.alias("later"), exchange_tables.letters.alias("later_letter")
_of_later, _letter = _other.c, _of_letter.c
_admitted: Final = sa.and_(_letter.letter_id == _of_later.letter_id, _letter.position.is_not(None))


class NotPublished(NotFound):
    """Nothing of that id was published, or it is not shown any more."""


class Noted(NamedTuple):
    """What a letter says of publication; `about` is the letter that it corrects, `party` whom a decision concerns."""

    kind: str
    title: str = ""
    number: str = ""
    about: str = ""
    party: str = ""
    party_code: str = ""


def noted(content: envelope_pb2.ActContent, body: Message | None) -> Noted | None:
    """What a letter with this body says of publication; None for most."""
    if content.amended_letter:
        return Noted(CORRECTED, about=content.amended_letter)
    if content.act == TAKE_DOWN:
        return Noted(WITHDRAWN)
    kind = _BODIES.get(content.body_type)
    if kind is None or body is None:
        return None
    if isinstance(body, openness_bodies_pb2.PublishedText):
        return Noted(kind, body.headline[:_TITLE_AT_MOST], body.number)
    if isinstance(body, supervision_bodies_pb2.SupervisionPublication):
        return Noted(kind, body.text.strip().partition("\n")[0][:_RESULT_TITLE_AT_MOST])
    if isinstance(body, (sampling_bodies_pb2.DrawNotice, sampling_bodies_pb2.DrawResult)):
        return Noted(kind, body.method[:_TITLE_AT_MOST])
    if isinstance(body, publicity_bodies_pb2.PublicisedPenalty):
        return Noted(kind, body.violation, body.number, party=body.party, party_code=body.party_code)
    if isinstance(body, publicity_bodies_pb2.PublicisedPermit):
        title = body.certificate_name or body.permit_class
        return Noted(kind, title, body.number, party=body.party, party_code=body.party_code)
    if isinstance(body, (publicity_bodies_pb2.PublicityWithdrawal, publicity_bodies_pb2.PublicityEnding)):
        return Noted(kind)
    return None


def listed(
    connection: Connection,
    department: str,
    kind: str,
    text: str,
    before: int | None,
    limit: int,
    now: datetime,
) -> Sequence[Any]:
    """What is shown below a position of the ledger, newest first.

    Args:
        connection: A read transaction.
        department: Whose: what others published is theirs to show.
        kind: Of `KINDS`; empty for any.
        text: In title, number or name of the party, or the party's code; empty for any.
        before: The position of the last row of the page before.
        limit: At most so many.
        now: The time, for what is shown for a term.
    """
    wanted = [_p.kind == kind] if kind else []
    if before is not None:
        wanted.append(_l.position < before)
    if text:
        # what a person types is no pattern
        among = (_p.title, _number(), _p.party)
        found = [each.contains(text, autoescape=True) for each in among]
        wanted.append(sa.or_(*found, _p.party_code == bodies.normalised(text)))
    statement = _shown(department, now).where(*wanted).order_by(_l.position.desc()).limit(limit)
    return connection.execute(statement).all()


def one(connection: Connection, department: str, letter_id: str, now: datetime) -> pb.GetPublishedResponse:
    """One of them, whole; of a decision what stands now.

    Raises:
        NotPublished: Nothing of that id is shown.
    """
    shown = _shown(department, now, _l.payload)
    row = connection.execute(shown.where(_p.letter_id == letter_id)).first()
    if row is None:
        # a decision that was corrected or withdrawn: whoever kept its address is led on
        case = (
            sa.select(_of_later.case_id)
            .where(_of_later.letter_id == letter_id, _of_later.kind.in_(_DECISIONS))
            .scalar_subquery()
        )
        row = connection.execute(shown.where(_p.case_id == case).order_by(_l.position.desc())).first()
    if row is None:
        raise NotPublished(field="letter_id")
    response = pb.GetPublishedResponse(published=view(row))
    body = bodies.parse_body(row.body_type, row.payload)
    if isinstance(body, openness_bodies_pb2.PublishedText):
        response.text, response.channel, response.address = body.text, body.channel, body.address
    elif isinstance(body, supervision_bodies_pb2.SupervisionPublication):
        response.text, response.channel = body.text, body.channel
    elif isinstance(body, publicity_bodies_pb2.PublicisedPenalty):
        response.penalty.CopyFrom(body)
    elif isinstance(body, publicity_bodies_pb2.PublicisedPermit):
        response.permit.CopyFrom(body)
    elif isinstance(body, publicity_bodies_pb2.PublicityWithdrawal):
        response.text = body.grounds
    else:
        draw = _draw(body)
        if draw is not None:
            response.draw.CopyFrom(draw)
    return response


def _draw(body: Message | None) -> pb.PublishedDraw | None:
    if isinstance(body, sampling_bodies_pb2.DrawNotice):
        return pb.PublishedDraw(
            method=body.method, commitment=body.commitment, margin=body.margin, objects=body.objects,
            officers=body.officers, draws_at=body.draws_at if body.HasField("draws_at") else None,
        )  # fmt: skip
    if isinstance(body, sampling_bodies_pb2.DrawResult):
        # who was left out for a conflict, and why, is not for everybody
        return pb.PublishedDraw(
            method=body.method, commitment=body.commitment, seed=body.seed, tree_size=body.tree_size,
            pairs=[pb.PublishedPair(object=each.object, officers=each.officers) for each in body.pairs],
        )  # fmt: skip
    return None


def view(row: Any) -> pb.Published:
    """A row of `listed`."""
    found = pb.Published(
        letter_id=row.letter_id, kind=KINDS[row.kind], title=row.title, number=row.shown_number,
        position=row.position, corrected=bool(row.corrected), party=row.party, party_code=row.party_code,
    )  # fmt: skip
    found.published_at.FromMicroseconds(row.occurred_at_us)
    if row.shown_until_us is not None:
        found.shown_until.FromMicroseconds(row.shown_until_us)
    return found


def _shown(department: str, now: datetime, *more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    taken_down = _later(_p.case_id == _of_later.case_id, _of_later.kind.in_((WITHDRAWN, WITHDRAWAL, ENDED)))
    replaced = _later(_p.case_id == _of_later.case_id, _of_later.kind == _p.kind)
    said_wrong = sa.exists().where(_admitted, _of_later.about == _p.letter_id, _of_later.kind == CORRECTED)
    corrects = sa.exists().where(
        _admitted, _of_later.case_id == _p.case_id, _of_later.kind == _p.kind, _letter.position < _l.position
    )
    decision, until = _p.kind.in_(_DECISIONS), _until()
    return (
        sa.select(
            _p.letter_id, _p.kind, _p.title, _number().label("shown_number"), _p.body_type, _p.party, _p.party_code,
            _l.position, _l.occurred_at_us, until.label("shown_until_us"),
            sa.or_(said_wrong, sa.and_(decision, corrects)).label("corrected"), *more,
        )
        .join(exchange_tables.letters, _l.letter_id == _p.letter_id)
        .where(
            _l.author == department, _l.disposition == "ADMITTED", _l.position.is_not(None),
            _p.kind.in_(sorted(KINDS)), ~taken_down, ~sa.and_(decision, replaced),
            sa.or_(_p.kind != PENALTY, until > microseconds(now)),
        )
    )  # fmt: skip


def _later(*wanted: sa.ColumnElement[bool]) -> sa.Exists:
    """There is an admitted letter after this one."""
    return sa.exists().where(_admitted, _letter.position > _l.position, *wanted)


def _number() -> sa.ColumnElement[str]:
    """The number of the document; of a notice of withdrawal that of the decision that was shown."""
    last = (
        sa.select(_of_later.number)
        .where(_admitted, _of_later.case_id == _p.case_id, _of_later.kind.in_(_DECISIONS))
        .order_by(_letter.position.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.case((_p.kind == WITHDRAWAL, sa.func.coalesce(last, "")), else_=_p.number)


def _until() -> sa.ColumnElement[int]:
    """When the term of a penalty ends, unless something has ended it before."""
    return (
        sa.select(sa.func.max(_o.due_at_us))
        .where(
            _p.kind == PENALTY, _o.case_id == _p.case_id, _o.rule.startswith(_TERM, autoescape=True),
            # filed early, it is shown to the end of its term all the same
            _o.state.in_(("OPEN", "LAPSED")),
        )
        .scalar_subquery()
    )  # fmt: skip
