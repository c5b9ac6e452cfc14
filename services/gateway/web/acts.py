"""Doing an act in a case: its form, and the draft that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import uuid_utils
from fastapi import APIRouter, Path
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common.errors import InvalidField, LiandongError, NotFound
from services.gateway.evidence.reading import look, root_of
from services.gateway.letter_templates.templates import Template
from services.gateway.web import forms, letter_templates, printed, template_facts
from services.gateway.web.access import SignedIn
from services.gateway.web.act_forms import Asking
from services.gateway.web.case import ID, CaseId, evidence_of
from services.gateway.web.draft_view import Found, find
from services.gateway.web.filters import ZONE
from services.gateway.web.forms import Typed
from services.gateway.web.page import Page

router = APIRouter()
ActName = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,59}$")]
LetterId = Annotated[str, Path(pattern=f"^{ID}$")]
_LETTERS = 500
_MOST_BROUGHT = 20
_BROUGHT_KIND = "supporting-material"
BROUGHT = "evidence"
"""Roots of files that were brought for this form."""


@router.get("/cases/{case_id}/acts/{act}")
async def new(page: SignedIn, case_id: CaseId, act: ActName) -> Response:
    """The form, empty."""
    now = {"occurred_at": [page.now.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")]}
    return _show(page, await _asked(page, case_id, act), now, key=uuid_utils.uuid7().hex)


@router.post("/cases/{case_id}/acts/{act}")
async def prepare(page: SignedIn, case_id: CaseId, act: ActName) -> Response:
    """Freeze the act as a draft, or show what is wrong."""
    return await _prepare(page, await _asked(page, case_id, act))


@router.get("/drafts/{letter_id}/edit")
async def edit(page: SignedIn, letter_id: LetterId) -> Response:
    """The form of a draft, filled in."""
    found = await find(page, letter_id)
    asked = await _asked(page, found.draft.case_id, found.draft.content.act, found)
    return _show(page, asked, asked.asking.typed_of(found.draft.draft), key=uuid_utils.uuid7().hex)


@router.post("/drafts/{letter_id}/edit")
async def replace(page: SignedIn, letter_id: LetterId) -> Response:
    """Freeze it anew; what was approved falls away."""
    found = await find(page, letter_id)
    return await _prepare(page, await _asked(page, found.draft.case_id, found.draft.content.act, found))


@dataclass(frozen=True, slots=True)
class _Asked:
    """An act that somebody is about to do.

    Attributes:
        asking: What it asks for.
        case: The case; None where it opens one.
        title: Of the case.
        act: What the act is called.
        approvers: Roles of persons who approve it.
        procedure: What its procedure is called.
        replaces: The draft that is written anew.
        facts: What the case says for templates.
        templates: For this act.
    """

    asking: Asking
    case: pb.CaseView | None
    title: str
    act: str
    approvers: Sequence[str]
    procedure: str
    replaces: str
    facts: Mapping[str, str]
    templates: Sequence[Template]


async def _asked(page: Page, case_id: str, act: str, draft: Found | None = None) -> _Asked:
    case: pb.CaseView | None = None
    letters: Sequence[pb.LetterView] = ()
    try:
        answered, timeline = await asyncio.gather(
            page.ask(pb.GetCaseRequest(case_id=case_id), pb.GetCaseResponse),
            page.ask(pb.GetTimelineRequest(case_id=case_id, limit=_LETTERS), pb.GetTimelineResponse),
        )
        case, letters = answered.case, timeline.letters
    except NotFound:
        # a draft that opens a case has none yet
        if draft is None:
            raise
    if case is not None:
        procedure = await page.site.procedures.version(page.caller, case.procedure, case.procedure_version)
    else:
        assert draft is not None
        content = draft.draft.content
        procedure = await page.site.procedures.version(
            page.caller, content.procedure, content.procedure_version
        )
    found = procedure.act(act)
    amendable = [
        (each.letter_id, " ".join(filter(None, (page.title(each, "act_title"), each.number))))
        for each in letters
        if each.author == page.caller.department and each.disposition == exchange.DISPOSITION_ADMITTED
    ]
    extra = [draft.view_of_materials()] if draft is not None else []
    brought, templates = await asyncio.gather(
        _brought(page), letter_templates.offered(page, procedure.name, act)
    )
    evidence = await evidence_of(page, [*letters, *extra, *brought])
    return _Asked(
        Asking(page, procedure, found, case, evidence, amendable), case,
        case.title if case is not None and case.title else page.say(procedure.title), page.say(found.title),
        found.approved_by, page.say(procedure.title), draft.draft.letter_id if draft is not None else "",
        template_facts.of_case(page, case, letters, procedure, act), templates,
    )  # fmt: skip


async def _brought(page: Page) -> list[pb.LetterView]:
    """Files that were brought while the form was filled in, as attachments of a letter that is none yet."""
    upstream, acting = page.site.calls.acting(page.caller, page.request_id)
    named = [str(each) for each in page.form.getlist(BROUGHT)[:_MOST_BROUGHT]]
    try:
        found = await asyncio.gather(*(look(upstream, acting, root_of(each)) for each in named))
    except (NotFound, InvalidField):
        return []
    return [
        pb.LetterView(
            materials=[
                envelopes.Material(
                    kind=_BROUGHT_KIND, manifest_root=each.manifest.root, digest=each.manifest.digest,
                    size=each.manifest.size, media_type=each.manifest.media_type,
                )
            ]
        )
        for each in found
    ]  # fmt: skip


async def _prepare(page: Page, asked: _Asked) -> Response:
    typed = forms.typed_in(page.form)
    key = page.text_of("key")[:80] or uuid_utils.uuid7().hex
    if (changed := forms.changed(typed)) is not None:
        return _show(page, asked, changed, key)
    if page.text_of(letter_templates.USE):
        filled, told = await letter_templates.used(page, typed, f"{asked.asking.field.name}.", asked.facts)
        return _show(page, asked, filled, key, told=told)
    draft, wrong = asked.asking.read(typed)
    if wrong:
        return _show(page, asked, typed, key, wrong, 400)
    try:
        view = await printed.prepare(page, draft, asked.asking.printed(typed), asked.replaces, key)
    except LiandongError as error:
        found = forms.wrong_in(error, page.language, "draft.", pb.ActDraft.DESCRIPTOR)
        # the key may have served for what is refused now
        return _show(page, asked, typed, uuid_utils.uuid7().hex, found, 409)
    warned = " ".join(page.title(each, "message") for each in view.warnings)
    ready = not view.missing_approvals and not view.findings and not warned
    target = f"/drafts/{view.letter_id}"
    if ready:
        return page.go(f"{target}/send")
    return page.go(target, "draft.saved_warned" if warned else "draft.saved", warned=warned[:250])


def _show(
    page: Page,
    asked: _Asked,
    typed: Typed,
    key: str,
    wrong: Mapping[str, str] | None = None,
    status: int = 200,
    told: str = "",
) -> Response:
    # the office is addressed once it was called: what is sent to whom, the draft shows
    others = page.others(asked.case.parties) if asked.case is not None else ()
    return page.render(
        "act.html", status=status, asked=asked, case=asked.case, form=asked.asking.form(typed, wrong), key=key,
        others=others, told=told, brought=page.form.getlist(BROUGHT)[:_MOST_BROUGHT],
    )  # fmt: skip
