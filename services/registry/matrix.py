"""How departments stand in mechanisms now (M28): what they owe, what of it is overdue, what is in dispute.

Only open obligations are counted, by the indexes that lists use, so that what is shown live costs what is open
and not what is stored. A case is in dispute while what a letter with the body `Dispute` made the office owe is
open: to settle it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.clock import microseconds
from services.procedures.law import Law
from services.procedures.model import OFFICE
from services.registry import tables
from services.registry.obligation_index import OPEN
from services.registry.oversight_scope import Scope

_DISPUTE: Final = bodies_pb2.Dispute.DESCRIPTOR.full_name

_o, _p = tables.obligations.c, tables.case_parties.c

Rules = Collection[tuple[str, str]]
"""Names of obligations, each with its mechanism."""


def dispute_rules(law: Law) -> Rules:
    """What an office owes because a letter disputes something, by mechanism and name."""
    return sorted(
        {
            (procedure.name, rule.name)
            for procedure in law.procedures.values()
            for rule in procedure.obligations.values()
            if rule.owed_by == OFFICE
            and any(act in procedure.acts and procedure.acts[act].body == _DISPUTE for act in rule.opens_on)
        }
    )


def is_dispute(rules: Rules) -> sa.ColumnElement[bool]:
    """The condition that an obligation is one of these."""
    return sa.or_(
        sa.false(), *(sa.and_(_o.procedure == name, _o.rule == rule) for name, rule in sorted(rules))
    )


def matrix(
    connection: Connection, scope: Scope, disputes: Rules, soon_before: datetime | None, now: datetime
) -> list[pb.MatrixCell]:
    """A cell for each department and mechanism in which something is open in the caller's sight.

    Args:
        connection: A read transaction.
        scope: What the caller sees.
        disputes: Of `dispute_rules`.
        soon_before: What is due before it is due soon.
        now: The time.
    """
    now_us = microseconds(now)
    soon_us = now_us if soon_before is None else microseconds(soon_before)
    is_over = _o.due_at_us <= now_us
    is_soon = sa.and_(_o.due_at_us > now_us, _o.due_at_us < soon_us)
    cells: defaultdict[tuple[str, str], pb.MatrixCell] = defaultdict(pb.MatrixCell)
    counted = (
        sa.select(
            _o.owed_by, _o.procedure, sa.func.count(), _sum(is_over), _sum(is_soon),
        )
        .where(_o.state == OPEN, scope.indicators())
        .group_by(_o.owed_by, _o.procedure)
    )  # fmt: skip
    for department, procedure, count, overdue, soon in connection.execute(counted):
        cell = cells[department, procedure]
        cell.open, cell.overdue, cell.soon = count - int(overdue), int(overdue), int(soon)
    for department, procedure, cases in connection.execute(_disputed(scope, disputes)):
        cells[department, procedure].disputed = cases
    for (department, procedure), cell in cells.items():
        cell.department, cell.procedure = department, procedure
    return [cells[key] for key in sorted(cells)]


def _disputed(scope: Scope, disputes: Rules) -> sa.Select[Any]:
    """Cases in dispute by the departments that take part; of others' mechanisms only the caller's own."""
    seen: sa.ColumnElement[bool] = sa.true()
    if not scope.everything:
        seen = sa.or_(_o.procedure.in_(sorted(scope.offices)), _p.department == scope.department)
    return (
        sa.select(_p.department, _o.procedure, sa.func.count(sa.distinct(_o.case_id)))
        .join(tables.case_parties, _p.case_id == _o.case_id)
        .where(_o.state == OPEN, is_dispute(disputes), _p.role != OFFICE, seen)
        .group_by(_p.department, _o.procedure)
    )


def _sum(condition: sa.ColumnElement[bool]) -> sa.Function[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
