"""What the page of a sheet shows, put together from what was typed, the files and what the services know."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from liandong.directory.v1 import directory_service_pb2 as directory

from services.common.errors import NotFound
from services.common.titles import material_title
from services.gateway.sheets.model import Difference, File, Person, Sheet
from services.gateway.sheets.sheets import Sheets
from services.gateway.web import forms, letter_templates, sheet_forms, sheet_parts
from services.gateway.web.form_fields import Field
from services.gateway.web.page import Page
from services.gateway.web.procedures import OFFICE, say, shortcuts
from services.gateway.web.sheet_forms import COPIES, OTHER_MATERIAL, PARTIES, RECEIVER, Plan, Read
from services.gateway.web.texts import catalogue

_ORDER: Final = ("identifier", "name", "kind", "address", "telephone", "representative")
_SEARCHED: Final = ("item_code", "area_code")


@dataclass(frozen=True, slots=True)
class Need:
    """A kind of material on the checklist.

    Attributes:
        kind: Its name.
        title: What people call it.
        wanted: The act needs it.
        made: It is made here where nobody brings it.
        may_follow: It may be announced only.
        announced: It is.
        files: That are there or on their way.
    """

    kind: str
    title: str
    wanted: bool
    made: bool
    may_follow: bool
    announced: bool
    files: tuple[File, ...]

    @property
    def state(self) -> str:
        """`there`, `coming`, `made`, `announced`, `missing`, or `none` for what nobody needs."""
        if any(each.is_there for each in self.files):
            return "there"
        if self.files:
            return "coming"
        if self.made:
            return "made"
        if self.announced:
            return "announced"
        return "missing" if self.wanted else "none"


@dataclass(frozen=True, slots=True)
class LockedCopy:
    """A copy that a rule demands.

    Attributes:
        department: Who gets it.
        title: What it is called.
        clause: The rule.
    """

    department: str
    title: str
    clause: str


@dataclass(frozen=True)
class Shown:
    """A sheet as it is shown.

    Attributes:
        sheet: As stored.
        plan: What it is to become.
        read: What it says.
        files: Its files.
        needs: The checklist.
        proposals: Who is competent, best first; None: nobody could be asked.
        locked: Copies that a rule demands.
    """

    sheet: Sheet
    plan: Plan
    read: Read
    files: Sequence[File]
    needs: Sequence[Need]
    proposals: Sequence[directory.RouteProposal] | None
    locked: Sequence[LockedCopy]

    @property
    def proposed(self) -> str:
        """The department that is competent by the lists; empty if none is known."""
        return self.proposals[0].department if self.proposals else ""


def sheets_of(page: Page) -> Sheets:
    """The gateway's sheets.

    Raises:
        NotFound: It knows nobody.
    """
    if page.site.sheets is None:
        raise NotFound("This gateway knows no accounts.")
    return page.site.sheets


def person_of(page: Page) -> Person:
    """Who looks at the page."""
    assert page.session is not None
    return Person(page.session.account.id, page.session.account.name)


async def plan_of(page: Page, sheet: Sheet) -> Plan:
    """What a sheet is to become.

    Raises:
        NotFound: Its procedure is not in force any more, or has no such act.
    """
    procedure = await page.site.procedures.get(page.caller, sheet.procedure)
    return sheet_forms.plan_for(procedure, sheet.act, shortcuts(), page.caller.department)


async def shown(page: Page, sheet: Sheet, plan: Plan | None = None) -> Shown:
    """A sheet with what it says and lacks."""
    plan = plan or await plan_of(page, sheet)
    files, proposals = await asyncio.gather(
        sheets_of(page).files(sheet.id), sheet_parts.proposals(page, plan, sheet)
    )
    locked = locked_copies(page, plan, sheet)
    proposed = proposals[0].department if proposals else ""
    clauses = {each.department: each.clause for each in locked}
    read = sheet_forms.read(plan, sheet, files, page.language, proposed, clauses)
    return Shown(sheet, plan, read, files, needs_of(page, plan, sheet, files), proposals, locked)


def locked_copies(page: Page, plan: Plan, sheet: Sheet) -> list[LockedCopy]:
    """Copies that the act's rule demands: holders of roles, as far as they are known."""
    procedure, found = plan.procedure, list[LockedCopy]()
    for role in plan.act.copies:
        holders = (procedure.office,) if role == OFFICE else sheet.all(PARTIES + role)
        clause = page.t(
            "sheet.clause",
            procedure=say(procedure.title, page.language),
            act=say(plan.act.title, page.language),
            role=say(procedure.roles[role], page.language),
            source=", ".join(procedure.source),
        )
        found += [
            LockedCopy(each, page.name_of(each), clause[:200])
            for each in holders
            if each and each != page.caller.department
        ]
    return found


def needs_of(page: Page, plan: Plan, sheet: Sheet, files: Sequence[File]) -> list[Need]:
    """The checklist: what the act needs in its order, then what else was brought."""
    kinds = [*plan.act.needs, *(each.kind for each in files), OTHER_MATERIAL]
    announced = set(sheet.all(sheet_forms.ANNOUNCED))
    return [
        Need(
            kind,
            say(material_title(kind), page.language),
            kind in plan.act.needs,
            kind in plan.printed,
            plan.act.may_follow and kind in plan.act.needs,
            kind in announced,
            tuple(each for each in files if each.kind == kind),
        )
        for kind in dict.fromkeys(kinds)
    ]


def signature(files: Sequence[File]) -> str:
    """Changes when the files do."""
    said = "|".join(f"{each.id}{each.kind}{each.is_there}" for each in files)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def departments(page: Page) -> list[tuple[str, str]]:
    """All other departments with what they are called."""
    own = page.caller.department
    found = [(each, page.name_of(each)) for each in page.site.directory.departments if each != own]
    return sorted(found, key=lambda each: each[1])


async def context(
    page: Page,
    found: Shown,
    *,
    typed: forms.Typed | None = None,
    wrong: Mapping[str, str] | None = None,
    differences: Sequence[Difference] | None = None,
) -> dict[str, Any]:
    """Everything that the template of a sheet needs.

    Args:
        page: The page.
        found: The sheet.
        typed: What is typed, where it is not what is stored.
        wrong: What is wrong, by name; nothing while it is still written.
        differences: Where what is typed differs from what was saved meanwhile; None where nothing was refused.
    """
    sheet, plan = found.sheet, found.plan
    typed = sheet_forms.shown(plan, sheet.fields if typed is None else typed)
    faults = wrong or {}
    subjects, elsewhere, templates, *searched = await asyncio.gather(
        sheet_parts.known_subjects(page, plan, sheet),
        sheet_parts.cases_elsewhere(page, plan, sheet),
        letter_templates.offered(page, plan.procedure.name, plan.act.name),
        *(
            sheet_parts.search(page, plan, each, sheet.one(each.replace("code", "query")))
            for each in _SEARCHED
        ),
        *(sheet_parts.title_of(page, plan, each, sheet.one(each)) for each in _SEARCHED),
    )
    return {
        **base_context(page, found),
        "subjects_form": _by_code_first(plan.subjects.form(typed, page.language, faults))
        if plan.subjects
        else None,
        "form": plan.shape.form(typed, page.language, faults),
        "first_form": plan.first_shape.form(typed, page.language, faults) if plan.first_shape else None,
        "header": {each.name: each for each in plan.header().form(typed, page.language, faults).fields},
        "typed": typed,
        "wrong": faults,
        "known": subjects,
        "elsewhere": elsewhere,
        "templates": templates,
        "found_codes": dict(zip(_SEARCHED, searched[:2], strict=True)),
        "code_titles": dict(zip(_SEARCHED, searched[2:], strict=True)),
        "differences": differences,
        # a page that was refused goes on from where it was begun
        "revision": page.text_of("revision") if differences is not None else sheet.revision,
        "name_of_field": name_of_field(page, plan, typed),
    }


def _by_code_first(form: forms.Form) -> forms.Form:
    """The identifier stands before what it fills in."""

    def row(each: Field) -> Field:
        order = sorted(each.inner, key=lambda one: _ORDER.index(one.name.rpartition(".")[2]))
        return replace(each, inner=tuple(order))

    fields = tuple(replace(each, rows=tuple(row(one) for one in each.rows)) for each in form.fields)
    return replace(form, fields=fields)


def base_context(page: Page, found: Shown) -> dict[str, Any]:
    """What every part of the page needs."""
    held = found.sheet.held_by_other(person_of(page), page.now)
    return {
        "sheet": found.sheet,
        "plan": found.plan,
        "read": found.read,
        "files": found.files,
        "signature": signature(found.files),
        "needs": found.needs,
        "proposals": found.proposals,
        "proposed": found.proposed,
        "locked": found.locked,
        "held": held,
        "receiver_name": PARTIES + RECEIVER,
        "override_name": f"{found.plan.prefix}{sheet_forms.OVERRIDE}",
        "copies_name": COPIES,
        "say": lambda title: say(title, page.language),
        "departments": departments(page),
        "limit_words": lambda limit: limit_words(page, limit),
        "heading": heading(page, found.plan),
        "jumps": jumps(page, found),
    }


def limit_words(page: Page, limit: str) -> str:
    """A limit such as `3 wd` as people say it; as it is where it is of no known form."""
    count, _, unit = limit.partition(" ")
    if limit == "at once":
        return page.t("sheet.at_once")
    named = f"sheet.unit_{unit.rstrip('s')}"
    return page.t(named, count=count) if count.isdecimal() and named in catalogue() else limit


def heading(page: Page, plan: Plan) -> str:
    """What the page is called."""
    return say(plan.act.title, page.language)


def jumps(page: Page, found: Shown) -> list[tuple[str, str, str]]:
    """What is missing or wrong: the place on the page, what it is called, what is wrong."""
    plan, sheet = found.plan, found.sheet
    name = name_of_field(page, plan, sheet_forms.shown(plan, sheet.fields))
    places = []
    for each, words in found.read.wrong.items():
        title, place = name(each)
        places.append((place, title, words))
    return places


def name_of_field(page: Page, plan: Plan, typed: forms.Typed) -> Any:
    """A function from the name of a field to what it is called, and where it stands on the page."""
    shown = dict[str, Any]()
    for shape in (plan.subjects, plan.shape, plan.first_shape, plan.header()):
        if shape is not None:
            shown |= shape.form(typed, page.language).shown

    def named(name: str) -> tuple[str, str]:
        if name.startswith(PARTIES):
            role = plan.procedure.roles.get(name.removeprefix(PARTIES))
            return (say(role, page.language) if role else name), "receiver"
        if name == f"{plan.prefix}{sheet_forms.OVERRIDE}":
            return page.t("sheet.override"), "override"
        if name == COPIES:
            return page.t("sheet.copies"), "copies"
        if name in ("item_query", "area_query"):
            return page.t(f"sheet.{name}"), name.replace("_", "-")
        if name == sheet_forms.ANNOUNCED:
            return page.t("sheet.announced"), "materials"
        field = shown.get(name)
        if field is None:
            return name, "sheet"
        # in a list of subjects several fields are called alike
        outer = shown.get(name.rpartition(".")[0])
        title = f"{outer.title} · {field.title}" if outer is not None else field.title
        return title, field.id

    return named
