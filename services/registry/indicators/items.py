"""What a figure counts, in pages: the obligations and acts behind it, under the conditions that counted them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.procedures.law import Law
from services.registry import tables
from services.registry.indicators.catalogue import Count, Measure
from services.registry.indicators.queries import Window, acted_in, conditions_of, one_of, rules_of

_owed: Final = tables.obligations.c
_acts: Final = tables.act_index.c

ItemKey = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class Narrow:
    """The part of a figure that one key of a split is of; None takes everything.

    Attributes:
        departments: Only of these.
        items: Only of these matters.
        area: Only of this area.
    """

    departments: tuple[str, ...] | None = None
    items: tuple[str, ...] | None = None
    area: str | None = None


EVERYTHING: Final = Narrow()


def list_obligations(
    connection: Connection,
    seen: Window,
    measure: Measure,
    law: Law,
    after: ItemKey | None,
    limit: int,
    narrow: Narrow = EVERYTHING,
) -> Sequence[Any]:
    """The next obligations that a measure counts, as rows of the table, by due time (opened: by position)."""
    leading = _owed.opened_position if measure.count is Count.OPENED else _owed.due_at_us
    order = (leading, _owed.case_id, _owed.rule, _owed.ordinal)
    conditions = [*conditions_of(seen, measure, law), *rules_of(measure)]
    if narrow.departments is not None:
        conditions.append(_owed.owed_by.in_(narrow.departments))
    if after is not None:
        conditions.append(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, after)))
    return connection.execute(
        sa.select(tables.obligations).where(*conditions).order_by(*order).limit(limit)
    ).all()


def item_key(row: Any, measure: Measure) -> ItemKey:
    """The key of a row of `list_obligations`."""
    leading = row.opened_position if measure.count is Count.OPENED else row.due_at_us
    return (leading, row.case_id, row.rule, row.ordinal)


def list_acts(
    connection: Connection,
    seen: Window,
    measure: Measure,
    after: int | None,
    limit: int,
    narrow: Narrow = EVERYTHING,
    *,
    with_area: bool = False,
) -> Sequence[Any]:
    """The next acts that a measure counts, as rows of the index, by position; with a named area if asked."""
    whose = _acts.before if measure.before else _acts.author
    conditions: list[sa.ColumnElement[bool]] = [*acted_in(seen)]
    if measure.acts:
        named = [(procedure, act) for procedure, acts in measure.acts.items() for act in acts]
        conditions.append(one_of(named))
    if measure.procedures:
        conditions.append(_acts.procedure.in_(measure.procedures))
    if measure.count is Count.OPENING:
        conditions.append(_acts.opens)
    if measure.count is Count.CLOSING:
        conditions.append(_acts.closes)
    if measure.outcomes:
        conditions.append(_acts.outcome_code.in_(measure.outcomes))
    # what belongs to nobody is in no department's figure, but in the whole
    if seen.department:
        conditions.append(whose == seen.department)
    if narrow.departments is not None:
        conditions.append(whose.in_(narrow.departments))
    if narrow.items is not None:
        conditions.append(_acts.item_code.in_(narrow.items))
    if narrow.area is not None:
        conditions.append(_acts.area_code == narrow.area)
    if with_area:
        conditions.append(_acts.area_code != "")
    if after is not None:
        conditions.append(_acts.position > after)
    return connection.execute(
        sa.select(tables.act_index).where(*conditions).order_by(_acts.position).limit(limit)
    ).all()
