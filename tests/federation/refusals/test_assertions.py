"""Under which assertions somebody may act."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes

from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import reason_of, refusal
from tests.federation.refusals.attacker import Attacker, actor, base64url
from tests.federation.refusals.case_letters import Case, altered, sent, transfer
from tests.federation.refusals.offered import CASES

pytestmark = MARKS


def assertions(attacker: Attacker) -> dict[str, tuple[str, str]]:
    """Assertions that nobody may act under, each with the reason."""
    now = int(datetime.now(UTC).timestamp())
    key = attacker.party(HEALTH).key.public_key().public_bytes_raw()
    good = attacker.token(HEALTH).encode()
    head, body, _ = good.split(b".")
    hs256 = base64url(b'{"alg":"HS256"}') + b"." + body
    return {
        "ended": (attacker.token(HEALTH, iat=now - 400, exp=now - 100), "ACTOR_EXPIRED"),
        "from the future": (attacker.token(HEALTH, iat=now + 120, exp=now + 300), "ACTOR_EXPIRED"),
        "too long": (attacker.token(HEALTH, exp=now + 301), "ACTOR_EXPIRED"),
        "ends before it begins": (attacker.token(HEALTH, exp=now - 1), "ACTOR_EXPIRED"),
        "for market": (attacker.token(HEALTH, aud=MARKET), "ACTOR_INVALID"),
        "for two": (attacker.token(HEALTH, aud=[HEALTH, MARKET]), "ACTOR_INVALID"),
        "by nobody": (attacker.token(HEALTH, iss="https://login.example"), "ACTOR_INVALID"),
        "by another key": (attacker.token(HEALTH, key=Ed25519PrivateKey.generate()), "ACTOR_INVALID"),
        "unsigned": (attacker.token(HEALTH, header={"alg": "none"}, signature=b""), "ACTOR_INVALID"),
        "by HMAC of the public key": (
            (hs256 + b"." + base64url(hmac.digest(key, hs256, "sha256"))).decode(),
            "ACTOR_INVALID",
        ),
        "another algorithm": (attacker.token(HEALTH, header={"alg": "ES256"}), "ACTOR_INVALID"),
        "with its own key": (
            attacker.token(HEALTH, header={"alg": "EdDSA", "jwk": {"kty": "OKP"}, "crit": ["jwk"]}),
            "ACTOR_INVALID",
        ),
        "cut": (good[:-3].decode(), "ACTOR_INVALID"),
        "of two parts": ((head + b"." + body).decode(), "ACTOR_INVALID"),
        "with a NUL in a name": (attacker.token(HEALTH, name="a\0b"), "ACTOR_INVALID"),
        "with half a character": (attacker.token(HEALTH, name="\ud800"), "ACTOR_INVALID"),
        "with a name beyond measure": (attacker.token(HEALTH, name="x" * 101), "ACTOR_INVALID"),
        "without roles": (attacker.token(HEALTH, roles=None), "ACTOR_INVALID"),
        "garbage": ("x" * 3000, "ACTOR_INVALID"),
        "approving as a system": (
            attacker.token(HEALTH, service=True, purpose="approve", content_digest="A" * 43),
            "ACTOR_INVALID",
        ),
    }


async def test_only_a_fresh_assertion_by_a_listed_issuer_is_believed(attacker: Attacker, case: Case) -> None:
    """Neither for a live call nor behind a letter: ended, future, long, misdirected, unlisted, unsigned, garbled."""
    signer = attacker.signer(HEALTH)
    async with attacker.unchanged():
        for name, (token, reason) in assertions(attacker).items():
            answer = await attacker.case_call(HEALTH, "GetNodeState", cases.GetNodeStateRequest(), token)
            assert reason_of(answer) == reason, name

            def behind(
                header: envelopes.Header, _content: object, tokens: list[bytes], shown: bytes = token.encode()
            ) -> None:
                tokens[-1] = shown

            found, _ = await attacker.refused(HEALTH, altered(signer, sent(signer, case), behind))
            assert found == reason, name
        method, token = CASES.methods_by_name["GetNodeState"], attacker.token(HEALTH)
        twice = await attacker.call(attacker.node(HEALTH), method, b"", token, actor(token))
        assert reason_of(twice) == "ACTOR_INVALID"


async def test_a_session_does_not_change_hands(attacker: Attacker, case: Case) -> None:
    """A stream of acts goes on only under assertions of the same system in the same roles."""
    method = CASES.methods_by_name["SendActs"]
    system: dict[str, Any] = {"service": True, "sub": "system-1"}
    act = cases.SendActRequest(draft=transfer(case), idempotency_key="hands")
    first = attacker.token(HEALTH, "system", **system)
    fresh = {
        attacker.token(HEALTH, "system", sub="system-1"): ("ROLE_NOT_PERMITTED", "assertion"),
        attacker.token(HEALTH, "leader-in-charge", **system): ("ROLE_NOT_PERMITTED", "assertion"),
        attacker.token(HEALTH, "system", service=True, sub="system-2"): ("ACTOR_INVALID", "assertion"),
        attacker.token(MARKET, "system", **system): ("ACTOR_INVALID", ""),
    }
    async with attacker.unchanged():
        for token, expected in fresh.items():
            request = cases.SendActsRequest(sequence=1, acts=[act], assertion=token.encode())
            assert refusal(await attacker.call(attacker.node(HEALTH), method, request, first)) == expected
