"""Acts that a department's system sends in one step, many at once: the command, and what repeating it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from liandong.cases.v1 import case_service_pb2 as pb

from services.cases.entry import Recorded
from services.cases.signing import Signing
from services.common.errors import Conflict, LiandongError
from services.exchange.actors import ActorFacts
from services.exchange.digests import sha256
from services.exchange.session import DepartmentSession

if TYPE_CHECKING:
    from services.cases.desk import DeskSession


@dataclass(frozen=True, slots=True)
class SendActs:
    """A command that records acts, each alone: one that is refused stops none of the others.

    Attributes:
        requests: What is to be said.
        keys: Idempotency keys, within the actor's.
        digests: Of the requests: under one key only the same may be asked again.
        signing: Who signs.
    """

    requests: Sequence[pb.SendActRequest]
    keys: tuple[str, ...]
    digests: tuple[bytes, ...]
    signing: Signing

    @classmethod
    def of(cls, requests: Sequence[pb.SendActRequest], actor: ActorFacts) -> Self:
        """The command for a system's requests."""
        return cls(
            requests,
            tuple([f"{actor.subject}:{each.idempotency_key}" for each in requests]),
            tuple([sha256(each.SerializeToString(deterministic=True)) for each in requests]),
            Signing(actor.header(), (actor.token,)),
        )

    def __call__(self, session: DepartmentSession) -> list[Recorded | LiandongError]:
        """Record them; an answer or an error for each."""
        desk = cast("DeskSession", session.features["act"])
        results: list[Recorded | LiandongError] = []
        for request, key, digest in zip(self.requests, self.keys, self.digests, strict=True):
            try:
                known = desk.answered(key)
                if known is not None:
                    results.append(replayed(known, digest))
                    continue
                composed = desk.compose(request.draft)
                recorded = desk.record(composed, self.signing, key=key, request_digest=digest)
                session.audit("SendAct", recorded.case_id, recorded.letter_id)
                results.append(recorded)
            except LiandongError as error:
                results.append(error)
        return results


def replayed(known: tuple[bytes, Recorded], request_digest: bytes) -> Recorded:
    """The stored answer to a repeated request.

    Raises:
        Conflict: The key was used with another request.
    """
    if known[0] != request_digest:
        raise Conflict(field="idempotency_key")
    return known[1]
