"""A region's file becomes common entries that everyone can apply, or says what is wrong and where."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as pb

import services.cli
from services.exchange.directory import Directory
from services.exchange.routing import propose
from services.procedures import defects
from services.registry.region import (
    DefectiveRegion,
    InvalidValue,
    Region,
    UnannouncedYear,
    load_region,
    parse_region,
)

QINGHE = Path(services.cli.__path__[0]) / "demo" / "qinghe.yaml"
NOW = datetime(2026, 3, 2, tzinfo=UTC)

SMALL = """\
region: qinghe
title: [清河区, Qinghe]
departments:
  gov.qinghe:
    title: [政府, Government]
    level: district
  health.qinghe:
    title: [卫健局, Health]
    level: district
    parent: gov.qinghe
"""


@pytest.fixture(scope="module")
def qinghe() -> Region:
    return load_region(QINGHE)


def applied(region: Region) -> Directory:
    directory = Directory.empty(region.name)
    for number, entry in enumerate(region.entries):
        directory = directory.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    return directory


def refused(text: str) -> list[tuple[type[defects.Defect], int]]:
    with pytest.raises(DefectiveRegion) as caught:
        parse_region(text, "r.yaml")
    assert all(str(each).startswith(f"r.yaml:{each.line}: ") for each in caught.value.defects)
    return [(type(each), each.line) for each in caught.value.defects]


def test_the_demo_district_is_complete(qinghe: Region) -> None:
    """Eighteen departments, two of them towns, with numbers' words, offices, calendars and categories."""
    directory = applied(qinghe)
    levels = Counter(each.level for each in directory.departments.values())
    assert levels == {pb.LEVEL_DISTRICT: 16, pb.LEVEL_TOWN: 2}
    assert all(each.number_word for each in directory.departments.values())
    assert not any(directory.active(name) for name in directory.departments)
    assert directory.office("case-transfer") == "justice.qinghe"
    assert directory.office("jurisdiction-dispute") == "gov.qinghe"
    by_hand = [name for name, each in directory.categories.items() if each.by_hand]
    assert (len(directory.categories), by_hand) == (8, ["restricted.by-hand"])
    assert all(published.procedure for published in directory.procedures.values())
    assert directory.law.newest("case-transfer") is not None


def test_the_demo_districts_calendar_is_the_national_one(qinghe: Region) -> None:
    """The make-up Saturday before the Spring Festival of 2026 is worked, 2027 is provisional."""
    calendar = applied(qinghe).law.calendar("health.qinghe")
    assert calendar.is_working(date(2026, 2, 14))
    assert not calendar.is_working(date(2026, 2, 16))
    assert calendar.provisional(2027)


def test_the_demo_districts_lists_know_all_three_modes_and_a_split(qinghe: Region) -> None:
    """Routing in the towns shows each of them."""
    directory = applied(qinghe)

    def first(item: str, area: str, split: pb.AreaSplit.ValueType = pb.AREA_SPLIT_OUTSIDE) -> str:
        return propose(directory, item, "", area, split, NOW)[0].department

    assert first("WJ-0601", "liuzhuang") == "liuzhuang.qinghe"
    assert first("WJ-0601", "liuzhuang", pb.AREA_SPLIT_BUILT_UP) == "health.qinghe"
    assert first("WJ-0301", "liuzhuang") == "liuzhuang.qinghe"
    assert first("WJ-0101", "hexi") == "health.qinghe"
    modes = {row.mode for row in directory.lists}
    assert modes == {pb.AUTHORITY_MODE_GRANTED, pb.AUTHORITY_MODE_DELEGATED, pb.AUTHORITY_MODE_NONE}


def test_entries_come_in_an_order_in_which_each_finds_what_it_names(qinghe: Region) -> None:
    """Else the checks of publishing would refuse them one by one."""
    kinds = [entry.WhichOneof("entry") for entry in qinghe.entries]
    assert kinds.index("procedure") < kinds.index("office")
    assert kinds.index("department") < kinds.index("authority")


def test_a_small_region_is_enough() -> None:
    """Only name, title and departments are needed; procedures come with the product."""
    region = parse_region(SMALL, "r.yaml")
    assert (region.name, region.title.en) == ("qinghe", "Qinghe")
    assert set(applied(region).departments) == {"gov.qinghe", "health.qinghe"}


def test_a_regional_limit_reaches_the_law() -> None:
    """Limits are overridden without code."""
    text = (
        SMALL + "limits:\n  case-transfer:\n    outcome: {within: 60 d, clause: 第五条, from: 2026-01-01}\n"
    )
    (limit,) = applied(parse_region(text, "r.yaml")).law.limits
    assert (limit.obligation, limit.within.value) == ("outcome", 60)
    assert limit.valid_from == datetime(2025, 12, 31, 16, tzinfo=UTC)


def matter(body: str) -> str:
    return (
        SMALL
        + "matters:\n  W1:\n    title: [甲, A]\n    department: health.qinghe\n    areas:\n      hexi: "
        + body
        + "\n"
    )


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("a: 1\nb: [}", defects.NotYaml, 2),
        (SMALL.replace("level: district\n    parent", "level: parish\n    parent"), defects.UnknownWord, 9),
        (SMALL.replace("[卫健局, Health]", "[卫健局]"), defects.MissingTranslation, 8),
        (SMALL.replace("parent: gov.qinghe", "parent: x.qinghe"), InvalidValue, 7),
        (SMALL.replace("  health.qinghe:", "  Health:"), InvalidValue, 7),
        (SMALL.replace("  health.qinghe:", "  gov.qinghe:"), defects.DuplicateKey, 7),
        (SMALL + "    colour: red\n", defects.UnknownKey, 11),
        (SMALL + "offices:\n  case-transfer: x.qinghe\n", InvalidValue, 12),
        (SMALL + "offices:\n  card-game: gov.qinghe\n", InvalidValue, 12),
        (SMALL + "calendar:\n  years: [2099]\n", UnannouncedYear, 12),
        (SMALL + "calendar:\n  close_of_business: noon\n", InvalidValue, 12),
        (SMALL + "    people:\n      p1: {name: 王, section: nowhere}\n", defects.UnknownWord, 12),
        (SMALL + "limits:\n  case-transfer:\n    outcome: {within: soon}\n", InvalidValue, 13),
        (SMALL + "limits:\n  case-transfer:\n    nothing: {within: 1 d}\n", InvalidValue, 13),
        (SMALL + "duties:\n  d: {title: [甲, A], lead: x.qinghe}\n", InvalidValue, 12),
        (matter("{town: gov.qinghe, mode: given}"), defects.UnknownWord, 16),
        (matter("{town: x.qinghe, mode: granted}"), InvalidValue, 16),
        (matter("{town: gov.qinghe, mode: delegated, until: 2027-01-01}"), defects.MissingKey, 16),
        (matter("{town: gov.qinghe, mode: delegated, letter: 甲}"), InvalidValue, 16),
        (matter("{town: gov.qinghe, mode: granted, until: soon}"), defects.WrongType, 16),
        ("region: qinghe\ntitle: [甲, A]\n", defects.MissingKey, 1),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, kind: type[defects.Defect], line: int) -> None:
    """One slip, one defect of its own type."""
    assert refused(text) == [(kind, line)]


def test_all_slips_are_said_at_once() -> None:
    """Nobody mends a file one error at a time."""
    text = SMALL.replace("district", "parish")
    assert refused(text) == [(defects.UnknownWord, 6), (defects.UnknownWord, 9)]


def test_text_that_is_no_region_is_refused() -> None:
    """Empty, a list, nested beyond reason."""
    for text in ("", "[]", "[" * 5000):
        with pytest.raises(DefectiveRegion):
            parse_region(text, "r.yaml")
