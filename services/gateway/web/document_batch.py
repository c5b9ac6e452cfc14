"""Approving several letters at once: only such as are the same act under the same clause, each shown (批量审批)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.cases.v1 import handling_service_pb2 as handling

from services.common.errors import InvalidField, LiandongError
from services.gateway.web import worklist
from services.gateway.web.access import SignedIn
from services.gateway.web.documents import AGREEING, Letter, letter_of, whole
from services.gateway.web.page import Page
from services.gateway.web.phrases import phrases_of
from services.gateway.web.worklist import Row

router = APIRouter()
MOST: Final = 20
"""Letters approved at once: each is to be read."""
_LOOKED_AT: Final = 200
_AT_ONCE: Final = 6
_NOTE: Final = 2000


@dataclass(frozen=True, slots=True)
class Alike:
    """One letter that can be approved with others.

    Attributes:
        row: As lists show it.
        task: Its task.
        digest: Of the content that is shown, in hexadecimal.
        letter: What it says.
    """

    row: Row
    task: int
    digest: str
    document_id: str
    letter_id: str
    letter: Letter

    @property
    def value(self) -> str:
        """What the form sends."""
        return f"{self.document_id}|{self.task}|{self.digest}"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one; `failed` is empty if it was approved."""

    row: Row
    failed: str


@router.get("/documents/batch")
async def batch(page: SignedIn, like: Annotated[str, Query(max_length=36)] = "") -> Response:
    """Letters alike, or the kinds of letters that wait for the person."""
    if not like:
        return page.render("batch_kinds.html", kinds=_kinds(await _waiting(page)), rows=worklist)
    return await _show(page, like)


@router.post("/documents/batch")
async def approve(page: SignedIn, like: Annotated[str, Query(max_length=36)]) -> Response:
    """Agree to those that were chosen; each exactly as it was shown."""
    alike = {(each.document_id, each.task): each for each in await _alike(page, like)}
    chosen = [each for each in page.form.getlist("item") if isinstance(each, str)][:MOST]
    if not chosen:
        return await _show(page, like, wrong=page.t("batch.none_chosen"))
    note, results = page.text_of("note")[:_NOTE], []
    for each in chosen:
        document_id, task, digest = _parts(each)
        one = alike.get((document_id, task))
        if one is None:
            # done meanwhile, or not of this act and clause
            results.append(Result(await _row(page, document_id), page.t("batch.not_alike")))
            continue
        request = handling.CompleteStepRequest(
            document_id=document_id, task=task, content_digest=digest, note=note
        )
        failed = ""
        try:
            await page.ask(request, handling.CompleteStepResponse)
        except LiandongError as error:
            failed = page.why(error)
        results.append(Result(one.row, failed))
    return page.render("batch_done.html", results=results, like=like)


async def _show(page: Page, like: str, *, wrong: str = "") -> Response:
    alike, phrases = await asyncio.gather(_alike(page, like), phrases_of(page))
    return page.render(
        "batch.html", status=400 if wrong else 200, alike=alike, like=like, most=MOST, phrases=phrases,
        wrong=wrong,
    )  # fmt: skip


async def _row(page: Page, document_id: str) -> Row:
    return worklist.document_row(page, (await whole(page, document_id)).document)


def _parts(text: str) -> tuple[str, int, bytes]:
    document_id, _, rest = text.partition("|")
    task, _, digest = rest.partition("|")
    try:
        return document_id, int(task[:4]), bytes.fromhex(digest)
    except ValueError:
        raise InvalidField("The form does not say what was shown.", field="item") from None


async def _waiting(page: Page) -> Sequence[handling.WorkItem]:
    request = handling.ListWorkRequest(list=handling.WORK_LIST_TO_APPROVE, page_size=_LOOKED_AT)
    found = await page.ask(request, handling.ListWorkResponse)
    return [
        each
        for each in found.items
        if each.task.kind in AGREEING and each.task.outcome == handling.TASK_OUTCOME_OPEN
    ]


def _kinds(waiting: Sequence[handling.WorkItem]) -> list[tuple[handling.WorkItem, int]]:
    """One of each act and step, and how many there are."""
    found: dict[tuple[str, str, int], list[handling.WorkItem]] = {}
    for each in waiting:
        found.setdefault(_kind(each.document, each.task), []).append(each)
    return [(items[0], len(items)) for items in found.values()]


def _kind(document: handling.DocumentView, task: handling.TaskView) -> tuple[str, str, int]:
    return document.procedure, document.act, task.kind


async def _alike(page: Page, like: str) -> list[Alike]:
    """What waits for the person and is the same act, step and clause as one document."""
    waiting = await _waiting(page)
    first = next((each for each in waiting if each.document.document_id == like), None)
    if first is None:
        return []
    same = [first] + [
        each
        for each in waiting
        if each is not first and _kind(each.document, each.task) == _kind(first.document, first.task)
    ]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(item: handling.WorkItem) -> Alike:
        async with gate:
            letter = await letter_of(page, item.document)
        return Alike(
            worklist.work_row(page, item), item.task.task, item.document.content_digest.hex(),
            item.document.document_id, item.document.letter_id, letter,
        )  # fmt: skip

    found = await asyncio.gather(*(read(each) for each in same[: MOST * 2]))
    return [each for each in found if each.letter.clause == found[0].letter.clause][:MOST]
