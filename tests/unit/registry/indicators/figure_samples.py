"""Obligations and acts whose figures were worked out by hand, and figures as short tuples."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.common.clock import microseconds
from services.common.db import Database
from services.procedures.obligation import Obligation, Outcome
from services.registry import tables
from services.registry.handlers.indicators import IndicatorHandlers
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_calls import CONTEXT
from tests.unit.registry.oversight_samples import RECEIVER, SENDER, case_id, duty, put, put_head

SATURDAY = "2026-02-28 15:00"
"""A Saturday that is worked for the Spring Festival."""


def met(each: Obligation, when: str, outcome: Outcome, due: str) -> Obligation:
    """An obligation that was discharged, and the due time that was frozen then."""
    return replace(each, discharged_at=at(when), outcome=outcome, due_frozen=at(due))


def boundary_duties() -> list[Obligation]:
    """One working day each, around 28 February 2026 (a Saturday that is worked) and both ends of March.

    Worked by hand: opened on Thursday 26 February due at the end of the 27th; on Friday 27 due at the end of
    Saturday 28, which is 1 March 00:00 and belongs to February; on Saturday 28 due at the end of Monday 2 March;
    on Monday 30 March due at the end of the 31st, which is 1 April 00:00 and belongs to March; on Tuesday 31
    due at the end of 1 April.
    """
    thursday = duty(1, "2026-02-26 10:00", "1 wd")
    friday = duty(2, "2026-02-27 10:00", "1 wd")
    saturday = duty(3, SATURDAY, "1 wd")
    monday = duty(4, "2026-03-30 10:00", "1 wd")
    tuesday = duty(5, "2026-03-31 10:00", "1 wd")
    return [
        met(thursday, "2026-02-27 10:00", Outcome.ON_TIME, "2026-02-28"),
        met(friday, "2026-03-01 10:00", Outcome.LATE, "2026-03-01"),
        met(saturday, "2026-03-02 15:00", Outcome.ON_TIME, "2026-03-03"),
        monday,
        tuesday,
    ]


def put_acts(
    database: Database,
    rows: Iterable[tuple[int, int, str, str, str, bool, bool, str]],
    procedure: str = "relay",
) -> None:
    """Index acts: position, case, act, author, before, opens, closes, admitted."""
    found = [
        (
            position, case_id(number), procedure, act, author, before, opens, closes, "", "", "",
            microseconds(at(admitted)),
        )
        for position, number, act, author, before, opens, closes, admitted in rows
    ]  # fmt: skip
    put(database, tables.act_index, found)


def put_ledger(database: Database, moments: Iterable[str | datetime]) -> None:
    """A ledger whose leaves were admitted at these times."""
    rows = []
    for position, moment in enumerate(moments):
        when = at(moment) if isinstance(moment, str) else moment
        rows.append(
            (
                position, f"letter-{position}", "arrival", SENDER, None, b"", b"", microseconds(when), 0, position,
                0, b"", b"", b"", "",
            )
        )  # fmt: skip
    put(database, tables.ledger, rows)
    put_head(database, len(rows))


async def ask(
    handlers: IndicatorHandlers, indicator: str, first: str, last: str, **given: Any
) -> list[tuple[str, int, int | None, int | None]]:
    """Key, numerator, denominator and value of the figures that are answered."""
    request = pb.GetFiguresRequest(indicators=[indicator], period=pb.Period(first=first, last=last), **given)
    return short((await handlers.GetFigures(request, CONTEXT)).figures)


def short(figures: Iterable[pb.Figure]) -> list[tuple[str, int, int | None, int | None]]:
    """Figures as tuples."""
    return [
        (
            each.key,
            each.numerator,
            each.denominator if each.HasField("denominator") else None,
            each.value if each.HasField("value") else None,
        )
        for each in figures
    ]


__all__ = ["RECEIVER", "SENDER"]
