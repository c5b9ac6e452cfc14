"""Keeping a department's node: how it is, what is stuck, who did what, what was sent to whom."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.notices.v1 import notification_service_pb2 as notices_pb
from liandong.oversight.v1 import oversight_service_pb2 as oversight_pb

from services.common.errors import LiandongError
from services.gateway.web import accounts
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import moment, second
from services.gateway.web.page import Page
from services.gateway.web.tables import Action, Cell, Table, cells, page_url

router = APIRouter()

PAGES: Final = (
    "node", "audit", "deliveries", "directory", "authority", "procedures", "calendar", "officers", "codes",
    "chains", "series", "seals",
)  # fmt: skip
"""Pages of the area, in their order."""


@router.get("/admin")
async def index(page: SignedIn) -> Response:
    """What there is to keep."""
    return page.render("admin.html", pages=PAGES, own=accounts.pages_for(page))


@router.get("/admin/node")
async def node(page: SignedIn) -> Response:
    """The link, what waits, what is parked, and when the certificate ends."""
    state, parked = await asyncio.gather(
        page.ask(pb.GetNodeStateRequest(), pb.GetNodeStateResponse),
        page.ask(pb.ListParkedRequest(), pb.ListParkedResponse),
    )
    table = Table(
        page.t("admin.parked"),
        [page.t(f"admin.{each}") for each in ("letter", "side", "why", "attempts", "next_attempt", "act")],
        [
            cells(
                Cell(each.letter_id[:8], f"/cases/{each.case_id}"),
                page.t(f"admin.{pb.ParkedSide.Name(each.side)}"),
                each.error,
                Cell(str(each.attempts), tone="number"),
                moment(each.next_attempt_at),
                Cell(actions=(Action(page.t("admin.retry"), f"/admin/parked/{each.letter_id}"),)),
            )
            for each in parked.letters
        ],
        page.t("admin.nothing_parked"),
    )
    return page.render("admin_node.html", state=state, parked=table, certificate=await _certificate(page))


async def _certificate(page: Page) -> oversight_pb.DepartmentState | None:
    """What the registry says of the department; None if it cannot be asked."""
    try:
        found = await page.ask(
            oversight_pb.ListDepartmentStatesRequest(), oversight_pb.ListDepartmentStatesResponse
        )
    except LiandongError:
        return None
    own = page.caller.department
    return next((each for each in found.departments if each.department == own), None)


@router.post("/admin/parked/{letter_id}")
async def retry(page: SignedIn, letter_id: str) -> Response:
    """Try a parked letter again."""
    found = await page.ask(pb.RetryParkedRequest(letter_id=letter_id), pb.RetryParkedResponse)
    if found.resolved:
        return page.go("/admin/node", "admin.retried")
    return page.go("/admin/node", "admin.still_stuck", error=found.error)


@router.get("/admin/audit")
async def audit(
    page: SignedIn,
    subject: Annotated[str, Query(max_length=100)] = "",
    case_id: Annotated[str, Query(max_length=36)] = "",
    token: Annotated[str, Query(alias="page", max_length=200)] = "",
) -> Response:
    """Who read and wrote what."""
    found = await page.ask(
        pb.ListAuditRequest(subject=subject, case_id=case_id, page_size=100, page_token=token),
        pb.ListAuditResponse,
    )
    table = Table(
        page.t("admin.page_audit"),
        [page.t(f"admin.{each}") for each in ("at", "who", "role", "method", "object", "result", "request")],
        [
            cells(
                second(each.at),
                Cell(each.name or each.subject, f"/admin/audit?subject={each.subject}"),
                page.site.templates.filters["role"](each.role, page.language),
                Cell(each.method.rpartition("/")[2], tone="code"),
                Cell(each.case_id[:8], f"/cases/{each.case_id}")
                if each.case_id
                else Cell(each.object_id[:8]),
                Cell(each.result, tone="good" if each.result == "ok" else "bad"),
                Cell(each.request_id, tone="code"),
            )
            for each in found.lines
        ],
        next_url=page_url("/admin/audit", found.next_page_token, subject=subject, case_id=case_id),
    )
    return page.render("admin_audit.html", table=table, chosen={"subject": subject, "case_id": case_id})


@router.get("/admin/deliveries")
async def deliveries(
    page: SignedIn,
    state: Annotated[str, Query(max_length=40)] = "",
    token: Annotated[str, Query(alias="page", max_length=400)] = "",
) -> Response:
    """What was sent to people through channels outside, and what became of it."""
    states = notices_pb.DeliveryState
    wanted = states.Value(state) if state in states.keys() else states.DELIVERY_STATE_UNSPECIFIED  # noqa: SIM118 - an enum's
    found = await page.ask(
        notices_pb.ListDeliveriesRequest(state=wanted, page_size=50, page_token=token),
        notices_pb.ListDeliveriesResponse,
    )
    tones = {
        states.DELIVERY_STATE_SENT: "good", states.DELIVERY_STATE_FAILED: "bad",
        states.DELIVERY_STATE_UNKNOWN: "bad",
    }  # fmt: skip
    table = Table(
        page.t("admin.page_deliveries"),
        [
            page.t(f"admin.{each}")
            for each in ("at", "channel", "person", "state", "attempts", "next_attempt", "why")
        ],
        [
            cells(
                moment(each.created_at),
                each.channel,
                each.person,
                Cell(page.t(f"admin.{states.Name(each.state)}"), tone=tones.get(each.state, "wait")),
                Cell(str(each.attempts), tone="number"),
                moment(each.next_at),
                each.error,
            )
            for each in found.deliveries
        ],
        next_url=page_url("/admin/deliveries", found.next_page_token, state=state),
    )
    choices = [name for name in states.keys() if not name.endswith("UNSPECIFIED")]  # noqa: SIM118 - an enum's
    return page.render("admin_deliveries.html", table=table, state=state, choices=choices)
