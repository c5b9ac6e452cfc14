"""Evidence that bulletins name: whose it is, where it is to be moved, who may read it here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb
from sqlalchemy import Connection

from services.common.errors import LiandongError
from services.exchange import evidence_records, evidence_transfer
from services.exchange.digests import DIGEST_SIZE
from services.exchange.evidence_transfer import Direction

_MOST: Final = 20


class AttachmentMissing(LiandongError):
    """An attachment is not complete here; upload it first."""

    code = "FAILED_PRECONDITION"


def roots_of(bulletin: sharing_pb.Bulletin) -> list[bytes]:
    """The manifests that a bulletin names; what can be none is left out, since nobody checked it before."""
    return [root for root in bulletin.attachments[:_MOST] if len(root) == DIGEST_SIZE]


def holder_of(
    connection: Connection, item_id: str, roots: Sequence[bytes], subject: str, department: str
) -> str:
    """Whose complete evidence a bulletin names: the sender's own, the department's, or the item's.

    Raises:
        AttachmentMissing: A root is unknown here, not complete, or not theirs to name.
    """
    holder = department
    for root in roots:
        found = evidence_records.readable_holder(connection, root, [_reader(item_id)], [subject, department])
        if found is None or not evidence_records.complete_roots(connection, [root], found):
            raise AttachmentMissing(reason="EVIDENCE_PENDING", field="bulletin.attachments")
        holder = found
    return holder


def move(
    connection: Connection, item_id: str, roots: Sequence[bytes], holder: str, direction: Direction
) -> None:
    """Ask for evidence to be moved, and let those who see the item read it."""
    evidence_transfer.enqueue(connection, roots, direction)
    evidence_records.grant(connection, roots, [_reader(item_id)], holder)


def _reader(item_id: str) -> str:
    # letters of an item stand under its id as those of a case do under the case's
    return evidence_records.case_reader(item_id)
