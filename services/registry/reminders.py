"""Reminders that an office sends (催办): once for an obligation and day.

They are kept as alerts, so that people are told of them like of marks. The day is the region's. Who reminded, and in
which words, stands in the alert: it is the record of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import microseconds
from services.common.errors import NotFound, PermissionDenied
from services.procedures.calendar import ZONE
from services.registry import tables
from services.registry.obligation_index import OPEN, STANDING
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import OFFICE_REMINDER, reminder_view, stamp

_ONCE: Final = ("case_id", "rule", "ordinal", "mark", "kind", "addressee")
_ALERTS: Final = Bulk(
    tables.alerts,
    ["kind", "addressee", "subject_department", "procedure", *_ONCE[:4], "fires_at_us", "fired_at_us",
     "text", "sender", "person"],
)  # fmt: skip
_SENT: Final = Bulk(
    tables.alerts,
    ["case_id", "rule", "ordinal", "kind", "addressee", "mark", "fired_at_us", "text", "sender", "person"],
)

Key = tuple[str, str, int]
"""Case, rule, ordinal, as in the table."""


class ObligationNotFound(NotFound):
    """There is no such obligation, or the caller may not know of it."""


class NotTheOffice(PermissionDenied):
    """Only the office of the mechanism reminds of what is owed in it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A reminder that is to be sent; `case_id` is empty of a standing duty."""

    case_id: str
    rule: str
    ordinal: int
    owed_by: str
    text: str


def remind(
    connection: Connection, scope: Scope, drafts: Sequence[Draft], person: str, now: datetime
) -> list[pb.Reminded]:
    """Send reminders, all or none.

    Args:
        connection: A write transaction.
        scope: What the caller sees: the mechanisms that it is the office of.
        drafts: The reminders.
        person: Who sends them, as the office says.
        now: The time.

    Returns:
        What became of each, in their order.

    Raises:
        ObligationNotFound: One names none in the caller's sight.
        NotTheOffice: One is of a mechanism of another office.
    """
    found = [_found(connection, scope, number, draft) for number, draft in enumerate(drafts)]
    day = now.astimezone(ZONE).date().isoformat()
    now_us = microseconds(now)
    before = {
        (each.case_id, each.rule, each.ordinal): each.fired_at_us
        for each in _sent(connection, [row.case_id for row in found])
        if each.mark == day
    }
    rows: dict[Key, tuple[Any, ...]] = {}
    results = []
    for draft, row in zip(drafts, found, strict=True):
        key = (row.case_id, row.rule, row.ordinal)
        if row.state != OPEN:
            results.append(pb.Reminded(outcome=pb.REMINDER_OUTCOME_OVER))
        elif key in before or key in rows:
            at = stamp(before.get(key, now_us))
            results.append(pb.Reminded(outcome=pb.REMINDER_OUTCOME_SENT_BEFORE, at=at))
        else:
            rows[key] = (
                OFFICE_REMINDER, row.owed_by, row.owed_by, row.procedure, *key, day, now_us, now_us,
                draft.text, scope.department, person,
            )  # fmt: skip
            results.append(pb.Reminded(outcome=pb.REMINDER_OUTCOME_SENT, at=stamp(now_us)))
    _ALERTS.upsert(connection, list(rows.values()), _ONCE)
    return results


def reminders_of(connection: Connection, cases: Iterable[str]) -> Mapping[Key, Sequence[Any]]:
    """The reminders of all obligations of these cases, newest first."""
    found: dict[Key, list[Any]] = {}
    for each in sorted(_sent(connection, cases), key=lambda row: int(row.fired_at_us), reverse=True):
        found.setdefault((each.case_id, each.rule, each.ordinal), []).append(each)
    return found


def note_reminders(view: pb.ObligationView, sent: Sequence[Any]) -> None:
    """Put an obligation's reminders, newest first, into its view."""
    view.reminders = len(sent)
    if sent:
        view.last_reminder.CopyFrom(reminder_view(sent[0]))


def _sent(connection: Connection, cases: Iterable[str]) -> list[Any]:
    rows = _SENT.select_in(connection, "case_id", sorted(set(cases)))
    return [row for row in rows if row.kind == OFFICE_REMINDER]


def _found(connection: Connection, scope: Scope, number: int, draft: Draft) -> Any:
    columns = tables.obligations.c
    wanted = [columns.rule == draft.rule, columns.ordinal == draft.ordinal, columns.owed_by == draft.owed_by]
    if draft.case_id:
        wanted.append(columns.case_id == draft.case_id)
    else:
        wanted.append(columns.procedure_version == STANDING)
    row = connection.execute(
        sa.select(
            columns.case_id, columns.rule, columns.ordinal, columns.procedure, columns.owed_by, columns.state
        ).where(*wanted)
    ).first()
    field = f"reminders[{number}]"
    if row is not None and scope.sees_mechanism(row.procedure):
        return row
    if row is not None and draft.owed_by == scope.department:
        raise NotTheOffice(field=field)
    raise ObligationNotFound(field=field)
