"""What is asked for again: the same is answered as before, anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.sharing.v1 import sharing_service_pb2 as sharing

from services.exchange.digests import sha256
from services.exchange.letters import timestamp
from tests.builders.departments import Sent
from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import Refused, refusal
from tests.federation.refusals.attacker import Attacker
from tests.federation.refusals.case_letters import Case, altered, discovery, sent
from tests.federation.refusals.offered import SHARING

pytestmark = MARKS


async def test_a_replay_with_another_body_is_refused(attacker: Attacker, case: Case) -> None:
    """The same letter is answered as before; under its id nothing else is taken."""
    signer, envelope = attacker.signer(HEALTH), envelopes.Envelope()
    envelope.CopyFrom(case.letter)
    envelope.ClearField("proof")
    header = envelopes.Header.FromString(envelope.header)
    same = Sent(header, envelope)
    async with attacker.unchanged():
        outcomes = await attacker.submit(HEALTH, same)
        assert not isinstance(outcomes, Refused)
        assert [(each.disposition, each.position) for each in outcomes] == [
            (exchange.DISPOSITION_ADMITTED, case.at)
        ]
        body = discovery(facts="另一个内容。").SerializeToString()

        def another(header: envelopes.Header, content: envelopes.ActContent, _tokens: list[bytes]) -> None:
            content.body_digest = header.payload_digest = sha256(body)

        replay = altered(signer, same, another)
        replay.envelope.payload = body
        assert await attacker.refused(HEALTH, replay) == ("REPLAYED_WITH_OTHER_CONTENT", "letter_id")
        # another department does not learn that the id is taken by anything but its own mistake
        market = attacker.signer(MARKET)
        stolen = sent(market, case, letter_id=header.letter_id, act="sign-for", materials=(), approved_by=())
        assert (await attacker.refused(MARKET, stolen))[0] == "REPLAYED_WITH_OTHER_CONTENT"


async def test_an_idempotency_key_takes_one_request(attacker: Attacker) -> None:
    """Another request under the same key is refused by every call that takes one; the same is answered again."""
    system = attacker.token(HEALTH, "system", service=True)
    formed = timestamp(datetime.now(UTC) - timedelta(minutes=1))

    def prepare(title: str) -> cases.PrepareLetterRequest:
        draft = cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery(title=title))
        return cases.PrepareLetterRequest(draft=draft, idempotency_key="once")

    def send(title: str) -> cases.SendActRequest:
        return cases.SendActRequest(draft=prepare(title).draft, idempotency_key="once")

    def publish(title: str) -> sharing.PublishBulletinRequest:
        return sharing.PublishBulletinRequest(
            category="bulletin.good-practice",
            bulletin=sharing.Bulletin(title=title, text="内容"),
            formed_at=formed,
            idempotency_key="once",
        )

    publishing, clerk = SHARING.methods_by_name["PublishBulletin"], attacker.token(HEALTH)
    first = [
        await attacker.case_call(HEALTH, "PrepareLetter", prepare("一")),
        await attacker.case_call(HEALTH, "SendAct", send("一"), system),
        await attacker.call(attacker.node(HEALTH), publishing, publish("一"), clerk),
    ]
    assert all(isinstance(each, bytes) for each in first), first
    expected = ("REPLAYED_WITH_OTHER_CONTENT", "idempotency_key")
    async with attacker.unchanged():
        assert await attacker.case_call(HEALTH, "PrepareLetter", prepare("一")) == first[0]
        again = await attacker.case_call(HEALTH, "SendAct", send("一"), system)
        assert isinstance(again, bytes)
        answers = [cases.SendActResponse.FromString(each).answer for each in (first[1], again)]  # type: ignore[arg-type]
        assert answers[0].letter_id == answers[1].letter_id
        assert refusal(await attacker.case_call(HEALTH, "PrepareLetter", prepare("二"))) == expected
        assert refusal(await attacker.case_call(HEALTH, "SendAct", send("二"), system)) == expected
        answer = await attacker.call(attacker.node(HEALTH), publishing, publish("二"), clerk)
        assert refusal(answer) == expected
