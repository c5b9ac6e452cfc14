"""Who is competent for a matter, and why: authority lists first, then the matrix of duties (M01, M02).

Three modes: granted (赋权), the town acts and answers for it; delegated (委托), the town acts in the county
department's name; none (未承接), the county department acts. Where an area is split, the county department
acts in the built-up part and the town outside it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.title import Title
from services.exchange.directory import Directory
from services.exchange.trust import moment
from services.procedures.calendar import ZONE

_TICK: Final = timedelta(microseconds=1)
_MODE_RANK: Final = {
    pb.AUTHORITY_MODE_GRANTED: 0,
    pb.AUTHORITY_MODE_DELEGATED: 1,
    pb.AUTHORITY_MODE_NONE: 2,
}
_COUNTY_STILL_INSPECTS: Final = Title(
    "；县级部门一般不再处罚，仍负责监督检查",
    "; as a rule it no longer penalises here, but still inspects",
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One department that could take a matter.

    Attributes:
        department: Its name.
        reason: Why it is competent, in a sentence for people.
        basis: The legal basis as the list gives it; empty from the matrix of duties.
        mode: How it holds the matter; unspecified from the matrix of duties.
        co_acting: Departments that act along.
        in_name_of: The department in whose name it acts, under a delegation.
        valid_until: The end of its delegation.
    """

    department: str
    reason: Title
    basis: str = ""
    mode: pb.AuthorityMode.ValueType = pb.AUTHORITY_MODE_UNSPECIFIED
    co_acting: tuple[str, ...] = ()
    in_name_of: str = ""
    valid_until: datetime | None = None


def propose(
    directory: Directory,
    item_code: str,
    subject: str,
    area_code: str,
    split: pb.AreaSplit.ValueType,
    at: datetime,
) -> tuple[Proposal, ...]:
    """The departments that could take a matter, best first, each once.

    Rows of the area come before rows that hold everywhere, granted before delegated before none, and the
    matrix of duties last. Departments that left, or that the directory does not know, are not proposed.

    Args:
        directory: The lists, duties and departments.
        item_code: Code of the matter; may be empty.
        subject: Subject of the matrix of duties; empty: the one the matter belongs to.
        area_code: Where; empty: rows that hold everywhere only.
        split: The part of a split area; unspecified: rows of both parts.
        at: When; rows withdrawn, not yet or no longer in force are left out.
    """
    duty = _duty(directory, item_code, subject)
    rows = [
        row
        for row in directory.lists.in_force(item_code, area_code, at)
        if pb.AREA_SPLIT_UNSPECIFIED in (row.split, split) or row.split == split
    ]
    rows.sort(key=lambda row: (not row.area_code, _MODE_RANK.get(row.mode, len(_MODE_RANK))))
    town_acts = any(row.area_code and row.mode != pb.AUTHORITY_MODE_NONE for row in rows)
    chosen: dict[str, Proposal] = {}
    for proposal in (*_from_rows(directory, rows, town_acts=town_acts), *_from_duty(directory, duty)):
        department = directory.department(proposal.department)
        if department is not None and department.status != pb.DEPARTMENT_STATUS_LEFT:
            chosen.setdefault(proposal.department, proposal)
    along = [] if duty is None else [duty.lead, *duty.co_acting]
    return tuple(
        replace(proposal, co_acting=tuple(name for name in along if name != proposal.department))
        for proposal in chosen.values()
    )


def _duty(directory: Directory, item_code: str, subject: str) -> pb.Duty | None:
    if subject:
        return directory.duties.get(subject)
    belongs = (duty for duty in directory.duties.values() if item_code and item_code in duty.item_codes)
    return min(belongs, key=lambda duty: duty.subject, default=None)


def _from_rows(directory: Directory, rows: Iterable[pb.Authority], *, town_acts: bool) -> Iterator[Proposal]:
    for row in rows:
        granted_everywhere = row.mode == pb.AUTHORITY_MODE_GRANTED and not row.area_code
        reason = _by_law(row) if granted_everywhere else _by_mode(directory, row)
        if granted_everywhere and town_acts:
            reason = Title(reason.zh + _COUNTY_STILL_INSPECTS.zh, reason.en + _COUNTY_STILL_INSPECTS.en)
        delegating, _ = delegation(row)
        yield Proposal(
            department=row.department,
            reason=reason,
            basis=row.basis,
            mode=row.mode,
            in_name_of=delegating,
            valid_until=moment(row, "valid_until") if delegating else None,
        )


def _from_duty(directory: Directory, duty: pb.Duty | None) -> Iterator[Proposal]:
    if duty is None:
        return
    yield Proposal(
        duty.lead,
        Title(
            f"职责分工：“{duty.title.zh}”由{_name(directory, duty.lead).zh}牵头",
            f"Duties: {_name(directory, duty.lead).en} leads in {duty.title.en}",
        ),
    )


def delegation(row: pb.Authority) -> tuple[str, str]:
    """The delegating department and the letter of a row, which holds both with a space between."""
    if row.mode != pb.AUTHORITY_MODE_DELEGATED:
        return "", ""
    department, _, letter = row.delegated_by.partition(" ")
    return department, letter.strip()


def _by_law(row: pb.Authority) -> Title:
    return Title(
        f"权责清单：“{row.title.zh}”属本部门法定职权",
        f"Authority list: {row.title.en} is this department's by law",
    )


def _by_mode(directory: Directory, row: pb.Authority) -> Title:
    where = _where(row)
    name = _name(directory, row.department)
    if row.mode == pb.AUTHORITY_MODE_GRANTED:
        return Title(
            f"赋权：{where.zh}“{row.title.zh}”由{name.zh}以自己名义实施并承担责任",
            f"Granted: {where.en}{row.title.en} is {name.en}'s, in its own name; it answers for it",
        )
    if row.mode == pb.AUTHORITY_MODE_DELEGATED:
        return _by_delegation(directory, row, where, name)
    return Title(
        f"未承接：{where.zh}“{row.title.zh}”由{name.zh}以自己名义实施，派执法人员不少于2人",
        f"Not taken over: {where.en}{row.title.en} is {name.en}'s, in its own name with at least 2 officers",
    )


def _by_delegation(directory: Directory, row: pb.Authority, where: Title, name: Title) -> Title:
    department, letter = delegation(row)
    by = _name(directory, department)
    until = moment(row, "valid_until")
    # valid_until is exclusive: what people read is the last day
    last = until and (until - _TICK).astimezone(ZONE).date()
    letter_zh = f"（{letter}）" if letter else ""
    letter_en = f", letter {letter}" if letter else ""
    return Title(
        f"委托：{where.zh}“{row.title.zh}”由{name.zh}以{by.zh}名义实施{letter_zh}"
        + (f"，有效期至{last:%Y-%m-%d}" if last else ""),
        f"Delegated: {where.en}{row.title.en} is done by {name.en} in the name of {by.en}{letter_en}"
        + (f", until {last:%Y-%m-%d}" if last else ""),
    )


def _where(row: pb.Authority) -> Title:
    if row.split == pb.AREA_SPLIT_BUILT_UP:
        return Title("建成区内，", "in the built-up area, ")
    if row.split == pb.AREA_SPLIT_OUTSIDE:
        return Title("建成区外，", "outside the built-up area, ")
    return Title("", "")


def _name(directory: Directory, department: str) -> Title:
    known = directory.department(department)
    return Title(known.title.zh, known.title.en) if known else Title(department, department)
