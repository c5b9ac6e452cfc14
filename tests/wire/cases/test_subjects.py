"""A subject's file and a draft's warnings over the wire."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import subject_service_pb2 as pb
from liandong.cases.v1.subject_service_pb2_grpc import SubjectServiceStub
from stdnum.cn import uscc

from services.cases.bodies import IdentifierInvalid
from services.cases.permissions import SUBJECT_RULES
from services.common.channel import remote_errors
from services.common.errors import (
    ActorMissing,
    ForeignDepartment,
    InvalidField,
    LiandongError,
    NotFound,
    RoleNotPermitted,
    Unavailable,
)
from services.common.permissions import missing_rows, rows_without_method
from services.exchange import tables as exchange_tables
from services.exchange.subject_tokens import SubjectKeys, token
from tests.builders.departments import HEALTH
from tests.wire.cases.conftest import Port

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub

SERVICE = pb.DESCRIPTOR.services_by_name["SubjectService"]
FOODS = "91330109MA2B1Q7L0" + uscc.calc_check_digit("91330109MA2B1Q7L0")
KEY = bytes(range(32))


def test_every_method_has_a_row() -> None:
    """And no row names a method that is none."""
    assert missing_rows(SUBJECT_RULES, [SERVICE]) == []
    assert rows_without_method(SUBJECT_RULES, [SERVICE]) == []


def draft() -> cases_pb.ActDraft:
    subject = bodies_pb2.Subject(kind=bodies_pb2.SUBJECT_KIND_UNIT, name="青禾食品厂", identifier=FOODS)
    body = bodies_pb2.Discovery(title="抽检不合格", facts="乙", subjects=[subject])
    return cases_pb.ActDraft(procedure="case-transfer", act="register", discovery=body)


async def test_a_file_is_read_by_the_departments_people_with_a_purpose(port: Port) -> None:
    """Not by another department, not without a person, not without saying what for, not in a role that only reports."""
    case_id = (await asyncio.to_thread(port.node.record, draft())).case_id
    request = pb.GetSubjectFileRequest(identifier=FOODS, purpose="核查重复违法")
    async with port.channel() as channel:
        stub = SubjectServiceStub(channel)
        found = await stub.GetSubjectFile(request, metadata=port.as_("clerk"), timeout=10)
        assert [each.case.case_id for each in found.cases] == [case_id]
        refusals: list[tuple[type[LiandongError], pb.GetSubjectFileRequest, str]] = [
            (ActorMissing, request, ""),
            (RoleNotPermitted, request, "information-officer"),
            (InvalidField, pb.GetSubjectFileRequest(identifier=FOODS), "clerk"),
        ]
        for kind, asked, role in refusals:
            with pytest.raises(kind), remote_errors():
                await stub.GetSubjectFile(asked, metadata=port.as_(role) if role else (), timeout=10)
    async with port.channel(HEALTH) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await SubjectServiceStub(channel).GetSubjectFile(request, metadata=port.as_("clerk"), timeout=10)


async def test_what_is_masked_is_shown_with_a_purpose_that_stands_in_the_audit(port: Port) -> None:
    """To the department's people; whoever asks is noted, also where there is no such case."""
    case_id = (await asyncio.to_thread(port.node.record, draft())).case_id
    letter_id = "0195f3a0-0000-7000-8000-000000000001"
    request = pb.RevealSubjectsRequest(case_id=case_id, letter_id=letter_id, purpose="联系当事人送达")
    async with port.channel() as channel:
        stub = SubjectServiceStub(channel)
        found = await stub.RevealSubjects(request, metadata=port.as_("clerk"), timeout=10)
        assert [each.identifier for each in found.subjects] == [FOODS]
        elsewhere = pb.RevealSubjectsRequest(case_id=letter_id, purpose="联系当事人送达")
        refusals: list[tuple[type[LiandongError], pb.RevealSubjectsRequest, str]] = [
            (ActorMissing, request, ""),
            (RoleNotPermitted, request, "information-officer"),
            (InvalidField, pb.RevealSubjectsRequest(case_id=case_id), "clerk"),
            (NotFound, elsewhere, "clerk"),
        ]
        for kind, asked, role in refusals:
            with pytest.raises(kind), remote_errors():
                await stub.RevealSubjects(asked, metadata=port.as_(role) if role else (), timeout=10)
    async with port.channel(HEALTH) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await SubjectServiceStub(channel).RevealSubjects(request, metadata=port.as_("clerk"), timeout=10)
    audit = exchange_tables.audit.c
    rows = port.node.database.read(
        lambda connection: connection.execute(
            exchange_tables.audit.select().where(audit.method == "RevealSubjects").order_by(audit.id)
        ).all()
    )
    assert [(row.case_id, row.object_id, row.result) for row in rows] == [
        (case_id, f"{letter_id} | 联系当事人送达", "ok"), (letter_id, "联系当事人送达", "NOT_FOUND"),
    ]  # fmt: skip


async def test_a_draft_warns_of_open_cases_elsewhere(port: Port) -> None:
    """By the tokens under every key; a warning, and no finding."""
    asked: list[bytes] = []

    async def ask(tokens: Sequence[bytes]) -> list[tuple[int, str, str]]:
        asked.extend(tokens)
        return [(0, HEALTH, "case-transfer"), (1, HEALTH, "case-transfer")]

    department = port.node.department
    department.subject_keys = SubjectKeys({1: KEY, 2: bytes(32)})
    department.link.connected = True
    port.handlers._ask = ask
    async with port.calling() as stub:
        view = await prepared(stub, port)
    assert asked == [token(KEY, FOODS), token(bytes(32), FOODS)]
    assert list(view.content.subject_tokens) == [token(bytes(32), FOODS)]
    assert view.content.subject_key_version == 2
    (warning,) = view.warnings
    assert (warning.kind, warning.department, warning.procedure, warning.subject) == (
        cases_pb.DRAFT_WARNING_KIND_CASE_ELSEWHERE, HEALTH, "case-transfer", "青禾食品厂",
    )  # fmt: skip
    assert "案件移送" in warning.message_zh
    assert not view.findings


async def test_who_drafts_is_told_before_anything_is_prepared(port: Port) -> None:
    """To people who draft, by identifiers that are such; department and mechanism, no more; each question is audited."""
    asked: list[bytes] = []

    async def ask(tokens: Sequence[bytes]) -> list[tuple[int, str, str]]:
        asked.extend(tokens)
        return [(0, HEALTH, "case-transfer")]

    department = port.node.department
    department.subject_keys = SubjectKeys({1: KEY})
    department.link.connected = True
    port.subject_handlers._ask = ask
    request = pb.FindCasesElsewhereRequest(
        subjects=[pb.DraftedSubject(identifier=FOODS.lower(), name="青禾食品厂")], purpose="新建案件"
    )
    async with port.channel() as channel:
        stub = SubjectServiceStub(channel)
        found = await stub.FindCasesElsewhere(request, metadata=port.as_("clerk"), timeout=10)
        (warning,) = found.warnings
        assert asked == [token(KEY, FOODS)]
        assert (warning.kind, warning.department, warning.procedure, warning.subject) == (
            cases_pb.DRAFT_WARNING_KIND_CASE_ELSEWHERE, HEALTH, "case-transfer", "青禾食品厂",
        )  # fmt: skip
        nobody = pb.FindCasesElsewhereRequest(
            subjects=[pb.DraftedSubject(identifier="91330109MA2B1Q7L01")], purpose="新建案件"
        )
        refusals: list[tuple[type[LiandongError], pb.FindCasesElsewhereRequest, str]] = [
            (ActorMissing, request, ""),
            (RoleNotPermitted, request, "system"),
            (RoleNotPermitted, request, "auditor"),
            (InvalidField, pb.FindCasesElsewhereRequest(subjects=request.subjects), "clerk"),
            (InvalidField, pb.FindCasesElsewhereRequest(purpose="新建案件"), "clerk"),
            (IdentifierInvalid, nobody, "clerk"),
        ]
        for kind, wanted, role in refusals:
            with pytest.raises(kind), remote_errors():
                await stub.FindCasesElsewhere(wanted, metadata=port.as_(role) if role else (), timeout=10)
        assert len(asked) == 1
        department.link.connected = False
        offline = await stub.FindCasesElsewhere(request, metadata=port.as_("clerk"), timeout=10)
        assert [each.kind for each in offline.warnings] == [cases_pb.DRAFT_WARNING_KIND_NOT_ASKED]
    async with port.channel(HEALTH) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await SubjectServiceStub(channel).FindCasesElsewhere(
                request, metadata=port.as_("clerk"), timeout=10
            )
    audit = exchange_tables.audit.c
    rows = port.node.database.read(
        lambda connection: connection.execute(
            exchange_tables.audit.select().where(audit.method == "FindCasesElsewhere").order_by(audit.id)
        ).all()
    )
    assert [(row.object_id, row.result) for row in rows] == [
        (f"{FOODS.lower()} | 新建案件", "ok"),
        ("91330109MA2B1Q7L01 | 新建案件", "IDENTIFIER_INVALID"),
        (f"{FOODS.lower()} | 新建案件", "ok"),
    ]


async def test_a_draft_says_where_it_could_not_be_asked(port: Port) -> None:
    """Offline, or without an answer in time; without a key there is nothing to ask."""

    async def ask(tokens: Sequence[bytes]) -> list[tuple[int, str, str]]:
        raise Unavailable

    port.handlers._ask = ask
    department = port.node.department
    async with port.calling() as stub:
        assert not (await prepared(stub, port)).warnings
        department.subject_keys = SubjectKeys({1: KEY})
        for connected in (False, True):
            department.link.connected = connected
            view = await prepared(stub, port)
            assert [each.kind for each in view.warnings] == [cases_pb.DRAFT_WARNING_KIND_NOT_ASKED]
            assert not view.findings


async def prepared(stub: "CaseServiceAsyncStub", port: Port) -> cases_pb.DraftView:
    request = cases_pb.PrepareLetterRequest(draft=draft())
    return (await stub.PrepareLetter(request, metadata=port.as_("clerk"), timeout=10)).draft
