"""Templates of letters (函件模板): those that a person may use, how one is kept, and how an act's form uses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.common.errors import InvalidField, LimitExceeded, NotFound, RoleNotPermitted
from services.gateway.letter_templates import places
from services.gateway.letter_templates.templates import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_DEPARTMENT,
    MOST_OWN,
    LetterTemplates,
    Template,
)
from services.gateway.web import forms, template_facts
from services.gateway.web.access import SignedIn
from services.gateway.web.bodies import field_of, message_of
from services.gateway.web.page import Page
from services.gateway.web.procedures import Act, Procedure

router = APIRouter(prefix="/templates")

CHOSEN: Final = "template"
"""The field of a form that says which template is meant."""
USE: Final = "use"
KEEPERS: Final = frozenset({"section-head", "legal-reviewer", "leader-in-charge", "principal"})
"""Roles of persons who keep the department's templates; everybody keeps their own."""
_TEXTS: Final = frozenset({"text", "long"})
_CODED: Final = ("_code", "_department", "_letter")
"""Ends of names of fields that hold no words of people."""
_EXAMPLES: Final = "letter_templates.example_"


@dataclass(frozen=True, slots=True)
class TextField:
    """A field of an act's body that a template may fill.

    Attributes:
        name: In the contract.
        title: What it is called.
        longest: How many characters it takes.
        long: It takes several lines.
    """

    name: str
    title: str
    longest: int
    long: bool


async def offered(page: Page, procedure: str, act: str) -> list[Template]:
    """Templates for an act, the department's first; none where this gateway keeps none."""
    if page.site.letter_templates is None or page.session is None:
        return []
    return await page.site.letter_templates.of(
        page.caller.department, page.session.account.id, procedure, act
    )


async def used(
    page: Page, typed: forms.Typed, prefix: str, facts: Mapping[str, str]
) -> tuple[dict[str, Sequence[str]], str]:
    """What is typed with what the chosen template says where nothing was, and what to tell of it.

    Args:
        page: Its form names the template.
        typed: What stands in the form.
        prefix: Before the names of the body's fields.
        facts: For the places.
    """
    found = {name: said for name, said in typed.items() if name not in (CHOSEN, USE)}
    if not page.text_of(CHOSEN):
        return found, page.t("letter_templates.none_chosen")
    template = await _store(page).get(page.caller.department, _account(page), page.text_of(CHOSEN))
    free = {
        name: text
        for name, text in template.texts.items()
        if not any(each.strip() for each in found.get(f"{prefix}{name}", ()))
    }
    found |= {f"{prefix}{name}": [places.filled(text, facts)] for name, text in free.items()}
    told = [page.t("letter_templates.used", title=template.title)]
    if kept := len(template.texts) - len(free):
        told.append(page.t("letter_templates.kept", count=kept))
    if blank := places.blanks(free.values(), facts):
        told.append(page.t("letter_templates.blank", places=_named(page, blank)))
    return found, " ".join(told)


@router.get("")
async def templates(page: SignedIn) -> Response:
    """Those that the person may use."""
    found = await _store(page).of(page.caller.department, _account(page))
    titles = await _titles(page)
    return page.render(
        "letter_templates/templates.html",
        groups=[
            ("department", [each for each in found if not each.owner]),
            ("own", [each for each in found if each.owner]),
        ],
        titles=titles,
        may_keep=lambda each: _may_keep(page, each),
    )


@router.get("/new")
async def new(page: SignedIn, act: Annotated[str, Query(max_length=130)] = "") -> Response:
    """Where one is written: first for which act."""
    procedures = await page.site.procedures.all(page.caller)
    if not act:
        return page.render(
            "letter_templates/new.html", procedures=sorted(procedures, key=lambda each: page.say(each.title))
        )
    procedure, _, name = act.partition("/")
    return await _form(page, _empty(page, procedure, name))


@router.post("")
async def add(page: SignedIn) -> Response:
    """Keep a new one."""
    procedure, _, act = page.text_of("for")[:130].partition("/")
    return await _keep(page, _empty(page, procedure, act))


@router.get("/{template_id}")
async def show(page: SignedIn, template_id: str) -> Response:
    """What one says, with examples in its places."""
    found = await _store(page).get(page.caller.department, _account(page), template_id)
    procedure, act = await _act(page, found)
    examples = {
        **{name: page.t(_EXAMPLES + name.replace(".", "_")) for name in places.PLACES},
        **template_facts.of_person(page),
    }
    known = {each.name: each.title for each in _fields(page, act)}
    return page.render(
        "letter_templates/template.html", it=found, procedure=page.say(procedure.title),
        act=page.say(act.title), may_keep=_may_keep(page, found),
        texts=[(known.get(name, name), list(places.pieces(text, examples))) for name, text in found.texts.items()],
    )  # fmt: skip


@router.get("/{template_id}/edit")
async def edit(page: SignedIn, template_id: str) -> Response:
    """Where it is changed."""
    return await _form(page, await _mine(page, template_id))


@router.post("/{template_id}")
async def change(page: SignedIn, template_id: str) -> Response:
    """Change it."""
    return await _keep(page, await _mine(page, template_id))


@router.post("/{template_id}/remove")
async def remove(page: SignedIn, template_id: str) -> Response:
    """Keep it no longer."""
    await _mine(page, template_id)
    await _store(page).remove(page.caller.department, _account(page), template_id, page.by)
    return page.go("/templates", "letter_templates.removed")


async def _keep(page: Page, before: Template) -> Response:
    _, act = await _act(page, before)
    whole = page.text_of("scope") == "department"
    if whole and not _is_keeper(page):
        raise RoleNotPermitted("The department's templates are kept by its heads and reviewers.")
    texts = {
        each.name: page.text_of(f"text.{each.name}").replace("\r\n", "\n") for each in _fields(page, act)
    }
    template = replace(
        before, owner="" if whole else _account(page), title=page.text_of("title"),
        texts={name: text for name, text in texts.items() if text}, changed_by=page.caller.name,
    )  # fmt: skip
    try:
        kept = await _store(page).keep(template, _account(page), page.by)
    except (InvalidField, LimitExceeded) as error:
        return await _form(page, template, _wrong(page, template, error))
    return page.go(f"/templates/{kept.id}", "letter_templates.saved")


def _wrong(page: Page, template: Template, error: InvalidField | LimitExceeded) -> dict[str, str]:
    if isinstance(error, LimitExceeded):
        most = MOST_OWN if template.owner else MOST_DEPARTMENT
        return {"title": page.t("letter_templates.wrong_many", most=most)}
    name = error.field.partition(".")[2]
    if unknown := places.unknown(template.texts.get(name, "")):
        return {error.field: page.t("letter_templates.wrong_place", place=unknown[0])}
    kind = error.field.partition(".")[0]
    return {error.field: page.t(f"letter_templates.wrong_{kind}", title=LONGEST_TITLE, text=LONGEST_TEXT)}


async def _form(page: Page, template: Template, wrong: Mapping[str, str] | None = None) -> Response:
    procedure, act = await _act(page, template)
    return page.render(
        "letter_templates/form.html", status=400 if wrong else 200, it=template, wrong=wrong or {},
        fields=_fields(page, act), procedure=page.say(procedure.title), act=page.say(act.title),
        longest_title=LONGEST_TITLE, is_keeper=_is_keeper(page),
        places=[(zh, name, _means(page, name)) for name, zh in places.PLACES.items()],
    )  # fmt: skip


def _fields(page: Page, act: Act) -> list[TextField]:
    """The fields of an act's body into which people write words."""
    message = message_of(field_of(act.body))
    return [
        TextField(
            one.name, one.title, min(one.rules.longest or LONGEST_TEXT, LONGEST_TEXT), one.kind == "long"
        )
        for one in forms.Shape(message).form({}, page.language).fields
        if one.kind in _TEXTS and not one.name.endswith(_CODED)
    ]


async def _act(page: Page, template: Template) -> tuple[Procedure, Act]:
    procedure = await page.site.procedures.get(page.caller, template.procedure)
    return procedure, procedure.act(template.act)


async def _titles(page: Page) -> dict[tuple[str, str], str]:
    """What acts are called, by procedure and name."""
    return {
        (procedure.name, act.name): f"{page.say(procedure.title)} · {page.say(act.title)}"
        for procedure in await page.site.procedures.all(page.caller)
        for act in procedure.acts.values()
    }


async def _mine(page: Page, template_id: str) -> Template:
    """One that the person may change.

    Raises:
        RoleNotPermitted: It is the department's, and they do not keep those.
    """
    found = await _store(page).get(page.caller.department, _account(page), template_id)
    if not _may_keep(page, found):
        raise RoleNotPermitted("The department's templates are kept by its heads and reviewers.")
    return found


def _may_keep(page: Page, template: Template) -> bool:
    return bool(template.owner) or _is_keeper(page)


def _is_keeper(page: Page) -> bool:
    return bool(KEEPERS & set(page.caller.roles))


def _empty(page: Page, procedure: str, act: str) -> Template:
    return Template(
        department=page.caller.department, owner=_account(page), procedure=procedure, act=act, title=""
    )


def _named(page: Page, names: Sequence[str]) -> str:
    titles = [_means(page, name) for name in names]
    return page.listed(titles)


def _means(page: Page, name: str) -> str:
    return page.t(f"letter_templates.place_{name.replace('.', '_')}")


def _account(page: Page) -> str:
    assert page.session is not None
    return page.session.account.id


def _store(page: Page) -> LetterTemplates:
    if page.site.letter_templates is None:
        raise NotFound("This gateway keeps no templates.")
    return page.site.letter_templates
