"""Search: cases by any word, from pairs of neighbouring characters.

Pairs find Chinese without a dictionary. A case is found by its text when it holds every pair of the
query, each of which is looked up by its key; the search begins with the rarest, among the newest cases.
Numbers and identifiers are terms of their own and must match whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases import bodies, tables
from services.cases.queries import CaseRow, rows_of

_COUNTED: Final = 1_000
"""A term that more cases hold is common: how common is not counted."""
_LOOKED_AT: Final = 20_000
"""Newest cases with the rarest pair that are looked at."""
_CANDIDATES: Final = 400
_RANKS: Final = ("identifier", "number", "case-id", "title", "subject", "body")
_WHOLE: Final = ("identifier", "number")
_BRACKETS: Final = str.maketrans({"[": "〔", "]": "〕", "【": "〔", "】": "〕", "［": "〔", "］": "〕"})

_terms = tables.search.c


class Found(NamedTuple):
    """A case and where the query matched it."""

    row: CaseRow
    matched: str


def search(connection: Connection, query: str, limit: int) -> list[Found]:
    """Cases that a query matches: whole numbers first, then titles, subjects, bodies; newest first in each."""
    matched = dict.fromkeys(_by_text(connection, query), "body")
    for case_id, where in _where(connection, query, matched).items():
        matched[case_id] = where
    matched |= _whole(connection, query)
    rows = rows_of(connection, matched)
    found = [Found(rows[case_id], where) for case_id, where in matched.items() if case_id in rows]
    found.sort(key=lambda each: (_RANKS.index(each.matched), -each.row.changed_at_us, each.row.case_id))
    return found[:limit]


def _whole(connection: Connection, query: str) -> dict[str, str]:
    """Cases of which the query is a letter number, an identifier of a subject, or the id."""
    word = query.strip().replace("\x00", "")
    forms = {word.lower(), bodies.normalised(word).lower(), word.lower().translate(_BRACKETS)} - {""}
    rows = connection.execute(
        sa.select(_terms.case_id, _terms.matched)
        .where(_terms.term.in_(sorted(forms)), _terms.matched.in_(_WHOLE))
        .order_by(_terms.case_id.desc())
        .limit(_CANDIDATES)
    )
    found = {str(case_id): str(where) for case_id, where in rows}
    return found | dict.fromkeys(rows_of(connection, [word.lower()]), "case-id")


def _pairs(query: str) -> list[str]:
    """The pairs of every word; a word of one character stands for nothing beside longer ones."""
    pairs = set[str]().union(*(bodies.terms(word) for word in query.split()))
    return sorted([each for each in pairs if len(each) > 1] or pairs)


def _by_text(connection: Connection, query: str) -> list[str]:
    pairs = _pairs(query)
    if not pairs:
        return []
    rarest = min(pairs, key=lambda pair: _count(connection, pair))
    newest = (
        sa.select(_terms.case_id)
        .where(_terms.term == rarest)
        .order_by(_terms.case_id.desc())
        .limit(_LOOKED_AT)
        .subquery("newest")
    )
    query_all = sa.select(newest.c.case_id).order_by(newest.c.case_id.desc()).limit(_CANDIDATES)
    for pair in pairs:
        if pair != rarest:
            other = tables.search.alias()
            query_all = query_all.where(
                sa.exists().where(other.c.term == pair, other.c.case_id == newest.c.case_id)
            )
    return list(connection.execute(query_all).scalars())


def _count(connection: Connection, pair: str) -> int:
    some = sa.select(_terms.case_id).where(_terms.term == pair).limit(_COUNTED).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def _where(connection: Connection, query: str, case_ids: Collection[str]) -> dict[str, str]:
    """Where the text matched: as a whole only where its weakest pair did."""
    if not case_ids:
        return {}
    rows = connection.execute(
        sa.select(_terms.case_id, _terms.matched).where(
            _terms.term.in_(_pairs(query)), _terms.case_id.in_(list(case_ids))
        )
    )
    found: dict[str, str] = {}
    for case_id, where in rows:
        found[case_id] = max(found.get(case_id, where), where, key=_RANKS.index)
    return found
