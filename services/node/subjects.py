"""Where a subject's file gets the bulletins from that name it: cases and sharing know nothing of each other."""

from __future__ import annotations

from collections.abc import Sequence

from liandong.cases.v1 import subject_service_pb2 as pb
from sqlalchemy import Connection

from services.exchange.letters import timestamp_us
from services.sharing.naming import naming


def bulletins_naming(connection: Connection, words: Sequence[str]) -> list[pb.SubjectBulletin]:
    """Bulletins here that hold one of these names or identifiers, newest first."""
    return [
        pb.SubjectBulletin(
            item_id=item.item_id,
            category=item.category,
            author=item.author,
            title=title,
            formed_at=timestamp_us(item.formed_at_us),
            withdrawn=item.withdrawn,
        )
        for item, title in naming(connection, words)
    ]
