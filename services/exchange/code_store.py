"""The SQL of code tables: what an entry adds, and looking codes up. Every query is by an index and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Bulk, Record, execute
from services.exchange import code_tables, codes
from services.exchange.codes import CodeTables, Heading

_ROWS: Final = Bulk(code_tables.code_rows)
_TERMS: Final = Bulk(code_tables.code_terms)
_LOOKED_AT: Final = 2_000
"""Terms of one table that are ranked; a query that begins more is too short to mean one of them."""
_FORGET: Final = {
    "sqlite": "DELETE FROM code_terms WHERE table_name = ? AND version < ?",
    "postgresql": "DELETE FROM code_terms WHERE table_name = %s AND version < %s",
}
_LAST: Final = "\U0010ffff"
_DEPTH: Final = 12

_rows, _terms = code_tables.code_rows.c, code_tables.code_terms.c


def write(connection: Connection, parts: Iterable[pb.CodeTable], tables: CodeTables) -> None:
    """Write the rows of parts that were taken.

    Args:
        connection: In a transaction.
        parts: Those that `CodeTables.with_part` took.
        tables: After all of them.
    """
    taken = list(parts)
    for part in taken:
        rows: list[Record] = []
        terms: list[Record] = []
        for row in part.rows:
            rows.append((part.name, part.version, row.code, row.parent, row.SerializeToString()))
            terms += [
                (part.name, part.version, each.text, row.code, each.kind, each.start)
                for each in codes.terms_of(row)
            ]
        _ROWS.upsert(connection, rows, ["table_name", "version", "code"], ["parent", "row"])
        _TERMS.upsert(connection, terms, ["table_name", "version", "term", "code"], ["kind", "start"])
    for name in dict.fromkeys(part.name for part in taken):
        standing = tables.in_force.get(name)
        if standing is not None:
            execute(connection, _FORGET[connection.dialect.name], (name, standing.version))


def find(
    connection: Connection, table: Heading | tuple[str, int], wanted: Iterable[str]
) -> dict[str, pb.CodeRow]:
    """Codes of a version, those that it has."""
    name, version = (table.name, table.version) if isinstance(table, Heading) else table
    found = connection.execute(
        sa.select(_rows.code, _rows.row).where(
            _rows.table_name == name, _rows.version == version, _rows.code.in_(sorted(set(wanted)))
        )
    )
    return {code: pb.CodeRow.FromString(row) for code, row in found}


def above(connection: Connection, table: tuple[str, int], row: pb.CodeRow) -> list[pb.CodeRow]:
    """The codes above one, the topmost first; a circle is left where it closes."""
    found: list[pb.CodeRow] = []
    seen = {row.code}
    while row.parent and row.parent not in seen and len(found) < _DEPTH:
        seen.add(row.parent)
        parent = find(connection, table, [row.parent]).get(row.parent)
        if parent is None:
            break
        found.insert(0, parent)
        row = parent
    return found


def browse(
    connection: Connection, table: Heading, parent: str | None, after: str, limit: int
) -> list[pb.CodeRow]:
    """Codes by code, of those below one if it is named."""
    query = sa.select(_rows.row).where(
        _rows.table_name == table.name, _rows.version == table.version, _rows.code > after
    )
    if parent is not None:
        query = query.where(_rows.parent == parent)
    found = connection.execute(query.order_by(_rows.code).limit(limit)).scalars()
    return [pb.CodeRow.FromString(each) for each in found]


def search(
    connection: Connection,
    tables: Sequence[Heading],
    query: str,
    *,
    parent: str = "",
    usable_on: date | None = None,
    limit: int,
) -> list[tuple[Heading, pb.CodeRow]]:
    """Codes that match all words of a query, best first: by code, title, initials, pinyin, English.

    Args:
        connection: In a transaction.
        tables: Where to search.
        query: Words, not empty.
        parent: Only directly below this code, if named.
        usable_on: Only codes that may be used on this day, if given.
        limit: At most so many.
    """
    words = [word for word in map(codes.folded, query.split()) if word]
    if not words:
        return []
    found: list[tuple[tuple[int, int, int, str, str], Heading, pb.CodeRow]] = []
    for table in tables:
        ranks = _ranks(connection, table, max(words, key=len))
        for code, row in find(connection, table, ranks).items() if ranks else ():
            if parent and row.parent != parent:
                continue
            if usable_on is not None and not codes.usable(row, usable_on):
                continue
            if codes.matches(row, words):
                found.append(((*ranks[code], table.name, code), table, row))
    found.sort(key=lambda each: each[0])
    return [(table, row) for _, table, row in found[:limit]]


def _ranks(connection: Connection, table: Heading, word: str) -> Mapping[str, tuple[int, int, int]]:
    """Codes with a term that begins with a word: whether it is more than the word, its kind, its place."""
    asked = word[: codes.TERM_LENGTH]
    base = sa.select(_terms.code, _terms.term, _terms.kind, _terms.start).where(
        _terms.table_name == table.name, _terms.version == table.version
    )
    # whole ones first: of a word that begins very many terms they are not to be missed
    queries = (
        base.where(_terms.term == asked),
        base.where(_terms.term > asked, _terms.term < asked + _LAST),
    )
    ranks: dict[str, tuple[int, int, int]] = {}
    for query in queries:
        rows: Iterable[Any] = connection.execute(query.order_by(_terms.term).limit(_LOOKED_AT))
        for row in rows:
            rank = (
                row.kind if not row.start else row.kind + codes.ENGLISH + 1,
                int(row.term != asked),
                row.start,
            )
            ranks[row.code] = min(ranks.get(row.code, rank), rank)
    return ranks
