"""The bulletin of two months (督查通报, M12): how each department met its time limits, from frozen figures.

This module says what the bulletin says, as `Bulletin`; how it looks is the business of the writers, `bulletin_docx`
and `workbook`, which get nothing else. Figures come from two frozen months, so that a bulletin can be compiled
again and says the same; only the list of what is still overdue is as of the ledger's present.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.common.db import Database
from services.exchange.directory import Directory
from services.procedures.calendar import ZONE
from services.registry.indicators import queries
from services.registry.indicators.amounts import Context, Measured, added
from services.registry.indicators.catalogue import Catalogue, Count, Measure
from services.registry.indicators.figures import Figure, Group, Part, compare, figures
from services.registry.indicators.freeze import Frozen, get_frozen, read_frozen
from services.registry.indicators.periods import Month
from services.registry.indicators.sight import OutOfSight, Sight
from services.registry.oversight_scope import Scope

COLUMNS: Final = (
    "received", "due", "met-on-time", "met-late", "transmitted-late", "overdue", "timeliness", "disputes",
    "contested",
)  # fmt: skip
"""Indicators in the table of departments."""
RANKED_BY: Final = "timeliness"
OVERDUE_SHOWN: Final = 50
_WORST: Final = 3
_BACKLOG: Final = Measure(Count.BACKLOG)


class Language(enum.StrEnum):
    """The language of a file."""

    ZH = "zh"
    EN = "en"

    def pick(self, zh: str, en: str) -> str:
        """That of two forms which is in this language."""
        return zh if self is Language.ZH else en


@dataclass(frozen=True, slots=True)
class Line:
    """A department's line: its name, its place, the values of `COLUMNS` as they are read, None for no data."""

    department: str
    title: str
    rank: int
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OverdueLine:
    """Something that is overdue: what, who owes it, since when, for how many whole days."""

    case_id: str
    title: str
    department: str
    due_at: datetime
    days: int


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What a bulletin says.

    Attributes:
        language: Its language.
        title: Its heading.
        subtitle: Its period and what it is about.
        paragraphs: What its text says, ready to be edited.
        columns: Headings of the table of departments, after those of place and name.
        lines: Departments by place.
        total: All of them together.
        overdue: What has been overdue longest.
        overdue_all: How much is overdue altogether.
        basis: Of which ledgers it was computed.
    """

    language: Language
    title: str
    subtitle: str
    paragraphs: tuple[str, ...]
    columns: tuple[str, ...]
    shares: tuple[bool, ...]
    lines: tuple[Line, ...]
    total: Line
    overdue: tuple[OverdueLine, ...]
    overdue_all: int
    basis: tuple[str, ...]


def compile_bulletin(
    database: Database,
    catalogue: Catalogue,
    directory: Directory,
    scope: Scope,
    month: Month,
    procedure: str,
    now: datetime,
    language: Language,
    *,
    as_workbook: bool,
) -> bytes:
    """A bulletin as a file.

    Raises:
        NotFrozen: One of its months is not frozen yet.
        OutOfSight: The caller is neither an operator nor the mechanism's office.
    """
    made = database.read(
        lambda connection: gather(connection, catalogue, directory, scope, month, procedure, now, language)
    )
    # imported here: a registry that is asked for no file needs neither library
    if as_workbook:
        from services.registry.indicators.workbook import bulletin_workbook  # noqa: PLC0415

        return bulletin_workbook(made)
    from services.registry.indicators.bulletin_docx import bulletin_document  # noqa: PLC0415

    return bulletin_document(made)


def gather(
    connection: Connection,
    catalogue: Catalogue,
    directory: Directory,
    scope: Scope,
    month: Month,
    procedure: str,
    now: datetime,
    language: Language,
) -> Bulletin:
    """What the bulletin of a month and the one before it says.

    Raises:
        NotFrozen: One of them is not frozen yet.
        OutOfSight: The caller is neither an operator nor the mechanism's office.
    """
    sight = Sight.of(scope, procedure, "")
    if sight.own:
        raise OutOfSight(field="procedure")
    months = (month.shifted(-1), month)
    about = [get_frozen(connection, each)[0] for each in months]
    given = _two(connection, months, catalogue)
    assert given is not None
    part = Part(sight.procedures)
    split = _figures(catalogue, given, Group.DEPARTMENT, part)
    whole = _figures(catalogue, given, Group.NONE, part)
    earlier = {
        name: None if found is None else _figures(catalogue, found, Group.NONE, part)
        for name, found in (
            ("before", _two(connection, [each.shifted(-2) for each in months], catalogue)),
            ("year", _two(connection, [each.shifted(-12) for each in months], catalogue)),
        )
    }
    seen = queries.window(
        connection, 0, microseconds(now), sight.among({name for name, _ in directory.law.procedures})
    )
    overdue = _overdue(connection, seen, directory, now, language)
    overdue_all = sum(
        each.amount for each in queries.read(connection, seen, {Count.BACKLOG}, directory.law).backlog
    )
    lines = _lines(split, given.context, language)
    total = Line("", language.pick("合计", "Total"), 0, _values(whole, ""))
    indicators = [catalogue.indicators.get(name) for name in COLUMNS]
    return Bulletin(
        language=language,
        title=language.pick("部门协同履职情况通报", "Bulletin on how departments met their obligations"),
        subtitle=_subtitle(months, sight, given.context, language),
        paragraphs=_paragraphs(catalogue, whole, earlier, lines, overdue_all, language),
        columns=tuple(
            language.pick(each.title.zh, each.title.en) if each else name
            for name, each in zip(COLUMNS, indicators, strict=True)
        ),
        shares=tuple(each is not None and each.unit == "share" for each in indicators),
        lines=lines,
        total=total,
        overdue=overdue,
        overdue_all=overdue_all,
        basis=tuple(_basis(each, language) for each in about),
    )


def percent(value: int | None, language: Language) -> str:
    """A share for people."""
    return language.pick("无数据", "no data") if value is None else f"{value / 100:.2f}%"


def _two(connection: Connection, months: Sequence[Month], catalogue: Catalogue) -> Measured | None:
    found = read_frozen(connection, months)
    if len(found) < len(months):
        return None
    first, second = (found[each] for each in months)
    return added(first, second, catalogue)


def _figures(
    catalogue: Catalogue, given: Measured, group: Group, part: Part
) -> Mapping[str, Sequence[Figure]]:
    return {
        name: figures(catalogue.indicators[name], given, group, part)
        for name in COLUMNS
        if name in catalogue.indicators
    }


def _lines(split: Mapping[str, Sequence[Figure]], context: Context, language: Language) -> tuple[Line, ...]:
    ranks = {each.key: each.rank for each in split.get(RANKED_BY, ())}
    names = {each.key for made in split.values() for each in made}
    # who has nothing due stands after all who have
    order = sorted(names, key=lambda name: (ranks.get(name) or len(names) + 1, name))
    return tuple(
        Line(
            name,
            language.pick(*context.departments.get(name, (name, name))),
            ranks.get(name, 0),
            _values(split, name),
        )
        for name in order
    )


def _values(split: Mapping[str, Sequence[Figure]], key: str) -> tuple[int | None, ...]:
    found: list[int | None] = []
    for name in COLUMNS:
        each = next((figure for figure in split.get(name, ()) if figure.key == key), None)
        found.append(each.value if each else None if name == RANKED_BY else 0)
    return tuple(found)


def _overdue(
    connection: Connection, seen: queries.Window, directory: Directory, now: datetime, language: Language
) -> tuple[OverdueLine, ...]:
    found = []
    for row in queries.list_obligations(connection, seen, _BACKLOG, directory.law, None, OVERDUE_SHOWN):
        procedure = directory.law.procedure(row.procedure, row.procedure_version)
        rule = procedure.obligations.get(row.rule) if procedure else None
        title = language.pick(rule.title.zh, rule.title.en) if rule else row.rule
        due_at = from_microseconds(row.due_at_us)
        department = directory.departments.get(row.owed_by)
        name = language.pick(department.title.zh, department.title.en) if department else row.owed_by
        found.append(OverdueLine(row.case_id, title, name, due_at, (now - due_at).days))
    return tuple(found)


def _subtitle(months: Sequence[Month], sight: Sight, context: Context, language: Language) -> str:
    first, last = months[0].period.first, months[1].period.last
    period = language.pick(
        f"{first.year}年{first.month}月{first.day}日至{last.year}年{last.month}月{last.day}日",
        f"{first.isoformat()} to {last.isoformat()}",
    )
    if sight.procedures is None:
        return period
    named = [language.pick(*context.procedures.get(name, (name, name))) for name in sorted(sight.procedures)]
    return f"{period}  {language.pick('、', ', ').join(named)}"


def _paragraphs(
    catalogue: Catalogue,
    whole: Mapping[str, Sequence[Figure]],
    earlier: Mapping[str, Mapping[str, Sequence[Figure]] | None],
    lines: Sequence[Line],
    overdue_all: int,
    language: Language,
) -> tuple[str, ...]:
    value = dict(zip(COLUMNS, _values(whole, ""), strict=True))
    count = {name: each or 0 for name, each in value.items()}
    said = [
        language.pick(
            f"通报期内，各部门共收到应办事项{count['received']}件，到期应办{count['due']}件，按时办结{count['met-on-time']}件，"
            f"逾期办结{count['met-late']}件，逾期送达待认定{count['transmitted-late']}件，逾期未办{count['overdue']}件，"
            f"按时办结率{percent(value[RANKED_BY], language)}。",
            f"In the period departments received {count['received']} obligations; {count['due']} fell due,"
            f" {count['met-on-time']} were met on time, {count['met-late']} late, {count['transmitted-late']} were"
            f" transmitted late, {count['overdue']} are overdue. Timeliness: {percent(value[RANKED_BY], language)}.",
        ),
        language.pick(
            f"期内发起管辖和执法争议{count['disputes']}件，提出异议{count['contested']}次。",
            f"{count['disputes']} disputes were opened, {count['contested']} letters contested.",
        ),
    ]
    said += _changes(catalogue, whole, earlier, language)
    said += _standing(lines, language)
    said.append(
        language.pick(
            f"截至编制时，逾期未办结的应办事项共{overdue_all}件，最早到期的列于附表，请有关部门抓紧办理。",
            f"At the time of compiling {overdue_all} obligations are overdue; the longest are listed in the annex.",
        )
    )
    return tuple(said)


def _changes(
    catalogue: Catalogue,
    whole: Mapping[str, Sequence[Figure]],
    earlier: Mapping[str, Mapping[str, Sequence[Figure]] | None],
    language: Language,
) -> Iterable[str]:
    words = {"before": ("环比", "Against the two months before"), "year": ("同比", "Against a year before")}
    for name, pair in words.items():
        then = earlier[name]
        indicator = catalogue.indicators.get(RANKED_BY)
        word = language.pick(*pair)
        (figure,) = (
            compare(indicator, whole[RANKED_BY], then[RANKED_BY])
            if then is not None and indicator is not None
            else [None]
        )
        change = figure.compared.change if figure is not None and figure.compared is not None else None
        if change is None:
            yield language.pick(f"按时办结率{word}：无数据。", f"{word}: no data on timeliness.")
            continue
        points = f"{change / 100:+.2f}"
        yield language.pick(
            f"按时办结率{word}{points}个百分点。", f"{word}, timeliness changed by {points} points."
        )


def _standing(lines: Sequence[Line], language: Language) -> Iterable[str]:
    placed = [each for each in lines if each.rank]
    at = COLUMNS.index(RANKED_BY)

    def named(some: Iterable[Line]) -> str:
        return language.pick("、", ", ").join(
            f"{each.title}{language.pick('（', ' (')}{percent(each.values[at], language)}{language.pick('）', ')')}"
            for each in some
        )

    if len(placed) > _WORST:
        yield language.pick(
            f"按时办结率居前的是：{named(placed[:_WORST])}；居后的是：{named(placed[-_WORST:])}。",
            f"Highest timeliness: {named(placed[:_WORST])}; lowest: {named(placed[-_WORST:])}.",
        )
    late = COLUMNS.index("overdue")
    owing = [each for each in lines if each.values[late]]
    if owing:
        listed = language.pick("、", ", ").join(
            language.pick(f"{each.title}{each.values[late]}件", f"{each.title} {each.values[late]}")
            for each in owing
        )
        yield language.pick(
            f"存在逾期未办的部门：{listed}。", f"Departments with obligations overdue: {listed}."
        )


def _basis(each: Frozen, language: Language) -> str:
    at = f"{each.frozen_at.astimezone(ZONE):%Y-%m-%d %H:%M}"
    return language.pick(
        f"{each.month}：{at} 固化，账本 {each.log_id} 第{each.epoch}纪元共{each.size}条，根 {each.root.hex()}，"
        f"摘要 {each.digest.hex()}",
        f"{each.month}: frozen at {at}, ledger {each.log_id}, epoch {each.epoch}, {each.size} leaves, root"
        f" {each.root.hex()}, digest {each.digest.hex()}",
    )
