"""The SQL of reading cases: every query by an index, every answer bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import store, tables
from services.cases.desk import Desk
from services.cases.entry import Entry
from services.common.bulk import Bulk
from services.common.errors import NotFound
from services.exchange import tables as exchange_tables
from services.procedures.case import loads_obligation
from services.procedures.law import Law
from services.procedures.obligation import Obligation

_LISTED: Final = (
    "case_id", "procedure", "title", "state", "changed_at_us", "next_due_at_us", "next_rule",
)  # fmt: skip
_ROWS: Final = Bulk(tables.cases, _LISTED)
_PARTIES: Final = Bulk(tables.case_parties, ["case_id", "role", "department"])
_TIMELINE: Final = tuple(
    exchange_tables.letters.c[name]
    for name in (
        "letter_id", "case_id", "act", "author", "number", "disposition", "position", "admitted_at_us",
        "signed_at_us", "occurred_at_us", "header", "flags", "reason",
    )
)  # fmt: skip

Parties = list[tuple[str, str]]
"""Role and department, by role."""


class CaseRow(NamedTuple):
    """A case as a list shows it; `next_due_at_us` None while the department owes nothing."""

    case_id: str
    procedure: str
    title: str
    state: str
    changed_at_us: int
    next_due_at_us: int | None
    next_rule: str


class Doing(NamedTuple):
    """Where an act may be done: the state of a case, and the roles of those who may."""

    procedure: str
    state: str
    roles: tuple[str, ...]


class Place(NamedTuple):
    """Where a page of the list ends: the order's key of its last case."""

    next_due_at_us: int | None
    case_id: str

    @classmethod
    def of(cls, row: CaseRow) -> Place:
        """The place of a case."""
        return cls(row.next_due_at_us, row.case_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a list is to hold.

    Attributes:
        procedures: Only of these; empty for all.
        state: Only in this state, which says itself whether it is over.
        department: Only with this party.
        due_before_us: Only where this department owes something due before.
        include_closed: Also those that are over.
        due_from_us: Only where this department owes something due then or later.
        doings: Only where an act may be done by a department, which `doer` names; None for no such wish.
    """

    procedures: tuple[str, ...] = ()
    state: str = ""
    department: str = ""
    due_before_us: int | None = None
    include_closed: bool = False
    due_from_us: int | None = None
    doings: tuple[Doing, ...] | None = None
    doer: str = ""


def doings(law: Law, act: str) -> tuple[Doing, ...]:
    """In which states of which procedures an act may be done, and in which roles."""
    roles: dict[tuple[str, str], set[str]] = {}
    for procedure in law.procedures.values():
        rule = procedure.acts.get(act)
        for state in rule.in_states if rule else ():
            roles.setdefault((procedure.name, state), set()).update(rule.by if rule else ())
    return tuple(Doing(*place, tuple(sorted(names))) for place, names in sorted(roles.items()))


def list_cases(connection: Connection, wanted: Wanted, after: Place | None, limit: int) -> list[CaseRow]:
    """A page of cases, by next due time, then newest."""
    found: list[CaseRow] = []
    if after is None or after.next_due_at_us is not None:
        found = _page(connection, wanted, after, limit, due=True)
        after = None
    if len(found) < limit and wanted.due_before_us is None and wanted.due_from_us is None:
        found += _page(connection, wanted, after, limit - len(found), due=False)
    return found


def _page(
    connection: Connection, wanted: Wanted, after: Place | None, limit: int, *, due: bool
) -> list[CaseRow]:
    """One page of those with a due time, or of those without; each lane walks one index in its order."""
    cases = tables.cases.c
    found: list[CaseRow] = []
    for lane in _lanes(wanted):
        has_due = cases.next_due_at_us.is_not(None) if due else cases.next_due_at_us.is_(None)
        query = sa.select(*(cases[name] for name in _LISTED)).where(*lane, has_due)
        if wanted.due_before_us is not None:
            query = query.where(cases.next_due_at_us < wanted.due_before_us)
        if wanted.due_from_us is not None:
            query = query.where(cases.next_due_at_us >= wanted.due_from_us)
        if wanted.department:
            parties = tables.case_parties.c
            query = query.where(
                sa.exists().where(parties.case_id == cases.case_id, parties.department == wanted.department)
            )
        if after is not None:
            query = query.where(_beyond(after))
        ordered = query.order_by(cases.next_due_at_us, cases.case_id.desc()).limit(limit)
        found += map(CaseRow._make, connection.execute(ordered))
    # ids sort by time: of cases due at one instant the one opened last comes first
    found.sort(key=lambda row: row.case_id, reverse=True)
    found.sort(key=lambda row: row.next_due_at_us or 0)
    return found[:limit]


def _lanes(wanted: Wanted) -> list[list[sa.ColumnElement[bool]]]:
    cases = tables.cases.c
    if wanted.doings is not None:
        return [_where_done(each, wanted.doer) for each in wanted.doings if _is_wanted(each, wanted)]
    if wanted.state:
        return [[cases.procedure == each, cases.state == wanted.state] for each in wanted.procedures]
    states = (False, True) if wanted.include_closed else (False,)
    if wanted.procedures:
        return [
            [cases.procedure == each, cases.closed.is_(closed)]
            for each in wanted.procedures
            for closed in states
        ]
    return [[cases.closed.is_(closed)] for closed in states]


def _is_wanted(doing: Doing, wanted: Wanted) -> bool:
    return wanted.state in ("", doing.state) and (
        not wanted.procedures or doing.procedure in wanted.procedures
    )


def _where_done(doing: Doing, doer: str) -> list[sa.ColumnElement[bool]]:
    cases, parties = tables.cases.c, tables.case_parties.c
    takes_part = sa.exists().where(
        parties.case_id == cases.case_id, parties.department == doer, parties.role.in_(doing.roles)
    )
    return [cases.procedure == doing.procedure, cases.state == doing.state, takes_part]


def _beyond(after: Place) -> sa.ColumnElement[bool]:
    cases = tables.cases.c
    older = cases.case_id < after.case_id
    if after.next_due_at_us is None:
        return older
    later = cases.next_due_at_us > after.next_due_at_us
    return sa.and_(
        cases.next_due_at_us >= after.next_due_at_us,
        sa.or_(later, sa.and_(cases.next_due_at_us == after.next_due_at_us, older)),
    )


def count_due(connection: Connection, since_us: int | None, before_us: int, limit: int) -> int:
    """Open cases in which the department owes something due from one time to before another, at most so many."""
    cases = tables.cases.c
    some = sa.select(cases.case_id).where(cases.closed.is_(False), cases.next_due_at_us < before_us)
    if since_us is not None:
        some = some.where(cases.next_due_at_us >= since_us)
    return connection.execute(
        sa.select(sa.func.count()).select_from(some.limit(limit).subquery())
    ).scalar_one()


class Link(NamedTuple):
    """A case beside another; `outgoing` where that one names it."""

    case_id: str
    relation: str
    outgoing: bool


def rows_of(connection: Connection, case_ids: Collection[str]) -> dict[str, CaseRow]:
    """Cases by id, as a list shows them."""
    rows = [CaseRow._make(row) for row in _ROWS.select_in(connection, "case_id", case_ids)]
    return {row.case_id: row for row in rows}


def parties_of(connection: Connection, case_ids: Collection[str]) -> dict[str, Parties]:
    """The parties of cases."""
    found: dict[str, Parties] = {}
    for case_id, role, department in sorted(
        tuple(row) for row in _PARTIES.select_in(connection, "case_id", case_ids)
    ):
        found.setdefault(case_id, []).append((role, department))
    return found


def links_of(connection: Connection, case_id: str) -> list[tuple[Link, CaseRow | None]]:
    """The cases beside a case, each as it stands here, None if it is not."""
    links = tables.case_links.c
    rows = connection.execute(
        sa.select(links.case_id, links.linked, links.relation)
        .where(sa.or_(links.case_id == case_id, links.linked == case_id))
        .order_by(links.case_id, links.linked, links.relation)
    )
    found = [
        Link(linked if naming == case_id else naming, relation, naming == case_id)
        for naming, linked, relation in rows
    ]
    known = rows_of(connection, {each.case_id for each in found})
    return [(each, known.get(each.case_id)) for each in found]


def pending_of(connection: Connection, case_ids: Collection[str]) -> dict[str, int]:
    """How many own letters of cases are not admitted yet."""
    outbox = exchange_tables.outbox.c
    rows = connection.execute(
        sa.select(outbox.case_id, sa.func.count())
        .where(outbox.case_id.in_(list(case_ids)))
        .group_by(outbox.case_id)
    )
    return {str(case_id): int(count) for case_id, count in rows}


def entry_of(connection: Connection, desk: Desk, case_id: str, law: Law, now: datetime) -> Entry:
    """A case as it stands here: from the desk's memory, or read.

    Raises:
        NotFound: It is not here, or only a copy of one of its letters is.
    """
    entry = desk.known.get(case_id)
    if entry is not None:
        entry = entry.folded(now, law)
    else:
        entry = store.load(connection, [case_id], now, law).get(case_id)
    if entry is None or (entry.view is None and entry.admitted is None):
        raise NotFound("No case of that id is here.", field="case_id")
    return entry


def obligations_of(connection: Connection, case_id: str) -> list[Obligation]:
    """Every obligation of a case, ended ones too, in the order of opening."""
    obligations = tables.obligations.c
    rows = connection.execute(
        sa.select(obligations.facts)
        .where(obligations.case_id == case_id)
        .order_by(obligations.rule, obligations.ordinal)
    )
    return [loads_obligation(case_id, facts) for facts in rows.scalars()]


def subjects_of(connection: Connection, case_id: str) -> list[bodies_pb2.Subject]:
    """Whom a case concerns."""
    subjects = tables.subjects.c
    rows = connection.execute(
        sa.select(subjects.subject).where(subjects.case_id == case_id).order_by(subjects.ordinal)
    )
    return [bodies_pb2.Subject.FromString(each) for each in rows.scalars()]


def timeline(connection: Connection, case_id: str, after: int, limit: int) -> list[Any]:
    """Letters of a case after a position, in ledger order; own pending and refused ones last, as signed."""
    letters = exchange_tables.letters.c
    of_case = sa.select(*_TIMELINE).where(letters.case_id == case_id, letters.kind == "act").limit(limit)
    found = list(connection.execute(of_case.where(letters.position > after).order_by(letters.position)))
    if len(found) < limit:
        # SQL's NULL compares with nothing: what has no position is asked for by itself
        unplaced = of_case.where(letters.position.is_(None)).order_by(letters.signed_at_us, letters.letter_id)
        found += connection.execute(unplaced.limit(limit - len(found)))
    return found


def letters_after(connection: Connection, after: int, limit: int) -> list[Any]:
    """Admitted letters of all cases after a position, in ledger order."""
    letters = exchange_tables.letters.c
    query = sa.select(*_TIMELINE).where(letters.position > after, letters.kind == "act")
    return list(connection.execute(query.order_by(letters.position).limit(limit)))


def act_letter(connection: Connection, letter_id: str) -> Any:
    """The row of an act's letter, payload and proof included.

    Raises:
        NotFound: No act of that id is here.
    """
    letters = exchange_tables.letters
    row = connection.execute(
        sa.select(letters).where(letters.c.letter_id == letter_id, letters.c.kind == "act")
    ).first()
    if row is None:
        raise NotFound("No letter of that id is here.", field="letter_id")
    return row


def received(connection: Connection, rows: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Of letters, the departments they are addressed to and when their nodes had them, in microseconds.

    A node takes its letters in order, so the first Arrival that reaches as far as a letter is the one
    that brought it.
    """
    letters_of: dict[str, list[str]] = {}
    for row in rows:
        if row.position is not None:
            header = pb.Header.FromString(row.header)
            content = pb.ActContent.FromString(header.act.content)
            for name in {*content.recipients, *(copy.department for copy in content.copies)}:
                letters_of.setdefault(name, []).append(row.letter_id)
    found: dict[str, dict[str, int]] = {}
    for department, letter_ids in letters_of.items():
        for letter_id, at in _received(connection, department, letter_ids):
            found.setdefault(letter_id, {})[department] = at
    return found


def _received(connection: Connection, department: str, letter_ids: list[str]) -> Iterator[tuple[str, int]]:
    letters, arrivals = exchange_tables.letters.c, exchange_tables.arrivals.c
    first = (
        sa.select(arrivals.received_at_us)
        .where(
            arrivals.department == department,
            arrivals.last_at >= letters.position,
            arrivals.first_at <= letters.position,
        )
        .order_by(arrivals.last_at)
        .limit(1)
        .correlate(exchange_tables.letters)
        .scalar_subquery()
    )
    rows = connection.execute(sa.select(letters.letter_id, first).where(letters.letter_id.in_(letter_ids)))
    return ((str(letter_id), int(at)) for letter_id, at in rows if at is not None)


def audit_page(
    connection: Connection, case_id: str, subject: str, before: int | None, limit: int
) -> list[Any]:
    """Audit lines, newest first, of one case or person if named."""
    audit = exchange_tables.audit
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if case_id:
        query = query.where(audit.c.case_id == case_id)
    if subject:
        query = query.where(audit.c.subject == subject)
    if before is not None:
        query = query.where(audit.c.id < before)
    return list(connection.execute(query))


def letters_by_id(connection: Connection, letter_ids: Collection[str]) -> dict[str, Any]:
    """Letters as a timeline shows them, by id."""
    letters = exchange_tables.letters.c
    rows = connection.execute(sa.select(*_TIMELINE).where(letters.letter_id.in_(list(letter_ids))))
    return {row.letter_id: row for row in rows}


def waiting_letters(connection: Connection) -> tuple[int, int]:
    """How many own letters are on their way, and how many that came are parked."""
    return tuple(  # type: ignore[return-value]  # two
        connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (exchange_tables.outbox, exchange_tables.parked)
    )
