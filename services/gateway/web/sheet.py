"""One draft: written on one page, saved as it is typed, by one person at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.common.errors import InvalidField
from services.gateway.sheets.model import Changed, Fields, Sheet
from services.gateway.web import forms, letter_templates, sheet_forms, sheet_parts, template_facts
from services.gateway.web.access import CSRF_FIELD, Glancing, SignedIn
from services.gateway.web.page import Page
from services.gateway.web.sheet_forms import PARTIES, RECEIVER
from services.gateway.web.sheet_view import (
    base_context,
    context,
    name_of_field,
    person_of,
    plan_of,
    sheets_of,
    shown,
    signature,
)

router = APIRouter(prefix="/new/sheets/{sheet_id}")

_REVISION: Final = "revision"
_DO: Final = "do"
_SEEN: Final = "seen"
_KEEP: Final = "keep."
_SEARCHED: Final = {"item_query": "item_code", "area_query": "area_code"}


@router.get("")
async def write(page: SignedIn, sheet_id: str) -> Response:
    """Go on writing; who comes while somebody else writes, reads."""
    sheet = await sheets_of(page).hold(page.caller.department, sheet_id, person_of(page))
    return page.render("sheet.html", **await context(page, await shown(page, sheet)))


@router.post("")
async def save(page: SignedIn, sheet_id: str) -> Response:
    """Save what the page holds: as one types, or by a button."""
    typed, do = _typed(page), page.text_of(_DO)
    try:
        if do == "take":
            await sheets_of(page).take_over(page.caller.department, sheet_id, person_of(page))
        saved, before = await _save(page, sheet_id, _kept(page, typed))
    except Changed as error:
        return await _stale(page, error, typed)
    row = forms.changed(_raw(page))
    if row is not None:
        # a row more or less is shown at once; a blank one is not worth keeping
        found = await shown(page, saved)
        return page.render("sheet.html", **await context(page, found, typed=row))
    if do == "check":
        return page.go(f"/new/sheets/{sheet_id}/check")
    if do == "template":
        return await _use_template(page, saved)
    if page.is_fragment and not do:
        return await _saved(page, saved, before)
    if not page.is_fragment:
        await _fill(page, saved)
    return page.go(f"/new/sheets/{sheet_id}", "sheet.saved_now")


@router.get("/presence")
async def presence(
    page: Glancing, sheet_id: str, holder: Annotated[str, Query()] = "", files: Annotated[str, Query()] = ""
) -> Response:
    """Asked by the page every few seconds: it is there; told is who has the draft, and that files came."""
    sheets, person = sheets_of(page), person_of(page)
    sheet = await sheets.beat(page.caller.department, sheet_id, person)
    now_held = sheet.holder.id if sheet.holder else ""
    found = signature(await sheets.files(sheet_id))
    if (now_held, found) == (holder, files):
        return Response(status_code=204)
    response = page.render(
        "sheet_presence.html",
        sheet=sheet, held=sheet.held_by_other(person, page.now), signature=found, lost=bool(holder == person.id),
    )  # fmt: skip
    if found != files:
        response.headers["HX-Trigger"] = "files-changed"
    return response


@router.post("/take-over")
async def take_over(page: SignedIn, sheet_id: str) -> Response:
    """Go on in somebody's place; their page says so."""
    await sheets_of(page).take_over(page.caller.department, sheet_id, person_of(page))
    return page.go(f"/new/sheets/{sheet_id}", "sheet.taken")


@router.post("/discard")
async def discard(page: SignedIn, sheet_id: str) -> Response:
    """Throw the draft away."""
    await sheets_of(page).discard(page.caller.department, sheet_id, person_of(page))
    return page.go("/new", "sheet.discarded")


async def _save(page: Page, sheet_id: str, fields: Mapping[str, tuple[str, ...]]) -> tuple[Sheet, Sheet]:
    """The sheet after and before."""
    sheets, person = sheets_of(page), person_of(page)
    revision = page.text_of(_REVISION)
    if not revision.isascii() or not revision.isdigit():
        raise InvalidField("The page does not say which revision it began with.", field=_REVISION)
    before = await sheets.get(page.caller.department, sheet_id)
    said = forms.typed_in(page.form)
    insisted = [
        name.removeprefix(_KEEP) for name, found in said.items() if name.startswith(_KEEP) and "mine" in found
    ]
    seen = page.text_of(_SEEN)
    after = await sheets.save(
        page.caller.department, sheet_id, person, int(revision), fields,
        insisted=insisted, seen=int(seen) if seen.isascii() and seen.isdigit() else -1,
    )  # fmt: skip
    return after, before


async def _saved(page: Page, sheet: Sheet, before: Sheet) -> Response:
    """What changed with what was typed, and nothing else: whoever types is not disturbed."""
    found = await shown(page, sheet)
    parts = {
        f"{code.removesuffix('_code')}_codes": await sheet_parts.search(
            page, found.plan, code, sheet.one(query)
        )
        for query, code in _SEARCHED.items()
        if sheet.one(query) != before.one(query) and sheet.one(query)
    }
    identifiers = [
        sheet.one(f"{row}.identifier") for row in sheet_forms.subject_rows(found.plan, sheet.fields)
    ]
    known, elsewhere = None, list[tuple[str, str]]()
    if any(each not in _identifiers(found.plan, before) for each in identifiers) or len(identifiers) != len(
        _identifiers(found.plan, before)
    ):
        known, elsewhere = await asyncio.gather(
            sheet_parts.known_subjects(page, found.plan, sheet),
            sheet_parts.cases_elsewhere(page, found.plan, sheet),
        )
    moved = any(sheet.one(each) != before.one(each) for each in _SEARCHED.values())
    titles = {
        code: await sheet_parts.title_of(page, found.plan, code, sheet.one(code))
        for code in _SEARCHED.values()
        if sheet.one(code) != before.one(code)
    }
    return page.render(
        "sheet_saved.html",
        **base_context(page, found), codes=parts, known=known, elsewhere=elsewhere, moved=moved, code_titles=titles,
    )  # fmt: skip


def _identifiers(plan: sheet_forms.Plan, sheet: Sheet) -> list[str]:
    return [sheet.one(f"{row}.identifier") for row in sheet_forms.subject_rows(plan, sheet.fields)]


async def _stale(page: Page, error: Changed, typed: Fields) -> Response:
    """What differs, field by field; what was typed stays on the page."""
    plan = await plan_of(page, error.sheet)
    if page.is_fragment and not page.text_of(_DO):
        found = await shown(page, error.sheet, plan)
        return page.render(
            "sheet_stale.html",
            status=409,
            **base_context(page, found),
            differences=error.differences,
            name_of_field=name_of_field(page, plan, _lists(typed)),
        )
    found = await shown(page, error.sheet, plan)
    made = await context(page, found, typed=_lists(typed), differences=error.differences)
    return page.render("sheet.html", status=409, **made)


def _lists(typed: Fields) -> dict[str, Sequence[str]]:
    return {name: list(said) for name, said in typed.items()}


async def _fill(page: Page, sheet: Sheet) -> None:
    """Without script: fill in what is known of a subject where nothing is typed."""
    plan = await plan_of(page, sheet)
    fields = {name: tuple(said) for name, said in sheet.fields.items()}
    for each in await sheet_parts.known_subjects(page, plan, sheet):
        for name, said in each.fill.items():
            fields.setdefault(f"{each.row}.{name}", (said,))
    if fields != dict(sheet.fields):
        await sheets_of(page).save(page.caller.department, sheet.id, person_of(page), sheet.revision, fields)


async def _use_template(page: Page, sheet: Sheet) -> Response:
    """Fill in what a template says where nothing is typed."""
    plan = await plan_of(page, sheet)
    found, told = await letter_templates.used(
        page, _lists(sheet.fields), plan.prefix, template_facts.of_sheet(page, plan, sheet)
    )
    fields = {name: tuple(said) for name, said in found.items()}
    if fields != dict(sheet.fields):
        await sheets_of(page).save(page.caller.department, sheet.id, person_of(page), sheet.revision, fields)
    return page.say_and_go(f"/new/sheets/{sheet.id}#matter", told)


def _raw(page: Page) -> dict[str, Sequence[str]]:
    """All that was posted but what is not of the draft; buttons of lists among it."""
    found = forms.typed_in(page.form)
    return {
        name: said
        for name, said in found.items()
        if name not in (CSRF_FIELD, _REVISION, _DO, _SEEN, letter_templates.CHOSEN)
        and not name.startswith(_KEEP)
    }


def _typed(page: Page) -> Fields:
    raw = _raw(page)
    gone = next(iter(raw.get(forms.REMOVE, ())), "")
    found = {
        name: tuple(said)
        for name, said in raw.items()
        if name not in (forms.ADD, forms.REMOVE) and not (gone and f"{name}.".startswith(f"{gone}."))
    }
    receiver = PARTIES + RECEIVER
    # those proposed and all others are two controls of one name: what is chosen below goes before what is above
    found[receiver] = tuple(each for each in found.get(receiver, ()) if each)[-1:]
    return found


def _kept(page: Page, typed: Fields) -> Fields:
    """What was typed, with what somebody else saved wherever that was chosen."""
    fields = dict(typed)
    for name, said in forms.typed_in(page.form).items():
        if name.startswith(_KEEP) and said and said[-1] == "theirs":
            field = name.removeprefix(_KEEP)
            theirs = page.form.getlist(f"theirs.{field}")
            fields[field] = tuple(each for each in theirs if isinstance(each, str))
    return {name: said for name, said in fields.items() if not name.startswith("theirs.")}
