"""The actor of the current call, as an assertion of the department's issuer says.

A call carries its assertion in metadata `liandong-actor`. A service that is called under it reads who acts only
through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from liandong.exchange.v1 import envelope_pb2 as pb

from services.common import caller
from services.common.caller import Caller
from services.common.clock import Clock
from services.common.errors import ActorMissing, RoleNotPermitted
from services.common.interceptors import VerifyActor
from services.exchange.assertions import Assertion, Verifier


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """Who acts, verified.

    Attributes:
        assertion: The claims.
        token: The compact JWS itself, which travels with letters.
    """

    assertion: Assertion
    token: bytes

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the assertion states."""
        return frozenset(self.assertion.roles)

    @property
    def subject(self) -> str:
        """The issuer's stable id of the actor."""
        return self.assertion.subject

    @property
    def name(self) -> str:
        """Name of the person or system."""
        return self.assertion.name

    @property
    def role(self) -> str:
        """The first role: the one acted in where no other is named."""
        return self.assertion.roles[0] if self.assertion.roles else ""

    def header(self, role: str = "") -> pb.Actor:
        """The actor as a header names it.

        Args:
            role: The role acted in; the first one when empty.

        Raises:
            RoleNotPermitted: The assertion does not give that role.
        """
        if role and role not in self.assertion.roles:
            raise RoleNotPermitted(f"The assertion does not give the role {role}.", field="role")
        claims = self.assertion
        return pb.Actor(
            name=claims.name,
            subject=claims.subject,
            role=role or self.role,
            certificate=claims.certificate,
            service=claims.service,
        )


def verify_with(verifier: Callable[[], Verifier], clock: Clock) -> VerifyActor:
    """What the authorising interceptor calls with the metadata's value."""

    def verify(token: str, _caller: Caller | None) -> ActorFacts:
        encoded = token.encode()
        return ActorFacts(verifier().verify(encoded, clock.now()), encoded)

    return verify


def current() -> ActorFacts:
    """The actor of the current call.

    Raises:
        ActorMissing: The call carries no assertion.
    """
    found = current_or_none()
    if found is None:
        raise ActorMissing
    return found


def current_system() -> ActorFacts:
    """The actor, who must be a system: a person prepares, sees and sends.

    Raises:
        ActorMissing: The call carries no assertion.
        RoleNotPermitted: It is a person.
    """
    actor = current()
    if not actor.assertion.service:
        raise RoleNotPermitted("Sending in one step is for systems; people prepare and send.")
    return actor


def current_or_none() -> ActorFacts | None:
    """The actor, or None when the call carries no assertion."""
    found = caller.actor_or_none()
    return found if isinstance(found, ActorFacts) else None
