"""Search: cases by anything that people know of them, with where it matched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as cases

from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page
from services.gateway.web.texts import catalogue
from services.gateway.web.worklist import Row, case_row

router = APIRouter()
LONGEST: Final = 100
_SIZE: Final = 50
_SUBJECTS: Final = frozenset({"subject", "identifier", "pinyin"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A case that was found.

    Attributes:
        row: As lists show it.
        where: In which of its words.
        before: Of the piece that matched, what stands before.
        marked: What matched.
        after: What stands behind.
        subject: Where the subject's file is asked for; empty if it was no subject that matched.
    """

    row: Row
    where: str
    before: str
    marked: str
    after: str
    subject: str


@router.get("/search")
async def search(page: SignedIn, q: Annotated[str, Query()] = "") -> Response:
    """What was found; without a query the box alone."""
    query = "".join(each for each in q if each.isprintable()).strip()[:LONGEST]
    hits: list[Hit] = []
    if query:
        found = await page.ask(
            cases.SearchCasesRequest(query=query, page_size=_SIZE), cases.SearchCasesResponse
        )
        hits = [_hit(page, each) for each in found.cases]
    return page.render("search.html", query=query, hits=hits, most=_SIZE)


def _hit(page: Page, case: cases.CaseSummary) -> Hit:
    text, begin, end = case.match.text, case.match.begin, case.match.begin + case.match.length
    name = f"search.in_{case.matched.replace('-', '_')}"
    # a name that was found leads to what else is known about it
    subject = f"/subjects?q={quote(text, safe='')}" if case.matched in _SUBJECTS and text else ""
    return Hit(
        row=case_row(page, case),
        where=page.t(name) if name in catalogue() else "",
        before=text[:begin],
        marked=text[begin:end],
        after=text[end:],
        subject=subject,
    )
