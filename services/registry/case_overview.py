"""One case as the registry sees it: its acts' headers, its obligations, who received what when."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.errors import NotFound
from services.exchange.directory import Directory
from services.procedures import case as cases
from services.registry import tables
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import act_view, obligation_view
from services.registry.reminders import note_reminders, reminders_of


class CaseNotFound(NotFound):
    """There is no such case, or the caller may not know of it."""


def case_overview(
    connection: Connection, scope: Scope, directory: Directory, case_id: str, now: datetime
) -> pb.GetCaseOverviewResponse:
    """A case from its headers.

    Raises:
        CaseNotFound: There is none of that id in the caller's sight.
    """
    found = connection.execute(sa.select(tables.cases).where(tables.cases.c.case_id == case_id)).first()
    state = None if found is None else cases.loads(found.folded)
    if found is None or state is None or not scope.sees_case(state.procedure, state.members):
        raise CaseNotFound(field="case_id")
    acts = connection.execute(
        sa.select(*(tables.ledger.c[name] for name in ("position", "admitted_at_us", "header", "flags")))
        .where(tables.ledger.c.case_id == case_id, tables.ledger.c.kind == "act")
        .order_by(tables.ledger.c.position)
    ).all()
    obligations = _obligations(connection, directory, case_id, now)
    received = _received(connection, state.members, [act.position for act in acts])
    return pb.GetCaseOverviewResponse(
        case_id=case_id,
        procedure=state.procedure,
        procedure_version=state.version,
        state=state.state,
        parties=[
            pb.PartyView(role=role, department=holder)
            for role, holders in state.parties.items()
            for holder in holders
        ],
        acts=[_act(act, received[act.position]) for act in acts],
        obligations=obligations,
        # what the fold wrote is its canonical encoding: a node that folds the same has the same digest
        state_digest=hashlib.sha256(found.folded).digest(),
        links=_links(connection, scope, case_id),
    )


def _obligations(
    connection: Connection, directory: Directory, case_id: str, now: datetime
) -> list[pb.ObligationView]:
    columns = tables.obligations.c
    rows = connection.execute(
        sa.select(tables.obligations)
        .where(columns.case_id == case_id)
        .order_by(columns.opened_position, columns.rule, columns.ordinal)
    ).all()
    sent = reminders_of(connection, [case_id])
    views = [obligation_view(row, directory, now) for row in rows]
    for row, view in zip(rows, views, strict=True):
        note_reminders(view, sent.get((row.case_id, row.rule, row.ordinal), ()))
    return views


def _links(connection: Connection, scope: Scope, case_id: str) -> list[pb.CaseLink]:
    """Cases beside a case; those out of the caller's sight are left out."""
    links, other = tables.case_links.c, tables.cases.c
    beside = sa.case((links.case_id == case_id, links.linked), else_=links.case_id)
    rows = connection.execute(
        sa.select(links.case_id, links.relation, other.case_id.label("other"), other.closed, other.folded)
        .join(tables.cases, other.case_id == beside)
        .where(sa.or_(links.case_id == case_id, links.linked == case_id))
        .order_by(other.case_id, links.relation)
    )
    found = []
    for row in rows:
        state = cases.loads(row.folded)
        if scope.sees_case(state.procedure, state.members):
            found.append(
                pb.CaseLink(
                    case_id=row.other, relation=row.relation, outgoing=row.case_id == case_id,
                    procedure=state.procedure, state=state.state, closed=row.closed,
                )
            )  # fmt: skip
    return found


def parse_act(header: bytes) -> tuple[envelope_pb2.Header, envelope_pb2.ActContent]:
    """Header and content of an act that was admitted."""
    parsed = envelope_pb2.Header.FromString(header)
    return parsed, envelope_pb2.ActContent.FromString(parsed.act.content)


def _act(row: Any, received: list[tuple[str, int]]) -> pb.ActView:
    header, content = parse_act(row.header)
    return act_view(row, header, content, [each for each in received if each[0] != header.author])


def _received(
    connection: Connection, departments: Collection[str], positions: list[int]
) -> defaultdict[int, list[tuple[str, int]]]:
    """When each department's node received each letter, by position.

    A letter stands in a mailbox at its own position, or at that of the act by which the department joined
    the case: either way at the position of one of these acts, so both are found by the mailbox's key.
    """
    mailbox, arrivals = tables.mailbox.c, tables.arrivals.c
    # nodes take their mail in order: the first range that ends at or after a place is the one it came in
    arrival = (
        sa.select(arrivals.last_at)
        .where(arrivals.department == mailbox.department, arrivals.last_at >= mailbox.at)
        .order_by(arrivals.last_at)
        .limit(1)
        .correlate(tables.mailbox)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(mailbox.position, mailbox.department, arrivals.received_at_us)
        .join(
            tables.arrivals,
            sa.and_(arrivals.department == mailbox.department, arrivals.last_at == arrival),
        )
        .where(mailbox.department.in_(sorted(departments)), mailbox.at.in_(positions))
        .where(arrivals.first_at <= mailbox.at)
        .order_by(mailbox.position, mailbox.department)
    )
    received: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for position, department, received_at in rows:
        received[position].append((department, received_at))
    return received
