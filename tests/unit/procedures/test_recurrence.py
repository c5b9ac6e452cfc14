"""When a standing duty comes, with dates worked out by hand (docs/duties.md)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procedures.calendar import ZONE, Calendar
from services.procedures.recurrence import Cycle, DayKind, Recurrence, Shift, parse_period, period_text
from tests.unit.procedures.deadline_samples import NATIONAL, at

MONTHLY = Recurrence(Cycle.MONTHS, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("recurrence", "period", "due"),
    [
        # 28 February 2026 is a make-up Saturday; holidays were 15 to 23 February
        (Recurrence(Cycle.MONTHS, date(2026, 2, 1), day=DayKind.LAST_WORKING), 202602, "2026-03-01 00:00"),
        # 30 and 31 May 2026 are a weekend
        (Recurrence(Cycle.MONTHS, date(2026, 2, 1), day=DayKind.LAST_WORKING), 202605, "2026-05-30 00:00"),
        # 5 and 6 October are holidays, 8 October is the first working day, then 9 and the make-up Saturday 10
        (Recurrence(Cycle.MONTHS, date(2026, 1, 1), day=DayKind.WORKING, number=3), 202610, "2026-10-11 00:00"),
        # the 5th of October moves: forward to the 8th, back to 30 September, or not at all
        (Recurrence(Cycle.MONTHS, date(2026, 1, 5), minute=1020, shift=Shift.NEXT), 202610, "2026-10-08 17:00"),
        (Recurrence(Cycle.MONTHS, date(2026, 1, 5), minute=1020, shift=Shift.PREVIOUS), 202610, "2026-09-30 17:00"),
        (Recurrence(Cycle.MONTHS, date(2026, 1, 5), minute=1020, shift=Shift.STAYS), 202610, "2026-10-05 17:00"),
        (Recurrence(Cycle.MONTHS, date(2026, 1, 5), minute=1020), 202610, "2026-10-08 17:00"),
        # a month that is shorter has a last day
        (Recurrence(Cycle.MONTHS, date(2026, 1, 31), shift=Shift.STAYS), 202604, "2026-05-01 00:00"),
        (Recurrence(Cycle.YEARS, date(2026, 12, 10), minute=1020), 202612, "2026-12-10 17:00"),
        (Recurrence(Cycle.WEEKS, date(2026, 2, 9), every=1, minute=540, shift=Shift.NEXT), 20260216, "2026-02-24 09:00"),
        (Recurrence(Cycle.ONCE, date(2026, 12, 10), minute=720), 20261210, "2026-12-10 12:00"),
    ],
)  # fmt: skip
def test_dates_worked_out_by_hand(recurrence: Recurrence, period: int, due: str) -> None:
    """The day is found by the working calendar, and what happens otherwise is part of the rule."""
    assert recurrence.due(period, NATIONAL) == at(due)


def test_a_region_may_let_days_stay() -> None:
    """Where the rule says nothing, the region's answer for limits in natural days holds."""
    staying = Calendar("qinghe", NATIONAL.entries, d_rolls=False)
    recurrence = Recurrence(Cycle.MONTHS, date(2026, 1, 5), minute=1020)
    assert recurrence.due(202610, staying) == at("2026-10-05 17:00")


def test_periods_count_from_the_first() -> None:
    """Every two months from February; nothing before it, nothing between."""
    recurrence = Recurrence(Cycle.MONTHS, date(2026, 2, 1), every=2)
    assert list(recurrence.periods(date(2025, 1, 1), date(2026, 8, 31))) == [202602, 202604, 202606, 202608]
    assert recurrence.nominal(202603) is None
    assert recurrence.nominal(202512) is None
    assert recurrence.nominal(20260201) is None
    three = Recurrence(Cycle.YEARS, date(2026, 11, 1), every=3)
    assert list(three.periods(date(2026, 1, 1), date(2033, 1, 1))) == [202611, 202911, 203211]
    fortnight = Recurrence(Cycle.WEEKS, date(2026, 3, 2), every=2)
    assert list(fortnight.periods(date(2026, 3, 3), date(2026, 4, 1))) == [20260316, 20260330]


@given(
    st.sampled_from(Cycle),
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.integers(1, 13),
    st.sampled_from(DayKind),
    st.integers(0, 31),
    st.sampled_from(Shift),
    st.dates(date(2020, 1, 1), date(2032, 12, 31)),
    st.integers(0, 800),
)
def test_the_periods_of_a_range_are_those_whose_day_is_in_it(
    cycle: Cycle,
    starting: date,
    every: int,
    day: DayKind,
    number: int,
    shift: Shift,
    first: date,
    length: int,
) -> None:
    """Found by steps as by looking at every day; each has a name, and a due time within a month of its day."""
    recurrence = Recurrence(cycle, starting, every, day, number, 0, shift)
    last = first + timedelta(days=length)
    found = list(recurrence.periods(first, last))
    looked = []
    for offset in range((last - first).days + 1):
        each = first + timedelta(days=offset)
        name = each.year * 10000 + each.month * 100 + each.day
        if cycle in (Cycle.MONTHS, Cycle.YEARS):
            name = each.year * 100 + each.month
        if recurrence.nominal(name) == each:
            looked.append(name)
    assert found == looked
    for name in found:
        assert parse_period(period_text(name)) == name
        nominal = recurrence.nominal(name)
        assert nominal is not None
        due = recurrence.due(name, NATIONAL).astimezone(ZONE).date()
        assert abs((due - nominal).days) <= 45


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-02-30", "2026-2", "2026-02-01x", "２０２６-02"])
def test_what_names_no_period_is_none(text: str) -> None:
    """A month or a date, nothing else."""
    assert parse_period(text) is None
