"""Registers (台账): one for each mechanism, in its columns, to look at and to take along as a workbook."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb

from services.common.errors import NotFound
from services.gateway.web.access import SignedIn
from services.gateway.web.files import download
from services.gateway.web.filters import ZONE, moment
from services.gateway.web.page import Page
from services.gateway.web.tables import Cell, Table, cells, page_url

router = APIRouter()
_LAST: Final = date(2200, 1, 1)
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/registers")
async def registers(page: SignedIn) -> Response:
    """All of them."""
    found = await page.ask(pb.ListRegistersRequest(), pb.ListRegistersResponse)
    return page.render("registers.html", registers=found.registers)


@router.get("/registers/{procedure}")
async def register(
    page: SignedIn,
    procedure: str,
    token: Annotated[str, Query(alias="page", max_length=200)] = "",
) -> Response:
    """One register: its cases, and what is exported of it."""
    found, listed = await asyncio.gather(
        page.ask(pb.ListRegistersRequest(procedure=procedure), pb.ListRegistersResponse),
        page.ask(
            cases_pb.ListCasesRequest(
                procedure=procedure, include_closed=True, page_size=30, page_token=token
            ),
            cases_pb.ListCasesResponse,
        ),
    )
    if not found.registers:
        raise NotFound("There is no such register.", field="procedure")
    it = found.registers[0]
    table = Table(
        page.title(it),
        [page.t(f"registers.{each}") for each in ("case", "state", "parties", "due", "changed")],
        [_row(page, each) for each in listed.cases],
        page.t("registers.empty"),
        page_url(f"/registers/{procedure}", listed.next_page_token),
    )
    return page.render("register.html", it=it, table=table)


def _row(page: Page, case: cases_pb.CaseSummary) -> list[Cell]:
    due = page.due(case.next_due_at)
    names = dict.fromkeys(page.name_of(each.department) for each in case.parties)
    return cells(
        Cell(case.title or case.case_id, f"/cases/{case.case_id}"),
        page.title(case, "state_title"),
        page.listed(names),
        Cell(due.words, under=due.until, tone=due.tone) if due else Cell(),
        moment(case.changed_at),
    )


@router.get("/registers/{procedure}/workbook")
async def workbook(
    page: SignedIn,
    procedure: str,
    since: Annotated[date | None, Query()] = None,
    until: Annotated[date | None, Query()] = None,
    open_only: Annotated[bool, Query()] = False,
) -> Response:
    """The workbook; the days are those on which cases were opened, the last one included."""
    request = pb.ExportRegisterRequest(procedure=procedure, open_only=open_only, language=page.language)
    if since is not None:
        request.opened_from.FromDatetime(datetime.combine(since, time(), ZONE))
    if until is not None:
        after = min(until, _LAST) + timedelta(days=1)
        request.opened_before.FromDatetime(datetime.combine(after, time(), ZONE))
    return await download(page, request, pb.ExportRegisterResponse, f"{procedure}.xlsx", _XLSX)


@router.post("/cases/{case_id}/archive")
async def archive(page: SignedIn, case_id: str) -> Response:
    """The archived file of a closed case, as a package."""
    chosen = page.text_of("retention")
    known = chosen in pb.Retention.keys()  # noqa: SIM118 - an enum's
    request = pb.ArchiveCaseRequest(
        case_id=case_id,
        retention=pb.Retention.Value(chosen) if known else pb.RETENTION_UNSPECIFIED,
        include_evidence=page.text_of("evidence") == "yes",
        language=page.language,
    )
    return await download(page, request, pb.ArchiveCaseResponse, f"{case_id}.zip", "application/zip")
