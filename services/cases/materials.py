"""The evidence behind an act's materials: whose it is, who may read it, where it is moved."""

from __future__ import annotations

from collections.abc import Sequence

from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases.compose import Refused
from services.exchange import evidence_records, evidence_transfer
from services.exchange.evidence_transfer import Direction


def move(
    connection: Connection, content: pb.ActContent, roots: Sequence[bytes], holder: str, direction: Direction
) -> None:
    """Ask for the act's evidence to be moved, and let those who see the case read it."""
    evidence_transfer.enqueue(connection, roots, direction)
    evidence_records.grant(connection, roots, [evidence_records.case_reader(content.case_id)], holder)


def lend(connection: Connection, content: pb.ActContent, roots: Sequence[bytes], holder: str) -> None:
    """Let whoever sees the case name the act's evidence as well, though somebody else brought it here."""
    evidence_records.grant(connection, roots, [evidence_records.case_reader(content.case_id)], holder)


def holder_of(
    connection: Connection, content: pb.ActContent, roots: Sequence[bytes], subject: str, department: str
) -> str:
    """Whose complete evidence an act names: the sender's own, the department's, or the case's.

    Raises:
        Refused: A root is unknown here, not complete, or not theirs to name.
    """
    holder = department
    readers = [evidence_records.case_reader(content.case_id)]
    for root in roots:
        found = evidence_records.readable_holder(connection, root, readers, [subject, department])
        if found is None or not evidence_records.complete_roots(connection, [root], found):
            raise Refused(
                "The material's evidence is not complete here; upload it first.",
                reason="EVIDENCE_PENDING",
                field="draft.materials",
            )
        holder = found
    return holder
