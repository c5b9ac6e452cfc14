"""What the picture shows, from what the registry counts."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.gateway.web import picture_view as view
from tests.unit.procedures.deadline_samples import at

HEALTH, MARKET, WATER = "health.qinghe", "market.qinghe", "water.qinghe"


def cell(department: str, procedure: str = "case-transfer", **counts: Any) -> pb.MatrixCell:
    return pb.MatrixCell(department=department, procedure=procedure, **counts)


@pytest.mark.parametrize(
    ("counts", "tone", "shown"),
    [
        ({}, "", []),
        ({"open": 3}, "good", [("open", 3)]),
        ({"open": 3, "soon": 3}, "wait", [("soon", 3)]),
        ({"open": 3, "soon": 1}, "wait", [("soon", 1), ("open", 2)]),
        ({"disputed": 1}, "wait", [("disputed", 1)]),
        ({"open": 1, "overdue": 2, "disputed": 1}, "bad", [("overdue", 2), ("disputed", 1), ("open", 1)]),
    ],
)
def test_a_light_is_that_of_the_worst(
    counts: dict[str, int], tone: str, shown: list[tuple[str, int]]
) -> None:
    """And every count stands beside it once, with a mark of its own."""
    found = view.cell_of(cell(HEALTH, "case-transfer", **counts))
    assert found.tone == tone
    assert [(each.state, each.number) for each in found.counts] == shown
    assert len({each.mark for each in found.counts}) == len(shown)


def test_the_worst_department_comes_first_and_the_total_is_of_all() -> None:
    """By what is overdue, then by what is due soon; who has nothing is shown where wanted."""
    found = [
        cell(HEALTH, open=5, soon=1), cell(MARKET, overdue=2), cell(MARKET, "inspection", open=1),
    ]  # fmt: skip
    grid = view.grid(found, [WATER], ["consultation"])
    assert grid.departments == (MARKET, HEALTH, WATER)
    assert grid.procedures == ("case-transfer", "consultation", "inspection")
    assert [grid.total.number(state) for state in view.STATES] == [2, 1, 0, 5]
    assert grid.row(MARKET).number("open") == 1
    one = view.grid(found, [], [], "inspection")
    assert (one.departments, one.procedures) == ((MARKET,), ("inspection",))


def test_soon_is_until_the_end_of_the_next_working_day() -> None:
    """On a Friday until Monday's."""
    friday = at("2026-03-06 10:00")
    assert view.soon_before(friday, lambda day: day.weekday() < 5) == at("2026-03-10 00:00").astimezone(UTC)


def test_months_are_whole_but_the_last() -> None:
    """The present one is up to today; years are crossed."""
    assert view.months(date(2026, 2, 10), 3) == (
        (date(2025, 12, 1), date(2025, 12, 31)), (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 10)),
    )  # fmt: skip


def test_flows_are_shaded_by_the_largest() -> None:
    """Nothing is not shaded; the largest is darkest; a little is not nothing."""
    found = view.flows(
        [
            pb.Flow(author=HEALTH, recipient=MARKET, letters=100),
            pb.Flow(author=MARKET, recipient=HEALTH, letters=1),
        ]
    )
    assert found.authors == (HEALTH, MARKET)
    assert [found.shade(HEALTH, MARKET), found.shade(MARKET, HEALTH), found.shade(HEALTH, HEALTH)] == [
        4,
        1,
        0,
    ]


def test_alike_warnings_are_one() -> None:
    """With how many; the newest stands for them."""
    about = pb.ObligationView(procedure="case-transfer", rule="send")
    alerts = [
        pb.Alert(id=number, kind=pb.ALERT_KIND_REMIND, subject_department=who, obligation=about)
        for number, who in ((3, HEALTH), (2, MARKET), (1, HEALTH))
    ]
    assert [(each.id, count) for each, count in view.together(alerts)] == [(3, 2), (2, 1)]


def test_a_reminder_says_the_facts_and_fits() -> None:
    """Whose, what, until when, how late; never more than the registry takes."""
    said = view.reminder_text("卫健局", "案件移送", "移送期限", "3月6日 24:00", "已超期2个工作日", "zh")
    assert (
        said
        == "卫健局：贵单位承办的“案件移送·移送期限”应于3月6日 24:00前完成，已超期2个工作日。请抓紧办理，并反馈办理情况。"
    )
    assert len(view.reminder_text("名" * 900, "", "", "", "", "zh")) == view.TEXT_AT_MOST


@pytest.mark.parametrize(("value", "said"), [(9667, "96.67%"), (10000, "100%"), (0, "0%"), (5000, "50%")])
def test_shares_are_percentages(value: int, said: str) -> None:
    """Without needless noughts."""
    assert view.share(value) == said


def test_times_are_of_the_region() -> None:
    """Midnight is that of Shanghai."""
    evening = datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert view.soon_before(evening, lambda _: True) == at("2026-03-05 00:00").astimezone(UTC)
