"""How a department handles its letters: chains, number series, seals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import handling_service_pb2 as pb

from services.common.errors import LiandongError
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import ZONE, day, moment
from services.gateway.web.page import Page, said
from services.gateway.web.tables import Action, Cell, Table, cells, page_url

router = APIRouter(prefix="/admin")


def _columns(page: Page, *names: str) -> list[str]:
    return [page.t(f"admin.{each}") for each in names]


@router.get("/chains")
async def chains(page: SignedIn) -> Response:
    """The department's chains, and those that come with the product."""
    return await _chains(page, {})


@router.post("/chains")
async def set_chain(page: SignedIn) -> Response:
    """State a chain."""
    request = pb.SetChainRequest(
        source=page.text_of("source").replace("\r\n", "\n"),
        procedure=page.text_of("procedure"),
        act=page.text_of("act"),
    )
    try:
        await page.ask(request, pb.SetChainResponse)
    except LiandongError as error:
        return await _chains(page, dict(said(error)))
    return page.go("/admin/chains", "admin.chain_set")


@router.post("/chains/{chain_id}/withdraw")
async def withdraw_chain(page: SignedIn, chain_id: int) -> Response:
    """End a chain; what runs on it goes on."""
    await page.ask(pb.WithdrawChainRequest(chain_id=chain_id), pb.WithdrawChainResponse)
    return page.go("/admin/chains", "admin.ended")


async def _chains(page: Page, wrong: dict[str, str]) -> Response:
    found = await page.ask(pb.ListChainsRequest(), pb.ListChainsResponse)
    return page.render(
        "admin_chains.html",
        status=400 if wrong else 200,
        chains=found.chains,
        shipped=found.shipped,
        wrong=wrong,
        typed={name: page.text_of(name) for name in ("source", "procedure", "act")},
    )


@router.get("/series")
async def series(
    page: SignedIn,
    word: Annotated[str, Query(max_length=120)] = "",
    year: Annotated[int, Query(ge=2000, le=9999)] = 0,
    token: Annotated[str, Query(alias="page", max_length=200)] = "",
) -> Response:
    """Number series, and the numbers of one."""
    return await _series(page, {}, word, year, token)


@router.post("/series")
async def set_series(page: SignedIn) -> Response:
    """State a series."""
    inbound = page.text_of("direction") == "inbound"
    request = pb.SetSeriesRequest(
        word=page.text_of("word"),
        direction=pb.DIRECTION_INBOUND if inbound else pb.DIRECTION_OUTBOUND,
        procedure=page.text_of("procedure"),
        act=page.text_of("act"),
        section=page.text_of("section"),
    )
    try:
        await page.ask(request, pb.SetSeriesResponse)
    except LiandongError as error:
        return await _series(page, dict(said(error)), "", 0, "")
    return page.go("/admin/series", "admin.series_set")


@router.post("/series/{series_id}/withdraw")
async def withdraw_series(page: SignedIn, series_id: int) -> Response:
    """End a series; its numbers stay."""
    await page.ask(pb.WithdrawSeriesRequest(series_id=series_id), pb.WithdrawSeriesResponse)
    return page.go("/admin/series", "admin.ended")


async def _series(page: Page, wrong: dict[str, str], word: str, year: int, token: str) -> Response:
    shown_year = year or page.now.astimezone(ZONE).year
    found = await page.ask(pb.ListSeriesRequest(), pb.ListSeriesResponse)
    rows = [
        cells(
            Cell(each.word, f"/admin/series?word={each.word}&year={shown_year}"),
            page.t(f"admin.{pb.Direction.Name(each.direction)}"),
            Cell(each.procedure, under=each.act),
            page.site.directory.section(page.caller.department, each.section, page.language),
            Cell(day(each.valid_from), tone="date", under=day(each.valid_until)),
            Cell(actions=_end(page, each)),
        )
        for each in found.series
    ]
    columns = _columns(page, "word", "direction", "mechanism", "section", "validity", "act")
    numbers = None
    if word:
        listed = await page.ask(
            pb.ListNumbersRequest(word=word, year=shown_year, page_token=token), pb.ListNumbersResponse
        )
        tones = {
            pb.NUMBER_STATE_LETTER: "good",
            pb.NUMBER_STATE_REGISTERED: "good",
            pb.NUMBER_STATE_VOID: "bad",
        }
        numbers = Table(
            page.t("admin.numbers", word=word, year=shown_year),
            _columns(page, "number", "state", "letter", "why"),
            [
                cells(
                    each.number,
                    Cell(
                        page.t(f"admin.{pb.NumberState.Name(each.state)}"), tone=tones.get(each.state, "wait")
                    ),
                    Cell(each.letter_id[:8], f"/letters/{each.letter_id}") if each.letter_id else "",
                    Cell(each.reason, under=moment(each.voided_at)),
                )
                for each in listed.numbers
            ],
            next_url=page_url("/admin/series", listed.next_page_token, word=word, year=str(shown_year)),
        )
    return page.render(
        "admin_series.html",
        status=400 if wrong else 200,
        series=Table(page.t("admin.page_series"), columns, rows),
        numbers=numbers,
        wrong=wrong,
        typed={name: page.text_of(name) for name in ("word", "procedure", "act", "section", "direction")},
    )


def _end(page: Page, series: pb.SeriesView) -> tuple[Action, ...]:
    over = series.HasField("valid_until") and series.valid_until.ToDatetime(page.now.tzinfo) <= page.now
    if over:
        return ()
    return (Action(page.t("admin.end"), f"/admin/series/{series.series_id}/withdraw", danger=True),)


@router.get("/seals")
async def seals(page: SignedIn) -> Response:
    """Pictures of the department's seal; they are put into letters at sealing."""
    found = await page.ask(pb.ListSealImagesRequest(), pb.ListSealImagesResponse)
    now = datetime.now(ZONE)
    rows = [
        cells(
            Cell(each.digest.hex()[:16], tone="code"),
            page.t("admin.millimetres", count=each.size_mm),
            f"{each.pixels_wide} × {each.pixels_high}",
            Cell(day(each.valid_from), tone="date", under=day(each.valid_until)),
            Cell(each.set_by.name, under=moment(each.set_at)),
            Cell(
                actions=()
                if each.HasField("valid_until") and each.valid_until.ToDatetime(ZONE) <= now
                else (Action(page.t("admin.end"), f"/admin/seals/{each.seal_id}/withdraw", danger=True),)
            ),
        )
        for each in found.seals
    ]
    columns = _columns(page, "seal", "size", "pixels", "validity", "set_by", "act")
    table = Table(page.t("admin.page_seals"), columns, rows, page.t("admin.no_seals"))
    return page.render("admin_table.html", heading=page.t("admin.page_seals"), sections=[table])


@router.post("/seals/{seal_id}/withdraw")
async def withdraw_seal(page: SignedIn, seal_id: int) -> Response:
    """End a picture's validity."""
    await page.ask(pb.WithdrawSealImageRequest(seal_id=seal_id), pb.WithdrawSealImageResponse)
    return page.go("/admin/seals", "admin.ended")
