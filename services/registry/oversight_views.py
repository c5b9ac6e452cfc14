"""Rows as the messages of OversightService."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.exchange.v1 import envelope_pb2
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import from_microseconds, microseconds
from services.exchange.directory import Directory
from services.procedures.calendar import NEVER, ZONE, Calendar
from services.procedures.obligation import Limit, Obligation, Outcome, Unit
from services.procedures.recurrence import period_text
from services.registry import certificates
from services.registry.links import LINK_DOWN
from services.registry.marks import PROPOSE_SUPERVISION, REMIND, TELL_OFFICE, WARN_LEADER
from services.registry.obligation_index import LAPSED, OPEN, STANDING, from_row, rule_of

_STATES: Final = {
    Outcome.ON_TIME.value: pb.OBLIGATION_STATE_ON_TIME,
    Outcome.LATE.value: pb.OBLIGATION_STATE_LATE,
    Outcome.TRANSMITTED_LATE.value: pb.OBLIGATION_STATE_TRANSMITTED_LATE,
    Outcome.EXCUSED.value: pb.OBLIGATION_STATE_EXCUSED,
    LAPSED: pb.OBLIGATION_STATE_LAPSED,
}
OFFICE_REMINDER: Final = "OFFICE_REMINDER"
"""An alert that is an office's reminder."""
_KINDS: Final = {
    REMIND: pb.ALERT_KIND_REMIND,
    TELL_OFFICE: pb.ALERT_KIND_TELL_OFFICE,
    LINK_DOWN: pb.ALERT_KIND_LINK_DOWN,
    certificates.CERTIFICATE: pb.ALERT_KIND_CERTIFICATE,
    WARN_LEADER: pb.ALERT_KIND_WARN_LEADER,
    PROPOSE_SUPERVISION: pb.ALERT_KIND_PROPOSE_SUPERVISION,
    OFFICE_REMINDER: pb.ALERT_KIND_OFFICE_REMINDER,
}
_DATED: Final = frozenset({Unit.WORKING_DAYS, Unit.DAYS})
_TICK: Final = timedelta(microseconds=1)
_NEVER_US: Final = microseconds(NEVER)


def states_asked(state: pb.ObligationState.ValueType) -> tuple[str, ...]:
    """The table's states for a state that is asked for; all for UNSPECIFIED."""
    if state == pb.OBLIGATION_STATE_UNSPECIFIED:
        return (OPEN, *_STATES)
    if state in {pb.OBLIGATION_STATE_OPEN, pb.OBLIGATION_STATE_OVERDUE}:
        return (OPEN,)
    return tuple(name for name, number in _STATES.items() if number == state)


def obligation_view(row: Any, directory: Directory, now: datetime) -> pb.ObligationView:
    """An obligation's row; a clock stopped with no end in sight has no due time."""
    obligation = from_row(row)
    try:
        rule = rule_of(row, directory.law)
    except LookupError:
        rule = None
    is_standing = row.procedure_version == STANDING
    view = pb.ObligationView(
        case_id="" if is_standing else row.case_id,
        duty=row.rule if is_standing else "",
        period=period_text(row.ordinal) if is_standing else "",
        procedure=row.procedure,
        rule=row.rule,
        ordinal=row.ordinal,
        title_zh=rule.title.zh if rule else "",
        title_en=rule.title.en if rule else "",
        owed_by=row.owed_by,
        opened_at=stamp(row.opened_at_us),
        state=_state(row, now),
        limit=limit_text(obligation.limit),
        opened_position=row.opened_position,
        discharged_by=rule.discharged_by if rule else (),
        suspended=obligation.open and _is_suspended(obligation, now),
        provisional=obligation.open and _is_provisional(row, obligation, directory),
    )
    if row.due_at_us < _NEVER_US:
        view.due_at.CopyFrom(stamp(row.due_at_us))
    if obligation.discharged_at is not None:
        view.discharged_at.CopyFrom(stamp(microseconds(obligation.discharged_at)))
    return view


def act_view(
    row: Any,
    header: envelope_pb2.Header,
    content: envelope_pb2.ActContent,
    received: Iterable[tuple[str, int]] = (),
) -> pb.ActView:
    """An act's row of the ledger, its header, and which departments received it when."""
    return pb.ActView(
        letter_id=header.letter_id,
        act=content.act,
        author=header.author,
        position=row.position,
        admitted_at=stamp(row.admitted_at_us),
        signed_at=header.signed_at,
        occurred_at=content.occurred_at,
        received=[
            pb.ReceivedView(department=department, received_at=stamp(at)) for department, at in received
        ],
        flags=row.flags.split(",") if row.flags else (),
    )


def alert_view(row: Any, obligation: pb.ObligationView | None) -> pb.Alert:
    """An alert's row and the obligation it is about."""
    return pb.Alert(
        id=row.id,
        kind=_KINDS[row.kind],
        addressee=row.addressee,
        obligation=obligation,
        mark=row.mark,
        fires_at=stamp(row.fires_at_us),
        fired_at=stamp(row.fired_at_us),
        subject_department=row.subject_department,
        certificate=certificates.number_of(row),
        reminder=reminder_view(row) if row.kind == OFFICE_REMINDER else None,
    )


def reminder_view(row: Any) -> pb.Reminder:
    """An alert's row as the office's reminder that it keeps."""
    return pb.Reminder(at=stamp(row.fired_at_us), department=row.sender, person=row.person, text=row.text)


def limit_text(limit: Limit) -> str:
    """A limit as procedures write it: `3 wd`, `at once`; `fixed` where a letter names date and hour."""
    if limit.unit in {Unit.AT_ONCE, Unit.FIXED}:
        return limit.unit.value
    return f"{limit.value} {limit.unit.value}"


def stamp(microseconds_: int) -> Timestamp:
    """A time on the wire."""
    seconds, rest = divmod(microseconds_, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _state(row: Any, now: datetime) -> pb.ObligationState.ValueType:
    if row.state == OPEN:
        overdue = row.due_at_us <= microseconds(now)
        return pb.OBLIGATION_STATE_OVERDUE if overdue else pb.OBLIGATION_STATE_OPEN
    return _STATES[row.state]


def _is_suspended(obligation: Obligation, now: datetime) -> bool:
    return any(
        pause.until is None and (pause.latest_end is None or now < pause.latest_end)
        for pause in obligation.suspensions
    )


def _is_provisional(row: Any, obligation: Obligation, directory: Directory) -> bool:
    if obligation.limit.unit not in _DATED or row.due_at_us >= _NEVER_US:
        return False
    calendar: Calendar = directory.law.calendar(directory.law.registry)
    first = from_microseconds(row.opened_at_us).astimezone(ZONE).year
    # due is exclusive: midnight of 1 January reads no date of that year
    last = (from_microseconds(row.due_at_us) - _TICK).astimezone(ZONE).year
    return any(calendar.provisional(year) for year in range(first, last + 1))
