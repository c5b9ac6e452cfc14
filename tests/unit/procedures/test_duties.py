"""Standing duties: who owes what when, as a function of what the ledger says (docs/duties.md)."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procedures.calendar import CalendarYear
from services.procedures.duties import Occurrence, StandingDuties
from services.procedures.recurrence import Cycle, Recurrence, Shift
from tests.unit.procedures.deadline_samples import NATIONAL, at
from tests.unit.procedures.duty_samples import (
    BEGINNING,
    BULLETIN,
    HEALTH,
    MARKET,
    OFFICE,
    REPORT,
    WATER,
    once,
    standing,
)


def one(made: StandingDuties, duty: str, period: int) -> Occurrence:
    found = made.occurrence(duty, period)
    assert found is not None
    return found


def names(found: list[Occurrence]) -> list[str]:
    return [f"{each.rule.id}/{each.name}" for each in found]


def test_an_occurrence_opens_ahead_of_its_day() -> None:
    """By the lead, counted from the nominal day, which no calendar moves."""
    found = one(standing(BULLETIN), "bulletin", 202602)
    assert found.opens_at == at("2026-02-08")
    assert found.due_time(NATIONAL) == at("2026-03-01")
    assert found.owners == (OFFICE,)


def test_every_member_is_who_was_active_when_it_opened() -> None:
    """Who joins later owes the next one, who leaves later still owes this one."""
    made = standing(REPORT).with_department(WATER, active=True, since=at("2026-03-01"))
    made = made.with_department(MARKET, active=False, since=at("2026-03-05"))
    # the report of March opened on 24 February
    assert one(made, "report", 202603).owners == (HEALTH, OFFICE, MARKET)
    assert one(made, "report", 202604).owners == (HEALTH, OFFICE, WATER)
    excepting = standing(replace(REPORT, departments=(HEALTH,)))
    assert HEALTH not in one(excepting, "report", 202603).owners


def test_the_office_is_who_held_it_when_it_opened() -> None:
    """An office that moves takes what opens from then on."""
    made = standing(BULLETIN).with_office("relay", MARKET, at("2026-03-01"))
    assert one(made, "bulletin", 202602).owners == (OFFICE,)
    assert one(made, "bulletin", 202604).owners == (MARKET,)


def test_publishing_asks_for_nothing_that_is_past() -> None:
    """What was due before there was a duty is not owed; what is due soon opens at once."""
    made = (
        StandingDuties().with_office("relay", OFFICE, BEGINNING).with_duty(BULLETIN, at("2026-04-25 10:00"))
    )
    assert made.occurrence("bulletin", 202602) is None
    assert one(made, "bulletin", 202604).opens_at == at("2026-04-25 10:00")
    assert names(made.opening(BEGINNING, at("2026-05-01"))) == ["bulletin/2026-04"]


def test_a_change_holds_for_what_is_still_to_come() -> None:
    """A report moved from the 10th to the 12th is owed once, and on the 12th; a past one stays as it was."""
    later = replace(REPORT, recurrence=replace(REPORT.recurrence, number=12))
    made = standing(REPORT).with_duty(later, at("2026-03-02"))
    assert one(made, "report", 202602).due_time(NATIONAL) == at("2026-02-10 17:00")
    assert one(made, "report", 202603).due_time(NATIONAL) == at("2026-03-12 17:00")
    # published between both days: that month was owed already
    between = standing(REPORT).with_duty(later, at("2026-03-11 09:00"))
    assert one(between, "report", 202603).due_time(NATIONAL) == at("2026-03-10 17:00")
    assert names(between.opening(at("2026-02-20"), at("2026-03-20"))) == ["report/2026-03"]


def test_a_date_that_is_moved_takes_the_old_one_with_it() -> None:
    """Asked for once, on another day: the first day is owed no longer."""
    made = standing(once("2026-03-20")).with_duty(once("2026-03-25"), at("2026-03-10"))
    assert made.occurrence("once", 20260320) is None
    assert one(made, "once", 20260325).due_time(NATIONAL) == at("2026-03-25 17:00")


def test_a_duty_that_is_struck_or_over_has_no_more_occurrences() -> None:
    """Validity is of its days; what was owed before stays."""
    struck = standing(REPORT).with_duty(replace(REPORT, withdrawn=True), at("2026-03-15"))
    assert one(struck, "report", 202603)
    assert struck.occurrence("report", 202604) is None
    bounded = standing(replace(REPORT, valid_from=at("2026-03-01"), valid_until=at("2026-05-10")))
    assert names(bounded.falling(BEGINNING, at("2026-12-01"))) == ["report/2026-03", "report/2026-04"]


def test_a_notice_moves_a_due_time_but_not_before_its_floor() -> None:
    """Make-up days and holidays that come late move what is open; earlier only to the next working day's end."""
    day = Recurrence(Cycle.ONCE, date(2027, 1, 10), shift=Shift.PREVIOUS)
    found = one(standing(replace(REPORT, id="once", recurrence=day)), "once", 20270110)
    # provisionally Sunday 10 January goes back to Friday 8
    assert found.opens_at == at("2026-12-27")
    assert found.due_time(NATIONAL) == at("2027-01-09")
    late = CalendarYear(
        2027, frozenset(date(2027, 1, n) for n in range(1, 9)), frozenset(), at("2027-01-04 10:00"), 99
    )
    # 9 is a Saturday, so the last working day before the 10th is 31 December: held to the end of the next working day
    assert found.rule.recurrence.due(20270110, NATIONAL.with_year(late)) == at("2027-01-01")
    assert found.due_time(NATIONAL.with_year(late)) == at("2027-01-09")


def test_a_due_time_is_explained_day_by_day() -> None:
    """Which dates were looked at, which calendar was read, in both languages."""
    explained = one(standing(REPORT), "report", 202610).explain(NATIONAL)
    assert explained.due == at("2026-10-10 17:00")  # a make-up Saturday
    back = one(standing(REPORT), "report", 202605).explain(NATIONAL)
    assert back.due == at("2026-05-09 17:00")  # the 10th is a Sunday
    text = "\n".join(one(standing(BULLETIN), "bulletin", 202610).explain(NATIONAL).lines("en"))
    assert "2026-10-31 Sat not counted (weekend)" in text
    assert "2026-10-30 Fri the last day moves here" in text
    assert "Due: 2026-10-31 00:00" in text
    assert all(line for line in explained.lines("zh"))


@pytest.mark.parametrize(
    ("duty", "period", "author", "act", "why"),
    [
        ("bulletin", 202602, OFFICE, "send", ""),
        ("bulletin", 202602, HEALTH, "send", "health.qinghe does not owe bulletin/2026-02."),
        ("bulletin", 202602, OFFICE, "note", "relay/note does not discharge bulletin."),
        ("bulletin", 202603, OFFICE, "send", "There is no standing duty bulletin/2026-03."),
        ("bulletin", 203002, OFFICE, "send", "There is no standing duty bulletin/2030-02."),
        ("unheard-of", 202602, OFFICE, "send", "There is no standing duty unheard-of/2026-02."),
    ],
)
def test_an_act_discharges_what_its_author_owes_by_it(
    duty: str, period: int, author: str, act: str, why: str
) -> None:
    """Named duty, own duty, right act, and not years ahead."""
    made = standing(BULLETIN, REPORT)
    assert made.refusal(duty, period, author, ("relay", act), at("2026-02-10")) == why


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
def test_sweeps_in_parts_find_what_one_sweep_finds(published: list[int], stops: list[int]) -> None:
    """Each occurrence opens in exactly one part, however time is cut, and is found by its name."""
    made = standing(BULLETIN)
    for index, day in enumerate(sorted(published)):
        edition = replace(REPORT, recurrence=replace(REPORT.recurrence, number=3 + 7 * index))
        made = made.with_duty(edition, BEGINNING + timedelta(days=day, hours=9))
    ends = [BEGINNING + timedelta(days=day, hours=11) for day in sorted({*stops, 420})]
    found: list[Occurrence] = []
    after = BEGINNING - timedelta(days=60)
    whole = made.opening(after, ends[-1])
    for end in ends:
        found += made.opening(after, end)
        after = end
    assert sorted(found, key=key) == sorted(whole, key=key)
    assert len({(each.rule.id, each.period) for each in whole}) == len(whole)
    assert all(made.occurrence(each.rule.id, each.period) == each for each in whole)


def key(each: Occurrence) -> tuple[datetime, str, int]:
    return each.opens_at, each.rule.id, each.period
