"""A draft with where it stands inside the department."""

from __future__ import annotations

from dataclasses import dataclass

from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import handling_service_pb2 as handling

from services.common.errors import NotFound
from services.gateway.web.page import Page


class NoLongerADraft(NotFound):
    """The letter was sent, or its draft was discarded."""

    sent = False


@dataclass(frozen=True, slots=True)
class Found:
    """A draft.

    Attributes:
        draft: As the node shows it.
        document: Where it stands in its chain.
    """

    draft: pb.DraftView
    document: handling.GetDocumentResponse

    @property
    def open_tasks(self) -> list[handling.TaskView]:
        """What has still to be done, beside sending it."""
        return [
            each
            for each in self.document.tasks
            if each.outcome == handling.TASK_OUTCOME_OPEN and each.kind != handling.STEP_KIND_SEND
        ]

    @property
    def ready(self) -> bool:
        """Nothing holds it up."""
        return not self.draft.missing_approvals and not self.draft.findings and not self.open_tasks

    def view_of_materials(self) -> pb.LetterView:
        """Its attachments, as a letter has them."""
        return pb.LetterView(letter_id=self.draft.letter_id, materials=self.draft.content.materials)


async def find(page: Page, letter_id: str) -> Found:
    """A draft by its id.

    Raises:
        NoLongerADraft: It was sent or discarded.
        NotFound: There is none.
    """
    document = await page.ask(
        handling.GetDocumentRequest(document_id=letter_id), handling.GetDocumentResponse
    )
    case_id = document.document.case_id
    listed = await page.ask(pb.ListDraftsRequest(case_id=case_id), pb.ListDraftsResponse)
    for each in listed.drafts:
        if each.letter_id == letter_id:
            return Found(each, document)
    gone = NoLongerADraft()
    gone.sent = document.document.state == handling.DOCUMENT_STATE_DONE
    raise gone
