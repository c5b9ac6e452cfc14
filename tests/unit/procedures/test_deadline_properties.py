"""The look-ups and range sums against the plainest reading of docs/time.md: one day at a time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from services.procedures.calendar import (
    ZONE,
    Calendar,
    CalendarYear,
    parse_notice,
    print_notice,
)
from services.procedures.deadlines import (
    due_time,
    explain,
    extension_allowed,
    judge,
    mark_time,
    recompute,
)
from services.procedures.obligation import Extension, Limit, Obligation, Outcome, Suspension, Unit
from tests.unit.procedures.deadline_samples import NATIONAL, owed

DAY = timedelta(days=1)
LATEST = datetime(2027, 3, 1, tzinfo=ZONE)

days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(ZONE))  # noqa: DTZ001


@st.composite
def notices(draw: st.DrawFn, version: int) -> CalendarYear:
    """Any year 2026 or 2027, published at any time in 2026."""
    number = draw(st.sampled_from([2026, 2027]))
    of_year = days.filter(lambda day: day.year == number)
    makeup = draw(st.frozensets(of_year.filter(lambda day: day.weekday() >= 5), max_size=8))
    holidays = draw(st.frozensets(of_year, max_size=30)) - makeup
    return CalendarYear(number, holidays, makeup, draw(instants), version)


@st.composite
def pauses(draw: st.DrawFn) -> Suspension:
    """A request in 2026 with an answer, a due time of its own, or both."""
    since = draw(instants)
    until, latest = (
        None if hours is None else since + timedelta(hours=hours)
        for hours in draw(
            st.tuples(st.none() | st.integers(0, 900), st.none() | st.integers(1, 900)).filter(any)
        )
    )
    return Suspension(since, latest, until)


@st.composite
def obligations(draw: st.DrawFn, units: tuple[Unit, ...] = tuple(Unit), most_pauses: int = 3) -> Obligation:
    """Any obligation opened in 2026."""
    unit = draw(st.sampled_from(units))
    admitted = draw(instants)
    return replace(
        owed("1 wd", "2026-01-01"),
        limit=Limit(draw(st.integers(1, 3 if unit in (Unit.MONTHS, Unit.YEARS) else 90)), unit),
        admitted_at=admitted,
        occurred_at=admitted - timedelta(hours=draw(st.integers(0, 200))),
        received_at=draw(st.none() | st.integers(0, 200).map(lambda h: admitted + timedelta(hours=h))),
        from_occurred=draw(st.booleans()),
        starts_on_receipt=draw(st.booleans()),
        fixed_due=LATEST if unit is Unit.FIXED else None,
        suspensions=tuple(draw(st.lists(pauses(), max_size=most_pauses))),
    )


def after(day: date) -> Iterator[date]:
    """The dates after a date, for ever."""
    while True:
        day += DAY
        yield day


@given(days, st.integers(1, 300))
def test_working_days_are_found_as_if_walked(start: date, count: int) -> None:
    """The n-th working day is the n-th that a walk from the day after meets, and between counts them."""
    walked = next(islice(filter(NATIONAL.is_working, after(start)), count - 1, None))
    assert NATIONAL.add_working_days(start, count) == walked
    assert NATIONAL.working_days_between(start + DAY, walked) == count


def walked_due(obligation: Obligation, calendar: Calendar) -> datetime:
    """The due time of an obligation in days, one day and one pause at a time."""
    lost: set[date] = set()

    def walk() -> datetime:
        left, day = obligation.limit.value, explain(obligation, calendar).start_date
        while left:
            day += DAY
            if day not in lost and (obligation.limit.unit is Unit.DAYS or calendar.is_working(day)):
                left -= 1
        while obligation.limit.unit is Unit.DAYS and (day in lost or not calendar.is_working(day)):
            day += DAY
        return datetime(day.year, day.month, day.day, tzinfo=ZONE) + DAY

    for suspension in sorted(obligation.suspensions, key=lambda suspension: suspension.since):
        if suspension.since >= walk():
            continue
        end = min(end for end in (suspension.until, suspension.latest_end) if end is not None)
        if end == suspension.latest_end:
            end -= timedelta(microseconds=1)
        first = suspension.since.date()
        lost |= {first + i * DAY for i in range((end.date() - first).days + 1)}
    return walk()


@given(obligations(units=(Unit.WORKING_DAYS, Unit.DAYS)))
def test_a_due_time_is_found_as_if_walked(obligation: Obligation) -> None:
    """Working and natural days with any pauses end where a walk day by day ends."""
    assert due_time(obligation, NATIONAL) == walked_due(obligation, NATIONAL)


@given(obligations(), st.integers(0, 40))
def test_more_time_is_never_less(obligation: Obligation, more: int) -> None:
    """A greater budget is never due earlier, whatever the pauses."""
    longer = replace(obligation, limit=Limit(obligation.limit.value + more, obligation.limit.unit))
    assert due_time(longer, NATIONAL) >= due_time(obligation, NATIONAL)


@given(obligations(), pauses())
def test_a_pause_never_takes_time(obligation: Obligation, pause: Suspension) -> None:
    """One request more after all others never makes an obligation due earlier."""
    if any(pause.since <= earlier.since for earlier in obligation.suspensions):
        return
    paused = replace(obligation, suspensions=(*obligation.suspensions, pause))
    assert due_time(paused, NATIONAL) >= due_time(obligation, NATIONAL)


@given(obligations(), instants)
def test_an_extension_in_time_never_takes_time(obligation: Obligation, at: datetime) -> None:
    """What may be extended is extended: the due time does not move earlier by it."""
    if obligation.limit.unit is Unit.FIXED or not extension_allowed(obligation, at, NATIONAL):
        return
    longer = replace(obligation, extensions=(Extension(Limit(5, obligation.limit.unit), at, "complex"),))
    assert due_time(longer, NATIONAL) >= due_time(obligation, NATIONAL)


@given(obligations(), st.permutations(range(3)), notices(5), notices(6))
def test_every_party_computes_the_same(
    obligation: Obligation, order: list[int], first: CalendarYear, second: CalendarYear
) -> None:
    """Neither the order in which pauses and notices were learnt nor the zone of an instant matters."""
    shuffled = [obligation.suspensions[i] for i in order if i < len(obligation.suspensions)]
    elsewhere = replace(
        obligation, suspensions=tuple(shuffled), admitted_at=obligation.admitted_at.astimezone(UTC)
    )
    one, other = NATIONAL.with_year(first).with_year(second), NATIONAL.with_year(second).with_year(first)
    assert due_time(obligation, one) == due_time(elsewhere, other)


@given(obligations(), notices(5))
def test_recomputation_is_what_everyone_computes(obligation: Obligation, notice: CalendarYear) -> None:
    """Recomputing at a notice gives the due time of the new calendar, if the obligation was open then."""
    if notice.published_at <= obligation.admitted_at:
        return
    new = NATIONAL.with_year(notice)
    assert recompute(obligation, NATIONAL, new, notice.published_at) == due_time(obligation, new)


@given(obligations(most_pauses=0), notices(5))
def test_a_notice_takes_no_time_at_once(obligation: Obligation, notice: CalendarYear) -> None:
    """It is due no earlier than before the notice, or than the end of the next working day after it."""
    if notice.published_at <= obligation.admitted_at:
        return
    new = NATIONAL.with_year(notice)
    before, now = due_time(obligation, NATIONAL), due_time(obligation, new)
    floor = new.end_of(new.add_working_days(notice.published_at.date(), 1))
    assert now >= min(before, floor)
    assert now in (before, floor, explain(obligation, new).computed)


@given(obligations(units=(Unit.WORKING_DAYS, Unit.DAYS, Unit.HOURS)))
def test_marks_come_in_order_and_before_the_due_time(obligation: Obligation) -> None:
    """50% is not after 80%, 80% not after due."""
    half, most, due = (mark_time(obligation, mark, NATIONAL) for mark in ("50%", "80%", "due"))
    assert half <= most <= due


@given(obligations(units=(Unit.WORKING_DAYS, Unit.DAYS)))
def test_an_explanation_adds_up(obligation: Obligation) -> None:
    """The days listed follow each other, count to the budget, and end with the due time."""
    explanation = explain(obligation, NATIONAL)
    dates = [day.date for day in explanation.days]
    assert dates == list(islice(after(explanation.start_date), len(dates)))
    ordinals = [day.ordinal for day in explanation.days if day.counted]
    assert ordinals == list(range(1, obligation.limit.value + 1))
    assert NATIONAL.end_of(dates[-1]) == explanation.due
    assert explanation.lines("zh")
    assert explanation.lines("en")


@given(instants, instants, instants)
def test_an_outcome_is_on_time_exactly_when_admitted_before(
    due: datetime, signed: datetime, admitted: datetime
) -> None:
    """No outage makes what came in time late or what was signed late excused."""
    for outages in ([], [(datetime(2025, 1, 1, tzinfo=ZONE), None)]):
        outcome = judge(due, signed, admitted, outages)
        assert (outcome is Outcome.ON_TIME) == (admitted < due)
        assert (outcome is Outcome.LATE) == (admitted >= due and signed >= due)


@given(notices(5))
def test_a_notice_survives_printing(notice: CalendarYear) -> None:
    """Whatever is printed reads back the same."""
    if notice.holidays or notice.makeup:
        printed = print_notice(notice)
        assert parse_notice(printed, published_at=notice.published_at, version=5) == notice
