"""Lists that are merged of several sources, page by page; and what is due soon."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from services.gateway.web.filters import ZONE
from services.gateway.web.worklist import Batch, Row, page_of, soon_before

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def row(name: str, due: int | None, case_id: str = "") -> Row:
    return Row(
        key=name, href="/", title=name, act="", others=(), way="with", number="", state="",
        due_at=None if due is None else BEGIN + timedelta(hours=due), due_href="", case_id=case_id or name,
    )  # fmt: skip


@dataclass
class Listed:
    """A source over rows; its tokens are places."""

    rows: Sequence[Row]
    asked: list[int] = field(default_factory=list)

    async def __call__(self, token: str, size: int) -> Batch:
        begin = int(token or 0)
        self.asked.append(size)
        end = begin + size
        return Batch(self.rows[begin:end], str(end) if end < len(self.rows) else "")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 20])
async def test_pages_of_two_sources_join_to_the_whole(size: int) -> None:
    """By due time, nothing twice, nothing left out, whatever the size of a page; no limit comes last."""
    tasks = [row(f"t{each}", each) for each in (1, 4, 4, 9)] + [row("t-never", None)]
    cases = [row(f"c{each}", each) for each in (2, 3, 4, 10, 11, 12)]
    found: list[Row] = []
    tokens: list[str] = []
    for _ in range(30):
        rows, tokens = await page_of([Listed(tasks), Listed(cases)], tokens, size)
        found += rows
        if not tokens:
            break
    assert found == sorted([*tasks, *cases], key=lambda each: each.due_at or datetime.max.replace(tzinfo=UTC))
    assert len(found) == len(tasks) + len(cases)


async def test_the_newest_first_where_that_is_the_order() -> None:
    """By the key, downwards, over the sources."""
    sources = [Listed([row("d", None), row("a", None)]), Listed([row("c", None), row("b", None)])]
    rows, tokens = await page_of(sources, [], 3, key=lambda each: each.key, newest=True)
    assert [each.key for each in rows] == ["d", "c", "b"]
    rows, tokens = await page_of(sources, tokens, 3, key=lambda each: each.key, newest=True)
    assert ([each.key for each in rows], tokens) == (["a"], [])


async def test_a_case_stands_once_though_two_sources_have_it() -> None:
    """The first source's row stays."""
    sources = [Listed([row("s", 1, "case")]), Listed([row("d", 1, "case"), row("e", 2, "other")])]
    rows, _ = await page_of(sources, [], 10, once=True)
    assert [each.key for each in rows] == ["s", "e"]


async def test_a_source_at_its_end_is_not_asked_again() -> None:
    """And where nothing follows, nothing is asked for twice."""
    short, long = Listed([row("a", 0)]), Listed([row(f"b{each}", each) for each in range(1, 6)])
    _, tokens = await page_of([short, long], [], 3)
    assert short.asked == [3]
    await page_of([short, long], tokens, 3)
    assert short.asked == [3]


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-04T10:00", date(2026, 3, 5)),
        ("2026-03-06T10:00", date(2026, 3, 9)),
        ("2026-03-07T10:00", date(2026, 3, 9)),
        ("2026-03-08T23:59", date(2026, 3, 9)),
    ],
)
def test_soon_is_until_the_end_of_the_next_working_day(now: str, day: date) -> None:
    """What is due at its 24:00 sharp is due soon; a moment later is not."""
    before = soon_before(datetime.fromisoformat(now).replace(tzinfo=ZONE), lambda each: each.weekday() < 5)
    end = datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(days=1)
    assert end < before <= end + timedelta(microseconds=1)
