"""A subject's file: everything that a department's database holds about one unit or person.

Who is meant is decided first: by identifier, or by a name that only one identifier was given under. A case that only
gives a name is shown with those of the identifier that bore it, and marked: it may be about another of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import subject_service_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, imports, queries, tables, views
from services.cases.bodies import IdentifierInvalid
from services.common.clock import microseconds
from services.common.errors import InvalidField, NotFound
from services.exchange import tables as exchange_tables
from services.exchange.department import Department
from services.exchange.letters import timestamp_us
from services.exchange.subject_names import name_key

CASES: Final = 2_000
"""Newest cases of a subject that are looked at."""
_NAMES: Final = 50
_CANDIDATES: Final = 50
_PENALTIES: Final = 100
_LETTERS: Final = 20
_NO_IDENTIFIER: Final = ""

_mentions, _register = tables.subject_mentions.c, tables.registered_subjects.c


@dataclass(frozen=True, slots=True)
class Who:
    """A subject: its identifier, empty where none is known, and the keys of its names."""

    identifier: str
    keys: frozenset[str]

    def mentions(self) -> sa.ColumnElement[bool]:
        """What is about it, for certain or by name."""
        by_name = sa.and_(_mentions.name_key.in_(sorted(self.keys)), _mentions.identifier == _NO_IDENTIFIER)
        return sa.or_(_mentions.identifier == self.identifier, by_name) if self.identifier else by_name


class About(NamedTuple):
    """A case about a subject."""

    case_id: str
    name: str
    by_name_only: bool
    first_at_us: int


def checked(identifier: str) -> str:
    """An identifier as it is compared.

    Raises:
        IdentifierInvalid: It is neither a unified social credit code nor a citizen id.
    """
    from stdnum.cn import ric, uscc  # noqa: PLC0415 - see `bodies.check_subjects`

    normalised = bodies.normalised(identifier)
    if not normalised.isascii() or not (uscc.is_valid(normalised) or ric.is_valid(normalised)):
        raise IdentifierInvalid(field="identifier")
    return normalised


def find(connection: Connection, identifier: str, name: str) -> Who | list[pb.SubjectCandidate]:
    """Who is meant, or who may be.

    Raises:
        InvalidField: Neither or both are given.
        IdentifierInvalid: See `checked`.
        NotFound: Nothing here names them.
    """
    if bool(identifier) == bool(name.strip()):
        raise InvalidField("Either an identifier or a name says who is meant.", field="identifier")
    if identifier:
        wanted = checked(identifier)
        rows = connection.execute(
            sa.select(_mentions.name_key).where(_mentions.identifier == wanted).distinct().limit(_NAMES)
        )
        keys = frozenset(rows.scalars()) | _registered(
            connection, _register.identifier == wanted, _register.name_key
        )
        if not keys:
            raise NotFound("Nothing here names that identifier.", field="identifier")
        return Who(wanted, keys)
    key = name_key(name)
    found = candidates(connection, key)
    identified = [each.identifier for each in found if each.identifier]
    if not identified:
        identified = sorted(_registered(connection, _register.name_key == key, _register.identifier) - {""})
        found = found or [_candidate(connection, each, key, 0) for each in identified]
    if not found and not _registered(connection, _register.name_key == key, _register.key):
        raise NotFound("Nothing here is about that name.", field="name")
    if len(identified) > 1:
        return found
    return find(connection, identified[0], "") if identified else Who(_NO_IDENTIFIER, frozenset({key}))


def candidates(connection: Connection, key: str) -> list[pb.SubjectCandidate]:
    """Identifiers that were given with names of a key, and those without, most cases first."""
    rows = connection.execute(
        sa.select(_mentions.identifier, sa.func.count(_mentions.case_id.distinct()).label("cases"))
        .where(_mentions.name_key == key)
        .group_by(_mentions.identifier)
        .order_by(sa.desc("cases"), _mentions.identifier)
        .limit(_CANDIDATES)
    ).all()
    return [_candidate(connection, row.identifier, key, row.cases) for row in rows]


def _candidate(connection: Connection, identifier: str, key: str, cases: int) -> pb.SubjectCandidate:
    newest = connection.execute(
        sa.select(_mentions.name, _mentions.kind)
        .where(_mentions.identifier == identifier, *([] if identifier else [_mentions.name_key == key]))
        .order_by(_mentions.last_at_us.desc(), _mentions.name)
        .limit(1)
    ).first()
    if newest is None:
        # no case yet: on the register alone
        (entry, *_) = imports.registered(connection, identifier, [key], 1)
        known = entry.subject
        return pb.SubjectCandidate(kind=known.kind, name=known.name, identifier=identifier, cases=cases)
    kind = bodies_pb2.SubjectKind.ValueType(int(newest.kind))
    return pb.SubjectCandidate(kind=kind, name=newest.name, identifier=identifier, cases=cases)


def _registered(
    connection: Connection, wanted: sa.ColumnElement[bool], column: sa.ColumnElement[str]
) -> frozenset[str]:
    return frozenset(connection.execute(sa.select(column).where(wanted).distinct().limit(_NAMES)).scalars())


def about(connection: Connection, who: Who) -> list[About]:
    """The newest cases about a subject, newest first."""
    certain = sa.func.max(sa.case((_mentions.identifier != _NO_IDENTIFIER, 1), else_=0))
    rows = connection.execute(
        sa.select(
            _mentions.case_id,
            sa.func.max(_mentions.name),
            certain,
            sa.func.min(_mentions.first_at_us),
        )
        .where(who.mentions())
        .group_by(_mentions.case_id)
        .order_by(_mentions.case_id.desc())
        .limit(CASES)
    )
    # of a subject that was never identified every case only gives the name
    return [About(case_id, name, not certain, at_us) for case_id, name, certain, at_us in rows]


def names(connection: Connection, who: Who) -> list[pb.SubjectName]:
    """The names that a subject was given, newest first."""
    last = sa.func.max(_mentions.last_at_us)
    rows = connection.execute(
        sa.select(
            _mentions.name,
            sa.func.min(_mentions.first_at_us),
            last,
            sa.func.count(_mentions.case_id.distinct()),
        )
        .where(who.mentions())
        .group_by(_mentions.name)
        .order_by(last.desc(), _mentions.name)
        .limit(_NAMES)
    )
    return [
        pb.SubjectName(name=name, first_at=timestamp_us(first), last_at=timestamp_us(last_us), cases=cases)
        for name, first, last_us, cases in rows
    ]


def subject(connection: Connection, who: Who, cases: Sequence[About]) -> pb.SubjectCandidate:
    """The subject under its newest name."""
    return _candidate(connection, who.identifier, min(who.keys), len(cases))


def page(
    connection: Connection, cases: Sequence[About], department: Department, now: datetime
) -> list[pb.SubjectCase]:
    """Cases with what is open in them and their newest letters."""
    ids = [each.case_id for each in cases]
    law = department.directory.law
    rows, items = queries.rows_of(connection, ids), items_of(connection, ids)
    parties, pending = queries.parties_of(connection, ids), queries.pending_of(connection, ids)
    shown = []
    for each in cases:
        row = rows.get(each.case_id)
        if row is None:
            # its only letter was refused, or was a copy of one act of a case of others
            continue
        duties = [duty for duty in queries.obligations_of(connection, each.case_id) if duty.open]
        procedure, calendar = law.newest(row.procedure), law.calendar(department.registry)
        letters, count = newest_letters(connection, each.case_id)
        received = queries.received(connection, letters)
        shown.append(
            pb.SubjectCase(
                case=views.summary(row, parties, pending, law, ""),
                name=each.name,
                by_name_only=each.by_name_only,
                item_codes=items.get(each.case_id, ()),
                obligations=views.obligation_views(duties, procedure, calendar, now),
                letters=[
                    views.letter_view(letter, department, received.get(letter.letter_id, {}))
                    for letter in letters
                ],
                letter_count=count,
            )
        )
    return shown


def newest_letters(connection: Connection, case_id: str) -> tuple[list[Any], int]:
    """The newest letters of a case, newest first, and how many it has."""
    letters = exchange_tables.letters.c
    of_case = sa.and_(letters.case_id == case_id, letters.kind == "act")
    count = connection.execute(sa.select(sa.func.count()).where(of_case)).scalar_one()
    ids = connection.execute(
        sa.select(letters.letter_id).where(of_case).order_by(letters.letter_id.desc()).limit(_LETTERS)
    ).scalars()
    found = queries.letters_by_id(connection, list(ids))
    return [found[letter_id] for letter_id in sorted(found, reverse=True)], count


def items_of(connection: Connection, case_ids: Sequence[str]) -> dict[str, list[str]]:
    """Codes of the matters of cases."""
    items = tables.case_items.c
    found: dict[str, list[str]] = {}
    for case_id, code in connection.execute(
        sa.select(items.case_id, items.item_code)
        .where(items.case_id.in_(list(case_ids)))
        .order_by(items.item_code)
    ):
        found.setdefault(case_id, []).append(code)
    return found


def penalties(connection: Connection, cases: Sequence[About]) -> list[pb.SubjectPenalty]:
    """Penalties that were fed back in cases, newest first; not those of letters that were refused."""
    own, letters = tables.penalties.c, exchange_tables.letters.c
    by_name = {each.case_id: each.by_name_only for each in cases}
    rows = connection.execute(
        sa.select(tables.penalties, letters.author)
        .join(exchange_tables.letters, letters.letter_id == own.letter_id)
        .where(own.case_id.in_(list(by_name)), letters.disposition != "REFUSED")
        .order_by(own.letter_id.desc())
        .limit(_PENALTIES)
    )
    return [
        pb.SubjectPenalty(
            case_id=row.case_id,
            letter_id=row.letter_id,
            author=row.author,
            decision_number=row.decision_number,
            fine_fen=row.fine_fen,
            decided_at=None if row.decided_at_us is None else timestamp_us(row.decided_at_us),
            by_name_only=by_name[row.case_id],
        )
        for row in rows
    ]


def recurrences(connection: Connection, cases: Sequence[About], now: datetime) -> list[pb.SubjectRecurrence]:
    """How often a subject came up in the last 12 months, by procedure and matter; most often first."""
    since_us = microseconds(a_year_before(now))
    recent = {each.case_id: each.first_at_us for each in cases if each.first_at_us >= since_us}
    rows, items = queries.rows_of(connection, recent), items_of(connection, list(recent))
    found: dict[tuple[str, str], list[int]] = {}
    for case_id, row in rows.items():
        for code in items.get(case_id, [""]):
            found.setdefault((row.procedure, code), []).append(recent[case_id])
    return [
        pb.SubjectRecurrence(
            procedure=procedure, item_code=code, cases=len(times), last_at=timestamp_us(max(times))
        )
        for (procedure, code), times in sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    ]


def a_year_before(now: datetime) -> datetime:
    """The same day and hour twelve months before; 28 February for the 29th."""
    try:
        return now.replace(year=now.year - 1)
    except ValueError:
        return now.replace(year=now.year - 1, day=28)
