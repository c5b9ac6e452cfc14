"""A frozen month computed anew from the ledger alone, letter by letter, without any of the tables beside it.

This is how anyone who holds the ledger checks a frozen month: the letters below its size are folded as every
party folds them, and what stands then is counted in memory. It shares no query with the live figures.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2
from liandong.exchange.v1 import envelope_pb2
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.exchange.directory import Directory
from services.exchange.letters import facts_of
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.deadlines import due_time
from services.procedures.facts import Admission
from services.procedures.fold import fold
from services.procedures.obligation import Obligation
from services.registry import tables
from services.registry.case_overview import parse_act
from services.registry.indicators.amounts import (
    Acted,
    Context,
    Measured,
    Median,
    Medians,
    Owed,
    Raw,
    measured,
)
from services.registry.indicators.catalogue import DISCHARGED, JUDGED, Catalogue, Indicator
from services.registry.indicators.periods import Month
from services.registry.obligation_index import OPEN, state_of

_ROWS: Final = 500
_SECOND: Final = 1_000_000
_ledger: Final = tables.ledger.c

Moved = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Act:
    acted: Acted
    admitted_at_us: int


@dataclass(slots=True)
class _Replayed:
    """The ledger up to a size, folded."""

    directory: Directory
    cases: dict[str, CaseState] = field(default_factory=dict)
    obligations: dict[tuple[str, str, int], tuple[str, Obligation]] = field(default_factory=dict)
    acts: list[_Act] = field(default_factory=list)
    spoken: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    case_at: dict[int, str] = field(default_factory=dict)


def replay(
    connection: Connection,
    month: Month,
    size: int,
    catalogue: Catalogue,
    region: str,
    moved: Moved = lambda _done, _all: None,
) -> Measured:
    """What was to be counted of a month by the ledger below a size.

    Args:
        connection: A read transaction; only the table `ledger` is read.
        month: The month.
        size: How many leaves count.
        catalogue: The indicators.
        region: The ledger's region.
        moved: Told how far it is.
    """
    done = _Replayed(Directory.empty(region))
    for row in _leaves(connection, size):
        if row.kind == "common":
            directory = done.directory
            done.directory = directory.apply(
                common_entry_pb2.CommonEntry.FromString(row.payload),
                version=directory.version + 1,
                position=row.position,
                admitted_at=from_microseconds(row.admitted_at_us),
            )
        elif row.kind == "act":
            _act(done, row)
        elif row.kind == "arrival":
            _arrival(done, row)
        moved(row.position + 1, size)
    return _measured(done, month, catalogue)


def _leaves(connection: Connection, size: int) -> Iterator[Any]:
    begin = 0
    while begin < size:
        end = min(begin + _ROWS, size)
        yield from connection.execute(
            sa.select(_ledger.position, _ledger.kind, _ledger.header, _ledger.payload, _ledger.admitted_at_us)
            .where(_ledger.position >= begin, _ledger.position < end)
            .order_by(_ledger.position)
        )
        begin = end


def _act(done: _Replayed, row: Any) -> None:
    header, content = parse_act(row.header)
    facts = facts_of(header, content)
    law = done.directory.law
    before = done.cases.get(facts.case_id)
    at = Admission(row.position, from_microseconds(row.admitted_at_us), done.directory.version)
    folded = fold(before, facts, at, law)
    done.cases[facts.case_id] = folded.state
    done.case_at[row.position] = facts.case_id
    for each in folded.changed:
        done.obligations[each.case_id, each.rule, each.ordinal] = (folded.state.procedure, each)
    procedure = law.procedures[folded.state.procedure, folded.state.version]
    spoken = done.spoken[facts.case_id]
    other = next((each for each in reversed(spoken) if each != header.author), "")
    spoken.append(header.author)
    acted = Acted(
        facts.procedure,
        facts.act,
        header.author,
        other,
        before is None,
        procedure.acts[facts.act].becomes in procedure.final,
        content.item_code,
        content.area_code,
        content.outcome_code,
        1,
    )
    done.acts.append(_Act(acted, row.admitted_at_us))


def _arrival(done: _Replayed, row: Any) -> None:
    header = envelope_pb2.Header.FromString(row.header)
    by_case: defaultdict[str, list[int]] = defaultdict(list)
    for letter in header.arrival.letters:
        if letter.position in done.case_at:
            by_case[done.case_at[letter.position]].append(letter.position)
    received = from_microseconds(row.admitted_at_us)
    for case_id, positions in by_case.items():
        folded = arrive(done.cases[case_id], positions, header.author, received)
        done.cases[case_id] = folded.state
        for each in folded.changed:
            done.obligations[each.case_id, each.rule, each.ordinal] = (folded.state.procedure, each)


def _measured(done: _Replayed, month: Month, catalogue: Catalogue) -> Measured:
    end = month.end
    begin_us, end_us = month.period.begin_us, month.period.end_us
    law = done.directory.law
    calendar = law.calendar(law.registry)
    due: list[Owed] = []
    opened: list[Owed] = []
    backlog: list[Owed] = []
    suspended: list[Owed] = []
    for procedure, each in done.obligations.values():
        state, ended_at = state_of(each)
        due_us = microseconds(due_time(each, calendar))
        took = 0 if state not in DISCHARGED or ended_at is None else _took(each, ended_at)
        owed = Owed(procedure, each.rule, each.owed_by, state, 1, took)
        admitted_us = microseconds(each.admitted_at)
        if state in JUDGED and begin_us < due_us <= end_us:
            due.append(owed)
        if begin_us <= admitted_us < end_us:
            opened.append(owed)
        if state == OPEN and due_us <= end_us:
            backlog.append(owed)
        if state == OPEN and admitted_us < end_us and _stands(each, end) and due_us > end_us:
            suspended.append(owed)
    acts = [each.acted for each in done.acts if begin_us <= each.admitted_at_us < end_us]
    raw = {"": Raw(_summed(due), _summed(opened), _summed(backlog), _summed(suspended), acts)}
    for indicator in catalogue.indicators.values():
        if indicator.median:
            raw[indicator.name] = Raw(medians=_medians(indicator, due))
    return measured(catalogue, catalogue.indicators, raw, Context.of(done.directory, end))


def _took(each: Obligation, ended_at: datetime) -> int:
    return (microseconds(ended_at) - microseconds(each.admitted_at)) // _SECOND


def _stands(each: Obligation, at: datetime) -> bool:
    """Whether the clock stands at an instant, by a pause that nothing has ended yet."""
    return any(
        pause.until is None and pause.since < at and (pause.latest_end is None or at < pause.latest_end)
        for pause in each.suspensions
    )


def _summed(rows: Iterable[Owed]) -> list[Owed]:
    amounts: Counter[tuple[str, str, str, str]] = Counter()
    seconds: Counter[tuple[str, str, str, str]] = Counter()
    for each in rows:
        amounts[each[:4]] += each.amount
        seconds[each[:4]] += each.seconds
    return [Owed(*key, amounts[key], seconds[key]) for key in sorted(amounts)]


def _medians(indicator: Indicator, due: Sequence[Owed]) -> Medians:
    measure = indicator.numerator
    times: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for each in due:
        if each.state in measure.states and measure.takes_rule(each.procedure, each.rule):
            for procedure in ("", each.procedure):
                for department in ("", each.department):
                    times[procedure, department].append(each.seconds)
    return {
        key: Median((statistics.median_low(found) + statistics.median_high(found)) // 2, len(found))
        for key, found in times.items()
    }
