"""What one may begin, and what one began and did not finish."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.common.errors import NotFound
from services.gateway.sheets.model import Sheet
from services.gateway.web import sheet_forms
from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page
from services.gateway.web.procedures import grouped, say, shortcuts
from services.gateway.web.sheet_view import person_of, sheets_of

router = APIRouter()


@router.get("/new")
async def choose(page: SignedIn) -> Response:
    """Choose what to open, or go on with what was begun."""
    procedures = await page.site.procedures.all(page.caller)
    lists = await sheets_of(page).unfinished(page.caller.department, person_of(page))
    titles = {
        (each.name, act.name): say(act.title, page.language)
        for each in procedures
        for act in each.acts.values()
    }
    return page.render(
        "new.html",
        groups=grouped(procedures, page.caller.department, page.language),
        shortcuts=shortcuts().values(),
        lists=lists,
        titles=titles,
        title_of_sheet=title_of_sheet,
        say=lambda title: say(title, page.language),
    )


@router.get("/new/letters/{letter_id}")
async def of_letter(page: SignedIn, letter_id: str) -> Response:
    """The sheet that a letter was made of, to change it."""
    sheet = await sheets_of(page).of_letter(page.caller.department, letter_id)
    return RedirectResponse(f"/new/sheets/{sheet.id}", 303)


@router.get("/new/{shortcut}")
async def begin_shortcut(page: SignedIn, shortcut: str) -> Response:
    """Begin what most people come for."""
    found = shortcuts().get(shortcut)
    if found is None:
        raise NotFound("There is no such page.")
    return await _begin(page, found.procedure, found.act)


@router.get("/new/{procedure}/{act}")
async def begin(page: SignedIn, procedure: str, act: str) -> Response:
    """Begin any other case."""
    return await _begin(page, procedure, act)


async def _begin(page: Page, procedure: str, act: str) -> Response:
    rules = await page.site.procedures.get(page.caller, procedure)
    plan = sheet_forms.plan_for(rules, act, shortcuts(), page.caller.department)
    # an empty sheet is taken again, so that looking twice leaves one
    sheet = await sheets_of(page).begin(
        page.caller.department, person_of(page), plan.procedure.name, plan.act.name
    )
    return RedirectResponse(f"/new/sheets/{sheet.id}", 303)


def title_of_sheet(sheet: Sheet) -> str:
    """What a sheet is about, as far as it was typed."""
    for ending in (".title", ".subjects.0.name", ".facts", ".text"):
        for name, said in sheet.fields.items():
            if name.endswith(ending) and said[0].strip():
                return said[0].strip()[:80]
    return ""
