"""A closed case as one PDF over a real port: what its contents list says stands on its pages."""

import csv
import errno
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2

from services.cases.dossier_verify import verify_dossier
from services.cases.handling import gathering
from services.common.channel import remote_errors
from services.common.errors import LiandongError, StorageFailed
from services.documents import binding, fonts, rendering
from services.documents.fonts import NoFont
from services.exchange import keys
from services.exchange.digests import CHUNK_SIZE
from services.exchange.evidence import Manifest
from services.exchange.evidence_records import EvidenceRecords, mark_complete
from tests.builders.departments import MARKET, new_id
from tests.builders.printed import PrintedPage, read
from tests.builders.scans import picture, scanned_pdf
from tests.unit.exchange.evidence_samples import manifest_for
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import Office
from tests.wire.cases.test_handling_inbound import INBOUND, sign_for


@pytest.fixture(scope="module", autouse=True)
def _fonts() -> None:
    try:
        fonts.find()
    except NoFont:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no font for Chinese is installed: deploy/fonts.sh")


@pytest.fixture
async def office(port: Port) -> AsyncIterator[Office]:
    """The people of the receiver, on the chain that comes with the product."""
    async with port.handling() as (cases, handling):
        made = Office(port, cases, handling)
        await made.state(INBOUND)
        yield made


@dataclass(frozen=True)
class Package:
    """What came, opened."""

    file: zipfile.ZipFile
    contents: dict[str, Any]

    @property
    def pages(self) -> list[PrintedPage]:
        return read(self.file.read("case.pdf"))

    def text(self, line: dict[str, Any]) -> str:
        """What stands on the pages of a line of the contents list."""
        before = self.contents["pages_before"]
        pages = self.pages[before + line["first_page"] - 1 : before + line["last_page"]]
        return "".join(page.text for page in pages)

    def line(self, title: str) -> dict[str, Any]:
        """The line of the contents list with these words in its title."""
        lines: list[dict[str, Any]] = self.contents["contents"]
        (found,) = [each for each in lines if title in each["title"]]
        return found


async def archived(office: Office, case_id: str, **fields: Any) -> Package:
    """The package of a case."""
    request = pb.ArchiveCaseRequest(case_id=case_id, retention=pb.RETENTION_30_YEARS, **fields)
    call = office.handling.ArchiveCase(request, metadata=office.token("registry-clerk"), timeout=60)
    with remote_errors():
        data = b"".join([part.frame async for part in call])
    file = zipfile.ZipFile(io.BytesIO(data))
    contents = json.loads(file.read("contents.json"))
    for name, digest in contents["files"].items():
        assert sha256(file.read(name)).hexdigest() == digest
    return Package(file, contents)


def held(office: Office, data: bytes, holder: str, file_name: str, media_type: str) -> Manifest:
    """Evidence that is here in full."""
    manifest, port = manifest_for(data, file_name=file_name, media_type=media_type), office.port
    for index, digest in enumerate(manifest.chunks):
        writer = port.store.writer(digest, manifest.chunk_size(index))
        writer.append(data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
        writer.commit()
    EvidenceRecords(port.node.database).register(manifest, holder)
    port.node.database.write(lambda connection: mark_complete(connection, manifest.root, holder))
    return manifest


def material(kind: str, manifest: Manifest) -> envelope_pb2.Material:
    return envelope_pb2.Material(
        kind=kind,
        manifest_root=manifest.root,
        digest=manifest.digest,
        size=manifest.size,
        media_type=manifest.media_type,
    )


async def answered(office: Office, case_id: str, act: str, kind: str, **body: Any) -> cases_pb.LetterAnswer:
    """Send an act of the receiver's with one material."""
    manifest = held(office, scanned_pdf(1, act), "clerk-1", f"{act}.pdf", "application/pdf")
    asked = cases_pb.ActDraft(case_id=case_id, act=act, materials=[material(kind, manifest)], **body)
    request = cases_pb.PrepareLetterRequest(draft=asked)
    draft = (await office.call("clerk", "PrepareLetter", request, office.cases)).draft
    return await office.send(draft)


async def closed(office: Office) -> str:
    """A case from its transfer to its end: handled here, with scans, instructions and evidence beside it."""
    ledger, node = office.port.ledger, office.port.node
    case_id = new_id()
    based_on = ledger.registered(case_id, title="康宁中医馆案")
    materials = [
        material(
            "transfer-letter",
            held(office, scanned_pdf(2, "stamped"), MARKET, "移送函.pdf", "application/pdf"),
        ),
        material("source-material", held(office, picture("PNG"), MARKET, "线索.png", "image/png")),
        material("preliminary-evidence", held(office, b"film" * 1000, MARKET, "现场录像.mp4", "video/mp4")),
    ]
    transfer = ledger.health.act(
        case_id,
        "transfer",
        parties={MARKET: "receiver"},
        recipients=[MARKET],
        materials=materials,
        approved_by=["leader-in-charge"],
        based_on=based_on,
        payload=bodies_pb2.TransferLetter(
            title="康宁中医馆案", facts="现场发现违法广告。"
        ).SerializeToString(),
        body_type="liandong.cases.v1.TransferLetter",
    )
    ledger.admit(ledger.health, transfer)
    node.take()
    found = pb.ListDocumentsRequest(case_id=case_id)
    (document, *_) = (await office.call("clerk", "ListDocuments", found)).documents
    await sign_for(office, case_id)
    node.exchange()
    await office.do("registry-clerk", document.document_id)
    await office.do("registry-clerk", document.document_id, note="拟请市场稽查科办理")
    instruction = held(
        office, picture("JPEG", (1200, 900), orientation=6), "clerk-1", "批示.jpg", "image/jpeg"
    )
    attach = pb.AttachToStepRequest(
        document_id=document.document_id,
        step="instruct",
        kind=pb.ATTACHMENT_KIND_HANDWRITTEN,
        manifest_root=instruction.root,
        note="局长批示",
    )
    await office.call("clerk", "AttachToStep", attach)
    await office.do("principal:liu", document.document_id, note="从严查处")
    notice = bodies_pb2.AcceptanceNotice(remark="同意受理。")
    await answered(office, case_id, "accept", "acceptance-notice", acceptance_notice=notice)
    node.exchange()
    outcome = bodies_pb2.OutcomeLetter(result="责令改正，罚款二万元。")
    await answered(office, case_id, "outcome", "outcome-letter", outcome_letter=outcome)
    node.exchange()
    closing = ledger.health.act(
        case_id,
        "close",
        approved_by=["section-head"],
        based_on=len(ledger.entries) - 1,
        payload=bodies_pb2.Closing(remark="已办结。").SerializeToString(),
        body_type="liandong.cases.v1.Closing",
    )
    ledger.admit(ledger.health, closing)
    node.take()
    return case_id


async def test_a_closed_case_is_one_pdf(office: Office) -> None:
    """Letters as they are printed, sheets, scans and evidence, each on the pages that the contents list names."""
    case_id = await closed(office)
    package = await archived(office, case_id, include_evidence=True)
    contents, pages = package.contents, package.pages
    assert len(pages) == contents["pages_before"] + contents["pages"]
    for number, page in enumerate(pages[contents["pages_before"] :], start=1):
        assert f"第{number}页" in page.text
    lines = contents["contents"]
    placed = [each for each in lines if not each["separate"]]
    assert [each["first_page"] for each in placed] == [1, *(each["last_page"] + 1 for each in placed[:-1])]
    assert [each["kind"] for each in lines if each["ordinal"] == 2] == [
        "letter", "handling", "attachment", "material", "material", "material",
    ]  # fmt: skip
    letters = [each for each in lines if each["kind"] == "letter"]
    assert [each["ordinal"] for each in letters] == [1, 2, 3, 4, 5, 6]
    for words, line in zip(
        ("现场发现违法广告", "同意受理", "罚款二万元"), (letters[1], *letters[3:5]), strict=True
    ):
        assert words in package.text(line)
    handled = package.text(package.line("收文处理单"))
    for words in ("清m收〔2026〕1号", "拟请市场稽查科办理", "从严查处", "张三（主要负责人）"):
        assert words in handled
    instruction = picture("JPEG", (1200, 900), orientation=6)
    assert package.file.read(f"beside/{sha256(instruction).hexdigest()}.jpg") == instruction
    stamped = package.line("移送函.pdf")
    assert "stamped0" in package.text(stamped)
    assert "stamped1" in package.text(stamped)
    assert stamped["last_page"] == stamped["first_page"] + 1
    assert stamped["digest"] == sha256(scanned_pdf(2, "stamped")).hexdigest()
    assert "局长批示" in package.text(package.line("手写批示"))
    film = package.line("现场录像.mp4")
    assert (film["separate"], film["first_page"], film["file"]) == ("media", 0, "")
    front = "".join(page.text for page in pages[: contents["pages_before"]])
    for words in (
        "康宁中医馆案",
        "30年",
        "另存1",
        sha256(b"film" * 1000).hexdigest(),
        *(each["date"] for each in lines),
    ):
        assert words in front
    listed = list(csv.reader(io.StringIO(package.file.read("contents.csv").decode("utf-8-sig"))))
    assert len(listed) == len(lines) + 1
    assert len([each for each in package.file.namelist() if each.startswith("handling/")]) == 4


async def test_its_dossier_still_proves_it(office: Office, tmp_path: Any) -> None:
    """The digest that the contents list names for a letter is that of the ledger."""
    case_id = await closed(office)
    package = await archived(office, case_id)
    path = tmp_path / "dossier.zip"
    path.write_bytes(package.file.read("dossier.zip"))
    report = verify_dossier(path, keys.public_key_bytes(office.port.ledger.registry.sign_key))
    assert (report.letters, report.problems, report.unproved) == (6, (), ())
    known = {each.leaf.letter_digest.hex() for each in office.port.ledger.entries}
    assert {each["digest"] for each in package.contents["contents"] if each["kind"] == "letter"} <= known


async def test_evidence_that_was_not_asked_for_is_listed(office: Office) -> None:
    """As kept separately, with its digest; what lies beside a step is on pages all the same."""
    package = await archived(office, await closed(office))
    separate = {each["title"]: each["separate"] for each in package.contents["contents"] if each["separate"]}
    assert set(separate.values()) == {"left-out"}
    assert len(separate) == 5
    assert not [each for each in package.file.namelist() if each.startswith("beside/")]
    assert package.line("手写批示")["first_page"]


async def test_what_the_store_lost_or_spoilt_is_listed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is archived nevertheless; so is one with a file that is too large to be put on pages."""
    case_id = await closed(office)
    store = office.port.store
    instruction = manifest_for(picture("JPEG", (1200, 900), orientation=6))
    store._place_of(instruction.chunks[0]).unlink()
    spoilt = manifest_for(picture("PNG"))
    store._place_of(spoilt.chunks[0]).write_bytes(picture("PNG", (10, 10)))
    package = await archived(office, case_id, include_evidence=True)
    wanted = {"手写批示": "absent", "线索.png": "unreadable", "移送函.pdf": "", "outcome.pdf": ""}
    assert {name: package.line(name)["separate"] for name in wanted} == wanted
    monkeypatch.setattr(gathering, "LARGEST", len(scanned_pdf(2, "stamped")) - 1)
    package = await archived(office, case_id, include_evidence=True)
    assert package.line("移送函.pdf")["separate"] == "large"


def _full(*_arguments: object) -> bool:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_what_cannot_be_bound_is_said_and_plain_text_goes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a font, too many letters, too long: each a reason of its own."""
    case_id = await closed(office)
    with monkeypatch.context() as patch:
        patch.setattr(
            rendering, "CHILD", ("-c", f"import sys; sys.stdin.buffer.read(); sys.exit({rendering.NO_FONT})")
        )
        with pytest.raises(LiandongError) as refused:
            await archived(office, case_id)
        assert refused.value.reason == "NO_FONT"
        assert "letters/0001.txt" in (await archived(office, case_id, plain_text=True)).file.namelist()
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "CHILD", ("-c", "import time; time.sleep(60)"))
        patch.setattr(office.port.renderer, "_binding_s", 0.5)
        with pytest.raises(LiandongError) as refused:
            await archived(office, case_id)
        assert refused.value.reason == "NOT_PRINTABLE"
    with monkeypatch.context() as patch:
        patch.setattr(
            rendering, "CHILD", ("-c", f"import sys; sys.stdin.buffer.read(); sys.exit({rendering.NO_ROOM})")
        )
        with pytest.raises(StorageFailed):
            await archived(office, case_id)
        patch.setattr(gathering, "_written", _full)
        with pytest.raises(StorageFailed):
            await archived(office, case_id)
    monkeypatch.setattr(binding, "LETTERS", 5)
    with pytest.raises(LiandongError, match="plain text") as refused:
        await archived(office, case_id)
    assert refused.value.reason == "NOT_PRINTABLE"
