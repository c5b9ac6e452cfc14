"""Who acts for whom while somebody is absent (授权代办), and handing a post over (岗位交接)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import handling_service_pb2 as handling

from services.common.errors import InvalidField, LiandongError
from services.gateway.web.access import SignedIn
from services.gateway.web.document_steps import moment_of
from services.gateway.web.page import Page, said
from services.gateway.web.people import role_name, staff_of
from services.gateway.web.worklist import document_row

router = APIRouter()
_SIZE = 50
_REASON = 400


@router.get("/delegations")
async def delegations(
    page: SignedIn,
    ended: Annotated[bool, Query()] = False,
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The department's delegations, and a form for a new one."""
    return await _show(page, ended=ended, after=after)


@router.post("/delegations")
async def set_delegation(page: SignedIn) -> Response:
    """Let somebody act for somebody."""
    try:
        staff = await staff_of(page)
        subject, _, role = page.text_of("absent").partition("|")
        absent, delegate = staff.named(subject), staff.named(page.text_of("delegate"))
        if role not in absent.roles:
            raise InvalidField(page.t("delegations.no_role"), field="absent")
        request = handling.SetDelegationRequest(
            absent=handling.HandlingPerson(subject=absent.subject, name=absent.name, role=role),
            section=absent.section,
            delegate=handling.HandlingPerson(subject=delegate.subject, name=delegate.name),
            since=moment_of(page, "since"),
            until=moment_of(page, "until"),
            scope=[each for each in page.form.getlist("scope") if isinstance(each, str) and each],
            delegate_holds_role=role in delegate.roles,
            reason=page.text_of("reason")[:_REASON],
        )
        await page.ask(request, handling.SetDelegationResponse)
    except LiandongError as error:
        if error.code == "UNAVAILABLE":
            raise
        return await _show(page, wrong=_wrong(page, error))
    return page.go("/delegations", "delegations.set")


@router.post("/delegations/{delegation_id}/end")
async def end(page: SignedIn, delegation_id: int) -> Response:
    """End one now."""
    request = handling.EndDelegationRequest(delegation_id=delegation_id)
    await page.ask(request, handling.EndDelegationResponse)
    return page.go("/delegations", "delegations.ended")


@router.post("/delegations/hand-over")
async def hand_over(page: SignedIn) -> Response:
    """Give everything that somebody has open to whoever takes their post."""
    try:
        staff = await staff_of(page)
        before, after = staff.named(page.text_of("before")), staff.named(page.text_of("after"))
        request = handling.HandOverRequest(
            before=handling.HandlingPerson(subject=before.subject, name=before.name),
            after=handling.HandlingPerson(subject=after.subject, name=after.name),
            reason=page.text_of("why")[:_REASON],
        )
        found = await page.ask(request, handling.HandOverResponse)
    except LiandongError as error:
        if error.code == "UNAVAILABLE":
            raise
        return await _show(page, failed=page.why(error))
    return page.render(
        "hand_over.html",
        before=before,
        after=after,
        moved=[document_row(page, each.document) for each in found.moved],
        left=[document_row(page, each.document) for each in found.left],
        ended=found.ended_delegations,
    )


def _wrong(page: Page, error: LiandongError) -> Mapping[str, str]:
    found = {name.split(".")[0]: words for name, words in said(error).items()}
    return {name: (words if page.language == "en" else page.why(error)) for name, words in found.items()}


async def _show(
    page: Page,
    *,
    ended: bool = False,
    after: str = "",
    wrong: Mapping[str, str] | None = None,
    failed: str = "",
) -> Response:
    request = handling.ListDelegationsRequest(include_ended=ended, page_size=_SIZE, page_token=after)
    found, staff, procedures = await asyncio.gather(
        page.ask(request, handling.ListDelegationsResponse),
        staff_of(page),
        page.site.procedures.all(page.caller),
    )
    titles = {each.name: page.say(each.title) for each in procedures}
    return page.render(
        "delegations.html",
        status=400 if wrong or failed else 200,
        delegations=found.delegations,
        staff=staff,
        procedures=sorted(titles.items(), key=lambda each: each[1]),
        titles=titles,
        role_name=lambda role: role_name(page, role),
        ended=ended,
        begins=not after,
        more=f"/delegations?ended={int(ended)}&after={found.next_page_token}"
        if found.next_page_token
        else "",
        me=page.caller.subject,
        wrong=wrong or {},
        failed=failed,
        typed={name: value for name, value in page.form.items() if isinstance(value, str)},
    )
