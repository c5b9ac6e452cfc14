"""Messages that are in order, at their extremes."""

from __future__ import annotations

from tests.federation.district import HEALTH
from tests.federation.refusals import MARKS
from tests.federation.refusals.attacker import EVERYONE, Attacker, Refused
from tests.federation.refusals.hostile import fill
from tests.federation.refusals.offered import callers

pytestmark = MARKS


async def test_no_well_formed_message_breaks_a_server(attacker: Attacker) -> None:
    """Every field of every request at its extremes: answered or refused, never a fault of ours."""
    tokens = [attacker.token(HEALTH, roles=EVERYONE), attacker.token(HEALTH, "system", service=True)]
    # what an operator publishes is law for the other tests
    left_out = {"liandong.directory.v1.DirectoryService.PublishEntry"}
    for address, tls, present, services in callers(attacker):
        for method in (each for service in services for each in service.methods):
            if method.full_name in left_out:
                continue
            for variant in range(4):
                request = fill(method.input_type, variant)
                token = tokens[variant % 2]
                answer = await attacker.call(
                    address,
                    tls,
                    method,
                    request.SerializeToString(),
                    ("liandong-actor", token),
                    present=present,
                    wait_s=0.5,
                )
                if isinstance(answer, Refused):
                    assert answer.reason not in ("INTERNAL", "STORAGE"), f"{method.full_name}: {request}"
    attacker.world.district.check()
    await attacker.calm()
