"""Standing stock: all of a call or nothing, and nothing twice."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import import_service_pb2 as pb
from liandong.cases.v1 import subject_service_pb2 as subjects_pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from stdnum.cn import uscc

from services.cases import imports, tables
from services.cases.desk import DeskSession
from services.cases.drafts import Drafts
from services.cases.handlers.subjects import SubjectHandlers
from services.cases.imports import Outcome
from services.common.errors import LimitExceeded
from services.exchange.letters import timestamp
from services.exchange.session import DepartmentSession
from tests.builders.ledger import MONDAY, Ledger, Node

FOODS = "91330109MA2B1Q7L0" + uscc.calc_check_digit("91330109MA2B1Q7L0")
WRONG = FOODS[:-1] + ("2" if FOODS[-1] == "1" else "1")
UNIT = bodies_pb2.SUBJECT_KIND_UNIT


def registered(key: str, name: str = "青禾食品厂", identifier: str = FOODS) -> subjects_pb.RegisteredSubject:
    subject = bodies_pb2.Subject(kind=UNIT, name=name, identifier=identifier)
    return subjects_pb.RegisteredSubject(key=key, subject=subject)


def take(market: Node, *rows: subjects_pb.RegisteredSubject, dry_run: bool = False) -> Outcome:
    outcome = market.run(lambda session: imports.import_subjects(session, rows, dry_run=dry_run))
    assert isinstance(outcome, Outcome)
    return outcome


def counts(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.added, outcome.changed, outcome.unchanged


def faults(outcome: Outcome) -> list[tuple[int, str, str]]:
    return [(row, error.field, error.reason) for row, error in outcome.faults]


def test_a_register_is_taken_once(market: Node) -> None:
    """What is the same changes nothing, what is new or other is told before and done then."""
    assert counts(take(market, registered("1"), registered("2"), dry_run=True)) == (2, 0, 0)
    assert counts(take(market, registered("1"), registered("2"))) == (2, 0, 0)
    assert counts(take(market, registered("1"), registered("2", "青禾饮料厂"), registered("3"))) == (1, 1, 1)
    assert counts(take(market, registered("1"), registered("2", "青禾饮料厂"), registered("3"))) == (0, 0, 3)


def test_of_a_register_with_a_mistake_nothing_is_taken(market: Node) -> None:
    """Every mistake is told with its row."""
    bad = take(market, registered("1"), registered("2", identifier=WRONG), registered("1"))
    assert sorted(faults(bad)) == [
        (1, "subject[0].identifier", "IDENTIFIER_INVALID"),
        (2, "key", "INVALID_FIELD"),
    ]
    assert counts(take(market, registered("1"), dry_run=True)) == (1, 0, 0)


async def test_who_is_on_the_register_has_a_file(market: Node) -> None:
    """By code and by name, before there is any case."""
    take(market, registered("1", "青禾食品有限公司"))
    market.act_as("clerk")
    handlers = SubjectHandlers(market.department)
    for request in (
        subjects_pb.GetSubjectFileRequest(purpose="核查", identifier=FOODS),
        subjects_pb.GetSubjectFileRequest(purpose="核查", name="青禾食品（有限责任公司）"),
    ):
        found = await handlers.GetSubjectFile(request, None)
        assert found.subject.identifier == FOODS
        assert [each.key for each in found.registered] == ["1"]
        assert not found.cases


def standing(key: str, title: str = "无证行医", **fields: object) -> pb.StandingCase:
    case = pb.StandingCase(key=key)
    case.draft.procedure, case.draft.act = "case-transfer", "register"
    case.draft.discovery.title, case.draft.discovery.facts = title, "乙"
    case.draft.occurred_at.CopyFrom(timestamp(MONDAY - timedelta(days=30)))
    for name, value in fields.items():
        setattr(case.draft, name, value)
    return case


def open_cases(market: Node, *rows: pb.StandingCase, dry_run: bool = False) -> Outcome:
    actor = market.act_as("system", service=True)

    def command(session: DepartmentSession) -> Outcome:
        desk = session.features["act"]
        assert isinstance(desk, DeskSession)
        return imports.import_cases(session, desk, rows, actor, dry_run=dry_run)

    outcome = market.run(command)
    assert isinstance(outcome, Outcome)
    return outcome


def test_cases_of_before_are_opened_at_their_time_and_once(market: Node, ledger: Ledger) -> None:
    """The clock runs from the discovery, so what was late is late; the same again finds them."""
    assert counts(open_cases(market, standing("A"), standing("B"), dry_run=True)) == (2, 0, 0)
    first = open_cases(market, standing("A"), standing("B"))
    assert counts(first) == (2, 0, 0)
    assert all(first.case_ids)
    market.exchange()
    entry = market.desk.known[first.case_ids[0]]
    assert entry.admitted is not None
    (send,) = entry.admitted.open_obligations
    assert send.rule == "send"
    assert entry.dues["send", 1] < MONDAY - timedelta(days=20)
    again = open_cases(market, standing("A"), standing("B"), standing("C"))
    assert counts(again) == (1, 0, 2)
    assert again.case_ids[:2] == first.case_ids
    size = len(ledger.entries)
    market.exchange()
    market.exchange()
    acts = [each for each in ledger.entries[size:] if each.author == market.department.name]
    assert (
        len([each for each in acts if envelopes.Header.FromString(each.envelope.header).HasField("act")]) == 1
    )


def test_of_cases_with_a_mistake_none_is_opened(market: Node) -> None:
    """Every mistake with row and field; a number that was imported with other content is one."""
    open_cases(market, standing("A"))
    late = standing("D")
    late.draft.occurred_at.CopyFrom(timestamp(MONDAY + timedelta(days=1)))
    timeless = standing("E")
    timeless.draft.ClearField("occurred_at")
    bad = open_cases(
        market, standing("A", title="其他"), standing("B"), standing("C", procedure="no-such"), late, timeless,
        standing("F", case_id="018f7d2e-0000-7000-8000-000000000000"), standing("B"),
    )  # fmt: skip
    assert sorted(faults(bad)) == [
        (0, "key", "REPLAYED_WITH_OTHER_CONTENT"),
        (2, "draft.procedure", "UNKNOWN_PROCEDURE"),
        (3, "draft.occurred_at", "OCCURRED_AFTER_SIGNED"),
        (4, "draft.occurred_at", "INVALID_FIELD"),
        (5, "draft.case_id", "INVALID_FIELD"),
        (6, "key", "INVALID_FIELD"),
    ]
    assert counts(open_cases(market, standing("B"), dry_run=True)) == (1, 0, 0)


def test_calls_are_bounded(market: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends more is told the limit."""
    monkeypatch.setattr(imports, "SUBJECTS", 2)
    monkeypatch.setattr(imports, "CASES", 2)
    with pytest.raises(LimitExceeded):
        take(market, *(registered(str(number)) for number in range(3)))
    with pytest.raises(LimitExceeded):
        open_cases(market, *(standing(str(number)) for number in range(3)))


def joint(key: str, facts: str = "乙") -> pb.StandingCase:
    """A joint action: the leader in charge has to approve it."""
    case = pb.StandingCase(key=key)
    case.draft.procedure, case.draft.act = "joint-enforcement", "initiate"
    case.draft.joint_action_proposal.title, case.draft.joint_action_proposal.facts = "夜市联合执法", facts
    case.draft.occurred_at.CopyFrom(timestamp(MONDAY - timedelta(days=30)))
    return case


def supervised(key: str, *, materials: bool = True) -> pb.StandingCase:
    """A proposal to supervise a case: a leader has to approve it, and its brief goes with it."""
    case = pb.StandingCase(key=key)
    case.draft.procedure, case.draft.act = "supervised-case", "propose"
    case.draft.supervised_listing.title, case.draft.supervised_listing.facts = "无证行医致人损害", "乙"
    case.draft.occurred_at.CopyFrom(timestamp(MONDAY - timedelta(days=30)))
    if materials:
        case.draft.materials.add(
            kind="case-brief", manifest_root=bytes([7]) * 32, digest=bytes([7]) * 32, size=3
        )
    return case


def test_what_people_have_to_approve_waits_for_them_as_a_draft(market: Node, ledger: Ledger) -> None:
    """A system signs nothing in their place: one draft each, once, and it opens the case when it is sent."""
    rows = [joint("A"), standing("B")]
    assert open_cases(market, *rows, dry_run=True).awaiting == 1
    first = open_cases(market, *rows)
    assert (counts(first), first.awaiting) == ((2, 0, 0), 1)
    market.exchange()
    headers = [envelopes.Header.FromString(each.envelope.header) for each in ledger.entries]
    acts = [envelopes.ActContent.FromString(each.act.content) for each in headers if each.HasField("act")]
    assert [each.case_id for each in acts] == [first.case_ids[1]]
    again = open_cases(market, *rows)
    assert counts(again) == (0, 0, 2)
    assert again.case_ids == first.case_ids
    assert faults(open_cases(market, joint("A", "丙"))) == [(0, "key", "REPLAYED_WITH_OTHER_CONTENT")]

    leader = market.act_as("leader-in-charge")

    def waiting(session: DepartmentSession) -> list[tuple[str, tuple[str, ...]]]:
        desk = session.features["act"]
        assert isinstance(desk, DeskSession)
        drafts = Drafts(session, desk)
        found = session.connection.execute(sa.select(tables.drafts.c.letter_id)).scalars().all()
        shown = [drafts.show(drafts.open(each), leader) for each in found]
        return [(each.draft.case_id, each.missing) for each in shown]

    assert market.run(waiting) == [(first.case_ids[0], ("leader-in-charge",))]


def test_what_a_draft_would_be_refused_for_is_told_before(market: Node) -> None:
    """All but the approvals that it waits for: here its material."""
    assert faults(open_cases(market, supervised("A", materials=False))) == [
        (0, "draft.materials", "MATERIAL_MISSING")
    ]
    assert faults(open_cases(market, supervised("A"), dry_run=True)) == []


def test_evidence_is_here_before_a_draft_names_it(market: Node) -> None:
    """Whoever approves can read it: where it is not, its row is told, and nothing of the call is taken."""
    bad = open_cases(market, joint("A"), supervised("B"))
    assert faults(bad) == [(1, "draft.materials", "EVIDENCE_PENDING")]
    assert counts(open_cases(market, joint("A"), dry_run=True)) == (1, 0, 0)
