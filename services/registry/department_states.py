"""The state of departments: link, mailbox, what they owe, their node's certificate."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common.clock import microseconds
from services.exchange.directory import Directory
from services.registry import links, tables
from services.registry.links import LinkState
from services.registry.oversight import count_open
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import stamp

COUNTED: Final = 100_000
"""Waiting letters are counted up to here: the cost of the answer must not grow with an absence."""
_NOWHERE: Final = -1


def department_states(
    connection: Connection,
    scope: Scope,
    directory: Directory,
    now: datetime,
    only: Collection[str] | None = None,
) -> list[pb.DepartmentState]:
    """Departments in the caller's sight, by name.

    Args:
        connection: A read transaction.
        scope: What the caller sees; open and overdue obligations are those that it sees.
        directory: The newest directory.
        now: The time.
        only: Only these departments.
    """
    names = sorted(
        name
        for name in directory.departments
        if scope.sees_department(name) and (only is None or name in only)
    )
    known = links.states(connection, now)
    owed = count_open(connection, scope, names, now)
    certificates = _certificates(connection, names)
    return [
        _state(connection, directory, name, known.get(name), owed.get(name, (0, 0)), certificates.get(name))
        for name in names
    ]


def ledger_size(connection: Connection) -> int:
    """The size of the ledger."""
    return connection.execute(sa.select(tables.ledger_head.c.size)).scalar() or 0


def _state(
    connection: Connection,
    directory: Directory,
    name: str,
    link: LinkState | None,
    owed: tuple[int, int],
    not_after_us: int | None,
) -> pb.DepartmentState:
    title = directory.departments[name].title
    state = pb.DepartmentState(
        department=name,
        title_zh=title.zh,
        title_en=title.en,
        connected=link is not None and link.connected,
        waiting=_waiting(connection, name, link),
        open=owed[0],
        overdue=owed[1],
    )
    if link is not None:
        state.last_seen_at.CopyFrom(stamp(microseconds(link.last_seen_at)))
    if not_after_us is not None:
        state.certificate_not_after.CopyFrom(stamp(not_after_us))
    return state


def _waiting(connection: Connection, department: str, link: LinkState | None) -> int:
    box = tables.mailbox.c
    place = (_NOWHERE, _NOWHERE) if link is None else (link.at, link.position)
    rest = (
        sa.select(box.position)
        .where(box.department == department)
        .where(sa.tuple_(box.at, box.position) > sa.tuple_(*map(sa.literal, place)))
        .limit(COUNTED)
    )
    return connection.execute(sa.select(sa.func.count()).select_from(rest.subquery())).scalar_one()


def _certificates(connection: Connection, departments: Collection[str]) -> dict[str, int]:
    columns = tables.certificates.c
    rows = connection.execute(
        sa.select(columns.department, sa.func.max(columns.not_after_us))
        .where(columns.department.in_(departments), columns.kind == "node")
        .group_by(columns.department)
    )
    return {row[0]: row[1] for row in rows}
