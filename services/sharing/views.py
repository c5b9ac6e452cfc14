"""Shared items as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb
from sqlalchemy import Connection

from services.exchange.letters import timestamp, timestamp_us
from services.procedures.law import Law
from services.sharing import store
from services.sharing.sharing import WITHDRAW, Item, Revision, due_of, is_late, read_bulletin

_NOTHING: Final = store.Body(b"", b"")
_OVERHEAD: Final = 400
_ANSWER: Final = 1024 * 1024
"""Bytes of bulletins in one answer, well below what a message may have."""


class Shown(NamedTuple):
    """An item with everything that is shown of it.

    Attributes:
        item: As it stands.
        read_revision: The newest revision that the person has read.
        revisions: Those that stand, newest first.
        bodies: What their letters carry, by letter.
    """

    item: Item
    read_revision: int
    revisions: tuple[Revision, ...]
    bodies: dict[str, store.Body]


def load(connection: Connection, subject: str, item_id: str) -> Shown | None:
    """An item with its revisions and bodies, as a person reads it; None if nothing of it stands here."""
    found = store.item(connection, subject, item_id)
    if found is None:
        return None
    item, read_revision = found
    revisions = store.revisions(connection, [item_id]).get(item_id, {}).values()
    standing = [each for each in revisions if not each.refused and each.author == item.author]
    standing.sort(key=lambda each: (each.revision, each.letter_id), reverse=True)
    bodies = store.bodies(connection, [each.letter_id for each in standing])
    return Shown(item, read_revision, tuple(standing), bodies)


def view(item: Item, read_revision: int, law: Law) -> sharing_pb.BulletinView:
    """An item for a list: without its text."""
    shown = sharing_pb.BulletinView(
        item_id=item.item_id,
        category=item.category,
        author=item.author,
        revision=item.revision,
        formed_at=timestamp_us(item.formed_at_us),
        due_at=timestamp(due_of(item, law)),
        withdrawn=item.withdrawn,
        late=is_late(item, law),
        read=read_revision >= item.revision,
    )
    if item.heading is not None:
        shown.bulletin.ParseFromString(item.heading)
    if item.admitted_at_us is not None and item.position is not None:
        shown.admitted_at.CopyFrom(timestamp_us(item.admitted_at_us))
        shown.position = item.position
    return shown


def page(found: Sequence[tuple[Item, int]], size: int, law: Law) -> list[sharing_pb.BulletinView]:
    """As many of these items as a page and an answer hold, at least one."""
    shown: list[sharing_pb.BulletinView] = []
    total = 0
    for item, read_revision in found[:size]:
        total += len(item.heading or b"") + _OVERHEAD
        if shown and total > _ANSWER:
            break
        shown.append(view(item, read_revision, law))
    return shown


def full_view(shown: Shown, law: Law) -> sharing_pb.GetBulletinResponse:
    """An item with its revisions; bodies that cannot be shown are left out.

    Of an item that was corrected so often that an answer cannot hold it, the oldest come without text.
    """
    item = shown.item
    views: list[sharing_pb.BulletinView] = []
    size = 0
    for each in shown.revisions:
        then = replace(
            item,
            letter_id=each.letter_id,
            revision=each.revision,
            withdrawn=item.withdrawn if each.letter_id == item.letter_id else each.act == WITHDRAW,
            position=each.position,
            admitted_at_us=each.admitted_at_us,
        )
        made = view(then, shown.read_revision, law)
        made.ClearField("bulletin")
        body = shown.bodies.get(each.letter_id, _NOTHING)
        bulletin = _bulletin(body)
        if bulletin is not None:
            made.bulletin.CopyFrom(bulletin)
            size += len(body.payload)
            if size > _ANSWER:
                made.bulletin.ClearField("text")
        views.append(made)
    return sharing_pb.GetBulletinResponse(bulletin=views[0], earlier=views[1:])


def _bulletin(body: store.Body) -> sharing_pb.Bulletin | None:
    try:
        header = pb.Header.FromString(body.header)
    except DecodeError:
        return None
    return read_bulletin(header, body.payload)
