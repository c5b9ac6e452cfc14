"""Importing over the wire: who may, and all or nothing of a stream."""

from collections.abc import Iterator

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import import_service_pb2 as pb
from liandong.cases.v1 import subject_service_pb2 as subjects_pb
from liandong.cases.v1.import_service_pb2_grpc import ImportServiceStub

from services.cases.permissions import IMPORT_RULES
from services.common.channel import remote_errors
from services.common.errors import ActorMissing, ForeignDepartment, LiandongError, RoleNotPermitted
from services.common.permissions import missing_rows, rows_without_method
from services.exchange.letters import timestamp
from tests.builders.departments import HEALTH
from tests.builders.ledger import MONDAY
from tests.wire.cases.conftest import Port

SERVICE = pb.DESCRIPTOR.services_by_name["ImportService"]


def test_every_method_has_a_row() -> None:
    """And no row names a method that is none."""
    assert missing_rows(IMPORT_RULES, [SERVICE]) == []
    assert rows_without_method(IMPORT_RULES, [SERVICE]) == []


def subjects(*names: str) -> Iterator[pb.ImportSubjectsRequest]:
    for name in names:
        subject = bodies_pb2.Subject(kind=bodies_pb2.SUBJECT_KIND_UNKNOWN, name=name)
        yield pb.ImportSubjectsRequest(subjects=[subjects_pb.RegisteredSubject(key=name, subject=subject)])


def cases(*keys: str, procedure: str = "case-transfer") -> Iterator[pb.ImportCasesRequest]:
    for key in keys:
        case = pb.StandingCase(key=key)
        case.draft.procedure, case.draft.act = procedure, "register"
        case.draft.discovery.title, case.draft.discovery.facts = "甲", "乙"
        case.draft.occurred_at.CopyFrom(timestamp(MONDAY))
        yield pb.ImportCasesRequest(cases=[case])


async def test_a_stream_is_taken_whole_or_not_at_all(port: Port) -> None:
    """A mistake in the last message leaves nothing of the first."""
    system = (("liandong-actor", port.node.signer.session.decode()),)
    async with port.channel() as channel:
        stub = ImportServiceStub(channel)
        found = await stub.ImportSubjects(subjects("甲", "乙"), metadata=port.as_("liaison"), timeout=10)
        assert (found.counts.added, found.counts.unchanged) == (2, 0)
        bad = [*cases("A", "B"), *cases("C", procedure="no-such")]
        answer = await stub.ImportCases(iter(bad), metadata=system, timeout=10)
        assert [(each.row, each.field) for each in answer.faults] == [(2, "draft.procedure")]
        answer = await stub.ImportCases(cases("A", "B"), metadata=system, timeout=10)
        assert (answer.counts.added, answer.counts.unchanged) == (2, 0)
        again = await stub.ImportCases(cases("A", "B"), metadata=system, timeout=10)
        assert (again.counts.added, again.counts.unchanged) == (0, 2)
        assert list(again.case_ids) == list(answer.case_ids)


async def test_cases_are_imported_by_systems_of_the_department(port: Port) -> None:
    """Not by a person, who would have to sign each; not by another department."""
    attempts: list[tuple[str, type[LiandongError], tuple[tuple[str, str], ...]]] = [
        ("", RoleNotPermitted, port.as_("clerk")),
        ("", RoleNotPermitted, port.as_("system")),
        ("", ActorMissing, ()),
    ]
    async with port.channel() as channel:
        for _, kind, metadata in attempts:
            with pytest.raises(kind), remote_errors():
                await ImportServiceStub(channel).ImportCases(cases("A"), metadata=metadata, timeout=10)
        with pytest.raises(RoleNotPermitted), remote_errors():
            await ImportServiceStub(channel).ImportSubjects(
                subjects("甲"), metadata=port.as_("officer"), timeout=10
            )
    async with port.channel(HEALTH) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await ImportServiceStub(channel).ImportSubjects(
                subjects("甲"), metadata=port.as_("liaison"), timeout=10
            )
