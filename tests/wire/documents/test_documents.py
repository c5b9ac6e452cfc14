"""Letters as files over the wire: drafts and sent letters, who may print, what is noted, what goes wrong."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import document_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2

from services.common.channel import remote_errors
from services.common.errors import ActorMissing, ForeignDepartment, InvalidField, LiandongError, NotFound
from services.common.permissions import missing_rows, rows_without_method
from services.documents import fonts, rendering
from services.documents.fonts import NoFont
from services.documents.model import Face
from services.documents.permissions import RULES, SERVICE
from services.documents.rendering import NotPrintable
from services.exchange.assertions import Purpose
from services.exchange.evidence_records import EvidenceRecords, mark_complete
from tests.builders.departments import MARKET, new_id
from tests.builders.printed import read
from tests.unit.exchange.evidence_samples import manifest_for
from tests.wire.documents.conftest import Press

if TYPE_CHECKING:
    from liandong.cases.v1.case_service_pb2_grpc import CaseServiceAsyncStub
    from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceAsyncStub


KINDS = ("transfer-letter", "source-material", "preliminary-evidence")


@pytest.fixture(scope="module", autouse=True)
def _fonts() -> None:
    try:
        fonts.find()
    except NoFont:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no font for Chinese is installed: deploy/fonts.sh")


def test_every_method_has_a_row() -> None:
    """And no row names a method that is none."""
    assert missing_rows(RULES, [SERVICE]) == []
    assert rows_without_method(RULES, [SERVICE]) == []


async def fetch(
    stub: "DocumentServiceAsyncStub", press: Press, request: pb.RenderLetterRequest, role: str = "clerk"
) -> tuple[pb.RenderLetterResponse, bytes]:
    """The first piece, and the whole file."""
    first, made = pb.RenderLetterResponse(), b""
    with remote_errors():
        async for piece in stub.RenderLetter(request, metadata=press.as_(role), timeout=60):
            if not made:
                first = piece
            made += piece.chunk
    return first, made


def material(press: Press, kind: str) -> envelope_pb2.Material:
    """A material whose evidence is complete at the sender."""
    manifest = manifest_for(kind.encode() * 10, file_name=f"{kind}.pdf", media_type="application/pdf")
    EvidenceRecords(press.node.database).register(manifest, "clerk-1")
    press.node.database.write(lambda connection: mark_complete(connection, manifest.root, "clerk-1"))
    return envelope_pb2.Material(
        kind=kind,
        manifest_root=manifest.root,
        digest=manifest.digest,
        size=manifest.size,
        media_type=manifest.media_type,
    )


async def prepared(press: Press, cases: "CaseServiceAsyncStub") -> cases_pb.DraftView:
    """A transfer as a draft, in a case that was registered and admitted."""
    registered = press.node.register("康宁中医馆涉嫌发布违法医疗广告案")
    await asyncio.to_thread(press.node.exchange)
    body = bodies_pb2.TransferLetter(
        title="康宁中医馆涉嫌发布违法医疗广告案", facts="现场发现违法广告。", contact="陈晓，0000-6100012"
    )
    asked = cases_pb.ActDraft(
        case_id=registered.case_id,
        act="transfer",
        transfer_letter=body,
        parties=[envelope_pb2.Party(role="receiver", department=MARKET)],
        urgency=envelope_pb2.URGENCY_URGENT,
        materials=[material(press, kind) for kind in KINDS],
    )
    answer = await cases.PrepareLetter(
        cases_pb.PrepareLetterRequest(draft=asked), metadata=press.as_("clerk"), timeout=10
    )
    return answer.draft


async def sent(
    press: Press, cases: "CaseServiceAsyncStub", draft: cases_pb.DraftView
) -> cases_pb.LetterAnswer:
    """The draft approved, sent and admitted."""
    signer = press.node.signer
    leader = signer.assertion("leader-in-charge", draft.content_digest, Purpose.APPROVE)
    await cases.ApproveLetter(
        cases_pb.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role="leader-in-charge"
        ),
        metadata=(("liandong-actor", leader.decode()),),
        timeout=10,
    )
    clerk = signer.assertion("clerk", draft.content_digest, Purpose.SEND)
    answer = await cases.SendLetter(
        cases_pb.SendLetterRequest(letter_id=draft.letter_id, content_digest=draft.content_digest),
        metadata=(("liandong-actor", clerk.decode()),),
        timeout=10,
    )
    await asyncio.to_thread(press.node.exchange)
    return answer.answer


async def test_a_draft_and_then_the_letter_are_printed(press: Press) -> None:
    """The draft is marked and bears no number; what was sent bears the number that was issued."""
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        request = pb.RenderLetterRequest(letter_id=draft.letter_id)
        first, made = await fetch(documents, press, request)
        assert first.media_type == "application/pdf"
        assert first.size == len(made)
        assert first.file_name.endswith("关于移送康宁中医馆涉嫌发布违法医疗广告案的函.pdf")
        text = "".join(page.text for page in read(made))
        assert "稿" in text
        assert "号" not in text
        assert "受理答复期限3个工作日，自收到本函之日起计算" in text

        answer = await sent(press, cases, draft)
        _, made = await fetch(documents, press, request)
        text = "".join(page.text for page in read(made))
        assert "稿" not in text
        assert answer.number in text
        assert "2026年3月2日" in text
        assert "附件：1.案件移送函2.线索来源材料3.初步证据" in text


async def test_every_sheet_of_a_sent_letter_comes_in_both_formats(press: Press) -> None:
    """Approval with who approved, materials with digests, receipt, proof of service, due times."""
    wanted = {
        pb.SHEET_OFFICIAL: "部门文件",
        pb.SHEET_APPROVAL: "分管领导张三",
        pb.SHEET_MATERIALS: "案件移送函transfer-letter.pdf",
        pb.SHEET_RECEIPT: "受送达单位",
        pb.SHEET_SERVICE: "已由登记中心登记",
        pb.SHEET_DUE_TIME: "第3日",
    }
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        await sent(press, cases, draft)
        for sheet, words in wanted.items():
            request = pb.RenderLetterRequest(letter_id=draft.letter_id, sheet=sheet)
            _, made = await fetch(documents, press, request)
            assert words in "".join(page.text for page in read(made)), pb.Sheet.Name(sheet)
            request.format = pb.FORMAT_DOCX
            first, made = await fetch(documents, press, request)
            assert made.startswith(b"PK")
            assert first.file_name.endswith(".docx")


async def test_only_the_departments_people_print_and_each_print_is_noted(press: Press) -> None:
    """With the letter and the sheet; what was refused too."""
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        request = pb.RenderLetterRequest(letter_id=draft.letter_id, sheet=pb.SHEET_APPROVAL, language="en")
        await fetch(documents, press, request, "officer")
        with pytest.raises(NotFound):
            await fetch(documents, press, pb.RenderLetterRequest(letter_id=new_id()), "officer")
        with pytest.raises(ActorMissing), remote_errors():
            async for _ in documents.RenderLetter(request, timeout=10):
                pass
        lines = (
            await cases.ListAudit(
                cases_pb.ListAuditRequest(subject="officer-1"), metadata=press.as_("auditor"), timeout=10
            )
        ).lines
    assert [(each.method, each.case_id, each.result) for each in lines] == [
        ("RenderLetter", "", "NOT_FOUND"),
        ("RenderLetter", draft.case_id, "ok"),
    ]
    assert lines[1].object_id == f"{draft.letter_id} SHEET_APPROVAL"
    async with press.calling(MARKET) as (documents, _):
        with pytest.raises(ForeignDepartment):
            await fetch(documents, press, request)


async def test_a_draft_has_no_proof_of_service(press: Press) -> None:
    """It was not sent; nor has it set a clock running."""
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        for sheet in (pb.SHEET_SERVICE, pb.SHEET_DUE_TIME):
            with pytest.raises(InvalidField) as refused:
                await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id, sheet=sheet))
            assert refused.value.field == "sheet"


async def test_without_a_font_the_reason_says_so(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child looks where there is none."""
    monkeypatch.setattr(
        rendering, "CHILD", ("-c", f"import sys; sys.stdin.buffer.read(); sys.exit({rendering.NO_FONT})")
    )
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        with pytest.raises(LiandongError) as refused:
            await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id))
    assert refused.value.reason == "NO_FONT"


async def test_what_stands_in_is_told(press: Press, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has but one font prints all the same, in the real child, and says what it lacks."""
    (font,) = {chain[-1] for chain in [fonts.find().chains[Face.FANGSONG]]}
    shutil.copy(font.path, tmp_path / font.path.name)
    monkeypatch.setattr(fonts, "FOLDERS", ())
    program = (
        "from services.documents import fonts, child\nfonts.FOLDERS = ()\nraise SystemExit(child.main())"
    )
    monkeypatch.setattr(rendering, "CHILD", ("-c", program))
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        request = pb.RenderLetterRequest(letter_id=draft.letter_id)
        with pytest.raises(LiandongError) as refused:
            await fetch(documents, press, request)
        assert refused.value.reason == "NO_FONT"
        assert "deploy/fonts.sh" in refused.value.message
        press.renderer.fonts = (tmp_path,)
        first, made = await fetch(documents, press, request)
        assert {"fangsong", "kai", "latin"} <= set(first.stood_in_for)
        assert "现场发现违法广告" in "".join(page.text for page in read(made))
        request.format = pb.FORMAT_DOCX
        first, _ = await fetch(documents, press, request)
        assert not first.stood_in_for


async def test_a_child_that_breaks_is_a_fault_of_ours(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered as one, with nothing of the letter."""
    monkeypatch.setattr(rendering, "CHILD", ("-c", "raise SystemExit(1)"))
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        with pytest.raises(LiandongError) as refused:
            await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id))
    assert refused.value.reason == "INTERNAL"
    assert "康宁" not in refused.value.message


async def test_a_child_that_takes_too_long_is_ended(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the caller told; the node goes on."""
    monkeypatch.setattr(rendering, "CHILD", ("-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(press.renderer, "_limit_s", 0.5)
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        with pytest.raises(NotPrintable):
            await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id))
        monkeypatch.undo()
        _, made = await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id))
        assert made.startswith(b"%PDF")


async def test_more_than_may_wait_are_refused(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with a time to come again."""
    monkeypatch.setattr(press.renderer, "_places", 0)
    async with press.calling() as (documents, cases):
        draft = await prepared(press, cases)
        with pytest.raises(LiandongError) as refused:
            await fetch(documents, press, pb.RenderLetterRequest(letter_id=draft.letter_id))
    assert refused.value.reason == "UNAVAILABLE"
    assert refused.value.retry_after_ms > 0


def test_the_node_itself_imports_no_library_for_documents() -> None:
    """Only the child does: an idle node stays small."""
    program = (
        "import sys, services.node.bootstrap\n"
        "print([name for name in ('fpdf', 'docx', 'fontTools', 'PIL', 'lxml', 'pikepdf') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
