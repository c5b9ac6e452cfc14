"""The one family of errors that reaches a caller.

A domain module raises; one interceptor maps to `google.rpc.Status`, one place of the gateway to
problem+json. The docstring of a class is its default message, so it is written for the person who
receives it. `reason` is a value of `liandong.exchange.v1.Reason` without its prefix, `code` the name
of a gRPC status; both are plain strings so that domain modules stay free of grpc.

A subclass that states a `reason` of its own is registered under it: a client turns a remote answer
back into the same class. Subclasses therefore keep the constructor.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

DOMAIN: Final = "liandong"
DETAILS_KEY: Final = "grpc-status-details-bin"
"""The metadata that carries a `google.rpc.Status`."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One broken rule of a message: the field's path, the rule's id, a sentence for a person."""

    field: str
    rule: str
    message: str


class LiandongError(Exception):
    """The request was refused."""

    reason: str = "INTERNAL"
    code: str = "INTERNAL"

    _by_reason: ClassVar[dict[str, type["LiandongError"]]] = {}

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        reason: str = "",
        retry_after_ms: int = 0,
        violations: Iterable[FieldViolation] = (),
    ) -> None:
        self.message = message or self.default_message()
        self.field = field
        if reason:
            self.reason = reason
        self.retry_after_ms = retry_after_ms
        self.violations = tuple(violations)
        self.request_id = ""
        super().__init__(self.message)

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "reason" in cls.__dict__:
            LiandongError._by_reason.setdefault(cls.reason, cls)

    @classmethod
    def default_message(cls) -> str:
        """The first line of the class docstring."""
        return (cls.__doc__ or LiandongError.__doc__ or "").strip().partition("\n")[0]

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return self.retry_after_ms > 0 or self.code == "UNAVAILABLE"


def error_for(
    reason: str,
    code: str,
    message: str = "",
    *,
    field: str = "",
    retry_after_ms: int = 0,
    violations: Iterable[FieldViolation] = (),
) -> LiandongError:
    """The error of a reason that came over the wire.

    Args:
        reason: A value of `Reason` without its prefix; may be newer than this program.
        code: The name of the gRPC status that carried it.
        message: The sender's sentence.
        field: The field that is wrong, if one is.
        retry_after_ms: When to try again, 0 if not said.
        violations: The broken rules, if the contract was broken.

    Returns:
        An instance of the class that states this reason, or a plain `LiandongError` carrying it.
    """
    known = LiandongError._by_reason.get(reason, LiandongError)  # noqa: SLF001 - same module
    error = known(message, field=field, reason=reason, retry_after_ms=retry_after_ms, violations=violations)
    error.code = code
    return error


class Malformed(LiandongError):
    """The bytes are no message of the expected type."""

    reason = "MALFORMED"
    code = "INVALID_ARGUMENT"


class InvalidField(LiandongError):
    """A field breaks a rule of the contract."""

    reason = "INVALID_FIELD"
    code = "INVALID_ARGUMENT"


class LimitExceeded(LiandongError):
    """A size or count of the contract is exceeded."""

    reason = "LIMIT_EXCEEDED"
    code = "INVALID_ARGUMENT"


class NotFound(LiandongError):
    """Nothing of that name or id exists, or the caller may not know of it."""

    reason = "NOT_FOUND"
    code = "NOT_FOUND"


class Conflict(LiandongError):
    """The idempotency key or id was used before with another request."""

    reason = "REPLAYED_WITH_OTHER_CONTENT"
    code = "ALREADY_EXISTS"


class Stale(LiandongError):
    """The object changed since it was read; read it again."""

    reason = "STALE"
    code = "ABORTED"


class Unavailable(LiandongError):
    """The server is draining or at its limit; try again later."""

    reason = "UNAVAILABLE"
    code = "UNAVAILABLE"


class CommitInDoubt(Unavailable):
    """The connection broke during the commit: ask again with the same idempotency key.

    The write may or may not have been kept. Whoever cached anything must read it again.
    """


class StorageFailed(LiandongError):
    """The storage is full or failing: nothing was recorded."""

    reason = "STORAGE"
    code = "UNAVAILABLE"


class ReadOnly(LiandongError):
    """The service is read-only, after a restore or for maintenance."""

    reason = "READ_ONLY"
    code = "UNAVAILABLE"


class Internal(LiandongError):
    """A fault of the server; the request id finds it in the log."""

    reason = "INTERNAL"
    code = "INTERNAL"


class ClockSkew(LiandongError):
    """This machine's clock is off the registry's by more than five minutes: set it right; nothing was done."""

    reason = "CLOCK_SKEW"
    code = "FAILED_PRECONDITION"


class Unauthenticated(LiandongError):
    """The caller shows no client certificate, or one that names no department."""

    reason = "UNKNOWN_CERTIFICATE"
    code = "UNAUTHENTICATED"


class CertificateExpired(Unauthenticated):
    """The certificate is past its validity; renew it on the enrolment port."""

    reason = "CERTIFICATE_EXPIRED"


class CertificateRevoked(Unauthenticated):
    """The certificate or key was revoked."""

    reason = "CERTIFICATE_REVOKED"


class ActorMissing(Unauthenticated):
    """The call needs an actor assertion in metadata `liandong-actor`."""

    reason = "ACTOR_MISSING"


class ActorInvalid(Unauthenticated):
    """The actor assertion's form, signature, issuer or audience is wrong."""

    reason = "ACTOR_INVALID"


class ActorExpired(Unauthenticated):
    """The actor assertion is past its time, before it, or lives too long."""

    reason = "ACTOR_EXPIRED"


class PermissionDenied(LiandongError):
    """The caller's certificate does not permit this method."""

    reason = "CALLER_NOT_PERMITTED"
    code = "PERMISSION_DENIED"


class ForeignDepartment(PermissionDenied):
    """The certificate belongs to another department than the one served here."""

    reason = "FOREIGN_DEPARTMENT"


class RoleNotPermitted(PermissionDenied):
    """The actor's roles do not permit this."""

    reason = "ROLE_NOT_PERMITTED"
