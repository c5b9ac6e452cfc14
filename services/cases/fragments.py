"""What of a case matched a search, as people see it: the text around it, and where in it the match stands.

Made for the cases of one page alone, from what the search knows of where they matched; the texts are read again from
the letters, so nothing is stored for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, pinyin, tables
from services.cases.search import Found
from services.exchange import tables as exchange_tables

_AROUND: Final = 24
"""Characters on either side of what matched."""
_LETTERS: Final = 40
"""Newest letters of a case whose bodies are looked through."""
_OF_BODIES: Final = frozenset({"body", "person", "telephone"})
_OF_SUBJECTS: Final = frozenset({"subject", "pinyin", "identifier", "telephone", "person"})


class Fragment(NamedTuple):
    """A piece of text, and where in it what matched begins and how long it is, in characters."""

    text: str
    begin: int = 0
    length: int = 0


@dataclass(slots=True)
class _Texts:
    """What a case says, by where a search matches it."""

    by_field: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, *texts: str) -> None:
        self.by_field.setdefault(where, []).extend(each for each in texts if each)


def fragments(connection: Connection, found: Sequence[Found], query: str) -> dict[str, Fragment]:
    """What matched, by case."""
    texts = {each.row.case_id: _Texts() for each in found}
    for each in found:
        texts[each.row.case_id].add("title", each.row.title)
        texts[each.row.case_id].add("case-id", each.row.case_id)
    _read_subjects(connection, [each for each in found if each.matched in _OF_SUBJECTS], texts)
    _read_numbers(connection, [each for each in found if each.matched == "number"], texts)
    _read_bodies(connection, [each for each in found if each.matched in _OF_BODIES], texts)
    return {
        each.row.case_id: _best(texts[each.row.case_id].by_field.get(each.matched, ()), each.matched, query)
        for each in found
    }


def _ids(found: Iterable[Found]) -> list[str]:
    return [each.row.case_id for each in found]


def _read_subjects(connection: Connection, found: Sequence[Found], texts: dict[str, _Texts]) -> None:
    subjects, mentions = tables.subjects.c, tables.subject_mentions.c
    if not found:
        return
    for case_id, stored in connection.execute(
        sa.select(subjects.case_id, subjects.subject).where(subjects.case_id.in_(_ids(found)))
    ):
        subject = bodies_pb2.Subject.FromString(stored)
        said = texts[case_id]
        said.add("identifier", f"{subject.name} {subject.identifier}")
        said.add("telephone", f"{subject.name} {subject.telephone}")
        said.add("person", subject.representative)
    # a subject may have been named otherwise before
    for case_id, name in connection.execute(
        sa.select(mentions.case_id, mentions.name)
        .where(mentions.case_id.in_(_ids(found)))
        .order_by(mentions.last_at_us.desc(), mentions.name)
    ):
        texts[case_id].add("subject", name)
        texts[case_id].add("pinyin", name)


def _read_numbers(connection: Connection, found: Sequence[Found], texts: dict[str, _Texts]) -> None:
    letters = exchange_tables.letters.c
    if not found:
        return
    for case_id, number in connection.execute(
        sa.select(letters.case_id, letters.number).where(
            letters.case_id.in_(_ids(found)), letters.number != ""
        )
    ):
        texts[case_id].add("number", number)


def _read_bodies(connection: Connection, found: Sequence[Found], texts: dict[str, _Texts]) -> None:
    letters = exchange_tables.letters.c
    for case_id in _ids(found):
        rows = connection.execute(
            sa.select(letters.header, letters.payload)
            .where(letters.case_id == case_id, letters.kind == "act")
            .order_by(letters.position.desc())
            .limit(_LETTERS)
        )
        for header, payload in rows:
            body_type = pb.Header.FromString(header).payload_type
            body = bodies.parse_body(body_type, payload) if bodies.searched(body_type) else None
            if body is not None:
                people = bodies.people_of(body)
                texts[case_id].add("body", bodies.text_of(body))
                texts[case_id].add("person", *people)
                texts[case_id].add("telephone", *people)


def _best(texts: Sequence[str], where: str, query: str) -> Fragment:
    """Of several texts the one that holds most of the query in one piece."""
    if not texts:
        return Fragment("")
    if where == "pinyin":
        named = [_spelt(each, query) for each in texts]
        return next((each for each in named if each.length), named[0])
    marked = [_marked(each, query) for each in texts]
    return max(marked, key=lambda each: each.length)


def _spelt(name: str, query: str) -> Fragment:
    """A name with the characters marked whose initials were typed."""
    asked = pinyin.asked(query.strip()).removeprefix(pinyin.MARK)
    for begin in range(len(name)):
        for end in range(begin + 1, len(name) + 1):
            if asked in pinyin.initials(name[begin:end]):
                return Fragment(name, begin, end - begin)
    return Fragment(name)


def _marked(text: str, query: str) -> Fragment:
    """A text around the longest piece of the query that it holds, whatever signs and blanks stand between."""
    kept = [(place, each.lower()) for place, each in enumerate(text) if each.isalnum()]
    plain = "".join(each for _, each in kept)
    best = (0, 0)
    for word in [*query.split(), query]:
        wanted = "".join(each.lower() for each in word if each.isalnum())
        begin, length = _longest(plain, wanted)
        if length > best[1]:
            best = (begin, length)
    if not best[1] or len(plain) != len(kept):
        return Fragment(text[: 2 * _AROUND])
    first, last = kept[best[0]][0], kept[best[0] + best[1] - 1][0]
    start = max(first - _AROUND, 0)
    return Fragment(text[start : last + 1 + _AROUND], first - start, last + 1 - first)


def _longest(text: str, wanted: str) -> tuple[int, int]:
    """Where the longest piece of a word stands in a text: the whole word if it does."""
    for length in range(len(wanted), 0, -1):
        for start in range(len(wanted) - length + 1):
            place = text.find(wanted[start : start + length])
            if place >= 0:
                return place, length
    return 0, 0
