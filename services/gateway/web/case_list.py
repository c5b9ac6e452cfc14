"""The list of cases, with filters."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as cases

from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page
from services.gateway.web.procedures import Procedure
from services.gateway.web.worklist import case_row, end_of

router = APIRouter()
_SIZE: Final = 50
_NAME: Final = 120


@router.get("/cases")
async def list_cases(
    page: SignedIn,
    procedure: Annotated[str, Query(max_length=60)] = "",
    state: Annotated[str, Query(max_length=60)] = "",
    department: Annotated[str, Query(max_length=_NAME)] = "",
    before: Annotated[str, Query(max_length=10)] = "",
    overdue: Annotated[bool, Query()] = False,
    closed: Annotated[bool, Query()] = False,
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """A page of cases, by next due time."""
    day = _day(before)
    request = cases.ListCasesRequest(
        procedure=procedure, state=state, department=department, overdue=overdue, include_closed=closed,
        page_size=_SIZE, page_token=after,
    )  # fmt: skip
    if day is not None:
        # what is due at 24:00 of that day, too
        end = end_of(day) + timedelta(microseconds=1)
        request.due_before.FromDatetime(end.astimezone(UTC).replace(tzinfo=None))
    found, known = await asyncio.gather(
        page.ask(request, cases.ListCasesResponse), page.site.procedures.all(page.caller)
    )
    chosen = {
        "procedure": procedure, "state": state, "department": department,
        "before": day.isoformat() if day else "", "overdue": "1" if overdue else "", "closed": "1" if closed else "",
    }  # fmt: skip
    query = {name: value for name, value in chosen.items() if value}
    token = found.next_page_token
    named = {each: page.name_of(each) for each in page.site.directory.departments}
    titles = {each.name: page.say(each.title) for each in known}
    return page.render(
        "case_list.html",
        rows=[(case_row(page, each), titles.get(each.procedure, each.procedure)) for each in found.cases],
        chosen=chosen,
        filtered=bool(query),
        wrong={"before": page.t("case_list.no_day")} if before and day is None else {},
        procedures=sorted(titles.items(), key=lambda each: each[1]),
        states=_states(page, known, procedure),
        departments=sorted(named.items(), key=lambda each: each[1]),
        more=f"/cases?{urlencode({**query, 'after': token})}" if token else "",
        begins=not after,
        first=f"/cases?{urlencode(query)}" if query else "/cases",
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _states(page: Page, known: list[Procedure], procedure: str) -> list[tuple[str, str]]:
    """States to choose from: of the procedure that is chosen, else of all, by what they are called."""
    found: dict[str, str] = {}
    for each in known:
        if procedure in ("", each.name):
            found.update({name: page.say(title) for name, title in each.states.items()})
    return sorted(found.items(), key=lambda each: each[1])
