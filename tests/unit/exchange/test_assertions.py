import base64
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.exchange import assertions
from services.exchange.assertions import (
    ActorExpired,
    ActorInvalid,
    Claims,
    ContentMismatch,
    Purpose,
    Verifier,
    issue,
)
from services.exchange.keys import public_key_bytes

KEY = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)
NOW = datetime(2026, 8, 10, 9, 30, tzinfo=UTC)
CONTENT = sha256(b"content").digest()
CLAIMS = Claims(
    issuer="gateway.health.qinghe",
    subject="u-17",
    name="王芳",
    audience="health.qinghe",
    roles=("clerk", "section-head"),
    acr="pwd+otp",
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
    token_id="01987c5e-0000-7000-8000-000000000001",
)
APPROVAL = replace(CLAIMS, purpose=Purpose.APPROVE, content_digest=CONTENT, certificate="沪A-0001")

Call = Callable[..., assertions.Assertion]


def verifier(**settings: Any) -> Verifier:
    return Verifier({CLAIMS.issuer: public_key_bytes(KEY)}, "health.qinghe", **settings)


@pytest.fixture(params=["live", "archived"])
def verify(request: pytest.FixtureRequest) -> Call:
    """Both ways of judging an assertion, with the same arguments."""
    made = verifier()
    return made.verify if request.param == "live" else made.verify_at


def base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def payload_of(token: bytes) -> dict[str, Any]:
    body = token.split(b".")[1]
    payload = json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    assert isinstance(payload, dict)
    return payload


def forge(payload: object, header: object = None, key: Ed25519PrivateKey = KEY) -> bytes:
    """A token with a genuine signature over any header and payload."""
    head = base64url(json.dumps(header or {"alg": "EdDSA"}).encode())
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing_input = head + b"." + base64url(body)
    return signing_input + b"." + base64url(key.sign(signing_input))


@pytest.mark.parametrize("claims", [CLAIMS, APPROVAL, replace(CLAIMS, service=True, roles=())])
def test_what_an_issuer_says_is_what_a_verifier_reads(verify: Call, claims: Claims) -> None:
    """Every claim survives, and the digest is that of the token."""
    token = issue(KEY, claims)

    assertion = verify(token, NOW)

    assert asdict(assertion) == asdict(claims) | {"digest": sha256(token).digest()}
    assert verify(token.decode(), NOW) == assertion


def test_an_assertion_is_a_plain_jws_with_the_documented_claims() -> None:
    """Any JOSE library can make and read it."""
    token = issue(KEY, APPROVAL)

    assert payload_of(token) == {
        "iss": "gateway.health.qinghe",
        "sub": "u-17",
        "name": "王芳",
        "aud": "health.qinghe",
        "roles": ["clerk", "section-head"],
        "acr": "pwd+otp",
        "iat": 1786354200,
        "exp": 1786354500,
        "jti": CLAIMS.token_id,
        "purpose": "approve",
        "service": False,
        "content_digest": base64url(CONTENT).decode(),
        "certificate": "沪A-0001",
    }
    assert issue(KEY, APPROVAL) == token


def test_optional_claims_may_be_left_out(verify: Call) -> None:
    """An issuer of a department's own system needs only the claims that every actor has."""
    payload = payload_of(issue(KEY, CLAIMS))
    del payload["purpose"], payload["service"]

    assertion = verify(forge(payload, {"alg": "Ed25519", "kid": "1"}), NOW)

    assert (assertion.purpose, assertion.service, assertion.certificate) == (Purpose.ACT, False, "")


@pytest.mark.parametrize(
    ("seconds", "valid"), [(-31, False), (-30, True), (0, True), (329, True), (330, False), (3600, False)]
)
def test_time_is_judged_at_each_call_with_30_seconds_of_tolerance(
    verify: Call, seconds: int, valid: bool
) -> None:
    """Also for a token that was verified before."""
    token = issue(KEY, CLAIMS)
    verify(token, NOW)

    if valid:
        verify(token, NOW + timedelta(seconds=seconds))
    else:
        with pytest.raises(ActorExpired):
            verify(token, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("lifetime", [-1, 0, 301, 86400])
def test_a_lifetime_above_five_minutes_or_none_is_refused(verify: Call, lifetime: int) -> None:
    """By the issuer, and by the verifier should another issuer be careless."""
    with pytest.raises(ActorExpired):
        issue(KEY, replace(CLAIMS, expires_at=NOW + timedelta(seconds=lifetime)))
    payload = payload_of(issue(KEY, CLAIMS)) | {"exp": int(NOW.timestamp()) + lifetime}
    with pytest.raises(ActorExpired):
        verify(forge(payload), NOW)


def test_a_content_digest_binds_to_one_content(verify: Call) -> None:
    """Another content, or an assertion that is bound to none, does not serve."""
    approval, session = issue(KEY, APPROVAL), issue(KEY, CLAIMS)

    assert verify(approval, NOW, CONTENT, Purpose.APPROVE).certificate == "沪A-0001"
    with pytest.raises(ContentMismatch):
        verify(approval, NOW, sha256(b"other").digest())
    with pytest.raises(ContentMismatch):
        verify(session, NOW, CONTENT)


def test_an_approval_does_not_send(verify: Call) -> None:
    """Where a call needs a purpose, another one does not do."""
    with pytest.raises(ActorInvalid, match="purpose"):
        verify(issue(KEY, APPROVAL), NOW, CONTENT, Purpose.SEND)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "approve"},
        {"purpose": "send"},
        {"purpose": "approve", "service": True, "content_digest": base64url(CONTENT).decode()},
    ],
)
def test_approvals_name_their_content_and_come_from_people(verify: Call, change: dict[str, Any]) -> None:
    """Refused by the verifier, whoever signed."""
    with pytest.raises(ActorInvalid):
        verify(forge(payload_of(issue(KEY, CLAIMS)) | change), NOW)


@pytest.mark.parametrize(
    "claims",
    [
        replace(APPROVAL, content_digest=None),
        replace(APPROVAL, service=True),
        replace(CLAIMS, roles=("x" * 200,) * 20),
    ],
)
def test_what_no_verifier_takes_is_not_issued(claims: Claims) -> None:
    """Unbound approvals, approvals by systems, tokens above 4 KiB."""
    with pytest.raises(ActorInvalid):
        issue(KEY, claims)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "gateway.other.qinghe"),
        ("aud", "justice.qinghe"),
        ("aud", ["health.qinghe"]),
        ("sub", ""),
        ("sub", None),
        ("name", 7),
        ("roles", "clerk"),
        ("roles", [7]),
        ("name", "a\0b"),
        ("name", "x" * 101),
        ("roles", ["x" * 41]),
        ("certificate", "x" * 65),
        ("sub", "\ud800"),
        ("roles", ["x"] * 65),
        ("acr", ["pwd"]),
        ("iat", "1786354200"),
        ("iat", 1786354200.5),
        ("iat", True),
        ("exp", 1 << 40),
        ("exp", None),
        ("jti", ""),
        ("purpose", "rule"),
        ("purpose", ["act"]),
        ("service", 0),
        ("content_digest", "AAAA"),
        ("content_digest", "!" * 43),
        ("content_digest", "A" * 42 + "B"),
        ("certificate", 7),
    ],
)
def test_a_claim_of_another_type_or_range_is_refused(verify: Call, claim: str, value: object) -> None:
    """However genuine the signature."""
    with pytest.raises(ActorInvalid):
        verify(forge(payload_of(issue(KEY, CLAIMS)) | {claim: value}), NOW)


@pytest.mark.parametrize("claim", ["iss", "sub", "name", "aud", "roles", "acr", "iat", "exp", "jti"])
def test_a_missing_claim_is_refused(verify: Call, claim: str) -> None:
    """All that every actor has are required."""
    payload = payload_of(issue(KEY, CLAIMS))
    del payload[claim]

    with pytest.raises(ActorInvalid):
        verify(forge(payload), NOW)


def test_only_ed25519_by_a_listed_issuer_is_believed(verify: Call) -> None:
    """No other key, no other algorithm, no unknown critical header, no key that the token brings."""
    token = issue(KEY, CLAIMS)
    payload = payload_of(token)
    unsigned = base64url(b'{"alg":"none"}') + b"." + token.split(b".")[1] + b"."
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(public_key_bytes(OTHER)).decode()}
    for forged in [
        forge(payload, key=OTHER),
        forge(payload, {"alg": "EdDSA", "jwk": jwk}, OTHER),
        forge(payload, {"alg": "HS256"}),
        forge(payload, {"alg": "none"}),
        forge(payload, {"typ": "JWT"}),
        forge(payload, {"alg": "EdDSA", "crit": ["x"], "x": 1}),
        forge(payload, {"alg": "EdDSA", "crit": ["jwk"], "jwk": jwk}),
        forge(payload, {"alg": ["EdDSA"]}),
        forge(payload, ["EdDSA"]),
        unsigned,
    ]:
        with pytest.raises(ActorInvalid):
            verify(forged, NOW)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"..",
        b"a.b.c",
        b"\xff\xfe",
        b"x" * 5000,
        forge(b"[]"),
        forge(b"null"),
        forge(b"{"),
        forge(b"\xff"),
        forge(b"[" * 2000),
        forge(b"9" * 2500),
    ],
)
def test_garbage_is_refused_as_an_invalid_actor(verify: Call, token: bytes) -> None:
    """Nothing else is ever raised."""
    with pytest.raises(ActorInvalid):
        verify(token, NOW)


def test_a_token_with_any_flipped_bit_fails(verify: Call) -> None:
    """Save for stray bits in Base64, which change no decoded byte, every bit counts."""
    token = issue(KEY, CLAIMS)
    for place in range(0, len(token) - 1, 7):
        changed = bytearray(token)
        changed[place] ^= 1
        with pytest.raises((ActorInvalid, ActorExpired)):
            verify(bytes(changed), NOW)


def test_a_verified_token_is_remembered_up_to_a_bound() -> None:
    """The signature is checked once; the least recently used token is forgotten first."""
    made = verifier(remembered=2)
    tokens = [issue(KEY, replace(CLAIMS, token_id=str(number))) for number in range(3)]
    first = made.verify(tokens[0], NOW)
    made.verify(tokens[1], NOW)
    assert made.verify(tokens[0], NOW) is first

    made.verify(tokens[2], NOW)

    assert list(made._verified) == [sha256(token).digest() for token in (tokens[0], tokens[2])]


def test_an_archived_assertion_leaves_no_trace() -> None:
    """Reading an old dossier does not push out the sessions of today."""
    made = verifier()
    made.verify_at(issue(KEY, CLAIMS), NOW)

    assert not made._verified


def test_an_issuer_key_of_another_length_is_refused() -> None:
    """A mistake in the directory shows at once."""
    with pytest.raises(ValueError, match="32 bytes"):
        Verifier({"x": b"\0" * 31}, "health.qinghe")
