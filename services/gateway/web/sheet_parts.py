"""What a sheet learns while it is typed: who the subject is, who is competent, which codes there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import subject_service_pb2 as subjects
from liandong.directory.v1 import code_service_pb2 as codes
from liandong.directory.v1 import directory_service_pb2 as directory

from services.common.errors import LiandongError, NotFound
from services.gateway.sheets.model import Sheet
from services.gateway.web.page import Page
from services.gateway.web.procedures import say
from services.gateway.web.sheet_forms import RECEIVER, Plan, kind_of, subject_rows
from services.gateway.web.texts import text

_MOST_FOUND: Final = 12
_SHORTEST: Final = 8
_MOST_CASES: Final = 5
_MOST_NAME: Final = 200
_MOST_ASKED: Final = 20
_TOLD_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here of one subject of a sheet.

    Attributes:
        row: Its row, such as `transfer_letter.subjects.0`.
        identifier: As typed, in capitals.
        valid: Its check digit is right.
        kind: `UNIT`, `CITIZEN` or `UNKNOWN`.
        fill: What may be filled in where nothing is typed, by field.
        cases: Cases about it, the newest first.
        open: How many of them are not over.
        more: There are more than are shown.
        failed: The node did not answer.
    """

    row: str
    identifier: str
    valid: bool
    kind: str
    fill: dict[str, str]
    cases: tuple[subjects.SubjectCase, ...] = ()
    open: tuple[subjects.SubjectCase, ...] = ()
    more: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A code that may be chosen."""

    code: str
    title: str
    hint: str = ""


async def known_subjects(page: Page, plan: Plan, sheet: Sheet) -> list[Known]:
    """What is known of each subject that has an identifier."""
    typed = [
        (row, sheet.one(f"{row}.identifier").strip().upper()) for row in subject_rows(plan, sheet.fields)
    ]
    wanted = [(row, identifier) for row, identifier in typed if len(identifier) >= _SHORTEST]
    return list(await asyncio.gather(*(_known(page, plan, row, each, sheet) for row, each in wanted)))


async def _known(page: Page, plan: Plan, row: str, identifier: str, sheet: Sheet) -> Known:
    kind = kind_of(identifier)
    if kind == "UNKNOWN":
        return Known(row, identifier, False, kind, {})
    try:
        found = await page.ask(
            subjects.GetSubjectFileRequest(
                identifier=identifier, purpose=page.t("sheet.purpose"), page_size=20
            ),
            subjects.GetSubjectFileResponse,
        )
    except NotFound:
        return Known(row, identifier, True, kind, {"kind": kind})
    except LiandongError:
        return Known(row, identifier, True, kind, {"kind": kind}, failed=True)
    about = [each for each in found.cases if each.case.case_id != sheet.case_id]
    running = tuple(each for each in about if each.case.state not in plan.procedure.final)
    fill = {"kind": kind, "name": found.subject.name}
    fill |= await _details(page, identifier, found)
    return Known(
        row, identifier, True, kind, {name: said for name, said in fill.items() if said},
        cases=tuple(about[:_MOST_CASES]), open=running[:_MOST_CASES],
        more=len(about) > _MOST_CASES or bool(found.next_page_token),
    )  # fmt: skip


async def _details(page: Page, identifier: str, found: subjects.GetSubjectFileResponse) -> dict[str, str]:
    """Address, telephone and representative: of the register, else as the newest case has them."""
    candidates: list[bodies.Subject] = [each.subject for each in found.registered]
    if not candidates and found.cases:
        try:
            case = await page.ask(
                cases.GetCaseRequest(case_id=found.cases[0].case.case_id), cases.GetCaseResponse
            )
            candidates = list(case.case.subjects)
        except LiandongError:
            return {}
    for each in candidates:
        if each.identifier.upper() == identifier:
            return {name: getattr(each, name) for name in ("address", "telephone", "representative")}
    return {}


async def cases_elsewhere(page: Page, plan: Plan, sheet: Sheet) -> list[tuple[str, str]]:
    """What the drafter should know of open cases of other departments, in both languages, before anything is made.

    Asked once for the subjects as they are: each question stands in audits here and at the registry.
    """
    named = dict[str, str]()
    for row in subject_rows(plan, sheet.fields):
        identifier = sheet.one(f"{row}.identifier").strip().upper()
        if kind_of(identifier) != "UNKNOWN":
            named[identifier] = sheet.one(f"{row}.name").strip()[:_MOST_NAME]
    wanted = list(named.items())[:_MOST_ASKED]
    if not wanted:
        return []
    request = subjects.FindCasesElsewhereRequest(
        subjects=[subjects.DraftedSubject(identifier=each, name=name) for each, name in wanted],
        purpose=page.t("sheet.purpose"),
    )

    async def ask() -> subjects.FindCasesElsewhereResponse:
        found = await page.ask(request, subjects.FindCasesElsewhereResponse)
        if any(each.kind == cases.DRAFT_WARNING_KIND_NOT_ASKED for each in found.warnings):
            raise _NotAsked(found)
        return found

    key = (page.caller.department, page.caller.subject, sheet.id, tuple(sorted(wanted)))
    try:
        found = await page.site.elsewhere.get(key, _TOLD_FOR, ask)
    except _NotAsked as unknown:
        found = unknown.found
    except LiandongError as error:
        if error.code != "PERMISSION_DENIED":
            return [(text("sheet.elsewhere_failed", "zh"), text("sheet.elsewhere_failed", "en"))]
        # whoever only reads the draft is told nothing
        return []
    return [(each.message_zh, each.message_en) for each in found.warnings]


class _NotAsked(Exception):
    """The registry gave no answer, which is not kept."""

    def __init__(self, found: subjects.FindCasesElsewhereResponse) -> None:
        super().__init__()
        self.found = found


async def proposals(page: Page, plan: Plan, sheet: Sheet) -> list[directory.RouteProposal] | None:
    """Who is competent for the matter, best first; oneself is not proposed. None: nobody could be asked."""
    item = sheet.one("item_code")
    if RECEIVER not in plan.roles or not item:
        return []
    try:
        found = await page.ask(
            directory.ProposeRouteRequest(item_code=item, area_code=sheet.one("area_code")),
            directory.ProposeRouteResponse,
        )
    except NotFound:
        return []
    except LiandongError:
        return None
    return [each for each in found.proposals if each.department != page.caller.department]


async def search(page: Page, plan: Plan, field: str, query: str) -> list[Code] | None:
    """Codes for a field of the header: of the tables that hold it, else of the authority list.

    None: the node could not be asked, which is not the same as nothing found.
    """
    query = query.strip()[:60]
    if not query:
        return []
    try:
        tables = await _tables(page, plan, field)
        if tables:
            answers = await asyncio.gather(
                *(
                    page.ask(
                        codes.SearchCodesRequest(table=each, query=query, page_size=_MOST_FOUND),
                        codes.SearchCodesResponse,
                    )
                    for each in tables
                )
            )
            found = [one for answer in answers for one in answer.codes]
            return [Code(each.row.code, say(each.row.title, page.language)) for each in found[:_MOST_FOUND]]
        return await _matters(page, query) if field == "item_code" else []
    except LiandongError:
        return None


async def title_of(page: Page, plan: Plan, field: str, code: str) -> str:
    """What a code is called; empty if nobody knows it."""
    if not code:
        return ""
    try:
        for table in await _tables(page, plan, field):
            try:
                found = await page.ask(codes.GetCodeRequest(table=table, code=code), codes.GetCodeResponse)
            except NotFound:
                continue
            return say(found.code.row.title, page.language)
        if field == "item_code":
            return next((each.title for each in await _all_matters(page) if each.code == code), "")
    except LiandongError:
        pass
    return ""


async def _tables(page: Page, plan: Plan, field: str) -> list[str]:
    listed = await page.ask(codes.ListTablesRequest(), codes.ListTablesResponse)
    return [
        each.name
        for each in listed.tables
        if any(use.field == field and use.procedure in ("", plan.procedure.name) for use in each.uses)
    ]


async def _all_matters(page: Page) -> Sequence[Code]:
    rules = await page.ask(directory.GetRulesRequest(), directory.GetRulesResponse)
    found = {
        each.item_code: Code(each.item_code, say(each.title, page.language), page.name_of(each.department))
        for each in rules.authorities
        if not each.withdrawn and not each.area_code
    }
    return list(found.values())


async def _matters(page: Page, query: str) -> list[Code]:
    words = query.casefold().split()
    found = [
        each
        for each in await _all_matters(page)
        if all(word in f"{each.code} {each.title} {each.hint}".casefold() for word in words)
    ]
    return found[:_MOST_FOUND]
