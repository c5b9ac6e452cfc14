"""The first screen: what waits for the person, what is due, what was sent; sorted by due time, live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import handling_service_pb2 as handling

from services.gateway.web import worklist
from services.gateway.web.access import signed_in
from services.gateway.web.page import Page
from services.gateway.web.worklist import NEVER, Row, Source

router = APIRouter()
TABS: Final = ("todo", "approve", "sign", "sent", "soon", "overdue")
MOST: Final = 1000
"""Nothing is counted beyond it."""
_SIZE: Final = 30
_ALARMING: Final = frozenset({"overdue", "soon"})


@router.get("/")
async def first(
    request: Request,
    tab: Annotated[str, Query()] = "todo",
    after: Annotated[list[str] | None, Query(max_length=400)] = None,
) -> Response:
    """The first screen; where there are no accounts, how the departments are."""
    if request.app.state.site.accounts is None:
        return RedirectResponse("/status", 303)
    page = await signed_in(request)
    if page.only_keeps:
        return RedirectResponse("/admin/accounts", 303)
    if page.only_reads:
        return RedirectResponse("/admin/audit", 303)
    chosen = tab if tab in TABS else "todo"
    counts, (rows, following) = await asyncio.gather(_counts(page), _rows(page, chosen, after or []))
    more = urlencode([("tab", chosen), *(("after", each) for each in following)]) if following else ""
    return page.render(
        "work.html", tabs=TABS, tab=chosen, rows=rows, counts=counts, alarming=_ALARMING, most=MOST,
        more=f"/?{more}" if more else "", begins=not after, here=_here(page),
    )  # fmt: skip


def _here(page: Page) -> str:
    query = page.request.url.query
    return f"/?{query}" if query else "/"


async def _counts(page: Page) -> Mapping[str, int]:
    """How many rows each tab has, `MOST` at most."""
    before = Timestamp()
    before.FromDatetime(worklist.soon_before(page.now, page.site.directory.is_working_day))
    found = await page.ask(handling.CountWorkRequest(soon_before=before), handling.CountWorkResponse)
    return {
        "todo": found.to_do + found.cases_due,
        "approve": found.to_approve,
        "sign": found.to_sign_for + found.cases_to_sign_for,
        "sent": found.waiting + found.sent,
        "soon": found.tasks_due_soon + found.cases_due_soon,
        "overdue": found.tasks_overdue + found.cases_overdue,
    }


async def _rows(page: Page, tab: str, tokens: Sequence[str]) -> tuple[list[Row], list[str]]:
    if tab == "sent":
        # documents' ids sort by time: the newest first
        sources = [
            worklist.work(page, handling.WORK_LIST_WAITING), worklist.work(page, handling.WORK_LIST_SENT),
        ]  # fmt: skip
        return await worklist.page_of(sources, tokens, _SIZE, key=lambda row: row.key, newest=True)
    return await worklist.page_of(_sources(page, tab), tokens, _SIZE, once=tab == "sign")


def _sources(page: Page, tab: str) -> list[Source]:
    todo = handling.WORK_LIST_TO_DO
    if tab == "approve":
        return [worklist.work(page, handling.WORK_LIST_TO_APPROVE)]
    if tab == "sign":
        return [
            worklist.owed(page, act="sign-for"),
            worklist.work(page, handling.WORK_LIST_TO_SIGN_FOR),
        ]
    if tab == "overdue":
        return [worklist.work(page, todo, overdue=True), worklist.owed(page, overdue=True)]
    if tab == "soon":
        # what is due now is overdue: the due time is exclusive
        due: dict[str, Any] = {
            "due_from": page.now + timedelta(microseconds=1),
            "due_before": worklist.soon_before(page.now, page.site.directory.is_working_day),
        }
        return [worklist.work(page, todo, **due), worklist.owed(page, **due)]
    return [worklist.work(page, todo), worklist.owed(page, due_before=NEVER)]
