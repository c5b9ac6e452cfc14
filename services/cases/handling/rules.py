"""What a department stated about the handling of its letters, kept in memory between sessions."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from services.cases.handling import store
from services.procedures.chain import Direction, Stated
from services.procedures.numbering import Series


@dataclass(frozen=True, slots=True)
class HandlingRules:
    """Chains and number series.

    Attributes:
        stated: Every chain, ended ones too.
        series: Every number series, ended ones too.
        answering: Own acts that do a step of something that arrived.
    """

    stated: tuple[Stated, ...] = ()
    series: tuple[Series, ...] = ()
    answering: frozenset[str] = frozenset()


def read_rules(connection: Connection) -> HandlingRules:
    """What is stated now."""
    stated = store.stated(connection)
    return HandlingRules(
        stated,
        store.series(connection),
        frozenset(
            act
            for each in stated
            if each.chain.direction is Direction.INBOUND
            for step in each.chain.steps
            for act in step.acts
        ),
    )
