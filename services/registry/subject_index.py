"""Who else has an open case about a subject: what one member may know of others' cases before it sends.

It is told the department and the mechanism, nothing else. Told are nodes of active members alone, which must know the
subject's identifier and hold the regional key to ask at all. Not told is of cases that the asker takes part in, since it
knows them, of offices, which have no case of their own, and of confidential procedures, where to know would be to warn.
Every question is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.caller import Caller
from services.exchange.directory import Directory
from services.procedures.model import OFFICE
from services.registry import tables

FOUND: Final = 200
_CASES: Final = 2_000
"""Cases of one question that are looked at, the newest first."""
_QUESTIONS: Final = Bulk(tables.subject_questions, ["at_us", "department", "serial", "tokens", "found"])

_subjects, _cases, _parties = tables.case_subjects.c, tables.cases.c, tables.case_parties.c


class Elsewhere(NamedTuple):
    """An open case of another department; `token` is the place in the question."""

    token: int
    department: str
    procedure: str


def open_cases(
    connection: Connection, asker: str, tokens: Sequence[bytes], directory: Directory
) -> list[Elsewhere]:
    """Departments and mechanisms with open cases about subjects, each once for each token."""
    rows = connection.execute(
        sa.select(_subjects.token, _cases.case_id, _cases.procedure)
        .join(tables.cases, _cases.case_id == _subjects.case_id)
        .where(_subjects.token.in_(list(dict.fromkeys(tokens))), _cases.closed.is_(False))
        .order_by(_cases.case_id.desc())
        .limit(_CASES)
    ).all()
    parties: dict[str, list[tuple[str, str]]] = {}
    ids = [row.case_id for row in rows]
    for case_id, department, role in connection.execute(
        sa.select(_parties.case_id, _parties.department, _parties.role).where(_parties.case_id.in_(ids))
    ):
        parties.setdefault(case_id, []).append((department, role))
    confidential = {name for (name, _), each in directory.law.procedures.items() if each.confidential}
    places = {token: place for place, token in reversed(list(enumerate(tokens)))}
    found = {
        Elsewhere(places[row.token], department, row.procedure)
        for row in rows
        if row.procedure not in confidential
        and all(department != asker for department, _ in parties.get(row.case_id, ()))
        for department, role in parties.get(row.case_id, ())
        if role != OFFICE
    }
    return sorted(found)[:FOUND]


def write_down(
    connection: Connection, caller: Caller, tokens: Sequence[bytes], found: int, now_us: int
) -> None:
    """Keep who asked about what, and how much was told."""
    _QUESTIONS.insert(connection, [(now_us, caller.department, caller.serial, b"".join(tokens), found)])
