"""What was counted in a period, before anything is divided: the one form in which figures are frozen.

The tables, the ledger replayed letter by letter, and a frozen month all give `Measured`, and everything that
is shown is computed of it by `figures`. So a frozen month can be split, compared and ranked like a live one,
and two ways to the same numbers can be compared byte for byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from services.exchange.authority_lists import is_in_force
from services.exchange.directory import Directory
from services.registry.indicators.catalogue import STANDING, Catalogue, Count, Indicator, Measure

FORMAT: Final = 1
"""Version of the frozen form."""


class Amount(NamedTuple):
    """So much of a procedure and department; of acts also by matter and area. `seconds`: summed times."""

    procedure: str
    department: str
    item: str
    area: str
    amount: int
    seconds: int = 0


class Owed(NamedTuple):
    """Obligations that are alike: how many, and the time that they took together."""

    procedure: str
    rule: str
    department: str
    state: str
    amount: int
    seconds: int = 0


class Acted(NamedTuple):
    """Acts that are alike. `before`: the department that had acted in the case before, empty if none had."""

    procedure: str
    act: str
    author: str
    before: str
    opens: bool
    closes: bool
    item: str
    area: str
    outcome: str
    amount: int


class Median(NamedTuple):
    """The middle of so many times."""

    seconds: int
    amount: int


Medians = Mapping[tuple[str, str], Median]
"""By procedure and department; empty words stand for all."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What the tables, or a replayed ledger, say of a period."""

    due: Sequence[Owed] = ()
    opened: Sequence[Owed] = ()
    backlog: Sequence[Owed] = ()
    suspended: Sequence[Owed] = ()
    acts: Sequence[Acted] = ()
    medians: Medians = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Specialty:
    """A subject of the duty matrix: its matters, and the areas that authority lists name for them."""

    zh: str
    en: str
    items: tuple[str, ...]
    areas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What of the directory figures are split by and divided by."""

    levels: Mapping[str, int]
    departments: Mapping[str, tuple[str, str]]
    procedures: Mapping[str, tuple[str, str]]
    specialties: Mapping[str, Specialty]
    officers: Mapping[str, int]

    @classmethod
    def of(cls, directory: Directory, at: datetime) -> Context:
        """Of a directory; officers and authority lists as they hold at an instant, the end of a period."""
        # good until the very end counts: a certificate that ends with the period was good in it
        officers = {
            department: sum(
                each.valid_from < at <= each.valid_until and not each.suspended for each in listed.values()
            )
            for department, listed in directory.law.officers.items()
        }
        titles: dict[str, tuple[str, str]] = {}
        for (name, _), procedure in sorted(directory.law.procedures.items()):
            titles[name] = (procedure.title.zh, procedure.title.en)
        named: defaultdict[str, set[str]] = defaultdict(set)
        for row in directory.lists:
            if row.area_code and is_in_force(row, at):
                named[row.item_code].add(row.area_code)
        specialties = {}
        for subject, duty in directory.duties.items():
            areas = {area for item in duty.item_codes for area in named[item]}
            specialties[subject] = Specialty(
                duty.title.zh, duty.title.en, tuple(sorted(duty.item_codes)), tuple(sorted(areas))
            )
        return cls(
            levels={name: int(each.level) for name, each in directory.departments.items()},
            departments={
                name: (each.title.zh, each.title.en) for name, each in directory.departments.items()
            },
            procedures=titles,
            specialties=specialties,
            officers={name: count for name, count in officers.items() if count},
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Numerator and denominator of each indicator, split as far as they can be.

    `medians` hold for every indicator that is a median: all measure the same times.
    """

    context: Context
    numerators: Mapping[str, tuple[Amount, ...]]
    denominators: Mapping[str, tuple[Amount, ...]]
    medians: Mapping[str, Medians] = field(default_factory=dict)


def measured(
    catalogue: Catalogue, names: Iterable[str], raw: Mapping[str, Raw], context: Context
) -> Measured:
    """What these indicators count, of what the tables say.

    Args:
        catalogue: The indicators.
        names: Which.
        raw: By the name of a median indicator its medians; all else under the empty name.
        context: The directory.
    """
    chosen = [catalogue.indicators[name] for name in names]
    whole = raw[""]
    return Measured(
        context,
        {each.name: amounts(whole, each.numerator, context) for each in chosen},
        {
            each.name: amounts(whole, each.denominator, context)
            for each in chosen
            if each.denominator is not None
        },
        {each.name: raw[each.name].medians for each in chosen if each.median},
    )


def amounts(raw: Raw, measure: Measure, context: Context) -> tuple[Amount, ...]:
    """What one measure counts, sorted."""
    if measure.count is Count.OFFICERS:
        return tuple(Amount("", name, "", "", count) for name, count in sorted(context.officers.items()))
    summed: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    if measure.items == "letters":
        for act in raw.acts:
            if counts_act(measure, act):
                whose = act.before if measure.before else act.author
                summed[act.procedure, whose, act.item, act.area][0] += act.amount
    else:
        for owed in _owed(raw, measure.count):
            if measure.takes_rule(owed.procedure, owed.rule) and (
                measure.count is not Count.DUE or owed.state in measure.states
            ):
                pair = summed[owed.procedure, owed.department, "", ""]
                pair[0] += owed.amount
                # of what was only opened, or stands open, no time was taken yet
                pair[1] += owed.seconds if measure.count is Count.DUE else 0
    return tuple(Amount(*key, *pair) for key, pair in sorted(summed.items()))


def counts_act(measure: Measure, act: Acted) -> bool:
    """Whether a measure counts acts of this kind."""
    return (
        measure.takes_act(act.procedure, act.act)
        and (measure.count is not Count.OPENING or act.opens)
        and (measure.count is not Count.CLOSING or act.closes)
        and (not measure.outcomes or act.outcome in measure.outcomes)
    )


def added(first: Measured, second: Measured, catalogue: Catalogue) -> Measured:
    """Two periods that follow each other as one; of how things stand, the second. Medians do not add up."""

    def joined(
        one: Mapping[str, tuple[Amount, ...]], two: Mapping[str, tuple[Amount, ...]], part: str
    ) -> dict[str, tuple[Amount, ...]]:
        found = {}
        for name in sorted({*one, *two}):
            measure = getattr(catalogue.indicators.get(name), part, None)
            standing = measure is not None and measure.count in STANDING
            found[name] = two.get(name, ()) if standing else (*one.get(name, ()), *two.get(name, ()))
        return found

    return Measured(
        second.context,
        joined(first.numerators, second.numerators, "numerator"),
        joined(first.denominators, second.denominators, "denominator"),
    )


def dumps(given: Measured, definitions: str) -> bytes:
    """The one encoding of what was measured: sorted, compact JSON; `loads` gives an equal value back.

    Args:
        given: What was measured.
        definitions: The text of the catalogue that says what was.
    """
    context = given.context
    return orjson.dumps(
        {
            "format": FORMAT,
            "catalogue": definitions,
            "numerators": {name: [[*each] for each in rows] for name, rows in given.numerators.items()},
            "denominators": {name: [[*each] for each in rows] for name, rows in given.denominators.items()},
            "medians": {
                name: sorted([*key, *median] for key, median in medians.items())
                for name, medians in given.medians.items()
            },
            "levels": context.levels,
            "departments": context.departments,
            "procedures": context.procedures,
            "specialties": {
                name: [each.zh, each.en, each.items, each.areas] for name, each in context.specialties.items()
            },
            "officers": context.officers,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def definitions_of(data: bytes) -> str:
    """The text of the catalogue that stands in what `dumps` wrote."""
    text: str = orjson.loads(data)["catalogue"]
    return text


def loads(data: bytes) -> Measured:
    """What `dumps` wrote."""
    record: dict[str, Any] = orjson.loads(data)
    context = Context(
        record["levels"],
        {name: (zh, en) for name, (zh, en) in record["departments"].items()},
        {name: (zh, en) for name, (zh, en) in record["procedures"].items()},
        {
            name: Specialty(zh, en, tuple(items), tuple(areas))
            for name, (zh, en, items, areas) in record["specialties"].items()
        },
        record["officers"],
    )
    return Measured(
        context,
        _amounts(record["numerators"]),
        _amounts(record["denominators"]),
        {
            name: {(procedure, department): Median(*rest) for procedure, department, *rest in rows}
            for name, rows in record["medians"].items()
        },
    )


def _amounts(record: Mapping[str, Any]) -> dict[str, tuple[Amount, ...]]:
    return {name: tuple(Amount(*row) for row in rows) for name, rows in record.items()}


def _owed(raw: Raw, count: Count) -> Sequence[Owed]:
    return {
        Count.DUE: raw.due,
        Count.OPENED: raw.opened,
        Count.BACKLOG: raw.backlog,
        Count.SUSPENDED: raw.suspended,
    }[count]


def needed(indicators: Iterable[Indicator]) -> frozenset[Count]:
    """What has to be counted for these indicators."""
    return frozenset(measure.count for each in indicators for measure in each.measures)
