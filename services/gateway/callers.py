"""Who calls the gateway, and the assertion that it makes of that for a node.

A caller is found by a token or a session. For each call the department's issuer, whose key this gateway
holds, says who acts; where an act is approved or sent, it says so of the content's digest that the
request names, so that what a person saw is what is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import uuid_utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from services.common.clock import Clock
from services.common.edge import validate
from services.exchange.assertions import Claims, Purpose, issue

_LIFETIME: Final = timedelta(minutes=2)
_BOUND: Final = {
    "CaseService.ApproveLetter": Purpose.APPROVE,
    "CaseService.SendLetter": Purpose.SEND,
    "HandlingService.CompleteStep": Purpose.APPROVE,
    "HandlingService.ConfirmCall": Purpose.APPROVE,
}
"""RPCs whose assertion carries the digest that stands in the request's `content_digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls.

    Attributes:
        department: In which department.
        subject: The issuer's stable id of the person or system.
        name: For people.
        roles: Roles of mechanisms: `clerk`, `leader-in-charge`, ...
        acr: How it was authenticated.
        service: A system: it may send, it cannot approve.
        certificate: Number of an officer's certificate, if it is one's.
        scopes: What a token is good for; a session has them all.
        key: What its calls are counted under.
        who: In the gateway's audit: user name, or the token's id.
    """

    department: str
    subject: str
    name: str
    roles: tuple[str, ...]
    acr: str
    service: bool = False
    certificate: str = ""
    scopes: frozenset[str]
    key: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The department's issuer of assertions, as its directory entry lists it.

    Attributes:
        name: As listed.
        key: Its private key.
        clock: The time.
    """

    name: str
    key: Ed25519PrivateKey
    clock: Clock

    def assertion(self, caller: Caller, operation: str = "", request: Message | None = None) -> str:
        """What is said of a caller for one call.

        Args:
            caller: Who calls.
            operation: Which RPC, as `Service.Method`; of no matter where nothing is approved or sent.
            request: What it is called with.

        Raises:
            InvalidField: A rule of the request is broken, where it names a content.
            ActorInvalid: No verifier would take what is known of the caller.
        """
        approved: Any = request
        purpose, digest = Purpose.ACT, None
        if operation in _BOUND and approved.content_digest:
            # what is wrong with the request is its own fault, not that of who sends it
            validate(approved)
            purpose, digest = _BOUND[operation], approved.content_digest
        now = self.clock.now().replace(microsecond=0)
        claims = Claims(
            issuer=self.name,
            subject=caller.subject,
            name=caller.name,
            audience=caller.department,
            roles=caller.roles,
            acr=caller.acr,
            issued_at=now,
            expires_at=now + _LIFETIME,
            token_id=uuid_utils.uuid7().hex,
            purpose=purpose,
            content_digest=digest,
            certificate=caller.certificate,
            service=caller.service,
        )
        return issue(self.key, claims).decode()
