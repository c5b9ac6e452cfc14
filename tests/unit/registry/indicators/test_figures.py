"""Dividing, comparing, ranking, targets: with figures that were worked by hand."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.registry.indicators import catalogue
from services.registry.indicators.amounts import (
    Amount,
    Context,
    Measured,
    Median,
    Specialty,
    definitions_of,
    dumps,
    loads,
)
from services.registry.indicators.catalogue import Unit
from services.registry.indicators.figures import (
    Figure,
    Group,
    Part,
    compare,
    figures,
    groups,
    hold_against_target,
    ranked,
    value_of,
)

CATALOGUE = catalogue.load()
TIMELINESS = CATALOGUE.indicators["timeliness"]
CASES = CATALOGUE.indicators["cases-opened"]
MEDIAN = CATALOGUE.indicators["handling-median"]
COVERAGE = CATALOGUE.indicators["area-coverage"]
HEALTH, MARKET, TOWN = "health.qinghe", "market.qinghe", "hexi.qinghe"
CONTEXT = Context(
    levels={HEALTH: 2, MARKET: 2, TOWN: 3},
    departments={HEALTH: ("卫健", "Health")},
    procedures={"relay": ("转办", "Relay")},
    specialties={
        "places": Specialty("公共场所", "Public places", ("A1", "A2"), ("north", "south", "west")),
        "water": Specialty("饮用水", "Water", ("A2",), ()),
    },
    officers={HEALTH: 4},
)


def amount(department: str, count: int, procedure: str = "relay", item: str = "", area: str = "") -> Amount:
    return Amount(procedure, department, item, area, count)


ON_TIME = (amount(HEALTH, 2), amount(MARKET, 1), amount(TOWN, 1), amount(HEALTH, 3, "other"))
DUE = (amount(HEALTH, 3), amount(MARKET, 3), amount(TOWN, 1), amount(HEALTH, 3, "other"), amount("w", 0))
GIVEN = Measured(
    CONTEXT,
    {
        "timeliness": ON_TIME,
        "cases-opened": (
            amount(HEALTH, 5, item="A1", area="north"),
            amount(HEALTH, 2, item="A2", area="north"),
            amount(TOWN, 1, item="A1", area="east"),
            amount(TOWN, 9),
        ),
        "cases-per-officer": (amount(HEALTH, 10), amount(TOWN, 3)),
        "area-coverage": (
            amount(HEALTH, 5, item="A1", area="north"),
            amount(TOWN, 1, item="A2", area="south"),
            amount(TOWN, 1, item="A1", area="east"),
        ),
    },
    {"timeliness": DUE, "cases-per-officer": (Amount("", HEALTH, "", "", 4),)},
    {"handling-median": {("", ""): Median(60, 9), ("relay", HEALTH): Median(30, 2), ("", HEALTH): Median(40, 4)}},
)  # fmt: skip


def shown(made: list[Figure]) -> list[tuple[str, int, int | None, int | None]]:
    return [(each.key, each.numerator, each.denominator, each.value) for each in made]


def test_a_share_is_numerator_and_denominator_and_rounded_half_up() -> None:
    """7 of 10 are 70 %, 2 of 3 are 66.67 %; by department, mechanism and level."""
    whole = figures(TIMELINESS, GIVEN, Group.NONE, Part())
    assert shown(whole) == [("", 7, 10, 7000)]
    by_department = figures(TIMELINESS, GIVEN, Group.DEPARTMENT, Part(frozenset({"relay"})))
    assert shown(by_department) == [
        (TOWN, 1, 1, 10000), (HEALTH, 2, 3, 6667), (MARKET, 1, 3, 3333), ("w", 0, 0, None)
    ]  # fmt: skip
    assert shown(figures(TIMELINESS, GIVEN, Group.LEVEL, Part()))[1:] == [
        ("2", 6, 9, 6667), ("3", 1, 1, 10000)
    ]  # fmt: skip
    assert shown(figures(TIMELINESS, GIVEN, Group.PROCEDURE, Part(department=HEALTH))) == [
        ("other", 3, 3, 10000), ("relay", 2, 3, 6667)
    ]  # fmt: skip


def test_nothing_is_divided_by_zero() -> None:
    """Where there is nothing to divide by there is no value; a count of nothing is nought."""
    empty = Measured(CONTEXT, {}, {})
    for indicator in CATALOGUE.indicators.values():
        for group in groups(indicator):
            for each in figures(indicator, empty, group, Part()):
                assert each.value in (None, 0) or indicator.areas, indicator.name
                assert (each.value is None) == (each.denominator == 0 and indicator.unit is not Unit.COUNT), (
                    indicator.name
                )


def test_departments_are_ranked_and_equals_share_a_place() -> None:
    """1, 2, 2, 4; who has no value has no place and stands last; lower may be better."""

    def figure(key: str, value: int | None) -> Figure:
        return Figure("x", key, 0, 0, value)

    made = [figure("a", 5), figure("b", 9), figure("c", 5), figure("d", None), figure("e", 1)]
    best = ranked(TIMELINESS, made)
    assert [(each.key, each.rank, each.ranked_of) for each in best] == [
        ("b", 1, 4), ("a", 2, 4), ("c", 2, 4), ("e", 4, 4), ("d", 0, 0)
    ]  # fmt: skip
    lowest = ranked(replace(TIMELINESS, higher_is_better=False), made)
    assert [(each.key, each.rank) for each in lowest] == [("e", 1), ("a", 2), ("c", 2), ("b", 4), ("d", 0)]
    assert [each.rank for each in ranked(replace(TIMELINESS, higher_is_better=None), made)] == [0] * 5


def test_a_share_changes_by_points_and_a_count_grows() -> None:
    """80 % after 75 % is 5 points more; 12 cases after 10 are 20 % more; of nothing nothing grows."""
    share = compare(TIMELINESS, [Figure("x", "", 8, 10, 8000)], [Figure("x", "", 3, 4, 7500)])[0].compared
    assert share is not None
    assert (share.numerator, share.denominator, share.value, share.change) == (3, 4, 7500, 500)

    def growth(now: int, then: int) -> int | None:
        made = compare(CASES, [Figure("x", "", now, None, now)], [Figure("x", "", then, None, then)])
        assert made[0].compared is not None
        return made[0].compared.change

    assert growth(12, 10) == 2000
    assert growth(5, 10) == -5000
    assert growth(2, 3) == -3333
    assert growth(3, 0) is None
    missing = compare(CASES, [Figure("x", "a", 3, None, 3)], [])[0].compared
    assert missing is not None
    assert (missing.value, missing.change) == (0, None)
    gone = compare(CASES, [], [Figure("x", "a", 3, None, 3)])
    assert shown(gone) == [("a", 0, None, 0)]
    assert gone[0].compared is not None
    assert gone[0].compared.change == -10_000
    silent = compare(TIMELINESS, [], [Figure("x", "a", 3, 4, 7500)])
    assert shown(silent) == [("a", 0, 0, None)]
    no_data = compare(TIMELINESS, [Figure("x", "a", 3, 3, 10000)], [])[0].compared
    assert no_data is not None
    assert (no_data.value, no_data.change) == (None, None)


def test_targets_are_met_missed_or_not_known() -> None:
    """A fifth more than in the base year; all areas covered."""

    def met(now: int, base: int | None) -> bool | None:
        then = None if base is None else [Figure("x", "", base, None, base)]
        return hold_against_target(CASES, [Figure("x", "", now, None, now)], then)[0].target_met

    assert [met(12, 10), met(11, 10), met(3, 0), met(3, None)] == [True, False, None, None]
    (whole,) = hold_against_target(COVERAGE, figures(COVERAGE, GIVEN, Group.NONE, Part()), None)
    assert (whole.numerator, whole.denominator, whole.value, whole.target_met) == (2, 3, 6667, False)


def test_areas_are_covered_by_specialty() -> None:
    """Areas that no list names for it do not count; a specialty without areas has no figure."""
    assert shown(figures(COVERAGE, GIVEN, Group.SPECIALTY, Part())) == [("places", 2, 3, 6667)]
    assert shown(figures(COVERAGE, GIVEN, Group.NONE, Part(department=TOWN))) == [("", 1, 3, 3333)]


def test_cases_are_split_by_matter_area_and_specialty() -> None:
    """What no header names belongs to no group; a matter of two specialties counts in both."""
    assert shown(figures(CASES, GIVEN, Group.ITEM, Part())) == [("A1", 6, None, 6), ("A2", 2, None, 2)]
    assert shown(figures(CASES, GIVEN, Group.AREA, Part())) == [("east", 1, None, 1), ("north", 7, None, 7)]
    assert shown(figures(CASES, GIVEN, Group.SPECIALTY, Part())) == [
        ("places", 8, None, 8), ("water", 2, None, 2)
    ]  # fmt: skip
    assert figures(TIMELINESS, GIVEN, Group.AREA, Part()) == []


def test_cases_for_each_officer() -> None:
    """10 cases of 4 officers are 2.5; who lists no officer has no value."""
    indicator = CATALOGUE.indicators["cases-per-officer"]
    assert shown(figures(indicator, GIVEN, Group.DEPARTMENT, Part())) == [
        (HEALTH, 10, 4, 250), (TOWN, 3, 0, None)
    ]  # fmt: skip
    assert shown(figures(indicator, GIVEN, Group.NONE, Part(frozenset({"relay"})))) == [("", 13, 4, 325)]


def test_medians_are_not_added_up() -> None:
    """The whole, a department, a mechanism's department; of some mechanisms together the middle is not known."""
    assert shown(figures(MEDIAN, GIVEN, Group.NONE, Part())) == [("", 60, 9, 60)]
    assert shown(figures(MEDIAN, GIVEN, Group.DEPARTMENT, Part())) == [(HEALTH, 40, 4, 40)]
    assert shown(figures(MEDIAN, GIVEN, Group.DEPARTMENT, Part(frozenset({"relay"})))) == [
        (HEALTH, 30, 2, 30)
    ]
    assert shown(figures(MEDIAN, GIVEN, Group.PROCEDURE, Part(department=HEALTH))) == [("relay", 30, 2, 30)]
    assert figures(MEDIAN, GIVEN, Group.NONE, Part(frozenset({"relay", "other"}))) == []


def test_what_was_measured_survives_storage() -> None:
    """Equal after it, and encoded in one way."""
    stored = dumps(GIVEN, CATALOGUE.text)
    assert loads(stored) == GIVEN
    assert dumps(loads(stored), CATALOGUE.text) == stored
    assert catalogue.read(definitions_of(stored)) == CATALOGUE


@given(st.integers(0, 10**12), st.integers(0, 10**9))
def test_values_are_exact(numerator: int, denominator: int) -> None:
    """Never further from the true value than half of a unit."""
    value = value_of(Unit.SHARE, numerator, denominator)
    if not denominator:
        assert value is None
    else:
        assert value is not None
        assert abs(value * denominator - numerator * 10_000) * 2 <= denominator
