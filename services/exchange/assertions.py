"""Who acts: short-lived statements about a person or system, signed by an issuer of the department.

An assertion is a compact JWS (RFC 7515) with JWT claims (RFC 7519) under EdDSA with Ed25519
(RFC 8037). It travels in metadata `liandong-actor`, and with the letter if it approves, signs or
sends: then it carries the content digest of exactly that act.

A session's assertion comes with every call, so its verification is remembered by digest; what
depends on time, audience or letter is judged each time.
"""

import base64
import binascii
import enum
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from services.common.errors import ActorExpired, ActorInvalid, LiandongError
from services.exchange.digests import DIGEST_SIZE

__all__ = [
    "CLOCK_SKEW",
    "MAX_LIFETIME",
    "MAX_TOKEN_SIZE",
    "ActorExpired",
    "ActorInvalid",
    "Assertion",
    "Claims",
    "ContentMismatch",
    "Purpose",
    "Verifier",
    "issue",
]

MAX_TOKEN_SIZE: Final = 4096
MAX_LIFETIME: Final = timedelta(minutes=5)
CLOCK_SKEW: Final = timedelta(seconds=30)

_HEADER: Final = {"alg": "EdDSA", "typ": "JWT"}
_MAX_TEXT: Final = 200
_MAX_NAME: Final = 100
_MAX_ROLE: Final = 40
_MAX_CERTIFICATE: Final = 64
_MAX_ROLES: Final = 64


class ContentMismatch(LiandongError):
    """The assertion's content digest is not that of the letter it approves, signs or sends."""

    reason = "CONTENT_MISMATCH"
    code = "PERMISSION_DENIED"


class Purpose(enum.StrEnum):
    """What an assertion is made for. Approving and sending are bound to one content."""

    ACT = "act"
    APPROVE = "approve"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an issuer says about an actor. Times are timezone-aware and of whole seconds.

    `subject` is the issuer's stable id of the actor, `audience` the department in which it acts,
    `acr` how it was authenticated (RFC 9470), `certificate` an officer's certificate number.
    `service` marks a system of the department: it may send, it cannot approve.
    """

    issuer: str
    subject: str
    name: str
    audience: str
    roles: tuple[str, ...]
    acr: str
    issued_at: datetime
    expires_at: datetime
    token_id: str
    content_digest: bytes | None = None
    purpose: Purpose = Purpose.ACT
    service: bool = False
    certificate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion(Claims):
    """Claims whose signature was verified; `digest` is the SHA-256 of the token that bore them."""

    digest: bytes


class _ActorAlgorithms(JWSRegistry):
    """Ed25519 and nothing else, under both of its names.

    RFC 9864 renames the `EdDSA` of RFC 8037 to `Ed25519`; issuers in the field say the former.
    """

    def get_alg(self, name: str) -> Any:
        if name not in ("EdDSA", "Ed25519"):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms["Ed25519"]


_ALGORITHMS: Final = _ActorAlgorithms(strict_check_header=False)


def issue(key: Ed25519PrivateKey, claims: Claims) -> bytes:
    """Signs an assertion.

    Args:
        key: The issuer's key, whose public half the department's directory entry lists.
        claims: What the issuer says.

    Returns:
        The compact JWS.

    Raises:
        ActorInvalid: No verifier would take these claims.
        ActorExpired: They would live longer than five minutes, or not at all.
    """
    _check_lifetime(claims)
    _check_purpose(claims)
    content_digest = claims.content_digest
    payload: dict[str, object] = {
        "iss": claims.issuer,
        "sub": claims.subject,
        "name": claims.name,
        "aud": claims.audience,
        "roles": list(claims.roles),
        "acr": claims.acr,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "jti": claims.token_id,
        "purpose": claims.purpose.value,
        "service": claims.service,
    }
    if content_digest is not None:
        payload["content_digest"] = base64.urlsafe_b64encode(content_digest).rstrip(b"=").decode()
    if claims.certificate:
        payload["certificate"] = claims.certificate
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    token = jws.serialize_compact(dict(_HEADER), body, OKPKey.import_key(pem), registry=_ALGORITHMS).encode()
    if len(token) > MAX_TOKEN_SIZE:
        raise ActorInvalid(f"An actor assertion has at most {MAX_TOKEN_SIZE} bytes.")
    return token


class Verifier:
    """Accepts the assertions that one department's issuers make for it.

    Made anew when the department's list of issuers changes; what was remembered of a former issuer
    goes with it.
    """

    def __init__(
        self,
        issuers: Mapping[str, bytes],
        audience: str,
        *,
        clock_skew: timedelta = CLOCK_SKEW,
        remembered: int = 8192,
    ) -> None:
        """Prepares the issuers' keys.

        Args:
            issuers: Raw Ed25519 public keys by issuer (`iss`).
            audience: The department.
            clock_skew: How far the issuer's clock may be off ours.
            remembered: How many verified assertions to keep.

        Raises:
            ValueError: A key is no Ed25519 public key.
        """
        self._keys = {issuer: _okp_key(key) for issuer, key in issuers.items()}
        self._audience = audience
        self._clock_skew = clock_skew
        self._remembered = remembered
        self._verified: OrderedDict[bytes, Assertion] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self,
        token: bytes | str,
        now: datetime,
        content_digest: bytes | None = None,
        purpose: Purpose | None = None,
    ) -> Assertion:
        """The assertion that a live call bears.

        Args:
            token: The compact JWS.
            now: The present, timezone-aware.
            content_digest: The content that the call approves, signs or sends; None if the call is
                not bound to one.
            purpose: What the assertion is to be made for; None accepts any.

        Raises:
            ActorInvalid: Form, signature, issuer, audience or purpose is wrong.
            ActorExpired: It is past its time, before it, or lives too long.
            ContentMismatch: It bears another content digest, or none.
        """
        encoded = token.encode() if isinstance(token, str) else token
        digest = sha256(encoded).digest()
        with self._lock:
            assertion = self._verified.get(digest)
            if assertion is not None:
                self._verified.move_to_end(digest)
        if assertion is None:
            assertion = self._authenticate(encoded, digest)
            with self._lock:
                self._verified[digest] = assertion
                while len(self._verified) > self._remembered:
                    self._verified.popitem(last=False)
        self._judge(assertion, now, content_digest, purpose)
        return assertion

    def verify_at(
        self,
        token: bytes | str,
        at: datetime,
        content_digest: bytes | None = None,
        purpose: Purpose | None = None,
    ) -> Assertion:
        """The assertion of an archived letter, judged as of the time it was used.

        Arguments and errors are those of `verify`; `at` is when the letter was signed, for an
        approval when it was given. The verifier is made with the issuers listed at that time.
        """
        encoded = token.encode() if isinstance(token, str) else token
        assertion = self._authenticate(encoded, sha256(encoded).digest())
        self._judge(assertion, at, content_digest, purpose)
        return assertion

    def _authenticate(self, token: bytes, digest: bytes) -> Assertion:
        """What does not depend on the call: form, signature, issuer, audience."""
        if len(token) > MAX_TOKEN_SIZE:
            raise ActorInvalid
        try:
            signed = jws.extract_compact(token, registry=_ALGORITHMS)
            if "crit" in signed.protected:
                raise ActorInvalid  # nothing beyond the claims is understood here, so nothing may be critical
            claims = _parse(signed.payload)
            key = self._keys.get(claims.issuer)
            if key is None or not jws.validate_compact(signed, key, registry=_ALGORITHMS):
                raise ActorInvalid
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ActorInvalid from error
        if claims.audience != self._audience:
            raise ActorInvalid
        _check_purpose(claims)
        _check_lifetime(claims)
        return Assertion(
            **{field.name: getattr(claims, field.name) for field in fields(Claims)}, digest=digest
        )

    def _judge(
        self, assertion: Assertion, now: datetime, content_digest: bytes | None, purpose: Purpose | None
    ) -> None:
        """What depends on the call: time, content, purpose."""
        if now < assertion.issued_at - self._clock_skew or now >= assertion.expires_at + self._clock_skew:
            raise ActorExpired
        if content_digest is not None and assertion.content_digest != content_digest:
            raise ContentMismatch
        if purpose is not None and assertion.purpose is not purpose:
            raise ActorInvalid("The actor assertion was made for another purpose.")


def _parse(payload: bytes) -> Claims:
    """The claims in a payload; raises one of Python's own errors where a claim is missing or wrong."""
    claims = json.loads(payload.decode())
    if not isinstance(claims, dict):
        raise TypeError("the claims are no object")
    roles = claims["roles"]
    if not isinstance(roles, list) or len(roles) > _MAX_ROLES:
        raise ValueError("roles is no list")
    service = claims.get("service", False)
    if not isinstance(service, bool):
        raise TypeError("service is no boolean")
    digest = claims.get("content_digest")
    return Claims(
        issuer=_text(claims["iss"]),
        # as long as a letter's header can bear
        subject=_text(claims["sub"], _MAX_NAME),
        name=_text(claims["name"], _MAX_NAME),
        audience=_text(claims["aud"]),
        roles=tuple(_text(role, _MAX_ROLE) for role in roles),
        acr=_text(claims["acr"]),
        issued_at=_time(claims["iat"]),
        expires_at=_time(claims["exp"]),
        token_id=_text(claims["jti"]),
        content_digest=None if digest is None else _digest(digest),
        purpose=Purpose(claims.get("purpose", Purpose.ACT)),
        service=service,
        certificate=_text(claims["certificate"], _MAX_CERTIFICATE) if "certificate" in claims else "",
    )


def _text(value: object, most: int = _MAX_TEXT) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most or "\0" in value:
        raise ValueError(f"a claim is no text of 1 to {most} characters without NUL")
    value.encode()  # JSON can name half of a surrogate pair, which no message can hold
    return value


def _time(value: object) -> datetime:
    # bool is an int to Python, and no number of seconds to anybody.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 36:
        raise ValueError("a time is no whole number of seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _digest(value: object) -> bytes:
    text = _text(value)
    try:
        digest = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("the content digest is not Base64url") from error
    if len(digest) != DIGEST_SIZE or base64.urlsafe_b64encode(digest)[:-1].decode() != text:
        raise ValueError("the content digest is not 32 bytes of Base64url without padding")
    return digest


def _check_lifetime(claims: Claims) -> None:
    if not timedelta(0) < claims.expires_at - claims.issued_at <= MAX_LIFETIME:
        raise ActorExpired


def _check_purpose(claims: Claims) -> None:
    if claims.purpose is not Purpose.ACT and claims.content_digest is None:
        raise ActorInvalid("An actor assertion that approves or sends names the content.")
    if claims.service and claims.purpose is Purpose.APPROVE:
        raise ActorInvalid("A system cannot approve.")


def _okp_key(public_key: bytes) -> OKPKey:
    x = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    if len(public_key) != DIGEST_SIZE:
        raise ValueError("an Ed25519 public key has 32 bytes")
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
