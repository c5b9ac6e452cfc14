"""PublicService over the wire: whom it serves, pages, and how a case stands by number and code."""

import asyncio

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2, complaint_bodies_pb2, publicity_bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from liandong.cases.v1.public_service_pb2_grpc import PublicServiceStub
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.cases.bodies import IdentifierInvalid
from services.cases.permissions import PUBLIC_RULES
from services.common.channel import remote_errors
from services.common.errors import (
    ActorMissing,
    Conflict,
    ForeignDepartment,
    InvalidField,
    LiandongError,
    NotFound,
    RoleNotPermitted,
)
from services.common.permissions import missing_rows, rows_without_method
from services.exchange.assertions import Purpose
from tests.builders.departments import HEALTH, JUSTICE
from tests.builders.ledger import MONDAY
from tests.wire.cases.conftest import Port

SERVICE = pb.DESCRIPTOR.services_by_name["PublicService"]


def test_every_method_has_a_row() -> None:
    """And no row names a method that is none."""
    assert missing_rows(PUBLIC_RULES, [SERVICE]) == []
    assert rows_without_method(PUBLIC_RULES, [SERVICE]) == []


async def test_a_case_is_followed_by_number_and_code_and_says_nothing_of_anybody(port: Port) -> None:
    """Procedure, state and times; not before it is admitted, and not by another department."""
    body = bodies_pb2.Discovery(title="无证行医", facts="当事人张三丰")
    draft = cases_pb.ActDraft(procedure="case-transfer", act="register", discovery=body)
    case_id = (await asyncio.to_thread(port.node.record, draft)).case_id
    async with port.channel() as channel:
        stub = PublicServiceStub(channel)
        issued = await stub.IssueStatusCode(
            pb.IssueStatusCodeRequest(case_id=case_id), metadata=port.as_("clerk"), timeout=10
        )
        asked = pb.GetStatusByCodeRequest(number=issued.number, code=issued.code)
        with pytest.raises(NotFound), remote_errors():
            await stub.GetStatusByCode(asked, metadata=port.as_("clerk"), timeout=10)
        await asyncio.to_thread(port.node.exchange)
        found = await stub.GetStatusByCode(asked, metadata=port.as_("clerk"), timeout=10)
        assert (found.state_zh, found.closed) == ("已登记", False)
        assert "张三丰".encode() not in found.SerializeToString()
        refused: list[tuple[type[LiandongError], str, str]] = [
            (NotFound, issued.code[::-1], "clerk"), (ActorMissing, issued.code, ""), (InvalidField, "", "clerk"),
        ]  # fmt: skip
        for kind, code, role in refused:
            request = pb.GetStatusByCodeRequest(number=issued.number, code=code)
            with pytest.raises(kind), remote_errors():
                await stub.GetStatusByCode(request, metadata=port.as_(role) if role else (), timeout=10)
        with pytest.raises(RoleNotPermitted), remote_errors():
            await stub.IssueStatusCode(
                pb.IssueStatusCodeRequest(case_id=case_id),
                metadata=port.as_("information-officer"),
                timeout=10,
            )
        unknown = "01900000-0000-7000-8000-000000000099"
        with pytest.raises(NotFound), remote_errors():
            await stub.IssueStatusCode(
                pb.IssueStatusCodeRequest(case_id=unknown), metadata=port.as_("clerk"), timeout=10
            )
    async with port.channel(HEALTH) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await PublicServiceStub(channel).GetStatusByCode(asked, metadata=port.as_("clerk"), timeout=10)


async def test_a_penalty_is_masked_approved_by_two_and_shown(port: Port) -> None:
    """Drawn up by a clerk, reviewed and approved as masked, shown once admitted, found by its number; then withdrawn."""
    office_of(port, "double-publicity")
    decided = Timestamp()
    decided.FromDatetime(MONDAY)
    matter = publicity_bodies_pb2.PublicityMatter(
        title="张三丰无证行医案", kind=publicity_bodies_pb2.DECISION_KIND_PENALTY, number="清卫罚〔2026〕7号"
    )
    opened = await asyncio.to_thread(
        port.node.record,
        cases_pb.ActDraft(procedure="double-publicity", act="register", publicity_matter=matter),
    )
    penalty = publicity_bodies_pb2.PublicisedPenalty(
        party_kind=bodies_pb2.SUBJECT_KIND_CITIZEN, party="张三丰", number="清卫罚〔2026〕7号", violation="非医师行医",
        facts="张三丰（11010519491231002X）行医。", basis="《医师法》第五十九条", penalty_kind="罚款", content="罚款",
        decided_at=decided,
    )  # fmt: skip
    asked = cases_pb.ActDraft(case_id=opened.case_id, act="publicise-penalty", publicised_penalty=penalty)
    async with port.channel() as channel:
        stub = PublicServiceStub(channel)
        shown = await _approved(port, channel, asked)
        assert shown.draft.publicised_penalty.party == "张某某"
        assert "三丰".encode() not in shown.draft.SerializeToString()

        async def found(text: str) -> list[pb.Published]:
            request = pb.ListPublishedRequest(text=text)
            return list((await stub.ListPublished(request, metadata=port.as_("clerk"), timeout=10)).published)

        assert not await found("")
        await asyncio.to_thread(port.node.exchange)
        (penalty_shown,) = await found("〔2026〕7号")
        assert (penalty_shown.kind, penalty_shown.party) == (pb.PUBLISHED_KIND_PENALTY, "张某某")
        assert penalty_shown.shown_until.ToDatetime().year == MONDAY.year + 1
        below = pb.ListPublishedRequest(before_position=penalty_shown.position)
        assert not (await stub.ListPublished(below, metadata=port.as_("clerk"), timeout=10)).published
        gone = publicity_bodies_pb2.PublicityWithdrawal(grounds="经复议撤销")
        withdraw = cases_pb.ActDraft(case_id=opened.case_id, act="withdraw", publicity_withdrawal=gone)
        await _approved(port, channel, withdraw)
        await asyncio.to_thread(port.node.exchange)
        request = pb.GetPublishedRequest(letter_id=penalty_shown.letter_id)
        left = await stub.GetPublished(request, metadata=port.as_("clerk"), timeout=10)
        assert (left.published.kind, left.text) == (pb.PUBLISHED_KIND_WITHDRAWAL, "经复议撤销")
        assert not left.HasField("penalty")


def office_of(port: Port, procedure: str) -> None:
    """The justice department holds the office of a procedure."""
    office = directory_pb.Office(procedure=procedure, department=JUSTICE)
    port.ledger.common(directory_pb.CommonEntry(office=office))
    port.node.take()


def complaint(**more: object) -> pb.TakeComplaintRequest:
    known = {
        "facts": "学府路餐饮店油烟直排，夜间噪声很大。", "place": "学府路18号", "unit_name": "学府餐饮店",
        "contact_name": "王小明", "contact_phone": "138 1234 5678", "item_code": "TS-0504",
        "idempotency_key": "public-0001",
    }  # fmt: skip
    return pb.TakeComplaintRequest(**{**known, **more})  # type: ignore[arg-type]


async def test_a_complaint_from_the_public_is_registered_and_its_writer_stays_here(port: Port) -> None:
    """As any other, once under its key, marked by its channel; no letter has name and telephone; number and code work."""
    office_of(port, "complaint")
    system = (("liandong-actor", port.node.signer.assertion("system", service=True).decode()),)
    async with port.channel() as channel:
        stub, cases = PublicServiceStub(channel), CaseServiceStub(channel)
        first = await stub.TakeComplaint(complaint(), metadata=system, timeout=10)
        again = await stub.TakeComplaint(complaint(), metadata=system, timeout=10)
        assert (again.case_id, again.number == first.number) == (first.case_id, False)
        with pytest.raises(Conflict), remote_errors():
            await stub.TakeComplaint(complaint(facts="别的"), metadata=system, timeout=10)
        await asyncio.to_thread(port.node.exchange)
        for issued in (first, again):
            asked = pb.GetStatusByCodeRequest(number=issued.number, code=issued.code)
            found = await stub.GetStatusByCode(asked, metadata=system, timeout=10)
            assert found.state_zh == "已登记"
        timeline = await cases.GetTimeline(
            cases_pb.GetTimelineRequest(case_id=first.case_id), metadata=port.as_("clerk"), timeout=10
        )
        (entry,) = timeline.letters
        letter = await cases.GetLetter(
            cases_pb.GetLetterRequest(letter_id=entry.letter_id), metadata=port.as_("clerk"), timeout=10
        )
        record = letter.body.complaint_record
        assert record.channel == complaint_bodies_pb2.COMPLAINT_CHANNEL_PUBLIC_SITE
        assert (record.title, record.confidential) == ("学府路餐饮店油烟直排，夜间噪声很大。", True)
        for hidden in ("王小明", "138"):
            assert hidden.encode() not in letter.SerializeToString()
        who = pb.GetComplaintContactRequest(case_id=first.case_id)
        contact = await stub.GetComplaintContact(who, metadata=port.as_("clerk"), timeout=10)
        assert (contact.name, contact.phone, contact.passed_on) == ("王小明", "138 1234 5678", False)
        audit = await cases.ListAudit(
            cases_pb.ListAuditRequest(case_id=first.case_id), metadata=port.as_("auditor"), timeout=10
        )
        assert "GetComplaintContact" in {each.method for each in audit.lines}
        passed = complaint(may_pass_contact_on=True, idempotency_key="public-0002")
        third = await stub.TakeComplaint(passed, metadata=system, timeout=10)
        assert third.case_id != first.case_id


async def test_who_may_bring_a_complaint_and_read_who_wrote_it(port: Port) -> None:
    """A system brings it, people read it; wrong codes and telephones are refused; too many answers end."""
    office_of(port, "complaint")
    system = (("liandong-actor", port.node.signer.assertion("system", service=True).decode()),)
    async with port.channel() as channel:
        stub = PublicServiceStub(channel)
        refused: list[tuple[type[LiandongError], pb.TakeComplaintRequest, object]] = [
            (RoleNotPermitted, complaint(), port.as_("clerk")),
            (IdentifierInvalid, complaint(unit_code="91330100MA27XL0B1D"), system),
            (InvalidField, complaint(contact_phone="<script>"), system),
            (InvalidField, complaint(facts=""), system),
            (InvalidField, complaint(facts="长" * 4001), system),
        ]
        for kind, request, metadata in refused:
            with pytest.raises(kind), remote_errors():
                await stub.TakeComplaint(request, metadata=metadata, timeout=10)  # type: ignore[arg-type]
        for _ in range(5):
            taken = await stub.TakeComplaint(complaint(), metadata=system, timeout=10)
        with pytest.raises(Conflict), remote_errors():
            await stub.TakeComplaint(complaint(), metadata=system, timeout=10)
        asked = pb.GetComplaintContactRequest(case_id=taken.case_id)
        with pytest.raises(RoleNotPermitted), remote_errors():
            await stub.GetComplaintContact(asked, metadata=system, timeout=10)
        unknown = pb.GetComplaintContactRequest(case_id="01900000-0000-7000-8000-000000000099")
        with pytest.raises(NotFound), remote_errors():
            await stub.GetComplaintContact(unknown, metadata=port.as_("clerk"), timeout=10)


async def _approved(port: Port, channel: grpc.aio.Channel, asked: cases_pb.ActDraft) -> cases_pb.DraftView:
    """Have an act drawn up, approved by both, and sent; returns what they approved."""
    stub = CaseServiceStub(channel)
    prepare = cases_pb.PrepareLetterRequest(draft=asked)
    draft = (await stub.PrepareLetter(prepare, metadata=port.as_("clerk"), timeout=10)).draft
    assert list(draft.missing_approvals) == ["legal-reviewer", "leader-in-charge"]
    for role in ("legal-reviewer", "leader-in-charge"):
        token = port.node.signer.assertion(role, draft.content_digest, Purpose.APPROVE, subject=role)
        approve = cases_pb.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role=role
        )
        await stub.ApproveLetter(approve, metadata=(("liandong-actor", token.decode()),), timeout=10)
    token = port.node.signer.assertion("clerk", draft.content_digest, Purpose.SEND)
    send = cases_pb.SendLetterRequest(letter_id=draft.letter_id, content_digest=draft.content_digest)
    await stub.SendLetter(send, metadata=(("liandong-actor", token.decode()),), timeout=10)
    return draft


async def test_a_letter_that_is_not_published_is_not_there(port: Port) -> None:
    """Though it is one of the department's own; nothing is listed."""
    body = bodies_pb2.Discovery(title="无证行医", facts="乙")
    draft = cases_pb.ActDraft(procedure="case-transfer", act="register", discovery=body)
    letter_id = (await asyncio.to_thread(port.node.record, draft)).letter_id
    await asyncio.to_thread(port.node.exchange)
    async with port.channel() as channel:
        stub = PublicServiceStub(channel)
        listed = await stub.ListPublished(pb.ListPublishedRequest(), metadata=port.as_("clerk"), timeout=10)
        assert not listed.published
        with pytest.raises(NotFound), remote_errors():
            await stub.GetPublished(
                pb.GetPublishedRequest(letter_id=letter_id), metadata=port.as_("clerk"), timeout=10
            )
