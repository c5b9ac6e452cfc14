"""From what was counted to figures: split, divided, compared, ranked, held against their targets. Pure.

Every value is a whole number (see `Unit`), rounded half up, so that whoever computes a figure gets the same one.
Nothing is divided by zero: where there is nothing to divide by, a figure has no value.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from services.registry.indicators.amounts import Amount, Context, Measured, Median, Medians
from services.registry.indicators.catalogue import Indicator, Unit

WHOLE: Final = 10_000
"""A share of 1, in parts of ten thousand."""
_HUNDRED: Final = 100


class Group(enum.StrEnum):
    """By what figures are split."""

    NONE = ""
    DEPARTMENT = "department"
    PROCEDURE = "procedure"
    LEVEL = "level"
    ITEM = "item"
    AREA = "area"
    SPECIALTY = "specialty"


_BY_MATTER: Final = frozenset({Group.ITEM, Group.AREA, Group.SPECIALTY})


@dataclass(frozen=True, slots=True)
class Compared:
    """The figure of another period; `change` is the difference of a share, the growth of all others."""

    numerator: int
    denominator: int | None
    value: int | None
    change: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `value` None is: no data."""

    indicator: str
    key: str
    numerator: int
    denominator: int | None
    value: int | None
    rank: int = 0
    ranked_of: int = 0
    compared: Compared | None = None
    target_met: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The part of what was counted that a figure is to be of; None and empty take everything."""

    procedures: Collection[str] | None = None
    department: str = ""

    def takes(self, amount: Amount) -> bool:
        """Whether an amount belongs to it; officers belong to no procedure."""
        in_procedure = self.procedures is None or not amount.procedure or amount.procedure in self.procedures
        return in_procedure and self.department in {"", amount.department}


def groups(indicator: Indicator) -> tuple[Group, ...]:
    """By what an indicator can be split."""
    if indicator.areas:
        return (Group.NONE, Group.SPECIALTY)
    if indicator.median:
        return (Group.NONE, Group.DEPARTMENT, Group.PROCEDURE)
    found = [Group.NONE, Group.DEPARTMENT, Group.LEVEL]
    if not (indicator.denominator is not None and not indicator.denominator.items):
        # certificates belong to no procedure: what is divided by them is not split by it
        found.append(Group.PROCEDURE)
    return (*found, *sorted(_BY_MATTER)) if indicator.by_matter else tuple(found)


def figures(indicator: Indicator, given: Measured, group: Group, part: Part) -> list[Figure]:
    """The figures of one indicator by rank, then by key; none where it cannot be split so."""
    if group not in groups(indicator):
        return []
    if indicator.median:
        made = _medians(indicator, given.medians.get(indicator.name, {}), group, part)
    elif indicator.areas:
        made = _coverage(indicator, given, group, part)
    else:
        made = _divided(indicator, given, group, part)
    return ranked(indicator, made) if group is Group.DEPARTMENT else made


def ranked(indicator: Indicator, made: Iterable[Figure]) -> list[Figure]:
    """With their places; equals share one, and those without a value have none and stand last."""
    every = sorted(made, key=lambda each: each.key)
    better = indicator.higher_is_better
    if better is None:
        return every
    valued = [each for each in every if each.value is not None]
    values = sorted((each.value for each in valued if each.value is not None), reverse=better)
    places = {value: place for place, value in reversed(list(enumerate(values, start=1)))}
    placed = [
        replace(each, rank=places[each.value], ranked_of=len(valued))
        for each in valued
        if each.value is not None
    ]
    placed.sort(key=lambda each: each.rank)
    return placed + [each for each in every if each.value is None]


def compare(indicator: Indicator, now: Iterable[Figure], then: Iterable[Figure]) -> list[Figure]:
    """Figures with those of another period beside them, by key; what only the other has is nought now, or no data."""
    earlier = {each.key: each for each in then}
    made = list(now)
    known = {each.key for each in made}
    for key, each in sorted(earlier.items()):
        if key not in known:
            below = None if each.denominator is None else 0
            made.append(Figure(each.indicator, key, 0, below, value_of(indicator.unit, 0, below)))
    return [replace(each, compared=_compared(indicator, each, earlier.get(each.key))) for each in made]


def hold_against_target(
    indicator: Indicator, made: Iterable[Figure], base: Iterable[Figure] | None
) -> list[Figure]:
    """Figures that know whether they meet the target.

    Args:
        indicator: The indicator.
        made: Its figures.
        base: The figures of the base year, for growth; None where they are not known.
    """
    target = indicator.target
    if target is None:
        return list(made)
    if target.at_least is not None:
        least = target.at_least
        return [
            replace(each, target_met=None if each.value is None else each.value >= least) for each in made
        ]
    earlier = {each.key: each for each in base or ()}
    found = []
    for each in made:
        change = _compared(indicator, each, earlier.get(each.key)).change
        grown = None if change is None or target.growth is None else change >= target.growth
        found.append(replace(each, target_met=grown))
    return found


def value_of(unit: Unit, numerator: int, denominator: int | None) -> int | None:
    """The value of a figure, None where there is nothing to divide by."""
    if unit is Unit.COUNT or denominator is None:
        return numerator
    if not denominator:
        return None
    return _rounded(numerator * {Unit.SHARE: WHOLE, Unit.RATE: _HUNDRED}.get(unit, 1), denominator)


def _compared(indicator: Indicator, now: Figure, then: Figure | None) -> Compared:
    # what nobody counted then is nought of a count, and no data of all else
    numerator = then.numerator if then else 0
    denominator = then.denominator if then else None if now.denominator is None else 0
    value = then.value if then else value_of(indicator.unit, 0, denominator)
    change = None
    if now.value is not None and value is not None:
        if indicator.unit is Unit.SHARE:
            change = now.value - value
        elif value:
            change = _rounded((now.value - value) * WHOLE, value)
    return Compared(numerator, denominator, value, change)


def _divided(indicator: Indicator, given: Measured, group: Group, part: Part) -> list[Figure]:
    above = _summed(given.numerators.get(indicator.name, ()), given.context, group, part)
    timed = indicator.unit is Unit.SECONDS
    below = None
    if indicator.denominator is not None:
        below = _summed(given.denominators.get(indicator.name, ()), given.context, group, part)
    keys = {*above, *(below or {})} or ({""} if group is Group.NONE else set())
    found = []
    for key in sorted(keys):
        amount, seconds = above.get(key, (0, 0))
        numerator = seconds if timed else amount
        denominator = amount if timed else None if below is None else below.get(key, (0, 0))[0]
        value = value_of(indicator.unit, numerator, denominator)
        found.append(Figure(indicator.name, key, numerator, denominator, value))
    return found


def _summed(
    amounts: Iterable[Amount], context: Context, group: Group, part: Part
) -> Mapping[str, tuple[int, int]]:
    summed: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in amounts:
        if part.takes(each):
            for key in _keys(each, context, group):
                before = summed[key]
                summed[key] = (before[0] + each.amount, before[1] + each.seconds)
    return summed


def _keys(amount: Amount, context: Context, group: Group) -> list[str]:
    match group:
        case Group.NONE:
            return [""]
        case Group.LEVEL:
            return [str(context.levels.get(amount.department, 0))]
        case Group.SPECIALTY:
            return [name for name, each in context.specialties.items() if amount.item in each.items]
        case _:
            # what no header names belongs to no group
            key = str(getattr(amount, group.value))
            return [key] if key else []


def _coverage(indicator: Indicator, given: Measured, group: Group, part: Part) -> list[Figure]:
    seen = {(each.item, each.area) for each in given.numerators.get(indicator.name, ()) if part.takes(each)}
    found = []
    covered = listed = 0
    for name, specialty in sorted(given.context.specialties.items()):
        areas = {area for item, area in seen if item in specialty.items} & set(specialty.areas)
        covered, listed = covered + len(areas), listed + len(specialty.areas)
        if specialty.areas:
            value = value_of(indicator.unit, len(areas), len(specialty.areas))
            found.append(Figure(indicator.name, name, len(areas), len(specialty.areas), value))
    if group is Group.SPECIALTY:
        return found
    return [Figure(indicator.name, "", covered, listed, value_of(indicator.unit, covered, listed))]


def _medians(indicator: Indicator, medians: Medians, group: Group, part: Part) -> list[Figure]:
    one = next(iter(part.procedures)) if part.procedures is not None and len(part.procedures) == 1 else ""
    if part.procedures is not None and not one:
        # of some procedures together the middle is not known
        if group is not Group.PROCEDURE:
            return []
        wanted = {key: each for key, each in medians.items() if key[0] in part.procedures}
    else:
        wanted = dict(medians)
    found: dict[str, Median] = {}
    for (procedure, department), median in wanted.items():
        if group is Group.DEPARTMENT and procedure == one and department:
            if part.department in {"", department}:
                found[department] = median
        elif group is Group.PROCEDURE and procedure and department == part.department:
            if one in {"", procedure}:
                found[procedure] = median
        elif group is Group.NONE and (procedure, department) == (one, part.department):
            found[""] = median
    if group is Group.NONE and not found:
        return [Figure(indicator.name, "", 0, 0, None)]
    return [
        Figure(indicator.name, key, each.seconds, each.amount, each.seconds)
        for key, each in sorted(found.items())
    ]


def _rounded(dividend: int, divisor: int) -> int:
    """Half up, away from nought: the change of -2.5 is -3 as that of 2.5 is 3."""
    sign = -1 if (dividend < 0) != (divisor < 0) else 1
    return sign * ((2 * abs(dividend) + abs(divisor)) // (2 * abs(divisor)))
