"""What the picture shows, as plain values: the matrix with its lights, flows, periods, the text of a reminder. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.gateway.languages import Language
from services.gateway.web.filters import ZONE
from services.gateway.web.texts import text

MONTHS: Final = 6
"""Months in the trend, the present one last."""
SHADES: Final = 4
TEXT_AT_MOST: Final = 500
"""Characters of a reminder, as the registry takes them."""
STATES: Final = ("overdue", "soon", "disputed", "open")
"""What a cell counts, the worst first."""
_MARKS: Final = {"overdue": "✕", "soon": "!", "disputed": "⚑", "open": "●"}
_TONES: Final = {"overdue": "bad", "soon": "wait", "disputed": "wait", "open": "good"}


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a kind: with a mark, a word's name and a tone, so that colour says nothing alone."""

    state: str
    number: int

    @property
    def mark(self) -> str:
        """A sign."""
        return _MARKS[self.state]

    @property
    def tone(self) -> str:
        """For the colour."""
        return _TONES[self.state]


@dataclass(frozen=True, slots=True)
class Cell:
    """A light: how a department stands in a mechanism, or in all.

    Attributes:
        counts: What is not nought, the worst first.
    """

    counts: tuple[Count, ...] = ()

    @property
    def tone(self) -> str:
        """That of the worst; empty where nothing is open."""
        return self.counts[0].tone if self.counts else ""

    def number(self, state: str) -> int:
        """How many of a kind."""
        return next((each.number for each in self.counts if each.state == state), 0)


@dataclass(frozen=True, slots=True)
class Grid:
    """Departments by mechanisms.

    Attributes:
        departments: Rows, those with most overdue first.
        procedures: Columns.
        cells: By department and mechanism; none where nothing is open.
        total: Of all.
    """

    departments: tuple[str, ...]
    procedures: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    total: Cell

    def cell(self, department: str, procedure: str) -> Cell:
        """One light."""
        return self.cells.get((department, procedure), Cell())

    def row(self, department: str) -> Cell:
        """A department in all mechanisms."""
        return summed(cell for (name, _), cell in self.cells.items() if name == department)


def cell_of(found: pb.MatrixCell) -> Cell:
    """A cell as the registry counts it; what is due soon is not counted again as open."""
    counted = {
        "overdue": found.overdue,
        "soon": found.soon,
        "disputed": found.disputed,
        "open": found.open - found.soon,
    }
    return Cell(tuple(Count(state, counted[state]) for state in STATES if counted[state]))


def summed(cells: Iterable[Cell]) -> Cell:
    """Cells as one."""
    all_cells = tuple(cells)
    sums = {state: sum(each.number(state) for each in all_cells) for state in STATES}
    return Cell(tuple(Count(state, sums[state]) for state in STATES if sums[state]))


def grid(
    found: Sequence[pb.MatrixCell],
    departments: Collection[str],
    procedures: Collection[str],
    procedure: str = "",
) -> Grid:
    """The matrix.

    Args:
        found: As the registry counts.
        departments: Rows that are shown though nothing is open.
        procedures: Columns, likewise.
        procedure: Only this mechanism.
    """
    cells = {
        (each.department, each.procedure): cell_of(each)
        for each in found
        if procedure in {"", each.procedure}
    }
    shown = {procedure} if procedure else {*procedures, *(name for _, name in cells)}
    rows = {*departments, *(name for name, _ in cells)}

    def worst(name: str) -> tuple[int, int, str]:
        row = summed(cell for (department, _), cell in cells.items() if department == name)
        return (-row.number("overdue"), -row.number("soon"), name)

    return Grid(tuple(sorted(rows, key=worst)), tuple(sorted(shown)), cells, summed(cells.values()))


def soon_before(now: datetime, is_working_day: Callable[[date], bool]) -> datetime:
    """The end of the next working day: what is due before it is due soon."""
    day = now.astimezone(ZONE).date() + timedelta(days=1)
    while not is_working_day(day):
        day += timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)


def months(today: date, count: int = MONTHS) -> tuple[tuple[date, date], ...]:
    """The first and last days of the last months, the present one last and up to today."""
    found = []
    first = today.replace(day=1)
    last = today
    for _ in range(count):
        found.append((first, last))
        last = first - timedelta(days=1)
        first = last.replace(day=1)
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Flows:
    """Who sends how much to whom.

    Attributes:
        authors: Rows.
        recipients: Columns.
        letters: By both.
        most: The largest.
    """

    authors: tuple[str, ...]
    recipients: tuple[str, ...]
    letters: Mapping[tuple[str, str], int]
    most: int

    def number(self, author: str, recipient: str) -> int:
        """How many letters; nought for none."""
        return self.letters.get((author, recipient), 0)

    def shade(self, author: str, recipient: str) -> int:
        """How dark a cell is: 0 for nothing, up to `SHADES`; the figure stands in it all the same."""
        number = self.number(author, recipient)
        return -(-number * SHADES // self.most) if number else 0


def flows(found: Iterable[pb.Flow]) -> Flows:
    """The from-to matrix, those who send or get most first."""
    letters = {(each.author, each.recipient): each.letters for each in found if each.letters}

    def ranked(place: int) -> tuple[str, ...]:
        names = {key[place] for key in letters}
        sums = {name: sum(n for key, n in letters.items() if key[place] == name) for name in names}
        return tuple(sorted(names, key=lambda name: (-sums[name], name)))

    return Flows(ranked(0), ranked(1), letters, max(letters.values(), default=0))


def together(alerts: Iterable[pb.Alert]) -> list[tuple[pb.Alert, int]]:
    """Alerts of one kind about one department's same duty as one, with how many; the newest stands for them."""
    found: dict[tuple[int, str, str, str], list[pb.Alert]] = {}
    for each in alerts:
        about = each.obligation
        found.setdefault((each.kind, each.subject_department, about.procedure, about.rule), []).append(each)
    return [(each[0], len(each)) for each in found.values()]


def reminder_text(
    department: str, mechanism: str, duty: str, until: str, left: str, language: Language
) -> str:
    """What a reminder says, from the facts alone: whose, what, until when, how late.

    Args:
        department: What it is called.
        mechanism: Likewise.
        duty: What is owed.
        until: The due time in words; empty for none.
        left: How late it is, or what is left; empty for none.
        language: Of the words.
    """
    name = "picture.remind_text" if until else "picture.remind_text_undated"
    said = text(name, language, department=department, mechanism=mechanism, duty=duty, until=until, left=left)
    return said[:TEXT_AT_MOST]


def share(value: int) -> str:
    """Parts of ten thousand as a percentage: 9667 is 96.67%."""
    return f"{value / 100:.2f}".rstrip("0").rstrip(".") + "%"
