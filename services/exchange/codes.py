"""Code tables (代码表): which versions there are, how a version comes in parts, what its codes are found by.

A version is published in parts, each a common entry of its own, since an entry is no larger than a letter. It
is in force once all its parts are in the ledger; so everybody changes over at one position. What is kept in
memory of a table is its heading; its rows are in the database (`services/exchange/code_store.py`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, NamedTuple

from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.digests import sha256

PART_BYTES: Final = 128 * 1024
"""Rows of a part, serialised: well below what an entry may be, its heading included."""
PART_ROWS: Final = 1000
TERM_LENGTH: Final = 32
"""Characters of a term that are kept: longer queries compare the rest with the row."""
_STARTS: Final = 24
"""Places of a title that it is found from; what begins later is found by a word before it."""

CODE, TITLE, INITIALS, PINYIN, ENGLISH = range(5)
"""What a term is of, best first."""


class Term(NamedTuple):
    """Something that a code is found by.

    Attributes:
        text: As it is looked up, at most `TERM_LENGTH` characters.
        kind: What it is of.
        start: Where in that it begins; 0 where at its beginning.
    """

    text: str
    kind: int
    start: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A version of a table without its rows.

    Attributes:
        uses: Procedure, empty for all, and header field of the codes.
        parts: How many parts it has.
        seen: The parts that are in the ledger, with their rows counted in `rows`.
    """

    name: str
    version: int
    title: pb.Title
    source: str
    uses: frozenset[tuple[str, str]]
    digest: bytes
    parts: int
    seen: frozenset[int] = frozenset()
    rows: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all its parts are there."""
        return len(self.seen) == self.parts


@dataclass(frozen=True, slots=True)
class CodeTables:
    """The tables of a region.

    Attributes:
        in_force: By name, the newest version that is whole.
        coming: By name, a later version of which parts are missing.
    """

    in_force: Mapping[str, Heading] = field(default_factory=dict)
    coming: Mapping[str, Heading] = field(default_factory=dict)

    def with_part(self, entry: pb.CodeTable) -> CodeTables:
        """The tables after a part; the same object where the part says nothing new."""
        name = entry.name
        standing, before = self.in_force.get(name), self.coming.get(name)
        if standing is not None and entry.version <= standing.version:
            return self
        if before is not None and entry.version < before.version:
            return self
        if before is None or entry.version > before.version:
            before = _heading(entry)
        if not _belongs(entry, before) or entry.part in before.seen:
            return self
        heading = replace(before, seen=before.seen | {entry.part}, rows=before.rows + len(entry.rows))
        rest = {key: each for key, each in self.coming.items() if key != name}
        if heading.is_whole:
            return CodeTables({**self.in_force, name: heading}, rest)
        return CodeTables(self.in_force, {**rest, name: heading})

    def fault(self, entry: pb.CodeTable) -> tuple[str, str] | None:
        """Field and sentence of what keeps a part from being taken, None if nothing does."""
        standing, before = self.in_force.get(entry.name), self.coming.get(entry.name)
        if entry.part >= entry.parts:
            return "code_table.part", f"Part {entry.part} of {entry.parts}: parts count from 0."
        if standing is not None and entry.version <= standing.version:
            is_same = (entry.version, entry.digest) == (standing.version, standing.digest)
            said = f"{entry.name} version {standing.version} is in force. Use version {standing.version + 1}."
            return None if is_same else ("code_table.version", said)
        if before is not None and entry.version < before.version:
            return "code_table.version", f"{entry.name} version {before.version} is on its way."
        if before is not None and entry.version == before.version and not _belongs(entry, before):
            return "code_table.digest", f"Parts of another version {entry.version} are in the ledger."
        return None

    def governing(self, procedure: str, name: str) -> list[Heading]:
        """The tables in force whose codes a header field of a procedure holds."""
        return [each for each in self.in_force.values() if {("", name), (procedure, name)} & each.uses]


def _heading(entry: pb.CodeTable) -> Heading:
    # a copy: a reference to a part of the message would keep all its rows in memory
    title = pb.Title(zh=entry.title.zh, en=entry.title.en)
    return Heading(
        entry.name, entry.version, title, entry.source,
        frozenset((each.procedure, each.field) for each in entry.uses), entry.digest, entry.parts,
    )  # fmt: skip


def _belongs(entry: pb.CodeTable, heading: Heading) -> bool:
    return (entry.digest, entry.parts) == (heading.digest, heading.parts) and entry.part < heading.parts


def parts_of(table: pb.CodeTable) -> list[pb.CodeTable]:
    """A whole version, all its rows in one message, as the entries that publish it."""
    whole = pb.CodeTable()
    whole.CopyFrom(table)
    for name in ("parts", "part", "digest"):
        whole.ClearField(name)
    digest = sha256(whole.SerializeToString(deterministic=True))
    groups: list[list[pb.CodeRow]] = [[]]
    size = 0
    for row in whole.rows:
        size += row.ByteSize()
        if size > PART_BYTES or len(groups[-1]) == PART_ROWS:
            groups.append([])
            size = row.ByteSize()
        groups[-1].append(row)
    return [
        pb.CodeTable(
            name=whole.name, version=whole.version, title=whole.title, source=whole.source, uses=whole.uses,
            parts=len(groups), part=part, digest=digest, rows=rows,
        )
        for part, rows in enumerate(groups)
    ]  # fmt: skip


def usable(row: pb.CodeRow, day: date) -> bool:
    """Whether a code may be used on a day."""
    iso = day.isoformat()
    return not row.retired and row.valid_from <= iso and (not row.valid_until or iso < row.valid_until)


# -- what a code is found by ----------------------------------------------------------------------


def folded(text: str) -> str:
    """A text as it is looked up: one width, lower case, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split()).replace("\0", "")


def initials_of(pinyin: str) -> str:
    """The first letters of syllables."""
    return "".join(each[0] for each in pinyin.split())


def terms_of(row: pb.CodeRow) -> set[Term]:
    """Everything that a code is found by; of one text the best."""
    syllables = row.pinyin.lower().split()
    words = row.title.en.lower().split()
    title = folded(row.title.zh)
    found: dict[str, Term] = {}
    for kind, texts in (
        (CODE, [folded(row.code)]),
        (TITLE, _tails(title)),
        (INITIALS, _tails([each[0] for each in syllables])),
        (PINYIN, _tails(syllables)),
        (ENGLISH, _tails(words)),
    ):
        for start, text in enumerate(texts):
            term = Term(text[:TERM_LENGTH], kind, start)
            if term.text:
                found.setdefault(term.text, term)
    return set(found.values())


def _tails(pieces: Sequence[str]) -> Iterator[str]:
    for start in range(min(len(pieces), _STARTS)):
        # pieces are a character long at least
        yield folded("".join(pieces[start : start + TERM_LENGTH]))


def matches(row: pb.CodeRow, words: Iterable[str]) -> bool:
    """Whether each folded word begins the code or stands in a title, its pinyin or the initials."""
    texts = (
        folded(row.title.zh), folded(row.title.en), folded(row.pinyin), initials_of(row.pinyin.lower()),
    )  # fmt: skip
    code = folded(row.code)
    return all(code.startswith(word) or any(word in text for text in texts) for word in words)
