"""What a department has published, by its own acts: texts that went out, results made known, draws.

A row is noted with the letter that says so, in its transaction; shown is what was admitted. A text that was
taken down in its case afterwards is not shown any more, and one that was corrected says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from google.protobuf.message import Message
from liandong.cases.v1 import openness_bodies_pb2, sampling_bodies_pb2, supervision_bodies_pb2
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2
from sqlalchemy import Connection

from services.cases import bodies, tables
from services.common.errors import NotFound
from services.exchange import tables as exchange_tables

TEXT: Final = "text"
RESULT: Final = "result"
NOTICE: Final = "draw-notice"
DRAW: Final = "draw"
TAKE_DOWN: Final = "take-down"
"""The act that takes down what was published in its case."""
WITHDRAWN: Final = "withdrawn"
CORRECTED: Final = "corrected"
_TITLE_AT_MOST: Final = 200
_RESULT_TITLE_AT_MOST: Final = 60

KINDS: Final = {
    TEXT: pb.PUBLISHED_KIND_TEXT,
    RESULT: pb.PUBLISHED_KIND_RESULT,
    NOTICE: pb.PUBLISHED_KIND_DRAW_NOTICE,
    DRAW: pb.PUBLISHED_KIND_DRAW,
}
_BODIES: Final = {
    openness_bodies_pb2.PublishedText.DESCRIPTOR.full_name: TEXT,
    supervision_bodies_pb2.SupervisionPublication.DESCRIPTOR.full_name: RESULT,
    sampling_bodies_pb2.DrawNotice.DESCRIPTOR.full_name: NOTICE,
    sampling_bodies_pb2.DrawResult.DESCRIPTOR.full_name: DRAW,
}

_p, _l = tables.publications.c, exchange_tables.letters.c


class NotPublished(NotFound):
    """Nothing of that id was published, or it is not shown any more."""


class Noted(NamedTuple):
    """What a letter says of publication; `about` is the letter that it corrects."""

    kind: str
    title: str
    number: str
    about: str


def noted(content: envelope_pb2.ActContent, body: Message | None) -> Noted | None:
    """What a letter with this body says of publication; None for most."""
    if content.amended_letter:
        return Noted(CORRECTED, "", "", content.amended_letter)
    if content.act == TAKE_DOWN:
        return Noted(WITHDRAWN, "", "", "")
    kind = _BODIES.get(content.body_type)
    if kind is None or body is None:
        return None
    if isinstance(body, openness_bodies_pb2.PublishedText):
        return Noted(kind, body.headline[:_TITLE_AT_MOST], body.number, "")
    if isinstance(body, supervision_bodies_pb2.SupervisionPublication):
        return Noted(kind, body.text.strip().partition("\n")[0][:_RESULT_TITLE_AT_MOST], "", "")
    if isinstance(body, (sampling_bodies_pb2.DrawNotice, sampling_bodies_pb2.DrawResult)):
        return Noted(kind, body.method[:_TITLE_AT_MOST], "", "")
    return None


def listed(
    connection: Connection, department: str, kind: str, text: str, before: int | None, limit: int
) -> Sequence[Any]:
    """What is shown below a position of the ledger, newest first.

    Args:
        connection: A read transaction.
        department: Whose: what others published is theirs to show.
        kind: Of `KINDS`; empty for any.
        text: In title or number; empty for any.
        before: The position of the last row of the page before.
        limit: At most so many.
    """
    wanted = [_p.kind == kind] if kind else []
    if before is not None:
        wanted.append(_l.position < before)
    if text:
        # what a person types is no pattern
        found = sa.or_(_p.title.contains(text, autoescape=True), _p.number.contains(text, autoescape=True))
        wanted.append(found)
    statement = _shown(department).where(*wanted).order_by(_l.position.desc()).limit(limit)
    return connection.execute(statement).all()


def one(connection: Connection, department: str, letter_id: str) -> pb.GetPublishedResponse:
    """One of them, whole.

    Raises:
        NotPublished: Nothing of that id is shown.
    """
    row = connection.execute(_shown(department, _l.payload).where(_p.letter_id == letter_id)).first()
    if row is None:
        raise NotPublished(field="letter_id")
    response = pb.GetPublishedResponse(published=view(row))
    body = bodies.parse_body(row.body_type, row.payload)
    if isinstance(body, openness_bodies_pb2.PublishedText):
        response.text, response.channel, response.address = body.text, body.channel, body.address
    elif isinstance(body, supervision_bodies_pb2.SupervisionPublication):
        response.text, response.channel = body.text, body.channel
    elif isinstance(body, sampling_bodies_pb2.DrawNotice):
        response.draw.CopyFrom(
            pb.PublishedDraw(
                method=body.method, commitment=body.commitment, margin=body.margin, objects=body.objects,
                officers=body.officers, draws_at=body.draws_at if body.HasField("draws_at") else None,
            )
        )  # fmt: skip
    elif isinstance(body, sampling_bodies_pb2.DrawResult):
        # who was left out for a conflict, and why, is not for everybody
        response.draw.CopyFrom(
            pb.PublishedDraw(
                method=body.method, commitment=body.commitment, seed=body.seed, tree_size=body.tree_size,
                pairs=[pb.PublishedPair(object=each.object, officers=each.officers) for each in body.pairs],
            )
        )  # fmt: skip
    return response


def view(row: Any) -> pb.Published:
    """A row of `listed`."""
    found = pb.Published(
        letter_id=row.letter_id, kind=KINDS[row.kind], title=row.title, number=row.number,
        position=row.position, corrected=bool(row.corrected),
    )  # fmt: skip
    found.published_at.FromMicroseconds(row.occurred_at_us)
    return found


def _shown(department: str, *more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    other, letter = tables.publications.alias("later"), exchange_tables.letters.alias("later_letter")
    admitted = sa.and_(letter.c.letter_id == other.c.letter_id, letter.c.position.is_not(None))
    withdrawn = sa.exists().where(
        admitted, other.c.case_id == _p.case_id, other.c.kind == WITHDRAWN, letter.c.position > _l.position
    )
    corrected = sa.exists().where(admitted, other.c.about == _p.letter_id, other.c.kind == CORRECTED)
    return (
        sa.select(
            _p.letter_id, _p.kind, _p.title, _p.number, _p.body_type, _l.position, _l.occurred_at_us,
            corrected.label("corrected"), *more,
        )
        .join(exchange_tables.letters, _l.letter_id == _p.letter_id)
        .where(
            _l.author == department, _l.disposition == "ADMITTED", _l.position.is_not(None),
            _p.kind.in_(sorted(KINDS)), ~withdrawn,
        )
    )  # fmt: skip
