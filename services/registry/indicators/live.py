"""Figures of any period as the ledger shows them now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.exchange.directory import Directory
from services.registry.department_states import ledger_size
from services.registry.indicators import act_index, queries
from services.registry.indicators.amounts import Context, Measured, Raw, measured, needed
from services.registry.indicators.catalogue import Catalogue, Count, Indicator, Measure
from services.registry.indicators.figures import (
    Figure,
    Group,
    Part,
    compare,
    figures,
    groups,
    hold_against_target,
)
from services.registry.indicators.periods import Period
from services.registry.indicators.queries import Window
from services.registry.indicators.sight import Sight


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        indicators: Which, in the order of the catalogue.
        period: The days.
        group: By what they are split.
        compared_with: The days to compare with.
    """

    indicators: tuple[Indicator, ...]
    period: Period
    group: Group
    compared_with: Period | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Figures, and the ledger that they are of."""

    figures: tuple[Figure, ...]
    context: Context
    ledger_size: int
    acts_counted: int


def find(
    connection: Connection,
    asked: Asked,
    sight: Sight,
    catalogue: Catalogue,
    directory: Directory,
    now: datetime,
) -> Found:
    """The figures that a request asks for and its caller may see.

    Args:
        connection: A read transaction.
        asked: What is asked for.
        sight: What the caller sees.
        catalogue: The indicators.
        directory: The newest.
        now: The present: no period goes beyond it.
    """
    part = sight.part(asked.group)
    able = [each for each in asked.indicators if asked.group in groups(each)]

    def of(period: Period, chosen: Sequence[Indicator]) -> tuple[Measured, dict[str, list[Figure]]]:
        seen = window_of(connection, period, sight, asked.group, directory, now)
        given = measure(connection, chosen, catalogue, seen, directory, asked.group)
        # medians were computed of what is seen and of nothing else
        middle = Part(None, part.department)
        return given, {
            each.name: figures(each, given, asked.group, middle if each.median else part) for each in chosen
        }

    given, made = of(asked.period, able)
    then: dict[str, list[Figure]] = {}
    if asked.compared_with is not None:
        _, then = of(asked.compared_with, able)
    growing = [each for each in able if each.target is not None and each.target.growth is not None]
    base_period = asked.period.in_year(catalogue.base_year)
    base: dict[str, list[Figure]] = {}
    if growing and base_period != asked.period:
        base = then if base_period == asked.compared_with else of(base_period, growing)[1]
    found: list[Figure] = []
    for each in able:
        own = made[each.name]
        if asked.compared_with is not None:
            own = compare(each, own, then[each.name])
        found += sight.shown(asked.group, hold_against_target(each, own, base.get(each.name)))
    return Found(tuple(found), given.context, ledger_size(connection), act_index.end_of(connection))


def window_of(
    connection: Connection,
    period: Period,
    sight: Sight,
    group: Group,
    directory: Directory,
    now: datetime,
) -> Window:
    """What is read for a period: no further than the present, no wider than the sight."""
    known = {name for name, _ in directory.law.procedures}
    end_us = min(period.end_us, max(microseconds(now), period.begin_us))
    department = sight.part(group).department
    return queries.window(connection, period.begin_us, end_us, sight.among(known), department)


def measure(
    connection: Connection,
    chosen: Collection[Indicator],
    catalogue: Catalogue,
    seen: Window,
    directory: Directory,
    group: Group | None = None,
) -> Measured:
    """What indicators count of a window.

    Args:
        connection: A read transaction.
        chosen: Which.
        catalogue: All indicators.
        seen: The window.
        directory: As of the ledger that is read.
        group: By what figures will be split; None: by everything, to be frozen.
    """
    context = Context.of(directory, from_microseconds(seen.end_us))
    counts = needed(chosen)
    # the department's own acts are not all that count for it: some count for whoever had acted before
    wide = Window(seen.begin_us, seen.end_us, seen.first, seen.last, seen.procedures)
    before = any(each.before for indicator in chosen for each in indicator.measures)
    acts = queries.read(
        connection,
        wide if before or group is Group.DEPARTMENT else seen,
        counts & {Count.LETTERS, Count.OPENING, Count.CLOSING},
        directory.law,
        named=catalogue.acts(),
        all_letters=any(_is_whole(each) for indicator in chosen for each in indicator.measures),
    )
    owed = queries.read(
        connection, seen, counts - {Count.LETTERS, Count.OPENING, Count.CLOSING}, directory.law
    )
    raw = {"": Raw(owed.due, owed.opened, owed.backlog, owed.suspended, acts.acts)}
    for each in queries.timed(chosen):
        found = (
            queries.all_medians(connection, seen, each)
            if group is None
            else queries.medians(
                connection,
                seen,
                each.numerator,
                by_procedure=group is Group.PROCEDURE,
                by_department=group is Group.DEPARTMENT or bool(seen.department),
            )
        )
        raw[each.name] = Raw(medians=found)
    return measured(catalogue, [each.name for each in chosen], raw, context)


def _is_whole(measure: Measure) -> bool:
    return measure.count is Count.LETTERS and not measure.acts
