"""The department's seal on its letters, over a real port: who sets it, which letters bear it, a service that seals."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import document_service_pb2 as documents_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceStub
from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceStub
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from pypdfium2 import raw

from services.cases.handling.seal import SealRefused, SealServiceUnavailable
from services.cases.handling.seal_http import HttpSeal
from services.cases.settings import SealSettings
from services.common.channel import remote_errors
from services.common.errors import InvalidField, NotFound, RoleNotPermitted
from services.documents import fonts
from services.documents.fonts import NoFont
from services.exchange.letters import timestamp
from services.procedures.document import NotYourStep
from tests.builders.departments import JUSTICE
from tests.builders.scans import seal
from tests.unit.cases.test_seal_http import service
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import CHAIN, SIGNED_ONLY, TO_SIGN, Office

if TYPE_CHECKING:
    from liandong.cases.v1.document_service_pb2_grpc import DocumentServiceAsyncStub


@pytest.fixture(scope="module", autouse=True)
def _fonts() -> None:
    try:
        fonts.find()
    except NoFont:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no font for Chinese is installed: deploy/fonts.sh")


class SealOffice(Office):
    """An office that prints."""

    documents: "DocumentServiceAsyncStub"


@pytest.fixture
async def office(port: Port) -> AsyncIterator[SealOffice]:
    """The people of the department, on a chain with a seal."""
    entry = directory_pb.Office(procedure="joint-enforcement", department=JUSTICE)
    port.ledger.common(directory_pb.CommonEntry(office=entry))
    port.node.take()
    async with port.channel() as channel:
        made = SealOffice(port, CaseServiceStub(channel), HandlingServiceStub(channel))
        made.documents = DocumentServiceStub(channel)
        await made.state(CHAIN)
        yield made


async def printed(office: SealOffice, letter_id: str, **fields: Any) -> bytes:
    """A letter as it is printed."""
    request = documents_pb.RenderLetterRequest(letter_id=letter_id, **fields)
    call = office.documents.RenderLetter(request, metadata=office.token("clerk"), timeout=60)
    with remote_errors():
        return b"".join([part.chunk async for part in call])


def seals_on(made: bytes) -> list[float]:
    """The breadth of each picture of a PDF in millimetres."""
    with pypdfium2.PdfDocument(made) as document:
        found = [each for page in document for each in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])]
        return [round((each.get_bounds()[2] - each.get_bounds()[0]) / 72 * 25.4, 1) for each in found]


async def set_seal(office: SealOffice, who: str = "registry-clerk", **fields: object) -> pb.SealImageView:
    request = pb.SetSealImageRequest(png=seal(), **fields)  # type: ignore[arg-type]
    view: pb.SealImageView = (await office.call(who, "SetSealImage", request)).seal
    return view


async def signed(office: SealOffice) -> cases_pb.DraftView:
    draft = await office.draft()
    await office.through(draft.letter_id, (*TO_SIGN, "leader-in-charge"))
    return draft


async def test_a_letter_that_was_sealed_bears_the_seal(office: SealOffice) -> None:
    """Once it is sent: in its size, in both formats; its draft does not, nor does one that was not sealed."""
    view = await set_seal(office)
    assert (view.size_mm, view.digest, view.set_by.subject) == (
        42,
        sha256(seal()).digest(),
        "registry-clerk-1",
    )
    draft = await signed(office)
    assert seals_on(await printed(office, draft.letter_id)) == []
    await office.do("registry-clerk", draft.letter_id)
    assert seals_on(await printed(office, draft.letter_id)) == []
    await office.send(draft)
    assert seals_on(await printed(office, draft.letter_id)) == [42.0]
    assert seals_on(await printed(office, draft.letter_id, sheet=documents_pb.SHEET_OFFICIAL)) == [42.0]
    assert seals_on(await printed(office, draft.letter_id, sheet=documents_pb.SHEET_APPROVAL)) == []
    made = await printed(office, draft.letter_id, format=documents_pb.FORMAT_DOCX)
    assert b"word/media/" in made
    await office.state(SIGNED_ONLY)
    plain = await office.draft()
    await office.do("leader-in-charge", plain.letter_id)
    await office.send(plain)
    assert seals_on(await printed(office, plain.letter_id)) == []


async def test_another_departments_letter_bears_none(office: SealOffice) -> None:
    """Nobody has its seal, and ours is not for it."""
    await set_seal(office)
    _, position = office.port.ledger.transferred()
    office.port.node.take()
    assert seals_on(await printed(office, office.port.ledger.entries[position].letter_id)) == []


async def test_a_letter_keeps_the_seal_of_its_day(office: SealOffice) -> None:
    """A new picture is for what is sealed from then on, and a withdrawn one for nothing more."""
    clock = office.port.ledger.clock
    first = await set_seal(office, size_mm=38)
    old = await signed(office)
    await office.do("registry-clerk", old.letter_id)
    later = clock.now() + timedelta(hours=1)
    second = await set_seal(office, size_mm=45, valid_from=timestamp(later))
    clock.advance(timedelta(hours=2))
    new = await signed(office)
    await office.do("registry-clerk", new.letter_id)
    for each in (second, first):
        await office.call("principal", "WithdrawSealImage", pb.WithdrawSealImageRequest(seal_id=each.seal_id))
    clock.advance(timedelta(minutes=1))
    last = await signed(office)
    await office.do("registry-clerk", last.letter_id)
    shown = []
    for draft in (old, new, last):
        await office.send(draft)
        shown.append(seals_on(await printed(office, draft.letter_id)))
    assert shown == [[38.0], [45.0], []]
    listed = (await office.call("auditor", "ListSealImages", pb.ListSealImagesRequest())).seals
    assert [(each.size_mm, each.HasField("valid_until")) for each in listed] == [(45, True), (38, True)]


async def test_only_who_keeps_the_seal_sets_it(office: SealOffice) -> None:
    """And only to what can be one; what was done is in the audit."""
    for who in ("clerk", "section-head"):
        with pytest.raises(RoleNotPermitted):
            await set_seal(office, who)
    for request in (
        pb.SetSealImageRequest(png=seal(mode="RGB")),
        pb.SetSealImageRequest(png=seal(), size_mm=9),
        pb.SetSealImageRequest(),
    ):
        with pytest.raises(InvalidField):
            await office.call("principal", "SetSealImage", request)
    with pytest.raises(NotFound):
        await office.call("principal", "WithdrawSealImage", pb.WithdrawSealImageRequest(seal_id=7))
    with pytest.raises(RoleNotPermitted):
        await office.call("clerk", "WithdrawSealImage", pb.WithdrawSealImageRequest(seal_id=1))
    view = await set_seal(office, "principal")
    lines = (await office.call("auditor", "ListAudit", cases_pb.ListAuditRequest(), office.cases)).lines
    assert ("SetSealImage", str(view.seal_id)) in [(each.method, each.object_id) for each in lines]


async def test_a_service_seals_and_the_step_is_done(office: SealOffice) -> None:
    """With its reference; unanswered, the step stays open and repeating it seals once; refused, paper is left."""
    with service() as (made, port):
        settings = SealSettings(url=f"http://127.0.0.1:{port}/", plain_http=True, attempts=1)
        office.port.handling_handlers._seal = HttpSeal(settings)
        draft = await signed(office)
        made.answers = [403, 0]
        with pytest.raises(SealRefused):
            await office.do("registry-clerk", draft.letter_id, electronic_seal=True)
        with pytest.raises(SealServiceUnavailable):
            await office.do("registry-clerk", draft.letter_id, electronic_seal=True)
        with pytest.raises(NotYourStep):
            await office.do("clerk", draft.letter_id, electronic_seal=True)
        assert (await office.open(draft.letter_id))[0].step == "seal"
        view = await office.do("registry-clerk", draft.letter_id, electronic_seal=True)
        assert view.step == "send"
        found = await office.get(draft.letter_id)
        assert [each.note for each in found.tasks if each.step == "seal"] == ["seal-1"]
        assert len(made.seals) == 1
        assert len(made.posts) == 3
        assert made.posts[0][1]["content_digest"] == draft.content_digest.hex()
        other = await office.draft()
        with pytest.raises(InvalidField, match="Nothing is sealed"):
            await office.do("duty-officer", other.letter_id, electronic_seal=True)
        assert len(made.posts) == 3
