"""Indicators as data: which there are, what each counts, what it ought to be (M20).

A catalogue is read once and checked whole: a title in one language, a word that nothing knows, a rule of a
shipped procedure that does not exist are refused with the place where they stand.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from services.common import yaml_text
from services.common.config import ConfigurationError
from services.common.title import Title
from services.procedures.obligation import Outcome
from services.registry.obligation_index import OPEN

SHIPPED: Final = Path(__file__).with_name("catalogue.yaml")
DISCHARGED: Final = tuple(outcome.value for outcome in Outcome)
JUDGED: Final = (OPEN, *DISCHARGED)
"""States of obligations that are counted: all but those that ended unjudged."""
_BASE_YEARS: Final = range(2000, 2100)


class Count(enum.StrEnum):
    """What a measure counts."""

    DUE = "due"
    OPENED = "opened"
    BACKLOG = "backlog"
    SUSPENDED = "suspended"
    LETTERS = "letters"
    OPENING = "opening"
    CLOSING = "closing"
    OFFICERS = "officers"


ACTS: Final = frozenset({Count.LETTERS, Count.OPENING, Count.CLOSING})
STANDING: Final = frozenset({Count.BACKLOG, Count.SUSPENDED, Count.OFFICERS})
"""Counts of how things stand at the end of a period: those of two periods do not add up."""
RULED: Final = frozenset({Count.DUE, Count.OPENED, Count.BACKLOG, Count.SUSPENDED})


class Unit(enum.StrEnum):
    """What a value counts in; values are whole numbers."""

    COUNT = "count"
    SHARE = "share"  # parts of ten thousand
    SECONDS = "seconds"
    RATE = "rate"  # hundredths


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted.

    Attributes:
        count: The things.
        rules: Of which procedures which obligations; empty: all.
        acts: Of which procedures which acts; empty: all.
        procedures: Of which procedures; empty: all.
        states: How obligations due stand.
        outcomes: Outcome codes of acts; empty: any.
        before: Counted for the department that had acted in the case before, not for the author.
    """

    count: Count
    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    acts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    procedures: tuple[str, ...] = ()
    states: tuple[str, ...] = JUDGED
    outcomes: tuple[str, ...] = ()
    before: bool = False

    @property
    def items(self) -> str:
        """What its items are: `obligations`, `letters`, or nothing."""
        return "letters" if self.count in ACTS else "obligations" if self.count in RULED else ""

    def takes(self, procedure: str) -> bool:
        """Whether anything of a procedure is counted."""
        narrowed = self.rules or self.acts or self.procedures
        return not narrowed or procedure in narrowed

    def takes_rule(self, procedure: str, rule: str) -> bool:
        """Whether a procedure's obligation is counted."""
        return self.takes(procedure) and (not self.rules or rule in self.rules[procedure])

    def takes_act(self, procedure: str, act: str) -> bool:
        """Whether a procedure's act is counted."""
        return self.takes(procedure) and (not self.acts or act in self.acts[procedure])


@dataclass(frozen=True, slots=True)
class Target:
    """What an indicator ought to be: at least so much, or growing by so much against the base year."""

    at_least: int | None = None
    growth: int | None = None


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator.

    `higher_is_better` None is not ranked. `areas`: of the areas listed for a specialty those that occur.
    """

    name: str
    title: Title
    source: tuple[str, ...]
    definition: Title
    unit: Unit
    numerator: Measure
    denominator: Measure | None = None
    median: bool = False
    areas: bool = False
    higher_is_better: bool | None = None
    target: Target | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Numerator, and denominator if it has one."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    @property
    def by_matter(self) -> bool:
        """Whether it can be split by matter and area: only acts name them."""
        return all(each.count in ACTS for each in self.measures)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A figure of the evaluation that clear headers do not hold."""

    name: str
    title: Title
    source: tuple[str, ...]
    reason: Title


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All indicators by name, what stands elsewhere, and the text that says so: it is frozen with the figures."""

    indicators: Mapping[str, Indicator]
    elsewhere: tuple[Elsewhere, ...]
    base_year: int
    text: str = ""

    def acts(self) -> frozenset[tuple[str, str]]:
        """(procedure, act) pairs that any measure names."""
        return frozenset(
            (procedure, act)
            for indicator in self.indicators.values()
            for measure in indicator.measures
            for procedure, acts in measure.acts.items()
            for act in acts
        )


def load(path: Path | None = None) -> Catalogue:
    """Read a catalogue, by default the one that comes with the product.

    Raises:
        ConfigurationError: With everything that is wrong in it.
    """
    file = path or SHIPPED
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{file}: {error}"]) from None
    return read(text, str(file))


def read(text: str, file: str = "indicators.yaml") -> Catalogue:
    """Read the text of a catalogue.

    Args:
        text: YAML.
        file: Its name, for complaints.

    Raises:
        ConfigurationError: With everything that is wrong in it.
    """
    try:
        root = yaml_text.values(text)
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{file}: {error}"]) from None
    reading = _Reading(file)
    made = reading.catalogue(root)
    if reading.problems:
        raise ConfigurationError(reading.problems)
    return replace(made, text=text)


class _Reading:
    """A catalogue while it is read, and what is wrong so far."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[str] = []

    def catalogue(self, root: Any) -> Catalogue:
        top = self._mapping(root, "catalogue", {"base_year", "indicators", "elsewhere"})
        year = top.get("base_year")
        if type(year) is not int or year not in _BASE_YEARS:
            self._complain("base_year", "is a year")
            year = _BASE_YEARS[0]
        named = self._mapping(top.get("indicators"), "indicators")
        indicators = {name: self._indicator(name, fields) for name, fields in named.items()}
        if not indicators:
            self._complain("indicators", "has at least one")
        elsewhere = tuple(
            self._elsewhere(name, fields)
            for name, fields in self._mapping(top.get("elsewhere") or {}, "elsewhere").items()
        )
        return Catalogue(indicators, elsewhere, year)

    def _indicator(self, name: str, given: Any) -> Indicator:
        at = f"indicators.{name}"
        known = {
            "title", "source", "definition", "unit", "numerator", "denominator", "median", "areas", "better",
            "target",
        }  # fmt: skip
        fields = self._mapping(given, at, known)
        unit = self._word(fields.get("unit"), f"{at}.unit", tuple(Unit))
        denominator = fields.get("denominator")
        better = fields.get("better")
        if better is not None:
            self._word(better, f"{at}.better", ("higher", "lower"))
        areas, median = self._flag(fields, "areas", at), self._flag(fields, "median", at)
        made = Indicator(
            name=name,
            title=self._title(fields.get("title"), f"{at}.title"),
            source=self._words(fields.get("source"), f"{at}.source"),
            definition=self._title(fields.get("definition"), f"{at}.definition"),
            unit=Unit(unit or Unit.COUNT),
            numerator=self._measure(fields.get("numerator"), f"{at}.numerator"),
            denominator=None if denominator is None else self._measure(denominator, f"{at}.denominator"),
            median=median,
            areas=areas,
            higher_is_better=None if better is None else better == "higher",
            target=self._target(fields.get("target"), f"{at}.target"),
        )
        self._check(made, at)
        return made

    def _check(self, made: Indicator, at: str) -> None:
        wants = made.unit in {Unit.SHARE, Unit.RATE} and not made.areas
        if wants != (made.denominator is not None):
            self._complain(f"{at}.denominator", "belongs to shares and rates, and only to them")
        if made.unit is Unit.SECONDS and (
            made.numerator.count is not Count.DUE or not set(made.numerator.states) <= set(DISCHARGED)
        ):
            self._complain(f"{at}.numerator", "of times is what was due and discharged")
        if made.median and made.unit is not Unit.SECONDS:
            self._complain(f"{at}.median", "is of times")
        if made.areas and made.numerator.count not in ACTS:
            self._complain(f"{at}.areas", "are named by acts only")

    def _measure(self, given: Any, at: str) -> Measure:
        known = {"count", "rules", "acts", "procedures", "states", "outcomes", "of"}
        fields = self._mapping(given, at, known)
        count = Count(self._word(fields.get("count"), f"{at}.count", tuple(Count)) or Count.DUE)
        fits = {
            "rules": RULED, "acts": ACTS, "procedures": ACTS | RULED, "states": {Count.DUE}, "outcomes": ACTS,
            "of": ACTS,
        }  # fmt: skip
        for key, counts in fits.items():
            if key in fields and count not in counts:
                self._complain(f"{at}.{key}", f"does not go with {count}")
        narrowing = [key for key in ("rules", "acts", "procedures") if key in fields]
        if len(narrowing) > 1:
            self._complain(at, f"has one of {', '.join(narrowing)}")
        states = self._words(fields["states"], f"{at}.states") if "states" in fields else JUDGED
        for state in states:
            self._word(state, f"{at}.states", JUDGED)
        of = self._word(fields.get("of", "author"), f"{at}.of", ("author", "before"))
        return Measure(
            count=count,
            rules=self._lists(fields, "rules", at),
            acts=self._lists(fields, "acts", at),
            procedures=self._words(fields["procedures"], f"{at}.procedures")
            if "procedures" in fields
            else (),
            states=states,
            outcomes=self._words(fields["outcomes"], f"{at}.outcomes") if "outcomes" in fields else (),
            before=of == "before",
        )

    def _target(self, given: Any, at: str) -> Target | None:
        if given is None:
            return None
        fields = self._mapping(given, at, {"at_least", "growth"})
        if len(fields) != 1 or any(type(value) is not int for value in fields.values()):
            self._complain(at, "is one whole number: at_least or growth")
            return None
        return Target(**fields)

    def _elsewhere(self, name: str, given: Any) -> Elsewhere:
        at = f"elsewhere.{name}"
        fields = self._mapping(given, at, {"title", "source", "reason"})
        return Elsewhere(
            name,
            self._title(fields.get("title"), f"{at}.title"),
            self._words(fields.get("source"), f"{at}.source"),
            self._title(fields.get("reason"), f"{at}.reason"),
        )

    def _lists(self, fields: Mapping[str, Any], key: str, at: str) -> dict[str, tuple[str, ...]]:
        if key not in fields:
            return {}
        named = self._mapping(fields[key], f"{at}.{key}")
        if not named:
            self._complain(f"{at}.{key}", "names something")
        return {name: self._words(words, f"{at}.{key}.{name}") for name, words in named.items()}

    def _mapping(self, given: Any, at: str, known: Collection[str] | None = None) -> dict[str, Any]:
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            self._complain(at, "is a mapping")
            return {}
        if known is not None:
            for key in sorted(set(given) - set(known)):
                self._complain(f"{at}.{key}", "is not known")
        return given

    def _title(self, given: Any, at: str) -> Title:
        fits = isinstance(given, list) and len(given) == len(("zh", "en"))
        if not fits or not all(isinstance(each, str) and each.strip() for each in given):
            self._complain(at, "is [中文, English]")
            return Title("", "")
        return Title(given[0].strip(), given[1].strip())

    def _words(self, given: Any, at: str) -> tuple[str, ...]:
        if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
            self._complain(at, "is a list of words")
            return ()
        return tuple(given)

    def _word(self, given: Any, at: str, known: tuple[str, ...]) -> str | None:
        if given not in known:
            self._complain(at, f"is one of {', '.join(known)}")
            return None
        return str(given)

    def _flag(self, fields: Mapping[str, Any], key: str, at: str) -> bool:
        if not isinstance(fields.get(key, False), bool):
            self._complain(f"{at}.{key}", "is true or false")
        return fields.get(key) is True

    def _complain(self, at: str, what: str) -> None:
        self.problems.append(f"{self._file}: {at} {what}.")
