"""A region's file: what a new ledger starts with, from one YAML text that people can review.

The file is turned into common entries in an order in which each finds what it names, and every entry is
checked as an operator's would be. What is wrong is said with its line, all of it at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final, TypeVar

import yaml
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as pb

from services import procedures
from services.common.edge import validate
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entry
from services.procedures import defects
from services.procedures.calendar import ZONE, UnannouncedYearError, seed_years
from services.procedures.loader import load
from services.procedures.source import At, Fields, Text, root_of
from services.registry import region_duties

_TOP: Final = frozenset(
    [
        "region", "title", "calendar", "departments", "offices", "duties", "matters", "categories", "limits",
        "standing_duties",
    ]
)  # fmt: skip
_DEPARTMENT: Final = frozenset(
    ["title", "level", "parent", "number_word", "credit_code", "sections", "sub_units", "people", "officers"]
)
_LEVELS: Final = {
    "city": pb.LEVEL_CITY, "district": pb.LEVEL_DISTRICT, "town": pb.LEVEL_TOWN, "village": pb.LEVEL_VILLAGE,
}  # fmt: skip
_MODES: Final = {
    "granted": pb.AUTHORITY_MODE_GRANTED,
    "delegated": pb.AUTHORITY_MODE_DELEGATED,
    "none": pb.AUTHORITY_MODE_NONE,
}
W = TypeVar("W")

_BULLETIN: Final = "liandong.sharing.v1.Bulletin"


class InvalidValue(defects.Defect):
    """The value is refused."""


class UnannouncedYear(defects.Defect):
    """No national notice is known for the year: leave it out, it stays provisional."""


class DefectiveRegion(Exception):
    """The region's file is refused; every defect is named with file and line."""

    def __init__(self, found: Sequence[defects.Defect]) -> None:
        self.defects = tuple(sorted(found, key=lambda each: (each.file, each.line)))
        super().__init__("\n".join(str(each) for each in self.defects))


@dataclass(frozen=True, slots=True)
class Region:
    """What a region's ledger starts with: its name, its title, and the entries in order."""

    name: str
    title: pb.Title
    entries: tuple[pb.CommonEntry, ...]


def load_region(path: Path, procedure_folder: Path | None = None) -> Region:
    """Reads and checks a region's file, with the procedures that come with the product.

    Args:
        path: The file.
        procedure_folder: Where else procedures are; each `*.yaml` in it is published.

    Raises:
        DefectiveRegion: With every defect found.
        DefectiveProcedure: A procedure cannot be used.
        OSError: A file cannot be read.
    """
    return parse_region(path.read_text(encoding="utf-8"), str(path), procedure_folder)


def parse_region(source: str, file: str, procedure_folder: Path | None = None) -> Region:
    """Reads and checks a region's text; see `load_region`."""
    try:
        root = root_of(source, file)
    except defects.DefectiveProcedure as error:
        raise DefectiveRegion(error.defects) from error
    text = Text(file)
    top = text.mapping(root, (), _TOP) if root is not None else {}
    name = text.text(top, "region", ())
    title = _title(text, top, ())
    drafts = list(_entries(text, top, name, procedure_folder or Path(procedures.__path__[0])))
    # meaning is judged only over sound form: else one slip would be reported many times
    if not text.found:
        _check(text, name, drafts)
    if text.found:
        raise DefectiveRegion(text.found)
    return Region(name, title, tuple(entry for _, entry in drafts))


Draft = tuple[At, pb.CommonEntry]


def _entries(text: Text, top: Fields, region: str, procedure_folder: Path) -> Iterator[Draft]:
    yield from _calendar(text, top, region)
    for path in sorted(procedure_folder.glob("*.yaml")):
        procedure = load(path)
        source = path.read_text(encoding="utf-8")
        entry = pb.Procedure(name=procedure.name, version=procedure.version, source=source)
        yield ("procedures",), pb.CommonEntry(procedure=entry)
    yield from _departments(text, top)
    for at, fields in _section(text, top, "offices"):
        department = text.scalar(fields, at, "str", "a department") or ""
        yield at, pb.CommonEntry(office=pb.Office(procedure=at[-1], department=department))
    yield from _duties(text, top)
    yield from _matters(text, top)
    yield from _categories(text, top)
    yield from _limits(text, top)
    yield from _standing_duties(text, top)


def _standing_duties(text: Text, top: Fields) -> Iterator[Draft]:
    for at, node in _section(text, top, "standing_duties"):
        fields = text.mapping(node, at, region_duties.KEYS)
        dates = (_date(text, fields, "from", at), _date(text, fields, "until", at))
        duty = region_duties.standing_duty(text, fields, at, dates)
        yield at, pb.CommonEntry(standing_duty=duty)


def _check(text: Text, region: str, drafts: list[Draft]) -> None:
    directory = Directory.empty(region)
    now = datetime.now(UTC)
    for number, (at, entry) in enumerate(drafts, start=1):
        try:
            validate(entry)
            check_entry(entry, directory)
        except LiandongError as error:
            text.complain(InvalidValue, at, f"{'.'.join(at)}: {error.message}")
        directory = directory.apply(entry, version=number, position=number - 1, admitted_at=now)


def _calendar(text: Text, top: Fields, region: str) -> Iterator[Draft]:
    at: At = ("calendar",)
    known = frozenset(("years", "natural_days_roll", "close_of_business"))
    fields = text.mapping(top["calendar"], at, known) if "calendar" in top else {}
    years = fields.get("years")
    rolls = text.flag(fields, "natural_days_roll", at, default=True)
    close = text.text(fields, "close_of_business", at, required=False)
    minutes = 0
    if close:
        try:
            end = time.fromisoformat(close)
            minutes = end.hour * 60 + end.minute
        except ValueError:
            text.complain(InvalidValue, (*at, "close_of_business"), f"{close} is no hour such as '17:30'")
    for node in years.value if isinstance(years, yaml.SequenceNode) else ():
        here = (*at, "years")
        word = text.scalar(node, here, "int", "a year") or "0"
        try:
            (year,) = seed_years([int(word)])
        except (UnannouncedYearError, ValueError):
            text.complain(UnannouncedYear, here, word)
            continue
        entry = pb.CalendarYear(
            region=region,
            year=year.year,
            holidays=[f"{day:%m-%d}" for day in sorted(year.holidays)],
            make_up_days=[f"{day:%m-%d}" for day in sorted(year.makeup)],
            notice=f"国务院办公厅关于{year.year}年部分节假日安排的通知",
            natural_days_roll=rolls,
            close_of_business=minutes,
        )
        yield (*here, word), pb.CommonEntry(calendar=entry)


def _departments(text: Text, top: Fields) -> Iterator[Draft]:
    for at, node in _section(text, top, "departments", required=True):
        fields = text.mapping(node, at, _DEPARTMENT)
        sections = text.titles(fields, "sections", at) if "sections" in fields else {}
        yield (
            at,
            pb.CommonEntry(
                department=pb.Department(
                    name=at[-1],
                    title=_title(text, fields, at),
                    level=_word(text, fields, "level", at, _LEVELS, pb.LEVEL_UNSPECIFIED),
                    parent=text.text(fields, "parent", at, required=False),
                    status=pb.DEPARTMENT_STATUS_LISTED,
                    sections=[
                        pb.Section(id=each, title=pb.Title(zh=title.zh, en=title.en))
                        for each, title in sections.items()
                    ],
                    sub_units=text.words(fields, "sub_units", at),
                    number_word=text.text(fields, "number_word", at, required=False),
                    credit_code=text.text(fields, "credit_code", at, required=False),
                )
            ),
        )
        people = text.mapping(fields["people"], (*at, "people")) if "people" in fields else {}
        for each, person in people.items():
            here = (*at, "people", each)
            yield here, pb.CommonEntry(person=_person(text, person, here, at[-1], sections))
        officers = text.mapping(fields["officers"], (*at, "officers")) if "officers" in fields else {}
        for number, officer in officers.items():
            here = (*at, "officers", number)
            yield here, pb.CommonEntry(officer=_officer(text, officer, here, at[-1]))


def _person(text: Text, node: yaml.Node, at: At, department: str, sections: object) -> pb.Person:
    fields = text.mapping(node, at, frozenset(["name", "roles", "section", "telephone", "mechanisms"]))
    section = text.text(fields, "section", at, required=False)
    if section and isinstance(sections, dict) and section not in sections:
        text.complain(defects.UnknownWord, (*at, "section"), section)
    return pb.Person(
        id=at[-1],
        department=department,
        name=text.text(fields, "name", at),
        roles=text.words(fields, "roles", at),
        section=section,
        telephone=text.text(fields, "telephone", at, required=False),
        mechanisms=text.words(fields, "mechanisms", at),
    )


def _officer(text: Text, node: yaml.Node, at: At, department: str) -> pb.OfficerCertificate:
    fields = text.mapping(node, at, frozenset(["person", "name", "scope", "from", "until", "suspended"]))
    return pb.OfficerCertificate(
        number=at[-1],
        department=department,
        subject=text.text(fields, "person", at),
        name=text.text(fields, "name", at),
        scope=text.words(fields, "scope", at),
        valid_from=_date(text, fields, "from", at),
        valid_until=_date(text, fields, "until", at),
        suspended=text.flag(fields, "suspended", at),
    )


def _duties(text: Text, top: Fields) -> Iterator[Draft]:
    for at, node in _section(text, top, "duties"):
        fields = text.mapping(node, at, frozenset(["title", "lead", "co_acting", "item_codes"]))
        yield (
            at,
            pb.CommonEntry(
                duty=pb.Duty(
                    subject=at[-1],
                    title=_title(text, fields, at),
                    lead=text.text(fields, "lead", at),
                    co_acting=text.words(fields, "co_acting", at),
                    item_codes=text.words(fields, "item_codes", at),
                )
            ),
        )


def _matters(text: Text, top: Fields) -> Iterator[Draft]:
    for at, node in _section(text, top, "matters"):
        fields = text.mapping(node, at, frozenset(["title", "department", "basis", "areas"]))
        by_law = pb.Authority(
            item_code=at[-1],
            title=_title(text, fields, at),
            department=text.text(fields, "department", at),
            mode=pb.AUTHORITY_MODE_GRANTED,
            basis=text.text(fields, "basis", at, required=False),
        )
        yield at, pb.CommonEntry(authority=by_law)
        areas = text.mapping(fields["areas"], (*at, "areas")) if "areas" in fields else {}
        for area, content in areas.items():
            here = (*at, "areas", area)
            for row in _area(text, content, here, by_law):
                yield here, pb.CommonEntry(authority=row)


def _area(text: Text, node: yaml.Node, at: At, by_law: pb.Authority) -> Iterator[pb.Authority]:
    fields = text.mapping(node, at, frozenset(["town", "mode", "letter", "from", "until", "split"]))
    mode = _word(text, fields, "mode", at, _MODES, pb.AUTHORITY_MODE_UNSPECIFIED)
    town = text.text(fields, "town", at, required=mode != pb.AUTHORITY_MODE_NONE)
    row = pb.Authority()
    row.CopyFrom(by_law)
    row.area_code = at[-1]
    row.mode = mode
    for key, field in (("from", "valid_from"), ("until", "valid_until")):
        day = _date(text, fields, key, at)
        if day is not None:
            getattr(row, field).CopyFrom(day)
    if mode == pb.AUTHORITY_MODE_NONE:
        yield row
        return
    is_split = text.flag(fields, "split", at)
    if is_split:
        built_up = pb.Authority()
        built_up.CopyFrom(row)
        built_up.mode = pb.AUTHORITY_MODE_NONE
        built_up.split = pb.AREA_SPLIT_BUILT_UP
        yield built_up
        row.split = pb.AREA_SPLIT_OUTSIDE
    row.department = town
    if mode == pb.AUTHORITY_MODE_DELEGATED:
        row.delegated_by = f"{by_law.department} {text.text(fields, 'letter', at)}"
    yield row


def _categories(text: Text, top: Fields) -> Iterator[Draft]:
    for at, node in _section(text, top, "categories"):
        fields = text.mapping(node, at, frozenset(["title", "body", "by_hand"]))
        by_hand = text.flag(fields, "by_hand", at)
        body = text.text(fields, "body", at, required=False) or ("" if by_hand else _BULLETIN)
        entry = pb.Category(name=at[-1], title=_title(text, fields, at), body_type=body, by_hand=by_hand)
        yield at, pb.CommonEntry(category=entry)


def _limits(text: Text, top: Fields) -> Iterator[Draft]:
    for above, node in _section(text, top, "limits"):
        for obligation, content in text.mapping(node, above).items():
            at = (*above, obligation)
            fields = text.mapping(content, at, frozenset(["within", "urgency", "clause", "from", "until"]))
            yield (
                at,
                pb.CommonEntry(
                    limit=pb.RegionalLimit(
                        procedure=above[-1],
                        obligation=obligation,
                        urgency=text.text(fields, "urgency", at, required=False),
                        within=text.text(fields, "within", at),
                        valid_from=_date(text, fields, "from", at),
                        valid_until=_date(text, fields, "until", at),
                        clause=text.text(fields, "clause", at, required=False),
                    )
                ),
            )


def _section(text: Text, top: Fields, key: str, *, required: bool = False) -> list[tuple[At, yaml.Node]]:
    if key not in top:
        if required:
            text.complain(defects.MissingKey, (), key)
        return []
    return [((key, name), node) for name, node in text.mapping(top[key], (key,)).items()]


def _title(text: Text, fields: Fields, at: At) -> pb.Title:
    title = text.title(fields.get("title"), (*at, "title"))
    return pb.Title(zh=title.zh, en=title.en)


def _word(text: Text, fields: Fields, key: str, at: At, words: dict[str, W], otherwise: W) -> W:
    word = text.text(fields, key, at)
    if word and word not in words:
        text.complain(defects.UnknownWord, (*at, key), f"{word}; one of {', '.join(words)}")
    return words.get(word, otherwise)


def _date(text: Text, fields: Fields, key: str, at: At) -> Timestamp | None:
    if key not in fields:
        return None
    word = text.scalar(fields[key], (*at, key), "timestamp", "a date such as 2027-01-01")
    if word is None:
        return None
    try:
        day = date.fromisoformat(word)
    except ValueError:
        text.complain(InvalidValue, (*at, key), f"{word} is no date")
        return None
    stamp = Timestamp()
    stamp.FromDatetime(datetime.combine(day, time(), ZONE))
    return stamp
