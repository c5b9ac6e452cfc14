"""Bytes that are no message."""

from __future__ import annotations

from grpc_health.v1 import health_pb2

from tests.federation.district import HEALTH
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import Refused
from tests.federation.refusals.attacker import EVERYONE, Attacker
from tests.federation.refusals.offered import ENROLMENT, NODE, REGISTRY, everywhere, service_of

pytestmark = MARKS


async def test_garbage_is_malformed_on_every_call(attacker: Attacker) -> None:
    """Of every service: bytes that are no message, text that is none, nesting without end."""
    garbage = [
        b"\xff" * 11,
        b"\x07" + bytes(range(64)),
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0b" * 5000,
        bytes([0x0B]) * 100_000 + bytes([0x0C]) * 100_000,
    ]
    tokens = [attacker.token(HEALTH, roles=EVERYONE), attacker.token(HEALTH, "system", service=True)]
    seen = set()
    async with attacker.unchanged():
        for door, services in everywhere(attacker):
            for method in (each for service in services for each in service.methods):
                for token in tokens if services is NODE else tokens[:1]:
                    for data in garbage:
                        answer = await attacker.call(door, method, data, token)
                        assert isinstance(answer, Refused), method.full_name
                        permitted = answer.reason not in ("CALLER_NOT_PERMITTED", "ROLE_NOT_PERMITTED")
                        if permitted:
                            assert (answer.reason, answer.code) == ("MALFORMED", "INVALID_ARGUMENT"), (
                                f"{answer} {method.full_name} {data[:20]!r}"
                            )
                            seen.add(method.full_name)
        # of the standard services the framework parses: whatever it says, the server lives
        check = service_of(health_pb2, "Health").methods_by_name["Check"]
        for door, _ in everywhere(attacker):
            assert isinstance(await attacker.call(door, check, garbage[0]), Refused)
    offered = {each.full_name for service in (*NODE, *REGISTRY, ENROLMENT) for each in service.methods}
    assert offered == seen
