"""Cases over the wire: who may read, and what streams do."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import handling_service_pb2

from services.cases.dossier_verify import verify_dossier
from services.cases.permissions import RULES
from services.common.channel import remote_errors
from services.common.errors import ActorMissing, ForeignDepartment, NotFound, RoleNotPermitted
from services.common.permissions import missing_rows, rows_without_method
from services.exchange import keys
from tests.builders.departments import HEALTH, new_id
from tests.wire.cases.conftest import Port

SERVICES = [
    pb.DESCRIPTOR.services_by_name["CaseService"],
    handling_service_pb2.DESCRIPTOR.services_by_name["HandlingService"],
]


def test_every_method_has_a_row() -> None:
    """And no row names a method that is none."""
    assert missing_rows(RULES, SERVICES) == []
    assert rows_without_method(RULES, SERVICES) == []


async def test_a_case_is_read_by_the_departments_people_alone(port: Port) -> None:
    """Another department's gateway is refused, with whatever assertion."""
    case_id, _ = port.ledger.transferred()
    port.node.take()
    request = pb.GetCaseRequest(case_id=case_id)
    async with port.calling() as stub:
        case = (await stub.GetCase(request, metadata=port.as_("clerk"), timeout=10)).case
        assert case.state == "sent"
        with pytest.raises(ActorMissing):
            await _reads(stub.GetCase(request, timeout=10))
    async with port.calling(HEALTH) as stub:
        with pytest.raises(ForeignDepartment):
            await _reads(stub.GetCase(request, metadata=port.as_("clerk"), timeout=10))


async def test_the_audit_is_for_those_who_answer_for_it(port: Port) -> None:
    """An officer's own reads are in it, but not for the officer to see."""
    async with port.calling() as stub:
        with pytest.raises(NotFound):
            await _reads(
                stub.GetCase(pb.GetCaseRequest(case_id=new_id()), metadata=port.as_("officer"), timeout=10)
            )
        with pytest.raises(RoleNotPermitted):
            await _reads(stub.ListAudit(pb.ListAuditRequest(), metadata=port.as_("officer"), timeout=10))
        lines = (await stub.ListAudit(pb.ListAuditRequest(), metadata=port.as_("auditor"), timeout=10)).lines
    assert [(each.subject, each.method, each.result) for each in lines] == [
        ("officer-1", "GetCase", "NOT_FOUND")
    ]
    assert lines[0].request_id


async def test_a_watch_begins_with_its_metadata(port: Port) -> None:
    """What changes after it is told."""
    async with port.calling() as stub:
        call = stub.WatchCases(pb.WatchCasesRequest(), metadata=port.as_("clerk"), timeout=20)
        await call.initial_metadata()
        case_id, _ = port.ledger.transferred()
        await asyncio.to_thread(port.node.take)
        seen = []
        for _ in range(2):
            change = await call.read()
            assert isinstance(change, pb.WatchCasesResponse)
            seen.append((change.case.case_id, change.letter.act))
        assert seen == [(case_id, "register"), (case_id, "transfer")]
        call.cancel()


async def test_a_dossier_comes_in_frames_and_verifies(port: Port, tmp_path: Path) -> None:
    """As a file for whoever has the registry's key."""
    case_id, _ = port.ledger.transferred()
    port.node.take()
    path = tmp_path / "dossier.zip"
    async with port.calling() as stub:
        with path.open("wb") as file:
            async for part in stub.GetDossier(
                pb.GetDossierRequest(case_id=case_id), metadata=port.as_("clerk"), timeout=20
            ):
                file.write(part.frame)
    report = verify_dossier(path, keys.public_key_bytes(port.ledger.registry.sign_key))
    assert (report.letters, report.problems, report.unproved) == (2, (), ())


async def _reads(call: Awaitable[object]) -> None:
    with remote_errors():
        await call


async def test_letters_of_all_cases_are_read_on_in_ledger_order(port: Port) -> None:
    """From where the last reading ended, with their cases; pending ones come once they are admitted."""
    first, _ = port.ledger.transferred()
    second, _ = port.ledger.transferred()
    port.node.take()
    async with port.calling() as stub:

        async def after(position: int, size: int) -> pb.ListLettersResponse:
            request = pb.ListLettersRequest(after_position=position, page_size=size)
            return await stub.ListLetters(request, metadata=port.as_("clerk"), timeout=10)

        seen, position = [], 0
        while (found := await after(position, 3)).letters:
            assert len(found.letters) <= 3
            positions = [each.letter.position.position for each in found.letters]
            assert positions == sorted(positions)
            assert positions[0] > position
            position = found.next_position
            assert position == positions[-1]
            seen += [(each.case.case_id, each.letter.act) for each in found.letters]
        assert seen == [(first, "register"), (first, "transfer"), (second, "register"), (second, "transfer")]
        assert found.next_position == position
        with pytest.raises(ActorMissing):
            await _reads(stub.ListLetters(pb.ListLettersRequest(), timeout=10))
    async with port.calling(HEALTH) as stub:
        with pytest.raises(ForeignDepartment):
            await _reads(stub.ListLetters(pb.ListLettersRequest(), metadata=port.as_("clerk"), timeout=10))
