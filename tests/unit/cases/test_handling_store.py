"""Documents on both databases: lists page by page, delegations with a scope, posts that change hands, registers."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cases.handlers import HandlingHandlers
from services.cases.handling.seal import SealService, ToSeal
from services.common import caller
from services.common.clock import ManualClock
from services.exchange.actors import ActorFacts
from services.exchange.assertions import Purpose
from services.exchange.digests import sha256
from services.exchange.letters import timestamp
from tests.builders import signings
from tests.builders.ledger import MONDAY, Ledger, Node, node

SEALED = """
chain: sealed
direction: outbound
title: [用印, Sealed]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  sign: {title: [签发, Sign], kind: sign, within: 1 wd, may: [return]}
  number: {title: [编号, Number], kind: number}
  seal: {title: [用印, Seal], kind: seal, by: [registry-clerk]}
  send: {title: [发出, Send], kind: send, by: [drafter]}
"""


@pytest.fixture
def office(database_url: str) -> Iterator[Node]:
    """A node of which something is drafted."""
    with node(database_url, Ledger(ManualClock(MONDAY))) as made:
        yield made
    caller.set_actor(None)


class FileSeal:
    """A seal that is a file: whoever has the folder has the seal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def seal(self, what: ToSeal) -> str:
        reference = sha256(what.content_digest + what.number.encode()).hex()
        (self.folder / f"{what.document_id}.seal").write_text(f"{reference} {what.by}", encoding="utf-8")
        return reference


def acting(made: Node, role: str, subject: str = "", content: bytes | None = None) -> None:
    """Make somebody the actor of this context."""
    purpose = Purpose.APPROVE if content else Purpose.ACT
    token = made.signer.assertion(role, content, purpose, subject=subject)
    caller.set_actor(ActorFacts(made.department.verifier.verify(token, made.ledger.clock.now()), token))


async def listed(handlers: HandlingHandlers, **fields: Any) -> list[pb.WorkItem]:
    """Every item of a list, page by page."""
    items: list[pb.WorkItem] = []
    request = pb.ListWorkRequest(page_size=2, **fields)
    while True:
        answer = await handlers.ListWork(request, object())
        items += answer.items
        if not answer.next_page_token:
            return items
        request.page_token = answer.next_page_token


async def test_lists_are_the_same_on_both_databases(office: Node) -> None:
    """In pages, in order, each task once; a delegate sees what the scope holds, and the drafter what is waited for."""
    letters = signings.prepare(office, 5)
    handlers = HandlingHandlers(office.department, office.desk)
    acting(office, "leader-in-charge", "chen")
    mine = await listed(handlers, list=pb.WORK_LIST_TO_APPROVE)
    assert [each.document.letter_id for each in mine] == [letter_id for letter_id, _ in letters]
    since, until = timestamp(MONDAY - timedelta(days=1)), timestamp(MONDAY + timedelta(days=1))
    for scope, expected in ((["case-transfer", "joint-enforcement/initiate"], 5), (["case-transfer"], 0)):
        acting(office, "leader-in-charge", "chen")
        made = await handlers.SetDelegation(
            pb.SetDelegationRequest(
                absent=pb.HandlingPerson(subject="chen", name="陈慧", role="leader-in-charge"),
                delegate=pb.HandlingPerson(subject="zhou", name="周宁"),
                scope=scope,
                reason="出差",
                since=since,
                until=until,
            ),
            object(),
        )
        acting(office, "section-head", "zhou")
        assert len(await listed(handlers)) == expected
        acting(office, "leader-in-charge", "chen")
        end = pb.EndDelegationRequest(delegation_id=made.delegation.delegation_id)
        await handlers.EndDelegation(end, object())
    acting(office, "clerk")
    waiting = await listed(handlers, list=pb.WORK_LIST_WAITING)
    assert [each.document.letter_id for each in waiting] == [letter_id for letter_id, _ in reversed(letters)]
    acting(office, "principal")
    over = pb.HandOverRequest(
        before=pb.HandlingPerson(subject="clerk-1"),
        after=pb.HandlingPerson(subject="new", name="小王"),
        reason="调岗",
    )
    assert len((await handlers.HandOver(over, object())).moved) == 5
    acting(office, "clerk", "new")
    assert len(await listed(handlers, list=pb.WORK_LIST_WAITING)) == 5
    page = await handlers.ListDocuments(pb.ListDocumentsRequest(page_size=3), object())
    rest = pb.ListDocumentsRequest(page_size=3, page_token=page.next_page_token)
    assert [len(page.documents), len((await handlers.ListDocuments(rest, object())).documents)] == [3, 2]


async def test_a_seal_service_seals_what_was_signed(office: Node, tmp_path: Path) -> None:
    """Its reference stands in the document; a signed letter that was discarded leaves its number void."""
    seal: SealService = FileSeal(tmp_path)
    handlers = HandlingHandlers(office.department, office.desk, seal)
    acting(office, "principal")
    letters = signings.prepare(office, 1)
    await handlers.SetChain(pb.SetChainRequest(source=SEALED, procedure="joint-enforcement"), object())
    letters = signings.prepare(office, 1)
    ((letter_id, digest),) = letters
    signings.sign(office, letter_id, digest)
    acting(office, "registry-clerk", "zhao")
    (item,) = await listed(handlers)
    request = pb.CompleteStepRequest(
        document_id=letter_id, task=item.task.task, content_digest=digest, electronic_seal=True
    )
    sealed = (await handlers.CompleteStep(request, object())).document
    assert sealed.step == "send"
    found = await handlers.GetDocument(pb.GetDocumentRequest(document_id=letter_id), object())
    reference = (tmp_path / f"{letter_id}.seal").read_text(encoding="utf-8").partition(" ")[0]
    assert [each.note for each in found.tasks if each.kind == pb.STEP_KIND_SEAL] == [reference]


class Frames:
    """Takes what a stream writes."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, message: pb.ExportRegisterResponse) -> None:
        self.data += message.frame


async def test_a_register_is_read_in_pages(office: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a page's end no case is lost, and none stands twice."""
    monkeypatch.setattr("services.cases.handling.registers._PAGE", 3)
    for index in range(7):
        office.register(f"线索{index}")
    acting(office, "clerk")
    frames = Frames()
    handlers = HandlingHandlers(office.department, office.desk)
    request = pb.ExportRegisterRequest(procedure="case-transfer")
    await handlers.ExportRegister(request, frames)
    book = openpyxl.load_workbook(io.BytesIO(frames.data))
    rows = list(book.worksheets[0].iter_rows(min_row=2, values_only=True))
    assert [(row[0], row[1]) for row in rows] == [(index + 1, f"线索{index}") for index in range(7)]
