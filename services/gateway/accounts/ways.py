"""Ways to log in beside a password, as far as the settings have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.gateway.accounts.certificates import Certificates
from services.gateway.accounts.openid import OpenId
from services.gateway.rest.limits import RateLimit

_ATTEMPTS_PER_SECOND: Final = 1.0
_ATTEMPTS_AT_ONCE: Final = 60


def _attempts() -> RateLimit:
    return RateLimit(_ATTEMPTS_PER_SECOND, _ATTEMPTS_AT_ONCE)


@dataclass(frozen=True)
class Ways:
    """What the page for logging in offers.

    Attributes:
        openid: A provider; None for none.
        certificates: By certificate; None if not.
        attempts: How often one address may try: each costs a question to the provider, or a signature.
    """

    openid: OpenId | None = None
    certificates: Certificates | None = None
    attempts: RateLimit = field(default_factory=_attempts)
