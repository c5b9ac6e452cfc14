"""Who calls, for whom, under which request id: facts of the current call, reached only through here.

The interceptors set them once; everything below reads them without passing them along. They live in
context variables, so concurrent calls do not see each other's, and a command of the group committer is
decided with those of the call that submitted it.
"""

from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from services.common.errors import ActorMissing, Unauthenticated


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of the client certificate.

    Attributes:
        department: The dotted name in the certificate's URI, such as `health.qinghe`.
        kind: What of the department calls: `node`, `gateway`, `registry`, `operator`, ...
        name: Which one of that kind, empty when the certificate names none.
        serial: The certificate's serial number, lower-case hexadecimal.
        not_after: The end of its validity, aware, in UTC.
        key_digest: SHA-256 of the public key (SubjectPublicKeyInfo), to revoke a key with all its
            certificates.
    """

    department: str
    kind: str
    name: str
    serial: str
    not_after: datetime
    key_digest: bytes = b""


@runtime_checkable
class Actor(Protocol):
    """The person or system that acts; the services above define what else is known of them."""

    @property
    def roles(self) -> AbstractSet[str]:
        """The roles that the assertion states."""
        ...


_caller: Final[ContextVar[Caller | None]] = ContextVar("liandong_caller", default=None)
_actor: Final[ContextVar[Actor | None]] = ContextVar("liandong_actor", default=None)
_request_id: Final[ContextVar[str]] = ContextVar("liandong_request_id", default="")


def caller() -> Caller:
    """The caller of the current call.

    Raises:
        Unauthenticated: There is none: outside a call, or the port asks for no certificate.
    """
    found = _caller.get()
    if found is None:
        raise Unauthenticated
    return found


def caller_or_none() -> Caller | None:
    """The caller, or None on a port that asks for no certificate."""
    return _caller.get()


def actor() -> Actor:
    """The actor of the current call.

    Raises:
        ActorMissing: The call carries no assertion.
    """
    found = _actor.get()
    if found is None:
        raise ActorMissing
    return found


def actor_or_none() -> Actor | None:
    """The actor, or None when the call carries no assertion."""
    return _actor.get()


def request_id() -> str:
    """The id of the current request, empty outside a call."""
    return _request_id.get()


def set_caller(value: Caller | None) -> None:
    """For the interceptor that identifies, and for tests."""
    _caller.set(value)


def set_actor(value: Actor | None) -> None:
    """For the interceptor that authorises, and for tests."""
    _actor.set(value)


def set_request_id(value: str) -> None:
    """For the interceptor that names requests, and for tests."""
    _request_id.set(value)
