"""Approvals of a draft by several persons, over a real port."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import referral_bodies_pb2 as bodies
from liandong.cases.v1 import support_bodies_pb2 as support
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.channel import remote_errors
from services.exchange.assertions import Purpose
from services.procedures.document import NotYourStep
from tests.builders.departments import JUSTICE
from tests.wire.cases.conftest import Port

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub


async def approve(
    port: Port, stub: "CaseServiceAsyncStub", draft: pb.DraftView, person: str, role: str = "officer"
) -> pb.DraftView:
    """Have somebody approve, under a certificate of the same name."""
    token = port.node.signer.assertion(
        role, draft.content_digest, Purpose.APPROVE, subject=person, certificate=f"T-{person}"
    )
    answer = await stub.ApproveLetter(
        pb.ApproveLetterRequest(letter_id=draft.letter_id, content_digest=draft.content_digest, role=role),
        metadata=(("liandong-actor", token.decode()),),
        timeout=10,
    )
    return answer.draft


async def test_an_act_of_two_officers_takes_two_persons(port: Port) -> None:
    """The same person twice is one; of three the last two stand, each with the certificate that the issuer names."""
    office = directory_pb.Office(procedure="criminal-referral", department=JUSTICE)
    port.ledger.common(directory_pb.CommonEntry(office=office))
    port.node.take()
    report = bodies.ReferralReport(title="无证行医案", facts="致人重伤。")
    asked = pb.ActDraft(procedure="criminal-referral", act="report", referral_report=report)
    async with port.calling() as stub:
        answer = await stub.PrepareLetter(
            pb.PrepareLetterRequest(draft=asked), metadata=port.as_("clerk"), timeout=10
        )
        draft = answer.draft
        assert list(draft.missing_approvals) == ["officer", "officer"]
        for person, missing in (("zhou", ["officer"]), ("zhou", ["officer"]), ("wu", []), ("sun", [])):
            port.ledger.clock.advance(timedelta(seconds=1))
            draft = await approve(port, stub, draft, person)
            assert list(draft.missing_approvals) == missing
    assert [(each.subject, each.certificate) for each in draft.approvals] == [
        ("wu", "T-wu"),
        ("sun", "T-sun"),
    ]


async def test_two_roles_take_two_persons(port: Port) -> None:
    """Who has reviewed cannot also sign, whatever roles they have; another can."""
    letter = support.DelegationLetter(
        title="委托实施公共场所卫生监督", basis="《行政处罚法》第二十条", matters=["公共场所卫生监督检查"],
        scope="河西镇", valid_from=Timestamp(seconds=1_790_000_000), valid_until=Timestamp(seconds=1_820_000_000),
    )  # fmt: skip
    asked = pb.ActDraft(procedure="delegation", act="offer", delegation_letter=letter)
    async with port.calling() as stub:
        answer = await stub.PrepareLetter(
            pb.PrepareLetterRequest(draft=asked), metadata=port.as_("clerk"), timeout=10
        )
        draft = await approve(port, stub, answer.draft, "zhou", "legal-reviewer")
        assert list(draft.missing_approvals) == ["principal"]
        with pytest.raises(NotYourStep, match="another person") as refused, remote_errors():
            await approve(port, stub, draft, "zhou", "principal")
        assert refused.value.field == "role"
        draft = await approve(port, stub, draft, "wu", "principal")
        assert not draft.missing_approvals
