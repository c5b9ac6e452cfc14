"""Documents of the department (收文发文): the list, one document with its letter and chain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import handling_service_pb2 as handling
from liandong.exchange.v1 import reason_pb2

from services.common.errors import NotFound
from services.common.titles import material_title, role_title
from services.gateway.evidence.names import harmless, media_type_of
from services.gateway.evidence.reading import name_of
from services.gateway.web import masking, worklist
from services.gateway.web.access import SignedIn
from services.gateway.web.bodies import Part, body_in, parts
from services.gateway.web.case_evidence import shown_as
from services.gateway.web.page import Page
from services.gateway.web.people import Staff, role_name, roles_name, staff_of
from services.gateway.web.phrases import phrases_of

router = APIRouter()
_SIZE: Final = 50
_WAYS: Final = {"out": handling.DIRECTION_OUTBOUND, "in": handling.DIRECTION_INBOUND}
_STATES: Final = {
    "open": handling.DOCUMENT_STATE_OPEN,
    "done": handling.DOCUMENT_STATE_DONE,
    "discarded": handling.DOCUMENT_STATE_DISCARDED,
}
_CLAUSES: Final = ("provisions", "basis")
"""Fields that name the clause of law that a letter rests on."""
_ATTACHMENT_KINDS: Final = (("stamped-scan", 1), ("handwritten", 2), ("other", 3))
"""As the form calls them, and their numbers."""
_PSEUDO: Final = frozenset({"drafter", "assigned"})
AGREEING: Final = frozenset(
    {
        handling.STEP_KIND_CHECK,
        handling.STEP_KIND_LEGAL_REVIEW,
        handling.STEP_KIND_COUNTERSIGN,
        handling.STEP_KIND_SIGN,
    }
)
"""Steps that agree to a content."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a document's letter says.

    Attributes:
        parts: What its body says, personal data masked: the print has it whole.
        materials: Kind, size in bytes, and where each is opened.
        clause: Of law, as its author wrote it.
        findings: What would refuse it if it were sent now, in words.
        returned: With which reason it came back to its drafter.
    """

    parts: tuple[Part, ...]
    materials: tuple[tuple[str, int, str], ...]
    clause: str = ""
    findings: tuple[str, ...] = ()
    returned: str = ""


@router.get("/documents")
async def list_documents(
    page: SignedIn,
    way: Annotated[str, Query()] = "in",
    state: Annotated[str, Query()] = "open",
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Documents one way, newest first."""
    way, state = way if way in _WAYS else "in", state if state in (*_STATES, "all") else "open"
    request = handling.ListDocumentsRequest(
        direction=_WAYS[way],
        state=_STATES.get(state, handling.DOCUMENT_STATE_UNSPECIFIED),
        page_size=_SIZE,
        page_token=after,
    )
    found = await page.ask(request, handling.ListDocumentsResponse)
    query = {"way": way, "state": state}
    token = found.next_page_token
    return page.render(
        "documents.html",
        rows=[worklist.document_row(page, each) for each in found.documents],
        way=way,
        state=state,
        ways=tuple(_WAYS),
        states=(*_STATES, "all"),
        more=f"/documents?{urlencode({**query, 'after': token})}" if token else "",
        begins=not after,
        first=f"/documents?{urlencode(query)}",
    )


@router.get("/documents/{document_id}")
async def document(page: SignedIn, document_id: str) -> Response:
    """One document: what it says, who did what of it, what is to be done."""
    return await show(page, document_id)


async def show(page: Page, document_id: str, *, status: int = 200, **more: Any) -> Response:
    """The page of a document; with what went wrong, and what was typed, in `more`."""
    found = await whole(page, document_id)
    own = {each.task: each.acting_for.name for each in found.own}
    tasks = [each for each in found.tasks if each.task in own]
    steps = {each.name: each for each in found.steps}
    powers = {power for each in tasks for power in steps[each.step].may if each.step in steps}
    chooses = bool(powers & {"hand-on", "add-signer"}) or any(
        each.kind == handling.STEP_KIND_DISPATCH for each in tasks
    )
    callable_ = [
        each
        for each in found.tasks
        if each.outcome == handling.TASK_OUTCOME_OPEN
        and each.stands
        and each.task not in own
        and "phone" in (steps[each.step].may if each.step in steps else ())
    ]
    letter, staff, phrases = await asyncio.gather(
        letter_of(page, found.document),
        staff_of(page) if chooses or callable_ else _nobody(),
        phrases_of(page),
    )
    typed = {"wrong": {}, "typed": {}, "failed": "", "changed": False}
    return page.render(
        "document.html",
        status=status,
        found=found,
        document=found.document,
        row=worklist.document_row(page, found.document),
        letter=letter,
        steps=found.steps,
        steps_by_name=steps,
        own=own,
        tasks=tasks,
        powers_of=lambda task: set(steps[task.step].may) if task.step in steps else set(),
        agreeing=AGREEING,
        kinds=handling,
        callable=callable_,
        staff=staff,
        roles=_roles(found),
        role_name=lambda role: role_name(page, role),
        roles_name=lambda roles: roles_name(page, roles),
        phrases=phrases,
        earlier=_earlier(found),
        root_name=name_of,
        shown_as=lambda kind: shown_as(media_type_of(kind)),
        file_name=lambda each: harmless(each.file_name, each.manifest_root.hex()[:12]),
        attachment_kinds=_ATTACHMENT_KINDS,
        who_title=lambda who: who_title(page, who),
        event_title=lambda what: page.t(f"document.event_{what.replace('-', '_')}"),
        **{**typed, **more},
    )


async def whole(page: Page, document_id: str) -> handling.GetDocumentResponse:
    """A document with everything of it.

    Raises:
        NotFound: There is none of that id.
    """
    if len(document_id) != 36:  # noqa: PLR2004 - a UUID
        raise NotFound("No document of that id is here.")
    return await page.ask(handling.GetDocumentRequest(document_id=document_id), handling.GetDocumentResponse)


async def letter_of(page: Page, found: handling.DocumentView) -> Letter:
    """What the letter says: of the draft while it waits, else of the letter itself."""
    if found.direction == handling.DIRECTION_OUTBOUND and found.state == handling.DOCUMENT_STATE_OPEN:
        drafts = await page.ask(cases.ListDraftsRequest(case_id=found.case_id), cases.ListDraftsResponse)
        for each in drafts.drafts:
            if each.letter_id == found.letter_id:
                return _letter(
                    page, each.draft,
                    tuple(_findings(page, each)), each.returned_reason,
                )  # fmt: skip
    try:
        sent = await page.ask(cases.GetLetterRequest(letter_id=found.letter_id), cases.GetLetterResponse)
    except NotFound:
        # a draft that was dropped
        return Letter((), ())
    return _letter(page, sent.body, materials=sent.letter.materials)


def _letter(
    page: Page,
    draft: cases.ActDraft,
    findings: tuple[str, ...] = (),
    returned: str = "",
    materials: Any = None,
) -> Letter:
    listed = draft.materials if materials is None else materials
    return Letter(
        parts=said_in(page, draft),
        materials=tuple(
            (page.say(material_title(each.kind)), each.size, name_of(each.manifest_root)) for each in listed
        ),
        clause=clause_of(draft),
        findings=findings,
        returned=returned,
    )


def _findings(page: Page, draft: cases.DraftView) -> Iterator[str]:
    """What would refuse it now, but that it is not approved yet, which the chain says."""
    for each in draft.findings:
        if each.reason != reason_pb2.REASON_APPROVAL_MISSING:
            yield page.why_not(each.reason) or each.message


def said_in(page: Page, draft: cases.ActDraft) -> tuple[Part, ...]:
    """What an act says, personal data masked."""
    body = body_in(draft)
    return parts(masking.masked(body), page.language) if body is not None else ()


def clause_of(draft: cases.ActDraft) -> str:
    """The clause of law that an act rests on, as its author wrote it; empty for none."""
    body = body_in(draft)
    written = (getattr(body, name, "") for name in _CLAUSES)
    return next((each.strip() for each in written if each), "")


def who_title(page: Page, who: handling.Who) -> str:
    """Who may do something, in words."""
    section = page.site.directory.section(page.caller.department, who.section, page.language)
    role = page.say(role_title(who.role)) if who.role else ""
    return " ".join(each for each in (who.subject, section if who.section else "", role) if each)


def _roles(found: handling.GetDocumentResponse) -> list[str]:
    """Roles of people that the chain names."""
    named = [who.role for step in found.steps for who in (*step.by, *step.each)]
    named += [who.role for task in found.tasks for who in task.who]
    return [each for each in dict.fromkeys(named) if each and each not in _PSEUDO]


def _earlier(found: handling.GetDocumentResponse) -> list[handling.StepView]:
    """Steps before the present one, to which a document can be returned."""
    names = [each.name for each in found.steps]
    present = found.document.step
    return list(found.steps)[: names.index(present)] if present in names else []


async def _nobody() -> Staff:
    return Staff()
