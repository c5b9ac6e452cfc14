"""The first screen: what waits for the person, what is due, what was sent; sorted by due time, live."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from liandong.cases.v1 import handling_service_pb2 as handling

from services.gateway.web.page import signed_in

router = APIRouter()
LISTS: Final = {
    "todo": handling.WORK_LIST_TO_DO,
    "approve": handling.WORK_LIST_TO_APPROVE,
    "sign": handling.WORK_LIST_TO_SIGN_FOR,
    "waiting": handling.WORK_LIST_WAITING,
}


@router.get("/")
async def first(request: Request, tab: Annotated[str, Query()] = "todo") -> Response:
    """The first screen; where there are no accounts, how the departments are."""
    if request.app.state.site.accounts is None:
        return RedirectResponse("/status", 303)
    page = await signed_in(request)
    chosen = tab if tab in LISTS else "todo"
    found = await page.ask(
        handling.ListWorkRequest(list=LISTS[chosen], page_size=50), handling.ListWorkResponse
    )
    return page.render("work.html", tabs=list(LISTS), tab=chosen, items=found.items)
