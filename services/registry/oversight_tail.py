"""Changes for those who watch, read from the tables: every replica sees the same, whoever made them.

Acts come by ledger position, which rises without gaps. Alerts come by number, but two replicas that raise
alerts at once commit out of turn: a number that is missing is looked for again until it has come or been
given up. Links are few, and are compared with what they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import microseconds
from services.exchange.directory import Directory
from services.registry import links, tables
from services.registry.case_overview import parse_act
from services.registry.department_states import department_states, ledger_size
from services.registry.obligation_index import from_row
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import act_view, alert_view, obligation_view

STEP: Final = 500
"""Acts, and as many alerts, that are read at once."""
_MISSING_FOR: Final = timedelta(seconds=10)
_MISSING_AT_MOST: Final = 2000

_OBLIGATIONS: Final = Bulk(tables.obligations)
_PARTIES: Final = Bulk(tables.case_parties, ["case_id", "department"])
_CASES: Final = Bulk(tables.cases, ["case_id", "state", "last_position"])
_ACT: Final = ("position", "case_id", "admitted_at_us", "header", "flags")
_ledger: Final = tables.ledger.c
_alerts: Final = tables.alerts.c


@dataclass(frozen=True, slots=True)
class Change:
    """One change, and what decides who sees it: mechanism and parties, or a department alone."""

    response: pb.WatchResponse
    procedure: str = ""
    parties: frozenset[str] = frozenset()

    def seen_by(self, scope: Scope, procedure: str) -> bool:
        """Whether a watcher sees it; `procedure` empty watches all mechanisms."""
        match self.response.WhichOneof("change"):
            case "act":
                is_wanted = procedure in {"", self.procedure}
                return is_wanted and scope.sees_case(self.procedure, self.parties)
            case "alert":
                alert = self.response.alert
                # a silent link concerns every mechanism
                is_wanted = procedure in {"", self.procedure} or not self.procedure
                return is_wanted and scope.sees_alert(
                    self.procedure, alert.addressee, alert.subject_department
                )
            case _:
                return scope.sees_department(self.response.link.department)


@dataclass(slots=True)
class Tail:
    """How far the tables were read.

    Attributes:
        position: The last ledger position.
        alert: The last alert.
        missing: Numbers below `alert` that had not come, and when that was seen first.
        links: Which links were up.
    """

    position: int
    alert: int
    links: dict[str, bool]
    missing: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def at_end(cls, connection: Connection, now: datetime) -> Tail:
        """A tail that sees only what comes from now on."""
        newest = connection.execute(sa.select(sa.func.max(_alerts.id))).scalar() or 0
        up = {name: state.connected for name, state in links.states(connection, now).items()}
        return cls(ledger_size(connection) - 1, newest, up)

    def copy(self) -> Tail:
        """A tail of its own, for an attempt that may fail."""
        return replace(self, links=dict(self.links), missing=dict(self.missing))

    def read(self, connection: Connection, directory: Directory, now: datetime) -> tuple[list[Change], bool]:
        """The next changes, and whether there are more of them already; moves the tail on."""
        acts = self._new_acts(connection)
        alerts = self._new_alerts(connection, now)
        duties = _obligations_of(connection, {row.case_id for row in (*acts, *alerts)})
        changes = _act_changes(connection, acts, duties, directory, now)
        changes += [_alert_change(row, duties, directory, now) for row in alerts]
        changes += self._link_changes(connection, directory, now)
        return changes, len(acts) >= STEP or len(alerts) >= STEP

    def _new_acts(self, connection: Connection) -> Sequence[Any]:
        end = ledger_size(connection)
        rows = connection.execute(
            sa.select(
                _ledger.position, _ledger.case_id, _ledger.admitted_at_us, _ledger.header, _ledger.flags
            )
            .where(_ledger.position > self.position, _ledger.position < end, _ledger.kind == "act")
            .order_by(_ledger.position)
            .limit(STEP)
        ).all()
        self.position = rows[-1].position if len(rows) == STEP else max(self.position, end - 1)
        return rows

    def _new_alerts(self, connection: Connection, now: datetime) -> Sequence[Any]:
        self.missing = {each: since for each, since in self.missing.items() if now - since < _MISSING_FOR}
        wanted = _alerts.id > self.alert
        if self.missing:
            wanted = sa.or_(wanted, _alerts.id.in_(self.missing))
        rows = connection.execute(
            sa.select(tables.alerts).where(wanted).order_by(_alerts.id).limit(STEP)
        ).all()
        for row in rows:
            self.missing.pop(row.id, None)
            if row.id > self.alert:
                gap = range(self.alert + 1, row.id)[-_MISSING_AT_MOST:]
                self.missing.update(dict.fromkeys(gap, now))
                self.alert = row.id
        for each in sorted(self.missing)[:-_MISSING_AT_MOST]:
            del self.missing[each]
        return rows

    def _link_changes(self, connection: Connection, directory: Directory, now: datetime) -> list[Change]:
        up = {name: state.connected for name, state in links.states(connection, now).items()}
        moved = [name for name, is_up in up.items() if self.links.get(name, False) != is_up]
        self.links = up
        if not moved:
            return []
        everyone = Scope("", frozenset(), everything=True)
        states = department_states(connection, everyone, directory, now, only=moved)
        return [Change(pb.WatchResponse(link=state)) for state in states]


def _obligations_of(connection: Connection, case_ids: Iterable[str]) -> dict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in _OBLIGATIONS.select_in(connection, "case_id", {each for each in case_ids if each}):
        found[row.case_id].append(row)
    return found


def _act_changes(
    connection: Connection,
    acts: Sequence[Any],
    duties: dict[str, list[Any]],
    directory: Directory,
    now: datetime,
) -> list[Change]:
    case_ids = {row.case_id for row in acts}
    parties: defaultdict[str, set[str]] = defaultdict(set)
    for row in _PARTIES.select_in(connection, "case_id", case_ids):
        parties[row.case_id].add(row.department)
    standing = {row.case_id: row for row in _CASES.select_in(connection, "case_id", case_ids)}
    changes = []
    for row in acts:
        header, content = parse_act(row.header)
        procedure = directory.law.procedure(content.procedure, content.procedure_version)
        act = procedure.acts.get(content.act) if procedure else None
        case = standing.get(row.case_id)
        # the table has the newest state; an act that moves the case says itself where to
        state = act.becomes if act and act.becomes else case.state if case else ""
        touched = [each for each in duties.get(row.case_id, ()) if _touches(row, each)]
        change = pb.ActChange(
            case_id=row.case_id,
            procedure=content.procedure,
            state=state,
            act=act_view(row, header, content),
            obligations=[obligation_view(each, directory, now) for each in touched],
        )
        seen_by = frozenset(parties[row.case_id])
        changes.append(Change(pb.WatchResponse(act=change), content.procedure, seen_by))
    return changes


def _touches(act: Any, row: Any) -> bool:
    """Whether an act opened, ended, suspended, resumed or extended an obligation: its facts say when."""
    if act.position == row.opened_position or act.admitted_at_us == row.ended_at_us:
        return True
    obligation = from_row(row)
    moments = [
        moment
        for pause in obligation.suspensions
        for moment in (pause.since, pause.until)
        if moment is not None
    ]
    moments += [extension.admitted_at for extension in obligation.extensions]
    return act.admitted_at_us in map(microseconds, moments)


def _alert_change(row: Any, duties: dict[str, list[Any]], directory: Directory, now: datetime) -> Change:
    about = next(
        (
            each
            for each in duties.get(row.case_id, ())
            if (each.rule, each.ordinal) == (row.rule, row.ordinal)
        ),
        None,
    )
    view = None if about is None else obligation_view(about, directory, now)
    return Change(pb.WatchResponse(alert=alert_view(row, view)), row.procedure)
