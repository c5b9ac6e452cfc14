"""Search: cases by any word, from pairs of neighbouring characters, and from numbers that people know by heart.

Pairs find Chinese without a dictionary. A case is found by its text when it holds every pair of the
query, each of which is looked up by its key; the search begins with the rarest, among the newest cases.
Letter numbers, identifiers, telephone numbers and the initials of names are terms of their own: what matches whole
comes first, then what the query is the beginning of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases import bodies, pinyin, tables
from services.cases.queries import CaseRow, rows_of

_COUNTED: Final = 1_000
"""A term that more cases hold is common: how common is not counted."""
_LOOKED_AT: Final = 20_000
"""Newest cases with the rarest pair that are looked at."""
_CANDIDATES: Final = 400
_BEGUN: Final = 4
"""Characters of a number from which on it is found by its beginning."""
_LAST: Final = "\U0010ffff"
_RANKS: Final = (
    "identifier", "number", "telephone", "case-id", "title", "subject", "pinyin", "person", "body",
)  # fmt: skip
_WHOLE: Final = ("identifier", "number", "telephone")
_BRACKETS: Final = str.maketrans(
    {**dict.fromkeys("[【［(（", "〔"), **dict.fromkeys("]】］)）", "〕"), " ": ""}
)

_terms = tables.search.c


class Found(NamedTuple):
    """A case and where the query matched it."""

    row: CaseRow
    matched: str


def search(connection: Connection, query: str, limit: int) -> list[Found]:
    """Cases that a query matches, by where: whole numbers first, then titles, names, bodies; newest first in each."""
    matched = dict.fromkeys(_by_text(connection, query), "body")
    for case_id, where in _where(connection, query, matched).items():
        matched[case_id] = where
    for case_id, where in _whole(connection, query).items():
        matched[case_id] = min(matched.get(case_id, where), where, key=_RANKS.index)
    rows = rows_of(connection, matched)
    found = [Found(rows[case_id], where) for case_id, where in matched.items() if case_id in rows]
    found.sort(key=lambda each: (_RANKS.index(each.matched), -each.row.changed_at_us, each.row.case_id))
    return found[:limit]


def _whole(connection: Connection, query: str) -> dict[str, str]:
    """Cases of which the query is a number, the initials of a name, the beginning of either, or the id."""
    word = query.strip().replace("\x00", "")
    forms = {word.lower(), bodies.normalised(word).lower(), word.lower().translate(_BRACKETS)} - {""}
    forms |= bodies.telephones(word)
    found: dict[str, str] = {}
    spelt = pinyin.asked(word)
    if spelt:
        found |= _holding(connection, [spelt], ("pinyin",)) or _beginning(connection, spelt, ("pinyin",))
    numbers = _holding(connection, sorted(forms), _WHOLE)
    begun = [each for each in sorted(forms) if len(each) >= _BEGUN and any(map(str.isdigit, each))]
    for each in begun if not numbers else ():
        numbers |= _beginning(connection, each, _WHOLE)
    return found | numbers | dict.fromkeys(rows_of(connection, [word.lower()]), "case-id")


def _holding(connection: Connection, terms: Collection[str], where: Collection[str]) -> dict[str, str]:
    """The newest cases with one of these terms."""
    rows = connection.execute(
        sa.select(_terms.case_id, _terms.matched)
        .where(_terms.term.in_(terms), _terms.matched.in_(where))
        .order_by(_terms.case_id.desc())
        .limit(_CANDIDATES)
    )
    return {str(case_id): str(matched) for case_id, matched in rows}


def _beginning(connection: Connection, start: str, where: Collection[str]) -> dict[str, str]:
    """Cases with terms that begin so, in the order of the terms."""
    rows = connection.execute(
        sa.select(_terms.case_id, _terms.matched)
        .where(_terms.term >= start, _terms.term < start + _LAST, _terms.matched.in_(where))
        .order_by(_terms.term, _terms.case_id)
        .limit(_CANDIDATES)
    )
    return {str(case_id): str(matched) for case_id, matched in rows}


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
