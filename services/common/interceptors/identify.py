"""Reads who calls from the client certificate, and ends streams whose certificate ends."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from services.common.caller import Caller, set_caller
from services.common.clock import Clock, SystemClock
from services.common.errors import CertificateExpired, CertificateRevoked, LiandongError, Unauthenticated
from services.common.interceptors.around import Around, Context

IDENTITY: Final = re.compile(
    r"liandong://(?P<department>[a-z0-9-]+(?:\.[a-z0-9-]+)*)/(?P<kind>[a-z]+)(?:/(?P<name>[a-z0-9-]+))?"
)
LOOK_AGAIN_S: Final = 1.0
"""How often the callers of open streams are checked again: a revocation is felt within 2 s."""
_REMEMBERED: Final = 4096


def caller_of(certificate: bytes) -> Caller:
    """The caller that a client certificate in PEM names.

    Raises:
        Unauthenticated: It names none, or more than one.
    """
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise Unauthenticated from None
    found = [
        match
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier)
        if (match := IDENTITY.fullmatch(uri))
    ]
    if len(found) != 1:
        raise Unauthenticated("The certificate names no department, or several.")
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Caller(
        department=found[0]["department"],
        kind=found[0]["kind"],
        name=found[0]["name"] or "",
        serial=f"{parsed.serial_number:x}",
        not_after=parsed.not_valid_after_utc,
        key_digest=hashlib.sha256(key).digest(),
    )


class _OpenCall:
    __slots__ = ("caller", "ended", "task")

    def __init__(self, caller: Caller, task: "asyncio.Task[Any]") -> None:
        self.caller = caller
        self.task = task
        self.ended: LiandongError | None = None


class Identify(Around):
    """Reads who calls from the client certificate, and ends streams whose certificate ends.

    Args:
        clock: To judge the certificate's validity by.
        is_revoked: Whether this certificate or its key was revoked; asked at every call, from memory.
        certificates: Whether this port asks for client certificates; without, nobody is identified.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        is_revoked: Callable[[Caller], bool] | None = None,
        certificates: bool = True,
    ) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._is_revoked = is_revoked
        self._certificates = certificates
        self._known: dict[bytes, Caller] = {}
        self._open: set[_OpenCall] = set()
        self._timer: asyncio.TimerHandle | None = None

    @override
    def before(self, method: str, context: Context) -> Any:
        """Set the caller.

        Raises:
            Unauthenticated: No certificate, or one that names no department.
            CertificateExpired: It ended since the connection was opened.
            CertificateRevoked: It or its key was revoked.
        """
        if not self._certificates:
            set_caller(None)
            return None
        shown = context.auth_context().get("x509_pem_cert")
        if not shown:
            raise Unauthenticated
        certificate: bytes = next(iter(shown))
        caller = self._known.get(certificate)
        if caller is None:
            caller = caller_of(certificate)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[certificate] = caller
        self._check(caller)
        set_caller(caller)
        structlog.contextvars.bind_contextvars(department=caller.department)
        return self._watch(caller)

    @override
    async def after(self, method: str, context: Context, state: Any, error: BaseException | None) -> None:
        """Stop watching; say why, where the watch ended the call."""
        call: _OpenCall | None = state
        if call is None:
            return
        self._open.discard(call)
        if isinstance(error, asyncio.CancelledError) and call.ended is not None:
            call.task.uncancel()
            raise call.ended from None

    def _check(self, caller: Caller) -> None:
        if self._clock.now() >= caller.not_after:
            raise CertificateExpired
        if self._is_revoked is not None and self._is_revoked(caller):
            raise CertificateRevoked

    def _watch(self, caller: Caller) -> _OpenCall | None:
        task = asyncio.current_task()
        if task is None:
            return None
        call = _OpenCall(caller, task)
        self._open.add(call)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again)
        return call

    def _look_again(self) -> None:
        self._timer = None
        for call in self._open:
            try:
                self._check(call.caller)
            except LiandongError as error:
                if call.ended is None:
                    call.ended = error
                    call.task.cancel()
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again)
