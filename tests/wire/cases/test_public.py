"""PublicService over the wire: whom it serves, pages, and how a case stands by number and code."""

import asyncio

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.cases.v1.public_service_pb2_grpc import PublicServiceStub

from services.cases.permissions import PUBLIC_RULES
from services.common.channel import remote_errors
from services.common.errors import (
    ActorMissing,
    ForeignDepartment,
    InvalidField,
    LiandongError,
    NotFound,
    RoleNotPermitted,
)
from services.common.permissions import missing_rows, rows_without_method
from tests.builders.departments import HEALTH
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
