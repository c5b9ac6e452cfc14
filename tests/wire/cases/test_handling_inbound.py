"""What arrived, on its chain: from signing for it to done; scans beside it, its number, a restart in the middle."""

from collections.abc import AsyncIterator

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.cases.handlers import HandlingHandlers
from services.common import caller
from services.common.errors import InvalidField
from services.exchange import evidence_records
from services.exchange.evidence import EvidencePending
from services.procedures.chain_source import shipped
from services.procedures.document import NotYourStep, StepOpen
from tests.builders.departments import HEALTH, MARKET
from tests.builders.ledger import Node
from tests.unit.exchange.evidence_samples import manifest_for
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import Office

INBOUND = dict(shipped())["inbound.yaml"]


@pytest.fixture
async def office(port: Port) -> AsyncIterator[Office]:
    """The people of the receiver, on the chain that comes with the product."""
    async with port.handling() as (cases, handling):
        made = Office(port, cases, handling)
        await made.state(INBOUND)
        yield made


async def arrived(office: Office) -> pb.DocumentView:
    """A case is transferred to the department."""
    case_id, _ = office.port.ledger.transferred()
    office.port.node.take()
    request = pb.ListDocumentsRequest(case_id=case_id)
    (document,) = (await office.call("clerk", "ListDocuments", request)).documents
    view: pb.DocumentView = document
    return view


async def sign_for(office: Office, case_id: str) -> None:
    """Send the act that signs for the transfer."""
    asked = cases_pb.ActDraft(case_id=case_id, act="sign-for", sign_for=bodies_pb2.SignFor(signed_by="李四"))
    request = cases_pb.PrepareLetterRequest(draft=asked)
    draft = (await office.call("registry-clerk", "PrepareLetter", request, office.cases)).draft
    await office.send(draft, "registry-clerk")


async def test_what_arrived_is_handled_to_its_end(office: Office) -> None:
    """The act signs for it; registered under a number; dispatched to a person, who alone handles it."""
    document = await arrived(office)
    assert (document.direction, document.step) == (pb.DIRECTION_INBOUND, "sign-for")
    assert list(document.departments) == [HEALTH]
    (item,) = await office.work("registry-clerk", pb.WORK_LIST_TO_SIGN_FOR)
    assert item.document.document_id == document.document_id
    assert item.task.due_at.seconds - item.task.started_at.seconds == 4 * 3600
    counted = await office.call("registry-clerk", "CountWork", pb.CountWorkRequest())
    assert (counted.to_sign_for, counted.cases_to_sign_for, counted.cases_due) == (1, 0, 1)
    counted = await office.call("officer", "CountWork", pb.CountWorkRequest())
    assert (counted.to_sign_for, counted.cases_to_sign_for) == (0, 1)
    with pytest.raises(StepOpen, match="sign-for"):
        await office.do("registry-clerk", document.document_id)  # it is signed for by a letter
    await sign_for(office, document.case_id)
    registered = await office.do("registry-clerk", document.document_id)
    assert (registered.number, registered.step) == ("清m收〔2026〕1号", "propose")
    await office.do("registry-clerk", document.document_id, note="拟请市场稽查科办理")
    instructed = await office.do("principal", document.document_id, note="从严查处")
    assert instructed.step == "dispatch"
    with pytest.raises(InvalidField):
        await office.do("registry-clerk", document.document_id)
    await office.do("registry-clerk", document.document_id, assigned=[pb.Who(subject="zhao")])
    with pytest.raises(NotYourStep):
        await office.do("officer:qian", document.document_id)
    await office.do("officer:zhao", document.document_id)
    done = await office.do("registry-clerk", document.document_id)
    assert done.state == pb.DOCUMENT_STATE_DONE
    found = await office.get(document.document_id)
    assert [each.note for each in found.tasks if each.step == "instruct"] == ["从严查处"]
    numbers = await office.call("clerk", "ListNumbers", pb.ListNumbersRequest(word="清m收", year=2026))
    assert [each.state for each in numbers.numbers] == [pb.NUMBER_STATE_REGISTERED]


async def test_a_section_that_it_was_dispatched_to_handles_it(office: Office) -> None:
    """Anybody of the section, and nobody else; handed on, it is the other's also after a return."""
    ledger = office.port.ledger
    directory = ledger.market.entry(number_word="清市监")
    directory.department.sections.add(id="audit", title=directory_pb.Title(zh="稽查科", en="Audit"))
    ledger.common(directory)
    person = directory_pb.Person(id="sun", department=MARKET, name="孙", roles=["officer"], section="audit")
    ledger.common(directory_pb.CommonEntry(person=person))
    document = await arrived(office)
    await sign_for(office, document.case_id)
    await office.through(document.document_id, ["registry-clerk", "registry-clerk", "principal"])
    with pytest.raises(InvalidField):
        await office.do("registry-clerk", document.document_id, assigned=[pb.Who(section="nowhere")])
    dispatched = await office.do("registry-clerk", document.document_id, assigned=[pb.Who(section="audit")])
    assert (dispatched.step, dispatched.section) == ("handle", "audit")
    assert await office.work("officer:qian") == []
    with pytest.raises(NotYourStep):
        await office.do("officer:qian", document.document_id)
    (item,) = await office.work("officer:sun")
    hand_on = pb.HandOnRequest(
        document_id=document.document_id, task=item.task.task, who=pb.Who(subject="qian")
    )
    await office.call("officer:sun", "HandOn", hand_on)
    (item,) = await office.work("officer:qian")
    back = pb.ReturnDocumentRequest(
        document_id=document.document_id, task=item.task.task, reason="不属本科职责", to_step="dispatch"
    )
    await office.call("officer:qian", "ReturnDocument", back)
    assert (await office.get(document.document_id)).document.step == "dispatch"


async def test_a_scan_lies_beside_a_step(office: Office) -> None:
    """Evidence of whoever attaches it, once it is complete here; it goes nowhere with that."""
    document = await arrived(office)
    manifest = manifest_for(b"handwritten")
    request = pb.AttachToStepRequest(
        document_id=document.document_id,
        step="instruct",
        kind=pb.ATTACHMENT_KIND_HANDWRITTEN,
        manifest_root=manifest.root,
        note="局长批示",
    )
    with pytest.raises(EvidencePending):
        await office.call("clerk", "AttachToStep", request)
    database = office.port.node.database
    evidence_records.EvidenceRecords(database).register(manifest, "clerk-1")
    database.write(lambda connection: evidence_records.mark_complete(connection, manifest.root, "clerk-1"))
    await office.call("clerk", "AttachToStep", request)
    (attached,) = (await office.get(document.document_id)).attachments
    assert (attached.manifest_root, attached.attached_by.subject) == (manifest.root, "clerk-1")
    assert (attached.file_name, attached.media_type, attached.size) == (
        manifest.file_name, manifest.media_type, len(b"handwritten"),
    )  # fmt: skip
    reader = evidence_records.case_reader(document.case_id)
    assert database.read(lambda each: evidence_records.granted_readers(each, manifest.root)) == [reader]


async def test_a_restart_keeps_everything(office: Office) -> None:
    """A node that is started anew over the same database goes on where it was."""
    document = await arrived(office)
    await sign_for(office, document.case_id)
    before = await office.get(document.document_id)
    node = office.port.node
    again = Node(node.database.url.render_as_string(hide_password=False), node.ledger, MARKET)
    try:
        handlers = HandlingHandlers(again.department, again.desk)
        again.act_as("registry-clerk")
        request = pb.GetDocumentRequest(document_id=document.document_id)
        found = await handlers.GetDocument(request, object())
        # what the caller may do depends on who asks, and here two people do
        for each in (found, before):
            each.ClearField("own")
        assert found == before
        (task,) = [each for each in found.tasks if each.outcome == pb.TASK_OUTCOME_OPEN]
        done = pb.CompleteStepRequest(document_id=document.document_id, task=task.task)
        assert (await handlers.CompleteStep(done, object())).document.step == "propose"
    finally:
        caller.set_actor(None)
        again.close()
