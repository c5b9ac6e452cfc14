"""A subject that two departments have before them, over a real registry."""

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from stdnum.cn import uscc

from services.exchange.subject_tokens import SubjectKeys
from tests.federation.books import settle
from tests.federation.district import HEALTH, MARKET
from tests.federation.house import House

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("federation")]

FOODS = "91330109MA2B1Q7L0" + uscc.calc_check_digit("91330109MA2B1Q7L0")


def draft(author: str) -> pb.ActDraft:
    subject = bodies_pb2.Subject(kind=bodies_pb2.SUBJECT_KIND_UNIT, name="青禾食品厂", identifier=FOODS)
    body = bodies_pb2.Discovery(title="抽检不合格", facts="乙", subjects=[subject])
    parties = [envelopes.Party(role="sender", department=author)]
    return pb.ActDraft(procedure="case-transfer", act="register", discovery=body, parties=parties)


async def test_who_drafts_about_a_subject_hears_of_the_others_case(house: House) -> None:
    """Only whoever holds the key hears of it; while the registry is away the draft says that it could not ask."""
    for hosted in house.hosted.values():
        hosted.department.subject_keys = SubjectKeys({1: bytes(range(32))})
    health, market = house.parties[HEALTH], house.parties[MARKET]
    await health.cases.SendAct(
        pb.SendActRequest(draft=draft(HEALTH), idempotency_key="one"),
        metadata=health.actor("system"),
        timeout=10,
    )
    await settle(house)

    async def warned(name: str) -> list[tuple[int, str]]:
        party = market if name == MARKET else health
        answer = await party.cases.PrepareLetter(
            pb.PrepareLetterRequest(draft=draft(name)), metadata=party.actor("clerk"), timeout=20
        )
        assert not answer.draft.findings
        return [(each.kind, each.department) for each in answer.draft.warnings]

    assert await warned(MARKET) == [(pb.DRAFT_WARNING_KIND_CASE_ELSEWHERE, HEALTH)]
    assert await warned(HEALTH) == []
    await house.lose_registry()
    try:
        assert await warned(MARKET) == [(pb.DRAFT_WARNING_KIND_NOT_ASKED, "")]
    finally:
        await house.start_registry()
