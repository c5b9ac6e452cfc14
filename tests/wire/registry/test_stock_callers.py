"""Who may look codes up, ask about subjects and publish entries together, over the registry's real port."""

import pytest
from liandong.directory.v1 import code_service_pb2 as codes_pb
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory_pb
from liandong.directory.v1.code_service_pb2_grpc import CodeServiceStub
from liandong.directory.v1.directory_service_pb2_grpc import DirectoryServiceStub
from liandong.oversight.v1 import subject_index_service_pb2 as index_pb
from liandong.oversight.v1.subject_index_service_pb2_grpc import SubjectIndexServiceStub

from services.common.channel import remote_errors
from services.common.errors import Conflict, InvalidField, LimitExceeded, NotFound, PermissionDenied
from tests.builders.codes import entries_of, row
from tests.builders.departments import HEALTH
from tests.builders.exchange_client import certificate, node_client
from tests.wire.registry.conftest import World

TOKEN = bytes(range(32))


def people(*numbers: int, department: str = HEALTH) -> list[entries.CommonEntry]:
    return [
        entries.CommonEntry(person=entries.Person(id=f"p{number}", department=department, name="王芳"))
        for number in numbers
    ]


async def test_a_table_is_published_by_an_operator_and_read_by_everyone(world: World) -> None:
    """In its parts; a part that does not belong to it is refused by field."""
    operator = certificate(world.registry, world.folder / "tls", "registry.qinghe", "operator/ops")
    async with node_client(world.registry, world.signers[HEALTH], operator) as client:
        publishing = DirectoryServiceStub(client.channel)
        for entry in entries_of(row("hexi", "河西镇", "he xi zhen"), uses=("area_code",)):
            await publishing.PublishEntry(directory_pb.PublishEntryRequest(entry=entry), timeout=10)
        (other,) = entries_of(row("other"))
        with pytest.raises(Conflict) as refused, remote_errors():
            await publishing.PublishEntry(directory_pb.PublishEntryRequest(entry=other), timeout=10)
        assert refused.value.field == "code_table.version"
    codes = CodeServiceStub(world.market.channel)
    found = await codes.SearchCodes(codes_pb.SearchCodesRequest(query="hxz"), timeout=10)
    assert [(each.table, each.row.code) for each in found.codes] == [("area", "hexi")]
    with pytest.raises(NotFound), remote_errors():
        await codes.GetCode(codes_pb.GetCodeRequest(table="area", code="nowhere"), timeout=10)
    with pytest.raises(InvalidField), remote_errors():
        await codes.SearchCodes(codes_pb.SearchCodesRequest(table="x" * 41), timeout=10)


async def test_only_nodes_ask_about_subjects(world: World) -> None:
    """Whoever else holds a certificate of the department does not; neither with a token of another length."""
    await world.health.submit([world.health.opening(subject_tokens=[TOKEN])])
    request = index_pb.FindOpenCasesRequest(tokens=[TOKEN])
    found = await SubjectIndexServiceStub(world.market.channel).FindOpenCases(request, timeout=10)
    assert [(each.token, each.department, each.procedure) for each in found.cases] == [
        (0, HEALTH, "case-transfer")
    ]
    for kind in ("gateway", "system/hospital", "operator/ops"):
        tls = certificate(world.registry, world.folder / "tls", HEALTH, kind)
        async with node_client(world.registry, world.signers[HEALTH], tls) as client:
            with pytest.raises(PermissionDenied), remote_errors():
                await SubjectIndexServiceStub(client.channel).FindOpenCases(request, timeout=10)
    with pytest.raises(InvalidField), remote_errors():
        await SubjectIndexServiceStub(world.market.channel).FindOpenCases(
            index_pb.FindOpenCasesRequest(tokens=[b"short"]), timeout=10
        )


async def test_entries_are_published_together_by_operators(world: World) -> None:
    """All or none; a member does not, and neither more than may stand in one call."""
    request = directory_pb.PublishEntriesRequest(entries=people(1, 2), idempotency_key="one")
    with pytest.raises(PermissionDenied), remote_errors():
        await DirectoryServiceStub(world.health.channel).PublishEntries(request, timeout=10)
    operator = certificate(world.registry, world.folder / "tls", "registry.qinghe", "operator/ops")
    async with node_client(world.registry, world.signers[HEALTH], operator) as client:
        stub = DirectoryServiceStub(client.channel)
        bad = [*people(3), *people(4, department="nobody.qinghe")]
        with pytest.raises(InvalidField) as refused, remote_errors():
            await stub.PublishEntries(
                directory_pb.PublishEntriesRequest(entries=bad, idempotency_key="bad"), timeout=10
            )
        assert refused.value.field == "entries[1].person.department"
        first = await stub.PublishEntries(request, timeout=10)
        assert await stub.PublishEntries(request, timeout=10) == first
        many = directory_pb.PublishEntriesRequest(entries=people(*range(2_001)), idempotency_key="many")
        with pytest.raises(LimitExceeded), remote_errors():
            await stub.PublishEntries(many, timeout=10)
        known = await stub.GetDepartment(directory_pb.GetDepartmentRequest(name=HEALTH), timeout=10)
    assert {each.id for each in known.people} == {"p1", "p2"}
