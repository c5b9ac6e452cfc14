"""A subject's file: everything the department knows about one unit or person, for a purpose that is noted."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import subject_service_pb2 as pb

from services.common.errors import LiandongError
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import day, moment
from services.gateway.web.page import Page, said
from services.gateway.web.tables import Cell, Table, cells

router = APIRouter()
_FEN = 100
_IDENTIFIER_LENGTHS = (15, 18)


@router.get("/subjects")
async def asked(page: SignedIn) -> Response:
    """Where one asks: by identifier or name, and what for."""
    return page.render("subjects.html", typed={}, wrong={}, found=None)


@router.post("/subjects")
async def file(page: SignedIn) -> Response:
    """The file, or who may be meant. A form is sent, so that no identifier stands in an address or a log."""
    words, purpose = page.text_of("subject"), page.text_of("purpose")
    typed = {"subject": words, "purpose": purpose}
    compact = words.replace(" ", "").upper()
    by_number = len(compact) in _IDENTIFIER_LENGTHS and compact.isascii() and compact.isalnum()
    request = pb.GetSubjectFileRequest(
        identifier=compact if by_number else "", name="" if by_number else words, purpose=purpose,
        page_size=50, page_token=page.text_of("page"),
    )  # fmt: skip
    try:
        found = await page.ask(request, pb.GetSubjectFileResponse)
    except LiandongError as error:
        wrong = {
            ("subject" if name in {"identifier", "name", ""} else name): text
            for name, text in said(error).items()
        }
        return page.render("subjects.html", status=400, typed=typed, wrong=wrong, found=None)
    return page.render(
        "subjects.html",
        typed=typed,
        wrong={},
        found=found,
        kinds={value: page.t(f"subjects.kind_{name}") for name, value in bodies_pb2.SubjectKind.items()},
        names=_names(page, found),
        cases=_cases(page, found),
        penalties=_penalties(page, found),
        bulletins=_bulletins(page, found),
        recurrences=_recurrences(page, found),
    )


def _names(page: Page, found: pb.GetSubjectFileResponse) -> Table:
    return Table(
        page.t("subjects.names"),
        [page.t(f"subjects.{each}") for each in ("name", "first", "last", "count")],
        [
            cells(each.name, day(each.first_at), day(each.last_at), Cell(str(each.cases), tone="number"))
            for each in found.names
        ],
    )


def _cases(page: Page, found: pb.GetSubjectFileResponse) -> Table:
    return Table(
        page.t("subjects.cases"),
        [page.t(f"subjects.{each}") for each in ("case", "state", "name", "due", "letters", "changed")],
        [
            cells(
                Cell(each.case.title or each.case.procedure, f"/cases/{each.case.case_id}"),
                page.title(each.case, "state_title"),
                Cell(each.name, under=page.t("subjects.by_name_only") if each.by_name_only else ""),
                _due(page, each),
                Cell(str(each.letter_count), tone="number"),
                moment(each.case.changed_at),
            )
            for each in found.cases
        ],
        page.t("subjects.no_cases"),
    )


def _due(page: Page, case: pb.SubjectCase) -> Cell:
    if not case.obligations:
        return Cell()
    first = min(case.obligations, key=lambda each: each.due_at.ToNanoseconds())
    said_due = page.due(first.due_at, first.suspended)
    return Cell(said_due.words, under=said_due.until, tone=said_due.tone) if said_due else Cell()


def _penalties(page: Page, found: pb.GetSubjectFileResponse) -> Table:
    return Table(
        page.t("subjects.penalties"),
        [page.t(f"subjects.{each}") for each in ("number", "author", "fine", "decided")],
        [
            cells(
                Cell(each.decision_number or page.t("subjects.no_number"), f"/cases/{each.case_id}"),
                page.name_of(each.author),
                Cell(f"{each.fine_fen / _FEN:,.2f}", tone="number"),
                day(each.decided_at),
            )
            for each in found.penalties
        ],
    )


def _bulletins(page: Page, found: pb.GetSubjectFileResponse) -> Table:
    return Table(
        page.t("subjects.bulletins"),
        [page.t(f"subjects.{each}") for each in ("title", "author", "formed")],
        [
            cells(
                Cell(each.title, f"/sharing/{each.item_id}"), page.name_of(each.author), day(each.formed_at)
            )
            for each in found.bulletins
        ],
    )


def _recurrences(page: Page, found: pb.GetSubjectFileResponse) -> Table:
    return Table(
        page.t("subjects.recurrences"),
        [page.t(f"subjects.{each}") for each in ("mechanism", "item", "count", "last")],
        [
            cells(each.procedure, each.item_code, Cell(str(each.cases), tone="number"), day(each.last_at))
            for each in found.recurrences
        ],
    )
