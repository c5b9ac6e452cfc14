"""The obligations behind a light, one case of them, and reminders of many at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.errors import LiandongError
from services.gateway.calls import may_remind
from services.gateway.web import picture_view as view
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import at
from services.gateway.web.page import Page
from services.gateway.web.picture import Mechanisms, mechanisms_of

router = APIRouter()
PAGE: Final = 50
"""Obligations on a page, so many are reminded of at once at most."""
_SEPARATOR: Final = "|"
STATE_NAMES: Final = {
    number: name.removeprefix("OBLIGATION_STATE_").lower().replace("_", "-")
    for name, number in pb.ObligationState.items()
}
"""States of an obligation, as the texts call them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the register is looked at; empty means any."""

    department: str = ""
    procedure: str = ""
    state: str = ""
    token: str = ""

    @classmethod
    def of(cls, page: Page) -> Wanted:
        """As the address or the form says."""
        given = page.form if page.request.method == "POST" else page.request.query_params

        def value(name: str, at_most: int) -> str:
            found = given.get(name, "")
            return found.strip()[:at_most] if isinstance(found, str) else ""

        state = value("state", 20)
        return cls(
            value("department", 120), value("procedure", 60), state if state in view.STATES else "",
            value("token", 200),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """An obligation in the register.

    Attributes:
        view: As the registry says.
        key: As a form names it.
        may_remind: By who looks at it.
    """

    view: pb.ObligationView
    key: str
    may_remind: bool


@router.get("/picture/register")
async def register(page: SignedIn) -> Response:
    """What is owed, as the cell that was chosen counts it."""
    return await _register(page, Wanted.of(page))


@router.post("/picture/reminders")
async def review(page: SignedIn) -> Response:
    """The reminders of what was chosen, with their texts from the facts, before they are sent."""
    wanted = Wanted.of(page)
    chosen = {str(each) for each in page.form.getlist("chosen")}
    rows, _, mechanisms = await _rows(page, wanted)
    picked = [each for each in rows if each.key in chosen and each.may_remind]
    if not picked:
        return await _register(page, wanted, status=400, wrong=page.t("picture.none_chosen"))
    texts = [_text(page, each.view, mechanisms) for each in picked]
    return _review(page, wanted, list(zip(picked, texts, strict=True)), mechanisms)


@router.post("/picture/reminders/send")
async def send(page: SignedIn) -> Response:
    """Send them; each once a day."""
    wanted = Wanted.of(page)
    keys = [str(each) for each in page.form.getlist("key")][:PAGE]
    texts = [str(each).strip() for each in page.form.getlist("text")][:PAGE]
    drafts = [
        draft for key, said in zip(keys, texts, strict=False) if (draft := _draft(key, said)) is not None
    ]
    if len(drafts) != len(keys) or not all(0 < len(each.text) <= view.TEXT_AT_MOST for each in drafts):
        rows, _, mechanisms = await _rows(page, wanted)
        by_key = dict(zip(keys, texts, strict=False))
        kept = [(each, by_key[each.key]) for each in rows if each.key in by_key]
        return _review(page, wanted, kept, mechanisms, status=400)
    request = pb.RemindRequest(reminders=drafts, person=page.caller.name)
    try:
        answer = await page.ask(request, pb.RemindResponse)
    except LiandongError as error:
        return await _register(page, wanted, status=409, wrong=page.why(error))
    outcomes = [each.outcome for each in answer.results]
    return page.go(
        _address(wanted),
        "picture.reminded",
        sent=outcomes.count(pb.REMINDER_OUTCOME_SENT),
        before=outcomes.count(pb.REMINDER_OUTCOME_SENT_BEFORE),
        over=outcomes.count(pb.REMINDER_OUTCOME_OVER),
    )


@router.get("/picture/cases/{case_id}")
async def case(page: SignedIn, case_id: str) -> Response:
    """One case from its headers: what was done, what is owed, nothing of what letters say."""
    found, mechanisms = await asyncio.gather(
        page.ask(pb.GetCaseOverviewRequest(case_id=case_id), pb.GetCaseOverviewResponse), mechanisms_of(page)
    )
    procedure = await page.site.procedures.version(page.caller, found.procedure, found.procedure_version)
    return page.render(
        "picture_case.html", case=found, mechanisms=mechanisms, procedure=procedure, states=STATE_NAMES,
    )  # fmt: skip


async def _register(page: Page, wanted: Wanted, *, status: int = 200, wrong: str = "") -> Response:
    rows, more, mechanisms = await _rows(page, wanted)
    return page.render(
        "picture_register.html", status=status, wanted=wanted, rows=rows, more=more, wrong=wrong,
        mechanisms=mechanisms, states=STATE_NAMES, choices=view.STATES,
        may_remind=any(each.may_remind for each in rows), next_address=_address(wanted, more),
    )  # fmt: skip


def _review(
    page: Page, wanted: Wanted, items: list[tuple[Row, str]], mechanisms: Mechanisms, status: int = 200
) -> Response:
    return page.render(
        "picture_reminders.html", status=status, wanted=wanted, items=items, mechanisms=mechanisms,
        longest=view.TEXT_AT_MOST,
    )  # fmt: skip


async def _rows(page: Page, wanted: Wanted) -> tuple[list[Row], str, Mechanisms]:
    """A page of the register, the token of the next, and what mechanisms are called."""
    asked = pb.ListObligationsRequest(
        procedure=wanted.procedure, page_size=PAGE, page_token=wanted.token,
    )  # fmt: skip
    if wanted.state == "disputed":
        asked.disputed = True
        asked.state = pb.OBLIGATION_STATE_UNSPECIFIED
        asked.party = wanted.department
    else:
        asked.owed_by = wanted.department
        asked.state = pb.OBLIGATION_STATE_OPEN
    if wanted.state == "overdue":
        asked.state = pb.OBLIGATION_STATE_OVERDUE
    elif wanted.state == "soon":
        asked.due_before.FromDatetime(view.soon_before(page.now, page.site.directory.is_working_day))
    elif wanted.state == "":
        asked.state = pb.OBLIGATION_STATE_UNSPECIFIED
    found, mechanisms = await asyncio.gather(page.ask(asked, pb.ListObligationsResponse), mechanisms_of(page))
    allowed = may_remind(page.caller)
    rows = [
        Row(each, _key(each), allowed and _is_reminded_of(each, page, mechanisms))
        for each in found.obligations
    ]
    return rows, found.next_page_token, mechanisms


def _is_reminded_of(each: pb.ObligationView, page: Page, mechanisms: Mechanisms) -> bool:
    is_open = each.state in {pb.OBLIGATION_STATE_OPEN, pb.OBLIGATION_STATE_OVERDUE}
    return is_open and each.procedure in mechanisms.held and each.owed_by != page.caller.department


def _key(each: pb.ObligationView) -> str:
    return _SEPARATOR.join((each.case_id, each.rule, str(each.ordinal), each.owed_by))


def _draft(key: str, said: str) -> pb.ReminderDraft | None:
    parts = key.split(_SEPARATOR)
    if len(parts) != 4 or not parts[2].isdecimal() or len(parts[2]) > 9:  # noqa: PLR2004 - the parts of `_key`
        return None
    case_id, rule, ordinal, owed_by = parts
    return pb.ReminderDraft(case_id=case_id, rule=rule, ordinal=int(ordinal), owed_by=owed_by, text=said)


def _text(page: Page, each: pb.ObligationView, mechanisms: Mechanisms) -> str:
    due = page.due(at(each.due_at) if each.HasField("due_at") else None, each.suspended)
    return view.reminder_text(
        page.name_of(each.owed_by), mechanisms.title(each.procedure), page.title(each),
        due.until if due else "", due.words if due else "", page.language,
    )  # fmt: skip


def _address(wanted: Wanted, token: str = "") -> str:
    given = {
        "department": wanted.department,
        "procedure": wanted.procedure,
        "state": wanted.state,
        "token": token,
    }
    return f"/picture/register?{urlencode({name: value for name, value in given.items() if value})}"
