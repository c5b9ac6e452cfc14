"""The header of an own act: who signs it, what stands behind it, and what of its case its author knew."""

from __future__ import annotations

from dataclasses import dataclass

from liandong.cases.v1 import bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases.entry import Entry
from services.exchange import extensions
from services.exchange.letters import facts_of
from services.exchange.session import DepartmentSession
from services.procedures.facts import ActFacts


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs and what stands behind it.

    Attributes:
        actor: As the header names it.
        assertions: The actor's assertion, then those of the approvals.
        approvals: As the header names them.
    """

    actor: pb.Actor
    assertions: tuple[bytes, ...]
    approvals: tuple[pb.Approval, ...] = ()


def act_header(
    session: DepartmentSession,
    entry: Entry,
    letter_id: str,
    content: pb.ActContent,
    body_type: str,
    body: bytes,
    signing: Signing,
) -> tuple[pb.Header, ActFacts]:
    """The header under which an act would be sent now, and its facts.

    Args:
        session: The department's.
        entry: The act's case as it stands here, with own letters on their way.
        letter_id: The letter's id.
        content: What the act says.
        body_type: Full name of its body.
        body: The body, serialized.
        signing: Who signs.

    Raises:
        ClockSkew: Our clock cannot be trusted to date a letter.
    """
    header = session.header(letter_id, signing.actor, body_type, body, signing.assertions)
    if body_type == extensions.BODY_TYPE:
        named = bodies_pb2.ExtensionBody.FromString(body)
        header.schema_digest = extensions.digest_of(named, session.directory.schemas)
    act = header.act
    act.content = content.SerializeToString()
    if signing.approvals:
        act.approvals.extend(signing.approvals)
    if entry.admitted is not None:
        head = session.department.head
        act.based_on.log_id = session.department.log_id
        act.based_on.epoch = head.epoch if head else 1
        act.based_on.position = entry.admitted.last_position
    if entry.pending:
        act.predecessor = entry.pending[-1].letter_id
    return header, facts_of(header, content)
