"""A draft: the letter as it will be, what it still needs, and the ten seconds before it is signed."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2

from services.common.errors import InvalidField, LiandongError, NotFound
from services.gateway.web import masking
from services.gateway.web.access import SignedIn
from services.gateway.web.acts import LetterId
from services.gateway.web.bodies import body_in, parts
from services.gateway.web.case import evidence_of
from services.gateway.web.draft_view import Found, NoLongerADraft, find
from services.gateway.web.letter_files import rendered
from services.gateway.web.page import Page

router = APIRouter()
UNDO_S: Final = 10
"""Seconds in which one may think again before a letter is signed."""
_APPROVERS_NOT: Final = frozenset({"clerk", "registry-clerk"})


@router.get("/drafts/{letter_id}")
async def draft(page: SignedIn, letter_id: LetterId) -> Response:
    """The draft; what was sent meanwhile is a letter."""
    try:
        found = await find(page, letter_id)
    except NoLongerADraft as gone:
        if gone.sent:
            return RedirectResponse(f"/letters/{letter_id}", 303)
        raise NotFound(page.t("draft.gone")) from None
    return await _shown(page, found)


@router.get("/drafts/{letter_id}/document")
async def document(page: SignedIn, letter_id: LetterId) -> Response:
    """The draft as it will be printed."""
    return await rendered(page, letter_id)


@router.post("/drafts/{letter_id}/approve")
async def approve(page: SignedIn, letter_id: LetterId) -> Response:
    """Approve exactly what was shown."""
    request = pb.ApproveLetterRequest(
        letter_id=letter_id, content_digest=_digest(page), role=page.text_of("role")[:40]
    )
    try:
        await page.ask(request, pb.ApproveLetterResponse)
    except LiandongError as error:
        return await _refused(page, letter_id, error)
    return page.go(f"/drafts/{letter_id}", "draft.approved_done")


@router.post("/drafts/{letter_id}/return")
async def give_back(page: SignedIn, letter_id: LetterId) -> Response:
    """Return it to its drafter."""
    reason = page.text_of("reason")
    if not reason:
        return await _shown(page, await find(page, letter_id), wrong=page.t("draft.back_wanted"), status=400)
    request = pb.ReturnLetterRequest(letter_id=letter_id, reason=reason[:2000])
    try:
        await page.ask(request, pb.ReturnLetterResponse)
    except LiandongError as error:
        return await _refused(page, letter_id, error)
    return page.go(f"/drafts/{letter_id}", "draft.given_back")


@router.post("/drafts/{letter_id}/discard")
async def discard(page: SignedIn, letter_id: LetterId) -> Response:
    """Drop it."""
    found = await find(page, letter_id)
    try:
        await page.ask(pb.DiscardDraftRequest(letter_id=letter_id), pb.DiscardDraftResponse)
    except LiandongError as error:
        return await _refused(page, letter_id, error)
    known, _ = await _case(page, found)
    return page.go(f"/cases/{found.draft.case_id}" if known else "/", "draft.discarded")


@router.get("/drafts/{letter_id}/send")
async def sending(page: SignedIn, letter_id: LetterId) -> Response:
    """The time to think: nothing is signed before it is over, or before somebody says so."""
    try:
        found = await find(page, letter_id)
    except NoLongerADraft as gone:
        if gone.sent:
            return RedirectResponse(f"/letters/{letter_id}", 303)
        raise NotFound(page.t("draft.gone")) from None
    if not found.ready:
        return RedirectResponse(f"/drafts/{letter_id}", 303)
    _, title = await _case(page, found)
    return page.render(
        "send.html", draft=found.draft, title=title, seconds=UNDO_S, verb=_verb(page, found.draft),
        **_addressed(page, found.draft),
    )  # fmt: skip


@router.post("/drafts/{letter_id}/send")
async def send(page: SignedIn, letter_id: LetterId) -> Response:
    """Sign exactly what was shown, and send it."""
    request = pb.SendLetterRequest(letter_id=letter_id, content_digest=_digest(page))
    try:
        answer = (await page.ask(request, pb.SendLetterResponse)).answer
    except LiandongError as error:
        return await _refused(page, letter_id, error)
    if answer.number:
        return page.go(f"/cases/{answer.case_id}", "draft.sent", number=answer.number)
    return page.go(f"/cases/{answer.case_id}", "draft.sent_plain")


async def _refused(page: Page, letter_id: str, error: LiandongError) -> Response:
    """The draft as it is now, with why nothing was done."""
    try:
        found = await find(page, letter_id)
    except NoLongerADraft:
        raise error from None
    return await _shown(page, found, refused=page.why(error), status=409)


async def _shown(
    page: Page, found: Found, *, refused: str = "", wrong: str = "", status: int = 200
) -> Response:
    view = found.draft
    known, title = await _case(page, found)
    procedure = await page.site.procedures.version(
        page.caller, view.content.procedure, view.content.procedure_version
    )
    body = body_in(view.draft)
    roles = page.caller.roles
    # as many approvals take as many persons
    approved = any(each.subject == page.caller.subject for each in view.approvals)
    mine = [each for each in view.missing_approvals if each in roles]
    return page.render(
        "draft.html",
        status=status,
        draft=view,
        document=found.document.document,
        tasks=found.open_tasks,
        # whose approval is missing stands beside it
        findings=[each for each in view.findings if each.reason != reason_pb2.REASON_APPROVAL_MISSING],
        ready=found.ready,
        act=page.title(view, "act_title"),
        verb=_verb(page, view),
        title=title,
        known=known,
        occurred_title=page.say(procedure.act(view.content.act).occurred_at),
        approvable=[] if approved else mine,
        another=approved and bool(mine),
        may_return=bool(set(roles) - _APPROVERS_NOT),
        evidence=await evidence_of(page, [found.view_of_materials()]),
        body=parts(masking.masked(body), page.language) if body is not None else (),
        refused=refused,
        wrong=wrong,
        **_addressed(page, view),
    )


async def _case(page: Page, found: Found) -> tuple[bool, str]:
    """Whether the case is known already, and its title; a draft that opens one has the title of its body."""
    try:
        answered = await page.ask(pb.GetCaseRequest(case_id=found.draft.case_id), pb.GetCaseResponse)
    except NotFound:
        return False, masking.words(found.document.document.title)
    return True, masking.words(answered.case.title)


def _addressed(page: Page, view: pb.DraftView) -> dict[str, Any]:
    return {
        "to": page.listed(page.name_of(each) for each in view.content.recipients),
        "copies": page.listed(page.name_of(each.department) for each in view.content.copies),
    }


def _verb(page: Page, view: pb.DraftView) -> str:
    """What the button does: the act, and to whom."""
    act = page.title(view, "act_title")
    names = [page.name_of(each) for each in view.content.recipients]
    if not names:
        return page.t("draft.send_alone", act=act)
    return page.t("draft.send", act=act, names=page.names(names))


def _digest(page: Page) -> bytes:
    """The content that the form showed.

    Raises:
        InvalidField: It shows none.
    """
    try:
        found = bytes.fromhex(page.text_of("digest"))
    except ValueError:
        found = b""
    if len(found) != 32:  # noqa: PLR2004 - of SHA-256
        raise InvalidField(field="digest")
    return found
