"""A register of a department's cases as a workbook, written row by row and read case by page of cases.

openpyxl is imported where a workbook is written, and nowhere else: a node that exports nothing never loads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases import queries
from services.cases import tables as case_tables
from services.cases.handling import tables
from services.cases.handling.stored import assigned
from services.common.clock import from_microseconds, microseconds
from services.common.errors import LimitExceeded
from services.exchange import tables as exchange_tables
from services.exchange.directory import Directory
from services.procedures import case as cases
from services.procedures.calendar import ZONE
from services.procedures.chain import Direction, Who
from services.procedures.facts import Urgency
from services.procedures.register import OF_ACT, OF_RULE, Column, Register

Cell = str | int | datetime | None
Language = str

ROWS: Final = 100_000
"""Cases in one workbook; more are asked for by period."""
_PAGE: Final = 200
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_URGENCIES: Final = {
    Urgency.ORDINARY: ("一般", "ordinary"),
    Urgency.URGENT: ("紧急", "urgent"),
    Urgency.MAJOR: ("重大", "major"),
}
_KEPT: Final = {
    "OPEN": ("办理中", "open"),
    "OVERDUE": ("逾期未办", "overdue"),
    "ON_TIME": ("按时", "on time"),
    "TRANSMITTED_LATE": ("按时（迟传）", "on time, transmitted late"),
    "EXCUSED": ("按时（断网）", "on time, excused"),
    "LATE": ("逾期", "late"),
    "LAPSED": ("终止", "lapsed"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases a register is to hold.

    Attributes:
        opened_from: Opened at or after.
        opened_before: Opened before.
        state: Only in this state.
        department: Only with this party.
        include_closed: Also those that are over.
    """

    opened_from: datetime | None = None
    opened_before: datetime | None = None
    state: str = ""
    department: str = ""
    include_closed: bool = True


def rows_of(
    read: Callable[[Callable[[Connection], list[list[Cell]]]], list[list[Cell]]],
    register: Register,
    wanted: Filter,
    directory: Directory,
    now: datetime,
    language: Language,
) -> Iterator[list[Cell]]:
    """The rows of a register, in the order in which the cases were opened; a transaction for each page.

    Raises:
        LimitExceeded: More cases than a workbook holds.
    """
    after, count = "", 0
    while True:
        page = _Page(register, directory, now, language)
        rows = read(lambda connection, page=page, after=after: page.read(connection, wanted, after))  # type: ignore[misc]
        for row in rows:
            count += 1
            if count > ROWS:
                raise LimitExceeded(
                    f"A register holds at most {ROWS} cases; name a period.", field="opened_from"
                )
            yield [
                count if column.kind == "ordinal" else cell
                for column, cell in zip(register.columns, row, strict=True)
            ]
        if not page.last:
            return
        after = page.last


class _Page:
    """One page of a register's cases.

    Attributes:
        last: The last case that was looked at; empty at the end.
    """

    def __init__(self, register: Register, directory: Directory, now: datetime, language: Language) -> None:
        self._register = register
        self._directory = directory
        self._now = now
        self._index = 0 if language == "zh" else 1
        self.last = ""

    def read(self, connection: Connection, wanted: Filter, after: str) -> list[list[Cell]]:
        columns = case_tables.cases.c
        query = (
            sa.select(columns.case_id, columns.title, columns.state, columns.folded, columns.next_due_at_us)
            .where(columns.procedure == self._register.procedure, columns.case_id > after)
            .order_by(columns.case_id)
            .limit(_PAGE)
        )
        if wanted.state:
            query = query.where(columns.state == wanted.state)
        if not wanted.include_closed:
            query = query.where(columns.closed.is_(False))
        if wanted.department:
            parties = case_tables.case_parties.c
            query = query.where(
                sa.exists().where(parties.case_id == columns.case_id, parties.department == wanted.department)
            )
        rows = list(connection.execute(query))
        self.last = rows[-1].case_id if len(rows) == _PAGE else ""
        self._load(connection, [row.case_id for row in rows])
        found = [self._row(each, wanted) for each in rows]
        return [row for row in found if row is not None]

    def _load(self, connection: Connection, ids: Sequence[str]) -> None:
        self._parties = queries.parties_of(connection, ids)
        subjects = case_tables.subjects.c
        self._subjects: dict[str, list[str]] = {}
        for case_id, name in connection.execute(
            sa.select(subjects.case_id, subjects.name)
            .where(subjects.case_id.in_(ids))
            .order_by(subjects.ordinal)
        ):
            self._subjects.setdefault(case_id, []).append(name)
        rules = self._register.named(OF_RULE)
        duties = case_tables.obligations.c
        self._duties: dict[tuple[str, str], tuple[int, str]] = {}
        for case_id, rule, due, state in connection.execute(
            sa.select(duties.case_id, duties.rule, duties.due_at_us, duties.state)
            .where(duties.case_id.in_(ids), duties.rule.in_(rules))
            .order_by(duties.ordinal)
        ):
            self._duties[case_id, rule] = (due, state)
        acts = self._register.named(OF_ACT)
        letters = exchange_tables.letters.c
        self._letters: dict[tuple[str, str], Any] = {}
        for row in connection.execute(
            sa.select(letters.case_id, letters.act, letters.number, letters.author, letters.occurred_at_us)
            .where(letters.case_id.in_(ids), letters.act.in_(acts), letters.kind == "act")
            .where(letters.position.is_not(None))
            .order_by(letters.position)
        ):
            # of an act that was done again the last stands
            self._letters[row.case_id, row.act] = row
        documents = tables.documents.c
        self._incoming: dict[str, list[str]] = {}
        self._handlers: dict[str, list[str]] = {}
        for case_id, number, folded in connection.execute(
            sa.select(documents.case_id, documents.number, documents.folded)
            .where(documents.case_id.in_(ids), documents.direction == Direction.INBOUND)
            .order_by(documents.document_id)
        ):
            if number:
                self._incoming.setdefault(case_id, []).append(number)
            for who in assigned(folded):
                self._handlers.setdefault(case_id, []).append(self._person(who))

    def _row(self, row: Any, wanted: Filter) -> list[Cell] | None:
        state = cases.loads(row.folded) if row.folded else None
        opened = state.opened_at if state else None
        if wanted.opened_from and (opened is None or opened < wanted.opened_from):
            return None
        if wanted.opened_before and (opened is None or opened >= wanted.opened_before):
            return None
        return [self._cell(column, row, state, opened) for column in self._register.columns]

    def _cell(self, column: Column, row: Any, state: Any, opened: datetime | None) -> Cell:
        case_id, of = row.case_id, column.of
        match column.kind:
            case "title":
                return str(row.title)
            case "case":
                return str(case_id)
            case "state":
                return self._state(row.state, state)
            case "subjects":
                return "、".join(self._subjects.get(case_id, ()))
            case "urgency":
                return _URGENCIES[state.urgency][self._index] if state else None
            case "opened":
                return opened
            case "next-due":
                return None if row.next_due_at_us is None else from_microseconds(row.next_due_at_us)
            case "incoming":
                return "、".join(self._incoming.get(case_id, ()))
            case "handler":
                return "、".join(dict.fromkeys(self._handlers.get(case_id, ())))
            case "party":
                held = [name for role, name in self._parties.get(case_id, ()) if role == of]
                return "、".join(map(self._department, held))
            case "due" | "kept":
                return self._duty(column, self._duties.get((case_id, of)))
            case "date" | "number" | "author":
                return self._letter(column.kind, self._letters.get((case_id, of)))
        return None

    def _duty(self, column: Column, found: tuple[int, str] | None) -> Cell:
        if found is None:
            return None
        due, state = found
        if column.kind == "due":
            return from_microseconds(due)
        overdue = state == "OPEN" and due <= microseconds(self._now)
        return _KEPT["OVERDUE" if overdue else state][self._index]

    def _letter(self, kind: str, found: Any) -> Cell:
        if found is None:
            return None
        if kind == "date":
            return from_microseconds(found.occurred_at_us)
        return str(found.number) if kind == "number" else self._department(found.author)

    def _state(self, name: str, state: Any) -> str:
        procedure = self._directory.law.procedure(state.procedure, state.version) if state else None
        title = procedure.states.get(name) if procedure else None
        return name if title is None else (title.zh, title.en)[self._index]

    def _department(self, name: str) -> str:
        known = self._directory.departments.get(name)
        return name if known is None else (known.title.zh, known.title.en)[self._index]

    def _person(self, who: Who) -> str:
        if not who.subject:
            return who.section
        people = [person for key, person in self._directory.people.items() if key[1] == who.subject]
        return people[0].name if people else who.subject


def write_workbook(path: Path, register: Register, rows: Iterable[list[Cell]], language: Language) -> int:
    """Write a workbook; returns how many cases it holds. Memory does not grow with them."""
    from openpyxl import Workbook  # noqa: PLC0415 - heavy, and only for this
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    index = 0 if language == "zh" else 1
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_name((register.title.zh, register.title.en)[index]))
    sheet.freeze_panes = "A2"
    sheet.append([(each.title.zh, each.title.en)[index] for each in register.columns])

    def cell(value: Cell) -> Any:
        if isinstance(value, datetime):
            made = WriteOnlyCell(sheet, value.astimezone(ZONE).replace(tzinfo=None))
            made.number_format = "yyyy-mm-dd hh:mm"
            return made
        if isinstance(value, str):
            made = WriteOnlyCell(sheet, _FORBIDDEN.sub("\ufffd", value)[:32767])
            # a name that begins with = is a name
            made.data_type = "s"
            return made
        return value

    count = 0
    for row in rows:
        sheet.append([cell(each) for each in row])
        count += 1
    book.save(path)
    return count


def _sheet_name(title: str) -> str:
    """As a workbook takes it: at most 31 characters, none that it gives a meaning."""
    return re.sub(r"[\[\]:*?/\\]", " ", title)[:31]
