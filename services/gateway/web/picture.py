"""The office's picture (联动态势): how departments stand in its mechanisms, live, and in figures of a period.

An office sees its mechanisms whole, every other department its own part: the registry decides, by the certificate of the
department that the gateway calls in the name of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.oversight.v1 import indicator_service_pb2 as indicator
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.errors import NotFound
from services.gateway.web import picture_view as view
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import ZONE
from services.gateway.web.page import Page

router = APIRouter()
FLOW_DAYS: Final = 30
_WARNINGS: Final = 12
_LOOKED_AT: Final = 100
_CURRENT_KEPT: Final = timedelta(minutes=1)
_PAST_KEPT: Final = timedelta(hours=1)
_TREND: Final = ("received", "met-on-time", "met-late", "overdue")
_COMPARE: Final = {
    "": indicator.COMPARE_UNSPECIFIED,
    "period": indicator.COMPARE_PREVIOUS_PERIOD,
    "year": indicator.COMPARE_PREVIOUS_YEAR,
}
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """The mechanisms and whose office each is.

    Attributes:
        names: Newest titles by name.
        held: Those whose office the person's department holds.
    """

    names: Mapping[str, str]
    held: tuple[str, ...]

    def title(self, name: str) -> str:
        """What a mechanism is called; its name where it is not known."""
        return self.names.get(name) or name


@router.get("/picture")
async def picture(page: SignedIn, whole: Annotated[bool, Query(alias="all")] = False) -> Response:
    """All mechanisms."""
    return await _picture(page, "", whole=whole)


@router.get("/picture/figures.xlsx")
async def figures(
    page: SignedIn,
    procedure: Annotated[str, Query(max_length=60)] = "",
    first: Annotated[date | None, Query()] = None,
    last: Annotated[date | None, Query()] = None,
    compare: Annotated[str, Query()] = "",
) -> Response:
    """All figures of a period by department, as a workbook."""
    chosen = _chosen(page, first, last)
    asked = indicator.ExportFiguresRequest(
        figures=_figures_asked(chosen, procedure, compare),
        language=indicator.BULLETIN_LANGUAGE_EN
        if page.language == "en"
        else indicator.BULLETIN_LANGUAGE_UNSPECIFIED,
    )
    frames = [each.frame async for each in page.stream(asked, indicator.ExportFiguresResponse)]
    name = f"liandong-figures-{chosen[0]}-{chosen[1]}.xlsx"
    return Response(
        b"".join(frames), media_type=_XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/picture/trend")
async def trend(page: SignedIn, procedure: Annotated[str, Query(max_length=60)] = "") -> Response:
    """Figures of the last months, for the part of the page that asks for them when it is there."""
    spans = view.months(page.now.astimezone(ZONE).date())
    answers = await asyncio.gather(
        *(_month(page, procedure, span, current=span is spans[-1]) for span in spans)
    )
    rows = [
        (span[0].strftime("%Y-%m"), {each.indicator: each.value for each in answer.figures})
        for span, answer in zip(spans, answers, strict=True)
    ]
    return page.render("picture_trend.html", rows=rows, series=_TREND, procedure=procedure)


async def _month(
    page: Page, procedure: str, span: tuple[date, date], *, current: bool
) -> indicator.GetFiguresResponse:
    """Figures of a month; those of one that is over change only where something late comes in."""
    request = indicator.GetFiguresRequest(indicators=_TREND, period=_period(span), procedure=procedure)
    return await page.site.figures.get(
        (page.caller.department, procedure, span),
        _CURRENT_KEPT if current else _PAST_KEPT,
        lambda: page.ask(request, indicator.GetFiguresResponse),
    )


async def mechanisms_of(page: Page) -> Mechanisms:
    """The mechanisms that there are."""
    found = await page.ask(directory.ListProceduresRequest(), directory.ListProceduresResponse)
    newest = sorted(found.procedures, key=lambda each: each.version)
    place = "zh" if page.language == "zh" else "en"
    names = {each.name: getattr(each.title, place) or each.title.zh for each in newest}
    held = {each.name for each in newest if each.office == page.caller.department}
    return Mechanisms(names, tuple(sorted(held)))


async def matrix_of(page: Page) -> pb.GetMatrixResponse:
    """How departments stand, with what is due by the end of the next working day as due soon."""
    asked = pb.GetMatrixRequest()
    asked.soon_before.FromDatetime(view.soon_before(page.now, page.site.directory.is_working_day))
    return await page.ask(asked, pb.GetMatrixResponse)


async def warnings_of(page: Page, count: int = _LOOKED_AT) -> list[pb.Alert]:
    """The newest reminders and alerts."""
    found = await page.ask(pb.ListAlertsRequest(page_size=count), pb.ListAlertsResponse)
    return list(found.alerts)


async def links_of(page: Page) -> list[pb.DepartmentState]:
    """Departments in sight, those that are not connected first."""
    found = await page.ask(pb.ListDepartmentStatesRequest(), pb.ListDepartmentStatesResponse)
    return sorted(found.departments, key=lambda each: (each.connected, each.department))


@router.get("/picture/{procedure}")
async def one(page: SignedIn, procedure: str) -> Response:
    """One mechanism."""
    return await _picture(page, procedure, whole=True)


async def _picture(page: Page, procedure: str, *, whole: bool) -> Response:
    part = page.request.query_params.get("part", "") if page.is_fragment else ""
    mechanisms = await mechanisms_of(page)
    if procedure and procedure not in mechanisms.names:
        raise NotFound("There is no such mechanism.", field="procedure")
    context: dict[str, Any] = {"mechanisms": mechanisms, "procedure": procedure, "whole": whole}
    parts = [] if part == "figures" else [_now(page, mechanisms, procedure, whole=whole)]
    if part != "now":
        parts.append(_figures(page, procedure))
    for found in await asyncio.gather(*parts):
        context |= found
    template = {"now": "picture_now.html", "figures": "picture_figures.html"}.get(part, "picture.html")
    return page.render(template, **context)


async def _now(page: Page, mechanisms: Mechanisms, procedure: str, *, whole: bool) -> dict[str, Any]:
    matrix, links, warnings = await asyncio.gather(matrix_of(page), links_of(page), warnings_of(page))
    rows = [each.department for each in links] if whole else []
    columns = mechanisms.held if whole else ()
    return {
        "grid": view.grid(matrix.cells, rows, columns, procedure),
        "links": links,
        "warnings": view.together(
            each for each in warnings if not procedure or each.obligation.procedure in {procedure, ""}
        )[:_WARNINGS],
        "ledger_size": matrix.ledger_size,
    }


async def _figures(page: Page, procedure: str) -> dict[str, Any]:
    query = page.request.query_params
    chosen = _chosen(page, _date(query.get("first")), _date(query.get("last")))
    compare = query.get("compare", "")
    asked = _figures_asked(chosen, procedure, compare, "timeliness")
    since = page.now - timedelta(days=FLOW_DAYS)
    flows_asked = pb.GetFlowsRequest(procedure=procedure)
    getattr(flows_asked, "from").FromDatetime(since.astimezone(UTC))
    ranking, flows = await asyncio.gather(
        page.ask(asked, indicator.GetFiguresResponse), page.ask(flows_asked, pb.GetFlowsResponse)
    )
    return {
        "ranking": ranking,
        "flows": view.flows(flows.flows),
        "flow_days": FLOW_DAYS,
        "share": view.share,
        "first": chosen[0],
        "last": chosen[1],
        "compare": compare if compare in _COMPARE else "",
    }


def _figures_asked(
    chosen: tuple[date, date], procedure: str, compare: str, *indicators: str
) -> indicator.GetFiguresRequest:
    return indicator.GetFiguresRequest(
        indicators=indicators,
        period=_period(chosen),
        procedure=procedure,
        compare=_COMPARE.get(compare, indicator.COMPARE_UNSPECIFIED),
        group_by=indicator.FIGURE_GROUP_DEPARTMENT,
    )


def _period(span: tuple[date, date]) -> indicator.Period:
    return indicator.Period(first=span[0].isoformat(), last=span[1].isoformat())


def _chosen(page: Page, first: date | None, last: date | None) -> tuple[date, date]:
    """The period that is asked for; the present month up to today for none."""
    today = page.now.astimezone(ZONE).date()
    begin, end = first or today.replace(day=1), last or today
    return (begin, end) if begin <= end else (end, begin)


def _date(value: str | None) -> date | None:
    try:
        return datetime.strptime(value or "", "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
