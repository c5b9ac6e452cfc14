"""Standing duties of a region's file become entries, or are refused with their line; so are those of an operator."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from liandong.directory.v1 import common_entry_pb2 as pb

import services.cli
from services.common.errors import InvalidField
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entry
from services.procedures import defects
from services.procedures.duties import Owner
from services.procedures.recurrence import Cycle, DayKind, Shift
from services.registry.region import DefectiveRegion, load_region, parse_region
from services.registry.region_duties import UnknownRecurrence
from tests.unit.procedures.deadline_samples import at

QINGHE = Path(services.cli.__path__[0]) / "demo" / "qinghe.yaml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

SMALL = """\
region: qinghe
title: [清河区, Qinghe]
departments:
  gov.qinghe:
    title: [政府, Government]
    level: district
standing_duties:
  report:
    title: [报告, Report]
    source: M09
    mechanism: joint-meeting
    owed_by: every member
    except: [gov.qinghe]
    every: 6 month
    starting: 2026-06-01
    on: day 10
    at: "17:00"
    otherwise: previous
    lead: 30 d
    discharged_by: {duty-report: [report]}
    marks: {5 d before: [remind], due: [remind, warn-leader, tell-office, propose-supervision]}
    from: 2026-01-01
    until: 2030-01-01
    default: true
"""


def applied(text: str) -> Directory:
    directory = Directory.empty("qinghe")
    for number, entry in enumerate(parse_region(text, "r.yaml").entries):
        directory = directory.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    return directory


def test_a_duty_reaches_the_law_as_it_was_written() -> None:
    """Every key has its meaning."""
    rule = applied(SMALL).law.standing.newest("report")
    assert rule is not None
    recurrence = rule.recurrence
    assert (rule.owner, rule.departments, rule.lead_days, rule.default) == (
        Owner.EVERY_MEMBER,
        ("gov.qinghe",),
        30,
        True,
    )
    assert (recurrence.cycle, recurrence.every, recurrence.starting) == (Cycle.MONTHS, 6, date(2026, 6, 1))
    assert (recurrence.day, recurrence.number, recurrence.minute) == (DayKind.OF_MONTH, 10, 1020)
    assert recurrence.shift is Shift.PREVIOUS
    assert rule.discharged_by == (("duty-report", "report"),)
    assert [mark.name for mark in rule.marks] == ["5 d before", "due"]
    assert (rule.valid_from, rule.valid_until) == (at("2026-01-01"), at("2030-01-01"))


def test_the_demo_district_has_a_duty_of_every_kind() -> None:
    """Weeks, months, years; of offices, of all, of some; by date and hour and by working days."""
    directory = Directory.empty("qinghe")
    for number, entry in enumerate(load_region(QINGHE).entries):
        directory = directory.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    rules = [directory.law.standing.newest(name) for name in directory.standing_duties]
    found = [rule for rule in rules if rule is not None]
    assert len(found) >= 12
    assert {rule.owner for rule in found} == set(Owner)
    assert {rule.recurrence.cycle for rule in found} >= {Cycle.WEEKS, Cycle.MONTHS, Cycle.YEARS}
    assert {rule.recurrence.day for rule in found} >= {DayKind.LAST_WORKING, DayKind.OF_MONTH, DayKind.LAST}
    # every one of them can be discharged by a procedure that is there
    for rule in found:
        for procedure, act in rule.discharged_by:
            assert act in directory.law.procedures[procedure, 1].acts


@pytest.mark.parametrize(
    ("old", "new", "kind", "line"),
    [
        ("every: 6 month", "every: 6 moons", UnknownRecurrence, 14),
        ("on: day 10", "on: tenth", UnknownRecurrence, 16),
        ('at: "17:00"', 'at: "25:00"', UnknownRecurrence, 17),
        ("otherwise: previous", "otherwise: never", UnknownRecurrence, 18),
        ("lead: 30 d", "lead: a month", UnknownRecurrence, 19),
        ("owed_by: every member", "owed_by: nobody", UnknownRecurrence, 12),
        ("    starting: 2026-06-01\n", "", defects.MissingKey, 8),
        ("    title: [报告, Report]\n", "    title: [报告]\n", defects.MissingTranslation, 9),
        ("source: M09", "sauce: M09", defects.UnknownKey, 10),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    old: str, new: str, kind: type[defects.Defect], line: int
) -> None:
    """Form."""
    with pytest.raises(DefectiveRegion) as caught:
        parse_region(SMALL.replace(old, new), "r.yaml")
    assert (kind, line) in [(type(each), each.line) for each in caught.value.defects]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mechanism": "alchemy"}, "mechanism"),
        ({"starting": "2026-02-30"}, "starting"),
        ({"discharged_by": [pb.DutyDischarge(procedure="duty-report", acts=["dance"])]}, "discharged_by"),
        ({"departments": ["nobody.qinghe"]}, "departments[0]"),
        ({"owner": pb.DUTY_OWNER_LISTED, "departments": []}, "departments"),
        ({"owner": pb.DUTY_OWNER_OFFICE}, "departments"),
        ({"lead_days": 13}, "lead_days"),
        ({"cycle": pb.DUTY_CYCLE_ONCE}, "every"),
        ({"cycle": pb.DUTY_CYCLE_WEEKS}, "day"),
        ({"marks": [pb.DutyMark(name="80%", actions=["remind"])]}, "marks[0]"),
        ({"marks": [pb.DutyMark(name="soon", actions=["remind"])]}, "marks[0]"),
        ({"marks": [pb.DutyMark(name="due", actions=["shout"])]}, "marks[0]"),
        ({"marks": [pb.DutyMark(name="due", actions=["remind"])] * 2}, "marks"),
    ],
)
def test_a_duty_that_says_nothing_usable_is_refused(change: dict[str, Any], field: str) -> None:
    """Meaning: nobody to owe it, nothing to discharge it, no time to open it, marks that cannot fire."""
    directory = applied(SMALL)
    entry = pb.StandingDuty()
    entry.CopyFrom(directory.standing_duties["report"])
    check_entry(pb.CommonEntry(standing_duty=entry), directory)
    for name in change:
        entry.ClearField(name)  # type: ignore[arg-type]
    entry.MergeFrom(pb.StandingDuty(**change))
    with pytest.raises(InvalidField) as caught:
        check_entry(pb.CommonEntry(standing_duty=entry), directory)
    assert caught.value.field == f"standing_duty.{field}"


def test_an_entry_of_a_newer_contract_leaves_the_law_as_it_was() -> None:
    """A word that this program does not know moves nothing but the version."""
    directory = applied(SMALL)
    entry = pb.StandingDuty(id="strange", starting="2026-01-01", cycle=99, owner=pb.DUTY_OWNER_OFFICE)  # type: ignore[arg-type]
    after = directory.apply(
        pb.CommonEntry(standing_duty=entry), version=directory.version + 1, position=99, admitted_at=NOW
    )
    assert after.law.standing.newest("strange") is None
    assert after.version == directory.version + 1
