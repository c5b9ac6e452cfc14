"""A department's standing duties as its node shows them: computed, and what its own letters discharged of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from liandong.cases.v1 import duty_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import tables
from services.common.bulk import Bulk, Record
from services.common.clock import from_microseconds, microseconds
from services.exchange.letters import timestamp
from services.procedures.calendar import Calendar
from services.procedures.deadlines import judge
from services.procedures.duties import Occurrence
from services.procedures.facts import ActFacts, Admission
from services.procedures.law import Law
from services.procedures.obligation import Outcome

_SERVED: Final = Bulk(tables.served_duties)
_ENDED: Final = {
    Outcome.ON_TIME.value: pb.DUTY_STATE_ON_TIME,
    Outcome.LATE.value: pb.DUTY_STATE_LATE,
    Outcome.TRANSMITTED_LATE.value: pb.DUTY_STATE_TRANSMITTED_LATE,
    Outcome.EXCUSED.value: pb.DUTY_STATE_EXCUSED,
}


class Served(NamedTuple):
    """How an occurrence was discharged, as it was judged at that position of the ledger."""

    duty: str
    period: int
    letter_id: str
    position: int
    discharged_at_us: int
    due_at_us: int
    outcome: str


class Owed(NamedTuple):
    """An occurrence, when it is due, and what discharged it."""

    occurrence: Occurrence
    due: datetime
    served: Served | None

    def state(self, now: datetime) -> pb.DutyState.ValueType:
        """How it stands."""
        if self.served is not None:
            return _ENDED[self.served.outcome]
        if self.due <= now:
            return pb.DUTY_STATE_OVERDUE
        return pb.DUTY_STATE_OPEN if self.occurrence.opens_at <= now else pb.DUTY_STATE_AHEAD

    @property
    def key(self) -> tuple[int, str, int]:
        """What lists are ordered by."""
        return microseconds(self.due), self.occurrence.rule.id, self.occurrence.period


def served_rows(facts: ActFacts, admission: Admission, law: Law) -> list[Record]:
    """What an own act that was admitted discharges, judged as the registry did."""
    calendar = law.calendar(law.registry)
    rows: list[Record] = []
    for duty, period in facts.serves:
        occurrence = law.standing.occurrence(duty, period)
        if occurrence is None:
            continue
        due = occurrence.due_time(calendar)
        outcome = judge(due, facts.signed_at, admission.admitted_at, law.outages_of(facts.author))
        rows.append(
            Served(
                duty,
                period,
                facts.letter_id,
                admission.position,
                microseconds(admission.admitted_at),
                microseconds(due),
                outcome.value,
            )
        )
    return rows


def write(connection: Connection, rows: Sequence[Record]) -> None:
    """Keep what was discharged; the first letter counts."""
    _SERVED.upsert(connection, rows, ["duty", "period"])


def owed(connection: Connection, department: str, law: Law, since: datetime, until: datetime) -> list[Owed]:
    """What a department owes whose day begins in a period, by due time."""
    calendar = law.calendar(law.registry)
    found = [each for each in law.standing.falling(since, until) if department in each.owners]
    known = _served(connection, {each.rule.id for each in found})
    return sorted(
        (_owed(each, calendar, known.get((each.rule.id, each.period))) for each in found),
        key=lambda each: each.key,
    )


def find(connection: Connection, department: str, law: Law, duty: str, period: int) -> Owed | None:
    """One occurrence that a department owes, None if it owes no such one."""
    occurrence = law.standing.occurrence(duty, period)
    if occurrence is None or department not in occurrence.owners:
        return None
    served = _served(connection, {duty}).get((duty, period))
    return _owed(occurrence, law.calendar(law.registry), served)


def view(each: Owed, calendar: Calendar, now: datetime) -> pb.DutyView:
    """An occurrence on the wire."""
    rule, served = each.occurrence.rule, each.served
    answer = pb.DutyView(
        duty=rule.id,
        period=each.occurrence.name,
        title_zh=rule.title.zh,
        title_en=rule.title.en,
        source=rule.source,
        mechanism=rule.mechanism,
        state=each.state(now),
        opens_at=timestamp(each.occurrence.opens_at),
        due_at=timestamp(each.due),
        provisional=served is None and each.occurrence.provisional(calendar),
        discharged_by=[f"{procedure}/{act}" for procedure, act in rule.discharged_by],
    )
    if served is not None:
        answer.letter_id = served.letter_id
        answer.discharged_at.CopyFrom(timestamp(from_microseconds(served.discharged_at_us)))
    return answer


def _owed(occurrence: Occurrence, calendar: Calendar, served: Served | None) -> Owed:
    due = occurrence.due_time(calendar) if served is None else from_microseconds(served.due_at_us)
    return Owed(occurrence, due, served)


def _served(connection: Connection, duties: set[str]) -> dict[tuple[str, int], Served]:
    columns = tables.served_duties.c
    rows = connection.execute(sa.select(tables.served_duties).where(columns.duty.in_(sorted(duties))))
    return {(row.duty, row.period): Served._make(row) for row in rows}
