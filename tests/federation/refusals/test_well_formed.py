"""Messages that are in order, at their extremes."""

from __future__ import annotations

from tests.federation.district import HEALTH
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import Refused
from tests.federation.refusals.attacker import EVERYONE, Attacker
from tests.federation.refusals.hostile import fill
from tests.federation.refusals.offered import everywhere

pytestmark = MARKS


async def test_no_well_formed_message_breaks_a_server(attacker: Attacker) -> None:
    """Every field of every request at its extremes: answered or refused, never a fault of ours."""
    tokens = [attacker.token(HEALTH, roles=EVERYONE), attacker.token(HEALTH, "system", service=True)]
    # what an operator publishes is law for the other tests
    left_out = {
        f"liandong.directory.v1.DirectoryService.{name}" for name in ("PublishEntry", "PublishEntries")
    }
    for door, services in everywhere(attacker):
        for method in (each for service in services for each in service.methods):
            if method.full_name in left_out:
                continue
            for variant in range(4):
                request = fill(method.input_type, variant)
                answer = await attacker.call(door, method, request, tokens[variant % 2], wait_s=0.5)
                if isinstance(answer, Refused):
                    assert answer.reason not in ("INTERNAL", "STORAGE"), f"{method.full_name}: {request}"
    attacker.world.district.check()
    await attacker.calm()
