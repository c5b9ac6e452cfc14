"""Registers as workbooks and closed cases as packages, over a real port."""

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cases.dossier_verify import verify_dossier
from services.cases.handling.pages import Readable, plain_pages
from services.common.channel import remote_errors
from services.common.errors import LiandongError, NotFound
from services.exchange import keys
from services.exchange.letters import timestamp
from tests.builders.departments import new_id
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import Office
from tests.wire.cases.test_handling_inbound import INBOUND, sign_for


@pytest.fixture
async def office(port: Port) -> AsyncIterator[Office]:
    """The people of the receiver, on the chain that comes with the product."""
    async with port.handling() as (cases, handling):
        made = Office(port, cases, handling)
        await made.state(INBOUND)
        yield made


async def streamed(office: Office, method: str, request: Any) -> bytes:
    """A file, from its frames."""
    call = getattr(office.handling, method)(request, metadata=office.token("registry-clerk"), timeout=20)
    with remote_errors():
        return b"".join([part.frame async for part in call])


def sheet(data: bytes) -> list[list[Any]]:
    """The rows of a workbook."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]


async def test_a_register_holds_every_case_in_fixed_columns(office: Office) -> None:
    """In the order of opening, with numbers, times in the region's zone, how limits were kept, who handles it."""
    ledger = office.port.ledger
    cases = []
    for _ in range(3):
        case_id, _position = ledger.transferred()
        cases.append(case_id)
        ledger.clock.advance(timedelta(minutes=1))
    office.port.node.take()
    (first, *_) = (
        await office.call("clerk", "ListDocuments", pb.ListDocumentsRequest(case_id=cases[0]))
    ).documents
    await sign_for(office, cases[0])
    office.port.node.exchange()
    await office.through(first.document_id, ["registry-clerk", "registry-clerk", "principal"])
    await office.do("registry-clerk", first.document_id, assigned=[pb.Who(subject="zhao")])
    heading, *rows = sheet(
        await streamed(office, "ExportRegister", pb.ExportRegisterRequest(procedure="case-transfer"))
    )
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [row[heading.index("编号")] for row in rows] == cases
    named = dict(zip(heading, rows[0], strict=True))
    assert named["案件名称"] == "无证行医案"
    assert named["移送单位"] == "部门"
    assert named["移送日期"].hour == 8  # an hour before nine in the region
    assert named["签收日期"] is not None
    assert named["收文编号"] == "清m收〔2026〕1号"
    assert named["承办"] == "zhao"
    assert named["状态"] == "已签收"
    assert dict(zip(heading, rows[1], strict=True))["签收日期"] is None
    request = pb.ExportRegisterRequest(procedure="case-transfer", state="signed", language="en")
    (english, only) = sheet(await streamed(office, "ExportRegister", request))
    assert (english[:2], only[-1]) == (["No.", "Case"], cases[0])
    late = pb.ExportRegisterRequest(procedure="case-transfer", opened_from=timestamp(ledger.clock.now()))
    assert len(sheet(await streamed(office, "ExportRegister", late))) == 1
    with pytest.raises(NotFound):
        await streamed(office, "ExportRegister", pb.ExportRegisterRequest(procedure="no-such"))


async def test_a_name_that_looks_like_a_formula_stays_a_name(office: Office) -> None:
    """Nor does a control character break the workbook."""
    office.port.ledger.registered(new_id(), title="=1+1\x07")
    office.port.node.take()
    data = await streamed(office, "ExportRegister", pb.ExportRegisterRequest(procedure="case-transfer"))
    cell = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]["B2"]
    assert (cell.data_type, cell.value) == ("s", "=1+1\ufffd")


async def test_registers_are_listed(office: Office) -> None:
    """One for each procedure in force."""
    answer = await office.call("clerk", "ListRegisters", pb.ListRegistersRequest())
    names = {each.procedure for each in answer.registers}
    assert {"case-transfer", "complaint", "joint-meeting"} <= names
    assert all(each.columns for each in answer.registers)


async def test_a_closed_case_is_one_ordered_package(office: Office, tmp_path: Path) -> None:
    """As plain text: contents with pages that follow each other, digests of every file, a dossier that verifies."""
    ledger, node = office.port.ledger, office.port.node
    case_id = new_id()
    based_on = ledger.registered(case_id)
    request = pb.ArchiveCaseRequest(case_id=case_id, retention=pb.RETENTION_30_YEARS, plain_text=True)
    node.take()
    with pytest.raises(LiandongError, match="when it is closed"):
        await streamed(office, "ArchiveCase", request)
    closing = ledger.health.act(
        case_id,
        "close",
        approved_by=["section-head"],
        based_on=based_on,
        payload=bodies_pb2.Closing(remark="不属实。\n" * 100).SerializeToString(),
        body_type="liandong.cases.v1.Closing",
    )
    ledger.admit(ledger.health, closing)
    node.take()
    package = zipfile.ZipFile(io.BytesIO(await streamed(office, "ArchiveCase", request)))
    contents = json.loads(package.read("contents.json"))
    assert (contents["retention"], contents["case_id"]) == ("30_YEARS", case_id)
    first, second = contents["contents"]
    assert (first["first_page"], second["first_page"]) == (1, first["last_page"] + 1)
    assert second["last_page"] == contents["pages"]
    for name, digest in contents["files"].items():
        assert sha256(package.read(name)).hexdigest() == digest
    assert "办结" in second["title"]
    listed = list(csv.reader(io.StringIO(package.read("contents.csv").decode("utf-8-sig"))))
    assert [row[0] for row in listed] == ["序号", "1", "2"]
    path = tmp_path / "dossier.zip"
    path.write_bytes(package.read("dossier.zip"))
    report = verify_dossier(path, keys.public_key_bytes(ledger.registry.sign_key))
    assert (report.letters, report.problems, report.unproved) == (2, (), ())
    with pytest.raises(NotFound):
        await streamed(
            office, "ArchiveCase", pb.ArchiveCaseRequest(case_id=new_id(), retention=pb.RETENTION_PERMANENT)
        )


def test_plain_pages_are_full_and_none_is_lost() -> None:
    """Wide characters count double; every character of the text is on some page."""
    text = "函" * 2000 + "\n" + "a" * 500
    made, count = plain_pages(Readable("x", "移送案件", ("文号：1",), text))
    pages = made.decode().split("\f")
    assert len(pages) == count > 1
    assert all(len(page.splitlines()) <= 46 for page in pages)
    assert made.decode().count("函") == 2000
    assert made.decode().count("a") == 500
