"""What a case, a timeline and a letter show."""

from hashlib import sha256

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import SignFor
from liandong.exchange.v1 import exchange_service_pb2, reason_pb2
from liandong.exchange.v1.envelope_pb2 import ActContent, LinkedCase

from services.cases.handlers.reading import ReadingHandlers
from services.cases.indexing import Index
from services.common.errors import NotFound
from services.exchange.digests import letter_digest
from services.procedures import case as cases
from tests.builders.departments import HEALTH, JUSTICE, MARKET, new_id
from tests.builders.ledger import Ledger, Node, days


async def case_of(reading: ReadingHandlers, case_id: str) -> pb.CaseView:
    return (await reading.GetCase(pb.GetCaseRequest(case_id=case_id), None)).case


async def test_a_case_shows_state_parties_and_what_may_be_done(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """State and titles by the procedure; acts with the reason that a refusal would carry."""
    case_id, position = ledger.transferred()
    market.take()
    market.act_as("clerk")
    case = await case_of(reading, case_id)
    assert (case.state, case.state_title_zh, case.admitted_state) == ("sent", "已移送", "sent")
    assert case.title == "无证行医案"
    assert case.last_position == position
    assert {(each.role, each.department) for each in case.parties} == {
        ("sender", HEALTH), ("receiver", MARKET), ("office", JUSTICE)
    }  # fmt: skip
    acts = {each.act: each for each in case.acts}
    assert acts["sign-for"].permitted
    assert not acts["accept"].permitted
    assert acts["accept"].reason == reason_pb2.REASON_NOT_PERMITTED_IN_STATE
    assert acts["transfer"].reason == reason_pb2.REASON_NOT_PERMITTED_FOR_ROLE
    assert list(acts["transfer"].approved_by) == ["leader-in-charge"]
    admitted = market.desk.known[case_id].admitted
    assert admitted is not None
    assert case.state_digest == sha256(cases.dumps(admitted)).digest()


async def test_links_are_shown_from_both_sides(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """The case that is named knows the one that names it; of one that is not here only the id is told."""
    parent, _ = ledger.transferred()
    child = new_id()
    market.take()
    index = Index()
    naming = LinkedCase(case_id=parent, relation="parent")
    index.link(ActContent(case_id=child, linked_cases=[naming]))
    market.database.write(index.flush)
    market.act_as("clerk")
    (link,) = (await case_of(reading, parent)).links
    assert (link.case_id, link.relation, link.outgoing, link.procedure) == (child, "parent", False, "")
    other, _ = ledger.transferred()
    market.take()
    index.link(ActContent(case_id=parent, linked_cases=[LinkedCase(case_id=other, relation="same")]))
    market.database.write(index.flush)
    links = (await case_of(reading, parent)).links
    assert [(each.state, each.outgoing) for each in links if each.relation == "same"] == [("sent", True)]


async def test_pending_letters_lie_on_top(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """An own letter on its way changes the state that is shown, not the admitted one."""
    case_id, _ = ledger.transferred()
    market.take()
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.act_as("clerk")
    case = await case_of(reading, case_id)
    assert (case.state, case.admitted_state, case.pending) == ("signed", "sent", 1)
    market.desk.known.clear()
    assert await case_of(reading, case_id) == case
    market.submit()
    market.take()
    case = await case_of(reading, case_id)
    assert (case.state, case.admitted_state, case.pending) == ("signed", "signed", 0)


async def test_obligations_are_judged_and_turn_overdue(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """Open ones first by due time, ended ones with their outcome, overdue from the due time on."""
    case_id, _ = ledger.transferred()
    market.take()
    market.act_as("clerk")
    found = (await case_of(reading, case_id)).obligations
    assert [(each.rule, each.state, each.limit) for each in found] == [
        ("sign", "OPEN", "1 wd"), ("reply", "OPEN", "3 wd"), ("send", "ON_TIME", "3 wd")
    ]  # fmt: skip
    assert found[0].title_zh
    ledger.clock.advance(days(2))
    market.act_as("clerk")
    assert (await case_of(reading, case_id)).obligations[0].state == "OVERDUE"


async def test_own_arrival_starts_the_clock_here_as_elsewhere(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """Once the ledger holds our word that a letter came, our own reply is due from that day."""
    case_id, _ = ledger.transferred()
    market.take()
    ledger.clock.advance(days(2))
    market.act_as("clerk")
    before = await case_of(reading, case_id)
    ledger.clock.set(ledger.clock.now() - days(2))
    market.submit()
    market.take()
    ledger.clock.advance(days(2))
    after = await case_of(reading, case_id)
    due = {
        name: next(each.due_at.ToDatetime() for each in case.obligations if each.rule == "reply")
        for name, case in (("silent", before), ("arrived", after))
    }
    assert due["silent"] - due["arrived"] == days(1)


async def test_a_case_that_is_not_here_is_not_found_and_noted(market: Node, reading: ReadingHandlers) -> None:
    """The audit keeps who asked for it."""
    market.act_as("liaison")
    case_id = new_id()
    with pytest.raises(NotFound):
        await case_of(reading, case_id)
    lines = (await reading.ListAudit(pb.ListAuditRequest(), None)).lines
    assert [(each.method, each.case_id, each.result, each.role) for each in lines] == [
        ("GetCase", case_id, "NOT_FOUND", "liaison")
    ]


async def test_the_timeline_has_letters_in_order_pending_last(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """Admitted ones with position and Arrivals of addressees, then own pending ones."""
    case_id, position = ledger.transferred()
    market.exchange()
    ledger.clock.advance(days(0.1))
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.act_as("clerk")
    letters = (await reading.GetTimeline(pb.GetTimelineRequest(case_id=case_id), None)).letters
    assert [each.act for each in letters] == ["register", "transfer", "sign-for"]
    assert letters[1].position.position == position
    assert [each.department for each in letters[1].received] == [MARKET]
    assert letters[1].received[0].received_at == letters[1].admitted_at
    assert letters[1].materials[0].kind == "transfer-letter"
    assert letters[1].approvals[0].role == "leader-in-charge"
    assert letters[2].disposition == exchange_service_pb2.DISPOSITION_RECORDED
    assert not letters[2].HasField("position")
    rest = await reading.GetTimeline(pb.GetTimelineRequest(case_id=case_id, after_position=position), None)
    assert [each.act for each in rest.letters] == ["sign-for"]


async def test_a_letter_comes_with_body_proof_and_leaf(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """Everything that proves it, whoever wrote it."""
    case_id, position = ledger.transferred()
    market.take()
    market.act_as("clerk")
    entry = ledger.entries[position]
    found = await reading.GetLetter(pb.GetLetterRequest(letter_id=entry.letter_id), None)
    assert found.body.discovery.title == "无证行医案"
    assert found.envelope.header == entry.envelope.header
    assert found.envelope.proof.path == entry.path.path
    assert found.envelope.proof.signature == entry.batch.signature
    assert found.leaf.letter_digest == letter_digest(entry.envelope.header)
    line = (await reading.ListAudit(pb.ListAuditRequest(case_id=case_id), None)).lines[0]
    assert (line.method, line.object_id, line.result) == ("GetLetter", entry.letter_id, "ok")


async def test_a_due_time_is_explained(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """Line by line in both languages; an obligation that never was is not found."""
    case_id, _ = ledger.transferred()
    market.take()
    market.act_as("clerk")
    found = await reading.ExplainDueTime(pb.ExplainDueTimeRequest(case_id=case_id, rule="sign"), None)
    assert found.obligation.rule == "sign"
    assert any("工作日" in line for line in found.lines_zh)
    assert found.lines_en[-1].startswith("Due: 2026-03-04 00:00")


async def test_the_node_tells_its_state(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """Cursor and what is on its way."""
    ledger.transferred()
    market.take()
    state = await reading.GetNodeState(pb.GetNodeStateRequest(), None)
    assert (state.department, state.outbox, state.parked) == (MARKET, 1, 0)
    assert state.cursor.position == len(ledger.entries) - 1
