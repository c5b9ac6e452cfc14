"""Rows of work: documents in a chain and cases with a limit, in one list by due time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import handling_service_pb2 as handling

from services.gateway.web.filters import ZONE, at
from services.gateway.web.page import Page

NEVER: Final = datetime(2099, 12, 31, tzinfo=UTC)
"""Later than anything is due; services take no later time."""
_OVER: Final = "-"
"""In place of a page token: nothing is left of a source."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list.

    Attributes:
        key: Its own in the list, for the browser.
        href: Where it leads.
        title: What it is about.
        act: What is to be done or was done, in the words of the rules.
        others: Titles of the other departments.
        way: `from`, `to` or `with` them.
        number: Of the letter; empty for none.
        state: Where it stands.
        due_at: None without a limit.
        due_href: Where its computation is shown; empty for none.
        case_id: The case.
        acting_for: In whose place it may be done.
    """

    key: str
    href: str
    title: str
    act: str
    others: tuple[str, ...]
    way: str
    number: str
    state: str
    due_at: datetime | None
    due_href: str
    case_id: str
    acting_for: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A page of one source, in the order of the list."""

    rows: Sequence[Row]
    token: str


Source = Callable[[str, int], Awaitable[Batch]]
"""Takes a page token and a size."""


def due_key(row: Row) -> datetime:
    """What is due first comes first; what has no limit comes last."""
    return row.due_at or NEVER


async def page_of(
    sources: Sequence[Source],
    tokens: Sequence[str],
    size: int,
    *,
    key: Callable[[Row], Any] = due_key,
    newest: bool = False,
    once: bool = False,
) -> tuple[list[Row], list[str]]:
    """One page of several sources, merged; returns its rows and where each source goes on.

    Args:
        sources: Each in its order.
        tokens: Where each goes on, from the page before; empty to begin.
        size: Rows of a page.
        key: The order.
        newest: From the highest key down.
        once: A case stands in a page once, though several sources have it.
    """
    asked = [*tokens, *[""] * len(sources)][: len(sources)]
    batches = await asyncio.gather(
        *(_asked(source, token, size) for source, token in zip(sources, asked, strict=True))
    )
    merged = list(
        heapq.merge(
            *([(key(row), index, row) for row in batch.rows] for index, batch in enumerate(batches)),
            key=lambda each: each[0],
            reverse=newest,
        )
    )[:size]
    taken = [sum(index == each for _, index, _ in merged) for each in range(len(sources))]
    following = await asyncio.gather(
        *(
            _following(source, token, batch, count)
            for source, token, batch, count in zip(sources, asked, batches, taken, strict=True)
        )
    )
    rows = [row for _, _, row in merged]
    if once:
        rows = list({row.case_id: row for row in reversed(rows)}.values())[::-1]
    return rows, ([] if all(each == _OVER for each in following) else list(following))


async def _asked(source: Source, token: str, size: int) -> Batch:
    return Batch((), "") if token == _OVER else await source(token, size)


async def _following(source: Source, token: str, batch: Batch, taken: int) -> str:
    if taken == len(batch.rows):
        return batch.token or _OVER
    if taken == 0:
        return token
    # asked again for exactly what was shown: its token leads to the first that was not
    return (await source(token, taken)).token


def work(page: Page, which: handling.WorkList.ValueType, **narrowed: datetime | bool | None) -> Source:
    """A person's documents as rows."""

    async def source(token: str, size: int) -> Batch:
        request = handling.ListWorkRequest(list=which, page_size=size, page_token=token)
        _narrow(request, narrowed)
        found = await page.ask(request, handling.ListWorkResponse)
        return Batch([work_row(page, each) for each in found.items], found.next_page_token)

    return source


def owed(page: Page, act: str = "", **narrowed: datetime | bool | None) -> Source:
    """Cases in which the department owes something, or may do an act, as rows."""

    async def source(token: str, size: int) -> Batch:
        request = cases.ListCasesRequest(page_size=size, page_token=token, act=act)
        _narrow(request, narrowed)
        found = await page.ask(request, cases.ListCasesResponse)
        rows = [case_row(page, each) for each in found.cases]
        if act:
            rows = [_to_sign_for(page, row) for row in rows]
        return Batch(rows, found.next_page_token)

    return source


def _narrow(
    request: handling.ListWorkRequest | cases.ListCasesRequest, narrowed: dict[str, datetime | bool | None]
) -> None:
    for name, value in narrowed.items():
        if isinstance(value, datetime):
            getattr(request, name).FromDatetime(value.astimezone(UTC).replace(tzinfo=None))
        elif value:
            setattr(request, name, value)


def work_row(page: Page, item: handling.WorkItem) -> Row:
    """A task, or a document that waits for others."""
    document = item.document
    row = document_row(page, document)
    if not item.HasField("task"):
        return row
    task = item.task
    due = task.call.confirm_by if task.outcome == handling.TASK_OUTCOME_PROVISIONAL else task.due_at
    return Row(
        key=f"{row.key}-{task.task}", href=row.href, title=row.title, act=row.act, others=row.others,
        way=row.way, number=row.number, state=page.title(task), due_at=at(due), due_href="",
        case_id=row.case_id, acting_for=item.acting_for.name,
    )  # fmt: skip


def document_row(page: Page, document: handling.DocumentView) -> Row:
    """A document."""
    inbound = document.direction == handling.DIRECTION_INBOUND
    act = page.title(document, "act_title") or document.act
    state = page.title(document, "step_title")
    if not state:
        discarded = document.state == handling.DOCUMENT_STATE_DISCARDED
        done = "work.finished" if inbound else "work.sent"
        state = page.t("work.discarded" if discarded else done)
    return Row(
        key=f"d-{document.document_id}",
        href=f"/documents/{document.document_id}",
        title=document.title or act,
        act=act,
        others=tuple(page.name_of(each) for each in document.departments),
        way="from" if inbound else "to",
        number=(document.letter_number if inbound else "") or document.number,
        state=state,
        due_at=at(document.due_at),
        due_href="",
        case_id=document.case_id,
    )


def case_row(page: Page, case: cases.CaseSummary) -> Row:
    """A case, with what the department owes next."""
    due_href = f"/cases/{case.case_id}/obligations/{case.next_rule}/0" if case.next_rule else ""
    return Row(
        key=f"c-{case.case_id}",
        href=f"/cases/{case.case_id}",
        title=case.title or page.t("work.untitled"),
        act=page.title(case, "next_title"),
        others=page.others(case.parties),
        way="with",
        number="",
        state=page.title(case, "state_title") or case.state,
        due_at=at(case.next_due_at),
        due_href=due_href,
        case_id=case.case_id,
    )


def _to_sign_for(page: Page, row: Row) -> Row:
    return Row(
        key=f"s-{row.case_id}", href=f"/sign-for/{row.case_id}", title=row.title,
        act=page.t("work.sign_for"), others=row.others, way="from", number=row.number, state=row.state,
        due_at=row.due_at, due_href=row.due_href, case_id=row.case_id,
    )  # fmt: skip


def soon_before(now: datetime, is_working_day: Callable[[date], bool]) -> datetime:
    """Before when something is due soon: right behind the end of the next working day, which still is."""
    day = now.astimezone(ZONE).date() + timedelta(days=1)
    for _ in range(30):
        if is_working_day(day):
            break
        day += timedelta(days=1)
    return end_of(day) + timedelta(microseconds=1)


def end_of(day: date) -> datetime:
    """24:00 of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(days=1)
