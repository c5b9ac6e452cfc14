"""Sample calendars and obligations for the tests of deadlines; times are written as Shanghai wall clock."""

from datetime import date, datetime
from typing import Any

from services.procedures.calendar import ZONE, Calendar, CalendarYear, seed_years
from services.procedures.obligation import Extension, Limit, Obligation, Suspension, Unit


def at(text: str) -> datetime:
    """An instant such as `2026-02-13 10:00`; a date alone is its 00:00."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def limit(text: str) -> Limit:
    """A limit such as `3 wd`; a grace such as `1 at once`."""
    value, _, unit = text.partition(" ")
    return Limit(int(value), Unit(unit))


def owed(within: str, admitted: str, **facts: Any) -> Obligation:
    """An obligation that is opened by a letter admitted at the given time."""
    facts.setdefault("occurred_at", at(admitted))
    return Obligation(
        case_id="case",
        rule="reply",
        ordinal=1,
        owed_by="housing.qinghe",
        owed_by_role="receiver",
        opened_position=1,
        opened_act="transfer",
        limit=limit(within),
        admitted_at=at(admitted),
        **facts,
    )


def pause(since: str, until: str | None = None, latest: str | None = "2027-12-01") -> Suspension:
    """A request for material, its answer, and the request's own due time."""
    return Suspension(at(since), None if latest is None else at(latest), None if until is None else at(until))


def extension(within: str, admitted: str) -> Extension:
    """An extension by so much, admitted at the given time."""
    return Extension(limit(within), at(admitted), "complex")


def year(
    number: int, published: str, version: int, holidays: tuple[str, ...] = (), makeup: tuple[str, ...] = ()
) -> CalendarYear:
    """A year of a region with the dates given."""
    return CalendarYear(
        number,
        frozenset(map(date.fromisoformat, holidays)),
        frozenset(map(date.fromisoformat, makeup)),
        at(published),
        version,
    )


NATIONAL = Calendar("qinghe", seed_years([2025, 2026], published_at=at("2025-11-04 12:00"), version=1))
"""2025 and 2026 as announced; 2027 is provisional."""
