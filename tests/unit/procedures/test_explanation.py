from datetime import date

from services.procedures.deadlines import explain
from services.procedures.explanation import Day
from tests.unit.procedures.deadline_samples import NATIONAL, at, extension, owed, pause, year


def test_every_day_is_listed_with_its_reason() -> None:
    """Discovered Friday 2026-02-13, 3 wd: 14 counts as make-up, 15 to 23 are holidays, 24 and 25 count."""
    obligation = owed("3 wd", "2026-02-13 16:00", from_occurred=True)
    explanation = explain(obligation, NATIONAL)
    assert explanation.days == (
        Day(date(2026, 2, 14), counted=True, why="make-up", ordinal=1),
        *(Day(date(2026, 2, day), counted=False, why="holiday") for day in range(15, 24)),
        Day(date(2026, 2, 24), counted=True, why="working", ordinal=2),
        Day(date(2026, 2, 25), counted=True, why="working", ordinal=3),
    )
    assert explanation.due == explanation.computed == at("2026-02-26")
    assert explanation.versions == ((2026, 1),)
    assert not explanation.provisional


def test_a_printed_explanation_shows_pause_extension_and_due_time() -> None:
    """3 wd + 1 wd from Friday 6 March: 9 and 10 paused; 11, 12, 13, 16; a request too late is named."""
    obligation = owed(
        "3 wd",
        "2026-03-06 10:00",
        suspensions=(
            pause("2026-03-09 09:00", "2026-03-10 11:30"),
            pause("2026-03-17 08:00", "2026-03-18 09:00"),
        ),
        extensions=(extension("1 wd", "2026-03-10 15:00"),),
    )
    assert explain(obligation, NATIONAL).lines("en") == [
        "Start: 2026-03-06 (when the registry admitted it)",
        "Limit: 3 working days + 1 working days",
        "2026-03-07 Sat not counted (weekend)",
        "2026-03-08 Sun not counted (weekend)",
        "2026-03-09 Mon not counted (clock suspended)",
        "2026-03-10 Tue not counted (clock suspended)",
        "2026-03-11 Wed day 1 (working day)",
        "2026-03-12 Thu day 2 (working day)",
        "2026-03-13 Fri day 3 (working day)",
        "2026-03-14 Sat not counted (weekend)",
        "2026-03-15 Sun not counted (weekend)",
        "2026-03-16 Mon day 4 (working day)",
        "Clock suspended: 2026-03-09 09:00 to 2026-03-10 11:30",
        "Requested at or after the due time, suspends nothing: 2026-03-17 08:00",
        "Extended by 1 working days, admitted 2026-03-10 15:00, reason complex",
        "Calendar: 2026, version 1",
        "Due: 2026-03-17 00:00 (admitted before it is on time)",
    ]


def test_a_printed_explanation_in_chinese() -> None:
    """A silent recipient: admitted 30 September, 2 wd from 8 October: Friday 9 and make-up Saturday 10."""
    assert explain(owed("2 wd", "2026-09-30 10:00", starts_on_receipt=True), NATIONAL).lines("zh") == [
        "起算：2026-10-08（接收方节点逾一个工作日未收，视为送达）",
        "期限：2 个工作日",
        "2026-10-09 周五 第 1 日（工作日）",
        "2026-10-10 周六 第 2 日（调休上班）",
        "历法：2026 年，第 1 版",
        "届满：2026-10-11 00:00（在此之前登记为按时）",
    ]


def test_natural_days_show_how_the_last_day_moves() -> None:
    """3 d from Wednesday 30 December: 31, 1, 2; Saturday 2 January rolls to Monday 4, provisionally."""
    explanation = explain(owed("3 d", "2026-12-30 10:00"), NATIONAL)
    assert [(day.counted, day.why, day.ordinal) for day in explanation.days] == [
        (True, "working", 1),
        (True, "provisional", 2),
        (True, "weekend", 3),
        (False, "weekend", None),
        (False, "rolled", None),
    ]
    assert explanation.provisional
    lines = explanation.lines("en")
    assert "2027-01-04 Mon the last day moves here" in lines
    assert "Calendar: 2027 has no notice yet, Monday to Friday are counted" in lines


def test_months_list_the_dates_suspended_and_the_last_day() -> None:
    """1 month from 2 March, paused 4 and 5 March: 2 April and two dates are Saturday 4, a holiday."""
    obligation = owed(
        "1 month", "2026-03-02 10:00", suspensions=(pause("2026-03-04 09:00", "2026-03-05 09:00"),)
    )
    assert explain(obligation, NATIONAL).days == (
        Day(date(2026, 3, 4), counted=False, why="suspended"),
        Day(date(2026, 3, 5), counted=False, why="suspended"),
        Day(date(2026, 4, 4), counted=True, why="holiday", ordinal=1),
    )


def test_hours_and_fixed_times_list_no_days() -> None:
    """24 h from 30 September 18:30:15 and 10 December 17:00 name instants only, to the second if need be."""
    assert explain(owed("24 h", "2026-09-30 18:30:15"), NATIONAL).lines("en") == [
        "Start: 2026-09-30 18:30:15 (when the registry admitted it)",
        "Limit: 24 hours",
        "Due: 2026-10-01 18:30:15 (admitted before it is on time)",
    ]
    report = owed("0 fixed", "2026-03-02 10:00", fixed_due=at("2026-12-10 17:00"))
    assert explain(report, NATIONAL).lines("en") == [
        "Limit: fixed at 2026-12-10 17:00",
        "Due: 2026-12-10 17:00 (admitted before it is on time)",
    ]


def test_a_held_and_a_frozen_due_time_say_so() -> None:
    """5 wd from 31 December, moved earlier by the notice of the 5th to 6 January, held until 7 January."""
    new = NATIONAL.with_year(year(2027, "2027-01-05 15:00", 5, makeup=("2027-01-02", "2027-01-03")))
    held = explain(owed("5 wd", "2026-12-31 10:00"), new).lines("en")
    assert "By the new calendar 2027-01-06 00:00, but a notice moves nothing" in "\n".join(held)
    frozen = explain(owed("1 wd", "2026-03-02 10:00", due_frozen=at("2026-03-04")), NATIONAL)
    assert frozen.lines("en")[-1] == "Discharged: fixed by the calendar of that moment"
    assert len(frozen.lines("zh")) == len(frozen.lines("en"))
