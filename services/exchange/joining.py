"""What both sides of joining must agree on to the byte: the invitation's text and the signed messages."""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Self

from services.common.clock import microseconds
from services.common.errors import LiandongError, Malformed

PREFIX: Final = "liandong-invite:"
MAX_INVITATION_SIZE: Final = 16_384

_JOIN_CONTEXT: Final = b"liandong/join/v1\0"
_RENEW_CONTEXT: Final = b"liandong/renew/v1\0"


class InvitationInvalid(Malformed):
    """The text is no invitation: it is one line that begins with `liandong-invite:`; copy it whole."""


class TokenInvalid(LiandongError):
    """The join token is unknown, used or expired: ask the registry's operator for a new invitation."""

    reason = "TOKEN_INVALID"
    code = "PERMISSION_DENIED"


class NotKeyHolder(LiandongError):
    """The request is not signed by a current `sign` key of the department."""

    reason = "NOT_KEY_HOLDER"
    code = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True)
class InvitationText:
    """What a department's IT is given: where to go, whom to trust, and the secret that lets it in.

    Attributes:
        department: Who is invited.
        registry: Address of the registry's main port, `host:port`.
        enrolment: Address of its enrolment port.
        ca: Trust root, PEM.
        token: The secret; good once.
    """

    department: str
    registry: str
    enrolment: str
    ca: str
    token: str

    def __str__(self) -> str:
        """One line of text, safe to paste into a mail or a shell."""
        content = json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":"), sort_keys=True)
        return PREFIX + base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def __repr__(self) -> str:
        """Without the secret, so that no log shows it."""
        return f"InvitationText(department={self.department!r}, enrolment={self.enrolment!r})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads an invitation; white space, as mail programs insert it, does not matter.

        Raises:
            InvitationInvalid: The text is none.
        """
        line = "".join(text.split())
        if not line.startswith(PREFIX) or len(line) > MAX_INVITATION_SIZE:
            raise InvitationInvalid
        encoded = line.removeprefix(PREFIX)
        try:
            content = json.loads(
                base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            )
        except (ValueError, binascii.Error, RecursionError) as error:
            raise InvitationInvalid from error
        names = cls.__slots__
        if not isinstance(content, dict) or not all(isinstance(content.get(name), str) for name in names):
            raise InvitationInvalid
        return cls(**{name: content[name] for name in names})


def join_message(token: str, tls_request: bytes) -> bytes:
    """The bytes that a joining node signs with its new `sign` key (`JoinRequest.proof`)."""
    return _JOIN_CONTEXT + token.encode() + tls_request


def renew_message(department: str, kind: str, requested_at: datetime, tls_request: bytes) -> bytes:
    """The bytes that a node signs with its current `sign` key (`RenewRequest.proof`)."""
    names = department.encode() + b"\0" + kind.encode() + b"\0"
    return _RENEW_CONTEXT + names + microseconds(requested_at).to_bytes(8, "big") + tls_request
