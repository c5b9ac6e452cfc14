"""A letter that cannot be applied blocks its case alone, in sight, and is applied in order later."""

from collections.abc import Callable

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import SignFor
from liandong.exchange.v1 import envelope_pb2

from services.cases.desk import DeskSession
from services.cases.handlers.reading import ReadingHandlers
from services.cases.parked import ParkedRetrier
from services.common.errors import InvalidField, NotFound, RoleNotPermitted
from services.exchange import verification
from services.exchange.delivered import Delivered
from services.exchange.letters import Letter, open_letter
from services.procedures import case as cases
from tests.builders.departments import HEALTH, new_id
from tests.builders.ledger import Ledger, Node, days, node

Break = Callable[[str], None]


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Lets the desk fail on letters of an act, until told to fail on none."""
    deliver = DeskSession.deliver

    def fail_on(act: str) -> None:
        def broken(self: DeskSession, delivered: Delivered) -> None:
            letter = delivered.letter
            if letter is not None and letter.facts is not None and letter.facts.act == act:
                raise ValueError("it does not fold")
            deliver(self, delivered)

        monkeypatch.setattr(DeskSession, "deliver", broken if act else deliver)

    return fail_on


async def parked(reading: ReadingHandlers) -> list[pb.ParkedLetter]:
    return list((await reading.ListParked(pb.ListParkedRequest(), None)).letters)


async def retry(reading: ReadingHandlers, letter_id: str) -> pb.RetryParkedResponse:
    return await reading.RetryParked(pb.RetryParkedRequest(letter_id=letter_id), None)


def supplied(ledger: Ledger, case_id: str, based_on: int) -> int:
    """HEALTH recalls its transfer, a further letter of the case."""
    letter = ledger.health.act(case_id, "recall", approved_by=["leader-in-charge"], based_on=based_on)
    return ledger.admit(ledger.health, letter)[0]


def state_of(market: Node, case_id: str) -> bytes:
    market.desk.known.clear()
    entry = market.run(lambda session: session.features["act"].cases.entry(case_id))
    assert entry.admitted is not None  # type: ignore[attr-defined]
    return cases.dumps(entry.admitted)  # type: ignore[attr-defined]


async def test_it_blocks_its_case_and_no_other(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break
) -> None:
    """What comes after it in the case waits behind it; other cases and the cursor go on."""
    breaking("transfer")
    case_id, position = ledger.transferred()
    supplied(ledger, case_id, position)
    other = new_id()
    ledger.registered(other)
    market.take()
    market.act_as("liaison")
    assert [(each.position, each.case_id) for each in await parked(reading)] == [
        (position, case_id),
        (position + 1, case_id),
    ]
    first = (await parked(reading))[0]
    assert (first.error, first.side) == ("ValueError: it does not fold", pb.PARKED_SIDE_INBOX)
    assert first.HasField("next_attempt_at")
    assert other in market.desk.known
    assert market.department.cursor.position == len(ledger.entries) - 1


async def test_a_retry_applies_the_case_in_order(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break, tmp_path: object
) -> None:
    """The state is then that of a node which never failed, and later letters are applied at once."""
    breaking("transfer")
    case_id, position = ledger.transferred()
    last = supplied(ledger, case_id, position)
    market.take()
    market.act_as("registry-clerk")
    failed = await retry(reading, ledger.entries[last].letter_id)
    assert (failed.resolved, failed.error) == (False, "A letter of this case before it is parked.")
    breaking("")
    assert (await retry(reading, ledger.entries[last].letter_id)).resolved
    assert await parked(reading) == []
    again = ledger.health.act(case_id, "close", approved_by=["section-head"], based_on=last)
    ledger.admit(ledger.health, again)
    market.take()
    assert await parked(reading) == []
    with node(f"sqlite:///{tmp_path}/other.sqlite", ledger) as other:
        assert state_of(other, case_id) == state_of(market, case_id)


async def test_own_receipts_wait_behind_it_too(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break, tmp_path: object
) -> None:
    """A case is folded in ledger order, whoever wrote the letters, also after a restart."""
    case_id, position = ledger.transferred()
    market.take()
    breaking("progress")
    note = ledger.health.act(case_id, "progress", based_on=position)
    ledger.admit(ledger.health, note)
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.submit()
    breaking("progress")
    market.take()
    market.act_as("liaison")
    stuck = await parked(reading)
    assert len(stuck) == 2
    market.desk.known.clear()
    market.department.recorded.clear()
    # the act is none of the sender's, so that only the patched desk could ever fold it
    breaking("")
    answer = await retry(reading, stuck[0].letter_id)
    assert answer.resolved, answer.error
    assert await parked(reading) == []
    with node(f"sqlite:///{tmp_path}/other.sqlite", ledger, HEALTH) as health:
        health.department.cursor = market.department.cursor
    assert b'"signed"' in state_of(market, case_id)


async def test_arrivals_that_came_meanwhile_start_their_clocks(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break, tmp_path: object
) -> None:
    """Applied late, the obligation is due when everybody else says it is."""
    breaking("transfer")
    case_id, _ = ledger.transferred()
    market.exchange()
    ledger.clock.advance(days(3))
    breaking("")
    market.act_as("liaison")
    (stuck,) = await parked(reading)
    assert (await retry(reading, stuck.letter_id)).resolved
    obligations = {
        each.rule: each.due_at.ToDatetime().isoformat()
        for each in (await reading.GetCase(pb.GetCaseRequest(case_id=case_id), None)).case.obligations
    }
    assert obligations["reply"] == "2026-03-05T16:00:00"


async def test_the_retrier_backs_off_and_leaves_the_rest_to_people(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break
) -> None:
    """Only when due, ever later, at last only by hand; and it resolves what can be resolved."""
    breaking("transfer")
    ledger.transferred()
    market.take()
    market.act_as("liaison")
    retrier = ParkedRetrier(market.department)
    await retrier.once()
    assert (await parked(reading))[0].attempts == 0
    waits = []
    for _ in range(12):
        (stuck,) = await parked(reading)
        waits.append(stuck.next_attempt_at.ToDatetime() - ledger.clock.now().replace(tzinfo=None))
        ledger.clock.advance(waits[-1])
        await retrier.once()
    market.act_as("liaison")
    (stuck,) = await parked(reading)
    assert stuck.attempts == 12
    assert not stuck.HasField("next_attempt_at")
    assert waits == sorted(waits)
    assert waits[0] == days(1 / 1440)
    assert waits[-1] == days(1 / 24)
    breaking("")
    ledger.clock.advance(days(1))
    await retrier.once()
    market.act_as("liaison")
    assert len(await parked(reading)) == 1
    assert (await retry(reading, stuck.letter_id)).resolved


async def test_the_retrier_resolves_what_is_due(
    market: Node, reading: ReadingHandlers, ledger: Ledger, breaking: Break
) -> None:
    """Nobody has to do anything where the cause went away."""
    breaking("register")
    case_id, _ = ledger.transferred()
    market.take()
    breaking("")
    ledger.clock.advance(days(1))
    await ParkedRetrier(market.department).once()
    market.act_as("liaison")
    assert await parked(reading) == []
    assert market.desk.known[case_id].admitted is not None


async def test_what_the_registry_puts_off_is_shown(market: Node, reading: ReadingHandlers) -> None:
    """With its reason; the link sends it again by itself."""
    recorded = market.register("等待证据")
    market.run(lambda session: session.put_off(recorded.letter_id, 3, "EVIDENCE_PENDING: 2 chunks"))
    market.act_as("liaison")
    (stuck,) = await parked(reading)
    assert (stuck.side, stuck.attempts, stuck.case_id) == (pb.PARKED_SIDE_OUTBOX, 3, recorded.case_id)
    answer = await retry(reading, recorded.letter_id)
    assert (answer.resolved, answer.error) == (False, "EVIDENCE_PENDING: 2 chunks")


async def test_who_may_retry(market: Node, reading: ReadingHandlers) -> None:
    """Registry clerks, liaisons and systems; and only what is stuck."""
    market.act_as("officer")
    with pytest.raises(RoleNotPermitted):
        await retry(reading, new_id())
    market.act_as("system", service=True)
    with pytest.raises(NotFound):
        await retry(reading, new_id())


async def test_what_this_program_cannot_read_is_kept_as_it_came(
    market: Node, reading: ReadingHandlers, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It blocks the case that it names; a program that can read it applies it from its bytes."""

    def unreadable(envelope: envelope_pb2.Envelope) -> Letter:
        letter = open_letter(envelope)
        if letter.facts is not None and letter.facts.act == "register":
            raise InvalidField("A field of next year.", field="act")
        return letter

    monkeypatch.setattr(verification, "open_letter", unreadable)
    case_id, position = ledger.transferred()
    market.take()
    market.act_as("liaison")
    assert [(each.letter_id, each.case_id) for each in await parked(reading)] == [
        (f"@{position - 1}", case_id),
        (ledger.entries[position].letter_id, case_id),
    ]
    answer = await retry(reading, ledger.entries[position].letter_id)
    assert answer.resolved, answer.error
    assert await parked(reading) == []
    letters = (await reading.GetTimeline(pb.GetTimelineRequest(case_id=case_id), None)).letters
    assert [each.act for each in letters] == ["register", "transfer"]
