"""Signing for what arrived (签收): what it is, and one button."""

from __future__ import annotations

import asyncio
from typing import Final

import uuid_utils
from fastapi import APIRouter
from fastapi.responses import Response
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases

from services.common.errors import LiandongError
from services.common.titles import material_title
from services.gateway.web.access import SignedIn
from services.gateway.web.bodies import Part
from services.gateway.web.documents import said_in
from services.gateway.web.page import Page

router = APIRouter()
ACT: Final = "sign-for"
_LETTERS: Final = 200


def may_sign(case: cases.CaseView) -> bool:
    """Whether the department may sign for something in the case now."""
    return any(each.act == ACT and each.permitted for each in case.acts)


@router.get("/sign-for/{case_id}")
async def shown(page: SignedIn, case_id: str) -> Response:
    """What waits to be signed for."""
    return await _show(page, case_id)


@router.post("/sign-for/{case_id}")
async def sign(page: SignedIn, case_id: str) -> Response:
    """Sign for it."""
    try:
        waits = await send(page, case_id, page.text_of("remark")[:2000], page.text_of("key")[:60])
    except LiandongError as error:
        if error.code == "UNAVAILABLE":
            raise
        return await _show(page, case_id, page.why(error))
    if waits:
        return page.go(f"/documents/{waits}", "sign_for.on_chain")
    return page.go(f"/cases/{case_id}", "sign_for.done")


async def send(page: Page, case_id: str, remark: str, key: str) -> str:
    """Send the act that signs for it, in the person's name; repeating it under the same key does nothing more.

    Returns:
        The letter that has to go through the department's own chain first; empty once it is sent.
    """
    draft = cases.ActDraft(
        case_id=case_id,
        act=ACT,
        sign_for=bodies_pb2.SignFor(signed_by=page.caller.name, remark=remark),
    )
    request = cases.PrepareLetterRequest(draft=draft, idempotency_key=key)
    prepared = (await page.ask(request, cases.PrepareLetterResponse)).draft
    sending = cases.SendLetterRequest(letter_id=prepared.letter_id, content_digest=prepared.content_digest)
    try:
        await page.ask(sending, cases.SendLetterResponse)
    except LiandongError as error:
        if error.reason != "STEP_OPEN":
            raise
        return prepared.letter_id
    return ""


async def _show(page: Page, case_id: str, failed: str = "") -> Response:
    found, timeline = await asyncio.gather(
        page.ask(cases.GetCaseRequest(case_id=case_id), cases.GetCaseResponse),
        page.ask(cases.GetTimelineRequest(case_id=case_id, limit=_LETTERS), cases.GetTimelineResponse),
    )
    case = found.case
    arrived = [each for each in timeline.letters if each.author != page.caller.department]
    letter = arrived[-1] if arrived else None
    said: tuple[Part, ...] = ()
    if letter is not None:
        whole = await page.ask(cases.GetLetterRequest(letter_id=letter.letter_id), cases.GetLetterResponse)
        said = said_in(page, whole.body)
    due = next(
        (
            each
            for each in case.obligations
            if each.state in ("OPEN", "OVERDUE") and each.owed_by == page.caller.department
        ),
        None,
    )
    return page.render(
        "sign_for.html",
        status=409 if failed else 200,
        case=case,
        letter=letter,
        said=said,
        materials=[page.say(material_title(each.kind)) for each in letter.materials] if letter else [],
        due=due,
        permitted=may_sign(case),
        key=uuid_utils.uuid7().hex,
        failed=failed,
    )
