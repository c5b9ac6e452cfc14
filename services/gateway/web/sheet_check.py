"""Before it goes out: everything that was typed, what is missing, and the letter as it will be."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import uuid_utils
from fastapi import APIRouter
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import reason_pb2 as reasons

from services.common.errors import LiandongError, NotFound, Stale
from services.gateway.evidence.names import disposition
from services.gateway.sheets.model import Sheet
from services.gateway.web import printed, sheet_forms, sheet_parts
from services.gateway.web.access import SignedIn
from services.gateway.web.form_fields import Field
from services.gateway.web.page import Page
from services.gateway.web.sheet_forms import COPIES, OVERRIDE, PARTIES, Plan
from services.gateway.web.sheet_view import (
    Shown,
    base_context,
    heading,
    name_of_field,
    person_of,
    sheets_of,
    shown,
)

router = APIRouter(prefix="/new/sheets/{sheet_id}")
_DETAILED: Final = frozenset({"PARTY_INVALID", "MATERIAL_MISSING", "COPY_MISSING", "INVALID_FIELD"})
"""Reasons of which the node's own words say which."""
_POLICY: Final = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that was typed.

    Attributes:
        title: What it is called.
        value: As it is read.
        place: Where it is changed.
    """

    title: str
    value: str
    place: str


@router.get("/check")
async def check(page: SignedIn, sheet_id: str) -> Response:
    """Everything once more, and the letter."""
    return await _checked(page, await sheets_of(page).get(page.caller.department, sheet_id))


@router.post("/prepare")
async def prepare(page: SignedIn, sheet_id: str) -> Response:
    """Open the case, where another act does that, and make the letter."""
    sheets = sheets_of(page)
    sheet = await sheets.check_held(page.caller.department, sheet_id, person_of(page))
    if not sheet.case_id:
        sheet = replace(sheet, case_id=str(uuid.UUID(uuid_utils.uuid7().hex)))
        await sheets.reserve_case(sheet.id, sheet.case_id)
    found = await shown(page, sheet)
    if not found.read.is_complete:
        return page.go(f"/new/sheets/{sheet_id}/check")
    try:
        if found.read.first is not None and not await _is_open(page, sheet):
            await _open(page, found.read.first)
        view = await _prepare(page, found)
    except LiandongError as error:
        return await _checked(page, sheet, error)
    warnings = [(each.message_zh, each.message_en) for each in view.warnings]
    await sheets.prepared(sheet, view.case_id, view.letter_id, warnings)
    return page.go(f"/new/sheets/{sheet_id}/check", "sheet.prepared")


@router.get("/letter.pdf")
async def letter(page: SignedIn, sheet_id: str) -> Response:
    """The letter, as it will be."""
    sheet = await sheets_of(page).get(page.caller.department, sheet_id)
    if not sheet.letter_id:
        raise NotFound("No letter was made yet.")
    content, name = await printed.render(page, sheet.letter_id)
    headers = {
        "Content-Disposition": disposition(name or "letter.pdf", inline=True),
        "Content-Security-Policy": _POLICY,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return Response(content, media_type="application/pdf", headers=headers)


@router.post("/hand-on")
async def hand_on(page: SignedIn, sheet_id: str) -> Response:
    """It goes to those who approve; where nobody has to, to the last moment before it is signed."""
    sheet, draft = await _ready(page, sheet_id)
    await sheets_of(page).finish(sheet.id)
    if draft.missing_approvals:
        return page.go(f"/drafts/{draft.letter_id}", "sheet.handed_on")
    return page.go(f"/drafts/{draft.letter_id}/send")


async def _checked(page: Page, sheet: Sheet, refused: LiandongError | None = None) -> Response:
    found = await shown(page, sheet)
    draft = await _draft(page, sheet)
    current = draft is not None and sheet.prepared == sheet.revision
    # the letter that was made says what was known when it was made
    warnings = sheet.warnings if current else await sheet_parts.cases_elsewhere(page, found.plan, sheet)
    known = [] if current else await sheet_parts.known_subjects(page, found.plan, sheet)
    return page.render(
        "sheet_check.html",
        status=200 if refused is None else 409,
        **base_context(page, found),
        refused="" if refused is None else f"{page.why(refused)} {refused.field}".strip(),
        answers=await _answers(page, found),
        draft=draft,
        current=current,
        known=[each for each in known if each.open],
        receivers=[page.name_of(each) for each in draft.content.recipients] if draft else [],
        others=[(page.name_of(each.department), each.clause) for each in draft.content.copies]
        if draft
        else [],
        warnings=[each[0 if page.language == "zh" else 1] for each in warnings],
        findings=_findings(page, draft),
        letter_title=heading(page, found.plan).lower(),
        opened=await _is_open(page, sheet),
    )


async def _ready(page: Page, sheet_id: str) -> tuple[Sheet, cases.DraftView]:
    sheet = await sheets_of(page).check_held(page.caller.department, sheet_id, person_of(page))
    draft = await _draft(page, sheet)
    if draft is None or sheet.prepared != sheet.revision:
        raise Stale("The draft was changed after the letter was made; make it again.")
    return sheet, draft


async def _is_open(page: Page, sheet: Sheet) -> bool:
    """Whether its case is here already."""
    if not sheet.case_id:
        return False
    try:
        await page.ask(cases.GetCaseRequest(case_id=sheet.case_id), cases.GetCaseResponse)
    except NotFound:
        return False
    return True


async def _open(page: Page, first: cases.ActDraft) -> None:
    """Open the case: its id is kept already, so that of two attempts one is refused."""
    prepared = await page.ask(cases.PrepareLetterRequest(draft=first), cases.PrepareLetterResponse)
    view = prepared.draft
    try:
        await page.ask(
            cases.SendLetterRequest(letter_id=view.letter_id, content_digest=view.content_digest),
            cases.SendLetterResponse,
        )
    except LiandongError as error:
        if error.code != "UNAVAILABLE":
            # nobody is to find a draft that nobody meant to leave
            await page.ask(cases.DiscardDraftRequest(letter_id=view.letter_id), cases.DiscardDraftResponse)
        raise


async def _prepare(page: Page, found: Shown) -> cases.DraftView:
    draft = found.read.draft
    kinds = sorted(found.plan.printed - {each.kind for each in draft.materials})
    try:
        return await printed.prepare(page, draft, kinds, found.sheet.letter_id)
    except NotFound:
        if not found.sheet.letter_id:
            raise
        # it was discarded meanwhile
        return await printed.prepare(page, draft, kinds)


async def _draft(page: Page, sheet: Sheet) -> cases.DraftView | None:
    """The letter that was made of it, while it waits."""
    if not sheet.letter_id:
        return None
    try:
        found = await page.ask(cases.ListDraftsRequest(case_id=sheet.case_id), cases.ListDraftsResponse)
    except LiandongError:
        return None
    return next((each for each in found.drafts if each.letter_id == sheet.letter_id), None)


def _findings(page: Page, draft: cases.DraftView | None) -> list[str]:
    """What would refuse the letter, but for approvals that are still to come."""
    found = []
    for each in draft.findings if draft is not None else ():
        reason = reasons.Reason.Name(each.reason).removeprefix("REASON_")
        if reason != "APPROVAL_MISSING":
            found.append(f"{page.why(reason)} {each.message}" if reason in _DETAILED else page.why(reason))
    return found


async def _answers(page: Page, found: Shown) -> list[Answer]:
    """What was typed, in the order of the page."""
    plan, sheet = found.plan, found.sheet
    typed = sheet_forms.completed(plan, sheet.fields)
    answers: list[Answer] = []
    for shape in (plan.subjects, plan.shape, plan.first_shape):
        if shape is not None:
            answers += [one for each in shape.form(typed, page.language).fields for one in _said(each)]
    for each in plan.header().form(typed, page.language).fields:
        for one in _said(each):
            answers.append(replace(one, value=await _in_words(page, plan, each.name, one.value, sheet)))
    named = name_of_field(page, plan, typed)
    for name in (*(PARTIES + role for role in plan.roles), COPIES):
        if departments := [page.name_of(each) for each in sheet.all(name)]:
            title, place = named(name)
            answers.append(Answer(title, "、".join(departments), place))
    if reason := sheet.one(f"{plan.prefix}{OVERRIDE}"):
        answers.append(Answer(page.t("sheet.override"), reason, "override"))
    return answers


async def _in_words(page: Page, plan: Plan, name: str, value: str, sheet: Sheet) -> str:
    """A code with what it is called; the urgency in the words of the form."""
    if name == "urgency":
        return page.t(f"sheet.urgency_{sheet.one(name).lower()}")
    title = await sheet_parts.title_of(page, plan, name, value) if name.endswith("_code") else ""
    return f"{title} ({value})" if title else value


def _said(each: Field, within: Sequence[str] = ()) -> Iterator[Answer]:
    title = " · ".join((*within, each.title))
    if each.kind == "items":
        for one in each.rows:
            yield from _said(one, within)
    elif each.kind == "group":
        for one in each.inner:
            yield from _said(one, (*within, each.title))
    elif each.options:
        if chosen := "、".join(one.title for one in each.options if one.chosen):
            yield Answer(title, chosen, each.id)
    elif each.value:
        yield Answer(title, each.value.replace("T", " ") if each.kind == "moment" else each.value, each.id)
