"""What the region has agreed on: departments, who is competent, procedures, limits, calendars, officers, codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.directory.v1 import code_service_pb2 as codes_pb
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb

from services.common import yaml_text
from services.common.errors import NotFound
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import day, moment
from services.gateway.web.page import Page
from services.gateway.web.tables import Cell, Table, cells, page_url

router = APIRouter(prefix="/admin")
_UNITS: Final = ("h", "d", "wd", "month", "year")
_PSEUDO_ROLES: Final = ("author", "amended-author")
_AREAS: Final = "area"
_MOST_AREAS: Final = 200


def _title(page: Page, title: entries.Title) -> str:
    first, second = (title.zh, title.en) if page.language == "zh" else (title.en, title.zh)
    return first or second


def _tables(page: Page, heading: str, *sections: Table) -> Response:
    return page.render("admin_table.html", heading=page.t(heading), sections=sections)


def _columns(page: Page, *names: str) -> list[str]:
    return [page.t(f"admin.{each}") for each in names]


@router.get("/directory")
async def departments(page: SignedIn) -> Response:
    """All departments."""
    found = await page.ask(pb.ListDepartmentsRequest(), pb.ListDepartmentsResponse)
    rows = [
        cells(
            Cell(_title(page, each.title), f"/admin/directory/{each.name}", under=each.name),
            page.t(f"admin.{entries.Level.Name(each.level)}"),
            page.name_of(each.parent) if each.parent else "",
            Cell(str(len(each.sections)), tone="number"),
            each.number_word,
        )
        for each in found.departments
    ]
    columns = _columns(page, "department", "level", "parent", "sections", "number_word")
    return _tables(page, "admin.page_directory", Table(page.t("admin.page_directory"), columns, rows))


@router.get("/directory/{name}")
async def department(page: SignedIn, name: str) -> Response:
    """One department: its people, sections, keys and issuers."""
    found = await page.ask(pb.GetDepartmentRequest(name=name), pb.GetDepartmentResponse)
    it = found.department
    people = [
        cells(
            each.name,
            page.listed(_role(page, role) for role in each.roles),
            page.site.directory.section(name, each.section, page.language) if each.section else "",
            each.telephone,
            page.listed(each.mechanisms),
        )
        for each in found.people
        if not each.retired
    ]
    sections = [cells(each.id, _title(page, each.title)) for each in it.sections]
    keys = [
        cells(
            Cell(each.key_id, tone="code"), page.t(f"admin.{entries.KeyRole.Name(each.role)}"),
            moment(each.valid_from), moment(each.valid_until),
        )
        for each in it.keys
    ]  # fmt: skip
    issuers = [cells(each.issuer, Cell(each.public_key.hex(), tone="code")) for each in it.issuers]
    return page.render(
        "admin_table.html",
        heading=_title(page, it.title),
        sections=[
            Table(
                page.t("admin.people"),
                _columns(page, "person", "role", "section", "telephone", "mechanisms"),
                people,
            ),
            Table(page.t("admin.sections"), _columns(page, "id", "title"), sections),
            Table(page.t("admin.keys"), _columns(page, "id", "use", "since", "until"), keys),
            Table(page.t("admin.issuers"), _columns(page, "id", "key"), issuers),
        ],
    )


@router.get("/authority")
async def authority(page: SignedIn) -> Response:
    """Authority lists, duties, offices, categories and regional limits."""
    found = await page.ask(pb.GetRulesRequest(), pb.GetRulesResponse)
    areas = await _areas(page, {each.area_code for each in found.authorities if each.area_code})
    authorities = [
        cells(
            Cell(_title(page, each.title), under=each.item_code),
            page.name_of(each.department),
            page.t(f"admin.{entries.AuthorityMode.Name(each.mode)}"),
            Cell(
                areas.get(each.area_code, each.area_code),
                under=page.t(f"admin.{entries.AreaSplit.Name(each.split)}") if each.split else "",
            ),
            each.basis,
            Cell(day(each.valid_from), tone="date", under=day(each.valid_until)),
        )
        for each in found.authorities
        if not each.withdrawn
    ]
    duties = [
        cells(
            Cell(_title(page, each.title), under=each.subject),
            page.name_of(each.lead),
            page.listed(page.name_of(name) for name in each.co_acting),
            page.listed(each.item_codes),
        )
        for each in found.duties
    ]
    offices = [cells(each.procedure, page.name_of(each.department)) for each in found.offices]
    limits = [
        cells(
            Cell(each.procedure, f"/admin/procedures/{each.procedure}"), each.obligation, each.urgency,
            _span(page, each.within), each.clause, Cell(day(each.valid_from), tone="date", under=day(each.valid_until)),
        )
        for each in found.limits
    ]  # fmt: skip
    return _tables(
        page,
        "admin.page_authority",
        Table(
            page.t("admin.authorities"),
            _columns(page, "matter", "department", "mode", "area", "basis", "validity"),
            authorities,
        ),
        Table(page.t("admin.duties"), _columns(page, "matter", "lead", "co_acting", "items"), duties),
        Table(page.t("admin.offices"), _columns(page, "mechanism", "department"), offices),
        Table(
            page.t("admin.limits"),
            _columns(page, "mechanism", "obligation", "urgency", "within", "basis", "validity"),
            limits,
        ),
    )


@router.get("/procedures")
async def procedures(page: SignedIn) -> Response:
    """Procedures in force."""
    found = await page.ask(pb.ListProceduresRequest(), pb.ListProceduresResponse)
    rows = [
        cells(
            Cell(
                _title(page, each.title),
                f"/admin/procedures/{each.name}?version={each.version}",
                under=each.name,
            ),
            Cell(str(each.version), tone="number"),
            page.name_of(each.office) if each.office else "",
        )
        for each in found.procedures
    ]
    columns = _columns(page, "mechanism", "version", "office")
    return _tables(page, "admin.page_procedures", Table(page.t("admin.page_procedures"), columns, rows))


@router.get("/procedures/{name}")
async def procedure(
    page: SignedIn, name: str, version: Annotated[int, Query(ge=0, le=100_000)] = 0
) -> Response:
    """One procedure: who does what in which state, and what is owed when; and its source."""
    found = await page.ask(pb.GetProcedureRequest(name=name, version=version), pb.GetProcedureResponse)
    source: dict[str, Any] = yaml_text.values(found.procedure.source)
    index = 0 if page.language == "zh" else 1
    named = {
        kind: {key: pair[index] for key, pair in source.get(kind, {}).items()} for kind in ("roles", "states")
    }
    # roles that every procedure has: whoever wrote the letter, or the letter that is corrected
    named["roles"] |= {each: page.t(f"admin.role_{each.replace('-', '_')}") for each in _PSEUDO_ROLES}
    acts = [
        cells(
            Cell(it["title"][index], under=key),
            _listed(page, it.get("by", ()), named["roles"]),
            _listed(page, it.get("in", ()), named["states"]),
            named["states"].get(it.get("becomes", ""), ""),
            page.listed(_role(page, each) for each in it.get("approved_by", ())),
            _listed(page, it.get("copies", ()), named["roles"]),
        )
        for key, it in source.get("acts", {}).items()
    ]
    owed = [
        cells(
            Cell(it["title"][index], under=key),
            _listed(page, it.get("owed_by", ()), named["roles"]),
            _limit(page, it.get("within", "")),
            _listed(
                page,
                it.get("discharged_by", ()),
                {key: act["title"][index] for key, act in source["acts"].items()},
            ),
        )
        for key, it in source.get("obligations", {}).items()
    ]
    return page.render(
        "admin_procedure.html",
        heading=source["title"][index],
        clauses=source.get("source", ()),
        version=found.procedure.version,
        source=found.procedure.source,
        sections=[
            Table(
                page.t("admin.acts"),
                _columns(page, "act", "by", "in", "becomes", "approved_by", "copies"),
                acts,
            ),
            Table(
                page.t("admin.obligations"),
                _columns(page, "obligation", "owed_by", "within", "discharged_by"),
                owed,
            ),
        ],
    )


async def _areas(page: Page, wanted: Iterable[str]) -> dict[str, str]:
    """What areas are called, by code; those that the code table does not know are left out."""

    async def title(code: str) -> tuple[str, str]:
        try:
            found = await page.ask(codes_pb.GetCodeRequest(table=_AREAS, code=code), codes_pb.GetCodeResponse)
        except NotFound:
            return code, code
        return code, _title(page, found.code.row.title)

    return dict(await asyncio.gather(*(title(each) for each in sorted(wanted)[:_MOST_AREAS])))


def _listed(page: Page, names: str | Sequence[str], titles: Mapping[str, str]) -> str:
    found = [names] if isinstance(names, str) else names
    return page.listed(titles.get(each, each) for each in found)


def _limit(page: Page, within: Any) -> str:
    """A limit in words, or one for each urgency."""
    if not isinstance(within, dict):
        return _span(page, str(within))
    colon = "：" if page.language == "zh" else ": "
    return page.listed(
        f"{page.t(f'sheet.urgency_{key}')}{colon}{_span(page, str(value))}" for key, value in within.items()
    )


def _span(page: Page, limit: str) -> str:
    """A limit such as `3 wd`, `at once` or `requested_limit` in words."""
    if limit in ("at once", "requested_limit"):
        return page.t(f"admin.limit_{limit.replace(' ', '_')}")
    amount, _, unit = limit.partition(" ")
    return page.t(f"admin.limit_{unit}", count=amount) if unit in _UNITS else limit


def _role(page: Page, name: str) -> str:
    return str(page.site.templates.filters["role"](name, page.language))


@router.get("/calendar")
async def calendar(page: SignedIn, year: Annotated[int, Query(ge=2000, le=2200)] = 0) -> Response:
    """A year's holidays and make-up days."""
    shown = year or page.now.year
    found = await page.ask(pb.GetCalendarRequest(year=shown), pb.GetCalendarResponse)
    return page.render("admin_calendar.html", it=found.calendar, provisional=found.provisional, year=shown)


@router.get("/officers")
async def officers(
    page: SignedIn,
    department: Annotated[str, Query(max_length=120)] = "",
    token: Annotated[str, Query(alias="page", max_length=400)] = "",
) -> Response:
    """Officers' certificates, with how they stand."""
    found = await page.ask(
        pb.ListOfficersRequest(department=department, page_size=100, page_token=token),
        pb.ListOfficersResponse,
    )
    tones = {pb.OFFICER_STATE_VALID: "good", pb.OFFICER_STATE_ENDING: "wait", pb.OFFICER_STATE_AHEAD: "wait"}
    rows = [
        cells(
            Cell(each.certificate.name, under=each.certificate.number),
            page.name_of(each.certificate.department),
            page.listed(each.certificate.scope) or page.t("admin.all_matters"),
            Cell(page.t(f"admin.{pb.OfficerState.Name(each.state)}"), tone=tones.get(each.state, "bad")),
            Cell(day(each.certificate.valid_from), tone="date", under=day(each.certificate.valid_until)),
            Cell(str(each.days_left), tone="number"),
        )
        for each in found.officers
    ]
    columns = _columns(page, "person", "department", "matter", "state", "validity", "days_left")
    url = page_url("/admin/officers", found.next_page_token, department=department)
    return _tables(
        page, "admin.page_officers", Table(page.t("admin.page_officers"), columns, rows, next_url=url)
    )


@router.get("/codes")
async def codes(
    page: SignedIn,
    table: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=60)] = "",
    token: Annotated[str, Query(alias="page", max_length=200)] = "",
) -> Response:
    """Code tables, searched by words and by pinyin initials."""
    listed = await page.ask(codes_pb.ListTablesRequest(), codes_pb.ListTablesResponse)
    rows: list[list[Cell]] = []
    url = ""
    if table or q:
        found = await page.ask(
            codes_pb.SearchCodesRequest(
                table=table, query=q, page_size=100, page_token="" if q else token, include_retired=True
            ),
            codes_pb.SearchCodesResponse,
        )
        rows = [
            cells(
                Cell(each.row.code, tone="code"),
                _title(page, each.row.title),
                each.row.parent,
                Cell(
                    page.t("admin.usable" if each.usable else "admin.retired"),
                    tone="good" if each.usable else "bad",
                ),
            )
            for each in found.codes
        ]
        url = page_url("/admin/codes", found.next_page_token, table=table, q=q)
    columns = _columns(page, "code", "title", "parent_code", "state")
    return page.render(
        "admin_codes.html",
        tables_listed=[
            (each.name, _title(page, each.title), each.version, each.rows) for each in listed.tables
        ],
        found=Table(page.t("admin.page_codes"), columns, rows, page.t("admin.search_codes"), url),
        chosen={"table": table, "q": q},
    )
